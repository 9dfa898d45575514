//! The index of a key: the versions under one strategy, cache key and file id. Pure; [`crate::cache`] reads and writes it.
//!
//! It never lists an entry before its manifest does. Beside the versions it holds the newest entry as its manifest listed it,
//! with its content if that is inline, so that reading by key is one GET.
//!
//! Before an entry is deleted, it is taken out here, and `recent` says so for a while: a store that is about to list it then
//! does not. Before an entry is updated, its copy is taken out, and `recent` says so: a store that lists it then leaves the copy
//! out. So neither has to look at the manifest, however late it comes.
//!
//! The index remembers the time of the newest entry that it ever listed. A store is acknowledged after it was listed, so of an
//! entry that is older and not listed, the store or the delete broke off before it was acknowledged.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{CacheHash, CacheId};
use crate::key_ref::KeyRef;
use crate::manifest::codec::{self, ContentJson};
use crate::manifest::{
    ContentNumber, Contents, DecodeError, Encoded, EntryRow, FORMAT, Limits, Location, Page, RecentIsFull,
    StoredContent,
};
use crate::nonce::Nonce;
use crate::strategy::ContentKind;
use crate::time::UnixMillis;
use crate::version_log::{PageRef, Row, VersionLog, is_zero};

/// What the copy of an entry calls its content by.
const COPIED: ContentNumber = ContentNumber(1);
/// How many rows `recent` has at most.
const MAX_RECENT: usize = 1_024;
/// For how long a removal or an update is remembered: longer than a store may take, and than an intent lives.
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);

/// All versions under one key. The module's docs say what the parts are.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyIndex {
    subject: String,
    writes: u64,
    next_version: u64,
    newest_stored_at: Option<UnixMillis>,
    kinds: Vec<ContentKind>,
    log: VersionLog<KeyRow>,
    newest: Option<Newest>,
    recent: Vec<RecentEvent>,
}

/// One version under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its number, from 1, never given twice.
    pub version: u64,
    /// The entry.
    pub cache_id: CacheId,
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// When it expires, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
}

/// A copy of the newest entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Newest {
    /// The hash of its manifest.
    pub cache_hash: CacheHash,
    /// Its row, as it was when it was stored.
    pub row: EntryRow,
    /// Its content.
    pub content: StoredContent,
}

/// What happened lately, and until when it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct RecentEvent {
    #[serde(flatten)]
    event: Event,
    until: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    /// The entry is being deleted.
    Removed(CacheId),
    /// The entry is being updated.
    Updated(CacheId),
    /// A store found another live version, and was to be refused in that case. A repeat of it is refused as well.
    Refused(Nonce),
}

impl Row for KeyRow {
    fn version(&self) -> u64 {
        self.version
    }

    fn stored_at(&self) -> UnixMillis {
        self.stored_at
    }

    fn expires_at(&self) -> Option<UnixMillis> {
        self.expires_at
    }

    fn is_repeatable(&self) -> bool {
        false
    }

    fn weight(&self) -> usize {
        110
    }
}

#[derive(Serialize, Deserialize)]
struct HeadJson {
    format: u8,
    subject: String,
    writes: u64,
    next_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest_stored_at: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contents: Vec<ContentJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<NewestJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<ContentKind>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<KeyRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages: Vec<PageRef>,
    /// How long the line with `recent` is, its end included.
    #[serde(default, skip_serializing_if = "is_zero")]
    recent_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct NewestJson {
    cache_hash: CacheHash,
    row: EntryRow,
}

impl KeyIndex {
    /// The index before its first version. It was never written.
    pub fn new(key: &KeyRef) -> Self {
        Self {
            subject: format!("{}/{}/{}", key.strategy, key.cache_key.as_str(), key.file_id),
            writes: 0,
            next_version: 1,
            newest_stored_at: None,
            kinds: Vec::new(),
            log: VersionLog::new(Vec::new(), Vec::new()),
            newest: None,
            recent: Vec::new(),
        }
    }

