//! Reading an archive: its central directory, and the content of one member.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use rawzip::extra_fields::ExtraFieldId;
use rawzip::{
    CompressionMethod, ErrorKind, ZipArchiveEntryWayfinder, ZipFileHeaderRecord, ZipLocator, ZipSliceArchive,
};

use super::compression::Decoder;
use super::names::{decode, unicode_path};
use super::{InvalidArchive, Limits, MemberName};
use crate::ids::InvalidName;

/// How far from its end an archive's last record can begin: 22 bytes of its own and the longest comment.
const MAX_END_BYTES: u64 = 22 + u16::MAX as u64;

/// The central directory of an archive. Content is unpacked only on request, so listing a large archive is cheap.
pub struct CentralDirectory {
    archive: ZipSliceArchive<Bytes>,
    members: BTreeMap<String, Packed>,
    /// Bytes of all contents, repeated names included, as the list says.
    declared_bytes: u64,
    limits: Limits,
}

/// A member as the central directory describes it.
struct Packed {
    location: ZipArchiveEntryWayfinder,
    raw_name: Vec<u8>,
    method: CompressionMethod,
    encrypted: bool,
}

impl CentralDirectory {
    /// Reads the list of members, and checks that it is whole, not too long, and that no two members share bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidArchive`]: the bytes are no archive, its list of members is damaged, or it is beyond the limits.
    pub fn read(bytes: Bytes, limits: &Limits) -> Result<Self, InvalidArchive> {
        let archive =
            ZipLocator::new().max_search_space(MAX_END_BYTES).locate_in_slice(bytes).map_err(|(_, err)| {
                match err.kind() {
                    ErrorKind::MissingEndOfCentralDirectory => InvalidArchive::NotAZip,
                    _ => InvalidArchive::BrokenDirectory,
                }
            })?;
        let mut listing = Listing { archive: &archive, members: BTreeMap::new(), spans: Vec::new(), declared_bytes: 0 };
        for entry in archive.entries() {
            if listing.spans.len() >= limits.max_entries {
                return Err(InvalidArchive::TooManyMembers { limit: limits.max_entries });
            }
            listing.add(&entry.map_err(|_| InvalidArchive::BrokenDirectory)?)?;
        }
        listing.check()?;
        let Listing { members, declared_bytes, .. } = listing;
        Ok(Self { archive, members, declared_bytes, limits: *limits })
    }

    /// The names of all members in order, folders included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Resolves a name in a request: the member with exactly this name when there is one, else the sanitized name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`]: no member has this name, and none could.
    pub fn member_name(&self, raw: &str) -> Result<MemberName, InvalidName> {
        MemberName::resolve(raw, |name| self.members.contains_key(name))
    }

    /// Unpacks and verifies the content of a member; `None` when there is no such member.
    ///
    /// # Errors
    ///
    /// [`InvalidArchive`]: the member is damaged, encrypted, packed by an unknown method, or beyond the limits.
    pub fn get(&self, name: &MemberName) -> Result<Option<Bytes>, InvalidArchive> {
        self.content(name.as_str())
    }

    pub(super) fn content(&self, name: &str) -> Result<Option<Bytes>, InvalidArchive> {
        self.members.get(name).map(|packed| self.unpack(name, packed)).transpose()
    }

    /// Checks what the archive says about the size of its contents.
    pub(super) fn check_size(&self) -> Result<(), InvalidArchive> {
        self.limits.check_size(self.declared_bytes, self.archive.get_ref().len())
    }

    fn unpack(&self, name: &str, packed: &Packed) -> Result<Bytes, InvalidArchive> {
        let member = || name.to_owned();
        let size = packed.location.uncompressed_size_hint();
        if size > self.limits.max_inflated_bytes {
            return Err(InvalidArchive::TooLarge { limit: self.limits.max_inflated_bytes });
        }
        if packed.encrypted {
            return Err(InvalidArchive::Encrypted { member: member() });
        }
        let entry =
            self.archive.get_entry(packed.location).map_err(|_| InvalidArchive::Damaged { member: member() })?;
        // Some readers take the name from the central directory, others from the local header: both must be the same.
        if entry.local_header().file_path().as_bytes() != packed.raw_name {
            return Err(InvalidArchive::Damaged { member: member() });
        }
        let method = packed.method;
        let decoder = match Decoder::new(method, entry.data(), size) {
            Some(decoder) => decoder.map_err(|_| InvalidArchive::Damaged { member: member() })?,
            None => return Err(InvalidArchive::UnknownMethod { member: member(), method: method.to_string() }),
        };
        let content = read_verified(entry.verifying_reader(decoder), size);
        content.map(Bytes::from).map_err(|_| InvalidArchive::Damaged { member: member() })
    }
}

impl fmt::Debug for CentralDirectory {
    /// The names only, since the bytes would make messages unreadable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Reads to the end, which makes the reader verify checksum and size, but never more than one byte beyond `size`.
fn read_verified(reader: impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    reader.take(size.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}

/// The name of a member as Python 3.12 reads it: that of the last usable Unicode path field, else the raw name.
fn name(entry: &ZipFileHeaderRecord<'_>) -> Result<String, InvalidArchive> {
    let raw_name = entry.file_path();
    let mut name = decode(raw_name.as_bytes(), entry.flags().is_utf8()).ok_or(InvalidArchive::BrokenDirectory)?;
    for (_, field) in entry.extra_fields().filter(|(id, _)| *id == ExtraFieldId::INFO_ZIP_UNICODE_PATH) {
        if let Some(path) = unicode_path(field, raw_name.as_bytes()).map_err(|_| InvalidArchive::BrokenDirectory)? {
            name = path;
        }
    }
    Ok(name)
}

/// A list of members while it is read.
struct Listing<'a> {
    archive: &'a ZipSliceArchive<Bytes>,
    members: BTreeMap<String, Packed>,
    /// First and last byte (exclusive) of each entry, with its name.
    spans: Vec<(u64, u64, String)>,
    declared_bytes: u64,
}

impl Listing<'_> {
    fn add(&mut self, entry: &ZipFileHeaderRecord<'_>) -> Result<(), InvalidArchive> {
        let raw_name = entry.file_path().as_bytes().to_vec();
        let name = name(entry)?;
        let location = entry.wayfinder();
        let Ok(local) = self.archive.get_entry(location) else {
            return Err(InvalidArchive::Damaged { member: name });
        };
        let (_, end) = local.compressed_data_range();
        self.spans.push((entry.local_header_offset(), end, name.clone()));
        self.declared_bytes = self.declared_bytes.saturating_add(location.uncompressed_size_hint());
        let encrypted = entry.flags().is_encrypted();
        self.members.insert(name, Packed { location, raw_name, method: entry.compression_method(), encrypted });
        Ok(())
    }

    fn check(&mut self) -> Result<(), InvalidArchive> {
        if self.spans.len() as u64 != self.archive.entries_hint() {
            return Err(InvalidArchive::BrokenDirectory);
        }
        self.spans.sort_unstable();
        match self.spans.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            Some(pair) => Err(InvalidArchive::Overlap { member: pair[1].2.clone() }),
            None => Ok(()),
        }
    }
}
