//! What logs and metrics call the thing that a request asks for.

use std::sync::LazyLock;

use crate::access::table::Access;

/// The labels of a request to a path or with a method that is not served.
pub static UNMATCHED: LazyLock<OperationLabels> = LazyLock::new(|| OperationLabels {
    id: "none".to_owned(),
    group: "none".to_owned(),
    is_read: false,
    can_be_missing: false,
    access: Access::AnyKey,
});

/// The operation that a request calls.
#[derive(Debug)]
pub struct OperationLabels {
    /// The id of the operation in `/openapi.json`, such as `get_namespace_retrieve_cache_id`.
    pub id: String,
    /// The group in which `/openapi.json` shows it, such as `child_data`.
    pub group: String,
    /// Whether it only reads.
    pub is_read: bool,
    /// Whether 404 means that the named entry is not there.
    pub can_be_missing: bool,
    /// What it needs of its caller.
    pub access: Access,
}
