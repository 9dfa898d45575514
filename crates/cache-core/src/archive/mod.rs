//! Reading, editing and writing ZIP archives in memory.
//!
//! | module | holds |
//! |---|---|
//! | [`names`] | [`MemberName`], and which names of uploaded members are safe |
//! | [`directory`] | [`CentralDirectory`]: the list of members, and the content of one |
//! | [`editing`] | add, remove, rename |
//! | [`batch`] | several edits in one request, atomic by default |
//! | [`glob`] | glob patterns for member names |
//! | `compression` | the methods that members can be compressed by |
//! | `writing` | the bytes of an archive |
//!
//! Rules for all of them:
//!
//! - [`Archive::read`] is for an archive that is about to be stored: every member must be valid and every name safe.
//! - [`Archive::read_without_name_check`] and [`CentralDirectory::read`] are for an archive in the store, which may come from
//!   the Python service. Members with unsafe names can be listed and read, since nothing is unpacked to files. The archive
//!   can be written again once such members are removed or renamed.
//! - Of several members with the same name, the last one counts.
//! - Equal members make equal bytes, whatever their history: the date is 1980-01-01, the names are sorted, the permissions
//!   fixed, the contents deflated at one level. Dates, permissions and comments of an edited archive are not kept.

pub mod batch;
mod compression;
pub mod directory;
pub mod editing;
pub mod error;
pub mod glob;
pub mod names;
mod writing;

#[cfg(test)]
mod malicious_archives;

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::ids::{CacheHash, InvalidName};

pub use directory::CentralDirectory;
pub use error::{EditError, InvalidArchive};
pub use names::MemberName;

/// What an archive may take, so that a small one cannot fill the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most members, folders and repeated names included.
    pub max_entries: usize,
    /// Most content of all members together, in bytes.
    pub max_inflated_bytes: u64,
    /// How many times larger than the archive its content may be. The first [`Limits::FREE_BYTES`] do not count.
    pub max_ratio: u64,
}

impl Limits {
    /// Content up to this size, in bytes, is allowed at any ratio.
    pub const FREE_BYTES: u64 = 1 << 20;

    /// Checks the size of the content against the size of the archive that holds it, both in bytes.
    fn check_size(&self, inflated: u64, packed: usize) -> Result<(), InvalidArchive> {
        if inflated > self.max_inflated_bytes {
            return Err(InvalidArchive::TooLarge { limit: self.max_inflated_bytes });
        }
        let packed = u64::try_from(packed).unwrap_or(u64::MAX);
        if inflated > packed.saturating_mul(self.max_ratio).saturating_add(Self::FREE_BYTES) {
            return Err(InvalidArchive::TooCompressed { limit: self.max_ratio });
        }
        Ok(())
    }
}

impl Default for Limits {
    /// 20,000 members: an archive of 10,000, which we promise to take, can still grow. 64 MiB of content: as much as a gzip
    /// body may inflate to. 200 to 1: text rarely exceeds 50, a bomb of plain deflate reaches 1,032.
    fn default() -> Self {
        Self { max_entries: 20_000, max_inflated_bytes: 64 << 20, max_ratio: 200 }
    }
}

/// An archive in memory: the content of each member under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// `str` compares by UTF-8 bytes, which is the order of the code points that the hash needs.
    members: BTreeMap<String, Bytes>,
    /// Bytes of all contents.
    inflated: u64,
    limits: Limits,
}

impl Archive {
    /// An archive without members. Its [`to_bytes`](Self::to_bytes) are the 22 bytes of the record that ends every archive.
    pub fn empty(limits: &Limits) -> Self {
        Self { members: BTreeMap::new(), inflated: 0, limits: *limits }
    }

    /// Reads an archive to store it. Unpacks and verifies every member; every name must be safe.
    ///
    /// # Errors
    ///
    /// [`InvalidArchive`]: it or one of its members is damaged, unsupported, or exceeds a limit, or a name is unsafe.
    pub fn read(bytes: Bytes, limits: &Limits) -> Result<Self, InvalidArchive> {
        let archive = Self::read_without_name_check(bytes, limits)?;
        archive.check_names()?;
        Ok(archive)
    }

