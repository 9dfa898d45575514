//! Group commit across processes: those that keep losing the race for one object leave an *intent* each, an object that says
//! which entry they want to add. The next writer LISTs the intents and commits all of them in one write.
//!
//! The name of an intent begins with its time and nonce, so a LIST returns intents in order and none starves. Its payload
//! is in the name as well, in hex, if it is short; else in the object, together with an inline content that the manifest
//! may not have.
//!
//! An intent that is older than [`MAX_INTENT_AGE`] is never committed, only deleted: what its manifest remembers of an entry
//! that was removed soon may be forgotten.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::ids::{BlobToken, CacheId};
use crate::manifest::EntrySpec;
use crate::manifest::codec::to_json;
use crate::nonce::Nonce;
use crate::storage::{ListRequest, ObjectKey};
use crate::strategy::ContentKind;
use crate::time::UnixMillis;

use super::NamespaceCache;

/// From this age on an intent is garbage.
pub(super) const MAX_INTENT_AGE: Duration = Duration::from_secs(2 * 60);
/// How many intents are committed at once: as many as one LIST returns.
const MAX_INTENTS: usize = 1_000;
/// How many hex digits of a payload a name can hold.
const MAX_NAMED_DIGITS: usize = 700;
/// Stands in a name instead of a payload that is in the object.
const IN_BODY: &str = "body";
/// The shortest time that a process waits for the one that is first.
const MIN_DELAY: Duration = Duration::from_millis(5);

/// What one process wants to add.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IntentEntry {
    /// Whose store it is.
    pub(super) nonce: Nonce,
    /// What is to be added.
    pub(super) payload: IntentPayload,
    /// An inline content.
    pub(super) body: Option<Bytes>,
}

/// What is to be added, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IntentPayload {
    /// In a manifest.
    Entry {
        /// What the entry is.
        spec: EntrySpec,
        /// SHA-256 of its content.
        sha256: Sha256Digest,
        /// Bytes of its content.
        size: u64,
        /// The blob that was written for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blob: Option<BlobToken>,
    },
    /// In a key index.
    Key {
        /// The entry.
        cache_id: CacheId,
        /// When it was stored.
        stored_at: UnixMillis,
        /// When it expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<UnixMillis>,
        /// The kind of its content.
        kind: ContentKind,
    },
}

/// The intents of one object: those of this process, and those that it has seen of others.
pub(super) struct Intents<'a> {
    cache: &'a NamespaceCache,
    folder: String,
    own: Vec<ObjectKey>,
    others: Vec<IntentEntry>,
    /// How many others come before the first of this process.
    before_own: usize,
    /// How long the last LIST took.
    round_trip: Duration,
}

impl<'a> Intents<'a> {
    /// The intents to change the object under a key. None is left yet.
    pub(super) fn new(cache: &'a NamespaceCache, head: &ObjectKey) -> Self {
        let folder = cache.layout().intents_of(head);
        let round_trip = Duration::ZERO;
        Self { cache, folder, own: Vec::new(), others: Vec::new(), before_own: 0, round_trip }
    }

    /// Whether this process has left none.
    pub(super) fn are_absent(&self) -> bool {
        self.own.is_empty()
    }

    /// The intents of other processes, as they were listed last.
    pub(super) fn of_others(&self) -> &[IntentEntry] {
        &self.others
    }

    /// Leaves intents.
    pub(super) async fn leave(&mut self, entries: Vec<IntentEntry>) -> Result<(), Error> {
        let now = self.cache.cache.now();
        let written = entries.iter().map(async |entry| {
            let (key, body) = entry.encode(&self.folder, now);
            // An earlier try of the same call may have been applied: the name is ours alone.
            self.cache.cache.create(&key, body).await?;
            Ok::<_, Error>(key)
        });
        self.own = try_join_all(written).await?;
        Ok(())
    }

    /// Removes the intents of this process, which are committed. What cannot be removed does no harm.
    pub(super) async fn withdraw(&mut self) {
        join_all(self.own.iter().map(|key| self.cache.cache.remove_garbage(key))).await;
        self.own.clear();
    }

