//! The storage as files and folders.

use bytes::Bytes;
use cache_api::admin::{AllFiles, BucketName, FileDeleted, FileExists};
use cache_api::lists::Page;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::operations::{self as op, Operation};

/// The storage as files and folders. Paths are those that the service answers with.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    physical: bool,
}

/// A page of a list, and how it is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListOptions<'a> {
    /// Folders within as well.
    pub recursive: bool,
    /// Paths from the root of the storage.
    pub full_paths: bool,
    /// Up to 1,000; 100 without it.
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub cursor: Option<&'a str>,
}

/// How many items a page has when nothing else is asked for.
const DEFAULT_LIMIT: usize = 100;

impl Client {
    /// The storage as files and folders.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone(), physical: false }
    }
}

impl Admin {
    /// The objects of the storage as they are, instead of the files that clients know.
    #[must_use]
    pub fn physical(self) -> Self {
        Self { physical: true, ..self }
    }

    fn call(&self, operation: &'static Operation, path: &str) -> Result<Call, Error> {
        if path.is_empty() {
            return Err(Error::argument("the path", "must not be empty"));
        }
        Ok(Call::new(operation, &[path])?.query("physical", self.physical.then_some(true)))
    }

    async fn body(&self, operation: &'static Operation, path: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.client.send_if_any(&self.call(operation, path)?).await?.map(|reply| reply.body))
    }

    /// The bucket, or `NA`.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn bucket(&self) -> Result<String, Error> {
        let found: BucketName = self.client.send(&Call::new(&op::GET_ADMIN_BUCKET_NAME, &[])?).await?.json()?;
        Ok(found.bucket_name)
    }

    /// Whether a file is there.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn exists(&self, path: &str) -> Result<bool, Error> {
        let found: FileExists = self.client.send(&self.call(&op::GET_ADMIN_FILE_EXISTS_PATH, path)?).await?.json()?;
        Ok(found.exists)
    }

    /// A file as bytes.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn bytes(&self, path: &str) -> Result<Option<Bytes>, Error> {
        self.body(&op::GET_ADMIN_FILE_BYTES_PATH, path).await
    }

    /// A file as what it is: text, JSON or bytes.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn content(&self, path: &str) -> Result<Option<Bytes>, Error> {
        self.body(&op::GET_ADMIN_FILE_CONTENT_PATH, path).await
    }

    /// A file as JSON.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn json(&self, path: &str) -> Result<Option<serde_json::Value>, Error> {
        self.client.send_if_any(&self.call(&op::GET_ADMIN_FILE_JSON_PATH, path)?).await?.map(|it| it.json()).transpose()
    }

    /// The field `html` of a JSON file. It is what somebody stored: do not trust it.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn html(&self, path: &str) -> Result<Option<String>, Error> {
        self.client.send_if_any(&self.call(&op::GET_ADMIN_FILE_HTML_PATH, path)?).await?.map(|it| it.text()).transpose()
    }

    /// A page of the files in a folder; the root for an empty path.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn files(&self, folder: &str, options: ListOptions<'_>) -> Result<Page<String>, Error> {
        self.list(&op::GET_ADMIN_FILES_IN_ROOT, &op::GET_ADMIN_FILES_IN_PATH, folder, options).await
    }

    /// A page of the folders in a folder; the root for an empty path.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn folders(&self, folder: &str, options: ListOptions<'_>) -> Result<Page<String>, Error> {
        self.list(&op::GET_ADMIN_FOLDERS_ROOT, &op::GET_ADMIN_FOLDERS_PATH, folder, options).await
    }

    /// All files in a folder and below; the root for an empty path.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn all_files(&self, folder: &str) -> Result<AllFiles, Error> {
        let call = match folder {
            "" => Call::new(&op::GET_ADMIN_FILES_ALL_ROOT, &[])?,
            folder => Call::new(&op::GET_ADMIN_FILES_ALL_PATH, &[folder])?,
        };
        self.client.send(&call.query("physical", self.physical.then_some(true))).await?.json()
    }

    /// Deletes what a file stands for; with `force` the file alone, even if it is in use. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a file in use is [`Error::Conflict`].
    pub async fn delete(&self, path: &str, force: bool) -> Result<bool, Error> {
        let call = Call::new(&op::DELETE_ADMIN_FILE_DELETE_PATH, &[path])?.query("force", force.then_some(true));
        let deleted: FileDeleted = self.client.send(&call).await?.json()?;
        Ok(deleted.deleted)
    }

    async fn list(
        &self,
        root: &'static Operation,
        within: &'static Operation,
        folder: &str,
        options: ListOptions<'_>,
    ) -> Result<Page<String>, Error> {
        let ListOptions { recursive, full_paths, limit, cursor } = options;
        let call = if folder.is_empty() { Call::new(root, &[])? } else { Call::new(within, &[folder])? };
        let call = call.query("physical", self.physical.then_some(true)).query("recursive", recursive.then_some(true));
        let call = call.query("return_full_path", full_paths.then_some(true)).query("cursor", cursor);
        self.client.send(&call.query("limit", Some(limit.unwrap_or(DEFAULT_LIMIT)))).await?.json()
    }
}