    /// Reads what [`KeyIndex::encode`] wrote. With `head_only`, the object may end anywhere behind its head.
    ///
    /// # Errors
    ///
    /// When it is not a key index of this format, or cut off.
    pub fn parse(bytes: &bytes::Bytes, head_only: bool) -> Result<Self, DecodeError> {
        let (head, rest): (HeadJson, _) = codec::decode(bytes)?;
        codec::check_format(head.format)?;
        let (recent, inline) = codec::split_recent(&rest, head.recent_bytes, head_only)?;
        let contents = codec::read_contents(head.contents, inline.as_ref())?;
        let content = contents.iter().next().cloned();
        let newest = head.newest.zip(content).map(|(NewestJson { cache_hash, row }, content)| Newest {
            cache_hash,
            row,
            content,
        });
        Ok(Self {
            subject: head.subject,
            writes: head.writes,
            next_version: head.next_version,
            newest_stored_at: head.newest_stored_at,
            kinds: head.kinds,
            log: VersionLog::new(head.entries, head.pages),
            newest,
            recent,
        })
    }

    /// The index as stored.
    pub fn encode(&self) -> Encoded {
        let contents = Contents::new(self.newest.iter().map(|newest| newest.content.clone()).collect());
        let recent = codec::recent_line(&self.recent, self.recent.is_empty());
        let head = HeadJson {
            format: FORMAT,
            subject: self.subject.clone(),
            writes: self.writes,
            next_version: self.next_version,
            newest_stored_at: self.newest_stored_at,
            contents: codec::contents_json(&contents),
            newest: self
                .newest
                .as_ref()
                .map(|newest| NewestJson { cache_hash: newest.cache_hash.clone(), row: newest.row.clone() }),
            kinds: self.kinds.clone(),
            entries: self.log.rows().to_vec(),
            pages: self.log.pages().to_vec(),
            recent_bytes: recent.len() as u64,
        };
        codec::encode(&head, recent, &contents)
    }

    /// The key that it is about.
    pub fn key(&self) -> Option<KeyRef> {
        let (strategy, rest) = self.subject.split_once('/')?;
        let (cache_key, file_id) = rest.rsplit_once('/')?;
        Some(KeyRef {
            strategy: strategy.parse().ok()?,
            cache_key: cache_key.parse().ok()?,
            file_id: file_id.parse().ok()?,
        })
    }

    /// The versions.
    pub fn log(&self) -> &VersionLog<KeyRow> {
        &self.log
    }

    /// The versions, to be changed.
    pub fn log_mut(&mut self) -> &mut VersionLog<KeyRow> {
        &mut self.log
    }

    /// The newest version in the head. There may be older ones in pages when there is none.
    pub fn newest_row(&self) -> Option<&KeyRow> {
        self.log.rows().last()
    }

    /// The latest `stored_at` of all entries that it ever listed; `None` before the first.
    pub fn newest_stored_at(&self) -> Option<UnixMillis> {
        self.newest_stored_at
    }

    /// The copy of the newest entry, if there is one.
    pub fn newest(&self) -> Option<&Newest> {
        let newest = self.newest.as_ref()?;
        self.newest_row().is_some_and(|row| row.cache_id == newest.row.cache_id).then_some(newest)
    }

    /// The kinds of content whose readable copies may be there.
    pub fn kinds(&self) -> &[ContentKind] {
        &self.kinds
    }

    /// The row of an entry, if it is in the head.
    pub fn row_of(&self, id: CacheId) -> Option<&KeyRow> {
        self.log.rows().iter().rev().find(|row| row.cache_id == id)
    }

    /// Lists an entry as the newest version, and returns its number. `copy` is what is kept of it beside its row: the hash, the
    /// row and the content that its manifest has.
    pub fn list_row(
        &mut self,
        row: KeyRow,
        kind: ContentKind,
        copy: Option<(CacheHash, EntryRow, StoredContent)>,
    ) -> u64 {
        let version = self.next_version;
        self.next_version += 1;
        self.newest_stored_at = self.newest_stored_at.max(Some(row.stored_at));
        self.log.push(KeyRow { version, ..row });
        self.note_kind(kind);
        self.newest = copy.map(|(cache_hash, row, content)| Newest {
            cache_hash,
            row: EntryRow { content: COPIED, ..row },
            content: StoredContent { number: COPIED, ref_count: 1, ..content },
        });
        version
    }

    fn note_kind(&mut self, kind: ContentKind) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
    }

