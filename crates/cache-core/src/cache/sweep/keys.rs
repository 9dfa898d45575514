//! Rows of key indexes whose entry is gone, and copies of entries that were updated since. A delete or update that broke off can
//! leave them. Both are taken out at any age: an id never comes back, and only a store writes a copy.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::key_index::{KeyIndex, KeyRow};
use crate::layout::{KeyRef, ObjectKind};
use crate::storage::ObjectKey;

use super::super::NamespaceCache;
use super::super::commit::CommitContext;
use super::super::key_changes::KeyChange;
use super::super::load::Part;
use super::super::page_tree::Presence;
use super::super::pages::Pages;
use super::{Group, SweepReport};

/// How many rows of one key index are looked up at the same time.
const ROW_CONCURRENCY: usize = 8;

/// What is wrong with a row.
enum Finding {
    /// Its entry is gone.
    Gone(KeyRow),
    /// Its copy is not what its entry has now.
    StaleCopy(KeyRow),
    /// Its manifest is missing.
    Unknown,
}

impl NamespaceCache {
    /// One key index.
    pub(super) async fn sweep_key_rows(&self, group: &Group) -> Result<SweepReport, Error> {
        let Some((index_key, ObjectKind::KeyIndex)) = group.first() else { return Ok(SweepReport::default()) };
        let Some(index) = self.load::<KeyIndex>(index_key, Part::Head).await?.head else {
            return Ok(SweepReport::default());
        };
        let rows = self.retry_replaced(|| async { Pages::new(self, index_key).tree(index.log()).await }).await?.rows;
        let findings = stream::iter(rows.iter().map(|row| self.check_key_row(&index, row)).collect::<Vec<_>>())
            .buffered(ROW_CONCURRENCY);
        let findings: Vec<Option<Finding>> = findings.try_collect().await?;
        let findings: Vec<Finding> = findings.into_iter().flatten().collect();
        if findings.is_empty() {
            return Ok(SweepReport::default());
        }
        let Some(key) = index.key() else { return Ok(SweepReport::damaged([index_key.to_string()])) };
        let mut report = SweepReport::default();
        for finding in findings {
            let change = match finding {
                Finding::Unknown => {
                    report.add(SweepReport::damaged([index_key.to_string()]));
                    continue;
                }
                Finding::Gone(KeyRow { cache_id, stored_at, .. }) => {
                    KeyChange::Unlist { key: key.clone(), cache_id, stored_at }
                }
                Finding::StaleCopy(KeyRow { cache_id, .. }) => {
                    KeyChange::NoteUpdate { key: key.clone(), cache_id, kind: None }
                }
            };
            self.change_key(index_key, change).await?;
            report.orphaned_key_rows += 1;
        }
        self.settle_after_sweep(&key, &report).await;
        Ok(report)
    }

    async fn check_key_row(&self, index: &KeyIndex, row: &KeyRow) -> Result<Option<Finding>, Error> {
        let has_copy = index.newest().is_some_and(|newest| newest.row.cache_id == row.cache_id);
        Ok(match self.presence(row.cache_id).await? {
            Presence::Gone => Some(Finding::Gone(row.clone())),
            Presence::Unknown => Some(Finding::Unknown),
            // A copy is of what the entry was stored with.
            Presence::Listed(entry) if has_copy && entry.revision().is_some() => Some(Finding::StaleCopy(row.clone())),
            Presence::Listed(_) | Presence::InPythonFiles => None,
        })
    }

    async fn change_key(&self, index_key: &ObjectKey, change: KeyChange) -> Result<(), Error> {
        let loaded = self.load::<KeyIndex>(index_key, Part::Whole).await?;
        self.commit(index_key, loaded, change, CommitContext::since(self.cache.now())).await.map(drop)
    }

    async fn settle_after_sweep(&self, key: &KeyRef, report: &SweepReport) {
        if report.orphaned_key_rows > 0 {
            self.settle_key_view(key, None).await;
        }
    }
}
