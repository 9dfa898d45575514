//! The answer to a batch read, which grows by one result after the other and stays below a limit.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cache_api::batch_reads::{
    ExistsResult, ItemError, ItemFailed, ItemFound, ItemMissing, RetrieveResult, RetrievedBinary, RetrievedData,
};
use cache_core::cache::{BatchItem, Retrieved, RetrievedOrTooLarge, Selector};
use cache_core::content::InflateError;
use cache_core::entry::Entry;
use cache_core::ids::Namespace;
use cache_core::representation::{Embedded, EncodedContent, Unreadable};
use cache_core::strategy::ContentKind;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::problem::Problem;
use crate::redirect::{MAX_RESPONSE_BYTES, stored_representation};
use crate::response::batch::found_entry;

/// What a result without a content takes, at most, in bytes: its message may name a namespace, a key and a file id.
pub const MAX_FAILED_BYTES: usize = 2_000;
/// How many bytes the gzip contents of one answer are inflated to, in all: those that do not fit take time, too.
const MAX_INFLATED_BYTES: u64 = 4 * MAX_RESPONSE_BYTES;

const START: &[u8] = b"{\"results\":[";
const END: &[u8] = b"]}";
const OK: u16 = 200;

/// The results so far.
pub struct Results<'a> {
    namespace: &'a Namespace,
    /// Those of the items that have no result yet.
    selectors: &'a [Selector],
    body: Vec<u8>,
    /// How many bytes may still be inflated.
    inflatable: u64,
    failures: Failures,
}

/// What the log says of items that failed.
#[derive(Default)]
struct Failures {
    count: usize,
    first: Option<String>,
}

impl<'a> Results<'a> {
    /// No result yet for these items of a namespace. No content is inflated to more than `max_inflated` bytes.
    pub fn new(namespace: &'a Namespace, selectors: &'a [Selector], max_inflated: u64) -> Self {
        let inflatable = MAX_INFLATED_BYTES.min(max_inflated);
        Self { namespace, selectors, body: START.to_vec(), inflatable, failures: Failures::default() }
    }

    /// Adds the next result of a retrieve.
    ///
    /// # Errors
    ///
    /// 500 when the result cannot be written as JSON. An item that failed is a result.
    pub fn add_retrieved(&mut self, item: BatchItem<RetrievedOrTooLarge>) -> Result<(), Problem> {
        let added = match item {
            Ok(Some(RetrievedOrTooLarge::Retrieved(found))) => self.add_content(&found),
            Ok(Some(RetrievedOrTooLarge::TooLarge(entry))) => Err(no_room(&entry)),
            Ok(None) => Err(self.missing()),
            Err(error) => Err(error.into()),
        };
        if let Err(problem) = added {
            let failed = self.failed(&problem);
            self.write(&RetrieveResult::Failed(failed))?;
        }
        self.selectors = &self.selectors[1..];
        Ok(())
    }

    /// Adds the next result of an exists.
    ///
    /// # Errors
    ///
    /// As [`Results::add_retrieved`].
    pub fn add_existing(&mut self, item: BatchItem<Entry>) -> Result<(), Problem> {
        let added = match item {
            Ok(Some(entry)) => {
                let data_type = data_type(entry.content.kind).to_owned();
                let found = ItemFound { status: OK, exists: true, data_type, found: found_entry(&entry) };
                self.write_if_room(&entry, &ExistsResult::Found(found.into()))
            }
            Ok(None) => Err(self.missing()),
            Err(error) => Err(error.into()),
        };
        if let Err(problem) = added {
            let ItemFailed { status, error } = self.failed(&problem);
            self.write(&match problem.status() == StatusCode::NOT_FOUND {
                true => ExistsResult::Missing(ItemMissing { status, exists: false, error }),
                false => ExistsResult::Failed(ItemFailed { status, error }),
            })?;
        }
        self.selectors = &self.selectors[1..];
        Ok(())
    }

    /// The body of the answer.
    pub fn finish(mut self) -> Vec<u8> {
        if let Failures { count, first: Some(first) } = &self.failures {
            tracing::error!(items = count, "items of a batch failed, the first one: {first}");
        }
        self.body.extend_from_slice(END);
        self.body
    }

