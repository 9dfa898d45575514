//! The recording, and the requests that it leaves out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::names::{self, Names};
use crate::support::Request;

/// One request to the Python service, and its answer.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    /// Version and stack of the service.
    pub service: String,
    /// The purpose of the exchange.
    pub note: String,
    pub request: RecordedRequest,
    pub response: RecordedReply,
}

/// A request without which later exchanges make no sense.
#[derive(Debug, Deserialize)]
pub struct LeftOut {
    /// The line of the recording before which it is sent.
    pub before: usize,
    /// The recorded cache_id of the entry that it makes.
    pub stands_for: Option<String>,
    pub request: RecordedRequest,
}

#[derive(Debug, Deserialize)]
pub struct RecordedRequest {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub body_b64: Option<String>,
    /// Set where the record holds only the beginning of the body.
    pub body_len: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub struct RecordedReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub body_b64: Option<String>,
    /// Set where the record holds only the beginning of the body.
    pub body_len: Option<usize>,
}

/// Every recorded exchange, in order.
pub fn recorded() -> Vec<Exchange> {
    parse_lines(include_str!("../golden/exchanges.jsonl"))
}

/// Every request that the recording leaves out.
pub fn left_out() -> Vec<LeftOut> {
    parse_lines(include_str!("../golden/left-out.jsonl"))
}

fn parse_lines<T: for<'a> Deserialize<'a>>(text: &str) -> Vec<T> {
    let parse = |(at, line)| serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", at + 1));
    text.lines().enumerate().map(parse).collect()
}

fn body(text: Option<&String>, base64: Option<&String>) -> Bytes {
    match (text, base64) {
        (Some(text), _) => text.clone().into(),
        (None, Some(base64)) => STANDARD.decode(base64).unwrap().into(),
        (None, None) => Bytes::new(),
    }
}

impl Exchange {
    /// As in `first store | POST /ns/direct/store/json`.
    pub fn title(&self) -> String {
        format!("{} | {}", self.note, self.request.line())
    }
}

impl RecordedRequest {
    /// As in `GET /ns/retrieve/…`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The request to our server, with its names.
    pub fn assemble(&self, names: &Names) -> Request {
        let mut request = Request::bare(&self.method, &names.in_target(&self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body_in(names))
    }

    fn body_in(&self, names: &Names) -> Bytes {
        let start = body(self.body.as_ref(), self.body_b64.as_ref());
        match (self.body_len, &self.body) {
            // The long bodies of the recording repeat their beginning; how they end decided nothing.
            (Some(length), _) => start.iter().copied().cycle().take(length).collect::<Vec<_>>().into(),
            (None, Some(text)) => names.in_text(text).into(),
            (None, None) => start,
        }
    }
}

impl RecordedReply {
    pub fn bytes(&self) -> Bytes {
        body(self.body.as_ref(), self.body_b64.as_ref())
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The body as JSON, when it is.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.bytes()).ok()
    }

    /// The media type, without its parameters; empty when there is none.
    pub fn media_type(&self) -> &str {
        let found = self.headers.iter().find(|(name, _)| name == "content-type");
        found.map_or("", |(_, value)| value.split(';').next().unwrap_or_default().trim())
    }

    /// Every id in the body.
    pub fn ids(&self) -> Vec<String> {
        names::ids_in(&self.text())
    }
}
