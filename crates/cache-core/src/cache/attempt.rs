//! One attempt of a compare-and-swap: the pages that it reads and writes on the way, and what becomes of them.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::storage::{ObjectKey, StorageError};
use crate::time::UnixMillis;
use crate::version_log::{Row, VersionLog, replace};

use super::NamespaceCache;
use super::pages::{FoundRow, PageMemo, Pages};

/// One attempt to write an object.
pub(super) struct Attempt<'a> {
    pub(super) cache: &'a NamespaceCache,
    pub(super) key: &'a ObjectKey,
    pub(super) now: UnixMillis,
    /// Whether an earlier attempt may have been applied, so that each change is looked for before it is made.
    pub(super) check_existing: bool,
    /// Whether an earlier attempt of this write has an unknown outcome.
    pub(super) is_ambiguous: bool,
    /// Pages that were written for this attempt: garbage if it is refused.
    pub(super) written: Vec<ObjectKey>,
    /// Objects that nobody needs any more once it is applied.
    pub(super) obsolete: Vec<ObjectKey>,
    /// Whether the last change was found to have been made before.
    pub(super) found: bool,
    /// The pages that were read for this write.
    memo: &'a PageMemo,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(cache: &'a NamespaceCache, key: &'a ObjectKey, memo: &'a PageMemo) -> Self {
        Self {
            cache,
            key,
            now: cache.cache.now(),
            check_existing: false,
            is_ambiguous: false,
            written: Vec::new(),
            obsolete: Vec::new(),
            found: false,
            memo,
        }
    }

    /// The pages of the object.
    pub(super) fn pages(&self) -> Pages<'a> {
        Pages::new(self.cache, self.key).with_memo(self.memo)
    }

    /// Writes a page under a name that nobody else uses.
    pub(super) async fn write_page(&mut self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let key = self.cache.layout().page(self.key, name);
        self.cache.cache.overwrite(&key, bytes).await?;
        self.written.push(key);
        Ok(())
    }

    /// Writes the page of a row again as it is now, and the pages on the way to it, under new names, and puts them into the log.
    /// A page without rows goes. The old ones are obsolete once the log is written.
    pub(super) async fn rewrite_page<R: Row>(
        &mut self,
        found: FoundRow<R>,
        log: &mut VersionLog<R>,
    ) -> Result<(), Error> {
        let mut page = found.page;
        for (reference, parent) in found.path.into_iter().rev() {
            let name = format!("{}-{:016x}", reference.min_version, self.cache.cache.random());
            let replacement = page.reference(name);
            if let Some(replacement) = &replacement {
                self.write_page(&replacement.name, page.to_bytes()).await?;
            }
            self.obsolete.push(self.cache.layout().page(self.key, &reference.name));
            match parent {
                None => log.replace_page(&reference.name, replacement),
                Some(parent) => {
                    let mut parent = Arc::unwrap_or_clone(parent);
                    replace(&mut parent.pages, &reference.name, replacement);
                    page = parent;
                    continue;
                }
            }
            return Ok(());
        }
        Ok(())
    }

    /// Removes what this attempt has made obsolete.
    pub(super) async fn clean_up(self) {
        let garbage = self.obsolete.iter().map(|key| self.cache.cache.remove_garbage(key));
        futures::future::join_all(garbage).await;
    }

    /// Removes what was written for an attempt that was refused. If it may have been applied, that is left for the sweep.
    pub(super) async fn discard(self, error: &StorageError) {
        if matches!(error, StorageError::Precondition { .. }) && !self.is_ambiguous {
            let garbage = self.written.iter().map(|key| self.cache.cache.remove_garbage(key));
            futures::future::join_all(garbage).await;
        }
    }
}
