//! Child data: small files below an entry, deleted with it.

use bytes::Bytes;
use cache_api::children::{ChildDeleted, ChildExists, ChildList, ChildStored, ChildUpdated, ChildrenDeleted};
use cache_api::kinds::ContentKind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::entry::Entry;
use crate::error::Error;
use crate::names;
use crate::operations::{self as op, Operation};

/// The child data of an entry.
#[derive(Debug, Clone)]
pub struct Children {
    entry: Entry,
}

/// One child: a kind of content, a name, and a folder if wanted.
#[derive(Debug, Clone)]
pub struct Child {
    entry: Entry,
    kind: ContentKind,
    folder: Option<String>,
    file_id: String,
}

/// The operations on one kind of child: unnamed, named, and in a folder.
struct Operations {
    name: &'static str,
    content_type: &'static str,
    store: [&'static Operation; 3],
    read: [&'static Operation; 2],
    update: [&'static Operation; 2],
}

static TEXT: Operations = Operations {
    name: "string",
    content_type: "text/plain; charset=utf-8",
    store: [&op::POST_CHILD_STORE_STRING, &op::POST_CHILD_STORE_STRING_NAMED, &op::POST_CHILD_STORE_STRING_IN_FOLDER],
    read: [&op::GET_CHILD_STRING_NAMED, &op::GET_CHILD_STRING_IN_FOLDER],
    update: [&op::POST_CHILD_UPDATE_STRING_NAMED, &op::POST_CHILD_UPDATE_STRING_IN_FOLDER],
};
static JSON: Operations = Operations {
    name: "json",
    content_type: "application/json",
    store: [&op::POST_CHILD_STORE_JSON, &op::POST_CHILD_STORE_JSON_NAMED, &op::POST_CHILD_STORE_JSON_IN_FOLDER],
    read: [&op::GET_CHILD_JSON_NAMED, &op::GET_CHILD_JSON_IN_FOLDER],
    update: [&op::POST_CHILD_UPDATE_JSON_NAMED, &op::POST_CHILD_UPDATE_JSON_IN_FOLDER],
};
static BINARY: Operations = Operations {
    name: "binary",
    content_type: "application/octet-stream",
    store: [&op::POST_CHILD_STORE_BINARY, &op::POST_CHILD_STORE_BINARY_NAMED, &op::POST_CHILD_STORE_BINARY_IN_FOLDER],
    read: [&op::GET_CHILD_BINARY_NAMED, &op::GET_CHILD_BINARY_IN_FOLDER],
    update: [&op::POST_CHILD_UPDATE_BINARY_NAMED, &op::POST_CHILD_UPDATE_BINARY_IN_FOLDER],
};

/// There are no child archives: they are bytes.
fn operations(kind: ContentKind) -> &'static Operations {
    match kind {
        ContentKind::String => &TEXT,
        ContentKind::Json => &JSON,
        ContentKind::Binary | ContentKind::Zip => &BINARY,
    }
}

impl Entry {
    /// Its child data: small files below it.
    pub fn children(&self) -> Children {
        Children { entry: self.clone() }
    }
}

impl Children {
    /// A child text.
    pub fn text(&self, file_id: impl Into<String>) -> Child {
        self.child(ContentKind::String, file_id.into())
    }

    /// A child JSON object.
    pub fn json(&self, file_id: impl Into<String>) -> Child {
        self.child(ContentKind::Json, file_id.into())
    }

    /// Child bytes.
    pub fn bytes(&self, file_id: impl Into<String>) -> Child {
        self.child(ContentKind::Binary, file_id.into())
    }

    /// A child of a kind.
    pub fn child(&self, kind: ContentKind, file_id: String) -> Child {
        Child { entry: self.entry.clone(), kind, folder: None, file_id }
    }

    /// Stores a child under a fresh name, in no folder. The content must fit its kind.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` if the entry is missing.
    pub async fn store_unnamed(
        &self,
        kind: ContentKind,
        content: impl Into<Bytes>,
    ) -> Result<Option<ChildStored>, Error> {
        let operations = operations(kind);
        let call = self.call(operations.store[0], &[])?.bytes(operations.content_type, content);
        self.entry.namespace().json_if_any(&call).await
    }

    /// All children, or those in a folder and below.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` if the entry is missing.
    pub async fn list(&self, folder: Option<&str>) -> Result<Option<ChildList>, Error> {
        let call = match folder {
            None => self.call(&op::GET_CHILD_LIST, &[])?,
            Some(folder) => self.call(&op::GET_CHILD_LIST_DATA_KEY, &[checked_folder(folder)?])?,
        };
        self.entry.namespace().json_if_any(&call).await
    }

    /// Deletes all children, or those in a folder and below.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn delete_all(&self, folder: Option<&str>) -> Result<ChildrenDeleted, Error> {
        let call = match folder {
            None => self.call(&op::DELETE_CHILD_DELETE_ALL, &[])?,
            Some(folder) => self.call(&op::DELETE_CHILD_DELETE_ALL_DATA_KEY, &[checked_folder(folder)?])?,
        };
        self.entry.namespace().json(&call).await
    }

    fn call(&self, operation: &'static Operation, more: &[&str]) -> Result<Call, Error> {
        names::check_cache_id(self.entry.id())?;
        self.entry.namespace().call(operation, &[&[self.entry.id()], more].concat())
    }
}

impl Child {
    /// The same in a folder, such as `analysis/sentiment`.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<String>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// A call of an operation that is there for a child without a folder and for one within.
    fn call(&self, named: &'static Operation, in_folder: &'static Operation, before: &[&str]) -> Result<Call, Error> {
        names::check_id("the name of the child", &self.file_id)?;
        let at = self.entry.children();
        match &self.folder {
            None => at.call(named, &[before, &[self.file_id.as_str()]].concat()),
            Some(folder) => at.call(in_folder, &[before, &[checked_folder(folder)?, self.file_id.as_str()]].concat()),
        }
    }

