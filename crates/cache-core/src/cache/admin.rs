//! Admin: the objects themselves, by their paths. Reading follows the views to the contents; deleting goes through the use
//! cases, so that no index is left with an entry that is half there.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::error::Error;
use crate::ids::{CacheId, CacheKey, FileId, Namespace};
use crate::index::Index;
use crate::layout::{KeyName, Layout, Place, classify};
use crate::record::{DELETED_BELOW_BYTES, Pointer, Record};
use crate::storage::{ListPage, ListedObject, ObjectKey};
use crate::strategy::{ContentKind, Strategy};

use super::namespace::invalid_cursor;
use super::views::{shared_view, unique_view};
use super::{Cache, NamePage, Selector};

/// What lies under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its bytes.
    pub bytes: Bytes,
    /// The kind of content, when the path is a view that led to an entry.
    pub kind: Option<ContentKind>,
}

/// Which paths [`Cache::files`] and [`Cache::folders`] return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListFiles<'a> {
    /// Those in this folder; all when it is empty. Without a `/` at the end.
    pub folder: &'a str,
    /// Whether those in folders below count, too.
    pub recursive: bool,
    /// At most so many, at least 1; `None` for all.
    pub limit: Option<usize>,
    /// After this place: the cursor of the page before.
    pub cursor: Option<&'a str>,
    /// Whether files are listed that stand for something deleted.
    pub raw: bool,
}

/// What became of [`Cache::delete_file`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDeleted {
    /// It is gone, and with it what belonged to it.
    Deleted,
    /// There was none.
    NotThere,
    /// It stays, because others need it. The text says who, and what to do instead.
    Needed(&'static str),
}

impl Cache {
    /// Reads what lies under a path. A dated or latest view leads to the content that its entry has now; with `raw` it is
    /// read as it is. Without `raw`, what stands for something deleted is not there.
    pub async fn file(&self, path: &ObjectKey, raw: bool) -> Result<Option<File>, Error> {
        let Some(bytes) = self.read_file(path).await?.filter(|bytes| raw || !is_deleted(path, bytes.len() as u64))
        else {
            return Ok(None);
        };
        let as_it_is = File { bytes, kind: None };
        if raw || !matches!(classify(path), Place::Dated { .. } | Place::Latest { .. }) {
            return Ok(Some(as_it_is));
        }
        let Ok(pointer) = serde_json::from_slice::<Pointer>(&as_it_is.bytes) else { return Ok(Some(as_it_is)) };
        let entry = self.retrieve(&pointer.record.namespace, &Selector::Id(pointer.record.cache_id)).await?;
        Ok(entry.map(|entry| File { kind: Some(entry.record.kind), bytes: entry.content }))
    }

    /// What lies under a path, if it can be held in memory.
    async fn read_file(&self, path: &ObjectKey) -> Result<Option<Bytes>, Error> {
        let limit = self.largest_in_memory;
        let range = (limit < u64::MAX).then(|| 0..limit + 1);
        match self.storage.get(path, range).await? {
            Some(object) if object.size > limit => Err(Error::TooLarge { size: object.size, limit }),
            found => Ok(found.map(|object| object.bytes)),
        }
    }

    /// Whether anything lies under a path. Without `raw`, what stands for something deleted is not there.
    pub async fn file_exists(&self, path: &ObjectKey, raw: bool) -> Result<bool, Error> {
        let head = self.storage.head(path).await?;
        Ok(head.is_some_and(|head| raw || !is_deleted(path, head.size)))
    }

    /// The paths of files, in order.
    pub async fn files(&self, request: &ListFiles<'_>) -> Result<NamePage<String>, Error> {
        let mut files = Vec::new();
        self.walk(request, |page| {
            let there = |object: &ListedObject| request.raw || !is_deleted_object(object);
            files.extend(page.objects.into_iter().filter(there).map(|object| object.key));
            request.enough(&files)
        })
        .await?;
        Ok(request.page(files))
    }

    /// The paths of folders, in order and with a `/` at the end.
    pub async fn folders(&self, request: &ListFiles<'_>) -> Result<NamePage<String>, Error> {
        let mut folders: Vec<String> = Vec::new();
        let prefix = request.prefix();
        self.walk(request, |page| {
            folders.extend(page.folders);
            for object in page.objects {
                for folder in folders_of(&object.key, &prefix).filter(|_| request.recursive) {
                    // Keys come in order, so a folder that is not after the last one was there before.
                    let last = folders.last().map(String::as_str).or(request.cursor);
                    if last.is_none_or(|last| last < folder) {
                        folders.push(folder.to_owned());
                    }
                }
            }
            request.enough(&folders)
        })
        .await?;
        Ok(request.page(folders))
    }

    /// Deletes what lies under a path: the entry of a record or view, a child, or a file that is not ours. Contents, indexes
    /// and their like are needed by others. With `force` it is the object alone, whatever it is.
    pub async fn delete_file(&self, path: &ObjectKey, force: bool) -> Result<FileDeleted, Error> {
        if !self.file_exists(path, force).await? {
            return Ok(FileDeleted::NotThere);
        }
        let place = classify(path);
        if !force {
            if let Some(reason) = why_needed(&place) {
                return Ok(FileDeleted::Needed(reason));
            }
            if let Some((namespace, id)) = self.entry_at(&place, path).await?
                && self.delete(&namespace, id).await?.is_some()
            {
                return Ok(FileDeleted::Deleted);
            }
        }
        self.remove(path).await?;
        Ok(FileDeleted::Deleted)
    }