    /// Takes an entry out of the head, with its copy.
    pub fn unlist(&mut self, id: CacheId) {
        if let Some(version) = self.row_of(id).map(Row::version) {
            self.log.remove(version);
        }
        self.forget_copy(id);
    }

    /// Takes out the copy of an entry.
    fn forget_copy(&mut self, id: CacheId) {
        self.newest.take_if(|newest| newest.row.cache_id == id);
    }

    /// Notes that an entry is being deleted.
    ///
    /// # Errors
    ///
    /// When too much happened lately.
    pub fn note_removed(&mut self, id: CacheId, now: UnixMillis) -> Result<(), RecentIsFull> {
        self.note(Event::Removed(id), now.plus(REMEMBERED_FOR), now)
    }

    /// Takes out the copy of an entry, and notes that the entry is being updated, with a content of this kind if it is known.
    ///
    /// # Errors
    ///
    /// When too much happened lately.
    pub fn note_updated(
        &mut self,
        id: CacheId,
        kind: Option<ContentKind>,
        now: UnixMillis,
    ) -> Result<(), RecentIsFull> {
        self.forget_copy(id);
        kind.into_iter().for_each(|kind| self.note_kind(kind));
        self.note(Event::Updated(id), now.plus(REMEMBERED_FOR), now)
    }

    /// Refuses a store and its repeats.
    ///
    /// # Errors
    ///
    /// When too much happened lately.
    pub fn note_refused(&mut self, nonce: Nonce, now: UnixMillis) -> Result<(), RecentIsFull> {
        self.note(Event::Refused(nonce), now.plus(nonce.remembered_for()), now)
    }

    /// Whether an entry was deleted lately.
    pub fn is_removed(&self, id: CacheId) -> bool {
        self.happened(Event::Removed(id))
    }

    /// Whether an entry was updated lately.
    pub fn is_updated(&self, id: CacheId) -> bool {
        self.happened(Event::Updated(id))
    }

    /// Whether a store was refused because of another live version.
    pub fn is_refused(&self, nonce: Nonce) -> bool {
        self.happened(Event::Refused(nonce))
    }

    fn happened(&self, event: Event) -> bool {
        self.recent.iter().any(|recent| recent.event == event)
    }

    fn note(&mut self, event: Event, until: UnixMillis, now: UnixMillis) -> Result<(), RecentIsFull> {
        self.recent.retain(|recent| recent.until > now && recent.event != event);
        if self.recent.len() >= MAX_RECENT {
            return Err(RecentIsFull);
        }
        self.recent.push(RecentEvent { event, until });
        Ok(())
    }

    /// Gets the index ready to be written: counts the write, and forgets what has run out.
    pub fn prepare_write(&mut self, now: UnixMillis) {
        self.writes += 1;
        self.recent.retain(|recent| recent.until > now);
    }

    /// Moves the oldest rows, or the oldest references to pages, into a page, and returns its name and the page. `None` when
    /// there is nothing to move. `nonce` makes the name unique.
    pub fn spill(&mut self, nonce: u64, limits: &Limits) -> Option<(String, Page<KeyRow>)> {
        if let Some(pages) = self.log.take_full_level(limits.max_page_refs) {
            let name = format!("{}-{nonce:016x}", pages.first().map_or(0, |page| page.min_version));
            self.log.insert_page(PageRef::of_pages(name.clone(), &pages));
            return Some((name, Page::of_pages(pages)));
        }
        if self.log.rows_weight() <= limits.keep_row_bytes {
            return None;
        }
        let rows = self.log.take_oldest_rows(limits.keep_row_bytes);
        let name = format!("{}-{nonce:016x}", rows.first()?.version);
        let page = Page { rows, pages: Vec::new(), contents: Contents::default() };
        self.log.push_page(page.reference(name.clone())?);
        Some((name, page))
    }
}

