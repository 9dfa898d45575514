//! A process that is killed at any moment leaves whole objects only, and every one that it has acknowledged, on each of
//! the storages of one machine.
//!
//! The test starts its own binary a second time as the writer; environment variables select that role.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cache_core::clock::Clock;
use cache_core::rng::Rng;
use cache_core::storage::{GetOptions, ListRequest, Object, ObjectKey, PutMode, Storage};
use cache_storage::StorageConfig;
use cache_storage::system::{OsRng, SystemClock};

/// Names the folder that the writer writes to.
const FOLDER: &str = "MGRAPH_KILLED_WRITER_FOLDER";
/// Names the backend of the writer.
const MODE: &str = "MGRAPH_KILLED_WRITER_MODE";
const KILLS: usize = 50;
/// A writer lives at most this long.
const MAX_LIFE_MS: u64 = 150;
/// Keys that are written again and again.
const HOT_KEYS: u64 = 4;

/// A body that shows whether it is whole: its length and its number first, then one byte, again and again.
fn body(number: u64) -> String {
    let length = 100 + (number * 7919 % 300_000) as usize;
    let head = format!("{length} {number} ");
    format!("{head}{}", "x".repeat(length - head.len()))
}

/// The number of a whole body.
fn number(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).unwrap();
    let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    assert!(number.is_some_and(|number| text == body(number)), "half an object: {} bytes", text.len());
    number.unwrap()
}

fn created(number: u64) -> ObjectKey {
    format!("created/{:02x}/{number}", number % 256).parse().unwrap()
}

fn hot(number: u64) -> ObjectKey {
    format!("hot/{}.json", number % HOT_KEYS).parse().unwrap()
}

/// The store of this backend in a folder.
fn config(mode: &str, folder: &Path) -> StorageConfig {
    let path = folder.join("store");
    match mode {
        "local_disk" => StorageConfig::LocalDisk { path },
        "sqlite" => StorageConfig::Sqlite { path },
        "zip" => StorageConfig::Zip { path, max_bytes: 1 << 30 },
        other => panic!("{other}"),
    }
}

/// Not a test: the writer, when [`FOLDER`] is set.
#[tokio::test(flavor = "multi_thread")]
async fn writer() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let storage = cache_storage::open(&config(&env::var(MODE).unwrap(), &PathBuf::from(folder))).await.unwrap();
    let start = SystemClock.now().get() * 1_000;
    // Keys of two writers at once never meet, so that each key's numbers only grow.
    let writers = (0..HOT_KEYS).map(|key| write_for_ever(&*storage, start + (HOT_KEYS - start % HOT_KEYS) + key));
    futures::future::join_all(writers).await;
}

async fn write_for_ever(storage: &dyn Storage, first: u64) {
    for number in (first..).step_by(HOT_KEYS as usize) {
        storage.put(&created(number), body(number).into(), PutMode::Create).await.unwrap();
        acknowledge(&created(number), number);
        let mode = match storage.head(&hot(number)).await.unwrap() {
            Some(head) if number % 8 < HOT_KEYS => PutMode::Update(head.version),
            _ => PutMode::Overwrite,
        };
        storage.put(&hot(number), body(number).into(), mode).await.unwrap();
        acknowledge(&hot(number), number);
    }
}

fn acknowledge(key: &ObjectKey, number: u64) {
    writeln!(io::stdout().lock(), "\nwritten {key} {number}").unwrap();
}

fn start_writer(mode: &str, folder: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "writer", "--nocapture"]).env(FOLDER, folder).env(MODE, mode).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs a writer for a while, and returns the writes that it acknowledged.
fn write_and_kill(mode: &str, folder: &Path) -> Vec<(ObjectKey, u64)> {
    let mut writer = start_writer(mode, folder);
    let stdout = BufReader::new(writer.stdout.take().unwrap());
    let reader = thread::spawn(move || stdout.lines().map_while(Result::ok).filter_map(parse).collect());
    thread::sleep(Duration::from_millis(10 + OsRng.next_u64() % MAX_LIFE_MS));
    writer.kill().unwrap();
    writer.wait().unwrap();
    reader.join().unwrap()
}

fn parse(line: String) -> Option<(ObjectKey, u64)> {
    let (key, number) = line.strip_prefix("written ")?.split_once(' ')?;
    Some((key.parse().ok()?, number.parse().ok()?))
}

async fn get(storage: &dyn Storage, key: &ObjectKey) -> Option<Object> {
    storage.get(key, &GetOptions::default()).await.unwrap()?.into_object()
}

/// Kills 50 writers, and expects to find all that they acknowledged.
async fn check(mode: &str, folder: &Path) -> Arc<dyn Storage> {
    let mut acknowledged = HashMap::new();
    for _ in 0..KILLS {
        // Later numbers of a key take the place of earlier ones.
        acknowledged.extend(write_and_kill(mode, folder));
    }
    assert!(acknowledged.len() > KILLS, "the writers have written: {}", acknowledged.len());
    let storage = cache_storage::open(&config(mode, folder)).await.unwrap();
    for (key, acknowledged) in &acknowledged {
        let object = get(&*storage, key).await.unwrap_or_else(|| panic!("{key} was acknowledged"));
        assert!(number(&object.bytes) >= *acknowledged, "{key} is older than what was acknowledged");
    }
    for object in storage.list(&ListRequest { limit: usize::MAX, ..ListRequest::default() }).await.unwrap().objects {
        number(&get(&*storage, &object.key.parse().unwrap()).await.unwrap().bytes);
    }
    storage
}

/// The names of the files in the folder of a store.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_disk_has_every_acknowledged_object_after_50_kills() {
    let folder = tempfile::tempdir().unwrap();
    let _storage = check("local_disk", folder.path()).await;
    assert_eq!(files(&folder.path().join("store/.mgraph/tmp")).len(), 2, "only the open store's own folder and lock");
}

#[tokio::test]
#[cfg_attr(not(feature = "sqlite"), ignore = "built without SQLite")]
async fn a_database_has_every_acknowledged_object_after_50_kills() {
    let folder = tempfile::tempdir().unwrap();
    drop(check("sqlite", folder.path()).await);
    assert_eq!(files(folder.path()), ["store"], "the last one to close it empties the log");
}

#[tokio::test]
#[cfg_attr(not(feature = "zip"), ignore = "built without ZIP")]
async fn an_archive_has_every_acknowledged_object_after_50_kills() {
    let folder = tempfile::tempdir().unwrap();
    let _storage = check("zip", folder.path()).await;
    assert_eq!(files(folder.path()), ["store", "store.lock"], "no half archive is left");
}
