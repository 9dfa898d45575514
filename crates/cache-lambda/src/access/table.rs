//! What each operation needs: the one table of it. A test fails for an operation without a row.

use cache_access::permission::Permission::{self, Delete, Manage, Read, Write};

/// What an operation needs of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// Nothing but its URL, which is signed: the handler verifies it.
    SignedUrl,
    /// A key, whatever it may do. The handler shows only what it may see.
    AnyKey,
    /// A permission on the namespace in the path.
    Namespace(Permission),
    /// To write in the namespace in the path, or to create if it replaces nothing: the handler decides.
    Store,
    /// A permission on the namespace that is the first folder of a path in the storage. On no folder, the handler shows only what
    /// the caller may see.
    Folder(Permission),
    /// A permission on all namespaces.
    AllNamespaces(Permission),
    /// To manage some namespace. The handler shows and takes only keys that have no permission on others.
    Keys,
    /// The root key.
    Root,
}

impl Access {
    /// What an operation needs, by its method and its path as `/openapi.json` has it.
    pub fn of(verb: &str, path: &str) -> Self {
        // By the end first, which tells most of them apart: every operation is looked up at every start.
        let is_it = |operation: &&str| {
            let of = operation.strip_suffix(path).and_then(|rest| rest.strip_suffix(' '));
            of.is_some_and(|of| of.eq_ignore_ascii_case(verb))
        };
        TABLE.iter().find(|(_, operations)| operations.iter().any(&is_it)).map_or(Self::Root, |row| row.0)
    }

    /// Whether an operation changes anything that is stored.
    pub fn changes(self, is_get: bool) -> bool {
        match self {
            Self::Public => false,
            Self::SignedUrl | Self::Store => true,
            Self::Namespace(permission) | Self::AllNamespaces(permission) => permission != Read,
            Self::AnyKey | Self::Folder(_) | Self::Keys | Self::Root => !is_get,
        }
    }
}

