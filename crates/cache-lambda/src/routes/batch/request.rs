//! The body of a batch read: which entries it names. The first item that names none refuses the whole batch, and the error
//! says which one it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::FromRequest;
use cache_core::cache::{MAX_BATCH_ITEMS, Selector};
use cache_core::json::{JsonKind, JsonValue};
use cache_core::layout::KeyRef;
use cache_core::strategy::Strategy;
use cache_core::whole_number::WholeNumber;
use http::Request;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::body::{Payload, given, shown_json};
use crate::extract::hash_and_version;
use crate::problem::Problem;
use crate::state::AppState;

/// The largest body, in bytes: a thousand long keys.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

const ITEMS: &str = "items";
const CACHE_ID: &str = "cache_id";
const CACHE_HASH: &str = "cache_hash";
const CACHE_KEY: &str = "cache_key";
const FILE_ID: &str = "file_id";
const STRATEGY: &str = "strategy";
const VERSION: &str = "version";
/// What an item may say.
const FIELDS: [&str; 6] = [CACHE_ID, CACHE_HASH, CACHE_KEY, FILE_ID, STRATEGY, VERSION];

/// What an item has to say.
const WAYS: &str = "cache_id, cache_hash, or strategy with cache_key and file_id";

/// The entries that the body of a request names, in order.
#[derive(Debug)]
pub struct Selectors(pub Vec<Selector>);

impl FromRequest<AppState> for Selectors {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, state: &AppState) -> Result<Self, Problem> {
        let max_bytes = MAX_BODY_BYTES.min(state.config.max_body_bytes);
        let payload = Payload::up_to(max_bytes, request, Problem::body_too_large).await?;
        let strict = state.config.strict_names;
        payload.compute(move |payload| read(payload, strict)).await.map(Self)
    }
}

/// Reads the items of a body. When `strict`, a name that would have to be sanitized is refused.
///
/// The text is read where it is, and the items are counted before memory is taken for them.
fn read(payload: Payload, strict: bool) -> Result<Vec<Selector>, Problem> {
    let document = payload.object("model_attributes_type")?;
    let body = document.root();
    if let Some(name) = names(body)?.iter().find(|name| *name != ITEMS) {
        let input = body.member(name).map_or(Value::Null, shown_json);
        return Err(Problem::body_field("extra_forbidden", name, "is not known here: the only field is items", input));
    }
    let Some(list) = body.member(ITEMS) else {
        return Err(Problem::body_field("missing", ITEMS, "is required: a list of entries", Value::Null));
    };
    if list.kind() != JsonKind::Array {
        return Err(Problem::field("list_type", &[json!(ITEMS)], "a list", &shown_json(list)));
    }
    let count = list.items().count();
    if count > MAX_BATCH_ITEMS {
        return Err(Problem::too_many_items(count, MAX_BATCH_ITEMS));
    }
    list.items().enumerate().map(|(index, sent)| Item { index, sent, strict }.selector()).collect()
}

/// The names of an object's fields.
fn names(object: JsonValue<'_>) -> Result<Vec<String>, Problem> {
    let names: BTreeMap<String, IgnoredAny> =
        serde_json::from_str(object.text()).map_err(|error| Problem::unreadable_body(error.to_string()))?;
    Ok(names.into_keys().collect())
}

/// An item of the body.
struct Item<'a> {
    index: usize,
    sent: JsonValue<'a>,
    strict: bool,
}

impl<'a> Item<'a> {
    fn selector(&self) -> Result<Selector, Problem> {
        if self.sent.kind() != JsonKind::Object {
            let reason = format!("should be an object that names an entry by {WAYS}");
            return Err(self.wrong("model_attributes_type", reason));
        }
        let ways: Vec<&str> =
            [CACHE_ID, CACHE_HASH, CACHE_KEY].into_iter().filter(|name| given(self.sent, name).is_some()).collect();
        match ways[..] {
            [CACHE_ID] => self.only(&[CACHE_ID]).and_then(|()| self.by_id()),
            [CACHE_HASH] => self.only(&[CACHE_HASH, VERSION]).and_then(|()| self.by_hash()),
            [CACHE_KEY] => self.only(&[CACHE_KEY, FILE_ID, STRATEGY, VERSION]).and_then(|()| self.by_key()),
            [] => Err(self.wrong("missing", format!("names no entry: it needs {WAYS}"))),
            _ => {
                let reason = format!("names an entry by {}: make an item of each", ways.join(" and by "));
                Err(self.wrong("value_error", reason))
            }
        }
    }

