//! The entries with a hash, and those under a key.

use cache_api::entries::Exists;
use cache_api::kinds::Strategy;
use cache_api::references::{HashCacheId, HashReferences};
use cache_api::versions::VersionList;

use crate::call::Call;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::operations::{self as op, Operation};
use crate::read::Read;
use crate::selector::{Selector, strategy_name};
use crate::store::Stored;

/// The entries with a hash.
#[derive(Debug, Clone)]
pub struct ByHash {
    namespace: Namespace,
    hash: String,
}

/// The entries under a key and file id: its versions.
#[derive(Debug, Clone)]
pub struct ByKey {
    namespace: Namespace,
    strategy: Strategy,
    key: String,
    file_id: String,
}

impl Namespace {
    /// The entries with a hash.
    pub fn by_hash(&self, hash: impl Into<String>) -> ByHash {
        ByHash { namespace: self.clone(), hash: hash.into() }
    }

    /// The entries under a key and file id.
    pub fn by_key(&self, strategy: Strategy, key: impl Into<String>, file_id: impl Into<String>) -> ByKey {
        ByKey { namespace: self.clone(), strategy, key: key.into(), file_id: file_id.into() }
    }
}

impl ByHash {
    fn call(&self, operation: &'static Operation) -> Result<Call, Error> {
        Selector::hash(self.hash.clone()).check()?;
        self.namespace.call(operation, &[&self.hash])
    }

    /// The newest content in a form of choice.
    pub fn read(&self) -> Read {
        self.namespace.read(Selector::hash(self.hash.clone()))
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn exists(&self) -> Result<bool, Error> {
        let exists: Exists = self.namespace.json(&self.call(&op::GET_EXISTS_HASH)?).await?;
        Ok(exists.exists)
    }

    /// The newest entries.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn references(&self) -> Result<Option<HashReferences>, Error> {
        self.namespace.json_if_any(&self.call(&op::GET_RETRIEVE_HASH_REFS_HASH)?).await
    }

    /// The newest entry.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn cache_id(&self) -> Result<Option<HashCacheId>, Error> {
        self.namespace.json_if_any(&self.call(&op::GET_RETRIEVE_HASH_ID)?).await
    }

    /// A page of its versions, oldest first: the newest ones, or those before a version.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn versions(&self, limit: usize, before: Option<u64>) -> Result<Option<VersionList>, Error> {
        let call = self.call(&op::GET_VERSIONS_HASH)?.query("limit", Some(limit)).query("before", before);
        self.namespace.json_if_any(&call).await
    }
}

impl ByKey {
    fn selector(&self) -> Selector {
        Selector::key(self.strategy, self.key.clone(), self.file_id.clone())
    }

    fn call(&self, operation: &'static Operation) -> Result<Call, Error> {
        self.selector().check()?;
        self.namespace.call(operation, &[strategy_name(self.strategy), &self.key, &self.file_id])
    }

    /// The newest content in a form of choice.
    pub fn read(&self) -> Read {
        self.namespace.read(self.selector())
    }

    /// A page of its versions, oldest first: the newest ones, or those before a version.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a miss is `None`.
    pub async fn versions(&self, limit: usize, before: Option<u64>) -> Result<Option<VersionList>, Error> {
        let call = self.call(&op::GET_VERSIONS_KEY)?.query("limit", Some(limit)).query("before", before);
        self.namespace.json_if_any(&call).await
    }

    /// Makes a new version with the content of an older one.
    ///
    /// # Errors
    ///
    /// See [`Error`]; `None` if there is no such version.
    pub async fn rollback(&self, version: u64) -> Result<Option<Stored>, Error> {
        self.namespace.json_if_any(&self.call(&op::POST_ROLLBACK_KEY)?.query("version", Some(version))).await
    }
}