/// Every operation.
const TABLE: &[(Access, &[&str])] = &[
    (
        Access::Public,
        &[
            "GET /",
            "GET /auth/set-cookie-form",
            "GET /console",
            "GET /console/",
            "GET /console/assets/{build}/{file}",
            "GET /docs",
            "GET /docs/start.js",
            "GET /docs/swagger-ui-bundle.js",
            "GET /docs/swagger-ui.css",
            "GET /info/ready",
            "GET /openapi.json",
            "POST /auth/set-auth-cookie",
        ],
    ),
    (Access::SignedUrl, &["PUT /{namespace}/{strategy}/upload/{upload_id}"]),
    (
        Access::AnyKey,
        &[
            "GET /admin/storage/bucket-name",
            "GET /auth/whoami",
            "GET /info/health",
            "GET /info/server",
            "GET /info/status",
            "GET /info/versions",
            "GET /namespaces/list",
            "GET /server/storage/info",
        ],
    ),
    (
        Access::Namespace(Read),
        &[
            "GET /{namespace}/cache/{cache_id}/data/binary/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/binary/{data_key}/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/exists/{data_type}/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/exists/{data_type}/{data_key}/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/json/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/json/{data_key}/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/list",
            "GET /{namespace}/cache/{cache_id}/data/list/{data_key}",
            "GET /{namespace}/cache/{cache_id}/data/string/{data_file_id}",
            "GET /{namespace}/cache/{cache_id}/data/string/{data_key}/{data_file_id}",
            "GET /{namespace}/entries",
            "GET /{namespace}/exists/hash/{cache_hash}",
            "GET /{namespace}/exists/id/{cache_id}",
            "GET /{namespace}/file-hashes",
            "GET /{namespace}/file-ids",
            "GET /{namespace}/retrieve/hash/{cache_hash}",
            "GET /{namespace}/retrieve/hash/{cache_hash}/binary",
            "GET /{namespace}/retrieve/hash/{cache_hash}/cache-id",
            "GET /{namespace}/retrieve/hash/{cache_hash}/json",
            "GET /{namespace}/retrieve/hash/{cache_hash}/metadata",
            "GET /{namespace}/retrieve/hash/{cache_hash}/refs-hash",
            "GET /{namespace}/retrieve/hash/{cache_hash}/string",
            "GET /{namespace}/retrieve/key/{strategy}/{cache_key}/{file_id}",
            "GET /{namespace}/retrieve/{cache_id}",
            "GET /{namespace}/retrieve/{cache_id}/binary",
            "GET /{namespace}/retrieve/{cache_id}/config",
            "GET /{namespace}/retrieve/{cache_id}/json",
            "GET /{namespace}/retrieve/{cache_id}/metadata",
            "GET /{namespace}/retrieve/{cache_id}/refs",
            "GET /{namespace}/retrieve/{cache_id}/refs/all",
            "GET /{namespace}/retrieve/{cache_id}/string",
            "GET /{namespace}/settings",
            "GET /{namespace}/stats",
            "GET /{namespace}/versions/hash/{cache_hash}",
            "GET /{namespace}/versions/key/{strategy}/{cache_key}/{file_id}",
            "GET /{namespace}/zip/{cache_id}/file/retrieve/{file_path}",
            "GET /{namespace}/zip/{cache_id}/files/list",
            "GET /{namespace}/zip/{cache_id}/retrieve",
            "POST /{namespace}/exists/batch",
            "POST /{namespace}/retrieve/batch",
        ],
    ),
    (
        Access::Store,
        &[
            "POST /{namespace}/{strategy}/store/binary",
            "POST /{namespace}/{strategy}/store/binary/{cache_key}",
            "POST /{namespace}/{strategy}/store/json",
            "POST /{namespace}/{strategy}/store/json/{cache_key}",
            "POST /{namespace}/{strategy}/store/string",
            "POST /{namespace}/{strategy}/store/string/{cache_key}",
            "POST /{namespace}/{strategy}/upload",
            "POST /{namespace}/{strategy}/upload/complete",
            "POST /{namespace}/{strategy}/zip/create/{cache_key}/{file_id}",
            "POST /{namespace}/{strategy}/zip/store/{cache_key}/{file_id}",
        ],
    ),
    (
        Access::Namespace(Write),
        &[
            "POST /test-data/create/in/new-namespace/{namespace}",
            "POST /{namespace}/cache/{cache_id}/data/store/binary",
            "POST /{namespace}/cache/{cache_id}/data/store/binary/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/store/binary/{data_key}/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/store/json",
            "POST /{namespace}/cache/{cache_id}/data/store/json/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/store/json/{data_key}/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/store/string",
            "POST /{namespace}/cache/{cache_id}/data/store/string/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/store/string/{data_key}/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/update/binary/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/update/binary/{data_key}/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/update/json/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/update/json/{data_key}/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/update/string/{data_file_id}",
            "POST /{namespace}/cache/{cache_id}/data/update/string/{data_key}/{data_file_id}",
            "POST /{namespace}/rollback/key/{strategy}/{cache_key}/{file_id}",
            "POST /{namespace}/update/{cache_id}/binary",
            "POST /{namespace}/update/{cache_id}/json",
            "POST /{namespace}/update/{cache_id}/string",
            "POST /{namespace}/zip/{cache_id}/batch/operations",
            "POST /{namespace}/zip/{cache_id}/file/add/from/bytes/{file_path}",
            "POST /{namespace}/zip/{cache_id}/file/add/from/string/{file_path}",
            "DELETE /{namespace}/zip/{cache_id}/file/delete/{file_path}",
        ],
    ),
    (
        Access::Namespace(Delete),
        &[
            "DELETE /{namespace}/cache/{cache_id}/data/delete/all",
            "DELETE /{namespace}/cache/{cache_id}/data/delete/all/{data_key}",
            "DELETE /{namespace}/cache/{cache_id}/data/delete/{data_type}/{data_file_id}",
            "DELETE /{namespace}/cache/{cache_id}/data/delete/{data_type}/{data_key}/{data_file_id}",
            "DELETE /{namespace}/delete/{cache_id}",
        ],
    ),
    (Access::Namespace(Manage), &["DELETE /test-data/clear/{namespace}", "PUT /{namespace}/settings"]),
    (
        Access::Folder(Manage),
        &[
            "DELETE /admin/storage/file/delete/{path}",
            "DELETE /admin/storage/{path}",
            "GET /admin/storage/file/bytes/{path}",
            "GET /admin/storage/file/content/{path}",
            "GET /admin/storage/file/exists/{path}",
            "GET /admin/storage/file/html/{path}",
            "GET /admin/storage/file/json/{path}",
            "GET /admin/storage/files/all/",
            "GET /admin/storage/files/all/{path}",
            "GET /admin/storage/files/in/",
            "GET /admin/storage/files/in/{path}",
            "GET /admin/storage/files/parent-path",
            "GET /admin/storage/folders",
            "GET /admin/storage/folders/",
            "GET /admin/storage/folders/{path}",
        ],
    ),
    (Access::AllNamespaces(Read), &["GET /metrics"]),
    (
        Access::AllNamespaces(Write),
        &[
            "GET /server/create/test-fixtures",
            "POST /server/create/test-fixtures",
            "POST /test-data/create/in/default-namespaces/comprehensive",
            "POST /test-data/create/in/default-namespaces/minimal",
        ],
    ),
    (
        Access::Keys,
        &[
            "DELETE /keys/{key_id}",
            "GET /keys",
            "GET /keys/{key_id}",
            "PATCH /keys/{key_id}",
            "POST /keys",
            "POST /keys/{key_id}/rotate",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes::routes;

    #[test]
    fn every_operation_has_one_row_and_every_row_an_operation() {
        let served = routes().operations().iter().map(|op| format!("{} {}", op.verb().to_uppercase(), op.path));
        let served: BTreeSet<String> = served.collect();
        let rows: Vec<&str> = TABLE.iter().flat_map(|(_, operations)| operations.iter().copied()).collect();
        let distinct: BTreeSet<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        assert_eq!(distinct.len(), rows.len(), "a row stands twice");
        assert_eq!(served.difference(&distinct).collect::<Vec<_>>(), Vec::<&String>::new(), "have no row");
        assert_eq!(distinct.difference(&served).collect::<Vec<_>>(), Vec::<&String>::new(), "are not served");
    }

    #[test]
    fn an_operation_without_a_row_is_for_the_root_key_alone() {
        assert_eq!(Access::of("get", "/new"), Access::Root);
        assert_eq!(Access::of("get", "/info/health"), Access::AnyKey);
    }
}
