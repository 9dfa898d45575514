//! Copies single objects.

use bytes::Bytes;
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::storage::{Object, ObjectKey, PutMode, StorageError};

use super::{CopyReport, Copying};
use crate::listing::read;
use crate::retry::retry;

/// How many bytes of contents are in memory at the same time, about, in units of [`UNIT`].
pub(super) const MEMORY_UNITS: u32 = 4_096;
const UNIT: u64 = 64 << 10;

/// How much is known of an object.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// It is written once, so one of this size is it; and these are its bytes.
    Content(Sha256Digest, u64),
    /// It is written once.
    Once,
    /// It may change.
    Bytes,
}

impl Copying<'_> {
    /// Copies an object, unless it is there.
    pub(super) async fn object(&self, key: &ObjectKey, check: Check) -> Result<CopyReport, Error> {
        let mut report = CopyReport::default();
        let size = match check {
            Check::Content(_, size) => {
                let there = retry(|| self.to.head(key)).await?;
                if there.is_some_and(|there| there.size == size) {
                    self.progress.done(size);
                    return Ok(CopyReport { present: 1, ..report });
                }
                size
            }
            Check::Once | Check::Bytes => UNIT,
        };
        let units = u32::try_from(size.div_ceil(UNIT)).unwrap_or(MEMORY_UNITS).clamp(1, MEMORY_UNITS);
        // Nobody closes it.
        let _memory = self.memory.acquire_many(units).await;
        let Some(Object { bytes, .. }) = read(&*self.from, key).await? else {
            // Something that may change may have been deleted since it was listed.
            if !matches!(check, Check::Bytes) {
                report.damaged.insert(key.to_string());
            }
            return Ok(report);
        };
        if let Check::Content(sha256, _) = check {
            report.checked += 1;
            if Sha256Digest::of(&bytes) != sha256 {
                tracing::error!(%key, "left out: its SHA-256 is not what its manifest lists");
                report.damaged.insert(key.to_string());
                return Ok(report);
            }
        }
        report.add(self.put(key, bytes).await?);
        Ok(report)
    }

    /// Writes an object, unless there is one.
    pub(super) async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<CopyReport, Error> {
        let size = bytes.len() as u64;
        let mut report = CopyReport::default();
        match retry(|| self.to.put(key, bytes.clone(), PutMode::Create)).await {
            Ok(_) => (report.copied, report.bytes) = (1, size),
            Err(StorageError::Precondition { .. }) => {
                let there = read(&*self.to, key).await?;
                if there.is_some_and(|there| there.bytes == bytes) {
                    report.present = 1;
                } else if self.options.overwrite {
                    retry(|| self.to.put(key, bytes.clone(), PutMode::Overwrite)).await?;
                    (report.copied, report.bytes) = (1, size);
                } else {
                    report.different.insert(key.to_string());
                }
            }
            Err(err) => return Err(err.into()),
        }
        self.progress.done(size);
        Ok(report)
    }
}
