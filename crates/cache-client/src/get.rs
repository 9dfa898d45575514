//! Retrieves entries with their contents, which are compared with their SHA-256.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cache_api::batch_reads::ReceivedItem;
use cache_api::kinds::ContentKind;
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::entry::Entry;
use crate::error::{Error, Failure};
use crate::find::{BATCH_ITEMS, entry_info, no_result};
use crate::namespace::Namespace;
use crate::operations;
use crate::retrieved::{Content, GZIP, Retrieved, sha256_hex, wrong_bytes};
use crate::selector::Selector;

impl Namespace {
    /// Retrieves an entry with its content, and compares the content with its SHA-256. A content of more than 4 MB takes
    /// two more requests; to read it as it arrives there is [`Namespace::download`].
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn get(&self, selector: impl Into<Selector>) -> Result<Option<Retrieved>, Error> {
        let selector = selector.into();
        let results = self.get_many(std::slice::from_ref(&selector)).await?;
        results.into_iter().next().unwrap_or_else(|| Err(no_result()))
    }

    /// Retrieves JSON as a value.
    ///
    /// # Errors
    ///
    /// As [`Namespace::get`], and when the content is no JSON of this type.
    pub async fn get_json<T: DeserializeOwned>(&self, selector: impl Into<Selector>) -> Result<Option<T>, Error> {
        self.get(selector).await?.map(|retrieved| retrieved.json()).transpose()
    }

    /// Retrieves entries with their contents, each with its own outcome, in this order. A request asks for up to 1,000.
    ///
    /// # Errors
    ///
    /// When a request fails as a whole.
    pub async fn get_many(&self, selectors: &[Selector]) -> Result<Vec<Result<Option<Retrieved>, Error>>, Error> {
        let mut all = Vec::with_capacity(selectors.len());
        for part in selectors.chunks(BATCH_ITEMS) {
            for (item, selector) in self.batch(&operations::POST_RETRIEVE_BATCH, part).await?.into_iter().zip(part) {
                all.push(received(self, selector, item).await);
            }
        }
        Ok(all)
    }
}

impl Entry {
    /// It with its content, as [`Namespace::get`].
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn retrieve(&self) -> Result<Option<Retrieved>, Error> {
        self.namespace().get(Selector::id(self.id())).await
    }
}

/// A result of a batch read with its content. A content that the batch had no room for, or whose stored bytes it does not
/// have, is read alone.
async fn received(
    namespace: &Namespace,
    selector: &Selector,
    mut item: ReceivedItem,
) -> Result<Option<Retrieved>, Error> {
    if item.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16() {
        return namespace.download(selector.clone()).retrieved().await;
    }
    let data = item.data.take();
    let Some(info) = entry_info(namespace, item)? else { return Ok(None) };
    if info.metadata.content_encoding.as_deref() == Some(GZIP) {
        return namespace.download(selector.clone()).retrieved().await;
    }
    let unreadable = |error| Error::unreadable("a batch read", "a content is not of its type", error);
    let data = data.ok_or_else(|| Error::Protocol(Failure::new("a batch read", "a result lacks its content")))?;
    let content = match info.kind {
        ContentKind::String => Content::Text(serde_json::from_str(data.get()).map_err(unreadable)?),
        ContentKind::Json => Content::Json(data),
        ContentKind::Binary | ContentKind::Zip => {
            let base64: &str = serde_json::from_str(data.get()).map_err(unreadable)?;
            let bytes = BASE64_STANDARD.decode(base64);
            Content::Bytes(bytes.map_err(|error| Error::unreadable("a batch read", "no base64", error))?.into())
        }
    };
    let retrieved = Retrieved { info, content };
    let was = sha256_hex(&retrieved.bytes());
    match was == retrieved.info.sha256 {
        true => Ok(Some(retrieved)),
        false => Err(wrong_bytes("a batch read", &retrieved.info.sha256, &was)),
    }
}