impl Newest {
    /// The content, if it is in the index itself and intact.
    pub fn inline_bytes(&self) -> Option<&bytes::Bytes> {
        match &self.content.location {
            Location::Inline(inline) => inline.bytes().filter(|_| inline.is_intact(&self.content.sha256)),
            Location::Blob(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;
    use crate::manifest::{EntrySpec, Inline};
    use crate::strategy::Strategy;

    const NOW: UnixMillis = UnixMillis::new(1_795_176_411_520);

    fn key() -> KeyRef {
        KeyRef { strategy: Strategy::Direct, cache_key: "a/b".parse().unwrap(), file_id: "f".parse().unwrap() }
    }

    fn list(index: &mut KeyIndex, id: u128) -> u64 {
        let cache_id = CacheId::from_u128(id);
        let bytes = bytes::Bytes::from("content");
        let row = KeyRow { version: 0, cache_id, stored_at: NOW, expires_at: None };
        let spec = EntrySpec {
            strategy: Strategy::Direct,
            kind: ContentKind::String,
            cache_key: None,
            file_id: None,
            json_field_path: None,
            content_encoding: None,
            stored_at: NOW,
            expires_at: None,
        };
        let nonce = Nonce::from_random(id as u64);
        let (content, revisions) = (ContentNumber(9), Vec::new());
        let entry =
            EntryRow { version: 4, cache_id, nonce, content, spec, revisions, revision_page: None, older_bytes: 0 };
        let sha256 = Sha256Digest::of(&bytes);
        let location = Location::Inline(Inline::verified(bytes));
        let content = StoredContent { number: ContentNumber(9), sha256, size: 7, ref_count: 3, location };
        index.list_row(row, ContentKind::String, Some(("2cf24dba5fb0a30e".parse().unwrap(), entry, content)))
    }

    fn written(mut index: KeyIndex, now: UnixMillis) -> KeyIndex {
        index.prepare_write(now);
        let encoded = index.encode();
        let parsed = KeyIndex::parse(&encoded.bytes, false).unwrap();
        assert_eq!(parsed, index);
        assert!(KeyIndex::parse(&encoded.bytes.slice(..encoded.head_len), true).is_ok());
        parsed
    }

    #[test]
    fn no_two_writes_have_equal_bytes() {
        let first = written(KeyIndex::new(&key()), NOW);
        assert_ne!(first.encode().bytes, written(first, NOW).encode().bytes);
    }

    #[test]
    fn the_newest_entry_is_copied_with_its_content() {
        let mut index = KeyIndex::new(&key());
        assert_eq!((list(&mut index, 1), list(&mut index, 2)), (1, 2));
        let index = written(index, NOW);
        let newest = index.newest().unwrap();
        assert_eq!(
            (newest.row.cache_id, &newest.inline_bytes().unwrap()[..]),
            (CacheId::from_u128(2), &b"content"[..])
        );
    }

    #[test]
    fn a_deleted_entry_is_remembered_for_five_minutes() {
        let mut index = KeyIndex::new(&key());
        list(&mut index, 1);
        index.unlist(CacheId::from_u128(1));
        index.note_removed(CacheId::from_u128(1), NOW).unwrap();
        let index = written(index, NOW);
        assert!(index.is_removed(CacheId::from_u128(1)) && index.newest().is_none() && index.log().is_empty());
        let index = written(index, NOW.plus(REMEMBERED_FOR));
        assert!(!index.is_removed(CacheId::from_u128(1)));
    }

    #[test]
    fn the_time_of_the_newest_entry_outlives_it() {
        let mut index = KeyIndex::new(&key());
        assert_eq!(index.newest_stored_at(), None);
        list(&mut index, 1);
        index.unlist(CacheId::from_u128(1));
        assert_eq!(written(index, NOW).newest_stored_at(), Some(NOW));
    }

    #[test]
    fn an_updated_entry_stays_listed_without_its_copy() {
        let mut index = KeyIndex::new(&key());
        list(&mut index, 1);
        index.note_updated(CacheId::from_u128(1), None, NOW).unwrap();
        let index = written(index, NOW);
        assert!(index.newest().is_none() && index.is_updated(CacheId::from_u128(1)) && index.log().len() == 1);
    }

    #[test]
    fn too_many_recent_events_are_refused() {
        let mut index = KeyIndex::new(&key());
        for id in 0..MAX_RECENT as u128 {
            index.note_removed(CacheId::from_u128(id), NOW).unwrap();
        }
        assert_eq!(index.note_removed(CacheId::from_u128(u128::MAX), NOW), Err(RecentIsFull));
        index.note_removed(CacheId::from_u128(1), NOW).unwrap();
        index.note_removed(CacheId::from_u128(u128::MAX), NOW.plus(REMEMBERED_FOR)).unwrap();
    }
}
