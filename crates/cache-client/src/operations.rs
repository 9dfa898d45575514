//! Every operation of the service that the client calls, and those that it leaves out.
//!
//! A test compares both with `/openapi.json`, and another one calls each of them.

use std::fmt;

use http::Method;

/// An operation of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, with parameters as in `/openapi.json`.
    pub path: &'static str,
    /// Whether it may be sent again when its outcome is unknown.
    pub repeat: Repeat,
}

/// Whether an operation may be sent again when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A repeat does nothing more.
    Safe,
    /// It carries an `Idempotency-Key`, by which the service knows a repeat.
    WithKey,
    /// A repeat would do it a second time.
    Never,
}

impl Operation {
    const fn new(method: Method, path: &'static str, repeat: Repeat) -> Self {
        Self { method, path, repeat }
    }
}

impl fmt::Display for Operation {
    /// As in `GET /{namespace}/stats`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

macro_rules! operations {
    ($($name:ident = $method:ident $path:literal $repeat:ident;)*) => {
        $(pub(crate) static $name: Operation = Operation::new(Method::$method, $path, Repeat::$repeat);)*

        /// The operations that the client calls.
        pub static CALLED: &[&Operation] = &[$(&$name),*];
    };
}

operations! {
    POST_STORE_STRING = POST "/{namespace}/{strategy}/store/string" WithKey;
    POST_STORE_STRING_UNDER_KEY = POST "/{namespace}/{strategy}/store/string/{cache_key}" WithKey;
    POST_STORE_JSON = POST "/{namespace}/{strategy}/store/json" WithKey;
    POST_STORE_JSON_UNDER_KEY = POST "/{namespace}/{strategy}/store/json/{cache_key}" WithKey;
    POST_STORE_BINARY = POST "/{namespace}/{strategy}/store/binary" WithKey;
    POST_STORE_BINARY_UNDER_KEY = POST "/{namespace}/{strategy}/store/binary/{cache_key}" WithKey;
    POST_UPLOAD = POST "/{namespace}/{strategy}/upload" WithKey;
    POST_UPLOAD_COMPLETE = POST "/{namespace}/{strategy}/upload/complete" WithKey;
    PUT_UPLOAD_CONTENT = PUT "/{namespace}/{strategy}/upload/{upload_id}" Safe;
    GET_RETRIEVE_ID = GET "/{namespace}/retrieve/{cache_id}" Safe;
    GET_RETRIEVE_ID_STRING = GET "/{namespace}/retrieve/{cache_id}/string" Safe;
    GET_RETRIEVE_ID_JSON = GET "/{namespace}/retrieve/{cache_id}/json" Safe;
    GET_RETRIEVE_ID_BINARY = GET "/{namespace}/retrieve/{cache_id}/binary" Safe;
    GET_RETRIEVE_ID_CONFIG = GET "/{namespace}/retrieve/{cache_id}/config" Safe;
    GET_RETRIEVE_ID_METADATA = GET "/{namespace}/retrieve/{cache_id}/metadata" Safe;
    GET_RETRIEVE_ID_REFS = GET "/{namespace}/retrieve/{cache_id}/refs" Safe;
    GET_RETRIEVE_ID_REFS_ALL = GET "/{namespace}/retrieve/{cache_id}/refs/all" Safe;
    GET_RETRIEVE_HASH = GET "/{namespace}/retrieve/hash/{cache_hash}" Safe;
    GET_RETRIEVE_HASH_STRING = GET "/{namespace}/retrieve/hash/{cache_hash}/string" Safe;
    GET_RETRIEVE_HASH_JSON = GET "/{namespace}/retrieve/hash/{cache_hash}/json" Safe;
    GET_RETRIEVE_HASH_BINARY = GET "/{namespace}/retrieve/hash/{cache_hash}/binary" Safe;
    GET_RETRIEVE_HASH_METADATA = GET "/{namespace}/retrieve/hash/{cache_hash}/metadata" Safe;
    GET_RETRIEVE_HASH_REFS_HASH = GET "/{namespace}/retrieve/hash/{cache_hash}/refs-hash" Safe;
    GET_RETRIEVE_HASH_ID = GET "/{namespace}/retrieve/hash/{cache_hash}/cache-id" Safe;
    GET_RETRIEVE_KEY = GET "/{namespace}/retrieve/key/{strategy}/{cache_key}/{file_id}" Safe;
    GET_EXISTS_ID = GET "/{namespace}/exists/id/{cache_id}" Safe;
    GET_EXISTS_HASH = GET "/{namespace}/exists/hash/{cache_hash}" Safe;
    DELETE_DELETE_ID = DELETE "/{namespace}/delete/{cache_id}" Safe;
    POST_RETRIEVE_BATCH = POST "/{namespace}/retrieve/batch" Safe;
    POST_EXISTS_BATCH = POST "/{namespace}/exists/batch" Safe;
    POST_UPDATE_ID_STRING = POST "/{namespace}/update/{cache_id}/string" WithKey;
    POST_UPDATE_ID_JSON = POST "/{namespace}/update/{cache_id}/json" WithKey;
    POST_UPDATE_ID_BINARY = POST "/{namespace}/update/{cache_id}/binary" WithKey;
    GET_VERSIONS_HASH = GET "/{namespace}/versions/hash/{cache_hash}" Safe;
    GET_VERSIONS_KEY = GET "/{namespace}/versions/key/{strategy}/{cache_key}/{file_id}" Safe;
    POST_ROLLBACK_KEY = POST "/{namespace}/rollback/key/{strategy}/{cache_key}/{file_id}" WithKey;
    POST_CHILD_STORE_STRING = POST "/{namespace}/cache/{cache_id}/data/store/string" WithKey;
    POST_CHILD_STORE_STRING_NAMED = POST "/{namespace}/cache/{cache_id}/data/store/string/{data_file_id}" WithKey;
    POST_CHILD_STORE_STRING_IN_FOLDER = POST "/{namespace}/cache/{cache_id}/data/store/string/{data_key}/{data_file_id}" WithKey;
    POST_CHILD_STORE_JSON = POST "/{namespace}/cache/{cache_id}/data/store/json" WithKey;
    POST_CHILD_STORE_JSON_NAMED = POST "/{namespace}/cache/{cache_id}/data/store/json/{data_file_id}" WithKey;
    POST_CHILD_STORE_JSON_IN_FOLDER = POST "/{namespace}/cache/{cache_id}/data/store/json/{data_key}/{data_file_id}" WithKey;
    POST_CHILD_STORE_BINARY = POST "/{namespace}/cache/{cache_id}/data/store/binary" WithKey;
    POST_CHILD_STORE_BINARY_NAMED = POST "/{namespace}/cache/{cache_id}/data/store/binary/{data_file_id}" WithKey;
    POST_CHILD_STORE_BINARY_IN_FOLDER = POST "/{namespace}/cache/{cache_id}/data/store/binary/{data_key}/{data_file_id}" WithKey;
    GET_CHILD_STRING_NAMED = GET "/{namespace}/cache/{cache_id}/data/string/{data_file_id}" Safe;
    GET_CHILD_STRING_IN_FOLDER = GET "/{namespace}/cache/{cache_id}/data/string/{data_key}/{data_file_id}" Safe;
    GET_CHILD_JSON_NAMED = GET "/{namespace}/cache/{cache_id}/data/json/{data_file_id}" Safe;
    GET_CHILD_JSON_IN_FOLDER = GET "/{namespace}/cache/{cache_id}/data/json/{data_key}/{data_file_id}" Safe;
    GET_CHILD_BINARY_NAMED = GET "/{namespace}/cache/{cache_id}/data/binary/{data_file_id}" Safe;
    GET_CHILD_BINARY_IN_FOLDER = GET "/{namespace}/cache/{cache_id}/data/binary/{data_key}/{data_file_id}" Safe;
    GET_CHILD_EXISTS_NAMED = GET "/{namespace}/cache/{cache_id}/data/exists/{data_type}/{data_file_id}" Safe;
    GET_CHILD_EXISTS_IN_FOLDER = GET "/{namespace}/cache/{cache_id}/data/exists/{data_type}/{data_key}/{data_file_id}" Safe;
    POST_CHILD_UPDATE_STRING_NAMED = POST "/{namespace}/cache/{cache_id}/data/update/string/{data_file_id}" Safe;
    POST_CHILD_UPDATE_STRING_IN_FOLDER = POST "/{namespace}/cache/{cache_id}/data/update/string/{data_key}/{data_file_id}" Safe;
    POST_CHILD_UPDATE_JSON_NAMED = POST "/{namespace}/cache/{cache_id}/data/update/json/{data_file_id}" Safe;
    POST_CHILD_UPDATE_JSON_IN_FOLDER = POST "/{namespace}/cache/{cache_id}/data/update/json/{data_key}/{data_file_id}" Safe;
    POST_CHILD_UPDATE_BINARY_NAMED = POST "/{namespace}/cache/{cache_id}/data/update/binary/{data_file_id}" Safe;
    POST_CHILD_UPDATE_BINARY_IN_FOLDER = POST "/{namespace}/cache/{cache_id}/data/update/binary/{data_key}/{data_file_id}" Safe;
    GET_CHILD_LIST = GET "/{namespace}/cache/{cache_id}/data/list" Safe;
    GET_CHILD_LIST_DATA_KEY = GET "/{namespace}/cache/{cache_id}/data/list/{data_key}" Safe;
    DELETE_CHILD_DELETE_ALL = DELETE "/{namespace}/cache/{cache_id}/data/delete/all" Safe;
    DELETE_CHILD_DELETE_ALL_DATA_KEY = DELETE "/{namespace}/cache/{cache_id}/data/delete/all/{data_key}" Safe;
    DELETE_CHILD_DELETE_NAMED = DELETE "/{namespace}/cache/{cache_id}/data/delete/{data_type}/{data_file_id}" Safe;
    DELETE_CHILD_DELETE_IN_FOLDER = DELETE "/{namespace}/cache/{cache_id}/data/delete/{data_type}/{data_key}/{data_file_id}" Safe;
    POST_ZIP_CREATE = POST "/{namespace}/{strategy}/zip/create/{cache_key}/{file_id}" WithKey;
    POST_ZIP_STORE = POST "/{namespace}/{strategy}/zip/store/{cache_key}/{file_id}" WithKey;
    GET_ZIP_ID_RETRIEVE = GET "/{namespace}/zip/{cache_id}/retrieve" Safe;
    GET_ZIP_ID_FILES_LIST = GET "/{namespace}/zip/{cache_id}/files/list" Safe;
    GET_ZIP_ID_FILE_RETRIEVE_FILE_PATH = GET "/{namespace}/zip/{cache_id}/file/retrieve/{file_path}" Safe;
    POST_ZIP_ID_FILE_ADD_FROM_BYTES_FILE_PATH = POST "/{namespace}/zip/{cache_id}/file/add/from/bytes/{file_path}" WithKey;
    POST_ZIP_ID_FILE_ADD_FROM_STRING_FILE_PATH = POST "/{namespace}/zip/{cache_id}/file/add/from/string/{file_path}" WithKey;
    DELETE_ZIP_ID_FILE_DELETE_FILE_PATH = DELETE "/{namespace}/zip/{cache_id}/file/delete/{file_path}" WithKey;
    POST_ZIP_ID_BATCH_OPERATIONS = POST "/{namespace}/zip/{cache_id}/batch/operations" WithKey;
    GET_NAMESPACES_LIST = GET "/namespaces/list" Safe;
    GET_FILE_HASHES = GET "/{namespace}/file-hashes" Safe;
    GET_FILE_IDS = GET "/{namespace}/file-ids" Safe;
    GET_STATS = GET "/{namespace}/stats" Safe;
    GET_ENTRIES = GET "/{namespace}/entries" Safe;
    GET_SETTINGS = GET "/{namespace}/settings" Safe;
    PUT_SETTINGS = PUT "/{namespace}/settings" Safe;
    GET_ADMIN_BUCKET_NAME = GET "/admin/storage/bucket-name" Safe;
    GET_ADMIN_FILE_EXISTS_PATH = GET "/admin/storage/file/exists/{path}" Safe;
    GET_ADMIN_FILE_BYTES_PATH = GET "/admin/storage/file/bytes/{path}" Safe;
    GET_ADMIN_FILE_CONTENT_PATH = GET "/admin/storage/file/content/{path}" Safe;
    GET_ADMIN_FILE_JSON_PATH = GET "/admin/storage/file/json/{path}" Safe;
    GET_ADMIN_FILE_HTML_PATH = GET "/admin/storage/file/html/{path}" Safe;
    GET_ADMIN_FILES_IN_ROOT = GET "/admin/storage/files/in/" Safe;
    GET_ADMIN_FILES_IN_PATH = GET "/admin/storage/files/in/{path}" Safe;
    GET_ADMIN_FILES_ALL_ROOT = GET "/admin/storage/files/all/" Safe;
    GET_ADMIN_FILES_ALL_PATH = GET "/admin/storage/files/all/{path}" Safe;
    GET_ADMIN_FOLDERS_ROOT = GET "/admin/storage/folders/" Safe;
    GET_ADMIN_FOLDERS_PATH = GET "/admin/storage/folders/{path}" Safe;
    DELETE_ADMIN_FILE_DELETE_PATH = DELETE "/admin/storage/file/delete/{path}" Safe;
    GET_AUTH_WHOAMI = GET "/auth/whoami" Safe;
    GET_KEYS = GET "/keys" Safe;
    POST_KEYS = POST "/keys" Never;
    GET_KEYS_ID = GET "/keys/{key_id}" Safe;
    PATCH_KEYS_ID = PATCH "/keys/{key_id}" Safe;
    DELETE_KEYS_ID = DELETE "/keys/{key_id}" Safe;
    POST_KEYS_ID_ROTATE = POST "/keys/{key_id}/rotate" Never;
    GET_INFO_HEALTH = GET "/info/health" Safe;
    GET_INFO_READY = GET "/info/ready" Safe;
    GET_INFO_SERVER = GET "/info/server" Safe;
    GET_INFO_STATUS = GET "/info/status" Safe;
    GET_INFO_VERSIONS = GET "/info/versions" Safe;
    GET_SERVER_STORAGE_INFO = GET "/server/storage/info" Safe;
    GET_METRICS = GET "/metrics" Safe;
    POST_SERVER_CREATE_TEST_FIXTURES = POST "/server/create/test-fixtures" Safe;
    POST_TEST_DATA_CREATE_IN_DEFAULT_NAMESPACES_COMPREHENSIVE = POST "/test-data/create/in/default-namespaces/comprehensive" Never;
    POST_TEST_DATA_CREATE_IN_DEFAULT_NAMESPACES_MINIMAL = POST "/test-data/create/in/default-namespaces/minimal" Never;
    POST_TEST_DATA_CREATE_IN_NEW_NAMESPACE = POST "/test-data/create/in/new-namespace/{namespace}" Never;
    DELETE_TEST_DATA_CLEAR_NAMESPACE = DELETE "/test-data/clear/{namespace}" Safe;
    GET_OPENAPI_JSON = GET "/openapi.json" Safe;
}

/// The operations that the client does not call: method, path, and why.
pub static LEFT_OUT: &[(Method, &str, &str)] = &[
    (Method::GET, "/", "a page for people"),
    (Method::GET, "/docs", "a page for people"),
    (Method::GET, "/docs/start.js", "a part of /docs"),
    (Method::GET, "/docs/swagger-ui.css", "a part of /docs"),
    (Method::GET, "/docs/swagger-ui-bundle.js", "a part of /docs"),
    (Method::GET, "/console", "leads to /console/"),
    (Method::GET, "/console/", "a page for people"),
    (Method::GET, "/console/assets/{build}/{file}", "a part of /console/"),
    (Method::GET, "/auth/set-cookie-form", "a page for people"),
    (Method::POST, "/auth/set-auth-cookie", "gives a browser its cookie; the client sends its key as a header"),
    (
        Method::GET,
        "/admin/storage/files/parent-path",
        "for older clients: GET /admin/storage/files/in/{path} does the same",
    ),
    (Method::GET, "/admin/storage/folders", "for older clients: GET /admin/storage/folders/{path} does the same"),
    (
        Method::DELETE,
        "/admin/storage/{path}",
        "for older clients: DELETE /admin/storage/file/delete/{path} does the same",
    ),
    (Method::GET, "/server/create/test-fixtures", "for the Python clients: POST does the same"),
];
