//! What a schedule consists of: stores, repeats, conditional stores, uploads, updates, deletes and reads.

use std::time::Duration;

use bytes::Bytes;
use cache_core::cache::{
    IdempotencyKey, NamespaceCache, Selector, StoreRequest, Stored, SweepReport, UpdateRequest, UploadLimits,
    UploadRequest,
};
use cache_core::content::Content;
use cache_core::digest::Sha256Digest;
use cache_core::error::Error;
use cache_core::ids::{CacheHash, CacheId, CacheKey, FileId};
use cache_core::json::{Document, FieldPath};
use cache_core::layout::KeyRef;
use cache_core::strategy::{ContentKind, Strategy};
use cache_core::time::UnixMillis;
use fastrand::Rng;

/// The text whose hash all contents of a run share. It is also the content that is uploaded.
const FIELD: &str = "field";
const UPLOAD_LIMITS: UploadLimits = UploadLimits { content: 1_000, copy: 1_000 };
/// Shorter than a freeze of the world, longer than anything else.
const TTL: Duration = Duration::from_secs(3600);

/// What a store or a completion returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub id: CacheId,
    /// When it was stored, which no other store shares: the clock goes on with every look at it.
    pub stored_at: UnixMillis,
    /// The version under the hash.
    pub version: u64,
    /// The version under the key; `None` without a key, or when the entry was deleted meanwhile.
    pub key_version: Option<u64>,
}

impl From<Stored> for Acknowledged {
    fn from(Stored { entry, key_version, .. }: Stored) -> Self {
        Self { id: entry.cache_id, stored_at: entry.stored_at, version: entry.version, key_version }
    }
}

/// What a client announces, and the key with which it repeats that.
#[derive(Debug, Clone)]
pub struct Announcement {
    pub request: UploadRequest,
    pub idempotency_key: Option<IdempotencyKey>,
}

/// An operation that ended.
pub enum Ended {
    Store(Result<Acknowledged, Error>, Box<StoreRequest>),
    /// A content was announced and sent, by a client that began at this time.
    Send(Result<CacheId, Error>, Announcement, UnixMillis),
    Complete(Result<Acknowledged, Error>, CacheId),
    Update(Result<bool, Error>, CacheId, Bytes),
    Delete(Result<bool, Error>, CacheId),
    Sweep(Result<SweepReport, Error>),
    /// With whether an update was acknowledged before the read began.
    Read(Result<Option<Bytes>, Error>, CacheId, bool),
    /// A read of the newest one, with the entries that were there when it began.
    ReadNewest(Result<bool, Error>, Selector, Vec<CacheId>),
}

pub fn key_ref() -> KeyRef {
    KeyRef {
        strategy: Strategy::KeyBased,
        cache_key: "reports/daily".parse().unwrap(),
        file_id: "summary".parse().unwrap(),
    }
}

/// The hash that all contents of a run share.
pub fn cache_hash() -> CacheHash {
    content(0).cache_hash().clone()
}

/// Contents that differ in their bytes but not in their hash. Number 0 and 1 come by field, so that the store looks at the
/// manifest first; 5 and 6 are too large to be inline; 4 is what uploads bring as well.
pub fn content(number: usize) -> Content {
    let field: FieldPath = "same".parse().unwrap();
    let text = format!(r#"{{"same":"{FIELD}","other":{}}}"#, number % 2);
    let by_field = Content::json_by_field(Document::parse(&Bytes::from(text)).unwrap(), field).unwrap();
    match number {
        0 | 1 => by_field,
        4 => Content::binary(Bytes::from_static(FIELD.as_bytes())).unwrap(),
        5 | 6 => Content::zip(Bytes::from(format!("{number}{}", "x".repeat(60))), by_field.cache_hash().clone()),
        _ => Content::zip(Bytes::from(format!("archive {number}")), by_field.cache_hash().clone()),
    }
}

/// Where an entry can be found beside its id and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// It has a readable copy of its own.
    Key,
    /// It is a version, and the newest one has a readable copy.
    KeyAndFileId,
}

impl Place {
    fn draw(rng: &mut Rng) -> Self {
        [Self::Nowhere, Self::Nowhere, Self::Key, Self::KeyAndFileId, Self::KeyAndFileId][rng.usize(..5)]
    }

    fn strategy(self) -> Strategy {
        match self {
            Self::Nowhere => Strategy::TemporalVersioned,
            Self::Key | Self::KeyAndFileId => Strategy::KeyBased,
        }
    }