    /// Reads an archive from the store to edit it. Its names may be unsafe.
    ///
    /// # Errors
    ///
    /// The archive or one of its members is damaged, unsupported, or exceeds a limit.
    pub fn read_without_name_check(bytes: Bytes, limits: &Limits) -> Result<Self, InvalidArchive> {
        let directory = CentralDirectory::read(bytes, limits)?;
        directory.check_size()?;
        let mut archive = Self::empty(limits);
        for name in directory.names() {
            if let Some(content) = directory.content(name)? {
                archive.put(name, content)?;
            }
        }
        Ok(archive)
    }

    /// The names of all members in order, folders included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// How many members there are, folders included.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Resolves a name in a request: the member with exactly this name when there is one, else the sanitized name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`]: there is no member of this name, and sanitizing makes none of it.
    pub fn member_name(&self, raw: &str) -> Result<MemberName, InvalidName> {
        MemberName::resolve(raw, |name| self.members.contains_key(name))
    }

    /// The content of a member.
    pub fn get(&self, name: &MemberName) -> Option<&Bytes> {
        self.members.get(name.as_str())
    }

    /// The hash of the content: SHA-256 over name, 0x00, content, 0x00 of each member in the order of their names. How the
    /// members are packed has no influence.
    pub fn content_hash(&self) -> CacheHash {
        let mut hasher = Sha256::new();
        for (name, content) in &self.members {
            hasher.update(name);
            hasher.update([0]);
            hasher.update(content);
            hasher.update([0]);
        }
        CacheHash::from_digest(&hasher.finalize())
    }

    /// The archive as a ZIP file. Equal archives make equal bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidArchive`]: a name is unsafe, there are more than 65,535 members or 4 GiB, or the contents pack so well that the file
    /// could not be read again under the limits.
    pub fn to_bytes(&self) -> Result<Bytes, InvalidArchive> {
        self.check_names()?;
        let bytes = writing::write(&self.members)?;
        self.limits.check_size(self.inflated, bytes.len())?;
        Ok(bytes.into())
    }

    fn check_names(&self) -> Result<(), InvalidArchive> {
        self.names().try_for_each(|name| {
            names::check_safe(name).map_err(|reason| InvalidArchive::UnsafeName { member: name.to_owned(), reason })
        })
    }

    /// Sets a member's content within the limits and returns what it was before.
    fn put(&mut self, name: &str, content: Bytes) -> Result<Option<Bytes>, InvalidArchive> {
        let replaced = self.members.get(name).map(Bytes::len);
        if replaced.is_none() && self.members.len() >= self.limits.max_entries {
            return Err(InvalidArchive::TooManyMembers { limit: self.limits.max_entries });
        }
        let inflated = self.inflated - replaced.unwrap_or(0) as u64 + content.len() as u64;
        if inflated > self.limits.max_inflated_bytes {
            return Err(InvalidArchive::TooLarge { limit: self.limits.max_inflated_bytes });
        }
        self.inflated = inflated;
        Ok(self.members.insert(name.to_owned(), content))
    }

    /// Takes a member out and returns its content.
    fn take(&mut self, name: &str) -> Option<Bytes> {
        let content = self.members.remove(name)?;
        self.inflated -= content.len() as u64;
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    fn archive(members: &[(&str, &str)]) -> Archive {
        let mut archive = Archive::empty(&Limits::default());
        for (name, content) in members {
            archive.put(name, Bytes::copy_from_slice(content.as_bytes())).unwrap();
        }
        archive
    }

    #[test]
    fn the_content_hash_is_the_python_services() {
        check_hash(&[("b.txt", "B"), ("a.txt", "A"), ("d/é.txt", "x")], "9c3b24d8f6bb8dae");
        check_hash(&[("d/", ""), ("d/a", "1")], "e6f2df7b341763fe");
        check_hash(&[], "e3b0c44298fc1c14");
    }

    fn check_hash(members: &[(&str, &str)], hash: &str) {
        assert_eq!(archive(members).content_hash().as_str(), hash);
    }

    /// Written by CPython's zipfile: `b.txt` twice (`old`, then `B`, deflated), `a.txt` (`A`, stored), `d/é.txt` (`x`).
    const FROM_PYTHON: &[u8] = include_bytes!("golden/python-zipfile.zip");

    #[test]
    fn an_archive_that_python_wrote_has_the_hash_of_its_last_members() {
        let archive = Archive::read(FROM_PYTHON.into(), &Limits::default()).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["a.txt", "b.txt", "d/é.txt"]);
        assert_eq!(archive.content_hash().as_str(), "9c3b24d8f6bb8dae");
    }

