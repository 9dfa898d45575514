//! Sweep: removes what nobody needs any more. It runs on a schedule, never on the way of a request.
//!
//! | what | when |
//! |---|---|
//! | entries that have expired | at once |
//! | rows of a key index whose entry is gone, and copies in it that are out of date | at once: an id never comes back |
//! | what a tombstone remembers of removed entries | when all of it has run out |
//! | blobs that neither the manifest nor any of its pages references | when they are old |
//! | pages that their manifest or key index does not lead to | when they are old |
//! | intents | when they are old |
//! | children, aliases and views whose entry is gone | when they are old |
//!
//! Old is what was written [`SWEEP_MIN_AGE`] ago: no operation that is still running has written it, and no upload that can
//! still be completed.
//!
//! What belongs to a manifest that is missing or cannot be read is reported and left, because only a person can tell a lost
//! manifest from one that never was. So a blob of a first store that broke off before its manifest was written, or of an upload
//! that was never completed, stays and is reported until another store of its content has made a manifest. A readable copy of an
//! entry with a file id but no key says not whose it is; it is left, too.
//!
//! Tombstones stay forever, because versions and ids are never given twice.

mod keys;
mod manifests;
mod owned;
mod views;

use std::time::Duration;

use futures::stream::{self, StreamExt};
use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::ids::CacheId;
use crate::layout::ObjectKind;
use crate::storage::{ListedObject, ObjectKey};
use crate::strategy::Strategy;

use super::{CONCURRENCY, NamespaceCache};

/// From this age on an object cannot belong to an operation that is still running, nor to an upload that can be completed.
pub const SWEEP_MIN_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many damaged objects a report names at most.
pub const MAX_REPORTED_DAMAGED: usize = 1_000;

/// What a sweep removed and found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SweepReport {
    /// Entries that had expired.
    pub expired_entries: u64,
    /// Blobs that nothing references.
    pub unreferenced_blobs: u64,
    /// Intents that nobody commits any more.
    pub stale_intents: u64,
    /// Children whose entry is gone.
    pub orphaned_children: u64,
    /// Aliases whose entry is gone. They are tombstones now.
    pub orphaned_aliases: u64,
    /// Pages that nothing leads to.
    pub orphaned_pages: u64,
    /// Views whose entry is gone.
    pub orphaned_views: u64,
    /// Rows of key indexes whose entry is gone, and copies that were out of date.
    pub orphaned_key_rows: u64,
    /// Tombstones that have nothing to remember any more.
    pub emptied_tombstones: u64,
    /// Objects that cannot be read, or that belong to a manifest that is missing or cannot be read; at most
    /// [`MAX_REPORTED_DAMAGED`], sorted. They were not touched.
    pub damaged: Vec<String>,
    /// Whether it came to its end before the deadline. It begins at a random place, so the next one gets on with the rest.
    pub complete: bool,
}

impl NamespaceCache {
    /// Sweeps the namespace until it is done or the deadline has come.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond before the deadline.
    pub async fn sweep(&self) -> Result<SweepReport, Error> {
        let mut sweep = Sweep { cache: self.with_default_deadline(), report: SweepReport::default() };
        let complete = match Box::pin(sweep.run()).await {
            // The storage may be told to end its calls at the same deadline.
            Err(error) if error.kind() == ErrorKind::Unavailable && sweep.cache.cache.is_past_deadline() => false,
            done => done?,
        };
        sweep.report.damaged.sort();
        Ok(SweepReport { complete, ..sweep.report })
    }

    /// What [`NamespaceCache::sweep`] would remove and find. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`NamespaceCache::sweep`].
    pub async fn preview_sweep(&self) -> Result<SweepReport, Error> {
        Self { cache: self.cache.dry_run(), namespace: self.namespace.clone() }.sweep().await
    }
}

/// A sweep that is running.
struct Sweep {
    cache: NamespaceCache,
    report: SweepReport,
}

/// A part of the sweep.
#[derive(Debug, Clone, Copy)]
enum Task {
    /// Expired entries and tombstones.
    Manifests,
    /// The objects in a folder.
    Folder(Folder),
}

/// A folder that is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    Blobs,
    Intents,
    Children,
    Aliases,
    PagesOfManifests,
    PagesOfKeyIndexes,
    KeyIndexes,
    /// Views of one strategy.
    Views(Strategy),
}

