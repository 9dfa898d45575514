use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use super::*;
use crate::ids::{CacheHash, Locator};
use crate::strategy::{ContentKind, Strategy};

const NOW: UnixMillis = UnixMillis::new(1_795_176_411_520);

fn hash() -> CacheHash {
    "2cf24dba5fb0a30e".parse().unwrap()
}

fn spec(strategy: Strategy) -> EntrySpec {
    EntrySpec {
        strategy,
        kind: ContentKind::Zip,
        cache_key: Some("reports/daily".parse().unwrap()),
        file_id: None,
        json_field_path: None,
        content_encoding: None,
        stored_at: NOW,
        expires_at: None,
    }
}

fn content(bytes: &[u8], max_inline_total: u64) -> NewContent {
    let source = ContentSource::Bytes { bytes: Bytes::copy_from_slice(bytes), max_inline_total };
    NewContent { sha256: Sha256Digest::of(bytes), size: bytes.len() as u64, source }
}

fn blob(bytes: &[u8], token: u64) -> NewContent {
    let source = ContentSource::Blob(BlobToken::from_random(token));
    NewContent { source, ..content(bytes, 0) }
}

fn entry(nonce: u64, content: NewContent) -> NewEntry {
    NewEntry { nonce: Nonce::from_random(nonce), spec: spec(Strategy::Temporal), content, foreign_id: None }
}

fn written(mut manifest: Manifest) -> Manifest {
    manifest.prepare_write(NOW);
    let encoded = manifest.encode();
    assert!(encoded.bytes[..encoded.head_len].ends_with(b"\n"));
    let parsed = Manifest::parse(&encoded.bytes, false).unwrap();
    assert_eq!(parsed, manifest);
    let head = Manifest::parse(&encoded.bytes.slice(..encoded.head_len), true).unwrap();
    assert_eq!(
        (head.log(), head.counts(), head.next_version()),
        (parsed.log(), parsed.counts(), parsed.next_version())
    );
    parsed
}

#[test]
fn equal_contents_are_kept_once_and_counted() {
    let mut manifest = Manifest::new();
    let first = manifest.insert(&hash(), &entry(1, content(b"one", 100))).unwrap();
    let second = manifest.insert(&hash(), &entry(2, content(b"one", 100))).unwrap();
    assert_eq!((first.content, first.version, second.version), (second.content, 1, 2));
    assert_ne!(first.cache_id, second.cache_id);
    let manifest = written(manifest);
    let stored = manifest.contents().with_sha256(&Sha256Digest::of(b"one")).unwrap();
    assert_eq!((stored.ref_count, manifest.contents().len(), manifest.counts().of(Strategy::Temporal)), (2, 1, 2));
    let Location::Inline(inline) = &stored.location else { panic!("{stored:?}") };
    assert!(
        inline.is_intact(&stored.sha256) && !inline.is_intact(&Sha256Digest::of(b"two")) || inline.bytes().is_some()
    );
}

#[test]
fn a_content_without_room_inline_has_to_be_a_blob() {
    let mut manifest = Manifest::new();
    manifest.insert(&hash(), &entry(1, content(b"first", 8))).unwrap();
    let before = manifest.clone();
    let refused = manifest.insert(&hash(), &entry(2, content(b"second", 8)));
    assert_eq!(refused, Err(InsertError::NeedsBlob));
    assert_eq!(manifest, before, "nothing is half listed");
    let row = manifest.insert(&hash(), &entry(2, blob(b"second", 7))).unwrap();
    assert_eq!(row.cache_id.parts().unwrap().locator.token(), Some(BlobToken::from_random(7)));
}

#[test]
fn the_token_of_a_deleted_blob_is_not_used_again_for_an_hour() {
    let mut manifest = Manifest::new();
    let row = manifest.insert(&hash(), &entry(1, blob(b"large", 7))).unwrap();
    let freed = manifest.remove(&row, None, NOW).unwrap();
    assert_eq!(freed, [BlobToken::from_random(7)]);
    let mut manifest = written(manifest);
    assert_eq!(manifest.insert(&hash(), &entry(2, blob(b"large", 7))), Err(InsertError::TokenRetired));
    manifest.prune(NOW.plus(Duration::from_secs(3600)));
    assert!(manifest.insert(&hash(), &entry(2, blob(b"large", 7))).is_ok());
}

#[test]
fn no_two_writes_have_equal_bytes() {
    let first = written(Manifest::new());
    assert_ne!(first.encode().bytes, written(first).encode().bytes);
}

#[test]
fn a_tombstone_keeps_its_counters_and_is_small_once_nothing_is_recent() {
    let mut manifest = Manifest::new();
    let row = manifest.insert(&hash(), &entry(1, content(b"one", 100))).unwrap();
    manifest.remove(&row, None, NOW).unwrap();
    let mut manifest = written(manifest);
    assert!(manifest.is_tombstone() && manifest.recent().find(row.nonce).is_some());
    manifest.prepare_write(NOW.plus(Duration::from_secs(3600)));
    manifest.writes = 9_999_999_999;
    manifest.next_version = 9_999_999_999;
    assert!((manifest.encode().bytes.len() as u64) < MAX_TOMBSTONE_BYTES);
    let live = Manifest::new().insert(&hash(), &entry(1, content(b"one", 100))).map(|_| ());
    assert_eq!(live, Ok(()));
    assert_eq!(manifest.insert(&hash(), &entry(2, content(b"one", 100))).unwrap().version, 9_999_999_999);
}