    /// Written by CPython 3.12's zipfile with the same members: `text.txt`, `noise.bin`, `empty` and `d/one`.
    const BZIP2_AND_LZMA: [&[u8]; 2] =
        [include_bytes!("golden/python-bzip2.zip"), include_bytes!("golden/python-lzma.zip")];

    #[test]
    fn bzip2_and_lzma_are_read_and_written_as_deflate() {
        for packed in BZIP2_AND_LZMA {
            let archive = Archive::read(packed.into(), &Limits::default()).unwrap();
            assert_eq!(archive.names().collect::<Vec<_>>(), ["d/one", "empty", "noise.bin", "text.txt"]);
            assert_eq!(archive.content_hash().as_str(), "75fe2f07db2ea054");
            assert_eq!(Archive::read(archive.to_bytes().unwrap(), &Limits::default()).unwrap(), archive);
        }
    }

    /// The raw name is in GBK; the Unicode path field has the name, and the CRC of the raw name.
    const UNICODE_PATH: &[u8] = include_bytes!("golden/unicode-path.zip");

    #[test]
    fn a_member_has_the_name_of_its_unicode_path_field() {
        let archive = Archive::read(UNICODE_PATH.into(), &Limits::default()).unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["七个房间.txt"]);
        assert_eq!(archive.content_hash().as_str(), "5dc916b40a31024d");
    }

    #[test]
    fn a_unicode_path_that_escapes_is_refused() {
        let mut archive = UNICODE_PATH.to_vec();
        let path = archive.windows(6).rposition(|bytes| bytes == "七个".as_bytes()).unwrap();
        archive[path..path + 3].copy_from_slice(b"../");
        let refused = Archive::read(archive.into(), &Limits::default());
        assert!(matches!(refused, Err(InvalidArchive::UnsafeName { .. })), "{refused:?}");
    }

    #[test]
    fn an_empty_archive_has_22_bytes_and_can_be_read() {
        let bytes = archive(&[]).to_bytes().unwrap();
        assert_eq!(bytes.len(), 22);
        assert!(Archive::read(bytes, &Limits::default()).unwrap().is_empty());
    }

    #[test]
    fn ten_thousand_members_are_taken() {
        let mut many = archive(&[]);
        for index in 0..10_000 {
            many.put(&format!("{index}.txt"), Bytes::from_static(b"x")).unwrap();
        }
        let read = Archive::read(many.to_bytes().unwrap(), &Limits::default()).unwrap();
        assert_eq!(read, many);
    }

    #[test]
    fn an_unsafe_name_is_read_but_never_written() {
        let unsafe_archive = writing::write(&BTreeMap::from([("../x".to_owned(), Bytes::new())])).unwrap();
        let unsafe_name =
            InvalidArchive::UnsafeName { member: "../x".to_owned(), reason: names::UnsafeName::ParentFolder };
        let archive = Archive::read_without_name_check(unsafe_archive.clone().into(), &Limits::default()).unwrap();
        assert_eq!(archive.to_bytes(), Err(unsafe_name.clone()));
        assert_eq!(Archive::read(unsafe_archive.into(), &Limits::default()), Err(unsafe_name));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_written_again_alike(
            members in btree_map("[a-c/é:]{1,6}".prop_filter("safe", |n| names::check_safe(n).is_ok()), any::<Vec<u8>>(), 0..8),
        ) {
            let mut archive = archive(&[]);
            for (name, content) in &members {
                archive.put(name, content.clone().into()).unwrap();
            }
            let bytes = archive.to_bytes().unwrap();
            let read = Archive::read(bytes.clone(), &Limits::default()).unwrap();
            prop_assert_eq!(read.to_bytes().unwrap(), bytes);
            prop_assert_eq!(read, archive);
        }

        #[test]
        fn cut_or_altered_bytes_never_panic(
            archive in select(vec![FROM_PYTHON, BZIP2_AND_LZMA[0], BZIP2_AND_LZMA[1], UNICODE_PATH]),
            cut: Index,
            offset: Index,
            byte: u8,
        ) {
            prop_assert!(Archive::read(archive[..cut.index(archive.len())].into(), &Limits::default()).is_err());
            let mut altered = archive.to_vec();
            altered[offset.index(archive.len())] = byte;
            let _ = Archive::read(altered.into(), &Limits::default());
        }
    }
}