    fn content_call(&self, operations: [&'static Operation; 2], content: Bytes) -> Result<Call, Error> {
        let call = self.call(operations[0], operations[1], &[])?;
        Ok(call.bytes(self::operations(self.kind).content_type, content))
    }

    /// Stores it, or another content under its name. The content must fit its kind.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` if the entry is missing.
    pub async fn store(&self, content: impl Into<Bytes>) -> Result<Option<ChildStored>, Error> {
        let [_, named, in_folder] = operations(self.kind).store;
        let call = self.content_call([named, in_folder], content.into())?;
        self.entry.namespace().json_if_any(&call).await
    }

    /// Stores a JSON object.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` if the entry is missing.
    pub async fn store_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Option<ChildStored>, Error> {
        self.store(crate::call::to_json(value)?).await
    }

    /// Replaces its content.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` if it is missing.
    pub async fn update(&self, content: impl Into<Bytes>) -> Result<Option<ChildUpdated>, Error> {
        let call = self.content_call(operations(self.kind).update, content.into())?;
        self.entry.namespace().json_if_any(&call).await
    }

    /// Its content.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn read(&self) -> Result<Option<Bytes>, Error> {
        let [named, in_folder] = operations(self.kind).read;
        let call = self.call(named, in_folder, &[])?;
        Ok(self.entry.namespace().client().send_if_any(&call).await?.map(|reply| reply.body))
    }

    /// Its content as a value.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn read_json<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let [named, in_folder] = operations(self.kind).read;
        self.entry.namespace().json_if_any(&self.call(named, in_folder, &[])?).await
    }

    /// Whether it exists.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn exists(&self) -> Result<bool, Error> {
        let kind = operations(self.kind).name;
        let call = self.call(&op::GET_CHILD_EXISTS_NAMED, &op::GET_CHILD_EXISTS_IN_FOLDER, &[kind])?;
        let exists: ChildExists = self.entry.namespace().json(&call).await?;
        Ok(exists.exists)
    }

    /// Deletes it.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn delete(&self) -> Result<Option<ChildDeleted>, Error> {
        let kind = operations(self.kind).name;
        let call = self.call(&op::DELETE_CHILD_DELETE_NAMED, &op::DELETE_CHILD_DELETE_IN_FOLDER, &[kind])?;
        self.entry.namespace().json_if_any(&call).await
    }
}

fn checked_folder(folder: &str) -> Result<&str, Error> {
    names::check_path("the folder", folder).map(|()| folder)
}
