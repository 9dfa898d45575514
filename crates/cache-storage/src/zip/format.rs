//! The records of an archive, after PKWARE's APPNOTE 6.3.10.
//!
//! | record | bytes |
//! |---|---|
//! | each member | `PK\3\4`, the shared fields, name, packed content |
//! | each member again | `PK\1\2`, version made by, the shared fields, comment length, disk, attributes, offset of the first record, name, extra fields |
//! | end | `PK\6\6` and `PK\6\7` if there are more than 65,534 members; `PK\5\6`, counts, size and offset of the list, comment |
//!
//! The extra fields are `UT` (the time, which `unzip -l` shows) and ours: version and time in milliseconds. The comment is
//! `mgraph-cache store, format 1, next version N`.
//!
//! Why not a library: unchanged members are copied in runs of many, without looking at them. The writers of `rawzip` and
//! `zip` copy one member at a time, and read its record again for that.

use std::fmt::Write;

use super::archive::Member;

/// The format of the store in an archive.
pub(super) const FORMAT: u32 = 1;
const COMMENT: &str = "mgraph-cache store, format ";
const NEXT_VERSION: &str = ", next version ";

/// `mg`: the field with version and time.
pub(super) const OWN_FIELD: u16 = u16::from_le_bytes(*b"mg");
const TIME_FIELD: u16 = u16::from_le_bytes(*b"UT");

/// Bytes of a member's record without its name.
pub(super) const LOCAL_BYTES: u64 = 30;
/// Bytes of a member's record in the list without its name.
const LISTED_BYTES: u64 = 46 + EXTRA_BYTES as u64;
const EXTRA_BYTES: u16 = 4 + 16 + 4 + 5;
/// The most that the end can have: the three records and the comment.
pub(super) const MAX_END_BYTES: u64 = 56 + 20 + 22 + 100;

const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
/// The upper byte says that the attributes are those of Unix.
const MADE_BY_UNIX: u16 = 3 << 8;
const UTF_8_NAME: u16 = 1 << 11;
/// 1980-01-01, the first day that this field can express. The extra fields have the time.
const DATE: u16 = 1 << 5 | 1;
/// `-rw-------`
const ATTRIBUTES: u32 = 0o100_600 << 16;
const MAX_COUNT: usize = u16::MAX as usize - 1;

/// What a member takes in the archive altogether, in bytes.
pub(super) fn bytes_of(name: &str, packed: u64) -> u64 {
    LOCAL_BYTES + LISTED_BYTES + 2 * name.len() as u64 + packed
}

/// The record before a content.
pub(super) fn local(name: &str, member: &Member) -> Vec<u8> {
    let mut record = b"PK\x03\x04".to_vec();
    shared(&mut record, name, member, 0);
    record.extend(name.as_bytes());
    record
}

/// The list of all members, and the end.
pub(super) fn list_and_end<'a>(
    members: impl ExactSizeIterator<Item = (&'a str, &'a Member)>,
    offset: u64,
    next_version: u64,
) -> Vec<u8> {
    let count = members.len();
    let mut records = Vec::with_capacity(count * 160);
    for (name, member) in members {
        records.extend(b"PK\x01\x02");
        records.extend((MADE_BY_UNIX | VERSION).to_le_bytes());
        shared(&mut records, name, member, EXTRA_BYTES);
        // Length of a comment, disk, internal attributes.
        records.extend([0; 6]);
        records.extend(ATTRIBUTES.to_le_bytes());
        records.extend(member.start.to_le_bytes());
        records.extend(name.as_bytes());
        extra(&mut records, member);
    }
    let size = records.len() as u64;
    end(&mut records, count, size, offset, next_version);
    records
}

/// The 26 bytes that both records of a member have in common.
fn shared(record: &mut Vec<u8>, name: &str, member: &Member, extra: u16) {
    let flags = if name.is_ascii() { 0 } else { UTF_8_NAME };
    for field in [VERSION, flags, member.method, 0, DATE] {
        record.extend(field.to_le_bytes());
    }
    for field in [member.crc, member.packed, member.size] {
        record.extend(field.to_le_bytes());
    }
    // A key has at most 1,024 bytes.
    record.extend((name.len() as u16).to_le_bytes());
    record.extend(extra.to_le_bytes());
}

fn extra(record: &mut Vec<u8>, member: &Member) {
    record.extend([OWN_FIELD.to_le_bytes(), 16_u16.to_le_bytes()].concat());
    record.extend([member.version.to_le_bytes(), member.modified.get().to_le_bytes()].concat());
    record.extend([TIME_FIELD.to_le_bytes(), 5_u16.to_le_bytes()].concat());
    // The field has a modification time.
    record.push(1);
    let seconds = u32::try_from(member.modified.get() / 1_000).unwrap_or(u32::MAX);
    record.extend(seconds.to_le_bytes());
}

fn end(records: &mut Vec<u8>, count: usize, size: u64, offset: u64, next_version: u64) {
    if count > MAX_COUNT {
        let (position, count) = (offset + size, count as u64);
        records.extend(b"PK\x06\x06");
        records.extend(44_u64.to_le_bytes());
        records.extend([(MADE_BY_UNIX | VERSION_64).to_le_bytes(), VERSION_64.to_le_bytes()].concat());
        records.extend([0; 8]);
        for field in [count, count, size, offset] {
            records.extend(field.to_le_bytes());
        }
        records.extend(b"PK\x06\x07\0\0\0\0");
        records.extend(position.to_le_bytes());
        records.extend(1_u32.to_le_bytes());
    }
    let count = if count > MAX_COUNT { u16::MAX } else { count as u16 };
    let comment = comment(next_version);
    records.extend(b"PK\x05\x06\0\0\0\0");
    records.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    // The archive is below 4 GiB: `super::MAX_BYTES`.
    records.extend([(size as u32).to_le_bytes(), (offset as u32).to_le_bytes()].concat());
    records.extend((comment.len() as u16).to_le_bytes());
    records.extend(comment.as_bytes());
}

fn comment(next_version: u64) -> String {
    let mut comment = format!("{COMMENT}{FORMAT}");
    // Writing to a string cannot fail.
    let _ = write!(comment, "{NEXT_VERSION}{next_version}");
    comment
}

/// The format and the next version in a comment; `None` if it is not ours.
pub(super) fn parse_comment(comment: &str) -> Option<(u32, u64)> {
    let (format, next_version) = comment.trim().strip_prefix(COMMENT)?.split_once(NEXT_VERSION)?;
    Some((format.parse().ok()?, next_version.parse().ok()?))
}

/// Version and time in our extra field.
pub(super) fn parse_own_field(field: &[u8]) -> Option<(u64, u64)> {
    let (version, modified) = field.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*version), u64::from_le_bytes(modified.try_into().ok()?)))
}
