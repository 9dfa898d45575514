//! Compares views with the manifests and key indexes that they show.

use std::collections::{HashMap, HashSet};

use cache_core::error::Error;
use cache_core::ids::CacheId;
use cache_core::layout::{KeyRef, ObjectKind};
use cache_core::storage::ObjectKey;
use cache_core::strategy::Strategy;

use super::{Expected, FindingKind, Space, VerifyReport, is_old};
use crate::listing::for_each;

impl Space<'_> {
    /// Reports dated views that nothing expects, and returns those that are missing.
    pub(super) async fn dated_views(
        &self,
        report: &mut VerifyReport,
        expected: &Expected,
    ) -> Result<HashMap<ObjectKey, CacheId>, Error> {
        let mut missing = expected.dated_views.clone();
        for strategy in Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated()) {
            for_each(&**self.storage, &self.layout().dated_folder(strategy), |object| {
                let Ok(key) = object.key.parse::<ObjectKey>() else { return };
                let is_dated = matches!(ObjectKind::of(&key), Some((_, ObjectKind::Dated { .. })));
                if missing.remove(&key).is_none() && is_dated && is_old(&object) {
                    report.find(FindingKind::OrphanedView, &key, Vec::new());
                }
            })
            .await?;
        }
        // One that came from elsewhere, and was changed here, has its views there.
        missing.retain(|_, entry| entry.parts().is_some());
        Ok(missing)
    }

    /// Keys that have an entry but no latest view.
    pub(super) async fn keys_without_view<'e>(&self, expected: &'e Expected) -> Result<Vec<&'e KeyRef>, Error> {
        let mut views = HashSet::new();
        let folder = format!("{}latest/", self.layout().dated_folder(Strategy::TemporalLatest));
        for_each(&**self.storage, &folder, |object| _ = views.insert(object.key)).await?;
        let is_missing = |key: &&KeyRef| self.layout().latest(key).is_ok_and(|view| !views.contains(view.as_str()));
        Ok(expected.viewed_keys.iter().filter(is_missing).collect())
    }
}
