//! One state of the archive: the open file, and the index of its members.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::{Bound, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::storage::{ListPage, ListRequest, ListedObject, Object, ObjectHead, ObjectKey, Version};
use cache_core::time::UnixMillis;

use super::error::ZipError;
use super::packed::{STORED, unpack};
use crate::list_page::list_index;
use crate::read_cached::read_cached;
use crate::slice::{clamp, slice_object};
use crate::store_file::FileIdentity;

/// Unpacking more bytes than this takes longer than a hop to the blocking pool.
const MAX_CACHED_BYTES: u32 = 16 * 1024;

/// A file that never changes, and where its members are.
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) file: File,
    identity: FileIdentity,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    pub(super) next_version: u64,
}

/// Where an object is in the archive, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) version: u64,
    pub(super) modified: UnixMillis,
    /// Offset of the record that precedes the content.
    pub(super) start: u32,
    /// Offset of the packed content.
    pub(super) content: u32,
    /// Size of the packed content, in bytes.
    pub(super) packed: u32,
    /// Size of the unpacked content, in bytes.
    pub(super) size: u32,
    pub(super) method: u16,
    pub(super) crc: u32,
}

impl Member {
    pub(super) fn version(&self) -> Version {
        Version::new(self.version.to_string())
    }

    pub(super) fn end(&self) -> u64 {
        u64::from(self.content) + u64::from(self.packed)
    }

    pub(super) fn head(&self) -> ObjectHead {
        let (size, version) = (u64::from(self.size), self.version());
        ObjectHead { size, version, sha256: None, modified: self.modified }
    }

    fn listed(&self, key: &str) -> ListedObject {
        let ObjectHead { size, version, modified, .. } = self.head();
        ListedObject { key: key.to_owned(), size, version, modified }
    }
}

impl Archive {
    pub(super) fn new(
        path: &Path,
        file: File,
        members: BTreeMap<Arc<str>, Member>,
        next_version: u64,
    ) -> Result<Self, ZipError> {
        let identity = FileIdentity::of(&file.metadata()?);
        Ok(Self { path: path.to_owned(), identity, file, members, next_version })
    }

    pub(super) fn member(&self, key: &ObjectKey) -> Option<&Member> {
        self.members.get(key.as_str())
    }

    /// A small object or a range of it, if no disk access is needed to read it.
    pub(super) fn read_cached(
        &self,
        key: &ObjectKey,
        member: &Member,
        range: Option<&Range<u64>>,
    ) -> Option<Result<Object, ZipError>> {
        if member.packed.max(member.size) > MAX_CACHED_BYTES {
            return None;
        }
        let packed = read_cached(&self.file, u64::from(member.content), member.packed as usize)?;
        let content = unpack(packed, member.method, member.size, member.crc);
        let content = content.map_err(|_| ZipError::Damaged(key.to_string()));
        Some(content.map(|content| slice_object(content.into(), member.version(), range)))
    }

    /// Reads an object or a range of it. The file is this state forever, even if it has no name any more.
    pub(super) fn read(
        &self,
        key: &ObjectKey,
        member: &Member,
        range: Option<&Range<u64>>,
    ) -> Result<Object, ZipError> {
        if let (Some(range), STORED) = (range, member.method) {
            let (size, version) = (u64::from(member.size), member.version());
            let range = clamp(range, size);
            let mut bytes = vec![0; (range.end - range.start) as usize];
            self.file.read_exact_at(&mut bytes, u64::from(member.content) + range.start)?;
            return Ok(Object { bytes: bytes.into(), size, version });
        }
        let content = self.content(member)?.map_err(|_| ZipError::Damaged(key.to_string()))?;
        Ok(slice_object(content.into(), member.version(), range))
    }

    /// The content of a member; an inner error if it is damaged.
    pub(super) fn content(&self, member: &Member) -> Result<io::Result<Vec<u8>>, ZipError> {
        let mut packed = vec![0; member.packed as usize];
        match self.file.read_exact_at(&mut packed, u64::from(member.content)) {
            // The archive ends in the middle of it.
            Err(err) if err.kind() == ErrorKind::UnexpectedEof => return Ok(Err(err)),
            read => read?,
        }
        Ok(unpack(packed, member.method, member.size, member.crc))
    }

    pub(super) fn list(&self, request: &ListRequest) -> ListPage {
        let listed = list_index(request, |from, visit| {
            for (key, member) in self.members.range::<str, _>((Bound::Included(from), Bound::Unbounded)) {
                if visit(member.listed(key)).is_break() {
                    break;
                }
            }
            Ok::<_, Infallible>(())
        });
        let Ok(page) = listed;
        page
    }

    /// Checks that the path still leads to this file.
    pub(super) fn check(&self) -> Result<(), ZipError> {
        if self.identity.is_at(&self.path) { Ok(()) } else { Err(ZipError::Gone(self.path.clone())) }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("path", &self.path)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
