//! ZIP archives as entries: stored, looked into, and edited into new entries.
//!
//! The entry that is looked into may be any binary whose bytes are an archive. An edit never changes an entry: it stores the
//! archive that it makes as a new one, with the strategy of the original and without its key. When the archive stays what
//! it was, nothing is stored.
//!
//! These use cases compute for as long as it takes to unpack and pack an archive: up to some seconds at the limits.

use bytes::Bytes;
use thiserror::Error;

use crate::archive::batch::{Batch, BatchOutcome};
use crate::archive::{Archive, CentralDirectory, EditError, InvalidArchive, Limits, MemberName};
use crate::content::{Content, GZIP, InflateError, inflate};
use crate::entry::Entry;
use crate::error::Error;
use crate::ids::{CacheId, CacheKey, FileId, InvalidName};
use crate::strategy::{ContentKind, Strategy};

use super::{IdempotencyKey, NamespaceCache, Retrieved, Selector, StoreRequest, Stored};

/// The use cases of archives, within limits.
#[derive(Debug, Clone)]
pub struct Archives {
    cache: NamespaceCache,
    limits: Limits,
    idempotency_key: Option<IdempotencyKey>,
}

/// Where an archive is stored, and how it is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveDestination {
    /// How it can be found beside its id and hash.
    pub strategy: Strategy,
    /// The readable path it is stored under.
    pub cache_key: Option<CacheKey>,
    /// Its file name under that path. Without a key it has no effect.
    pub file_id: Option<FileId>,
}

/// An archive that became an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArchive {
    /// The entry.
    pub stored: Stored,
    /// How many members the archive has, folders included.
    pub members: usize,
}

/// An entry whose content is an archive.
#[derive(Debug)]
pub struct ArchiveEntry {
    /// Everything but the content.
    pub entry: Entry,
    /// The archive: the stored bytes, inflated when they were sent as gzip.
    pub bytes: Bytes,
    /// The archive's list of members.
    pub directory: CentralDirectory,
}

/// What an edit led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited<T> {
    /// The entry that was edited, which is as it was.
    pub original: CacheId,
    /// The entry that holds the result; the original one when nothing changed.
    pub cache_id: CacheId,
    /// How many members the result has, folders included.
    pub members: usize,
    /// Bytes of the result.
    pub size: u64,
    /// What the edit says about itself.
    pub done: T,
}

/// Why an archive is not stored, looked into or edited.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The entry holds a text or a document.
    #[error("the entry holds {} content, not an archive: name an entry that was stored as zip or binary", .0.name())]
    NotBinary(ContentKind),
    /// The bytes are no archive, or one that is not sound.
    #[error(transparent)]
    Unsound(InvalidArchive),
    /// The archive takes more than the limits allow, or would after the edit.
    #[error(transparent)]
    Limit(InvalidArchive),
    /// The path names no member, and could not be one's name.
    #[error("file_path {reason}")]
    Path {
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        reason: InvalidName,
    },
    /// There is no such member.
    #[error("there is no member '{0}' in the archive")]
    NoMember(String),
    /// The edit is not possible on this archive.
    #[error(transparent)]
    Refused(EditError),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] Error),
}

impl NamespaceCache {
    /// The use cases of archives, within limits.
    pub fn archives(&self, limits: Limits) -> Archives {
        Archives { cache: self.clone(), limits, idempotency_key: None }
    }
}

impl Archives {
    /// The same for one request, so that a repeat of what it stores returns the same entry.
    #[must_use]
    pub fn with_idempotency_key(self, idempotency_key: Option<IdempotencyKey>) -> Self {
        Self { idempotency_key, ..self }
    }

    /// Stores an archive without members.
    ///
    /// # Errors
    ///
    /// When the storage fails, or the settings of the namespace refuse the store.
    pub async fn create(&self, destination: ArchiveDestination) -> Result<StoredArchive, ArchiveError> {
        let archive = Archive::empty(&self.limits);
        self.put(destination, &archive, archive.to_bytes()?).await
    }

