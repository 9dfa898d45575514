//! The views: what an entry adds under `data/` so that people find it. Reads never need them.
//!
//! A *unique* view carries the entry's id in its name and never changes. A *shared* view belongs to a key and file id and
//! shows the newest version of their key index.

use bytes::Bytes;
use futures::future::{try_join, try_join_all};
use serde::Serialize;

use crate::error::Error;
use crate::ids::CacheId;
use crate::index::Index;
use crate::layout::Layout;
use crate::record::{Pointer, Record};
use crate::storage::{InvalidObjectKey, ObjectKey, Version};
use crate::strategy::{ContentKind, Strategy};

use super::swap::Pause;
use super::{Cache, Selector};

/// How often a view waits for an index to move on from an entry that is gone: for some seconds in all.
const MOST_WAITS: u32 = 8;

/// The keys of everything that an entry consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Paths {
    /// Its views, and the blob. The first one holds the content or points to it.
    pub data: Vec<String>,
    /// Its hash index.
    pub by_hash: Vec<String>,
    /// Its record.
    pub by_id: Vec<String>,
    /// Its key index, when it has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_key: Vec<String>,
}

impl Paths {
    /// The paths of an entry.
    pub fn of(record: &Record) -> Self {
        let layout = Layout::new(&record.namespace);
        // A stored entry was checked to have valid views; one from elsewhere that has none shows its blob alone.
        let views = [shared_view(record), unique_view(record)].into_iter().flatten().flatten();
        Self {
            data: views.chain([record.blob()]).map(|key| key.to_string()).collect(),
            by_hash: vec![layout.hash_index(&record.cache_hash).to_string()],
            by_id: vec![layout.record(record.cache_id).to_string()],
            by_key: record.key_name().map(|name| layout.key_index(&name).to_string()).into_iter().collect(),
        }
    }
}

/// The view that only this entry has.
pub(super) fn unique_view(record: &Record) -> Result<Option<ObjectKey>, InvalidObjectKey> {
    let layout = Layout::new(&record.namespace);
    if record.strategy.is_dated() {
        return Ok(Some(layout.dated(record.strategy, record.stored_at, record.cache_id)));
    }
    if record.strategy != Strategy::KeyBased || record.key_name().is_some() {
        return Ok(None);
    }
    let file_name = match &record.file_id {
        Some(file_id) => file_id.to_string(),
        None => record.cache_id.to_string(),
    };
    layout.readable(record.cache_key.as_ref(), &file_name, record.kind).map(Some)
}

/// The view that this entry shares with all others under its key and file id.
pub(super) fn shared_view(record: &Record) -> Result<Option<ObjectKey>, InvalidObjectKey> {
    let Some(name) = record.key_name() else { return Ok(None) };
    let layout = Layout::new(&record.namespace);
    match record.strategy {
        Strategy::TemporalLatest => layout.latest(&name).map(Some),
        Strategy::KeyBased => layout.readable(Some(&name.cache_key), name.file_id.as_str(), record.kind).map(Some),
        Strategy::Direct | Strategy::Temporal | Strategy::TemporalVersioned => Ok(None),
    }
}

/// What a view of this entry holds: the content in the key-based folder, else a pointer to it.
fn view_bytes(record: &Record, content: &Bytes) -> Bytes {
    match record.strategy {
        Strategy::KeyBased => content.clone(),
        _ => Pointer::to(record).to_bytes().into(),
    }
}

impl Cache {
    /// Writes the view that only this entry has, if its strategy has one.
    pub(super) async fn write_unique_view(&self, record: &Record, content: &Bytes) -> Result<(), Error> {
        match valid(unique_view(record))? {
            Some(view) => self.overwrite(&view, view_bytes(record, content)).await.map(drop),
            None => Ok(()),
        }
    }