    /// The entry that a record or a view is about.
    async fn entry_at(&self, place: &Place, path: &ObjectKey) -> Result<Option<(Namespace, CacheId)>, Error> {
        let (namespace, shown) = match place {
            Place::Record { namespace, cache_id } | Place::Dated { namespace, cache_id } => {
                return Ok(Some((namespace.clone(), *cache_id)));
            }
            Place::Latest { namespace, name } => (namespace, self.newest_under(namespace, name).await?),
            Place::Readable { namespace, cache_key, file_name } => {
                (namespace, self.entry_of_copy(namespace, cache_key.as_ref(), file_name, path).await?)
            }
            Place::Child { .. }
            | Place::Blob
            | Place::Revision { .. }
            | Place::Index
            | Place::Page
            | Place::UploadMark
            | Place::Settings
            | Place::Other => return Ok(None),
        };
        Ok(shown.map(|id| (namespace.clone(), id)))
    }

    /// The entry that a readable copy shows: the newest under its key, or the one whose id is the file's name.
    async fn entry_of_copy(
        &self,
        namespace: &Namespace,
        cache_key: Option<&CacheKey>,
        file_name: &FileId,
        path: &ObjectKey,
    ) -> Result<Option<CacheId>, Error> {
        let shows = |view: Option<ObjectKey>| view.as_ref() == Some(path);
        let newest = match cache_key {
            Some(cache_key) => {
                let (cache_key, file_id) = (cache_key.clone(), file_name.clone());
                self.newest_under(namespace, &KeyName { strategy: Strategy::KeyBased, cache_key, file_id }).await?
            }
            None => None,
        };
        if let Some(record) = self.record_of(namespace, newest).await?
            && shows(shared_view(&record).ok().flatten())
        {
            return Ok(newest);
        }
        let named = file_name.as_str().parse().ok();
        let own = self.record_of(namespace, named).await?;
        Ok(own.filter(|record| shows(unique_view(record).ok().flatten())).map(|record| record.cache_id))
    }

    async fn newest_under(&self, namespace: &Namespace, name: &KeyName) -> Result<Option<CacheId>, Error> {
        let index = self.load_index(&Layout::new(namespace).key_index(name)).await?.index;
        Ok(index.as_ref().and_then(Index::newest).map(|listed| listed.cache_id))
    }

    async fn record_of(&self, namespace: &Namespace, id: Option<CacheId>) -> Result<Option<Record>, Error> {
        match id {
            Some(id) => self.read_record(&Layout::new(namespace).record(id)).await,
            None => Ok(None),
        }
    }

    /// Hands page after page to `take` until it has enough.
    async fn walk(
        &self,
        request: &ListFiles<'_>,
        mut take: impl FnMut(ListPage) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let prefix = request.prefix();
        if request.cursor.is_some_and(|cursor| !cursor.starts_with(&prefix)) {
            return Err(invalid_cursor("is not in this folder"));
        }
        let after = request.cursor.map(ToOwned::to_owned);
        let mut pages = self.list(&prefix).after(after).flat(!request.recursive);
        while let Some(page) = pages.next().await? {
            if take(page).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl ListFiles<'_> {
    fn prefix(&self) -> String {
        if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) }
    }

    /// One more than the limit is enough to know that there is a next page.
    fn enough(&self, found: &[String]) -> ControlFlow<()> {
        if self.limit.is_some_and(|limit| found.len() > limit) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn page(&self, mut items: Vec<String>) -> NamePage<String> {
        let more = self.limit.filter(|limit| items.len() > *limit);
        if let Some(limit) = more {
            items.truncate(limit);
        }
        NamePage { next_cursor: more.and_then(|_| items.last().cloned()), items }
    }
}

/// The folders that a key lies in, from the outermost below `prefix`, each with a `/` at the end.
fn folders_of<'a>(key: &'a str, prefix: &str) -> impl Iterator<Item = &'a str> {
    let from = prefix.len();
    key.match_indices('/').map(|(at, _)| at).filter(move |at| *at >= from).map(|at| &key[..=at])
}

/// Whether an object is a grave or a tombstone.
fn is_deleted(path: &ObjectKey, size: u64) -> bool {
    size < DELETED_BELOW_BYTES && matches!(classify(path), Place::Record { .. } | Place::Index)
}

fn is_deleted_object(object: &ListedObject) -> bool {
    object.size < DELETED_BELOW_BYTES && object.key.parse().is_ok_and(|key| is_deleted(&key, object.size))
}

fn why_needed(place: &Place) -> Option<&'static str> {
    match place {
        Place::Blob => Some("entries share this content: delete the entries that use it"),
        Place::Revision { .. } => Some("an updated entry needs this content: delete the entry"),
        Place::UploadMark => {
            Some("it stops an upload from being completed twice, and the sweep removes it after a day")
        }
        Place::Index | Place::Page => Some("retrieving needs this index: delete the entries that it lists"),
        Place::Settings => Some("these are the namespace's settings: change them with PUT /{namespace}/settings"),
        Place::Record { .. }
        | Place::Dated { .. }
        | Place::Latest { .. }
        | Place::Readable { .. }
        | Place::Child { .. }
        | Place::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_a_key_begin_below_the_prefix() {
        let folders = |prefix| folders_of("a/b/c", prefix).collect::<Vec<_>>();
        assert_eq!(folders(""), ["a/", "a/b/"]);
        assert_eq!(folders("a/"), ["a/b/"]);
        assert_eq!(folders("a/b/"), Vec::<&str>::new());
    }
}