const TASKS: [Task; 12] = [
    Task::Manifests,
    Task::Folder(Folder::KeyIndexes),
    Task::Folder(Folder::Blobs),
    Task::Folder(Folder::PagesOfManifests),
    Task::Folder(Folder::PagesOfKeyIndexes),
    Task::Folder(Folder::Intents),
    Task::Folder(Folder::Children),
    Task::Folder(Folder::Aliases),
    Task::Folder(Folder::Views(Strategy::Temporal)),
    Task::Folder(Folder::Views(Strategy::TemporalLatest)),
    Task::Folder(Folder::Views(Strategy::TemporalVersioned)),
    Task::Folder(Folder::Views(Strategy::KeyBased)),
];

impl Sweep {
    /// Does everything, beginning anywhere. `false`: the deadline came first.
    async fn run(&mut self) -> Result<bool, Error> {
        let first = self.cache.cache.random() as usize % TASKS.len();
        for task in TASKS.iter().cycle().skip(first).take(TASKS.len()) {
            let done = match task {
                Task::Manifests => self.manifests().await?,
                Task::Folder(folder) => self.folder(*folder).await?,
            };
            if !done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at every object in a folder, from a random place on and around.
    async fn folder(&mut self, folder: Folder) -> Result<bool, Error> {
        let prefix = self.prefix(folder);
        let start = format!("{prefix}{}", self.random_place(folder));
        Ok(self.part(folder, &prefix, Some(start.clone()), None).await?
            && self.part(folder, &prefix, None, Some(&start)).await?)
    }

    /// Looks at the objects of a folder after one place, and up to another.
    async fn part(
        &mut self,
        folder: Folder,
        prefix: &str,
        after: Option<String>,
        until: Option<&str>,
    ) -> Result<bool, Error> {
        let cache = self.cache.clone();
        let mut pages = cache.list(prefix).after(after);
        while let Some(page) = pages.next().await? {
            let is_before = |object: &&ListedObject| until.is_none_or(|until| object.key.as_str() <= until);
            let in_part = page.objects.iter().take_while(is_before).count();
            let wanted =
                page.objects[..in_part].iter().filter(|object| folder == Folder::KeyIndexes || self.is_old(object));
            let groups = group(folder, wanted);
            let mut swept =
                stream::iter(groups.iter().map(|group| sweep_group(&cache, folder, group)).collect::<Vec<_>>())
                    .buffer_unordered(CONCURRENCY);
            while let Some(swept) = swept.next().await {
                self.report.add(swept?);
                if cache.cache.is_past_deadline() {
                    return Ok(false);
                }
            }
            if in_part < page.objects.len() {
                break;
            }
        }
        Ok(!cache.cache.is_past_deadline())
    }

    fn prefix(&self, folder: Folder) -> String {
        let layout = self.cache.layout();
        match folder {
            Folder::Blobs => layout.blobs(),
            Folder::Intents => layout.intents(),
            Folder::Children => layout.all_children(),
            Folder::Aliases => layout.aliases(),
            Folder::PagesOfManifests => layout.pages_of_manifests(),
            Folder::PagesOfKeyIndexes => layout.pages_of_key_indexes(),
            Folder::KeyIndexes => layout.key_indexes(),
            Folder::Views(strategy) => layout.dated_folder(strategy),
        }
    }

    /// A place somewhere among the names in a folder.
    fn random_place(&self, folder: Folder) -> String {
        let random = self.cache.cache.random();
        match folder {
            Folder::Views(_) => views::random_place(random, self.cache.cache.now()),
            Folder::Blobs
            | Folder::Intents
            | Folder::Children
            | Folder::Aliases
            | Folder::PagesOfManifests
            | Folder::PagesOfKeyIndexes
            | Folder::KeyIndexes => format!("{:02x}", random % 256),
        }
    }

    fn is_old(&self, object: &ListedObject) -> bool {
        self.cache.cache.now() >= object.modified.plus(SWEEP_MIN_AGE)
    }
}

/// Objects that belong to one manifest, key index or entry, so that it is read once for all of them.
type Group = Vec<(ObjectKey, ObjectKind)>;

/// Names begin with what they belong to, so objects of one owner come one after the other.
fn group<'o>(folder: Folder, objects: impl Iterator<Item = &'o ListedObject>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for object in objects {
        let Ok(key) = object.key.parse::<ObjectKey>() else { continue };
        let Some((_, kind)) = ObjectKind::of(&key) else { continue };
        let last =
            groups.last_mut().filter(|group| group.last().is_some_and(|last| is_same_owner(folder, last, &key, &kind)));
        match last {
            Some(group) => group.push((key, kind)),
            None => groups.push(vec![(key, kind)]),
        }
    }
    groups
}

fn is_same_owner(folder: Folder, last: &(ObjectKey, ObjectKind), key: &ObjectKey, kind: &ObjectKind) -> bool {
    match folder {
        Folder::Blobs => {
            matches!((&last.1, kind), (ObjectKind::Blob { cache_hash: a, .. }, ObjectKind::Blob { cache_hash: b, .. }) if a == b)
        }
        Folder::Children => matches!((&last.1, kind), (ObjectKind::Child(a), ObjectKind::Child(b)) if a == b),
        Folder::PagesOfManifests | Folder::PagesOfKeyIndexes => parent(&last.0) == parent(key),
        Folder::Intents | Folder::Aliases | Folder::KeyIndexes | Folder::Views(_) => false,
    }
}

fn parent(key: &ObjectKey) -> Option<&str> {
    key.as_str().rsplit_once('/').map(|(parent, _)| parent)
}

/// Looks at objects that belong together. One that cannot be read must not keep the rest from being swept.
async fn sweep_group(cache: &NamespaceCache, folder: Folder, group: &Group) -> Result<SweepReport, Error> {
    let swept = match folder {
        Folder::Blobs => cache.sweep_blobs(group).await,
        Folder::Intents => cache.sweep_intents(group).await,
        Folder::Children => cache.sweep_children(group).await,
        Folder::Aliases => cache.sweep_aliases(group).await,
        Folder::PagesOfManifests | Folder::PagesOfKeyIndexes => cache.sweep_pages(group).await,
        Folder::KeyIndexes => cache.sweep_key_rows(group).await,
        Folder::Views(_) => cache.sweep_views(group).await,
    };
    report_corrupt(swept)
}

/// Makes a report of what cannot be read.
fn report_corrupt(swept: Result<SweepReport, Error>) -> Result<SweepReport, Error> {
    match swept {
        Err(Error::Corrupt { object, problem }) => {
            tracing::error!(%object, "left alone: {problem}");
            Ok(SweepReport::damaged([object]))
        }
        swept => swept,
    }
}

impl SweepReport {
    /// These objects are damaged, or belong to something that is.
    fn damaged(objects: impl IntoIterator<Item = String>) -> Self {
        Self { damaged: objects.into_iter().collect(), ..Self::default() }
    }

