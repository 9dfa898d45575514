//! Tests with malicious or damaged archives.

use std::collections::BTreeMap;

use super::*;

/// Offsets of the fields that the tests alter, in the local header of the first member and in its central directory entry.
const LOCAL_NAME: usize = 30;
const ENTRY_FLAGS: usize = 8;
const ENTRY_METHOD: usize = 10;
const ENTRY_CRC: usize = 16;
const ENTRY_SIZE: usize = 24;
const ENTRY_OFFSET: usize = 42;

/// An archive of these members, without any limit.
fn zip(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let members: BTreeMap<_, _> =
        members.iter().map(|(name, content)| ((*name).to_owned(), Bytes::from(content.clone()))).collect();
    writing::write(&members).unwrap()
}

/// The offset of a member's entry in the central directory.
fn entry(archive: &[u8], index: usize) -> usize {
    archive.windows(4).enumerate().filter(|(_, bytes)| bytes == b"PK\x01\x02").nth(index).unwrap().0
}

fn read(archive: Vec<u8>) -> Result<Archive, InvalidArchive> {
    Archive::read(archive.into(), &Limits::default())
}

/// Reads an archive of `a` and `b` after `alter` has changed it.
fn read_altered(alter: impl FnOnce(&mut Vec<u8>)) -> InvalidArchive {
    let mut archive = zip(&[("a", b"content".repeat(10)), ("b", b"other".to_vec())]);
    alter(&mut archive);
    read(archive).unwrap_err()
}

fn damaged_a() -> InvalidArchive {
    InvalidArchive::Damaged { member: "a".to_owned() }
}

#[test]
fn a_bomb_is_refused_by_its_ratio_and_by_its_size() {
    assert_eq!(read(zip(&[("zeros", vec![0; 8 << 20])])), Err(InvalidArchive::TooCompressed { limit: 200 }));
    let limits = Limits { max_inflated_bytes: 100, ..Limits::default() };
    let archive: Bytes = zip(&[("a", vec![1; 60]), ("b", vec![2; 60])]).into();
    assert_eq!(Archive::read(archive.clone(), &limits), Err(InvalidArchive::TooLarge { limit: 100 }));
    let directory = CentralDirectory::read(archive, &limits).unwrap();
    assert_eq!(directory.get(&"b".parse().unwrap()).unwrap().unwrap(), vec![2; 60]);
}

#[test]
fn a_bomb_is_never_written() {
    let mut archive = Archive::empty(&Limits::default());
    archive.add(&"zeros".parse().unwrap(), vec![0; 8 << 20].into()).unwrap();
    assert_eq!(archive.to_bytes(), Err(InvalidArchive::TooCompressed { limit: 200 }));
}

#[test]
fn a_bomb_that_understates_its_size_is_damaged() {
    let mut archive = zip(&[("a", vec![0; 8 << 20])]);
    let size = entry(&archive, 0) + ENTRY_SIZE;
    archive[size..size + 4].copy_from_slice(&100_u32.to_le_bytes());
    assert_eq!(read(archive), Err(damaged_a()));
}

/// Written by CPython 3.12's zipfile: 8 MiB of zeros each, as member `zeros`.
const BZIP2_AND_LZMA_BOMBS: [&[u8]; 2] =
    [include_bytes!("golden/bzip2-bomb.zip"), include_bytes!("golden/lzma-bomb.zip")];

#[test]
fn a_bomb_of_bzip2_or_lzma_is_refused_by_its_ratio() {
    for bomb in BZIP2_AND_LZMA_BOMBS {
        assert_eq!(read(bomb.to_vec()), Err(InvalidArchive::TooCompressed { limit: 200 }));
    }
}

#[test]
fn a_bomb_of_bzip2_or_lzma_that_understates_its_size_is_damaged() {
    for bomb in BZIP2_AND_LZMA_BOMBS {
        let mut archive = bomb.to_vec();
        let size = entry(&archive, 0) + ENTRY_SIZE;
        archive[size..size + 4].copy_from_slice(&100_u32.to_le_bytes());
        assert_eq!(read(archive), Err(InvalidArchive::Damaged { member: "zeros".to_owned() }));
    }
}

#[test]
fn an_lzma_dictionary_is_no_larger_than_the_content() {
    let mut archive = include_bytes!("golden/python-lzma.zip").to_vec();
    let header = LOCAL_NAME + "text.txt".len();
    assert_eq!(archive[header + 2..header + 4], [5, 0], "the length of the properties");
    archive[header + 5..header + 9].fill(0xff);
    assert_eq!(read(archive).unwrap().content_hash().as_str(), "75fe2f07db2ea054");
}

