//! Compares every key index with the manifests of its entries, and the entries with the key indexes.

use cache_core::cache::KeyIndexAudit;
use cache_core::error::Error;
use cache_core::ids::CacheId;
use cache_core::storage::ObjectKey;
use cache_core::strategy::Strategy;
use futures::stream::{self, StreamExt};

use super::{Expected, FindingKind, PARALLEL, Space, VerifyReport};
use crate::listing::for_each;

impl Space<'_> {
    /// Notes what the key indexes lead to, and reports where they differ from the manifests, which are noted already.
    pub(super) async fn key_indexes(&self, report: &mut VerifyReport, expected: &mut Expected) -> Result<(), Error> {
        let mut indexes = Vec::new();
        for_each(&**self.storage, &self.layout().key_indexes(), |object| {
            indexes.extend(object.key.parse::<ObjectKey>())
        })
        .await?;
        let audits = indexes.into_iter().map(|key| async move {
            let audit = self.cache.audit_key_index(&key).await;
            (key, audit)
        });
        let mut audits = stream::iter(audits).buffer_unordered(PARALLEL);
        while let Some((key, audit)) = audits.next().await {
            report.key_indexes += 1;
            match audit {
                Ok(Some(audit)) => note(&key, audit, report, expected),
                Ok(None) => {}
                Err(Error::Corrupt { object, .. }) => {
                    report.find_unreadable(object);
                    expected.by_key.remove(&key);
                }
                Err(err) => return Err(err),
            }
        }
        for (key, missing) in &expected.by_key {
            if !missing.is_empty() {
                report.find(FindingKind::NotUnderItsKey, key, missing.iter().copied().collect());
            }
        }
        Ok(())
    }
}

fn note(index: &ObjectKey, audit: KeyIndexAudit, report: &mut VerifyReport, expected: &mut Expected) {
    let KeyIndexAudit { key, pages, newest_stored_at, listed, gone, unknown } = audit;
    expected.pages.extend(pages);
    let missing = expected.by_key.entry(index.clone()).or_default();
    listed.iter().for_each(|id| _ = missing.remove(id));
    // Had the store of an older one been acknowledged, it would have been listed; had its delete been, the manifest would not
    // list it.
    let is_older = |id: &CacheId| expected.stored_at.get(id).is_some_and(|at| Some(*at) <= newest_stored_at);
    report.unlisted_entries.extend(missing.extract_if(.., is_older));
    let is_viewed = !listed.is_empty() && key.as_ref().is_some_and(|key| key.strategy == Strategy::TemporalLatest);
    expected.viewed_keys.extend(key.filter(|_| is_viewed));
    for (kind, ids) in [(FindingKind::KeyRowWithoutEntry, gone), (FindingKind::WithoutManifest, unknown)] {
        if !ids.is_empty() {
            report.find(kind, index, ids);
        }
    }
}
