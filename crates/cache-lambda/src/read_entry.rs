//! Reads the content of one entry for one request: finds the entry, answers 304 if the caller has it already, and sends
//! the content: as a whole when it is small, in parts when it is large, or a redirect to the storage.
//!
//! | step | where |
//! |---|---|
//! | which entry, and how its content may be delivered | [`EntryReader::entry`], [`DeliveryOptions`] |
//! | read it, or only its metadata when it is too large | `EntryRead::read` |
//! | 304, cache headers | [`ConditionalHeaders::respond`] |
//! | redirect to the storage | `EntryRead::redirect` |
//! | send it in parts | `streaming.rs` |
//! | the body in the representation that was asked for | `representation.rs` |

mod representation;
mod streaming;

use std::convert::Infallible;

use axum::body::HttpBody;
use axum::extract::FromRequestParts;
use axum::response::Response;
use cache_core::cache::{NamespaceCache, Retrieved, RetrievedOrTooLarge, Selector};
use cache_core::content::GZIP;
use cache_core::entry::Entry;
use cache_core::storage::ResponseHeaders;
use cache_core::strategy::ContentKind;
use http::request::Parts;
use http::{HeaderValue, header};

use crate::conditional::{CachePolicy, ConditionalHeaders, ETag, Validators};
use crate::extract::Params;
use crate::problem::Problem;
use crate::redirect::{self, DeliveryOptions, MAX_RESPONSE_BYTES, Representation};
use crate::request_cache::RequestCache;
use crate::state::AppState;

/// Reads entries for one request.
#[derive(Debug)]
pub struct EntryReader {
    cache: RequestCache,
    conditions: ConditionalHeaders,
    options: DeliveryOptions,
    /// The largest content that is inflated, in bytes.
    max_inflated: u64,
}

impl FromRequestParts<AppState> for EntryReader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let cache = RequestCache::from_request_parts(parts, state).await?;
        let conditions = ConditionalHeaders::from_request_parts(parts, state).await?;
        let options = DeliveryOptions::for_method(state, &parts.method);
        Ok(Self { cache, conditions, options, max_inflated: state.config.max_body_bytes })
    }
}

impl EntryReader {
    /// The entry that a selector finds in the namespace of the path.
    ///
    /// # Errors
    ///
    /// As [`Params::namespace`] and [`DeliveryOptions::with_query`].
    pub fn entry(self, params: &Params, selector: Selector) -> Result<EntryRead, Problem> {
        let options = self.options.with_query(params)?;
        let cache = self.cache.namespace_of(params)?;
        Ok(EntryRead { reader: Self { options, ..self }, cache, selector, revision: None })
    }

    /// The entry in the path, at the revision in the query if there is one.
    ///
    /// # Errors
    ///
    /// As [`EntryReader::entry`], [`Params::entry`] and [`Params::revision`].
    pub fn entry_or_revision(self, params: &Params) -> Result<EntryRead, Problem> {
        let read = self.entry(params, params.entry()?)?;
        Ok(EntryRead { revision: params.revision()?, ..read })
    }
}

/// The read of one entry, which may not exist.
#[derive(Debug)]
pub struct EntryRead {
    reader: EntryReader,
    cache: NamespaceCache,
    selector: Selector,
    revision: Option<u64>,
}

/// The outcome of a read.
enum ReadOutcome {
    Content(Box<Retrieved>),
    /// The content is sent without being in memory: from the storage, or in parts.
    Response(Response),
}

