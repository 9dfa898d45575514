//! Tests whether a server implements conditional writes as the cache needs them.
//!
//! Servers that speak S3's protocol differ most in their handling of `If-Match` and `If-None-Match` of a PUT: some
//! ignore them, so that writes are lost silently; Ceph 16 compares `If-Match` with the ETag as if it had no quotes; and
//! s3s-fs looks whether the object exists and writes afterwards, so that two of the writers that race may win. One writer
//! alone shows the first two, a race shows the third.

use bytes::Bytes;
use cache_core::rng::Rng;
use cache_core::storage::{ObjectKey, PutMode, Storage, StorageError, Version};
use futures::future::join_all;
use thiserror::Error;

use super::error::{Cause, S3Error};
use super::{ETagQuoting, S3};
use crate::system::OsRng;

/// Outside of every namespace: the names of namespaces do not begin with a dot.
const PREFIX: &str = ".mgraph-cache/probe";

/// A response can be lost, and the SDK's next attempt then fails its precondition. That would look like a missing
/// feature.
const MAX_PROBES: usize = 2;

/// How many writers race. Each has a connection of its own, so more of them would mostly wait for each other.
const RACERS: usize = 8;
/// How many objects are raced for, each twice: a server that checks and then writes may get through one race by chance.
const RACES: usize = 2;

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
    #[error(
        "If-None-Match: * of a PUT is not atomic: {0} of {RACERS} concurrent creates of one object succeeded, so entries \
         are lost when several writers race"
    )]
    AtomicCreate(usize),
    #[error(
        "If-Match of a PUT is not atomic: {0} of {RACERS} concurrent updates of one ETag succeeded, so entries are lost \
         when several writers race"
    )]
    AtomicUpdate(usize),
}

impl S3 {
    /// Tests what conditional writes do, with objects of a few bytes, and returns the client with the [`ETagQuoting`]
    /// that works. It takes about 42 requests in 14 round trips.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if the server lacks what the cache needs; the source names it. Otherwise as of every
    /// call.
    pub async fn probe(mut self) -> Result<Self, StorageError> {
        self.etag_quoting = self.probe_alone().await?;
        for _ in 0..RACES {
            // What a race shows is certain: no lost response makes a second writer win.
            Probe::new(&self)?.race().await?.map_err(|missing| self.unfit(missing))?;
        }
        Ok(self)
    }

    /// Tests what the writes of one writer do.
    async fn probe_alone(&self) -> Result<ETagQuoting, StorageError> {
        let mut probes = 1;
        loop {
            match Probe::new(self)?.run().await? {
                Ok(quoting) => return Ok(quoting),
                Err(missing) if probes == MAX_PROBES => return Err(self.unfit(missing)),
                Err(_) => probes += 1,
            }
        }
    }

    fn unfit(&self, missing: MissingFeature) -> StorageError {
        let message = "the server cannot be used for the cache: use one with the conditional writes of S3";
        S3Error::Refused(Cause::with_source(message, missing)).into_storage_error(&self.bucket, PREFIX)
    }
}

/// One test, with an object of its own: a DELETE that arrives late must not hit the next one.
struct Probe {
    s3: S3,
    key: ObjectKey,
}

impl Probe {
    fn new(s3: &S3) -> Result<Self, StorageError> {
        Ok(Self { s3: s3.clone(), key: probe_key()? })
    }

    /// The writes of one writer.
    async fn run(mut self) -> Result<Result<ETagQuoting, MissingFeature>, StorageError> {
        let found = self.conditional_writes().await;
        self.s3.delete(&self.key).await?;
        found
    }

    /// Writers that create the object at once, and then update it at once.
    async fn race(self) -> Result<Result<(), MissingFeature>, StorageError> {
        let found = self.racing_writes().await;
        self.s3.delete(&self.key).await?;
        found
    }

    async fn racing_writes(&self) -> Result<Result<(), MissingFeature>, StorageError> {
        let created = self.winners("created", &PutMode::Create).await?;
        let version = match &created[..] {
            // None is answered, or the one that won is not.
            [] => return Ok(Ok(())),
            [version] => version.clone(),
            winners => return Ok(Err(MissingFeature::AtomicCreate(winners.len()))),
        };
        let updated = self.winners("updated", &PutMode::Update(version)).await?;
        Ok(if updated.len() > 1 { Err(MissingFeature::AtomicUpdate(updated.len())) } else { Ok(()) })
    }

    /// Lets all writers put at once, and returns what those have written that succeeded. One that gets no answer, or an
    /// internal error as of Ceph, may or may not have won.
    async fn winners(&self, content: &str, mode: &PutMode) -> Result<Vec<Version>, StorageError> {
        let puts = (0..RACERS).map(|racer| self.put(format!("{content} by {racer}"), mode.clone()));
        let mut winners = Vec::new();
        for put in join_all(puts).await {
            match put {
                Ok(version) => winners.extend(version),
                Err(StorageError::Unavailable { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(winners)
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
    async fn put(&self, content: impl Into<Bytes>, mode: PutMode) -> Result<Option<Version>, StorageError> {
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
