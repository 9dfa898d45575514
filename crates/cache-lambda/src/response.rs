//! The JSON of answers, as the clients know it. Everything in it comes from records and indexes.

pub mod children;
pub mod namespace;
pub mod upload;
pub mod zip;

use std::collections::BTreeMap;

use cache_core::cache::{Deleted, Details, Of, Paths, Stored, Versions};
use cache_core::content::Digest;
use cache_core::ids::{CacheHash, CacheId, CacheKey, FileId, Namespace};
use cache_core::index::{Index, Listed};
use cache_core::layout::Layout;
use cache_core::record::{Record, Revision};
use cache_core::strategy::{ContentKind, Strategy};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// How many hex digits `content__hash` has.
const SHORT_HASH_DIGITS: usize = 10;

/// What a store made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Store {
    cache_id: CacheId,
    cache_hash: CacheHash,
    namespace: Namespace,
    paths: Paths,
    /// Stored bytes.
    size: u64,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u64>,
    sha256: Digest,
    deduplicated: bool,
}

impl From<Stored> for Store {
    fn from(stored: Stored) -> Self {
        Self {
            cache_id: stored.record.cache_id,
            cache_hash: stored.record.cache_hash,
            namespace: stored.record.namespace,
            paths: stored.paths,
            size: stored.record.size,
            version: stored.version,
            key_version: stored.key_version,
            sha256: stored.record.sha256,
            deduplicated: stored.deduplicated,
        }
    }
}

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
    file_type: FileType,
    content_encoding: Option<String>,
    /// Stored bytes.
    content_size: u64,
}

impl From<&Record> for Metadata {
    fn from(record: &Record) -> Self {
        let current = record.current();
        Self {
            cache_id: record.cache_id,
            cache_hash: record.cache_hash.clone(),
            cache_key: key_or_empty(record),
            file_id: file_name(record),
            namespace: record.namespace.clone(),
            strategy: record.strategy,
            stored_at: record.stored_at,
            file_type: record.kind.into(),
            content_encoding: current.content_encoding.map(ToOwned::to_owned),
            content_size: current.size,
        }
    }
}

