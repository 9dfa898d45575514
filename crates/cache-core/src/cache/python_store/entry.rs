//! One entry, read from its files.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join3;

use crate::digest::Sha256Digest;
use crate::entry::{ContentInfo, Entry};
use crate::error::Error;
use crate::nonce::{Nonce, NonceOrigin};
use crate::python_files::{IdFile, METADATA_SUFFIX, MetadataFile, PythonFiles, read_content};
use crate::storage::{GetOptions, GetResult, ObjectKey};

use super::super::NamespaceCache;
use super::super::retrieve::Found;

impl NamespaceCache {
    /// An entry with its content, or the revision that is the only one; `None` when the content is gone, as it is when an entry
    /// that shared its files was deleted.
    pub(in crate::cache) async fn find_in_python_files(
        &self,
        file: IdFile,
        revision: Option<u64>,
    ) -> Result<Option<Found>, Error> {
        if revision.is_some_and(|revision| revision > 0) {
            return Ok(None);
        }
        let Some(path) = self.python_paths(&file.file_paths.content_files).next() else { return Ok(None) };
        let read = try_join3(
            self.read_python_content(&path),
            self.load_metadata_file(&path),
            self.load_hash_file(&file.cache_hash),
        );
        let (content, metadata, versions) = read.await?;
        let Some(content) = content else { return Ok(None) };
        let (kind, bytes) = read_content(path.as_str(), &content);
        let version = versions.and_then(|(versions, _)| versions.version_of(file.cache_id)).unwrap_or(0);
        let mut entry = self.python_entry(file, metadata, version);
        entry.content.kind = kind;
        entry.content.sha256 = Sha256Digest::of(&bytes);
        entry.content.size = bytes.len() as u64;
        Ok(Some(Found::with_bytes(entry, bytes)))
    }

    /// An entry as its files describe it; of its content only the encoding is known.
    pub(super) fn python_entry(&self, file: IdFile, metadata: Option<MetadataFile>, version: u64) -> Entry {
        let files = PythonFiles { reference: file, metadata };
        let IdFile { cache_id, ref cache_hash, strategy, timestamp, .. } = files.reference;
        let data = files.metadata.as_ref().map(|metadata| &metadata.data);
        let given = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        let id = cache_id.to_string();
        let (kind, _) =
            read_content(files.reference.file_paths.content_files.first().map_or("", |path| path), &Bytes::new());
        Entry {
            namespace: self.namespace.clone(),
            cache_id,
            cache_hash: cache_hash.clone(),
            version,
            strategy,
            cache_key: data.and_then(|data| data.cache_key.parse().ok()),
            file_id: data.filter(|data| data.file_id != id).and_then(|data| data.file_id.parse().ok()),
            json_field_path: given(data.and_then(|data| data.json_field_path.as_ref())),
            stored_at: timestamp,
            expires_at: None,
            content: ContentInfo {
                kind,
                sha256: Sha256Digest::of(b""),
                size: 0,
                content_encoding: given(data.and_then(|data| data.content_encoding.as_ref())),
                blob: None,
            },
            revision: None,
            // The same is used when the entry is listed in a manifest.
            nonce: Nonce::derived(NonceOrigin::Random, &[b"python", cache_id.as_bytes()]),
            python_files: Some(Arc::new(files)),
        }
    }

    /// What accompanies a content. What cannot be read is as good as missing: an entry does without.
    pub(super) async fn load_metadata_file(&self, content: &ObjectKey) -> Result<Option<MetadataFile>, Error> {
        let Ok(path) = format!("{content}{METADATA_SUFFIX}").parse() else { return Ok(None) };
        let Some(bytes) = self.cache.read(&path).await? else { return Ok(None) };
        Ok(serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::warn!(%path, %error, "the metadata of the Python service cannot be read"))
            .ok())
    }

    async fn read_python_content(&self, path: &ObjectKey) -> Result<Option<Bytes>, Error> {
        let limit = self.cache.max_in_memory_bytes;
        let options = GetOptions { range: (limit < u64::MAX).then(|| 0..limit + 1), ..GetOptions::default() };
        let object = self.cache.storage.get(path, &options).await?.and_then(GetResult::into_object);
        match object {
            Some(object) if object.size > limit => Err(Error::TooLarge { size: object.size, limit }),
            object => Ok(object.map(|object| object.bytes)),
        }
    }
}