#[test]
fn a_broken_lzma_header_is_damage() {
    let header = LOCAL_NAME + "text.txt".len();
    for (offset, byte) in [(header + 2, 4), (header + 3, 1), (header + 4, 225)] {
        let mut archive = include_bytes!("golden/python-lzma.zip").to_vec();
        archive[offset] = byte;
        assert_eq!(read(archive), Err(InvalidArchive::Damaged { member: "text.txt".to_owned() }));
    }
}

#[test]
fn members_that_share_bytes_are_refused() {
    let err = read_altered(|archive| {
        let offset = entry(archive, 1) + ENTRY_OFFSET;
        archive[offset..offset + 4].fill(0);
    });
    assert!(matches!(err, InvalidArchive::Overlap { .. }), "{err}");
}

#[test]
fn too_many_members_are_refused_before_they_are_read() {
    let archive = zip(&[("a", vec![]), ("b", vec![]), ("c", vec![])]);
    let limits = Limits { max_entries: 2, ..Limits::default() };
    assert_eq!(Archive::read(archive.into(), &limits), Err(InvalidArchive::TooManyMembers { limit: 2 }));
}

#[test]
fn a_name_that_escapes_is_refused_when_it_is_stored() {
    for name in ["../evil", "/etc/passwd", "a/../../b", "..\\evil", "c:\\evil"] {
        let err = read(zip(&[(name, vec![])])).unwrap_err();
        assert!(matches!(err, InvalidArchive::UnsafeName { .. }), "{name}: {err}");
    }
}

#[test]
fn an_unsafe_member_in_the_store_can_be_read_and_renamed() {
    let archive: Bytes = zip(&[("../evil", b"x".to_vec())]).into();
    let directory = CentralDirectory::read(archive.clone(), &Limits::default()).unwrap();
    let name = directory.member_name("../evil").unwrap();
    assert_eq!(directory.get(&name).unwrap().unwrap(), "x");
    let mut archive = Archive::read_without_name_check(archive, &Limits::default()).unwrap();
    archive.rename(&name, &"good".parse().unwrap()).unwrap();
    assert!(archive.to_bytes().is_ok());
}

#[test]
fn an_encrypted_member_is_refused() {
    let err = read_altered(|archive| {
        let flags = entry(archive, 0) + ENTRY_FLAGS;
        archive[flags] |= 1;
    });
    assert_eq!(err, InvalidArchive::Encrypted { member: "a".to_owned() });
}

#[test]
fn an_unknown_method_is_named() {
    let err = read_altered(|archive| {
        let method = entry(archive, 0) + ENTRY_METHOD;
        archive[method] = 9;
    });
    assert_eq!(err, InvalidArchive::UnknownMethod { member: "a".to_owned(), method: "9 (DEFLATE64)".to_owned() });
}

#[test]
fn wrong_content_is_damage() {
    let damages: [fn(&mut Vec<u8>); 3] = [
        |archive| {
            let crc = entry(archive, 0) + ENTRY_CRC;
            archive[crc] ^= 1;
        },
        |archive| archive[LOCAL_NAME + 2] ^= 0x55,
        |archive| archive[LOCAL_NAME] = b'x',
    ];
    for damage in damages {
        assert_eq!(read_altered(damage), damaged_a());
    }
}

#[test]
fn a_truncated_archive_or_another_file_is_refused() {
    assert_eq!(read(b"not a zip".to_vec()), Err(InvalidArchive::NotAZip));
    assert_eq!(read(Vec::new()), Err(InvalidArchive::NotAZip));
    assert_eq!(read_altered(|archive| archive.truncate(archive.len() - 22)), InvalidArchive::NotAZip);
    assert_eq!(read_altered(|archive| archive.truncate(archive.len() - 1)), InvalidArchive::BrokenDirectory);
    assert_eq!(read_altered(|archive| drop(archive.drain(..20))), damaged_a());
}

#[test]
fn a_directory_longer_than_its_count_is_broken() {
    let err = read_altered(|archive| {
        let count = archive.len() - 14;
        archive[count] = 1;
        archive[count + 2] = 1;
    });
    assert_eq!(err, InvalidArchive::BrokenDirectory);
}
