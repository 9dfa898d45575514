//! Files that are part of the binary, compressed with gzip by a build script.

use std::io::Read;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderValue, header};

use crate::conditional::{CachePolicy, ConditionalHeaders, ETag, Validators};
use crate::problem::Problem;

/// A file as its build script left it.
#[derive(Debug, Clone, Copy)]
pub struct StaticFile {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes, compressed.
    pub gzip: &'static [u8],
}

impl StaticFile {
    /// The file, inflated for callers that do not accept gzip.
    ///
    /// # Errors
    ///
    /// 412 when the caller expects another file; 500 when it cannot be inflated.
    pub fn respond(&self, conditions: &ConditionalHeaders, policy: CachePolicy) -> Result<Response, Problem> {
        let coding = if conditions.accepts_gzip { "gzip" } else { "" };
        let etag = ETag::of(&[self.content_type, coding, &Sha256Digest::of(self.gzip).to_string()]);
        let validators = Validators { etag, modified: None };
        let mut response = conditions.respond(&validators, policy, || self.body(conditions.accepts_gzip))?;
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        Ok(response)
    }

    fn body(&self, packed: bool) -> Result<Response, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            return Ok((headers, Bytes::from_static(self.gzip)).into_response());
        }
        let mut bytes = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut bytes).map_err(|error| Problem::internal(error.to_string()))?;
        Ok((headers, bytes).into_response())
    }
}
