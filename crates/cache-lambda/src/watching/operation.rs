//! What logs and metrics call the thing that a request asks for.

/// What a request asks for.
#[derive(Debug)]
pub struct Operation {
    /// Its id in `/openapi.json`, such as `get_namespace_retrieve_cache_id`.
    pub id: String,
    /// The group in which the API's description shows it, such as `child_data`.
    pub group: String,
    /// Whether it only reads.
    pub reads: bool,
    /// Whether 404 tells that what is named is not there.
    pub can_miss: bool,
}
