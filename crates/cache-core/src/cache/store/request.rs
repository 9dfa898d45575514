//! What a store is asked for and what it returns.

use std::time::Duration;

use crate::content::Content;
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheKey, FileId, Namespace};
use crate::manifest::EntrySpec;
use crate::nonce::{Nonce, NonceOrigin};
use crate::strategy::Strategy;

use super::super::NamespaceCache;
use super::super::paths::Paths;

/// The shortest time to live of one entry.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// The longest time to live of one entry: ten years.
pub const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How long an `Idempotency-Key` may be, in characters.
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;

/// What to store, and how it is to be found.
#[derive(Debug, Clone)]
pub struct StoreRequest {
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The readable path it is stored under.
    pub cache_key: Option<CacheKey>,
    /// Its file name under that path. Without a key it has no effect.
    pub file_id: Option<FileId>,
    /// The content.
    pub content: Content,
    /// Whose request it is, so that a repeat returns the same entry.
    pub idempotency_key: Option<IdempotencyKey>,
    /// How long it lives, if not as long as the settings of the namespace say; [`MIN_TTL`] to [`MAX_TTL`]. The sooner end counts.
    pub ttl: Option<Duration>,
    /// Whether it is stored only if its key and file id have no live version (`If-None-Match: *`).
    pub if_none_match: bool,
}

impl StoreRequest {
    /// A store without a key and without conditions.
    pub fn new(strategy: Strategy, content: Content) -> Self {
        Self {
            strategy,
            cache_key: None,
            file_id: None,
            content,
            idempotency_key: None,
            ttl: None,
            if_none_match: false,
        }
    }
}

/// Identifies all repeats of one request of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: String,
    api_key_id: String,
}

impl IdempotencyKey {
    /// The key of a caller: 1 to 255 visible characters of ASCII.
    ///
    /// # Errors
    ///
    /// `Invalid` when it has others.
    pub fn new(key: &str, api_key_id: &str) -> Result<Self, Error> {
        let is_visible = key.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        if !(1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len()) || !is_visible {
            let message = format!("must have 1 to {MAX_IDEMPOTENCY_KEY_CHARS} visible ASCII characters");
            return Err(Error::invalid("Idempotency-Key", message));
        }
        Ok(Self { key: key.to_owned(), api_key_id: api_key_id.to_owned() })
    }

    /// The nonce of everything that this caller does with this key to something with these parts.
    pub(in crate::cache) fn nonce(&self, namespace: &Namespace, parts: &[&[u8]]) -> Nonce {
        let own: [&[u8]; 3] = [namespace.as_str().as_bytes(), self.api_key_id.as_bytes(), self.key.as_bytes()];
        Nonce::derived(NonceOrigin::IdempotencyKey, &[&own, parts].concat())
    }
}

/// What became of a [`StoreRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The entry.
    pub entry: Entry,
    /// Its position among the versions under its key and file id, from 1; `None` when it has not both, or was deleted since.
    pub key_version: Option<u64>,
    /// Whether the content was there already.
    pub deduplicated: bool,
    /// Where it can be read by path.
    pub paths: Paths,
}

/// The nonce of a store: drawn, or derived from its idempotency key and everything that makes it this store.
pub(super) fn nonce(cache: &NamespaceCache, request: &StoreRequest, spec: &EntrySpec) -> Nonce {
    let Some(idempotency_key) = &request.idempotency_key else { return Nonce::from_random(cache.cache.random()) };
    let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
    let parts = [
        request.content.sha256().as_bytes().to_vec(),
        spec.strategy.name().as_bytes().to_vec(),
        spec.kind.name().as_bytes().to_vec(),
        text(spec.cache_key.as_ref().map(CacheKey::as_str)),
        text(spec.file_id.as_ref().map(FileId::as_str)),
        text(spec.json_field_path.as_deref()),
        text(spec.content_encoding.as_deref()),
        request.ttl.map(|ttl| ttl.as_secs().to_string()).unwrap_or_default().into_bytes(),
    ];
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    idempotency_key.nonce(&cache.namespace, &parts)
}
