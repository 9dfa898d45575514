//! How a change is made to a manifest.

use std::sync::Arc;

use bytes::Bytes;

use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::ids::CacheHash;
use crate::manifest::{
    ContentNumber, ContentSource, Contents, DecodeError, Encoded, EntryRow, InsertError, Limits, Manifest, NewContent,
    NewEntry, Revision,
};
use crate::nonce::{Nonce, NonceOrigin};
use crate::storage::{ObjectKey, Version};
use crate::strategy::ContentKind;
use crate::time::UnixMillis;
use crate::version_log::PageRef;

use super::super::attempt::Attempt;
use super::super::group_commit::GroupCommit;
use super::super::head::Head;
use super::super::intents::{IntentEntry, IntentPayload};
use super::super::object_cache::CachedObject;
use super::super::pages::{Located, Pages};
use super::super::{NamespaceCache, Shared};
use super::{Insert, ListedEntry, ManifestChange, ManifestOutcome, Revise, Target, content_unknown};

/// How many pages a repeat of a store looks for its entry in, at most.
const MAX_REPEAT_PAGES: usize = 16;

impl Head for Manifest {
    type Change = ManifestChange;
    type Outcome = ManifestOutcome;

    async fn absent(change: &ManifestChange, _: &NamespaceCache) -> Result<Self, Error> {
        Ok(match change {
            ManifestChange::Insert(insert) => Self::beginning_with(insert.first_version),
            ManifestChange::Remove(_)
            | ManifestChange::Revise(_)
            | ManifestChange::ReplaceBlob { .. }
            | ManifestChange::RollRevisions(_)
            | ManifestChange::Prune => Self::new(),
        })
    }

    fn parse(bytes: &Bytes, head_only: bool) -> Result<Self, DecodeError> {
        Self::parse(bytes, head_only)
    }

    fn encode(&self) -> Encoded {
        self.encode()
    }

    fn prepare_write(&mut self, now: UnixMillis) {
        self.prepare_write(now);
    }

    fn spill(&mut self, nonce: u64, limits: &Limits) -> Option<(String, Bytes)> {
        self.spill(nonce, limits).map(|spilled| (spilled.name, spilled.page.to_bytes()))
    }

    async fn apply(&mut self, change: &ManifestChange, attempt: &mut Attempt<'_>) -> Result<ManifestOutcome, Error> {
        match change {
            ManifestChange::Insert(insert) => self.apply_insert(insert, attempt).await,
            ManifestChange::Remove(target) => self.apply_remove(*target, attempt).await,
            ManifestChange::Revise(revise) => self.apply_revise(revise, attempt).await,
            ManifestChange::RollRevisions(target) => self.roll_revisions(*target, attempt).await,
            ManifestChange::ReplaceBlob { sha256, damaged, replacement } => {
                self.replace_blob(sha256, *damaged, *replacement);
                Ok(ManifestOutcome::Changed)
            }
            ManifestChange::Prune => {
                self.prune(attempt.now);
                Ok(ManifestOutcome::Changed)
            }
        }
    }

    fn intent(change: &ManifestChange, state: Option<&Self>) -> Option<IntentEntry> {
        let ManifestChange::Insert(insert) = change else { return None };
        let NewEntry { nonce, spec, content, foreign_id } = &insert.entry;
        // The process that lists it would have to write an alias.
        if foreign_id.is_some() {
            return None;
        }
        let (blob, body) = match &content.source {
            ContentSource::Blob(token) => (Some(*token), None),
            ContentSource::Bytes { bytes, .. } => {
                // A content that is listed need not be sent. If it goes, the entry finds no place, and its owner sends it.
                let is_listed = state.is_some_and(|state| state.contents().with_sha256(&content.sha256).is_some());
                (None, (!is_listed).then(|| bytes.clone()))
            }
            ContentSource::Listed => (None, None),
        };
        let payload = IntentPayload::Entry { spec: spec.clone(), sha256: content.sha256, size: content.size, blob };
        Some(IntentEntry { nonce: *nonce, payload, body })
    }

