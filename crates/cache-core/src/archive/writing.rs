//! The bytes of an archive, after PKWARE's APPNOTE 6.3.10.
//!
//! | record | bytes |
//! |---|---|
//! | each member | `PK\3\4`, the shared fields, name, packed content |
//! | each member again | `PK\1\2`, version made by, the shared fields, comment length, disk, attributes, offset of the first record, name |
//! | end | `PK\5\6`, disks, number of members (twice), size and offset of the list above, comment length |
//!
//! Why not a library: equal members must give equal bytes, so that an edit whose result is already stored is deduplicated,
//! and every name must stay as it is. (The writer of `rawzip`, which we read
//! with, normalises names.)

use std::collections::BTreeMap;
use std::io::Write;
use std::num::TryFromIntError;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::InvalidArchive;

/// What deflate and zlib call their default.
const DEFLATE_LEVEL: u32 = 6;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Version 2.0: folders and deflate. As version made by, the upper byte says that the attributes are those of Unix.
const VERSION: u16 = 20;
const VERSION_MADE_BY: u16 = 3 << 8 | VERSION;
const UTF_8_NAME: u16 = 1 << 11;
/// 1980-01-01, the first day that the format can express, at 00:00.
const DATE: u16 = 1 << 5 | 1;
const TIME: u16 = 0;
/// `-rw-r--r--`, and `drwxr-xr-x` with the bit by which MS-DOS knows a folder.
const FILE_ATTRIBUTES: u32 = 0o100_644 << 16;
const FOLDER_ATTRIBUTES: u32 = 0o040_755 << 16 | 0x10;

/// Writes an archive of these members, in their order.
///
/// Fails when the archive would have more than 65,535 members or 4 GiB, for which the format needs an extension.
pub(super) fn write(members: &BTreeMap<String, Bytes>) -> Result<Vec<u8>, InvalidArchive> {
    let count =
        u16::try_from(members.len()).map_err(|_| InvalidArchive::TooManyMembers { limit: usize::from(u16::MAX) })?;
    write_counted(members, count).map_err(|_| InvalidArchive::TooLarge { limit: u64::from(u32::MAX) })
}

fn write_counted(members: &BTreeMap<String, Bytes>, count: u16) -> Result<Vec<u8>, TryFromIntError> {
    let mut archive = Vec::new();
    let mut list = Vec::new();
    for (name, content) in members {
        let offset = u32::try_from(archive.len())?;
        let (method, packed) = pack(content);
        let shared = shared_fields(name, content, method, packed.len())?;
        archive.extend(b"PK\x03\x04");
        archive.extend(&shared);
        archive.extend(name.as_bytes());
        archive.extend(&packed);
        list.extend(b"PK\x01\x02");
        list.extend(VERSION_MADE_BY.to_le_bytes());
        list.extend(&shared);
        list.extend([0; 6]);
        list.extend(if name.ends_with('/') { FOLDER_ATTRIBUTES } else { FILE_ATTRIBUTES }.to_le_bytes());
        list.extend(offset.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let list_offset = u32::try_from(archive.len())?;
    archive.extend(&list);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    archive.extend([u32::try_from(list.len())?.to_le_bytes(), list_offset.to_le_bytes()].concat());
    archive.extend([0; 2]);
    Ok(archive)
}

/// The 26 bytes that both records of a member have in common.
fn shared_fields(name: &str, content: &[u8], method: u16, packed: usize) -> Result<Vec<u8>, TryFromIntError> {
    let flags = if name.is_ascii() { 0 } else { UTF_8_NAME };
    let mut crc = Crc::new();
    crc.update(content);
    let mut fields = Vec::with_capacity(26);
    for field in [VERSION, flags, method, TIME, DATE] {
        fields.extend(field.to_le_bytes());
    }
    for field in [crc.sum(), u32::try_from(packed)?, u32::try_from(content.len())?] {
        fields.extend(field.to_le_bytes());
    }
    fields.extend(u16::try_from(name.len())?.to_le_bytes());
    fields.extend(0_u16.to_le_bytes());
    Ok(fields)
}

/// Deflates a content, or leaves it as it is when that is not longer.
fn pack(content: &Bytes) -> (u16, Bytes) {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(DEFLATE_LEVEL));
    let deflated = encoder.write_all(content).and_then(|()| encoder.finish()).expect("a Vec takes every write");
    if deflated.len() < content.len() { (DEFLATED, deflated.into()) } else { (STORED, content.clone()) }
}