fn key_or_empty(record: &Record) -> String {
    record.cache_key.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn file_name(record: &Record) -> String {
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
    pub fn new(record: &Record, size: usize, binary_url: String) -> Self {
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
pub struct StorageConfig {
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

impl From<&Record> for StorageConfig {
    fn from(record: &Record) -> Self {
        let folder = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        Self {
            file_id: file_name(record),
            file_key: key_or_empty(record),
            file_paths: Paths::of(record).data.iter().filter_map(folder).collect(),
            file_type: FileType::from(record.kind).into(),
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
    file_id: String,
    file_type: FileType,
    json_field_path: Option<String>,
    namespace: Namespace,
    stored_at: u64,
    strategy: Strategy,
}

impl From<&Record> for FileMetadata {
    fn from(record: &Record) -> Self {
        let current = record.current();
        let mut content_hash = current.sha256.to_string();
        content_hash.truncate(SHORT_HASH_DIGITS);
        // A document under a key could have been stored by a field, so its field is empty; for all others there is none.
        let no_field = (record.kind == ContentKind::Json && record.cache_key.is_some()).then(String::new);
        Self {
            content_hash,
            content_size: current.size,
            chain_hash: None,
            previous_version_path: None,
            tags: Vec::new(),
            timestamp: record.stored_at,
            data: FileMetadataData {
                cache_hash: record.cache_hash.clone(),
                cache_key: key_or_empty(record),
                cache_id: record.cache_id,
                content_encoding: current.content_encoding.map(ToOwned::to_owned),
                file_id: file_name(record),
                file_type: record.kind.into(),
                json_field_path: record.json_field_path.as_ref().map(ToString::to_string).or(no_field),
                namespace: record.namespace.clone(),
                stored_at: record.stored_at,
                strategy: record.strategy,
            },
        }
    }
}

/// What an entry consists of.
#[derive(Debug, Serialize, ToSchema)]
pub struct References {
    all_paths: Paths,
    cache_id: CacheId,
    cache_hash: CacheHash,
    file_paths: FilePaths,
    file_type: FileType,
    namespace: Namespace,
    strategy: Strategy,
    timestamp: u64,
}

/// Where its content and its children are.
#[derive(Debug, Serialize, ToSchema)]
struct FilePaths {
    content_files: Vec<String>,
    data_folders: Vec<String>,
}

impl From<&Record> for References {
    fn from(record: &Record) -> Self {
        let paths = Paths::of(record);
        let children = Layout::new(&record.namespace).children(record.cache_id, None);
        Self {
            file_paths: FilePaths {
                content_files: paths.data.clone(),
                data_folders: vec![children.trim_end_matches('/').to_owned()],
            },
            all_paths: paths,
            cache_id: record.cache_id,
            cache_hash: record.cache_hash.clone(),
            file_type: record.kind.into(),
            namespace: record.namespace.clone(),
            strategy: record.strategy,
            timestamp: record.stored_at,
        }
    }
}

/// What an entry consists of, with the record and the hash index as they are stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllReferences {
    by_id: References,
    /// Objects by their path.
    details: BTreeMap<String, Value>,
}

impl TryFrom<Details> for AllReferences {
    type Error = serde_json::Error;

    fn try_from(found: Details) -> Result<Self, serde_json::Error> {
        let Details { record, hash_index } = found;
        let layout = Layout::new(&record.namespace);
        let mut details = BTreeMap::new();
        if let Some(index) = hash_index {
            details.insert(layout.hash_index(&record.cache_hash).to_string(), serde_json::to_value(index)?);
        }
        details.insert(layout.record(record.cache_id).to_string(), serde_json::to_value(&record)?);
        Ok(Self { by_id: (&record).into(), details })
    }
}

/// The versions under a hash: the newest that its index lists by itself, and how many there are in all.
#[derive(Debug, Serialize, ToSchema)]
pub struct HashReferences {
    cache_hash: CacheHash,
    cache_ids: Vec<HashReference>,
    latest_id: CacheId,
    total_versions: u64,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct HashReference {
    cache_id: CacheId,
    timestamp: u64,
}

impl HashReferences {
    /// `None` for an index that lists nothing.
    pub fn of(cache_hash: CacheHash, index: &Index) -> Option<Self> {
        let reference = |listed: &Listed| HashReference { cache_id: listed.cache_id, timestamp: listed.timestamp };
        Some(Self {
            cache_hash,
            cache_ids: index.versions.iter().map(reference).collect(),
            latest_id: index.newest()?.cache_id,
            total_versions: index.live,
        })
    }
}

/// The newest entry under a hash.
#[derive(Debug, Serialize, ToSchema)]
pub struct HashCacheId {
    /// Where it lives.
    pub namespace: Namespace,
    /// The hash.
    pub cache_hash: CacheHash,
    /// The entry.
    pub cache_id: CacheId,
}

/// Whether an entry is there. The one of id and hash that was not asked for is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Exists {
    /// Whether it is there.
    pub exists: bool,
    /// The id that was asked for.
    pub cache_id: Option<CacheId>,
    /// The hash that was asked for.
    pub cache_hash: Option<CacheHash>,
    /// Where it was looked for.
    pub namespace: Namespace,
}

/// What an update made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Update {
    cache_id: CacheId,
    cache_hash: CacheHash,
    namespace: Namespace,
    /// The objects that hold the content, or lead to it.
    paths: Vec<String>,
    /// Stored bytes.
    size: u64,
    timestamp: u64,
    updated_content: bool,
    updated_hash: bool,
    updated_metadata: bool,
    updated_id_ref: bool,
    /// The number under which the new content stays readable.
    revision: u64,
}

impl Update {
    /// The answer for an entry that has this revision now.
    pub fn new(record: &Record, revision: &Revision) -> Self {
        let views = Paths::of(record).data.into_iter().filter(|path| *path != record.blob().to_string());
        Self {
            cache_id: record.cache_id,
            cache_hash: record.cache_hash.clone(),
            namespace: record.namespace.clone(),
            paths: views.chain([record.current().key.to_string()]).collect(),
            size: revision.size,
            timestamp: revision.updated_at,
            updated_content: true,
            updated_hash: false,
            updated_metadata: false,
            updated_id_ref: false,
            revision: revision.number,
        }
    }
}

/// What became of a delete.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Delete {
    /// The entry is gone.
    Success {
        /// The entry.
        cache_id: CacheId,
        /// How many objects went with it.
        deleted_count: usize,
        /// Always 0: a delete that fails is an error, and can be repeated.
        failed_count: usize,
        /// Those objects.
        deleted_paths: Vec<String>,
        /// Always empty.
        failed_paths: Vec<String>,
    },
    /// There was none.
    NotFound {
        /// Which.
        message: String,
    },
}

impl Delete {
    /// The answer for an entry that may have been there.
    pub fn of(cache_id: CacheId, deleted: Option<Deleted>) -> Self {
        match deleted {
            Some(Deleted { paths, .. }) => Self::Success {
                cache_id,
                deleted_count: paths.len(),
                failed_count: 0,
                deleted_paths: paths,
                failed_paths: Vec::new(),
            },
            None => Self::NotFound { message: format!("there is no entry with cache_id {cache_id}") },
        }
    }
}

/// Versions under a hash or a key, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionList {
    #[serde(flatten)]
    of: VersionsOf,
    /// How many there are in all.
    count: u64,
    versions: Vec<VersionItem>,
    latest_id: CacheId,
}

/// Whose versions they are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum VersionsOf {
    Hash { cache_hash: CacheHash },
    Key { strategy: Strategy, cache_key: CacheKey, file_id: FileId },
}

/// One version.
#[derive(Debug, Serialize, ToSchema)]
struct VersionItem {
    #[serde(flatten)]
    number: VersionNumber,
    cache_id: CacheId,
    timestamp: u64,
    /// `null` for an entry whose id does not tell.
    strategy: Option<Strategy>,
}

/// Its position among the versions under a hash, or under a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VersionNumber {
    Version(u64),
    KeyVersion(u64),
}

impl VersionList {
    /// The answer for a page of versions.
    pub fn new(of: Of, found: &Versions) -> Self {
        let (of, number, known): (_, fn(u64) -> VersionNumber, _) = match of {
            Of::Hash(cache_hash) => (VersionsOf::Hash { cache_hash }, VersionNumber::Version, None),
            Of::Key(name) => {
                let known = Some(name.strategy);
                let of = VersionsOf::Key { strategy: name.strategy, cache_key: name.cache_key, file_id: name.file_id };
                (of, VersionNumber::KeyVersion, known)
            }
        };
        let item = |listed: &Listed| VersionItem {
            number: number(listed.version),
            cache_id: listed.cache_id,
            timestamp: listed.timestamp,
            strategy: known.or_else(|| listed.cache_id.parts().map(|parts| parts.strategy)),
        };
        let versions = found.versions.iter().map(item).collect();
        Self { of, count: found.count, versions, latest_id: found.latest }
    }
}
