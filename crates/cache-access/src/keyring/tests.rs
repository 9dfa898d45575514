use cache_core::storage::Storage;
use cache_storage::memory::Memory;
use cache_storage::operation::StorageOp;
use cache_testing::fault_injection::{Fault, FaultInjectingStorage};
use cache_testing::mock_clock::MockClock;
use cache_testing::recording::RecordingStorage;
use cache_testing::seeded_rng::SeededRng;

use super::*;
use crate::look_up::{KNOWN_FOR, UNKNOWN_FOR};
use crate::permission::{Grant, Grants, Permission};
use crate::record::KeyStatus;

const MILLISECOND: Duration = Duration::from_millis(1);

fn spec(name: &str) -> KeySpec {
    let grant = Grant { namespaces: vec!["ci-*".parse().unwrap()], permissions: vec![Permission::Read] };
    KeySpec { name: name.to_owned(), grants: Grants(vec![grant]), ..KeySpec::default() }
}

fn keyring(storage: Arc<dyn Storage>, clock: &Arc<MockClock>, seed: u64) -> Keyring {
    Keyring::new(storage, clock.clone(), Arc::new(SeededRng::new(seed)), format!("process-{seed}"))
}

/// Two processes over one storage.
fn two() -> (Keyring, Keyring, Arc<MockClock>) {
    let (storage, clock) = (Arc::new(Memory::default()), Arc::new(MockClock::default()));
    (keyring(storage.clone(), &clock, 1), keyring(storage, &clock, 2), clock)
}

fn disable(record: &mut KeyRecord) -> Result<(), Error> {
    record.disabled_at = Some(record.created_at);
    Ok(())
}

fn agree(_: &KeyRecord) -> Result<(), Error> {
    Ok(())
}

/// Whether the process knows that a key exists, or does not; `None` when it has to ask.
fn in_memory(keyring: &Keyring, digest: &Sha256Digest) -> Option<bool> {
    keyring.in_memory(digest, keyring.now()).map(|found| found.is_some())
}

async fn exists(keyring: &Keyring, digest: &Sha256Digest) -> Result<bool, Error> {
    keyring.look_up(digest).await.map(|found| found.is_some())
}

#[tokio::test]
async fn a_key_is_found_by_its_text_and_by_its_id_in_every_process() {
    let (one, other, _) = two();
    let made = one.create(spec("ci"), "root").await.unwrap();
    assert_eq!(other.get(&made.record.id).await.unwrap(), Some(made.record.clone()));
    let found = other.look_up(&made.key.digest()).await.unwrap().unwrap();
    assert_eq!(found.record, made.record);
    assert_eq!((found.record.status(other.now()), found.record.created_by.as_str()), (KeyStatus::Active, "root"));
    assert!(!exists(&other, &Sha256Digest::of(b"other")).await.unwrap());
}

#[tokio::test]
async fn a_specification_that_makes_no_sense_stores_nothing() {
    let (one, ..) = two();
    assert!(matches!(one.create(spec(""), "root").await, Err(Error::Invalid { field: "name", .. })));
    let made = one.create(spec("ci"), "root").await.unwrap();
    let emptied = one.change(&made.record.id, |record| {
        record.spec.grants = Grants::default();
        Ok::<(), Error>(())
    });
    assert!(matches!(emptied.await, Err(Error::Invalid { field: "grants", .. })));
    assert_eq!(one.list(10, None, |_| true).await.unwrap().keys, [made.record]);
}

#[tokio::test]
async fn a_disabled_key_is_refused_by_its_own_process_at_once_and_by_others_after_a_minute() {
    let (one, other, clock) = two();
    let made = one.create(spec("ci"), "root").await.unwrap();
    let is_disabled = async |keyring: &Keyring| {
        let found = keyring.look_up(&made.key.digest()).await.unwrap().unwrap();
        found.record.status(clock.now()) == KeyStatus::Disabled
    };
    assert!(!is_disabled(&other).await);
    one.change(&made.record.id, disable).await.unwrap().unwrap();
    assert!(is_disabled(&one).await);
    clock.advance(KNOWN_FOR - MILLISECOND);
    assert!(!is_disabled(&other).await, "it is still in memory");
    clock.advance(MILLISECOND);
    assert!(is_disabled(&other).await);
}

