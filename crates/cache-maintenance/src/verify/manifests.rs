//! Reads all manifests with their pages, and compares every content that they list with its SHA-256.

use std::collections::HashMap;

use cache_core::cache::{ContentPlace, ManifestAudit};
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::ids::{CacheHash, CacheId};
use cache_core::layout::ObjectKind;
use cache_core::storage::{ObjectKey, Version};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Expected, Finding, FindingKind, PARALLEL, Space, VerifyReport};
use crate::listing::{for_each, read};

/// A blob that a manifest lists.
struct Blob {
    key: ObjectKey,
    sha256: Sha256Digest,
    size: u64,
    entries: Vec<CacheId>,
}

impl Space<'_> {
    pub(super) async fn manifest_versions(&self) -> Result<HashMap<CacheHash, Version>, Error> {
        let mut versions = HashMap::new();
        for_each(&**self.storage, &self.layout().manifests(), |object| {
            if let Some((_, ObjectKind::Manifest(hash))) = object.key.parse().ok().as_ref().and_then(ObjectKind::of) {
                versions.insert(hash, object.version);
            }
        })
        .await?;
        Ok(versions)
    }

    /// Notes what the manifests lead to, and reports contents that are not as they are listed.
    pub(super) async fn manifests(&self, report: &mut VerifyReport, expected: &mut Expected) -> Result<(), Error> {
        let hashes: Vec<CacheHash> = expected.versions.keys().cloned().collect();
        let mut audits = stream::iter(hashes.into_iter().map(|hash| async move {
            let audit = self.cache.audit_manifest(&hash).await;
            (hash, audit)
        }))
        .buffer_unordered(PARALLEL);
        let mut blobs = Vec::new();
        while let Some((hash, audit)) = audits.next().await {
            self.progress.done(0);
            report.manifests += 1;
            match audit {
                Ok(Some(audit)) => self.manifest(&hash, audit, report, expected, &mut blobs),
                Ok(None) => {}
                Err(Error::Corrupt { object, .. }) => {
                    report.find_unreadable(object);
                    expected.unreadable.insert(hash);
                }
                Err(err) => return Err(err),
            }
        }
        drop(audits);
        self.check_blobs(blobs, report).await
    }

    fn manifest(
        &self,
        hash: &CacheHash,
        audit: ManifestAudit,
        report: &mut VerifyReport,
        expected: &mut Expected,
        blobs: &mut Vec<Blob>,
    ) {
        report.entries += audit.entries.len() as u64;
        for content in audit.contents {
            match content.place {
                ContentPlace::Inline { is_intact } => {
                    report.contents += 1;
                    report.content_bytes += content.size;
                    if !is_intact {
                        report.find(FindingKind::DamagedContent, &self.layout().manifest(hash), content.entries);
                    }
                }
                ContentPlace::Blob(key) => {
                    expected.blobs.insert(key.clone());
                    blobs.push(Blob { key, sha256: content.sha256, size: content.size, entries: content.entries });
                }
            }
        }
        expected.pages.extend(audit.pages);
        for entry in audit.entries {
            expected.stored_at.insert(entry.cache_id, entry.stored_at);
            // One that came from elsewhere may be older than what its key lists.
            if let Some((index, _)) = entry.key_index.filter(|_| entry.cache_id.parts().is_some()) {
                expected.by_key.entry(index).or_default().insert(entry.cache_id);
            }
            if let Some(view) = entry.dated_view {
                expected.dated_views.insert(view, entry.cache_id);
            }
        }
    }

    async fn check_blobs(&self, blobs: Vec<Blob>, report: &mut VerifyReport) -> Result<(), Error> {
        self.progress.expect(blobs.len() as u64, blobs.iter().map(|blob| blob.size).sum());
        let mut checks = stream::iter(blobs.into_iter().map(|blob| self.check_blob(blob))).buffer_unordered(PARALLEL);
        while let Some((finding, size)) = checks.try_next().await? {
            (report.contents, report.content_bytes) = (report.contents + 1, report.content_bytes + size);
            report.findings.extend(finding);
        }
        Ok(())
    }

    async fn check_blob(&self, blob: Blob) -> Result<(Option<Finding>, u64), Error> {
        let found = read(&**self.storage, &blob.key).await?;
        self.progress.done(blob.size);
        let kind = match &found {
            None => Some(FindingKind::MissingContent),
            Some(object) => (Sha256Digest::of(&object.bytes) != blob.sha256).then_some(FindingKind::DamagedContent),
        };
        let size = found.map_or(0, |object| object.size);
        Ok((kind.map(|kind| Finding { kind, object: blob.key.to_string(), entries: blob.entries }), size))
    }
}