    fn add_content(&mut self, found: &Retrieved) -> Result<(), Problem> {
        let Retrieved { entry, bytes } = found;
        let embedded = self.embedded(entry, bytes)?;
        let found = found_entry(entry);
        match &embedded {
            Embedded::Json { data_type, json_text } => {
                let data: &RawValue = serde_json::from_slice(json_text).map_err(|error| {
                    Problem::internal(format!("{}: the JSON form is not JSON: {error}", entry.cache_id))
                })?;
                let data_type = (*data_type).to_owned();
                self.write_if_room(entry, &RetrieveResult::Data(RetrievedData { status: OK, data, data_type, found }))
            }
            Embedded::Bytes(data) => {
                let (data_type, encoding) = ("binary".to_owned(), "base64".to_owned());
                let data = BASE64_STANDARD.encode(data);
                let binary = RetrievedBinary { status: OK, data, data_type, encoding, found };
                self.write_if_room(entry, &RetrieveResult::Binary(binary))
            }
        }
    }

    /// A content as it stands within JSON. Gzip is undone, as long as there is room for what it inflates to.
    fn embedded(&mut self, entry: &Entry, bytes: &Bytes) -> Result<Embedded, Problem> {
        let max_inflated = self.inflatable.min(self.room() as u64);
        let (kind, content_encoding) = (entry.content.kind, entry.content.content_encoding.as_deref());
        let stored = EncodedContent { kind, content_encoding, bytes, max_inflated };
        let embedded = stored.embedded();
        if stored.is_gzip() {
            self.inflatable -= embedded.as_ref().map_or(max_inflated, |form| max_inflated.min(form.size() as u64));
        }
        embedded.map_err(|error| match error {
            Unreadable::Gzip(InflateError::TooLarge { .. }) => no_room(entry),
            Unreadable::Gzip(InflateError::BadStream(_)) | Unreadable::Json(_) | Unreadable::NotUtf8 => error.into(),
        })
    }

    fn missing(&self) -> Problem {
        match self.selectors.first() {
            Some(selector) => Problem::entry_not_found_short(self.namespace, selector),
            None => Problem::internal("a batch has more results than items"),
        }
    }

    /// What an item shows that failed.
    fn failed(&mut self, problem: &Problem) -> ItemFailed {
        if let Some(cause) = problem.cause() {
            self.failures.count += 1;
            self.failures.first.get_or_insert_with(|| cause.to_owned());
        }
        ItemFailed { status: problem.status().as_u16(), error: ItemError { message: problem.message().to_owned() } }
    }

    /// How many bytes the next result may have, so that there is room for all that follow.
    fn room(&self) -> usize {
        let reserved = END.len() + self.selectors.len().saturating_sub(1) * MAX_FAILED_BYTES;
        (MAX_RESPONSE_BYTES as usize).saturating_sub(self.body.len() + reserved)
    }

    fn write_if_room(&mut self, entry: &Entry, result: &impl Serialize) -> Result<(), Problem> {
        let (before, room) = (self.body.len(), self.room());
        let written = self.write(result);
        if written.is_ok() && self.body.len() - before <= room {
            return Ok(());
        }
        self.body.truncate(before);
        written.and_then(|()| Err(no_room(entry)))
    }

    fn write(&mut self, result: &impl Serialize) -> Result<(), Problem> {
        if self.body.len() > START.len() {
            self.body.push(b',');
        }
        serde_json::to_writer(&mut self.body, result).map_err(|error| Problem::internal(error.to_string()))
    }
}

/// The kind of a content as a retrieve shows it.
fn data_type(kind: ContentKind) -> &'static str {
    match kind {
        ContentKind::Json | ContentKind::String | ContentKind::Binary => kind.name(),
        ContentKind::Zip => ContentKind::Binary.name(),
    }
}

fn no_room(entry: &Entry) -> Problem {
    Problem::no_room_in_batch(entry, MAX_RESPONSE_BYTES, &stored_representation(entry))
}
