//! What a namespace holds: lists of its hashes and ids, counts, and its entries in the order of time.

use std::collections::BTreeMap;
use std::fmt::Display;

use futures::future::{try_join, try_join_all};

use crate::error::Error;
use crate::ids::{CacheHash, CacheId, Namespace};
use crate::layout::{Layout, dated_place, parse_dated_place};
use crate::record::DELETED_BELOW_BYTES;
use crate::storage::ListPage;
use crate::strategy::Strategy;

use super::{Cache, Selector};

/// One page of names, and the cursor of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePage<T> {
    /// The names, in order.
    pub items: Vec<T>,
    /// What to pass for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// How much a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Entries of each strategy, in the order of [`Strategy::ALL`].
    pub entries: [u64; Strategy::ALL.len()],
    /// Hashes that have at least one entry.
    pub hashes: u64,
    /// Entries.
    pub ids: u64,
}

/// One entry in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedEntry {
    /// The entry.
    pub cache_id: CacheId,
    /// How it was stored.
    pub strategy: Strategy,
    /// When, in milliseconds since 1970 UTC.
    pub stored_at: u64,
}

/// Which entries [`Cache::entries`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntriesRequest<'a> {
    /// Only of this strategy, which [`Strategy::is_dated`]; `None` for all that are.
    pub strategy: Option<Strategy>,
    /// From this time on, in milliseconds since 1970 UTC.
    pub from_ms: Option<u64>,
    /// Before this time.
    pub to_ms: Option<u64>,
    /// At most so many, at least 1.
    pub limit: usize,
    /// After this place: the cursor of the page before.
    pub cursor: Option<&'a str>,
}

impl Cache {
    /// All hashes of a namespace, sorted.
    pub async fn hashes(&self, namespace: &Namespace) -> Result<Vec<CacheHash>, Error> {
        self.all_names(&Layout::new(namespace).hash_indexes()).await
    }

    /// All ids of a namespace, sorted.
    pub async fn ids(&self, namespace: &Namespace) -> Result<Vec<CacheId>, Error> {
        self.all_names(&Layout::new(namespace).records()).await
    }

    /// A page of the hashes of a namespace: at most `limit`, after `cursor`.
    pub async fn hash_page(
        &self,
        namespace: &Namespace,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<NamePage<CacheHash>, Error> {
        let after = match cursor {
            Some(cursor) => Some(Layout::new(namespace).hash_index(&parse_cursor(cursor)?).to_string()),
            None => None,
        };
        self.name_page(&Layout::new(namespace).hash_indexes(), limit, after).await
    }

    /// A page of the ids of a namespace: at most `limit`, after `cursor`.
    pub async fn id_page(
        &self,
        namespace: &Namespace,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<NamePage<CacheId>, Error> {
        let after = match cursor {
            Some(cursor) => Some(Layout::new(namespace).record(parse_cursor(cursor)?).to_string()),
            None => None,
        };
        self.name_page(&Layout::new(namespace).records(), limit, after).await
    }

    /// Counts what a namespace holds. An id of ours says its strategy; only the records of others are read.
    pub async fn stats(&self, namespace: &Namespace) -> Result<Stats, Error> {
        let (hashes, ids) = try_join(self.hashes(namespace), self.ids(namespace)).await?;
        let mut stats = Stats { hashes: hashes.len() as u64, ids: ids.len() as u64, ..Stats::default() };
        let mut foreign = Vec::new();
        for id in ids {
            match id.parts() {
                Some(parts) => stats.entries[parts.strategy as usize] += 1,
                None => foreign.push(Selector::Id(id)),
            }
        }
        for record in try_join_all(foreign.iter().map(|id| self.record(namespace, id))).await?.into_iter().flatten() {
            stats.entries[record.strategy as usize] += 1;
        }
        Ok(stats)
    }

    /// All namespaces that hold anything, sorted.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        let mut namespaces = Vec::new();
        let mut pages = self.list("").flat(true);
        while let Some(page) = pages.next().await? {
            namespaces.extend(page.folders.iter().filter_map(|folder| namespace_of(folder)));
        }
        Ok(namespaces)
    }

    /// Entries of the temporal strategies in the order of time, and the cursor of the next page.
    pub async fn entries(
        &self,
        namespace: &Namespace,
        request: &EntriesRequest<'_>,
    ) -> Result<(Vec<DatedEntry>, Option<String>), Error> {
        if request.cursor.is_some_and(|cursor| parse_dated_place(cursor).is_none()) {
            return Err(invalid_cursor("is not a place in time"));
        }
        let dated = Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated());
        let strategies: Vec<Strategy> =
            dated.filter(|strategy| request.strategy.is_none_or(|wanted| wanted == *strategy)).collect();
        let lists = strategies.iter().map(|strategy| self.dated_entries(namespace, *strategy, request));
        // The place in a dated folder begins with the time, so it orders the entries of all strategies.
        let mut merged: BTreeMap<String, DatedEntry> = try_join_all(lists).await?.into_iter().flatten().collect();
        let rest = merged.keys().nth(request.limit).cloned();
        if let Some(rest) = &rest {
            merged.split_off(rest);
        }
        let cursor = rest.and_then(|_| merged.keys().next_back().cloned());
        Ok((merged.into_values().collect(), cursor))
    }