#[tokio::test]
async fn a_deleted_key_is_unknown_everywhere_after_a_minute() {
    let (one, other, clock) = two();
    let made = one.create(spec("ci"), "root").await.unwrap();
    let digest = made.key.digest();
    other.look_up(&digest).await.unwrap().unwrap();
    assert!(one.delete(&made.record.id, agree).await.unwrap());
    assert!(!exists(&one, &digest).await.unwrap());
    clock.advance(KNOWN_FOR);
    assert!(!exists(&other, &digest).await.unwrap());
    assert!(!other.delete(&made.record.id, agree).await.unwrap());
}

#[tokio::test]
async fn a_warm_key_costs_nothing_and_one_that_did_not_change_transfers_nothing() {
    let clock = Arc::new(MockClock::default());
    let recording = Arc::new(RecordingStorage::new(Arc::new(Memory::default())));
    let made = keyring(recording.clone(), &clock, 1).create(spec("ci"), "root").await.unwrap();
    let other = keyring(recording.clone(), &clock, 2);
    let digest = made.key.digest();
    let calls = async |expected: usize| {
        let before = recording.calls().len();
        other.look_up(&digest).await.unwrap().unwrap();
        assert_eq!(recording.calls().len() - before, expected);
    };
    calls(1).await;
    calls(0).await;
    assert_eq!(in_memory(&other, &digest), Some(true));
    clock.advance(KNOWN_FOR);
    assert_eq!(in_memory(&other, &digest), None);
    calls(1).await;
    calls(0).await;
}

#[tokio::test]
async fn unknown_keys_are_remembered_for_ten_seconds_and_looked_up_twenty_times_a_second() {
    let (one, other, clock) = two();
    let digest = |number: u32| Sha256Digest::of(&number.to_be_bytes());
    assert!(!exists(&one, &digest(0)).await.unwrap());
    assert_eq!(in_memory(&one, &digest(0)), Some(false));
    clock.advance(UNKNOWN_FOR);
    assert_eq!(in_memory(&one, &digest(0)), None, "it may have been made since");
    let mut asked = 0;
    for number in 1..100 {
        match exists(&one, &digest(number)).await {
            Ok(false) => asked += 1,
            Err(Error::Unavailable { .. }) => {}
            unexpected => panic!("{unexpected:?}"),
        }
    }
    assert_eq!(asked, 20);
    let made = one.create(spec("ci"), "root").await.unwrap();
    clock.advance(KNOWN_FOR);
    for number in 200..300 {
        let _ = one.look_up(&digest(number)).await;
    }
    one.look_up(&made.key.digest()).await.unwrap().expect("a key that was seen before is not delayed by others");
    drop(other);
}

#[tokio::test]
async fn a_storage_failure_is_neither_a_yes_nor_a_no() {
    let clock = Arc::new(MockClock::default());
    let storage = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
    let keyring = keyring(storage.clone(), &clock, 1);
    let made = keyring.create(spec("ci"), "root").await.unwrap();
    clock.advance(KNOWN_FOR);
    for digest in [made.key.digest(), Sha256Digest::of(b"unknown")] {
        storage.once(StorageOp::Get, ".mgraph-cache/keys", Fault::Lost);
        assert!(matches!(keyring.look_up(&digest).await, Err(Error::Unavailable { .. })));
        assert_eq!(in_memory(&keyring, &digest), None);
    }
    keyring.look_up(&made.key.digest()).await.unwrap().unwrap();
}

