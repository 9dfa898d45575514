//! An entry's content with what accompanies it.

use cache_core::cache::Paths;
use cache_core::entry::Entry;
use cache_core::ids::{CacheHash, CacheId, Namespace};
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::time::UnixMillis;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// How many hex digits `content__hash` has.
const SHORT_HASH_DIGITS: usize = 10;

/// `json` for texts and documents, `binary` for everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// A document or a text.
    Json,
    /// Bytes.
    Binary,
}

impl From<ContentKind> for FileType {
    fn from(kind: ContentKind) -> Self {
        match kind {
            ContentKind::Json | ContentKind::String => Self::Json,
            ContentKind::Binary | ContentKind::Zip => Self::Binary,
        }
    }
}

/// What accompanies a content.
#[derive(Debug, Serialize, ToSchema)]
pub struct Metadata {
    cache_id: CacheId,
    cache_hash: CacheHash,
    /// Empty without a key.
    cache_key: String,
    /// The cache id without a file id.
    file_id: String,
    namespace: Namespace,
    strategy: Strategy,
    stored_at: u64,
    /// When the entry becomes a miss; not there when it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    file_type: FileType,
    content_encoding: Option<String>,
    /// Stored bytes.
    content_size: u64,
}

impl From<&Entry> for Metadata {
    fn from(record: &Entry) -> Self {
        Self {
            cache_id: record.cache_id,
            cache_hash: record.cache_hash.clone(),
            cache_key: key_or_empty(record),
            file_id: file_name(record),
            namespace: record.namespace.clone(),
            strategy: record.strategy,
            stored_at: record.stored_at.get(),
            expires_at: record.expires_at.map(UnixMillis::get),
            file_type: record.content.kind.into(),
            content_encoding: record.content.content_encoding.clone(),
            content_size: record.content.size,
        }
    }
}

fn key_or_empty(record: &Entry) -> String {
    record.cache_key.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn file_name(record: &Entry) -> String {
    record.file_id.as_ref().map_or_else(|| record.cache_id.to_string(), ToString::to_string)
}

/// A content that is shown within the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retrieved<'a> {
    /// The content as it was stored.
    #[schema(value_type = Value)]
    pub data: &'a RawValue,
    /// What accompanies it.
    pub metadata: Metadata,
    /// `json` or `string`.
    pub data_type: &'static str,
}

/// A content that has to be read as binary.
#[derive(Debug, Serialize, ToSchema)]
pub struct BinaryReference {
    message: &'static str,
    data_type: &'static str,
    size: usize,
    cache_hash: CacheHash,
    cache_id: CacheId,
    namespace: Namespace,
    binary_url: String,
    metadata: Metadata,
}

impl BinaryReference {
    /// Names the URL, relative to the host, that answers with `size` bytes.
    pub fn new(record: &Entry, size: usize, binary_url: String) -> Self {
        Self {
            message: "the content is binary: read it from binary_url",
            data_type: "binary",
            size,
            cache_hash: record.cache_hash.clone(),
            cache_id: record.cache_id,
            namespace: record.namespace.clone(),
            binary_url,
            metadata: record.into(),
        }
    }
}

/// Bytes where JSON was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Base64 {
    data_type: &'static str,
    encoding: &'static str,
    data: String,
}

impl Base64 {
    /// Around bytes that are encoded already.
    pub fn new(data: String) -> Self {
        Self { data_type: "binary", encoding: "base64", data }
    }
}

/// How an entry is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StorageConfig)]
pub struct EntryConfig {
    file_id: String,
    /// The key, or empty.
    file_key: String,
    /// The folders of its files.
    file_paths: Vec<String>,
    file_type: FileTypeDetails,
    exists_strategy: &'static str,
}

/// What a file type means.
#[derive(Debug, Serialize, ToSchema)]
struct FileTypeDetails {
    name: FileType,
    content_type: &'static str,
    file_extension: &'static str,
    encoding: Option<&'static str>,
    serialization: FileType,
}

impl From<&Entry> for EntryConfig {
    fn from(record: &Entry) -> Self {
        let folder = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        Self {
            file_id: file_name(record),
            file_key: key_or_empty(record),
            file_paths: Paths::of(record).data.iter().filter_map(folder).collect(),
            file_type: FileType::from(record.content.kind).into(),
            exists_strategy: "first",
        }
    }
}

impl From<FileType> for FileTypeDetails {
    fn from(name: FileType) -> Self {
        let (content_type, file_extension, encoding) = match name {
            FileType::Json => ("application/json; charset=utf-8", "json", Some("utf-8")),
            FileType::Binary => ("application/octet-stream", "bin", None),
        };
        Self { name, content_type, file_extension, encoding, serialization: name }
    }
}

/// What is known about an entry's content.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileMetadata {
    #[serde(rename = "content__hash")]
    content_hash: String,
    #[serde(rename = "content__size")]
    content_size: u64,
    chain_hash: Option<String>,
    previous_version_path: Option<String>,
    tags: Vec<String>,
    timestamp: u64,
    data: FileMetadataData,
}

impl FileMetadata {
    /// What the store said.
    pub fn into_data(self) -> FileMetadataData {
        self.data
    }
}

/// What the store said about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileMetadataData {
    cache_hash: CacheHash,
    cache_key: String,
    cache_id: CacheId,
    content_encoding: Option<String>,
    /// When the entry becomes a miss; not there when it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    file_id: String,
    file_type: FileType,
    json_field_path: Option<String>,
    namespace: Namespace,
    stored_at: u64,
    strategy: Strategy,
}

impl From<&Entry> for FileMetadata {
    fn from(record: &Entry) -> Self {
        let mut content_hash = record.content.sha256.to_string();
        content_hash.truncate(SHORT_HASH_DIGITS);
        // A document under a key could have been stored by a field, so its field is empty; for all others there is none.
        let no_field = (record.content.kind == ContentKind::Json && record.cache_key.is_some()).then(String::new);
        Self {
            content_hash,
            content_size: record.content.size,
            chain_hash: None,
            previous_version_path: None,
            tags: Vec::new(),
            timestamp: record.stored_at.get(),
            data: FileMetadataData {
                cache_hash: record.cache_hash.clone(),
                cache_key: key_or_empty(record),
                cache_id: record.cache_id,
                content_encoding: record.content.content_encoding.clone(),
                expires_at: record.expires_at.map(UnixMillis::get),
                file_id: file_name(record),
                file_type: record.content.kind.into(),
                json_field_path: record.json_field_path.as_ref().map(ToString::to_string).or(no_field),
                namespace: record.namespace.clone(),
                stored_at: record.stored_at.get(),
                strategy: record.strategy,
            },
        }
    }
}