    async fn apply_intent(&mut self, intent: &IntentEntry, attempt: &mut Attempt<'_>) -> Result<(), Error> {
        let IntentPayload::Entry { spec, sha256, size, blob } = &intent.payload else { return Ok(()) };
        let hash = attempt.key.as_str().rsplit('/').next().and_then(|name| name.parse::<CacheHash>().ok());
        let Some(cache_hash) = hash else { return Ok(()) };
        let source = match (blob, &intent.body) {
            (Some(token), _) => ContentSource::Blob(*token),
            (None, Some(bytes)) if Sha256Digest::of(bytes) == *sha256 => attempt.cache.inline_source(bytes),
            (None, _) => ContentSource::Listed,
        };
        let content = NewContent { sha256: *sha256, size: *size, source };
        let entry = NewEntry { nonce: intent.nonce, spec: spec.clone(), content, foreign_id: None };
        attempt.check_existing = true;
        // One that finds no place is left to its owner.
        // Who changes this manifest knows which version is the first.
        self.apply_insert(&Insert { cache_hash, entry, first_version: 1 }, attempt).await.map(drop)
    }

    fn group(shared: &Shared) -> &Arc<GroupCommit<Self>> {
        &shared.manifests
    }

    fn from_cached(object: CachedObject) -> Option<(Arc<Self>, Version)> {
        match object {
            CachedObject::Manifest(manifest, version) => Some((manifest, version)),
            CachedObject::KeyIndex(..) | CachedObject::Blob(..) => None,
        }
    }

    fn into_cached(head: Arc<Self>, version: Version) -> CachedObject {
        CachedObject::Manifest(head, version)
    }
}

impl Manifest {
    async fn apply_insert(&mut self, insert: &Insert, attempt: &mut Attempt<'_>) -> Result<ManifestOutcome, Error> {
        let entry = &insert.entry;
        if let Some(outcome) = self.find_inserted(entry, attempt).await? {
            attempt.found = true;
            return Ok(outcome);
        }
        let is_shared = self.contents().with_sha256(&entry.content.sha256).is_some();
        self.begin_with(insert.first_version);
        match self.insert(&insert.cache_hash, entry) {
            Ok(row) => {
                let content = self.content(row.content).cloned().expect("the row that was just listed has a content");
                Ok(ManifestOutcome::Listed(Box::new(ListedEntry { row, content, is_shared })))
            }
            Err(InsertError::VersionsExhausted) => Err(Error::full(InsertError::VersionsExhausted.to_string())),
            Err(error @ (InsertError::NeedsBlob | InsertError::TokenRetired | InsertError::ContentMissing)) => {
                Ok(ManifestOutcome::NoPlace(error))
            }
        }
    }

    /// What an earlier attempt, a repeat, or another process that committed the intent made of this store.
    async fn find_inserted(&self, entry: &NewEntry, attempt: &Attempt<'_>) -> Result<Option<ManifestOutcome>, Error> {
        let is_repeatable = entry.nonce.origin() != NonceOrigin::Random;
        if !is_repeatable && !attempt.check_existing {
            return Ok(None);
        }
        let stored_at = Some(entry.spec.stored_at).filter(|_| !is_repeatable);
        self.find_nonce(attempt.pages(), attempt.key, entry.nonce, stored_at, attempt.now).await
    }

