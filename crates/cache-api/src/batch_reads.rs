//! The JSON of batch reads: which entries to read, and a result for each of them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::contents::Metadata;
use crate::kinds::Strategy;
use crate::names::{CacheHash, CacheId, CacheKey, FileId, Sha256Digest};

/// Which entries to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchRead {
    /// The entries, in the order of the results. One may be named more than once.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub items: Vec<ItemSelector>,
}

/// One entry: by its id, by its hash, or by its key and file id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ItemSelector {
    /// By its id.
    Id(ItemById),
    /// By its hash.
    Hash(ItemByHash),
    /// By its key and file id.
    Key(ItemByKey),
}

/// An entry by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemById {
    /// The id; `{cache_hash}-v{n}` will do, too.
    pub cache_id: CacheId,
}

/// The newest entry with a hash, or one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemByHash {
    /// The hash.
    pub cache_hash: CacheHash,
    /// The version under the hash; the newest without it.
    #[cfg_attr(feature = "openapi", schema(required = false, minimum = 1))]
    pub version: Option<u64>,
}

/// The newest entry under a key and file id, or one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemByKey {
    /// The strategy that it was stored with.
    pub strategy: Strategy,
    /// The key.
    pub cache_key: CacheKey,
    /// The file name under the key.
    pub file_id: FileId,
    /// The version under the key; the newest without it.
    #[cfg_attr(feature = "openapi", schema(required = false, minimum = 1))]
    pub version: Option<u64>,
}

/// What was retrieved, in the order of the items.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetrieveBatch<'a> {
    /// A result for each item.
    pub results: Vec<RetrieveResult<'a>>,
}

/// One entry with its content, or why there is none.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum RetrieveResult<'a> {
    /// A text or a document.
    Data(RetrievedData<'a>),
    /// Bytes.
    Binary(RetrievedBinary),
    /// Neither.
    Failed(ItemFailed),
}

/// A text or a document.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetrievedData<'a> {
    /// 200.
    pub status: u16,
    /// The content as it was stored.
    #[cfg_attr(feature = "openapi", schema(value_type = Value))]
    pub data: &'a RawValue,
    /// `json` or `string`.
    #[cfg_attr(feature = "openapi", schema(pattern = "^(json|string)$"))]
    pub data_type: String,
    /// Which entry it is.
    #[serde(flatten)]
    pub found: FoundEntry,
}

/// Bytes, without their gzip encoding.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetrievedBinary {
    /// 200.
    pub status: u16,
    /// The bytes in base64.
    pub data: String,
    /// `binary`
    #[cfg_attr(feature = "openapi", schema(pattern = "^binary$"))]
    pub data_type: String,
    /// `base64`
    pub encoding: String,
    /// Which entry it is.
    #[serde(flatten)]
    pub found: FoundEntry,
}

/// What exists, in the order of the items.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExistsBatch {
    /// A result for each item.
    pub results: Vec<ExistsResult>,
}

/// Whether one entry exists, or why that is not known.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ExistsResult {
    /// It does.
    Found(Box<ItemFound>),
    /// It does not.
    Missing(ItemMissing),
    /// That is not known.
    Failed(ItemFailed),
}

/// An entry that exists.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemFound {
    /// 200.
    pub status: u16,
    /// `true`
    pub exists: bool,
    /// The kind of content: `json`, `string`, or `binary`, which an archive is as well.
    #[cfg_attr(feature = "openapi", schema(pattern = "^(json|string|binary)$"))]
    pub data_type: String,
    /// Which entry it is.
    #[serde(flatten)]
    pub found: FoundEntry,
}

/// An entry that does not exist.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemMissing {
    /// 404.
    pub status: u16,
    /// `false`
    pub exists: bool,
    /// What is missing.
    pub error: ItemError,
}

/// An entry that was found.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundEntry {
    /// Its version under its hash.
    pub version: u64,
    /// SHA-256 of the stored bytes.
    pub sha256: Sha256Digest,
    /// What accompanies the content.
    pub metadata: Metadata,
}

/// An item without an entry.
// Closed, so that the description tells it from `ItemMissing`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemFailed {
    /// 404 when there is no such entry, 413 when its content does not fit, 503 when the storage did not answer, 500 when what is
    /// stored cannot be read.
    pub status: u16,
    /// Why, and what to do.
    pub error: ItemError,
}

/// The results of a batch read as a client receives them.
#[derive(Debug, Clone, Deserialize)]
pub struct ReceivedBatch {
    /// A result for each item, in their order.
    pub results: Vec<ReceivedItem>,
}

/// One result of either batch read. The fields are those of all its shapes: an untagged enum would be read by way of a
/// tree, in which the text of a content is lost.
#[derive(Debug, Clone, Deserialize)]
pub struct ReceivedItem {
    /// 200, or why there is no entry.
    pub status: u16,
    /// The content of a retrieve: JSON as it was stored, a text as a JSON string, or bytes in base64.
    pub data: Option<Box<RawValue>>,
    /// `json`, `string` or `binary`, of an entry that was found.
    pub data_type: Option<String>,
    /// Its version under its hash.
    pub version: Option<u64>,
    /// SHA-256 of the stored bytes.
    pub sha256: Option<Sha256Digest>,
    /// What accompanies the content.
    pub metadata: Option<Metadata>,
    /// Why there is no entry.
    pub error: Option<ItemError>,
}

/// Why an item has no entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemError {
    /// What is wrong, and what to do.
    pub message: String,
}
