//! An entry's content with what accompanies it.

use cache_api::contents::{
    Base64, BinaryReference, EntryConfig, FileMetadata, FileMetadataData, FileTypeDetails, Metadata,
};
use cache_api::kinds::FileType;
use cache_core::cache::Paths;
use cache_core::record::Record;
use cache_core::strategy::ContentKind;

use super::wire::{file_type, name, strategy};

/// How many hex digits `content__hash` has.
const SHORT_HASH_DIGITS: usize = 10;

/// What accompanies the content of a record.
pub fn metadata(record: &Record) -> Metadata {
    let current = record.current();
    Metadata {
        cache_id: name(&record.cache_id),
        cache_hash: name(&record.cache_hash),
        cache_key: key_or_empty(record),
        file_id: file_name(record),
        namespace: name(&record.namespace),
        strategy: strategy(record.strategy),
        stored_at: record.stored_at,
        file_type: file_type(record.kind),
        content_encoding: current.content_encoding.map(ToOwned::to_owned),
        content_size: current.size,
    }
}

fn key_or_empty(record: &Record) -> String {
    record.cache_key.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn file_name(record: &Record) -> String {
    record.file_id.as_ref().map_or_else(|| record.cache_id.to_string(), ToString::to_string)
}

/// Names the URL, relative to the host, that answers with `size` bytes.
pub fn binary_reference(record: &Record, size: usize, binary_url: String) -> BinaryReference {
    BinaryReference {
        message: "the content is binary: read it from binary_url".to_owned(),
        data_type: "binary".to_owned(),
        size,
        cache_hash: name(&record.cache_hash),
        cache_id: name(&record.cache_id),
        namespace: name(&record.namespace),
        binary_url,
        metadata: metadata(record),
    }
}

/// Bytes that are encoded already.
pub fn base64(data: String) -> Base64 {
    Base64 { data_type: "binary".to_owned(), encoding: "base64".to_owned(), data }
}

/// How an entry is kept.
pub fn entry_config(record: &Record) -> EntryConfig {
    let folder = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    EntryConfig {
        file_id: file_name(record),
        file_key: key_or_empty(record),
        file_paths: Paths::of(record).data.iter().filter_map(folder).collect(),
        file_type: file_type_details(file_type(record.kind)),
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

/// What is known about an entry's content.
pub fn file_metadata(record: &Record) -> FileMetadata {
    let current = record.current();
    let mut content_hash = current.sha256.to_string();
    content_hash.truncate(SHORT_HASH_DIGITS);
    FileMetadata {
        content_hash,
        content_size: current.size,
        chain_hash: None,
        previous_version_path: None,
        tags: Vec::new(),
        timestamp: record.stored_at,
        data: file_metadata_data(record),
    }
}

fn file_metadata_data(record: &Record) -> FileMetadataData {
    // A document under a key could have been stored by a field, so its field is empty; for all others there is none.
    let no_field = (record.kind == ContentKind::Json && record.cache_key.is_some()).then(String::new);
    FileMetadataData {
        cache_hash: name(&record.cache_hash),
        cache_key: key_or_empty(record),
        cache_id: name(&record.cache_id),
        content_encoding: record.current().content_encoding.map(ToOwned::to_owned),
        file_id: file_name(record),
        file_type: file_type(record.kind),
        json_field_path: record.json_field_path.as_ref().map(ToString::to_string).or(no_field),
        namespace: name(&record.namespace),
        stored_at: record.stored_at,
        strategy: strategy(record.strategy),
    }
}