#[test]
fn a_live_manifest_is_larger_than_a_tombstone() {
    let mut manifest = Manifest::new();
    let shortest = EntrySpec { cache_key: None, ..spec(Strategy::Direct) };
    manifest.insert(&hash(), &NewEntry { spec: shortest, ..entry(1, content(b"1", 100)) }).unwrap();
    assert!(manifest.encode().bytes.len() as u64 >= MAX_TOMBSTONE_BYTES);
}

#[test]
fn versions_that_no_id_can_hold_are_refused() {
    let mut manifest = Manifest::new();
    manifest.next_version = Locator::MAX_BLOB_VERSION + 1;
    assert_eq!(manifest.insert(&hash(), &entry(1, blob(b"large", 7))), Err(InsertError::VersionsExhausted));
    assert!(manifest.insert(&hash(), &entry(2, content(b"small", 100))).is_ok());
}

#[test]
fn what_is_cut_off_or_of_another_format_is_refused() {
    let mut manifest = Manifest::new();
    manifest.insert(&hash(), &entry(1, content(b"one", 100))).unwrap();
    let encoded = manifest.encode();
    for cut in [0, 10, encoded.head_len - 1, encoded.bytes.len() - 1] {
        assert!(Manifest::parse(&encoded.bytes.slice(..cut), false).is_err(), "{cut}");
    }
    let other = Bytes::from("{\"format\":3,\"writes\":1,\"next_version\":1}\n");
    assert!(matches!(Manifest::parse(&other, false), Err(DecodeError::Format(3))));
}

#[test]
fn rows_that_spill_take_the_contents_that_only_they_reference() {
    let limits = Limits { keep_row_bytes: 500, ..Limits::default() };
    let mut manifest = Manifest::new();
    for number in 0..20_u64 {
        let bytes = if number % 2 == 0 { "shared".to_owned() } else { format!("own {number}") };
        manifest.insert(&hash(), &entry(number, content(bytes.as_bytes(), 10_000))).unwrap();
    }
    let spilled = manifest.spill(1, &limits).unwrap();
    let page = Page::<EntryRow>::parse(&spilled.page.to_bytes()).unwrap();
    assert_eq!(page, spilled.page);
    assert!(page.contents.with_sha256(&Sha256Digest::of(b"own 1")).is_some());
    assert!(page.contents.with_sha256(&Sha256Digest::of(b"shared")).is_none(), "others reference it");
    let manifest = written(manifest);
    assert_eq!(manifest.log().len(), 20);
    for row in page.rows.iter().chain(manifest.log().rows()) {
        assert!(page.contents.get(row.content).or_else(|| manifest.content(row.content)).is_some(), "{row:?}");
    }
}

/// What may happen to a manifest.
#[derive(Debug, Clone)]
enum Operation {
    Insert { content: u8, is_blob: bool },
    Remove { at: usize },
    Revise { at: usize, content: u8 },
}

fn operations() -> impl proptest::strategy::Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        3 => (0..4_u8, any::<bool>()).prop_map(|(content, is_blob)| Operation::Insert { content, is_blob }),
        1 => (0..50_usize).prop_map(|at| Operation::Remove { at }),
        1 => (0..50_usize, 0..4_u8).prop_map(|(at, content)| Operation::Revise { at, content }),
    ];
    proptest::collection::vec(operation, 0..60)
}

proptest! {
    #[test]
    fn references_and_counts_are_right_after_any_changes(operations in operations()) {
        let mut manifest = Manifest::new();
        for (nonce, operation) in operations.into_iter().enumerate() {
            let new = |number: u8, is_blob: bool| {
                let bytes = [number; 5];
                if is_blob { blob(&bytes, nonce as u64) } else { content(&bytes, 1_000) }
            };
            let row = |at: usize| {
                let rows = manifest.log().rows();
                (!rows.is_empty()).then(|| rows[at % rows.len()].clone())
            };
            match operation {
                Operation::Insert { content, is_blob } => {
                    manifest.insert(&hash(), &entry(nonce as u64, new(content, is_blob))).unwrap();
                }
                Operation::Remove { at } => {
                    if let Some(row) = row(at) {
                        let freed = manifest.remove(&row, None, NOW).unwrap();
                        prop_assert!(freed.iter().all(|token| !manifest.contents().has_blob(*token)));
                    }
                }
                Operation::Revise { at, content } => {
                    if let Some(mut row) = row(at) {
                        let revision = Revision {
                            number: row.revisions.len() as u64 + 1,
                            nonce: Nonce::from_random(nonce as u64),
                            content: ContentNumber(0),
                            kind: ContentKind::Zip,
                            updated_at: NOW,
                        };
                        manifest.revise(&mut row, revision, &new(content, false)).unwrap();
                    }
                }
            }
            manifest = written(manifest);
            let rows = manifest.log().rows();
            prop_assert_eq!(manifest.counts().total(), rows.len() as u64);
            for content in manifest.contents().iter() {
                let references = rows.iter().flat_map(|row| row.references().collect::<Vec<_>>());
                let count = references.filter(|number| *number == content.number).count() as u64;
                prop_assert_eq!(content.ref_count, count);
                prop_assert!(count > 0);
            }
        }
    }
}