    /// Up to one more than the limit, so that it is known whether there is a next page.
    async fn dated_entries(
        &self,
        namespace: &Namespace,
        strategy: Strategy,
        request: &EntriesRequest<'_>,
    ) -> Result<Vec<(String, DatedEntry)>, Error> {
        let folder = Layout::new(namespace).dated_folder(strategy);
        let from = request.from_ms.map(dated_place);
        // Places are in the order of their text; the later one counts.
        let after = from.as_deref().max(request.cursor).map(|place| format!("{folder}{place}"));
        let mut pages = self.list(&folder).after(after).of_at_most(request.limit + 1);
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await? {
            for object in &page.objects {
                let place = object.key.strip_prefix(&folder).unwrap_or_default();
                // Behind the dates of temporal-latest come its latest views.
                let Some((stored_at, cache_id)) = parse_dated_place(place) else { return Ok(entries) };
                let entry = DatedEntry { cache_id, strategy, stored_at };
                if request.to_ms.is_some_and(|to| entry.stored_at >= to) || entries.len() > request.limit {
                    return Ok(entries);
                }
                entries.push((place.to_owned(), entry));
            }
        }
        Ok(entries)
    }

    async fn all_names<T: std::str::FromStr>(&self, folder: &str) -> Result<Vec<T>, Error> {
        let mut names = Vec::new();
        let mut pages = self.list(folder);
        while let Some(page) = pages.next().await? {
            names.extend(live_names(&page));
        }
        Ok(names)
    }

    async fn name_page<T: std::str::FromStr + ToString>(
        &self,
        folder: &str,
        limit: usize,
        after: Option<String>,
    ) -> Result<NamePage<T>, Error> {
        let mut items: Vec<T> = Vec::new();
        let mut pages = self.list(folder).after(after);
        while let Some(page) = pages.next().await? {
            items.extend(live_names(&page));
            if items.len() > limit {
                items.truncate(limit);
                let next_cursor = items.last().map(ToString::to_string);
                return Ok(NamePage { items, next_cursor });
            }
        }
        Ok(NamePage { items, next_cursor: None })
    }
}

/// The file names of a page that name something, without those of graves and tombstones.
fn live_names<T: std::str::FromStr>(page: &ListPage) -> impl Iterator<Item = T> {
    let live = page.objects.iter().filter(|object| object.size >= DELETED_BELOW_BYTES);
    live.filter_map(|object| object.key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok())
}

fn parse_cursor<T: std::str::FromStr<Err = crate::ids::InvalidName>>(cursor: &str) -> Result<T, Error> {
    cursor.parse().map_err(invalid_cursor)
}

/// A cursor that no page named.
pub(super) fn invalid_cursor(reason: impl Display) -> Error {
    Error::Invalid { field: "cursor", message: format!("{reason}: pass the next_cursor of the page before") }
}

/// The namespace that a folder at the root belongs to: none when its name would have to be cleaned to be one.
fn namespace_of(folder: &str) -> Option<Namespace> {
    let name = folder.trim_end_matches('/');
    name.parse().ok().filter(|namespace: &Namespace| namespace.as_str() == name)
}