    /// The objects of a group belong to a manifest, or to an alias, that is missing.
    fn without_owner(group: &Group) -> Self {
        Self::damaged(group.iter().map(|(key, _)| key.to_string()))
    }

    /// Adds what another part of the sweep has found.
    fn add(&mut self, other: Self) {
        self.expired_entries += other.expired_entries;
        self.unreferenced_blobs += other.unreferenced_blobs;
        self.stale_intents += other.stale_intents;
        self.orphaned_children += other.orphaned_children;
        self.orphaned_aliases += other.orphaned_aliases;
        self.orphaned_pages += other.orphaned_pages;
        self.orphaned_views += other.orphaned_views;
        self.orphaned_key_rows += other.orphaned_key_rows;
        self.emptied_tombstones += other.emptied_tombstones;
        let new = other.damaged.into_iter().filter(|object| !self.damaged.contains(object));
        let new: Vec<String> = new.take(MAX_REPORTED_DAMAGED.saturating_sub(self.damaged.len())).collect();
        self.damaged.extend(new);
    }
}

impl NamespaceCache {
    /// Removes all objects of a group, and returns how many.
    async fn remove_group<'g>(&self, objects: impl Iterator<Item = &'g ObjectKey>) -> Result<u64, Error> {
        let mut removed = 0;
        for key in objects {
            self.cache.remove(key).await?;
            self.cache.shared.objects.forget(key);
            removed += 1;
        }
        Ok(removed)
    }

    /// A position among the manifests, drawn at random.
    fn random_manifest_place(&self) -> String {
        self.layout().manifests_from(CacheId::from_u128(u128::from(self.cache.random()) << 64))
    }
}
