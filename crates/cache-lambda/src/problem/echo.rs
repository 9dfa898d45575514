//! What an error shows of the request: enough to recognise it, never all of a large one.

use serde_json::Value;

/// How many characters of an input an error shows.
const SHOWN_CHARS: usize = 200;
/// How many characters a message has at most: those of an input, and what is said about it.
const MESSAGE_CHARS: usize = 600;

/// The beginning of an input.
pub(super) fn short(input: &str) -> String {
    cut(input, SHOWN_CHARS)
}

/// The beginning of a message.
pub(super) fn short_message(message: &str) -> String {
    cut(message, MESSAGE_CHARS)
}

/// An input as it was sent if it is short, else the beginning of its text.
pub(super) fn short_value(input: Value) -> Value {
    match input {
        Value::Null | Value::Bool(_) => input,
        Value::String(text) => short(&text).into(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let text = input.to_string();
            if text.len() <= SHOWN_CHARS { input } else { short(&text).into() }
        }
    }
}

/// The way to an input, with the beginning of each name on it.
pub(super) fn short_loc(loc: Value) -> Value {
    match loc {
        Value::Array(steps) => steps.into_iter().map(short_value).collect(),
        other => short_value(other),
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::SHOWN_CHARS;
    use crate::test_support::{App, Call};

    /// More of one character than an error may show.
    fn long() -> String {
        "A".repeat(5_000)
    }

    async fn check(call: Call) {
        let answer = App::new().send(call).await;
        let text = answer.text();
        assert!(answer.status.is_client_error(), "{text}");
        let run = text.split(|c| c != 'A').map(str::len).max().unwrap_or_default();
        assert!(run <= SHOWN_CHARS && text.len() < 4_000, "{run} characters of the input: {text}");
    }

    #[tokio::test]
    async fn an_error_shows_the_beginning_of_an_input_only() {
        let long = long();
        for path in [
            format!("/ns/retrieve/{long}"),
            format!("/ns/retrieve/hash/{long}"),
            format!("/{long}/stats"),
            format!("/ns/entries?strategy={long}"),
            format!("/ns/entries?strategy=temporal&from={long}"),
            format!("/ns/entries?strategy=temporal&limit={long}"),
            format!("/ns/retrieve/key/direct/{long}/f"),
            format!("/ns/retrieve/hash/0123456789abcdef?redirect={long}"),
            format!("/admin/storage/file/json/{long}"),
            format!("/ns/cache/00000000-0000-4000-8000-000000000000/data/exists/{long}/f"),
            format!("/ns/zip/00000000-0000-4000-8000-000000000000/file/retrieve/{long}"),
        ] {
            check(Call::get(&path)).await;
        }
        for (path, body) in [
            ("/ns/settings", json!({long.as_str(): long})),
            ("/ns/settings", json!({"ttl_hours": long})),
            ("/ns/settings", json!({"namespace": long})),
        ] {
            let call = Call::new(Method::PUT, path).header("content-type", "application/json").body(body.to_string());
            check(call).await;
        }
        for (path, body) in [
            ("/ns/direct/upload", json!({long.as_str(): long})),
            ("/ns/direct/upload", json!({"data_type": long, "sha256": long, "size": long})),
            ("/ns/direct/upload/complete", json!({"upload_id": long})),
            ("/ns/retrieve/batch", json!({"items": [{"cache_id": long}]})),
            ("/ns/retrieve/batch", json!({"items": [{long.as_str(): long}]})),
            ("/ns/retrieve/batch", json!({long.as_str(): []})),
            ("/ns/zip/00000000-0000-4000-8000-000000000000/batch/operations", json!({"operations": long})),
            ("/auth/set-auth-cookie", json!({"cookie_value": [long]})),
            ("/ns/direct/store/string", json!([long])),
        ] {
            check(Call::post_json(path, body.to_string())).await;
        }
    }
}