    /// Stores an archive byte for byte. Every member is verified first, and its name must not lead out of a folder.
    ///
    /// # Errors
    ///
    /// When the bytes are no sound archive within the limits, and as [`Archives::create`].
    pub async fn store(&self, destination: ArchiveDestination, bytes: Bytes) -> Result<StoredArchive, ArchiveError> {
        let archive = Archive::read(bytes.clone(), &self.limits)?;
        self.put(destination, &archive, bytes).await
    }

    /// An entry that is an archive; `None` when there is no such entry. Its members are not verified.
    ///
    /// # Errors
    ///
    /// When the entry is no archive within the limits, or the storage fails.
    pub async fn find(&self, selector: &Selector) -> Result<Option<ArchiveEntry>, ArchiveError> {
        let Some((entry, bytes)) = self.entry_bytes(selector).await? else { return Ok(None) };
        let directory = CentralDirectory::read(bytes.clone(), &self.limits)?;
        Ok(Some(ArchiveEntry { entry, bytes, directory }))
    }

    /// The content of a member, verified; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// As [`Archives::find`], and [`ArchiveError::NoMember`] or [`ArchiveError::Path`]; the member may be damaged.
    pub async fn member(&self, selector: &Selector, path: &str) -> Result<Option<Bytes>, ArchiveError> {
        let Some(entry) = self.find(selector).await? else { return Ok(None) };
        let name = resolve_member(path, entry.directory.member_name(path))?;
        let content = entry.directory.get(&name)?;
        content.ok_or_else(|| ArchiveError::NoMember(name.to_string())).map(Some)
    }

    /// Sets the content of a member, whether it exists or not, and tells its name; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// As [`Archives::find`] and [`Archives::create`], and when the edit is refused ([`EditError`]).
    pub async fn add(
        &self,
        selector: &Selector,
        path: &str,
        content: Bytes,
    ) -> Result<Option<Edited<MemberName>>, ArchiveError> {
        let add = |archive: &mut Archive| {
            let name = resolve_member(path, archive.member_name(path))?;
            archive.add(&name, content)?;
            Ok(name)
        };
        self.edit(selector, add).await
    }

    /// Removes a member and tells its name; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// As [`Archives::add`].
    pub async fn remove(&self, selector: &Selector, path: &str) -> Result<Option<Edited<MemberName>>, ArchiveError> {
        let remove = |archive: &mut Archive| {
            let name = resolve_member(path, archive.member_name(path))?;
            archive.remove(&name)?;
            Ok(name)
        };
        self.edit(selector, remove).await
    }

    /// Gives a member another name, which must be free, and tells that; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// As [`Archives::add`].
    pub async fn rename(
        &self,
        selector: &Selector,
        path: &str,
        new_path: &str,
    ) -> Result<Option<Edited<MemberName>>, ArchiveError> {
        let rename = |archive: &mut Archive| {
            let (from, to) = (archive.member_name(path), archive.member_name(new_path));
            let (from, to) = (resolve_member(path, from)?, resolve_member(new_path, to)?);
            archive.rename(&from, &to)?;
            Ok(to)
        };
        self.edit(selector, rename).await
    }

    /// Carries out a batch; `None` when there is no such entry. The outcome says whether the batch failed; that is not an error.
    ///
    /// # Errors
    ///
    /// When the entry holds no archive, and the batch no operation whose outcome could say so.
    pub async fn apply(&self, selector: &Selector, batch: Batch) -> Result<Option<Edited<BatchOutcome>>, ArchiveError> {
        let Some((entry, bytes)) = self.entry_bytes(selector).await? else { return Ok(None) };
        let size = bytes.len() as u64;
        match Archive::read_without_name_check(bytes, &self.limits) {
            Ok(archive) => self.change(&entry, archive, size, |archive| Ok(batch.apply(archive))).await.map(Some),
            Err(reason) if batch.is_empty() => Err(reason.into()),
            Err(reason) => {
                let (original, done) = (entry.cache_id, batch.fail_unreadable(&reason));
                Ok(Some(Edited { original, cache_id: original, members: 0, size: 0, done }))
            }
        }
    }

