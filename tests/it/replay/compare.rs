//! The comparison of two responses.
//!
//! Compared are the status, the media type, and of a JSON body the field names and the kinds of the values: ours may
//! have more fields, never fewer or others. A recorded `null` stands for anything, since the kind of what is missing
//! does not show. Of a list every element of ours must be like one of theirs, and it must not be empty when theirs is
//! not. Known ids must be the same entry's, and the fields in [`EXACT`] must have the same value, those in [`TEXTS`]
//! the same but for the ids in them. Content that was stored must come back to the letter, see [`carries_content`].

use std::fmt;

use serde_json::Value;

use super::exchange::Exchange;
use super::names::{Names, is_id};
use crate::support::Reply;

/// Fields whose values the contract fixes.
const EXACT: &[&str] = &[
    "cache_hash",
    "cache_key",
    "data_file_id",
    "error_message",
    "data_key",
    "data_type",
    "error_type",
    "exists",
    "expected_type",
    "extension",
    "field_name",
    "file_id",
    "file_type",
    "json_field_path",
    "namespace",
    "operation",
    "resource_type",
    "status",
    "strategy",
    "success",
    "type",
];

/// Fields with texts for people, which clients compare all the same.
const TEXTS: &[&str] = &["description", "detail", "error", "error_details", "message", "msg"];

/// The header that every answer has.
const REQUEST_ID: &str = "fast-api-request-id";

/// A place at which our answer is not like the recorded one.
#[derive(Debug)]
pub struct Mismatch {
    /// `status`, `media type`, `body`, or a path into the JSON body such as `$.metadata.file_id`.
    pub at: String,
    recorded: String,
    ours: String,
}

impl Mismatch {
    /// Whether it is at this place, or at one below it.
    pub fn is_below(&self, place: &str) -> bool {
        self.at.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: recorded {}, ours {}", self.at, self.recorded, self.ours)
    }
}

/// Where our answer is not like the recorded one.
pub fn compare(exchange: &Exchange, reply: &Reply, names: &Names) -> Vec<Mismatch> {
    let (to_the_letter, generic_form) = (carries_content(exchange), is_generic_form(exchange));
    let mut comparison = Comparison { names, mismatches: Vec::new(), to_the_letter, generic_form };
    let recorded = &exchange.response;
    comparison.same("status", &recorded.status, &reply.status.as_u16());
    comparison.same("media type", &recorded.media_type(), &reply.media_type());
    let has_id = recorded.headers.iter().any(|(name, _)| name == REQUEST_ID);
    comparison.same("has a request id", &has_id, &reply.headers.contains_key(REQUEST_ID));
    if comparison.mismatches.is_empty() && recorded.body_len.is_none() {
        comparison.bodies(exchange, reply);
    }
    comparison.mismatches
}

/// Where our answer breaks a promise that the Python service does not make: every error is JSON and has a message.
pub fn own_promises(exchange: &Exchange, reply: &Reply) -> Option<Mismatch> {
    let has_message = || serde_json::from_slice::<Value>(&reply.body).is_ok_and(|body| body["message"].is_string());
    let kept = reply.status.as_u16() < 400 || exchange.request.method == "HEAD" || has_message();
    (!kept).then(|| Mismatch {
        at: "$.message".to_owned(),
        recorded: "no matter".to_owned(),
        ours: "missing".to_owned(),
    })
}

/// Whether the response is stored content: by id, by hash, of a child, or of a ZIP member.
fn carries_content(exchange: &Exchange) -> bool {
    let request = &exchange.request;
    let form = |path: &str| ["/string", "/json", "/binary"].iter().any(|form| path.ends_with(form));
    let child = |path: &str| ["/data/string/", "/data/json/", "/data/binary/"].iter().any(|part| path.contains(part));
    let member = |path: &str| path.contains("/file/retrieve/");
    let path = request.path.as_str();
    let reads = request.method == "GET" && exchange.response.status == 200;
    reads && ((path.contains("/retrieve/") && form(path)) || child(path) || member(path))
}