    fn by_id(&self) -> Result<Selector, Problem> {
        let raw = self.text(CACHE_ID)?;
        match hash_and_version(&raw) {
            Some((hash, version)) => Ok(Selector::Hash(hash, Some(version))),
            None => self.parse(CACHE_ID, &raw).map(Selector::Id),
        }
    }

    fn by_hash(&self) -> Result<Selector, Problem> {
        Ok(Selector::Hash(self.parse(CACHE_HASH, &self.text(CACHE_HASH)?)?, self.version()?))
    }

    fn by_key(&self) -> Result<Selector, Problem> {
        let key = KeyRef { strategy: self.strategy()?, cache_key: self.name(CACHE_KEY)?, file_id: self.name(FILE_ID)? };
        Ok(Selector::Key(key, self.version()?))
    }

    fn strategy(&self) -> Result<Strategy, Problem> {
        let raw = self.text(STRATEGY)?;
        raw.parse().map_err(|_| {
            let reason = format!("should be one of {}", Strategy::ALL.map(Strategy::name).join(", "));
            self.wrong_field(STRATEGY, "enum", reason)
        })
    }

    fn version(&self) -> Result<Option<u64>, Problem> {
        let Some(value) = given(self.sent, VERSION) else { return Ok(None) };
        let version = serde_json::from_str(value.text()).ok().map(|WholeNumber(version)| version);
        version
            .filter(|version| *version > 0)
            .map(Some)
            .ok_or_else(|| self.wrong_field(VERSION, "int_parsing", "should be a whole number from 1"))
    }

    /// A name, sanitized; refused if strict names are configured and it would have to be sanitized.
    fn name<T: FromStr<Err: Display> + Display>(&self, field: &str) -> Result<T, Problem> {
        let raw = self.text(field)?;
        let parsed: T = self.parse(field, &raw)?;
        let sanitized = parsed.to_string();
        if self.strict && sanitized != raw {
            let reason = format!("has characters that are not allowed: '{sanitized}' would be");
            return Err(self.wrong_field(field, "value_error", reason));
        }
        Ok(parsed)
    }

    fn parse<T: FromStr<Err: Display>>(&self, field: &str, raw: &str) -> Result<T, Problem> {
        raw.parse().map_err(|error| self.wrong_field(field, "value_error", error))
    }

    fn text(&self, field: &str) -> Result<Cow<'a, str>, Problem> {
        let Some(value) = given(self.sent, field) else {
            let reason = format!("is required: an item needs {WAYS}");
            return Err(self.wrong_field(field, "missing", reason));
        };
        value.as_string().ok_or_else(|| self.wrong_field(field, "string_type", "should be a string"))
    }

    /// Refuses fields beside these. `null` stands for a field that is not there.
    fn only(&self, allowed: &[&str]) -> Result<(), Problem> {
        let is_odd = |name: &str| match FIELDS.contains(&name) {
            true => given(self.sent, name).is_some() && !allowed.contains(&name),
            false => true,
        };
        match names(self.sent)?.iter().find(|name| is_odd(name)) {
            None => Ok(()),
            Some(name) => {
                let reason = format!("does not go with {}: its fields are {}", allowed[0], allowed.join(", "));
                Err(self.wrong_field(name, "extra_forbidden", reason))
            }
        }
    }

    fn wrong(&self, item_type: &str, reason: impl Display) -> Problem {
        Problem::batch_item(self.index, None, item_type, reason, shown_json(self.sent))
    }

    fn wrong_field(&self, field: &str, item_type: &str, reason: impl Display) -> Problem {
        let input = self.sent.member(field).map_or(Value::Null, shown_json);
        Problem::batch_item(self.index, Some(field), item_type, reason, input)
    }
}