    async fn edit<T>(
        &self,
        selector: &Selector,
        change: impl FnOnce(&mut Archive) -> Result<T, ArchiveError>,
    ) -> Result<Option<Edited<T>>, ArchiveError> {
        let Some((entry, bytes)) = self.entry_bytes(selector).await? else { return Ok(None) };
        let size = bytes.len() as u64;
        let archive = Archive::read_without_name_check(bytes, &self.limits)?;
        self.change(&entry, archive, size, change).await.map(Some)
    }

    /// Changes the archive of an entry, which has `size` bytes, and stores the result as a new entry.
    async fn change<T>(
        &self,
        entry: &Entry,
        before: Archive,
        size: u64,
        change: impl FnOnce(&mut Archive) -> Result<T, ArchiveError>,
    ) -> Result<Edited<T>, ArchiveError> {
        let original = entry.cache_id;
        let mut archive = before.clone();
        let done = change(&mut archive)?;
        if archive == before {
            return Ok(Edited { original, cache_id: original, members: archive.len(), size, done });
        }
        let destination = ArchiveDestination { strategy: entry.strategy, cache_key: None, file_id: None };
        let StoredArchive { stored, members } = self.put(destination, &archive, archive.to_bytes()?).await?;
        let Entry { cache_id, content, .. } = stored.entry;
        Ok(Edited { original, cache_id, members, size: content.size, done })
    }

    /// Stores the bytes of an archive under the hash of its members.
    async fn put(
        &self,
        destination: ArchiveDestination,
        archive: &Archive,
        bytes: Bytes,
    ) -> Result<StoredArchive, ArchiveError> {
        let ArchiveDestination { strategy, cache_key, file_id } = destination;
        let idempotency_key = self.idempotency_key.clone();
        let content = Content::zip(bytes, archive.content_hash());
        let request = StoreRequest { cache_key, file_id, idempotency_key, ..StoreRequest::new(strategy, content) };
        Ok(StoredArchive { stored: self.cache.store(&request).await?, members: archive.len() })
    }

    /// An entry with its bytes, inflated when they were sent as gzip; `None` when there is no such entry.
    async fn entry_bytes(&self, selector: &Selector) -> Result<Option<(Entry, Bytes)>, ArchiveError> {
        let Some(Retrieved { entry, bytes }) = self.cache.retrieve(selector).await? else { return Ok(None) };
        let bytes = match entry.content.kind {
            kind @ (ContentKind::Json | ContentKind::String) => return Err(ArchiveError::NotBinary(kind)),
            ContentKind::Binary if entry.content.content_encoding.as_deref() == Some(GZIP) => {
                inflate(&bytes, self.limits.max_inflated_bytes).map_err(|error| match error {
                    InflateError::TooLarge { limit } => ArchiveError::Limit(InvalidArchive::TooLarge { limit }),
                    InflateError::BadStream(_) => Error::corrupt(entry.cache_id, error).into(),
                })?
            }
            ContentKind::Binary | ContentKind::Zip => bytes,
        };
        Ok(Some((entry, bytes)))
    }
}

/// The member that a path in a request names.
fn resolve_member(path: &str, resolved: Result<MemberName, InvalidName>) -> Result<MemberName, ArchiveError> {
    resolved.map_err(|reason| ArchiveError::Path { path: path.to_owned(), reason })
}

impl From<InvalidArchive> for ArchiveError {
    fn from(error: InvalidArchive) -> Self {
        match error {
            InvalidArchive::TooManyMembers { .. }
            | InvalidArchive::TooLarge { .. }
            | InvalidArchive::TooCompressed { .. } => Self::Limit(error),
            InvalidArchive::NotAZip
            | InvalidArchive::BrokenDirectory
            | InvalidArchive::Damaged { .. }
            | InvalidArchive::Overlap { .. }
            | InvalidArchive::Encrypted { .. }
            | InvalidArchive::UnknownMethod { .. }
            | InvalidArchive::UnsafeName { .. } => Self::Unsound(error),
        }
    }
}

impl From<EditError> for ArchiveError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound(name) => Self::NoMember(name),
            EditError::Limit(error) => error.into(),
            EditError::NameTaken(_) | EditError::IsFolder(_) => Self::Refused(error),
        }
    }
}