    fn cache_key(self) -> Option<CacheKey> {
        (self != Self::Nowhere).then(|| key_ref().cache_key)
    }

    fn file_id(self) -> Option<FileId> {
        (self == Self::KeyAndFileId).then(|| key_ref().file_id)
    }
}

fn new_idempotency_key(rng: &mut Rng) -> IdempotencyKey {
    IdempotencyKey::new(&rng.u64(..).to_string(), "").unwrap()
}

/// A store that is drawn.
pub fn store_request(rng: &mut Rng) -> StoreRequest {
    let place = Place::draw(rng);
    let keyed = place == Place::KeyAndFileId;
    let content = content([2, 2, 2, 3, 0, 1, 4, 4, 5, 5, 6, 7][rng.usize(..12)]);
    let idempotency_key = (rng.usize(..3) == 0).then(|| new_idempotency_key(rng));
    StoreRequest {
        cache_key: place.cache_key(),
        file_id: place.file_id(),
        if_none_match: keyed && rng.usize(..5) == 0,
        ttl: (rng.usize(..6) == 0).then_some(TTL),
        idempotency_key,
        ..StoreRequest::new(place.strategy(), content)
    }
}

pub async fn store(cache: NamespaceCache, request: StoreRequest) -> Ended {
    let stored = cache.store(&request).await;
    Ended::Store(stored.map(Acknowledged::from), Box::new(request))
}

/// An upload that is drawn.
pub fn announcement(rng: &mut Rng) -> Announcement {
    let place = Place::draw(rng);
    let request = UploadRequest {
        strategy: place.strategy(),
        cache_key: place.cache_key(),
        file_id: place.file_id(),
        kind: if rng.bool() { ContentKind::String } else { ContentKind::Binary },
        sha256: Sha256Digest::of(FIELD.as_bytes()),
        size: FIELD.len() as u64,
    };
    Announcement { request, idempotency_key: rng.bool().then(|| new_idempotency_key(rng)) }
}

/// Begins an upload and sends its content, and returns the id that it is completed by.
pub async fn send(cache: NamespaceCache, announcement: Announcement, began_at: UnixMillis) -> Ended {
    let Announcement { request, idempotency_key } = &announcement;
    let sent = async {
        let upload = cache.begin_upload(request, UPLOAD_LIMITS, idempotency_key.as_ref()).await?;
        let content = Bytes::from_static(FIELD.as_bytes());
        cache.receive_upload(upload.upload_id, request, upload.expires_at, content).await?;
        Ok(upload.upload_id)
    };
    Ended::Send(sent.await, announcement, began_at)
}

pub async fn complete(cache: NamespaceCache, upload: CacheId, request: UploadRequest) -> Ended {
    let stored = cache.complete_upload(upload, &request, UPLOAD_LIMITS).await;
    Ended::Complete(stored.map(Acknowledged::from), upload)
}

/// A content for an update: one of its own, or one that stores bring as well.
pub fn update_content(rng: &mut Rng) -> Bytes {
    if rng.usize(..4) == 0 {
        return content([2, 5, 5, 6][rng.usize(..4)]).bytes().clone();
    }
    let padding = "x".repeat([0, 0, 60][rng.usize(..3)]);
    Bytes::from(format!("\"update {}{padding}\"", rng.u32(..)))
}

pub async fn update(cache: NamespaceCache, cache_id: CacheId, content: Bytes) -> Ended {
    let kind = cache_id.parts().unwrap().kind;
    let request = UpdateRequest { cache_id, kind, content: content.clone(), idempotency_key: None };
    let updated = cache.update(&request).await;
    Ended::Update(updated.map(|entry| entry.is_some()), cache_id, content)
}

pub async fn delete(cache: NamespaceCache, id: CacheId) -> Ended {
    Ended::Delete(cache.delete(id).await.map(|deleted| deleted.is_some()), id)
}

pub async fn sweep(cache: NamespaceCache) -> Ended {
    Ended::Sweep(cache.sweep().await)
}

pub async fn read(cache: NamespaceCache, id: CacheId, updated: bool) -> Ended {
    let found = cache.retrieve(&Selector::Id(id)).await;
    Ended::Read(found.map(|found| found.map(|found| found.bytes)), id, updated)
}

pub async fn read_newest(cache: NamespaceCache, selector: Selector, there: Vec<CacheId>) -> Ended {
    let found = cache.retrieve(&selector).await;
    Ended::ReadNewest(found.map(|found| found.is_some()), selector, there)
}