    /// The entry of a store, listed or removed lately. An attempt of the same store knows when it was stored; a repeat does not.
    pub(super) async fn find_nonce(
        &self,
        pages: Pages<'_>,
        key: &ObjectKey,
        nonce: Nonce,
        stored_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<Option<ManifestOutcome>, Error> {
        if let Some(row) = self.row_of(nonce) {
            return self.listed(row.clone(), None, key).map(Some);
        }
        if let Some(removed) = self.recent().find(nonce) {
            return Ok(Some(ManifestOutcome::AlreadyRemoved(*removed)));
        }
        let since = UnixMillis::new(now.get().saturating_sub(nonce.remembered_for().as_millis() as u64));
        let is_it = |row: &EntryRow| row.nonce == nonce;
        let found = match stored_at {
            Some(time) => pages.find(self.log(), |page| page.may_list_time(time), is_it, usize::MAX).await?,
            None => {
                let may_hold = |page: &PageRef| page.repeatable_count > 0 && page.max_stored_at >= since;
                pages.find(self.log(), may_hold, is_it, MAX_REPEAT_PAGES).await?
            }
        };
        found.map(|found| self.listed(found.row, Some(&found.page.contents), key)).transpose()
    }

    fn listed(
        &self,
        row: EntryRow,
        page_contents: Option<&Contents>,
        key: &ObjectKey,
    ) -> Result<ManifestOutcome, Error> {
        let number = row.current_content();
        let content = page_contents.and_then(|contents| contents.get(number)).or_else(|| self.content(number));
        let content = content.cloned().ok_or_else(|| content_unknown(key, &row))?;
        let is_shared = content.ref_count > 1;
        Ok(ManifestOutcome::Listed(Box::new(ListedEntry { row, content, is_shared })))
    }

    async fn apply_remove(&mut self, target: Target, attempt: &mut Attempt<'_>) -> Result<ManifestOutcome, Error> {
        let Some(located) = attempt.cache.locate(attempt.key, self, target).await? else {
            attempt.found = true;
            return Ok(ManifestOutcome::NotListed);
        };
        let row = located.row().clone();
        let older = attempt.cache.older_revisions(attempt.key, &row).await?;
        let too_many = |_| Error::unavailable("too many entries of this content were deleted lately: retry later");
        let mut freed = match located {
            Located::InHead(_) => self.remove(&row, None, attempt.now).map_err(too_many)?,
            Located::InPage(mut found) => {
                found.page.rows.retain(|other| other.version != row.version);
                let freed = self.remove(&row, Some(&mut found.page.contents), attempt.now).map_err(too_many)?;
                attempt.rewrite_page(*found, self.log_mut()).await?;
                freed
            }
        };
        for (_, page) in &older {
            for token in page.contents.blobs() {
                self.retire(token, attempt.now);
                freed.push(token);
            }
            let elsewhere = page.revisions.iter().filter(|revision| page.contents.get(revision.content).is_none());
            freed.extend(elsewhere.filter_map(|revision| self.release(revision.content, attempt.now)));
        }
        let pages = older.into_iter().map(|(name, _)| name).collect();
        Ok(ManifestOutcome::Removed { freed, pages })
    }

    async fn apply_revise(&mut self, revise: &Revise, attempt: &mut Attempt<'_>) -> Result<ManifestOutcome, Error> {
        let Some(mut located) = attempt.cache.locate(attempt.key, self, revise.target).await? else {
            return Ok(ManifestOutcome::NotListed);
        };
        let row = located.row();
        if attempt.check_existing && attempt.cache.has_revision(attempt.key, row, revise.nonce).await? {
            attempt.found = true;
            return self.revised(&located, attempt);
        }
        let kind = row.revision().map_or(row.spec.kind, |revision| revision.kind);
        if !can_replace(kind, revise.kind) {
            return Ok(ManifestOutcome::KindRefused(kind));
        }
        let revision = Revision {
            number: row.revision().map_or(0, |revision| revision.number) + 1,
            nonce: revise.nonce,
            content: ContentNumber(0),
            kind: revise.kind,
            updated_at: revise.updated_at,
        };
        let mut row = row.clone();
        if let Err(error) = self.revise(&mut row, revision, &revise.content) {
            return Ok(ManifestOutcome::NoPlace(error));
        }
        let outcome = match &mut located {
            Located::InHead(head_row) => {
                **head_row = row;
                self.revised(&located, attempt)?
            }
            Located::InPage(found) => {
                found.set_row(row);
                self.revised(&located, attempt)?
            }
        };
        if let Located::InPage(found) = located {
            attempt.rewrite_page(*found, self.log_mut()).await?;
        }
        Ok(outcome)
    }

    fn revised(&self, located: &Located<EntryRow>, attempt: &Attempt<'_>) -> Result<ManifestOutcome, Error> {
        let row = located.row().clone();
        let content = located.content(self, row.current_content()).cloned();
        let content = content.ok_or_else(|| content_unknown(attempt.key, &row))?;
        let is_shared = content.ref_count > 1;
        Ok(ManifestOutcome::Revised(Box::new(ListedEntry { row, content, is_shared })))
    }
}

/// Whether a content of the second kind may take the place of one of the first: JSON and strings may replace each other and a
/// binary, which then is what its bytes are.
fn can_replace(old: ContentKind, new: ContentKind) -> bool {
    match old {
        ContentKind::Json | ContentKind::String => matches!(new, ContentKind::Json | ContentKind::String),
        ContentKind::Binary => matches!(new, ContentKind::Json | ContentKind::String | ContentKind::Binary),
        ContentKind::Zip => new == ContentKind::Zip,
    }
}
