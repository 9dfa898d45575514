//! Blobs and pages that nothing leads to.

use cache_core::error::Error;
use cache_core::layout::ObjectKind;
use cache_core::storage::ObjectKey;

use super::{Expected, FindingKind, Space, VerifyReport, is_old};
use crate::listing::for_each;

impl Space<'_> {
    pub(super) async fn blobs(&self, report: &mut VerifyReport, expected: &Expected) -> Result<(), Error> {
        for_each(&**self.storage, &self.layout().blobs(), |object| {
            let Ok(key) = object.key.parse::<ObjectKey>() else { return };
            let Some((_, ObjectKind::Blob { cache_hash, .. })) = ObjectKind::of(&key) else { return };
            if expected.blobs.contains(&key) || !is_old(&object) || expected.unreadable.contains(&cache_hash) {
                return;
            }
            let has_manifest = expected.versions.contains_key(&cache_hash);
            let kind = if has_manifest { FindingKind::UnreferencedBlob } else { FindingKind::WithoutManifest };
            report.find(kind, &key, Vec::new());
        })
        .await
    }

    pub(super) async fn pages(&self, report: &mut VerifyReport, expected: &Expected) -> Result<(), Error> {
        for folder in [self.layout().pages_of_manifests(), self.layout().pages_of_key_indexes()] {
            for_each(&**self.storage, &folder, |object| {
                let Ok(key) = object.key.parse::<ObjectKey>() else { return };
                if is_old(&object) && !expected.pages.contains(&key) {
                    report.find(FindingKind::OrphanedPage, &key, Vec::new());
                }
            })
            .await?;
        }
        Ok(())
    }
}
