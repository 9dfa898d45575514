//! Uploads in a schedule: contents that reach the storage first, and are completed into entries, maybe by two at once.

use bytes::Bytes;
use cache_core::cache::{Cache, UploadLimits, UploadRequest};
use cache_core::content::Digest;
use cache_core::error::Error;
use cache_core::ids::CacheId;
use cache_core::strategy::{ContentKind, Strategy};

use crate::chance::Chance;
use crate::invariants::await_at;
use crate::world::World;
use crate::{FIELD, Ledger, cache_key, file_id, namespace};

/// The entry that an upload became, with its versions by hash and by key.
pub type Completed = (CacheId, u64, Option<u64>);

const LIMITS: UploadLimits = UploadLimits { content: 1_000, copy: 1_000 };

/// The one content that is uploaded. Its hash is that of the other contents, so that all meet in one index.
pub fn content() -> Bytes {
    Bytes::from_static(FIELD.as_bytes())
}

/// An upload with or without a key.
pub fn request(chance: &mut Chance) -> UploadRequest {
    let keyed = chance.once_in(2);
    UploadRequest {
        namespace: namespace(),
        strategy: if keyed { Strategy::KeyBased } else { Strategy::TemporalVersioned },
        cache_key: keyed.then(cache_key),
        file_id: keyed.then(file_id),
        kind: if chance.once_in(2) { ContentKind::String } else { ContentKind::Binary },
        sha256: Digest::of(&content()),
        size: content().len() as u64,
    }
}

/// Begins an upload and sends its content, and returns the id that it is completed by.
pub async fn send(cache: &Cache, request: &UploadRequest) -> Result<CacheId, Error> {
    let id = cache.begin_upload(request, LIMITS).await?.upload_id;
    cache.receive_upload(id, request, content()).await?;
    Ok(id)
}

/// Completes an upload.
pub async fn complete(cache: &Cache, id: CacheId, request: &UploadRequest) -> Result<Completed, Error> {
    let stored = cache.complete_upload(id, request, LIMITS).await?;
    Ok((stored.record.cache_id, stored.version, stored.key_version))
}

/// Writes down what became of a completion.
pub fn note(ledger: &mut Ledger, upload: CacheId, completed: Result<Completed, Error>, violations: &mut Vec<String>) {
    let before = ledger.completed.get(&upload).copied();
    let lives = before.is_some_and(|(id, ..)| !ledger.deleting.contains(&id));
    match completed {
        Ok(completed) => {
            if before.is_some_and(|before| before != completed) && lives {
                violations.push(format!("{upload} was completed as {before:?}, and again as {completed:?}"));
            }
            ledger.completed.insert(upload, completed);
            ledger.stored.insert(completed.0, (content(), completed.2.is_some()));
        }
        // It did nothing.
        Err(Error::Unavailable(reason)) if reason.contains("another request") => {}
        Err(Error::Unavailable(_)) => ledger.failed = true,
        // The entry was deleted, or an earlier completion broke off.
        Err(Error::Invalid { .. }) if !lives && (before.is_some() || ledger.failed) => {}
        Err(error) => violations.push(format!("the upload {upload} was not completed: {error}")),
    }
}

/// Completes every upload once more, in a world at rest: what was acknowledged answers the same again.
pub fn complete_all(world: &World, cache: &Cache, ledger: &mut Ledger) -> Vec<String> {
    let mut violations = Vec::new();
    world.jump();
    for (upload, request) in ledger.uploads.clone() {
        let cache = cache.clone();
        let completed = await_at(world, async move { complete(&cache, upload, &request).await });
        if let Err(error @ Error::Unavailable(_)) = &completed {
            violations.push(format!("the upload {upload} is neither completed nor refused: {error}"));
        }
        note(ledger, upload, completed, &mut violations);
    }
    violations
}
