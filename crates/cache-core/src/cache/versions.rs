//! Versions: what a manifest or a key index lists, in order.

use futures::future::try_join;

use crate::error::Error;
use crate::ids::{CacheHash, CacheId};
use crate::key_index::KeyRow;
use crate::layout::KeyRef;
use crate::manifest::{EntryRow, EntrySpec, Manifest};
use crate::strategy::Strategy;
use crate::time::UnixMillis;
use crate::version_log::Row;

use super::NamespaceCache;
use super::load::Part;
use super::pages::Pages;

/// Whose versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionsOf {
    /// Of all entries with a hash.
    Hash(CacheHash),
    /// Of all entries under a key and file id.
    Key(KeyRef),
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// How many are listed in all.
    pub count: u64,
    /// The newest that were asked for, oldest first.
    pub versions: Vec<ListedVersion>,
    /// The newest entry of all.
    pub latest: ListedVersion,
}

/// One version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its number, from 1.
    pub version: u64,
    /// The entry.
    pub cache_id: CacheId,
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// When it expires, if ever.
    pub expires_at: Option<UnixMillis>,
    /// How it was stored; `None` for a version under a key, which names the strategy itself.
    pub strategy: Option<Strategy>,
}

impl From<&EntryRow> for ListedVersion {
    fn from(row: &EntryRow) -> Self {
        let EntrySpec { stored_at, expires_at, strategy, .. } = row.spec;
        Self { version: row.version, cache_id: row.cache_id, stored_at, expires_at, strategy: Some(strategy) }
    }
}

impl From<&KeyRow> for ListedVersion {
    fn from(row: &KeyRow) -> Self {
        let KeyRow { version, cache_id, stored_at, expires_at } = *row;
        Self { version, cache_id, stored_at, expires_at, strategy: None }
    }
}

impl NamespaceCache {
    /// The newest `limit` versions below `before` (or of all), oldest first; `None` when nothing is listed.
    ///
    /// # Errors
    ///
    /// `Corrupt` when what is stored cannot be read.
    pub async fn versions(
        &self,
        of: &VersionsOf,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Versions>, Error> {
        self.retry_replaced(|| async {
            match of {
                VersionsOf::Hash(hash) => self.versions_of_hash(hash, before, limit).await,
                VersionsOf::Key(key) => self.versions_of_key(key, before, limit).await,
            }
        })
        .await
    }

    async fn versions_of_hash(
        &self,
        hash: &CacheHash,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Versions>, Error> {
        let key = self.layout().manifest(hash);
        let (loaded, python) = try_join(self.load::<Manifest>(&key, Part::Head), self.python_versions(hash)).await?;
        let listed = match &loaded.head {
            Some(manifest) => {
                let pages = Pages::new(self, &key);
                let rows = pages.newest(manifest.log(), before.unwrap_or(u64::MAX), limit).await?;
                let latest = pages.newest::<EntryRow>(manifest.log(), u64::MAX, 1).await?;
                versions(manifest.log().len(), &rows, &latest)
            }
            None => None,
        };
        match python {
            Some(python) => self.join_python_versions(listed, &python, before, limit).await,
            None => Ok(listed),
        }
    }

    async fn versions_of_key(
        &self,
        key: &KeyRef,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Versions>, Error> {
        let index_key = self.layout().key_index(key);
        let Some(index) = self.load_key_index(key, Part::Head).await?.head else { return Ok(None) };
        let pages = Pages::new(self, &index_key);
        let rows = pages.newest(index.log(), before.unwrap_or(u64::MAX), limit).await?;
        let latest = pages.newest::<KeyRow>(index.log(), u64::MAX, 1).await?;
        Ok(versions(index.log().len(), &rows, &latest))
    }
}

fn versions<R: Row>(count: u64, rows: &[R], latest: &[R]) -> Option<Versions>
where
    for<'r> ListedVersion: From<&'r R>,
{
    let latest = ListedVersion::from(latest.first()?);
    Some(Versions { count, versions: rows.iter().map(ListedVersion::from).collect(), latest })
}
