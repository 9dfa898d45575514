//! Views whose entry is gone.

use std::time::Duration;

use crate::error::Error;
use crate::ids::{CacheId, CacheKey, FileId};
use crate::key_index::KeyIndex;
use crate::layout::{DatedName, KeyRef, ObjectKind};
use crate::storage::ObjectKey;
use crate::strategy::Strategy;
use crate::time::UnixMillis;

use super::super::NamespaceCache;
use super::super::load::Part;
use super::super::page_tree::Presence;
use super::{Group, SweepReport};

/// How far back a random place among dated views may be.
const RANDOM_PLACE_WITHIN: Duration = Duration::from_secs(2 * 366 * 24 * 60 * 60);

/// Whether the entry of a view is there.
enum EntryState {
    Live,
    Gone,
    /// What would say so is missing.
    Unknown,
    /// It does not say whose view it is.
    NotNamed,
}

/// A place somewhere among the names of views: they begin with a time, or with a key.
pub(super) fn random_place(random: u64, now: UnixMillis) -> String {
    if random & 1 == 0 {
        let back = Duration::from_millis((random >> 1) % RANDOM_PLACE_WITHIN.as_millis() as u64);
        return DatedName::time_prefix(UnixMillis::new(now.get().saturating_sub(back.as_millis() as u64)));
    }
    let letter = b'a' + ((random >> 1) % 26) as u8;
    char::from(letter).to_string()
}

impl NamespaceCache {
    /// One view.
    pub(super) async fn sweep_views(&self, group: &Group) -> Result<SweepReport, Error> {
        let Some((view, kind)) = group.first() else { return Ok(SweepReport::default()) };
        let (state, key) = match kind {
            ObjectKind::Dated { strategy, name } => (self.state_by_dated(*strategy, name).await?, None),
            ObjectKind::Latest(key) => (self.state_by_key(key).await?, Some(key.clone())),
            ObjectKind::Readable { cache_key, file_name } => {
                self.state_by_copy(view, cache_key.as_ref(), file_name).await?
            }
            ObjectKind::Manifest(_)
            | ObjectKind::HashFile(_)
            | ObjectKind::KeyIndex
            | ObjectKind::Page
            | ObjectKind::Blob { .. }
            | ObjectKind::Intent
            | ObjectKind::Alias(_)
            | ObjectKind::Child(_)
            | ObjectKind::Catalog
            | ObjectKind::Settings
            | ObjectKind::Other => (EntryState::NotNamed, None),
        };
        match state {
            EntryState::Live | EntryState::NotNamed => Ok(SweepReport::default()),
            EntryState::Unknown | EntryState::Gone if self.is_python_file(view).await? => Ok(SweepReport::default()),
            EntryState::Unknown => Ok(SweepReport::without_owner(group)),
            EntryState::Gone => self.remove_view(view, key.as_ref()).await,
        }
    }

    async fn remove_view(&self, view: &ObjectKey, key: Option<&KeyRef>) -> Result<SweepReport, Error> {
        self.cache.remove(view).await?;
        if let Some(key) = key {
            // A store may have written it since its key was read. So the index is read again after a view was removed.
            self.settle_key_view(key, None).await;
        }
        Ok(SweepReport { orphaned_views: 1, ..SweepReport::default() })
    }

    async fn state_by_dated(&self, strategy: Strategy, name: &DatedName) -> Result<EntryState, Error> {
        Ok(match self.presence(name.cache_id).await? {
            Presence::Listed(row) if row.nonce == name.nonce && row.spec.strategy == strategy => EntryState::Live,
            Presence::Listed(_) | Presence::InPythonFiles | Presence::Gone => EntryState::Gone,
            Presence::Unknown => EntryState::Unknown,
        })
    }

    async fn state_by_key(&self, key: &KeyRef) -> Result<EntryState, Error> {
        let index = self.load::<KeyIndex>(&self.layout().key_index(key), Part::Head).await?.head;
        Ok(match index {
            Some(index) if index.log().is_empty() => EntryState::Gone,
            Some(_) => EntryState::Live,
            None => EntryState::Unknown,
        })
    }

    /// As [`NamespaceCache::state_by_key`], but a copy of another kind than the newest version is what a store has left that
    /// broke off.
    async fn newest_shown_by(&self, view: &ObjectKey, key: &KeyRef) -> Result<EntryState, Error> {
        let state = self.state_by_key(key).await?;
        let Some(newest) = self.newest_under(key).await? else { return Ok(state) };
        let Presence::Listed(row) = self.presence(newest).await? else { return Ok(state) };
        let kind = row.revision().map_or(row.spec.kind, |revision| revision.kind);
        let expected = self.layout().readable(Some(&key.cache_key), key.file_id.as_str(), kind);
        Ok(if expected.as_ref() == Ok(view) { state } else { EntryState::Gone })
    }

    /// What a readable copy shows: the newest under its key, or an entry that has no file id, and whose id is the name.
    async fn state_by_copy(
        &self,
        view: &ObjectKey,
        cache_key: Option<&CacheKey>,
        file_name: &FileId,
    ) -> Result<(EntryState, Option<KeyRef>), Error> {
        let id = file_name.as_str().parse::<CacheId>().ok();
        let by_id = match id {
            Some(id) => Some(self.presence(id).await?),
            None => None,
        };
        let key = cache_key.map(|cache_key| {
            let (cache_key, file_id) = (cache_key.clone(), file_name.clone());
            KeyRef { strategy: Strategy::KeyBased, cache_key, file_id }
        });
        let by_key = match &key {
            Some(key) => Some(self.newest_shown_by(view, key).await?),
            None => None,
        };
        let state = match (by_id, by_key) {
            (Some(Presence::Listed(_) | Presence::InPythonFiles), _) | (_, Some(EntryState::Live)) => EntryState::Live,
            (Some(Presence::Gone), _) | (_, Some(EntryState::Gone)) => EntryState::Gone,
            (Some(Presence::Unknown), _) => EntryState::Unknown,
            // A file that is not of this service, or the copy of an entry with a file id and no key.
            (None, Some(EntryState::Unknown | EntryState::NotNamed) | None) => EntryState::NotNamed,
        };
        Ok((state, key))
    }
}
