//! Copies a manifest after everything that it leads to.

use cache_core::cache::{ContentPlace, ManifestAudit, NamespaceCache};
use cache_core::error::Error;
use cache_core::ids::CacheHash;
use cache_core::layout::Layout;
use cache_core::storage::{Object, ObjectKey};

use super::objects::Check;
use super::{CopyReport, Copying};
use crate::listing::read;
use crate::retry::retry;

/// How often a manifest is read again that changes all the time.
const MAX_ATTEMPTS: usize = 8;

impl Copying<'_> {
    /// Copies what a manifest leads to, and then the manifest.
    pub(super) async fn manifest(
        &self,
        cache: &NamespaceCache,
        layout: Layout<'_>,
        hash: &CacheHash,
        is_joined: bool,
    ) -> Result<CopyReport, Error> {
        let key = layout.manifest(hash);
        let mut report = CopyReport::default();
        // One that an earlier run has written lists the converted entries as well.
        if is_joined && !self.options.overwrite && retry(|| self.to.head(&key)).await?.is_some() {
            return Ok(CopyReport { present: 1, ..report });
        }
        let (object, audit) = match self.consistent(cache, &key, hash).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(report),
            Err(Error::Corrupt { object, problem }) => {
                tracing::error!(object, problem, "left out");
                report.damaged.insert(object);
                return Ok(report);
            }
            Err(err) => return Err(err),
        };
        for content in &audit.contents {
            match &content.place {
                ContentPlace::Inline { is_intact } => {
                    report.checked += 1;
                    if !is_intact {
                        report.damaged.insert(key.to_string());
                    }
                }
                ContentPlace::Blob(blob) => {
                    report.add(self.object(blob, Check::Content(content.sha256, content.size)).await?);
                }
            }
        }
        for page in &audit.pages {
            report.add(self.object(page, Check::Once).await?);
        }
        report.add(self.put(&key, object.bytes).await?);
        report.entries += audit.entries.len() as u64;
        Ok(report)
    }

    /// A manifest, and what it leads to at this state.
    async fn consistent(
        &self,
        cache: &NamespaceCache,
        key: &ObjectKey,
        hash: &CacheHash,
    ) -> Result<Option<(Object, ManifestAudit)>, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(object) = read(&*self.from, key).await? else { return Ok(None) };
            let Some(audit) = cache.audit_manifest(hash).await? else { return Ok(None) };
            let head = retry(|| self.from.head(key)).await?;
            if head.is_some_and(|head| head.version == object.version) {
                return Ok(Some((object, audit)));
            }
        }
        Err(Error::Unavailable { message: format!("{key} changes all the time: repeat the copy later"), source: None })
    }
}
