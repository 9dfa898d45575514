//! Tests whether a server implements conditional writes as the cache needs them.
//!
//! Servers that speak S3's protocol differ most in their handling of `If-Match` and `If-None-Match` of a PUT: some
//! ignore them, so that writes are lost silently; Ceph 16 compares `If-Match` with the ETag as if it had no quotes.

use cache_core::rng::Rng;
use cache_core::storage::{ObjectKey, PutMode, Storage, StorageError, Version};
use thiserror::Error;

use super::error::{Cause, S3Error};
use super::{ETagQuoting, S3};
use crate::system::OsRng;

/// Outside of every namespace: the names of namespaces do not begin with a dot.
const PREFIX: &str = ".mgraph-cache/probe";

/// A response can be lost, and the SDK's next attempt then fails its precondition. That would look like a missing
/// feature.
const MAX_PROBES: usize = 2;

/// A feature that a server lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum MissingFeature {
    #[error("If-None-Match: * of a PUT is ignored, so an object that exists is overwritten")]
    CreateOfExisting,
    #[error("If-None-Match: * of a PUT is refused although the object does not exist")]
    CreateOfAbsent,
    #[error("If-Match of a PUT is refused although the object has that ETag")]
    UpdateOfCurrent,
    #[error("If-Match of a PUT is ignored, so concurrent changes are lost")]
    UpdateOfStale,
    #[error("If-Match of a PUT is ignored if the object does not exist, so a deleted object comes back")]
    UpdateOfAbsent,
    #[error("different contents have the same ETag")]
    DistinctETags,
}

impl S3 {
    /// Tests what conditional writes do, with an object of a few bytes, and returns the client with the
    /// [`ETagQuoting`] that works. It takes about ten requests.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if the server lacks what the cache needs; the source names it. Otherwise as of every
    /// call.
    pub async fn probe(mut self) -> Result<Self, StorageError> {
        let mut missing = None;
        for _ in 0..MAX_PROBES {
            match (Probe { s3: self.clone(), key: probe_key()? }).run().await? {
                Ok(quoting) => {
                    self.etag_quoting = quoting;
                    return Ok(self);
                }
                Err(feature) => missing = Some(feature),
            }
        }
        let message = "the server cannot be used for the cache: use one with the conditional writes of S3";
        let cause = missing.map_or(Cause::new(message), |missing| Cause::with_source(message, missing));
        Err(S3Error::Refused(cause).into_storage_error(&self.bucket, PREFIX))
    }
}

/// One run of the test.
struct Probe {
    s3: S3,
    key: ObjectKey,
}

impl Probe {
    async fn run(mut self) -> Result<Result<ETagQuoting, MissingFeature>, StorageError> {
        let found = self.conditional_writes().await;
        self.s3.delete(&self.key).await?;
        found
    }

    async fn conditional_writes(&mut self) -> Result<Result<ETagQuoting, MissingFeature>, StorageError> {
        let Some(first) = self.put("first", PutMode::Create).await? else {
            return Ok(Err(MissingFeature::CreateOfAbsent));
        };
        if self.put("other", PutMode::Create).await?.is_some() {
            return Ok(Err(MissingFeature::CreateOfExisting));
        }
        let Some(second) = self.update_with_any_quoting("second", &first).await? else {
            return Ok(Err(MissingFeature::UpdateOfCurrent));
        };
        if first == second {
            return Ok(Err(MissingFeature::DistinctETags));
        }
        if self.put("third", PutMode::Update(first)).await?.is_some() {
            return Ok(Err(MissingFeature::UpdateOfStale));
        }
        self.s3.delete(&self.key).await?;
        if self.put("fourth", PutMode::Update(second)).await?.is_some() {
            return Ok(Err(MissingFeature::UpdateOfAbsent));
        }
        Ok(Ok(self.s3.etag_quoting))
    }

    /// Updates with the configured quoting, or else with the other one, and keeps the one that works.
    async fn update_with_any_quoting(
        &mut self,
        content: &'static str,
        version: &Version,
    ) -> Result<Option<Version>, StorageError> {
        for _ in 0..2 {
            let updated = self.put(content, PutMode::Update(version.clone())).await?;
            if updated.is_some() {
                return Ok(updated);
            }
            self.s3.etag_quoting = self.s3.etag_quoting.other();
        }
        Ok(None)
    }

    /// A put; `None` if its precondition fails.
    async fn put(&self, content: &'static str, mode: PutMode) -> Result<Option<Version>, StorageError> {
        match self.s3.put(&self.key, content.into(), mode).await {
            Err(StorageError::Precondition { .. }) => Ok(None),
            put => put.map(Some),
        }
    }
}

impl ETagQuoting {
    fn other(self) -> Self {
        match self {
            Self::Quoted => Self::Unquoted,
            Self::Unquoted => Self::Quoted,
        }
    }
}

/// A random key, because several processes may start at the same time.
fn probe_key() -> Result<ObjectKey, StorageError> {
    let key = format!("{PREFIX}/{:016x}", OsRng.next_u64());
    key.parse().map_err(|err| StorageError::Refused { key, source: Box::new(err) })
}
