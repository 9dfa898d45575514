//! The upload id of all repeats of one announcement, derived from its `Idempotency-Key`.
//!
//! The id names a blob, and no blob name may be used again once the sweep may have removed it: another sweep, or a DELETE that
//! arrives late, would take the blob of a live entry. So an id is derived for a window of time that ends long before. A
//! repeat after the end of a window gets the id of that window all the same, for an hour, if its content was sent.

use std::time::Duration;

use futures::future::try_join;

use crate::error::Error;
use crate::ids::CacheId;
use crate::manifest::Manifest;

use super::super::load::Part;
use super::super::{IdempotencyKey, NamespaceCache, SWEEP_MIN_AGE};
use super::{MAX_SENDING, PRESIGNED_PUT_TTL, UploadRequest};

/// For how long announcements get the same id.
const WINDOW: Duration = Duration::from_secs(12 * 60 * 60);
/// For how long after its end the id of a window is looked for: as long as repeats are promised to be recognised.
const REPEATABLE: Duration = Duration::from_secs(60 * 60);

// The last content is sent before the first one is old enough for the sweep.
const _: () = {
    let last_sent = WINDOW.as_secs() + REPEATABLE.as_secs() + PRESIGNED_PUT_TTL.as_secs() + MAX_SENDING.as_secs();
    assert!(last_sent < SWEEP_MIN_AGE.as_secs());
};

impl NamespaceCache {
    /// The id of an upload that is announced now. Two announcements at the same moment, of which one is before the end of a
    /// window and the other after it, get two ids: nothing was sent yet that could tell.
    pub(super) async fn repeatable_id(&self, request: &UploadRequest, key: &IdempotencyKey) -> Result<CacheId, Error> {
        let parts = request.id_parts();
        let bits = |parts: &[&[u8]]| key.nonce(&self.namespace, parts).bits();
        let id = |window: u64| request.make_id(bits(&[&parts[..], &[&window.to_be_bytes()]].concat()));
        let length = WINDOW.as_millis() as u64;
        // Each key has windows of its own: otherwise all of them ended at midnight, when jobs run.
        let time = self.cache.now().get() + bits(&parts) % length;
        let (window, elapsed) = (time / length, time % length);
        if elapsed <= REPEATABLE.as_millis() as u64 {
            let earlier = id(window - 1);
            if self.was_sent(request, earlier).await? {
                return Ok(earlier);
            }
        }
        Ok(id(window))
    }

    /// Whether the content of an upload was sent, or the upload was completed.
    async fn was_sent(&self, request: &UploadRequest, id: CacheId) -> Result<bool, Error> {
        let hash = request.cache_hash();
        let (blob, manifest_key) = (self.layout().blob(&hash, request.token_in(id)?), self.layout().manifest(&hash));
        self.retry_replaced(|| async {
            let head = async { Ok(self.cache.storage.head(&blob).await?) };
            let (head, manifest) = try_join(head, self.load::<Manifest>(&manifest_key, Part::Head)).await?;
            let Some(manifest) = manifest.head.filter(|_| head.is_none()) else { return Ok(head.is_some()) };
            Ok(self.find_by_nonce(&manifest_key, &manifest, UploadRequest::nonce(id)).await?.is_some())
        })
        .await
    }
}
