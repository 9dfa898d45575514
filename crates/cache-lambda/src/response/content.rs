//! An entry's content and metadata.

use cache_api::contents::{
    Base64, BinaryReference, EntryConfig, FileMetadata, FileMetadataData, FileTypeDetails, Metadata,
};
use cache_api::kinds::FileType;
use cache_core::cache::Paths;
use cache_core::entry::Entry;
use cache_core::strategy::ContentKind;
use cache_core::time::UnixMillis;

use super::wire::{file_type, name, strategy};

/// How many hex digits `content__hash` has.
const SHORT_HASH_DIGITS: usize = 10;

/// The metadata of an entry.
pub fn metadata(entry: &Entry) -> Metadata {
    Metadata {
        cache_id: name(&entry.cache_id),
        cache_hash: name(&entry.cache_hash),
        cache_key: key_or_empty(entry),
        file_id: file_name(entry),
        namespace: name(&entry.namespace),
        strategy: strategy(entry.strategy),
        stored_at: entry.stored_at.get(),
        expires_at: entry.expires_at.map(UnixMillis::get),
        file_type: file_type(entry.content.kind),
        content_encoding: entry.content.content_encoding.clone(),
        content_size: entry.content.size,
    }
}

fn key_or_empty(entry: &Entry) -> String {
    entry.cache_key.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn file_name(entry: &Entry) -> String {
    entry.file_id.as_ref().map_or_else(|| entry.cache_id.to_string(), ToString::to_string)
}

/// Refers to the URL, relative to the host, that returns the `size` bytes.
pub fn binary_reference(entry: &Entry, size: usize, binary_url: String) -> BinaryReference {
    BinaryReference {
        message: "Binary data requires separate endpoint".to_owned(),
        data_type: "binary".to_owned(),
        size,
        cache_hash: name(&entry.cache_hash),
        cache_id: name(&entry.cache_id),
        namespace: name(&entry.namespace),
        binary_url,
        metadata: metadata(entry),
    }
}

/// Bytes in base64.
pub fn base64(data: String) -> Base64 {
    Base64 { data_type: "binary".to_owned(), encoding: "base64".to_owned(), data }
}

/// How an entry is kept.
pub fn entry_config(entry: &Entry) -> EntryConfig {
    let folder = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    EntryConfig {
        file_id: file_name(entry),
        file_key: key_or_empty(entry),
        file_paths: Paths::of(entry).data.iter().filter_map(folder).collect(),
        file_type: file_type_details(file_type(entry.content.kind)),
        exists_strategy: "first".to_owned(),
    }
}

fn file_type_details(name: FileType) -> FileTypeDetails {
    let (content_type, file_extension, encoding) = match name {
        FileType::Json => ("application/json; charset=utf-8", "json", Some("utf-8")),
        FileType::Binary => ("application/octet-stream", "bin", None),
    };
    FileTypeDetails {
        name,
        content_type: content_type.to_owned(),
        file_extension: file_extension.to_owned(),
        encoding: encoding.map(ToOwned::to_owned),
        serialization: name,
    }
}

/// The stored metadata of an entry.
pub fn file_metadata(entry: &Entry) -> FileMetadata {
    let mut content_hash = entry.content.sha256.to_string();
    content_hash.truncate(SHORT_HASH_DIGITS);
    FileMetadata {
        content_hash,
        content_size: entry.content.size,
        chain_hash: None,
        previous_version_path: None,
        tags: Vec::new(),
        timestamp: entry.stored_at.get(),
        data: file_metadata_data(entry),
    }
}

fn file_metadata_data(entry: &Entry) -> FileMetadataData {
    // A document under a key could have been stored by a field, so its field is empty; for all others there is none.
    let no_field = (entry.content.kind == ContentKind::Json && entry.cache_key.is_some()).then(String::new);
    FileMetadataData {
        cache_hash: name(&entry.cache_hash),
        cache_key: key_or_empty(entry),
        cache_id: name(&entry.cache_id),
        content_encoding: entry.content.content_encoding.clone(),
        expires_at: entry.expires_at.map(UnixMillis::get),
        file_id: file_name(entry),
        file_type: file_type(entry.content.kind),
        json_field_path: entry.json_field_path.as_ref().map(ToString::to_string).or(no_field),
        namespace: name(&entry.namespace),
        stored_at: entry.stored_at.get(),
        strategy: strategy(entry.strategy),
    }
}
