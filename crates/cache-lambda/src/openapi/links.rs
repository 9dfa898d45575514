//! OpenAPI links: values in a response that are parameters of other operations.

use utoipa::openapi::link::{Link, LinkBuilder};

/// Operations on an entry, by its id.
const BY_ID: [&str; 14] = [
    "get_namespace_retrieve_cache_id",
    "get_namespace_retrieve_cache_id_string",
    "get_namespace_retrieve_cache_id_json",
    "get_namespace_retrieve_cache_id_binary",
    "get_namespace_retrieve_cache_id_config",
    "get_namespace_retrieve_cache_id_metadata",
    "get_namespace_retrieve_cache_id_refs_all",
    "get_namespace_exists_id_cache_id",
    "post_namespace_update_cache_id_string",
    "post_namespace_update_cache_id_json",
    "post_namespace_cache_cache_id_data_store_json_data_file_id",
    "get_namespace_cache_cache_id_data_list",
    "get_namespace_zip_cache_id_files_list",
    "delete_namespace_delete_cache_id",
];

/// Operations on the entries with a hash.
const BY_HASH: [&str; 5] = [
    "get_namespace_retrieve_hash_cache_hash",
    "get_namespace_retrieve_hash_cache_hash_binary",
    "get_namespace_retrieve_hash_cache_hash_refs_hash",
    "get_namespace_exists_hash_cache_hash",
    "get_namespace_versions_hash_cache_hash",
];

/// Links to the operations on an entry whose id and hash are in the response, by operation id.
pub fn to_entry() -> Vec<(&'static str, Link)> {
    let link = |id: &'static str, name: &str| {
        let link = LinkBuilder::new()
            .operation_id(id)
            .parameter("namespace", "$request.path.namespace")
            .parameter(name, format!("$response.body#/{name}"));
        (id, link.build())
    };
    let by_id = BY_ID.into_iter().map(|id| link(id, "cache_id"));
    by_id.chain(BY_HASH.into_iter().map(|id| link(id, "cache_hash"))).collect()
}