    /// Looks which intents there are. Those that are too old are deleted.
    pub(super) async fn list(&mut self) -> Result<(), Error> {
        let started_at = self.cache.cache.now();
        let request = ListRequest { prefix: self.folder.clone(), limit: MAX_INTENTS, ..ListRequest::default() };
        let page = self.cache.cache.storage.list(&request).await?;
        let now = self.cache.cache.now();
        self.round_trip = now.since(started_at);
        let keys: Vec<ObjectKey> = page.objects.iter().filter_map(|object| object.key.parse().ok()).collect();
        let (old, young): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| is_too_old(key, &self.folder, now));
        join_all(old.iter().map(|key| self.cache.cache.remove_garbage(key))).await;
        self.before_own = young.iter().take_while(|key| !self.own.contains(key)).count();
        let others = young.iter().filter(|key| !self.own.contains(key));
        self.others = try_join_all(others.map(|key| self.read(key))).await?.into_iter().flatten().collect();
        Ok(())
    }

    /// How long to wait for the process that is first; `None` for the first one.
    pub(super) fn delay(&self) -> Option<Duration> {
        (self.before_own > 0).then(|| (2 * self.round_trip).max(MIN_DELAY))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<IntentEntry>, Error> {
        let Some((nonce, payload)) = parse_name(key, &self.folder) else { return Ok(None) };
        if payload != IN_BODY {
            let payload = hex::decode(payload).ok().and_then(|json| serde_json::from_slice(&json).ok());
            return Ok(payload.map(|payload| IntentEntry { nonce, payload, body: None }));
        }
        let Some(bytes) = self.cache.cache.read(key).await? else { return Ok(None) };
        Ok(decode_body(nonce, &bytes))
    }
}

impl IntentEntry {
    /// The object that says this: its key, and its bytes.
    fn encode(&self, folder: &str, now: UnixMillis) -> (ObjectKey, Bytes) {
        let json = to_json(&self.payload);
        let is_short = json.len() * 2 <= MAX_NAMED_DIGITS && self.body.is_none();
        let payload = if is_short { hex::encode(&json) } else { IN_BODY.to_owned() };
        let key = format!("{folder}{:013}-{}-{payload}", now.get(), self.nonce).parse();
        let key = key.expect("a namespace, a nonce and a short payload stay below the limit");
        if is_short {
            return (key, Bytes::new());
        }
        let mut bytes = BytesMut::from(&json[..]);
        bytes.extend_from_slice(b"\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        (key, bytes.freeze())
    }
}

fn decode_body(nonce: Nonce, bytes: &Bytes) -> Option<IntentEntry> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let payload = serde_json::from_slice(&bytes[..end]).ok()?;
    let body = bytes.slice(end + 1..);
    Some(IntentEntry { nonce, payload, body: (!body.is_empty()).then_some(body) })
}

/// The nonce and the payload in a name.
fn parse_name<'k>(key: &'k ObjectKey, folder: &str) -> Option<(Nonce, &'k str)> {
    let mut parts = key.as_str().strip_prefix(folder)?.splitn(3, '-').skip(1);
    Some((parts.next()?.parse().ok()?, parts.next()?))
}

/// Whether the time in a name is too long ago. A name without a time is.
fn is_too_old(key: &ObjectKey, folder: &str, now: UnixMillis) -> bool {
    let time = key.as_str().strip_prefix(folder).and_then(|name| name.split('-').next()?.parse().ok());
    time.is_none_or(|time| now.since(UnixMillis::new(time)) >= MAX_INTENT_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Strategy;

    fn entry(cache_key: Option<&str>, body: Option<&'static str>) -> IntentEntry {
        let spec = EntrySpec {
            strategy: Strategy::KeyBased,
            kind: ContentKind::String,
            cache_key: cache_key.map(|key| key.parse().unwrap()),
            file_id: None,
            json_field_path: None,
            content_encoding: None,
            stored_at: UnixMillis::new(1_795_176_411_520),
            expires_at: None,
        };
        let blob = body.is_none().then(|| BlobToken::from_random(1));
        let payload = IntentPayload::Entry { spec, sha256: Sha256Digest::of(b"x"), size: 1, blob };
        IntentEntry { nonce: Nonce::from_random(7), payload, body: body.map(Bytes::from) }
    }

    #[test]
    fn an_intent_is_read_back_from_its_name_or_its_body() {
        let long_key = "k".repeat(1000);
        for (cache_key, body, is_named) in
            [(None, None, true), (Some("a/b"), None, true), (Some(&*long_key), None, false), (None, Some("x"), false)]
        {
            let entry = entry(cache_key, body);
            let now = UnixMillis::new(1_795_176_411_999);
            let (key, bytes) = entry.encode("n/intents/2c/f2/2cf24dba5fb0a30e/", now);
            let (nonce, payload) = parse_name(&key, "n/intents/2c/f2/2cf24dba5fb0a30e/").unwrap();
            assert_eq!((nonce, payload != IN_BODY), (entry.nonce, is_named), "{key}");
            let read = if is_named {
                let payload = serde_json::from_slice(&hex::decode(payload).unwrap()).unwrap();
                Some(IntentEntry { nonce, payload, body: None })
            } else {
                decode_body(nonce, &bytes)
            };
            assert_eq!(read, Some(entry));
        }
    }

    #[test]
    fn an_intent_is_too_old_after_two_minutes() {
        let written = UnixMillis::new(1_795_176_411_520);
        let (key, _) = entry(None, None).encode("f/", written);
        assert!(!is_too_old(&key, "f/", written.plus(MAX_INTENT_AGE - Duration::from_millis(1))));
        assert!(is_too_old(&key, "f/", written.plus(MAX_INTENT_AGE)));
    }
}