    /// Writes the view that this entry shares, if its strategy has one, and returns the state that the view has then.
    pub(super) async fn write_shared_view(&self, record: &Record, content: &Bytes) -> Result<Option<Version>, Error> {
        match valid(shared_view(record))? {
            Some(view) => self.overwrite(&view, view_bytes(record, content)).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes the shared view of a key show the newest version that its index lists, and returns the views it removed.
    ///
    /// Whoever changes the index last, or writes the view last, sees what the others did: every write follows a look at the
    /// index, and is followed by another one. A view that was written side by side with listing its entry is the
    /// exception, since an older store may have written it in between; so that view is looked at as well.
    pub(super) async fn settle_shared_view(&self, record: &Record, after: After) -> Result<Vec<ObjectKey>, Error> {
        let (Some(name), Some(own)) = (record.key_name(), valid(shared_view(record))?) else { return Ok(Vec::new()) };
        let index_key = Layout::new(&record.namespace).key_index(&name);
        let (mut state, mut shown) = self.first_look(record, after, &own, &index_key).await?;
        let (mut touched, mut removed, mut cleared) = (vec![own], Vec::new(), None);
        let (mut pause, mut waited) = (Pause::new(self), 0);
        loop {
            let up_to_date = shown.as_ref().is_some_and(|shown| shown.newest == state.newest);
            if !up_to_date {
                shown = self.show(record, state.newest).await?;
            }
            match &shown {
                // The newest is being deleted: the index is about to move on. Else a delete was faster than the store that
                // listed it, and there is nothing to show.
                None if waited == MOST_WAITS => return Ok(removed),
                None => {
                    waited += 1;
                    pause.wait(&index_key).await?;
                }
                Some(shown) => {
                    // The copies of other kinds have other extensions, so they were not overwritten.
                    touched.extend(shown.view.iter().cloned().chain(views_of_kinds(record, &state.kinds)));
                    touched.sort();
                    touched.dedup();
                    let stale: Vec<_> = touched.extract_if(.., |view| Some(&*view) != shown.view.as_ref()).collect();
                    if up_to_date && (stale.is_empty() || cleared == Some(state.newest)) {
                        return Ok(removed);
                    }
                    try_join_all(stale.iter().map(|view| self.remove(view))).await?;
                    removed.extend(stale);
                    cleared = Some(state.newest);
                }
            }
            let written = shown.as_ref().and_then(|shown| shown.written.as_ref());
            let (listed, still) = try_join(self.listed_under(&index_key), self.is_current(written)).await?;
            state = listed;
            shown = shown.filter(|_| still);
        }
    }

    /// Whether an entry still has the content that was shown of it: an update may have come in between.
    async fn is_current(&self, written: Option<&Record>) -> Result<bool, Error> {
        let Some(written) = written else { return Ok(true) };
        let key = Layout::new(&written.namespace).record(written.cache_id);
        let now = self.read_record(&key).await?;
        Ok(now.is_some_and(|now| now.revision == written.revision))
    }

    /// What the index lists, and what the view shows, as far as that is known.
    async fn first_look(
        &self,
        record: &Record,
        after: After,
        own: &ObjectKey,
        index: &ObjectKey,
    ) -> Result<(ListedUnder, Option<Shown>), Error> {
        match after {
            After::Removed { newest } => Ok((ListedUnder { newest, kinds: Vec::new() }, None)),
            After::Unsure => Ok((self.listed_under(index).await?, None)),
            After::Written { state } => {
                let head = async { Ok(self.storage.head(own).await?) };
                let (listed, head) = try_join(self.listed_under(index), head).await?;
                let shows_it = head.is_some_and(|head| head.version == state);
                let shown = Shown { newest: Some(record.cache_id), view: Some(own.clone()), written: None };
                Ok((listed, shows_it.then_some(shown)))
            }
        }
    }

    async fn listed_under(&self, index: &ObjectKey) -> Result<ListedUnder, Error> {
        let index = self.load_index(index).await?.index;
        let newest = index.as_ref().and_then(Index::newest).map(|listed| listed.cache_id);
        Ok(ListedUnder { newest, kinds: index.map(|index| index.kinds).unwrap_or_default() })
    }

    /// Writes the shared view of the newest entry beside `record`, also of one that has expired; `None` when it is not there
    /// any more.
    async fn show(&self, record: &Record, newest: Option<CacheId>) -> Result<Option<Shown>, Error> {
        let Some(id) = newest else { return Ok(Some(Shown { newest, view: None, written: None })) };
        let namespace = &record.namespace;
        let found = match record.strategy {
            Strategy::KeyBased => self
                .retrieve_also_expired(namespace, &Selector::Id(id))
                .await?
                .map(|entry| (entry.record, entry.content)),
            // A pointer needs no content.
            _ => self.read_record(&Layout::new(namespace).record(id)).await?.map(|record| (record, Bytes::new())),
        };
        let Some((record, content)) = found else { return Ok(None) };
        self.write_shared_view(&record, &content).await?;
        Ok(Some(Shown { newest, view: valid(shared_view(&record))?, written: Some(record) }))
    }
}

/// What happened before a shared view is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum After {
    /// The entry was listed, and side by side with that the view was written and is in this state.
    Written {
        /// The state that the write returned.
        state: Version,
    },
    /// The entry was taken out of the index.
    Removed {
        /// The newest entry that is left.
        newest: Option<CacheId>,
    },
    /// The view may show anything.
    Unsure,
}

/// What a key index says that matters to its view.
struct ListedUnder {
    newest: Option<CacheId>,
    kinds: Vec<ContentKind>,
}

/// What a shared view shows, and where. Nothing when nothing is listed.
struct Shown {
    newest: Option<CacheId>,
    view: Option<ObjectKey>,
    /// The entry as it was when its content was read to be shown.
    written: Option<Record>,
}

/// Where the views of all kinds lie that were ever listed under the key of this entry.
fn views_of_kinds(record: &Record, kinds: &[ContentKind]) -> Vec<ObjectKey> {
    let view = |kind: &ContentKind| shared_view(&Record { kind: *kind, ..record.clone() }).ok().flatten();
    kinds.iter().filter_map(view).collect()
}

fn valid(view: Result<Option<ObjectKey>, InvalidObjectKey>) -> Result<Option<ObjectKey>, Error> {
    view.map_err(|error| Error::too_long("cache_key", &error))
}
