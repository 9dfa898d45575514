//! Reads the content of one entry for one request: finds the entry, answers 304 if the caller has it already, and sends the
//! content, or a redirect to the storage when it is too large to pass through.
//!
//! | step | where |
//! |---|---|
//! | which entry, and how its content may be delivered | [`EntryReader::entry`], [`DeliveryOptions`] |
//! | read it, or only its record when it is too large | [`EntryRead::read`] |
//! | 304, cache headers | [`ConditionalHeaders::respond`] |
//! | redirect to the storage | [`EntryRead::redirect`] |
//! | the body in the representation that was asked for | [`representation`] |

mod representation;

use std::convert::Infallible;

use axum::body::HttpBody;
use axum::extract::FromRequestParts;
use axum::response::Response;
use cache_core::cache::{Entry, Retrieved, Selector};
use cache_core::content::GZIP;
use cache_core::ids::Namespace;
use cache_core::record::Record;
use cache_core::storage::AnswerHeaders;
use cache_core::strategy::ContentKind;
use http::request::Parts;
use http::{HeaderValue, header};

use crate::conditional::{CachePolicy, ConditionalHeaders, ETag};
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
    pub fn entry(self, params: &Params, selector: Selector) -> Result<EntryRead, Problem> {
        let options = self.options.with_query(params)?;
        Ok(EntryRead { reader: Self { options, ..self }, namespace: params.namespace()?, selector, revision: None })
    }

    /// The entry in the path, at the revision in the query if there is one.
    pub fn entry_or_revision(self, params: &Params) -> Result<EntryRead, Problem> {
        let read = self.entry(params, params.entry()?)?;
        Ok(EntryRead { revision: params.revision()?, ..read })
    }
}

/// The read of one entry, which may not exist.
#[derive(Debug)]
pub struct EntryRead {
    reader: EntryReader,
    namespace: Namespace,
    selector: Selector,
    revision: Option<u64>,
}

/// What a read leads to.
enum ReadOutcome {
    Content(Box<Entry>),
    /// The caller has to read the content from the storage.
    Redirect(Response),
}

impl EntryRead {
    /// The content, or a redirect when it is too large to pass through.
    async fn read(
        &self,
        representation: Representation,
        etag: impl Fn(&Record) -> ETag,
    ) -> Result<ReadOutcome, Problem> {
        let (options, conditions) = (self.reader.options, &self.reader.conditions);
        let record = match self.retrieve(options.initial_read_limit()).await?.ok_or_else(|| self.not_found())? {
            Retrieved::Whole(entry) => return Ok(ReadOutcome::Content(Box::new(entry))),
            Retrieved::TooLarge(record) => record,
        };
        let as_stored = redirect::as_stored(&record, representation, conditions);
        if let Some(headers) = as_stored.filter(|_| options.may_redirect()) {
            return self.redirect(&record, &etag(&record), &headers).await.map(ReadOutcome::Redirect);
        }
        if options.max_bytes() <= options.initial_read_limit() {
            return Err(options.too_large(&record));
        }
        let found = self.retrieve(options.max_bytes()).await?.ok_or_else(|| self.not_found())?;
        self.whole(found).map(|entry| ReadOutcome::Content(Box::new(entry)))
    }

    /// Redirects to the storage, unless the caller has the content already. A signed URL is for GET, so HEAD is answered here.
    async fn redirect(&self, record: &Record, etag: &ETag, headers: &AnswerHeaders) -> Result<Response, Problem> {
        let url = match self.reader.options.head_only {
            true => None,
            false => self.reader.cache.presigned_get(record, headers).await?,
        };
        let response = self.reader.conditions.respond(etag, self.cache_policy(), || match url {
            Some(url) => redirect::redirect(&url),
            None => Ok(redirect::head(record, headers)),
        })?;
        Ok(vary_on_encoding(response, record))
    }

    async fn retrieve(&self, max_bytes: u64) -> Result<Option<Retrieved>, Problem> {
        let cache = &self.reader.cache;
        Ok(match self.revision {
            Some(number) => cache.retrieve_revision(&self.namespace, &self.selector, number, max_bytes).await?,
            None => cache.retrieve_within(&self.namespace, &self.selector, max_bytes).await?,
        })
    }

    fn whole(&self, found: Retrieved) -> Result<Entry, Problem> {
        match found {
            Retrieved::Whole(entry) => Ok(entry),
            Retrieved::TooLarge(record) => Err(self.reader.options.too_large(&record)),
        }
    }

    fn not_found(&self) -> Problem {
        Problem::entry_not_found_short(&self.namespace, &self.selector)
    }

    /// The response, unless the caller has it already, or it turns out larger than Lambda takes.
    fn respond(
        &self,
        record: &Record,
        etag: &ETag,
        make: impl FnOnce() -> Result<Response, Problem>,
    ) -> Result<Response, Problem> {
        let options = self.reader.options;
        let response = self.reader.conditions.respond(etag, self.cache_policy(), make)?;
        match options.in_lambda && response.body().size_hint().lower() > MAX_RESPONSE_BYTES {
            true => Err(options.too_large(record)),
            false => Ok(response),
        }
    }

    /// The content of a revision never changes, everything else may.
    fn cache_policy(&self) -> CachePolicy {
        if self.revision.is_some() { CachePolicy::Immutable } else { CachePolicy::Revalidate }
    }
}

fn is_gzip(record: &Record) -> bool {
    record.kind == ContentKind::Binary && record.current().content_encoding == Some(GZIP)
}

/// Gzip content is sent as it is to callers that accept it, so the response depends on `Accept-Encoding`.
fn vary_on_encoding(mut response: Response, record: &Record) -> Response {
    if is_gzip(record) {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}