#[tokio::test]
async fn changes_at_once_are_all_applied() {
    let (one, other, _) = two();
    let made = one.create(spec("ci"), "root").await.unwrap();
    let add = async |keyring: &Keyring, letter: &str| {
        keyring
            .change(&made.record.id, |record| {
                record.spec.note.push_str(letter);
                Ok::<(), Error>(())
            })
            .await
            .unwrap()
            .unwrap();
    };
    futures::join!(add(&one, "a"), add(&other, "b"), add(&one, "c"));
    let mut note = one.get(&made.record.id).await.unwrap().unwrap().spec.note.into_bytes();
    note.sort_unstable();
    assert_eq!(note, b"abc");
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_are_both_valid_for_the_overlap() {
    let (one, other, clock) = two();
    let hour = Duration::from_secs(3600);
    let expiring = KeySpec { expires_at: Some(clock.now().plus(24 * hour)), ..spec("ci") };
    let old = one.create(expiring, "root").await.unwrap();
    clock.advance(10 * hour);
    let new = other.rotate(&old.record.id, hour, "root", agree).await.unwrap().unwrap();
    assert_ne!(new.key, old.key);
    assert_eq!(new.record.spec.grants, old.record.spec.grants);
    assert_eq!(new.record.spec.expires_at, Some(clock.now().plus(24 * hour)), "it lives as long as the old one did");
    let old = one.get(&old.record.id).await.unwrap().unwrap();
    assert_eq!(old.replaced_by, Some(new.record.id.clone()));
    clock.advance(hour - MILLISECOND);
    assert_eq!((old.status(clock.now()), new.record.status(clock.now())), (KeyStatus::Active, KeyStatus::Active));
    clock.advance(MILLISECOND);
    assert_eq!((old.status(clock.now()), new.record.status(clock.now())), (KeyStatus::Expired, KeyStatus::Active));
}

#[tokio::test]
async fn a_rotation_that_fails_leaves_no_second_key() {
    let clock = Arc::new(MockClock::default());
    let storage = Arc::new(FaultInjectingStorage::new(Arc::new(Memory::default())));
    let keyring = keyring(storage.clone(), &clock, 1);
    let made = keyring.create(spec("ci"), "root").await.unwrap();
    storage.once(StorageOp::Put, made.record.id.as_str(), Fault::Lost);
    keyring.rotate(&made.record.id, MILLISECOND, "root", agree).await.unwrap_err();
    assert_eq!(keyring.list(10, None, |_| true).await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn pages_show_every_key_once_that_is_to_be_shown() {
    let (one, other, _) = two();
    let mut expected = Vec::new();
    for number in 0..23 {
        let made = one.create(spec(if number % 3 == 0 { "hidden" } else { "shown" }), "root").await.unwrap();
        expected.extend((made.record.spec.name == "shown").then_some(made.record.id));
    }
    expected.sort();
    let (mut shown, mut cursor) = (Vec::new(), None);
    loop {
        let page = other.list(4, cursor.as_ref(), |record| record.spec.name == "shown").await.unwrap();
        assert!(page.keys.len() <= 4);
        shown.extend(page.keys.into_iter().map(|record| record.id));
        match page.next_cursor {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn processes_tell_each_other_of_the_use_of_a_key() {
    let (one, other, clock) = two();
    let mut limited = spec("ci");
    limited.limits.bytes_per_day = Some(1000);
    let record = one.create(limited, "root").await.unwrap().record;
    let limits = record.spec.limits;
    assert_eq!(one.last_used_at(&record.id).await.unwrap(), None);
    for keyring in [&one, &other] {
        keyring.usage(&record.id).admit(&limits, clock.now()).unwrap();
        keyring.usage(&record.id).add_bytes(600, clock.now());
    }
    for keyring in [&one, &other] {
        let take_due = || keyring.usage(&record.id).take_due(&record.id, &limits, clock.now());
        keyring.exchange_usage(&take_due().expect("the first use")).await.unwrap();
        assert!(take_due().is_none());
    }
    one.usage(&record.id).admit(&limits, clock.now()).expect("it has not heard of the other");
    other.usage(&record.id).admit(&limits, clock.now()).expect_err("1,200 bytes were used");
    assert!(one.last_used_at(&record.id).await.unwrap().is_some());
}

#[tokio::test]
async fn old_usage_is_swept_but_the_last_use_of_a_key_stays_known() {
    let (one, other, clock) = two();
    let kept = one.create(spec("kept"), "root").await.unwrap().record;
    let deleted = one.create(spec("deleted"), "root").await.unwrap().record;
    for record in [&kept, &deleted] {
        for keyring in [&one, &other] {
            let due = keyring.usage(&record.id).take_due(&record.id, &record.spec.limits, clock.now());
            keyring.exchange_usage(&due.unwrap()).await.unwrap();
        }
    }
    one.delete(&deleted.id, agree).await.unwrap();
    assert_eq!(one.sweep_usage().await.unwrap(), 0, "it is not old");
    let last_used_at = one.last_used_at(&kept.id).await.unwrap().unwrap();
    // What is old is so by the clock of the storage, which is that of this machine.
    clock.set(last_used_at.plus(Duration::from_secs(41 * 24 * 60 * 60)));
    one.sweep_usage().await.unwrap();
    assert_eq!(one.last_used_at(&kept.id).await.unwrap(), Some(last_used_at));
    assert_eq!(one.last_used_at(&deleted.id).await.unwrap(), None);
}
