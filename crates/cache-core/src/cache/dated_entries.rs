//! Entries of the temporal strategies in the order of time, from their dated views.
//!
//! A view is no proof: a store may have written it and not committed its entry, or a delete may have broken off before it was
//! removed. So every entry is looked up in its manifest.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::Error;
use crate::ids::CacheId;
use crate::layout::DatedName;
use crate::strategy::Strategy;
use crate::time::UnixMillis;

use super::namespaces::invalid_cursor;
use super::page_tree::Presence;
use super::{CONCURRENCY, NamespaceCache};

/// The folder below `temporal-latest` that holds no dates.
const LATEST_FOLDER: &str = "latest/";

/// One entry in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedEntry {
    /// The entry.
    pub cache_id: CacheId,
    /// How it was stored.
    pub strategy: Strategy,
    /// When.
    pub stored_at: UnixMillis,
}

/// Which entries [`NamespaceCache::entries`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntriesRequest<'a> {
    /// Only of this strategy, which [`Strategy::is_dated`]; `None` for all that are.
    pub strategy: Option<Strategy>,
    /// Stored at this time or later.
    pub from: Option<UnixMillis>,
    /// Stored before this time.
    pub to: Option<UnixMillis>,
    /// At most so many, at least 1.
    pub limit: usize,
    /// After this place: the cursor of the page before.
    pub cursor: Option<&'a str>,
}

/// Dated views by their names, which are in the order of time whatever the strategy.
type Views = BTreeMap<String, (Strategy, DatedName)>;

impl NamespaceCache {
    /// Entries of the temporal strategies in the order of time, and the cursor of the next page. Expired ones are left out.
    ///
    /// # Errors
    ///
    /// `Invalid` when no page named the cursor; `Unavailable` when the storage does not respond.
    pub async fn entries(&self, request: &EntriesRequest<'_>) -> Result<(Vec<DatedEntry>, Option<String>), Error> {
        if request.cursor.is_some_and(|cursor| cursor.parse::<DatedName>().is_err()) {
            return Err(invalid_cursor("is not a place in time"));
        }
        let from = request.from.map(DatedName::time_prefix);
        let mut after = from.as_deref().max(request.cursor).map(ToOwned::to_owned);
        let wanted = request.limit.saturating_add(1);
        let mut found: Vec<(String, DatedEntry)> = Vec::new();
        while found.len() < wanted {
            let views = self.dated_views(request, after.as_deref(), wanted - found.len()).await?;
            let Some(last) = views.keys().next_back() else { break };
            after = Some(last.clone());
            let checked = views.into_iter().map(|(name, view)| self.dated_entry(name, view));
            let checked = stream::iter(checked.collect::<Vec<_>>());
            let checked: Vec<_> = checked.buffered(CONCURRENCY).try_collect().await?;
            found.extend(checked.into_iter().flatten());
        }
        let has_more = found.len() > request.limit;
        found.truncate(request.limit);
        let cursor = found.last().filter(|_| has_more).map(|(name, _)| name.clone());
        Ok((found.into_iter().map(|(_, entry)| entry).collect(), cursor))
    }

    /// The next `max` views of all strategies.
    async fn dated_views(&self, request: &EntriesRequest<'_>, after: Option<&str>, max: usize) -> Result<Views, Error> {
        let strategies = Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated());
        let wanted = strategies.filter(|strategy| request.strategy.is_none_or(|wanted| wanted == *strategy));
        let lists = wanted.map(|strategy| self.dated_views_of(strategy, request.to, after, max));
        let mut views: Views = try_join_all(lists).await?.into_iter().flatten().collect();
        // Each list ends at its own place: only the first `max` of all are known to be without gaps.
        if let Some(rest) = views.keys().nth(max).cloned() {
            views.split_off(&rest);
        }
        Ok(views)
    }

    async fn dated_views_of(
        &self,
        strategy: Strategy,
        to: Option<UnixMillis>,
        after: Option<&str>,
        max: usize,
    ) -> Result<Views, Error> {
        let folder = self.layout().dated_folder(strategy);
        let mut views = Views::new();
        let mut pages = self.list(&folder).after(after.map(|name| format!("{folder}{name}"))).of_at_most(max);
        while let Some(page) = pages.next().await? {
            for object in &page.objects {
                let name = object.key.strip_prefix(&folder).unwrap_or_default();
                if name.starts_with(LATEST_FOLDER) {
                    return Ok(views);
                }
                let Ok(dated) = name.parse::<DatedName>() else { continue };
                if to.is_some_and(|to| dated.stored_at >= to) || views.len() == max {
                    return Ok(views);
                }
                views.insert(name.to_owned(), (strategy, dated));
            }
        }
        Ok(views)
    }

    /// The entry of a view, if it is there and has not expired.
    async fn dated_entry(
        &self,
        name: String,
        (strategy, dated): (Strategy, DatedName),
    ) -> Result<Option<(String, DatedEntry)>, Error> {
        let row = match self.presence(dated.cache_id).await {
            Ok(Presence::Listed(row)) => row,
            Ok(Presence::InPythonFiles | Presence::Gone | Presence::Unknown) => return Ok(None),
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(%error, "left out of a listing");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // The nonce tells the view of this entry from one that another attempt has left.
        let is_it = row.nonce == dated.nonce && row.spec.strategy == strategy && !row.spec.is_expired(self.cache.now());
        let DatedName { cache_id, stored_at, .. } = dated;
        Ok(is_it.then_some((name, DatedEntry { cache_id, strategy, stored_at })))
    }
}
