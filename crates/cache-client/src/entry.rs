//! One entry, by its id.

use bytes::Bytes;
use cache_api::contents::{EntryConfig, FileMetadata};
use cache_api::entries::{Delete, Exists, Update};
use cache_api::references::{AllReferences, References};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::names;
use crate::namespace::Namespace;
use crate::operations::{self as op, Operation};
use crate::selector::{EntryRef, Selector};

/// An entry, by its id. Nothing is asked until it is used, so it need not exist. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Entry {
    namespace: Namespace,
    id: String,
}

impl Namespace {
    /// The entry with an id. Nothing is asked until it is used.
    pub fn entry(&self, id: impl Into<String>) -> Entry {
        Entry { namespace: self.clone(), id: id.into() }
    }
}

impl Entry {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its text form.
    pub fn reference(&self) -> EntryRef {
        EntryRef { namespace: self.namespace.name().to_owned(), selector: Selector::id(self.id.clone()) }
    }

    fn call(&self, operation: &'static Operation, more: &[&str]) -> Result<crate::call::Call, Error> {
        names::check_cache_id(&self.id)?;
        self.namespace.call(operation, &[&[self.id.as_str()], more].concat())
    }

    async fn get<T: DeserializeOwned>(&self, operation: &'static Operation) -> Result<Option<T>, Error> {
        self.namespace.json_if_any(&self.call(operation, &[])?).await
    }

    /// Whether it exists.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn exists(&self) -> Result<bool, Error> {
        let exists: Exists = self.namespace.json(&self.call(&op::GET_EXISTS_ID, &[])?).await?;
        Ok(exists.exists)
    }

    /// How it is kept.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn config(&self) -> Result<Option<EntryConfig>, Error> {
        self.get(&op::GET_RETRIEVE_ID_CONFIG).await
    }

    /// Its stored metadata.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn file_metadata(&self) -> Result<Option<FileMetadata>, Error> {
        self.get(&op::GET_RETRIEVE_ID_METADATA).await
    }

    /// What it consists of.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn references(&self) -> Result<Option<References>, Error> {
        self.get(&op::GET_RETRIEVE_ID_REFS).await
    }

    /// The same, with the reference files of the entry and of its hash.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn all_references(&self) -> Result<Option<AllReferences>, Error> {
        self.get(&op::GET_RETRIEVE_ID_REFS_ALL).await
    }

    /// Gives a text a new content. Its id stays, and the earlier content is a revision.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn update_text(&self, text: impl Into<String>) -> Result<Option<Update>, Error> {
        let call = self.call(&op::POST_UPDATE_ID_STRING, &[])?.bytes("text/plain; charset=utf-8", text.into());
        self.namespace.json_if_any(&call).await
    }

    /// Gives a JSON object a new content.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn update_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Option<Update>, Error> {
        self.namespace.json_if_any(&self.call(&op::POST_UPDATE_ID_JSON, &[])?.json(value)?).await
    }

    /// Gives bytes a new content.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn update_bytes(&self, bytes: impl Into<Bytes>) -> Result<Option<Update>, Error> {
        let call = self.call(&op::POST_UPDATE_ID_BINARY, &[])?.bytes("application/octet-stream", bytes);
        self.namespace.json_if_any(&call).await
    }

    /// Deletes it with its child data. If the response to a first attempt was lost, a retry finds nothing any more, and says so.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn delete(&self) -> Result<Delete, Error> {
        self.namespace.json(&self.call(&op::DELETE_DELETE_ID, &[])?).await
    }
}
