//! Reading and rewriting the pages of a manifest or a key index.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::manifest::Page;
use crate::storage::ObjectKey;
use crate::time::UnixMillis;
use crate::version_log::{PageRef, Row, VersionLog};

use super::NamespaceCache;

/// How many pages are searched for a version that has not expired.
const MAX_EXPIRED_PAGES: usize = 4;

/// The pages of one head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages<'a> {
    cache: &'a NamespaceCache,
    head: &'a ObjectKey,
    memo: Option<&'a PageMemo>,
}

/// The pages that one write has read, by name. A page never changes, so each is read and parsed once, however many rows are
/// looked for.
#[derive(Debug, Default)]
pub(super) struct PageMemo(Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>);

/// A row that is in a page, and the way to it.
#[derive(Debug)]
pub(super) struct FoundRow<R> {
    /// The row.
    pub(super) row: R,
    /// The page that it is in.
    pub(super) page: Page<R>,
    /// The references on the way, from the one in the head to the one of the page.
    pub(super) path: Path<R>,
}

/// References to pages, each with the page that it is in; the first is in the head.
pub(super) type Path<R> = Vec<(PageRef, Option<Arc<Page<R>>>)>;

/// A row, in the head or in a page.
#[derive(Debug)]
pub(super) enum Located<R> {
    InHead(Box<R>),
    InPage(Box<FoundRow<R>>),
}

impl<R> Located<R> {
    pub(super) fn row(&self) -> &R {
        match self {
            Self::InHead(row) => row,
            Self::InPage(found) => &found.row,
        }
    }
}

impl<'a> Pages<'a> {
    /// The pages of the head under this key.
    pub(super) fn new(cache: &'a NamespaceCache, head: &'a ObjectKey) -> Self {
        Self { cache, head, memo: None }
    }

    /// The same, reading each page once for all that share the memo.
    pub(super) fn with_memo(self, memo: &'a PageMemo) -> Self {
        Self { memo: Some(memo), ..self }
    }

    /// A row that `matches`, in a page that `may_hold` it; newest pages first, at most `max_pages` of them.
    pub(super) async fn find<R: Row>(
        self,
        log: &VersionLog<R>,
        may_hold: impl Fn(&PageRef) -> bool + Send,
        matches: impl Fn(&R) -> bool + Send,
        max_pages: usize,
    ) -> Result<Option<FoundRow<R>>, Error> {
        let mut left: Vec<Path<R>> = log.pages().iter().map(|page| vec![(page.clone(), None)]).collect();
        let mut read = 0;
        while let Some(path) = left.pop() {
            let Some((reference, _)) = path.last().filter(|(page, _)| may_hold(page)) else { continue };
            if read == max_pages {
                break;
            }
            read += 1;
            let page = self.read_shared::<R>(&reference.name).await?;
            if let Some(row) = page.rows.iter().rev().find(|row| matches(row)).cloned() {
                return Ok(Some(FoundRow { row, page: Arc::unwrap_or_clone(page), path }));
            }
            for below in &page.pages {
                let mut deeper = path.clone();
                deeper.push((below.clone(), Some(Arc::clone(&page))));
                left.push(deeper);
            }
        }
        Ok(None)
    }

    /// The row of a version, or with `None` the newest that has not expired.
    pub(super) async fn select<R: Row>(
        self,
        log: &VersionLog<R>,
        version: Option<u64>,
        now: UnixMillis,
    ) -> Result<Option<Located<R>>, Error> {
        match version {
            Some(version) => self.locate(log, version).await,
            None => self.newest_live(log, now).await,
        }
    }

    /// The row of a version.
    pub(super) async fn locate<R: Row>(self, log: &VersionLog<R>, version: u64) -> Result<Option<Located<R>>, Error> {
        if let Some(row) = log.row(version) {
            return Ok(Some(Located::InHead(Box::new(row.clone()))));
        }
        let is_it = |row: &R| row.version() == version;
        let found = self.find(log, |page| page.may_list(version), is_it, usize::MAX).await?;
        Ok(found.map(|found| Located::InPage(Box::new(found))))
    }

    /// The newest `limit` rows below `before`, oldest first, of head and pages.
    pub(super) async fn newest<R: Row>(self, log: &VersionLog<R>, before: u64, limit: usize) -> Result<Vec<R>, Error> {
        let mut newest: Vec<R> = Vec::new();
        let mut take = |rows: &[R]| {
            let wanted = rows.iter().rev().filter(|row| row.version() < before);
            newest.extend(wanted.take(limit - newest.len()).cloned());
            newest.len() >= limit
        };
        let mut done = take(log.rows());
        let mut left: Vec<PageRef> = log.pages().to_vec();
        while let Some(reference) = left.pop().filter(|_| !done) {
            if reference.min_version < before {
                let page = self.read::<R>(&reference.name).await?;
                done = take(&page.rows);
                left.extend(page.pages);
            }
        }
        newest.reverse();
        Ok(newest)
    }

    /// The newest row that has not expired: in the head, else in one of the newest pages, else in the newest page with a row
    /// that never expires.
    pub(super) async fn newest_live<R: Row>(
        self,
        log: &VersionLog<R>,
        now: UnixMillis,
    ) -> Result<Option<Located<R>>, Error> {
        let is_live = |row: &R| row.expires_at().is_none_or(|expires_at| expires_at > now);
        if let Some(row) = log.rows().iter().rev().find(|row| is_live(row)) {
            return Ok(Some(Located::InHead(Box::new(row.clone()))));
        }
        let found = match self.find(log, |_| true, is_live, MAX_EXPIRED_PAGES).await? {
            Some(found) => Some(found),
            None => {
                let is_lasting = |row: &R| row.expires_at().is_none();
                self.find(log, |page| page.lasting_count > 0, is_lasting, usize::MAX).await?
            }
        };
        Ok(found.map(|found| Located::InPage(Box::new(found))))
    }

    async fn read_shared<R: Row>(self, name: &str) -> Result<Arc<Page<R>>, Error> {
        if let Some(page) = self.memo.and_then(|memo| memo.get(name)) {
            return Ok(page);
        }
        let page = Arc::new(self.read(name).await?);
        if let Some(memo) = self.memo {
            memo.keep(name, &page);
        }
        Ok(page)
    }

    /// Reads a page.
    pub(super) async fn read<R: Row>(self, name: &str) -> Result<Page<R>, Error> {
        let key = self.cache.layout().page(self.head, name);
        let Some(bytes) = self.cache.cache.read(&key).await? else {
            return Err(Error::corrupt(key, "a page that is referenced is missing"));
        };
        Page::parse(&bytes).map_err(|error| Error::corrupt(&key, error))
    }
}

impl PageMemo {
    fn get<R: Row>(&self, name: &str) -> Option<Arc<Page<R>>> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pages.get(name)?).downcast().ok()
    }

    fn keep<R: Row>(&self, name: &str, page: &Arc<Page<R>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::<Page<R>>::clone(page));
    }
}
