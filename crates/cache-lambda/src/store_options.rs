//! What a store may ask for beside its content: to be repeatable, a time to live, and to be the first under its key.

use std::time::Duration;

use axum::extract::FromRequestParts;
use cache_core::cache::{IdempotencyKey, MAX_TTL, MIN_TTL};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::extract::Params;
use crate::problem::Problem;
use crate::state::AppState;

/// The header that identifies all repeats of one request (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Whose idempotency keys they are while there is one API key for all.
const API_KEY_ID: &str = "root";

/// The options of a store.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// `Idempotency-Key`.
    pub idempotency_key: Option<IdempotencyKey>,
    /// `?ttl_seconds=`.
    pub ttl: Option<Duration>,
    /// `If-None-Match: *`.
    pub if_none_match: bool,
}

impl FromRequestParts<AppState> for StoreOptions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = Params::from_request_parts(parts, state).await?;
        let seconds = params.number("ttl_seconds", MIN_TTL.as_secs()..=MAX_TTL.as_secs())?;
        Ok(Self {
            idempotency_key: idempotency_key(&parts.headers)?,
            ttl: seconds.map(Duration::from_secs),
            if_none_match: if_none_match(&parts.headers)?,
        })
    }
}

/// The idempotency key of a request.
///
/// # Errors
///
/// When it is longer than 255 characters, or has others than visible ASCII.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let key = IdempotencyKey::new(text, API_KEY_ID);
    key.map(Some).map_err(|error| Problem::header("Idempotency-Key", text, error))
}

/// A store creates, so of all conditions only the one that nothing is there makes sense.
fn if_none_match(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(header::IF_NONE_MATCH).map(|value| value.as_bytes()) {
        None => Ok(false),
        Some(b"*") => Ok(true),
        Some(other) => {
            let text = String::from_utf8_lossy(other);
            Err(Problem::header("If-None-Match", &text, "should be '*': a store is either conditional on that, or not"))
        }
    }
}
