//! Errors of batch reads: an item of the request that names no entry, and an item of the response that has none.

use std::fmt::Display;

use cache_core::entry::Entry;
use http::StatusCode;
use serde_json::{Value, json};

use super::echo::short;
use super::{Detail, Problem};

impl Problem {
    /// A batch of more items than one may have.
    pub fn too_many_items(count: usize, limit: usize) -> Self {
        let message = format!("items has {count} items, and the limit is {limit}: send several batches");
        Self::item("too_long", json!(["body", "items"]), message, Value::Null, None)
    }

    /// An item that names no entry. `field` is the part of it that is wrong, if it is not the whole; `item_type` is the `type` of the
    /// error, such as `string_type`.
    pub fn batch_item(index: usize, field: Option<&str>, item_type: &str, reason: impl Display, input: Value) -> Self {
        let (loc, name) = match field {
            Some(field) => (json!(["body", "items", index, field]), format!("items[{index}].{field}")),
            None => (json!(["body", "items", index]), format!("items[{index}]")),
        };
        Self::item(item_type, loc, format!("{name} {}", short(&reason.to_string())), input, None)
    }

    /// A content for which a response to a batch has no room. `path` leads to the content alone.
    pub fn no_room_in_batch(entry: &Entry, limit: u64, path: &str) -> Self {
        let size = entry.content.size;
        let message = format!(
            "the content has {size} bytes and does not fit into this answer, which has {limit} at most: retrieve it alone, \
             with GET {path}"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Detail::Message, message)
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, and what to do.
    pub fn message(&self) -> &str {
        &self.message
    }
}
