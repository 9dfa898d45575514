//! Looks for entries without their contents.

use cache_api::batch_reads::{BatchRead, ReceivedBatch, ReceivedItem};
use cache_api::kinds::ContentKind;
use http::StatusCode;

use crate::error::{Error, Failure};
use crate::namespace::Namespace;
use crate::operations::{self, Operation};
use crate::retrieved::EntryInfo;
use crate::selector::Selector;

/// How many entries one request of a batch asks for.
pub(crate) const BATCH_ITEMS: usize = 1000;

impl Namespace {
    /// Looks for an entry: its version, SHA-256 and metadata, without the content.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn find(&self, selector: impl Into<Selector>) -> Result<Option<EntryInfo>, Error> {
        let results = self.find_many(&[selector.into()]).await?;
        results.into_iter().next().unwrap_or_else(|| Err(no_result()))
    }

    /// Looks for entries, each with its own outcome, in this order. No content is read.
    ///
    /// # Errors
    ///
    /// When a request fails as a whole.
    pub async fn find_many(&self, selectors: &[Selector]) -> Result<Vec<Result<Option<EntryInfo>, Error>>, Error> {
        let mut all = Vec::with_capacity(selectors.len());
        for part in selectors.chunks(BATCH_ITEMS) {
            let items = self.batch(&operations::POST_EXISTS_BATCH, part).await?;
            all.extend(items.into_iter().map(|item| entry_info(self, item)));
        }
        Ok(all)
    }

    /// The results of one request.
    pub(crate) async fn batch(
        &self,
        operation: &'static Operation,
        selectors: &[Selector],
    ) -> Result<Vec<ReceivedItem>, Error> {
        let items = selectors.iter().map(Selector::item).collect::<Result<_, _>>()?;
        let call = self.call(operation, &[])?.json(&BatchRead { items })?;
        let ReceivedBatch { results } = self.json(&call).await?;
        match results.len() == selectors.len() {
            true => Ok(results),
            false => Err(no_result()),
        }
    }
}

/// A result of a batch read as an entry; `None` for a miss.
pub(crate) fn entry_info(namespace: &Namespace, item: ReceivedItem) -> Result<Option<EntryInfo>, Error> {
    let what = "a batch read";
    let status = StatusCode::from_u16(item.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = item.data_type.as_deref().and_then(kind);
    match (status, kind, item.version, item.sha256, item.metadata) {
        (StatusCode::OK, Some(kind), Some(version), Some(sha256), Some(metadata)) => {
            let entry = namespace.entry(metadata.cache_id.as_str());
            Ok(Some(EntryInfo { entry, kind, version, sha256: sha256.as_str().to_owned(), metadata }))
        }
        (StatusCode::OK, ..) => Err(Error::Protocol(Failure::new(what, "a result lacks its metadata"))),
        (StatusCode::NOT_FOUND, ..) => Ok(None),
        _ => {
            let message = item.error.map_or_else(|| status.to_string(), |error| error.message);
            Err(Error::of_status(status, None, Failure::new(what, message).with_status(status, None)))
        }
    }
}

fn kind(name: &str) -> Option<ContentKind> {
    match name {
        "json" => Some(ContentKind::Json),
        "string" => Some(ContentKind::String),
        "binary" => Some(ContentKind::Binary),
        _ => None,
    }
}

/// The error for a response with too few results, or too many.
pub(crate) fn no_result() -> Error {
    Error::Protocol(Failure::new("a batch read", "the answer has another number of results than were asked for"))
}