/// Whether the answer is content wrapped with its metadata.
fn is_generic_form(exchange: &Exchange) -> bool {
    exchange.request.path.contains("/retrieve/")
        && exchange.response.json().is_some_and(|body| body["data_type"].is_string())
}

struct Comparison<'a> {
    names: &'a Names,
    mismatches: Vec<Mismatch>,
    /// Whether every value of the body is fixed.
    to_the_letter: bool,
    /// Whether the value under `$.data` is.
    generic_form: bool,
}

impl Comparison<'_> {
    fn same<T: PartialEq + fmt::Debug>(&mut self, at: &str, recorded: &T, ours: &T) {
        if recorded != ours {
            self.report(at, format!("{recorded:?}"), format!("{ours:?}"));
        }
    }

    fn report(&mut self, at: &str, recorded: String, ours: String) {
        self.mismatches.push(Mismatch { at: at.to_owned(), recorded, ours });
    }

    fn bodies(&mut self, exchange: &Exchange, reply: &Reply) {
        let recorded = &exchange.response;
        match (recorded.media_type(), recorded.json()) {
            ("application/json", Some(theirs)) => {
                let exact = self.to_the_letter;
                self.values("$", &theirs, &reply.json(), exact);
            }
            _ if self.to_the_letter && recorded.bytes() != reply.body => {
                self.report("body", recorded.text(), reply.text());
            }
            _ => {}
        }
    }

    fn values(&mut self, at: &str, theirs: &Value, ours: &Value, exact: bool) {
        match (theirs, ours) {
            (Value::Null, _) if !exact => {}
            (Value::Object(theirs), Value::Object(ours)) => {
                for (key, value) in theirs.iter().filter(|(key, _)| !key.contains('/')) {
                    let exact = exact
                        || EXACT.contains(&key.as_str())
                        || (TEXTS.contains(&key.as_str()) && value.is_string())
                        || (self.generic_form && at == "$" && key == "data");
                    self.values(&format!("{at}.{key}"), value, ours.get(key).unwrap_or(&Value::Null), exact);
                }
            }
            (Value::Array(theirs), Value::Array(ours)) => self.lists(at, theirs, ours, exact),
            (Value::String(theirs), Value::String(ours)) => self.strings(at, theirs, ours, exact),
            _ if exact => self.same(at, theirs, ours),
            _ => self.same(at, &kind(theirs), &kind(ours)),
        }
    }

    fn lists(&mut self, at: &str, theirs: &[Value], ours: &[Value], exact: bool) {
        let Some(last) = theirs.last() else { return };
        if theirs.iter().chain(ours).all(|value| value.as_str().is_some_and(is_id)) {
            // Sorted by ids that differ: places mean nothing.
            return self.same(at, &theirs.len(), &ours.len());
        }
        if ours.is_empty() || (exact && ours.len() != theirs.len()) {
            return self.report(at, format!("{} elements", theirs.len()), format!("{} elements", ours.len()));
        }
        for (place, ours) in ours.iter().enumerate() {
            self.values(&format!("{at}[{place}]"), theirs.get(place).unwrap_or(last), ours, exact);
        }
    }

    fn strings(&mut self, at: &str, theirs: &str, ours: &str, exact: bool) {
        if at.contains(".files[") {
            // A list of files is in the storage's order, so places mean nothing.
            return;
        }
        match self.names.ours(theirs) {
            Some(known) => self.same(at, &known, &ours),
            None if is_id(theirs) => self.same(at, &"an id", &if is_id(ours) { "an id" } else { ours }),
            None if exact && self.to_the_letter => self.same(at, &theirs, &ours),
            None if exact => self.same(at, &without_ids(theirs), &without_ids(ours)),
            None => {}
        }
    }
}

/// A text in which each id is `ID`. Some texts have `_` for the dashes of an id.
fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let id = rest.get(..36).filter(|id| is_id(&id.replace('_', "-")));
        shown.push_str(id.map_or(&rest[..next.len_utf8()], |_| "ID"));
        rest = &rest[id.map_or(next.len_utf8(), str::len)..];
    }
    shown
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null or nothing",
        Value::Bool(_) => "a bool",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