impl EntryRead {
    /// The content, or the response with it when it is large and is sent as it is stored.
    async fn read(
        &self,
        representation: Representation,
        etag: impl Fn(&Entry) -> ETag,
    ) -> Result<ReadOutcome, Problem> {
        let (options, conditions) = (self.reader.options, &self.reader.conditions);
        let entry = match self.retrieve(options.initial_read_limit()).await?.ok_or_else(|| self.not_found())? {
            RetrievedOrTooLarge::Retrieved(found) => return Ok(ReadOutcome::Content(Box::new(found))),
            RetrievedOrTooLarge::TooLarge(entry) => entry,
        };
        let as_stored = redirect::as_stored(&entry, representation, conditions);
        if let Some(headers) = as_stored.filter(|_| entry.has_own_object()) {
            if options.may_redirect() {
                return self.redirect(&entry, &etag(&entry), &headers).await.map(ReadOutcome::Response);
            }
            if options.may_stream(&entry)
                && let Some(response) = self.stream(&entry, &etag(&entry), &headers, representation).await?
            {
                return Ok(ReadOutcome::Response(response));
            }
        }
        if options.max_bytes() <= options.initial_read_limit() {
            return Err(options.too_large(&entry));
        }
        self.reader.cache.reserve(entry.content.size).await?;
        let found = self.retrieve(options.max_bytes()).await?.ok_or_else(|| self.not_found())?;
        self.whole(found).map(|found| ReadOutcome::Content(Box::new(found)))
    }

    /// Redirects to the storage, unless the caller has the content already. A signed URL is for GET, so HEAD is
    /// answered here.
    async fn redirect(&self, entry: &Entry, etag: &ETag, headers: &ResponseHeaders) -> Result<Response, Problem> {
        let url = match self.reader.options.head_only {
            true => None,
            false => self.cache.presigned_get(entry, headers).await?,
        };
        let validators = self.validators(entry, etag);
        let response = self.reader.conditions.respond(&validators, self.cache_policy(), || match url {
            Some(url) => redirect::redirect(&url),
            None => Ok(redirect::head(entry, headers)),
        })?;
        Ok(vary_on_encoding(response, entry))
    }

    async fn retrieve(&self, max_bytes: u64) -> Result<Option<RetrievedOrTooLarge>, Problem> {
        Ok(match self.revision {
            Some(number) => self.cache.retrieve_revision(&self.selector, number, max_bytes).await?,
            None => self.cache.retrieve_up_to(&self.selector, max_bytes).await?,
        })
    }

    fn whole(&self, found: RetrievedOrTooLarge) -> Result<Retrieved, Problem> {
        match found {
            RetrievedOrTooLarge::Retrieved(found) => Ok(found),
            RetrievedOrTooLarge::TooLarge(entry) => Err(self.reader.options.too_large(&entry)),
        }
    }

    fn not_found(&self) -> Problem {
        Problem::entry_not_found_short(self.cache.name(), &self.selector)
    }

    /// The response, unless the caller has it already, or it is larger than Lambda allows.
    fn respond(
        &self,
        entry: &Entry,
        etag: &ETag,
        make: impl FnOnce() -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        let options = self.reader.options;
        let validators = self.validators(entry, etag);
        let response = self.reader.conditions.respond(&validators, self.cache_policy(), make)?;
        match options.in_lambda && response.body().size_hint().lower() > MAX_RESPONSE_BYTES {
            true => Err(options.too_large(entry)),
            false => Ok(response),
        }
    }

    /// The newest entry of a hash or key may be an older one after a delete, so its date says nothing.
    fn validators(&self, entry: &Entry, etag: &ETag) -> Validators {
        let changed_at = entry.revision.as_ref().map_or(entry.stored_at, |revision| revision.updated_at);
        let modified = match self.selector {
            Selector::Id(_) | Selector::Hash(_, Some(_)) | Selector::Key(_, Some(_)) => Some(changed_at),
            Selector::Hash(_, None) | Selector::Key(_, None) => None,
        };
        Validators { etag: etag.clone(), modified }
    }

    /// The content of a revision never changes, everything else may.
    fn cache_policy(&self) -> CachePolicy {
        if self.revision.is_some() { CachePolicy::Immutable } else { CachePolicy::Revalidate }
    }
}

fn is_gzip(entry: &Entry) -> bool {
    entry.content.kind == ContentKind::Binary && entry.content.content_encoding.as_deref() == Some(GZIP)
}

/// Gzip content is sent compressed to callers that accept it, so the response depends on `Accept-Encoding`.
fn vary_on_encoding(mut response: Response, entry: &Entry) -> Response {
    if is_gzip(entry) {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}
