//! An entry's content and metadata.

use cache_api::contents::{
    Base64, BinaryReference, EntryConfig, FileMetadata, FileMetadataData, FileTypeDetails, Metadata,
};
use cache_api::kinds::FileType;
use cache_core::cache::Paths;
use cache_core::entry::Entry;
use cache_core::python_files::StoreData;
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

/// What the Python service was asked for when it stored the entry: a key as it was sent may be none of ours.
fn python_data(entry: &Entry) -> Option<&StoreData> {
    entry.python_files.as_ref()?.metadata.as_ref().map(|metadata| &metadata.data)
}

fn key_or_empty(entry: &Entry) -> String {
    if let Some(data) = python_data(entry) {
        return data.cache_key.clone();
    }
    entry.cache_key.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn file_name(entry: &Entry) -> String {
    if let Some(data) = python_data(entry) {
        return data.file_id.clone();
    }
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
        file_paths: content_files(entry).iter().filter_map(folder).collect(),
        file_type: file_type_details(file_type(entry.content.kind)),
        exists_strategy: "first".to_owned(),
    }
}

/// The files with the content of an entry, or with a pointer to it.
pub(super) fn content_files(entry: &Entry) -> Vec<String> {
    match &entry.python_files {
        Some(files) => files.reference.file_paths.content_files.clone(),
        None => Paths::of(entry).data,
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
    let ours = FileMetadata {
        content_hash,
        content_size: entry.content.size,
        chain_hash: None,
        previous_version_path: None,
        tags: Vec::new(),
        timestamp: entry.stored_at.get(),
        data: file_metadata_data(entry),
    };
    match entry.python_files.as_ref().and_then(|files| files.metadata.as_ref()) {
        Some(file) => FileMetadata {
            content_hash: file.content_hash.clone(),
            content_size: file.content_size,
            timestamp: file.timestamp.get(),
            ..ours
        },
        None => ours,
    }
}

fn file_metadata_data(entry: &Entry) -> FileMetadataData {
    // A document under a key could have been stored by a field, so its field is empty; for all others there is none.
    let python_field = python_data(entry).map(|data| data.json_field_path.clone());
    let no_field = (entry.content.kind == ContentKind::Json && entry.cache_key.is_some()).then(String::new);
    FileMetadataData {
        cache_hash: name(&entry.cache_hash),
        cache_key: key_or_empty(entry),
        cache_id: name(&entry.cache_id),
        content_encoding: entry.content.content_encoding.clone(),
        expires_at: entry.expires_at.map(UnixMillis::get),
        file_id: file_name(entry),
        file_type: file_type(entry.content.kind),
        json_field_path: python_field.unwrap_or_else(|| entry.json_field_path.clone().or(no_field)),
        namespace: name(&entry.namespace),
        stored_at: entry.stored_at.get(),
        strategy: strategy(entry.strategy),
    }
}
