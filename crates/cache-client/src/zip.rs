//! ZIP archives: stored, read by member, and edited. An edit makes a new entry.

use bytes::Bytes;
use cache_api::archives::{ArchiveBatch, ArchiveOperation, ArchiveStore, BatchRequest};
use cache_api::kinds::Strategy;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::entry::Entry;
use crate::error::Error;
use crate::names;
use crate::namespace::Namespace;
use crate::operations::{self as op, Operation};
use crate::selector::strategy_name;

/// A store of an archive.
#[derive(Debug, Clone)]
#[must_use = "end it with `send`"]
pub struct ZipStore {
    namespace: Namespace,
    bytes: Bytes,
    strategy: Strategy,
    idempotency_key: Option<String>,
}

/// An entry as an archive.
#[derive(Debug, Clone)]
pub struct Zip {
    entry: Entry,
}

impl Namespace {
    /// Stores a ZIP archive; an empty one if there are no bytes.
    pub fn store_zip(&self, bytes: impl Into<Bytes>) -> ZipStore {
        ZipStore { namespace: self.clone(), bytes: bytes.into(), strategy: Strategy::Direct, idempotency_key: None }
    }
}

impl ZipStore {
    /// How it can be found beside its id and hash. [`Strategy::Direct`] without it.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The `Idempotency-Key`, in place of a random one.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Stores it under a key and file id.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn send(self, key: &str, file_id: &str) -> Result<ArchiveStore, Error> {
        names::check_path("the key", key)?;
        names::check_id("the file id", file_id)?;
        let parameters = [strategy_name(self.strategy), key, file_id];
        let mut call = match self.bytes.is_empty() {
            true => self.namespace.call(&op::POST_ZIP_CREATE, &parameters)?,
            false => self.namespace.call(&op::POST_ZIP_STORE, &parameters)?.bytes("application/zip", self.bytes),
        };
        if let Some(key) = &self.idempotency_key {
            call = call.idempotency_key(key)?;
        }
        self.namespace.json(&call).await
    }
}

impl Entry {
    /// It as a ZIP archive.
    pub fn zip(&self) -> Zip {
        Zip { entry: self.clone() }
    }
}

impl Zip {
    fn call(&self, operation: &'static Operation, more: &[&str]) -> Result<Call, Error> {
        names::check_cache_id(self.entry.id())?;
        if more.iter().any(|member| member.trim().is_empty()) {
            return Err(Error::argument("the member", "must not be empty"));
        }
        self.entry.namespace().call(operation, &[&[self.entry.id()], more].concat())
    }

    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.entry.namespace().json(&call).await
    }

    /// The archive. One of more than 4 MB comes from the storage.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn retrieve(&self) -> Result<Option<Bytes>, Error> {
        let call = self.call(&op::GET_ZIP_ID_RETRIEVE, &[])?;
        Ok(self.entry.namespace().client().send_if_any(&call).await?.map(|reply| reply.body))
    }

    /// The names of its members, folders included.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn members(&self) -> Result<Option<Vec<String>>, Error> {
        let call = self.call(&op::GET_ZIP_ID_FILES_LIST, &[])?;
        let listed: Option<ArchiveOperation> = self.entry.namespace().json_if_any(&call).await?;
        Ok(listed.map(|listed| listed.file_list))
    }

    /// The content of a member.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`, of the archive as of the member.
    pub async fn member(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let call = self.call(&op::GET_ZIP_ID_FILE_RETRIEVE_FILE_PATH, &[name])?;
        Ok(self.entry.namespace().client().send_if_any(&call).await?.map(|reply| reply.body))
    }

    /// Sets a member to bytes, in a new entry.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a missing archive is [`Error::InvalidRequest`].
    pub async fn add_bytes(&self, name: &str, bytes: impl Into<Bytes>) -> Result<ArchiveOperation, Error> {
        let call = self.call(&op::POST_ZIP_ID_FILE_ADD_FROM_BYTES_FILE_PATH, &[name])?;
        self.json(call.bytes("application/octet-stream", bytes)).await
    }

    /// Sets a member to a text, in a new entry.
    ///
    /// # Errors
    ///
    /// As [`Zip::add_bytes`].
    pub async fn add_text(&self, name: &str, text: impl Into<String>) -> Result<ArchiveOperation, Error> {
        let call = self.call(&op::POST_ZIP_ID_FILE_ADD_FROM_STRING_FILE_PATH, &[name])?;
        self.json(call.bytes("text/plain; charset=utf-8", text.into())).await
    }

    /// Removes a member, in a new entry.
    ///
    /// # Errors
    ///
    /// As [`Zip::add_bytes`]; `None` if there is no such member.
    pub async fn remove(&self, name: &str) -> Result<Option<ArchiveOperation>, Error> {
        let call = self.call(&op::DELETE_ZIP_ID_FILE_DELETE_FILE_PATH, &[name])?;
        self.entry.namespace().json_if_any(&call).await
    }

    /// Several edits at once, in one new entry. The response says how each of them went.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn edit(&self, batch: &BatchRequest) -> Result<ArchiveBatch, Error> {
        self.json(self.call(&op::POST_ZIP_ID_BATCH_OPERATIONS, &[])?.json(batch)?).await
    }
}
