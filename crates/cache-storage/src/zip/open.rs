//! Reading the archive when it is opened: the index, and whether every member is whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use cache_core::storage::ObjectKey;
use cache_core::time::UnixMillis;
use rawzip::extra_fields::ExtraFieldId;
use rawzip::{FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder};

use super::archive::{Archive, Member};
use super::error::ZipError;
use super::format::{FORMAT, OWN_FIELD, parse_comment, parse_own_field};
use super::lock::beside;

/// How many damaged members are named.
const MAX_NAMED: usize = 5;
/// A record's fixed part, the longest name, and what another program may have added.
const LOCAL_BUFFER_BYTES: usize = 128 << 10;

/// Opens the archive and reads all of it.
///
/// # Errors
///
/// It is not ours, or damaged. [`ErrorKind::NotFound`] if there is none.
pub(super) fn open(path: &Path) -> Result<Archive, ZipError> {
    // What a killed process was writing.
    match fs::remove_file(beside(path, super::writer::UNFINISHED)) {
        Err(err) if err.kind() != ErrorKind::NotFound => return Err(err.into()),
        _ => {}
    }
    let file = File::open(path)?;
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let zip = ZipArchive::from_file(file.try_clone()?, &mut buffer).map_err(unreadable)?;
    let next_version = next_version(&zip)?;
    let members = members(&zip, &mut buffer)?;
    let archive = Archive::new(path, file, members, next_version)?;
    check_overlaps(&archive)?;
    check_contents(&archive)?;
    Ok(archive)
}

fn next_version(zip: &ZipArchive<FileReader>) -> Result<u64, ZipError> {
    let mut comment = String::new();
    // A comment that is no text is not ours.
    drop(zip.comment().read_to_string(&mut comment));
    match parse_comment(&comment) {
        Some((FORMAT, next_version)) => Ok(next_version),
        Some((format, _)) => Err(ZipError::Newer { found: format, known: FORMAT }),
        None => Err(ZipError::Foreign),
    }
}

/// A member as the list describes it.
struct Listed {
    name: Arc<str>,
    location: ZipArchiveEntryWayfinder,
    member: Member,
}

fn members(zip: &ZipArchive<FileReader>, buffer: &mut [u8]) -> Result<BTreeMap<Arc<str>, Member>, ZipError> {
    let listed = listed(zip, buffer)?;
    if listed.len() as u64 != zip.entries_hint() {
        return Err(ZipError::NotAnArchive("the number of members is wrong".to_owned()));
    }
    let mut members = BTreeMap::new();
    let mut damaged = Vec::new();
    let mut buffer = vec![0; LOCAL_BUFFER_BYTES];
    for Listed { name, location, mut member } in listed {
        match content_offset(zip, location, &name, &mut buffer) {
            Ok(offset) => member.content = offset,
            Err(_) => damaged.push(name.clone()),
        }
        if members.insert(name.clone(), member).is_some() {
            return Err(ZipError::ForeignMember(name.to_string()));
        }
    }
    report(damaged)?;
    Ok(members)
}

fn listed(zip: &ZipArchive<FileReader>, buffer: &mut [u8]) -> Result<Vec<Listed>, ZipError> {
    let mut listed = Vec::new();
    let mut entries = zip.entries(buffer);
    while let Some(entry) = entries.next_entry().map_err(unreadable)? {
        let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        let own = entry.extra_fields().find(|(id, _)| *id == ExtraFieldId::new(OWN_FIELD));
        let own = own.and_then(|(_, field)| parse_own_field(field));
        let (Some((version, modified)), Ok(_)) = (own, name.parse::<ObjectKey>()) else {
            return Err(ZipError::ForeignMember(name));
        };
        let location = entry.wayfinder();
        let fields = (
            u32::try_from(entry.local_header_offset()),
            u32::try_from(location.compressed_size_hint()),
            u32::try_from(location.uncompressed_size_hint()),
        );
        let (Ok(start), Ok(packed), Ok(size)) = fields else { return Err(ZipError::Damaged(name)) };
        let (method, crc) = (entry.compression_method().as_u16(), entry.crc32());
        let member =
            Member { version, modified: UnixMillis::new(modified), start, content: 0, packed, size, method, crc };
        listed.push(Listed { name: name.into(), location, member });
    }
    Ok(listed)
}

/// Where the content begins, after a record that has the same name as the list.
fn content_offset(
    zip: &ZipArchive<FileReader>,
    location: ZipArchiveEntryWayfinder,
    name: &str,
    buffer: &mut [u8],
) -> io::Result<u32> {
    let entry = zip.get_entry(location).map_err(io::Error::other)?;
    let local = entry.local_header(buffer).map_err(io::Error::other)?;
    if local.file_path().as_bytes() != name.as_bytes() {
        return Err(io::Error::other("another name"));
    }
    u32::try_from(entry.compressed_data_range().0).map_err(io::Error::other)
}

/// Members that share bytes could not be copied in runs.
fn check_overlaps(archive: &Archive) -> Result<(), ZipError> {
    let mut spans: Vec<_> = archive.members.iter().map(|(name, member)| (member.start, member.end(), name)).collect();
    spans.sort_unstable();
    let overlapping = spans.windows(2).filter(|pair| pair[0].1 > u64::from(pair[1].0));
    report(overlapping.map(|pair| pair[1].2.clone()).collect())
}

/// Unpacks every member, on all processors.
fn check_contents(archive: &Archive) -> Result<(), ZipError> {
    let members: Vec<_> = archive.members.iter().collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = members.len().div_ceil(threads).max(1);
    let damaged_in = |share: &[(&Arc<str>, &Member)]| -> Result<Vec<Arc<str>>, ZipError> {
        let mut damaged = Vec::new();
        for (name, member) in share {
            if archive.content(member)?.is_err() {
                damaged.push(Arc::clone(name));
            }
        }
        Ok(damaged)
    };
    let damaged = thread::scope(|scope| {
        let checks: Vec<_> = members.chunks(share).map(|share| scope.spawn(|| damaged_in(share))).collect();
        checks
            .into_iter()
            .map(|check| check.join().unwrap_or(Err(ZipError::ShuttingDown)))
            .collect::<Result<Vec<_>, _>>()
    })?;
    report(damaged.concat())
}

/// Names the damaged members, if there are any.
fn report(damaged: Vec<Arc<str>>) -> Result<(), ZipError> {
    if damaged.is_empty() {
        return Ok(());
    }
    let mut named = damaged.iter().take(MAX_NAMED).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if damaged.len() > MAX_NAMED {
        named = format!("{named} and {} more", damaged.len() - MAX_NAMED);
    }
    Err(ZipError::Damaged(named))
}

fn unreadable(err: rawzip::Error) -> ZipError {
    ZipError::NotAnArchive(err.to_string())
}
