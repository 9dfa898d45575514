//! The options of a store: an idempotency key, a time to live, and the precondition that its key is unused.

use std::time::Duration;

use axum::extract::FromRequestParts;
use cache_core::cache::{IdempotencyKey, MAX_TTL, MIN_TTL};
use cache_core::error::Error;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::access::caller::{Caller, MayReplace};
use crate::extract::Params;
use crate::problem::Problem;
use crate::state::AppState;

/// The header that identifies all repeats of one request (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The scope of the idempotency keys of callers without an API key of their own.
const ROOT: &str = "root";

/// The options of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `Idempotency-Key`.
    pub idempotency_key: Option<IdempotencyKey>,
    /// `?ttl_seconds=`.
    pub ttl: Option<Duration>,
    /// `If-None-Match: *`.
    pub if_none_match: bool,
    /// Whether the caller may replace what is there.
    pub replace: MayReplace,
}

impl FromRequestParts<AppState> for StoreOptions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = Params::from_request_parts(parts, state).await?;
        let seconds = params.number("ttl_seconds", MIN_TTL.as_secs()..=MAX_TTL.as_secs())?;
        Ok(Self {
            idempotency_key: idempotency_key(parts)?,
            ttl: seconds.map(Duration::from_secs),
            if_none_match: if_none_match(&parts.headers)?,
            replace: MayReplace::of(&parts.extensions),
        })
    }
}

/// The `Idempotency-Key` of a request that takes no other option. Reads have none: they do nothing that a repeat could do twice.
#[derive(Debug, Clone)]
pub struct Repeatable(pub Option<IdempotencyKey>);

impl FromRequestParts<AppState> for Repeatable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        if parts.method.is_safe() { Ok(Self(None)) } else { idempotency_key(parts).map(Self) }
    }
}

/// The idempotency key of a request. Each caller has keys of its own.
///
/// # Errors
///
/// When it is longer than 255 characters, or has others than visible ASCII.
fn idempotency_key(parts: &Parts) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = parts.headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let caller = match parts.extensions.get::<Caller>() {
        Some(caller @ Caller::Key(_)) => caller.name(),
        Some(Caller::AuthDisabled | Caller::Root | Caller::Anonymous) | None => ROOT,
    };
    let key = IdempotencyKey::new(text, caller);
    key.map(Some).map_err(|error| match error {
        Error::Invalid { message, .. } => Problem::header("Idempotency-Key", text, message),
        other => other.into(),
    })
}

/// A store always creates a version, so `*` is the only precondition that makes sense.
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

#[cfg(test)]
mod repeat_tests;

#[cfg(test)]
mod tests {
    use crate::test_support::{App, Call};

    fn store() -> Call {
        Call::post("/ns/key_based/store/string/a/b?file_id=f", "hello")
    }

    #[tokio::test]
    async fn repeats_with_one_idempotency_key_are_one_entry() {
        let app = App::new();
        let first = app.json(store().header("idempotency-key", "k1")).await;
        assert_eq!(app.json(store().header("idempotency-key", "k1")).await["cache_id"], first["cache_id"]);
        assert_ne!(app.json(store().header("idempotency-key", "k2")).await["cache_id"], first["cache_id"]);
        assert_eq!(app.json(Call::get("/ns/file-ids")).await.as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn if_none_match_stores_only_the_first_version_of_a_key() {
        let app = App::new();
        assert_eq!(app.send(store().header("if-none-match", "*")).await.status, 200);
        let second = app.send(store().header("if-none-match", "*")).await;
        assert_eq!(second.status, 412, "{}", second.text());
        assert!(second.text().contains("a live version under key 'a/b'"), "{}", second.text());
        assert_eq!(app.json(Call::get("/ns/file-ids")).await.as_array().unwrap().len(), 1, "nothing is half stored");
        assert_eq!(app.send(store()).await.status, 200, "without the condition it is the next version");
    }

    #[tokio::test]
    async fn a_wrong_option_is_400_and_says_what_is_wrong() {
        let long = "x".repeat(256);
        for (header, value, message) in [
            ("if-none-match", "\"tag\"", "If-None-Match should be '*'"),
            ("idempotency-key", "", "Idempotency-Key must have 1 to 255"),
            ("idempotency-key", &long, "Idempotency-Key must have 1 to 255"),
        ] {
            let answer = App::new().send(store().header(header, value)).await;
            assert_eq!(answer.status, 400, "{header}: {value}");
            assert!(answer.text().contains(message), "{}", answer.text());
        }
        let answer = App::new().send(Call::post("/ns/direct/store/string?ttl_seconds=0", "hello")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("ttl_seconds should be a number from 1 to"), "{}", answer.text());
    }
}
