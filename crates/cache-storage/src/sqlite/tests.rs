use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::Clock;
use cache_core::time::Deadline;
use rusqlite::Connection;

use super::*;
use crate::instrumented::{InstrumentedStorage, RequestMetrics};
use crate::system::SystemClock;

fn key(name: &str) -> ObjectKey {
    name.parse().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("cache.sqlite")
    }

    fn open(&self) -> Sqlite {
        Sqlite::open(self.file()).unwrap()
    }

    /// A database of another program.
    fn with(sql: &str) -> Self {
        let folder = Self::new();
        Connection::open(folder.file()).unwrap().execute_batch(sql).unwrap();
        folder
    }

    /// Expects that the file is refused for this reason and left as it is.
    #[track_caller]
    fn check_refused(&self, reason: &str) {
        let before = fs::read(self.file()).unwrap();
        let StorageError::Refused { source, .. } = Sqlite::open(self.file()).unwrap_err() else { panic!("{reason}") };
        assert!(source.to_string().contains(reason), "{source}");
        assert!(fs::read(self.file()).unwrap() == before, "the file was changed");
    }
}

async fn put(storage: &Sqlite, name: &str, text: &'static str) -> Result<Version, StorageError> {
    storage.put(&key(name), text.into(), PutMode::Overwrite).await
}

async fn get(storage: &Sqlite, name: &str) -> Result<Option<Bytes>, StorageError> {
    let found = storage.get(&key(name), &GetOptions::default()).await?;
    Ok(found.and_then(GetResult::into_object).map(|object| object.bytes))
}

#[test]
fn a_file_of_another_program_is_refused() {
    Folder::with("CREATE TABLE notes (text); CREATE TABLE tags (name)")
        .check_refused("another program (application_id 0, tables notes, tags)");
    Folder::with("PRAGMA application_id = 7; VACUUM").check_refused("(application_id 7, tables none)");
}

#[test]
fn a_file_with_tables_beside_that_of_python_is_refused() {
    Folder::with("CREATE TABLE memory_fs_files (path TEXT); CREATE TABLE notes (text)")
        .check_refused("tables memory_fs_files, notes");
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = Folder::new();
    drop(folder.open());
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 2).unwrap();
    folder.check_refused("has format 2, and this version knows formats up to 1");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = Folder::new();
    let storage = folder.open();
    for n in 0..200 {
        storage.put(&key(&format!("ns/{n}")), vec![b'x'; 5_000].into(), PutMode::Create).await.unwrap();
    }
    drop(storage);
    let whole = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), &whole[..whole.len() / 2 / 4_096 * 4_096]).unwrap();
    folder.check_refused("the database is damaged");
    let mut scribbled = whole.clone();
    scribbled[100..].iter_mut().step_by(64).for_each(|byte| *byte ^= 0x55);
    fs::write(folder.file(), scribbled).unwrap();
    folder.check_refused("the database is damaged");
    fs::write(folder.file(), "notes of mine, not a database").unwrap();
    folder.check_refused("not a SQLite database");
}

#[test]
fn what_is_in_the_way_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.file()).unwrap();
    let refused = Sqlite::open(folder.file()).unwrap_err();
    assert!(matches!(refused, StorageError::Unavailable { .. } | StorageError::Refused { .. }), "{refused:?}");
}

#[tokio::test]
async fn objects_and_versions_outlive_the_process() {
    let folder = Folder::new();
    let first = put(&folder.open(), "ns/a", "first").await.unwrap();
    let storage = folder.open();
    assert_eq!(get(&storage, "ns/a").await.unwrap().unwrap(), "first");
    storage.delete(&key("ns/a")).await.unwrap();
    drop(storage);
    let storage = folder.open();
    assert_ne!(put(&storage, "ns/a", "other").await.unwrap(), first);
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let folder = Folder::new();
    let (one, other) = (folder.open(), folder.open());
    let version = put(&one, "ns/a", "one").await.unwrap();
    assert_eq!(get(&other, "ns/a").await.unwrap().unwrap(), "one");
    other.put(&key("ns/a"), "other".into(), PutMode::Update(version.clone())).await.unwrap();
    let lost = one.put(&key("ns/a"), "again".into(), PutMode::Update(version)).await;
    assert!(matches!(lost, Err(StorageError::Precondition { .. })), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_for_until_the_deadline() {
    let folder = Folder::new();
    let storage = folder.open();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let clock = Arc::new(SystemClock);
    let deadline = Deadline::at(clock.now().plus(Duration::from_millis(300)));
    let metrics = Arc::new(RequestMetrics::new(Arc::default()));
    let request = InstrumentedStorage::new(Arc::new(storage.clone()), clock, deadline, metrics);
    let late = request.put(&key("ns/late"), "x".into(), PutMode::Create).await;
    assert!(matches!(late, Err(StorageError::Unavailable { .. })), "{late:?}");

    // The next one waits until the other process is done, and reads do not wait at all.
    let waiting = tokio::spawn({
        let storage = storage.clone();
        async move { put(&storage, "ns/a", "x").await }
    });
    assert_eq!(get(&storage, "ns/a").await.unwrap(), None);
    other.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(get(&storage, "ns/late").await.unwrap(), None, "its caller had given up before its turn");
}

#[tokio::test]
async fn a_file_that_was_removed_is_never_a_miss() {
    let folder = Folder::new();
    let storage = folder.open();
    put(&storage, "ns/a", "x").await.unwrap();
    fs::rename(folder.file(), folder.file().with_extension("moved")).unwrap();
    fs::write(folder.file(), "").unwrap();
    let missing = storage.head(&key("ns/b")).await;
    assert!(matches!(missing, Err(StorageError::Unavailable { .. })), "{missing:?}");
    let written = put(&storage, "ns/b", "x").await;
    assert!(matches!(written, Err(StorageError::Unavailable { .. })), "{written:?}");
}

#[tokio::test]
async fn a_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let storage = folder.open();
    put(&storage, "ns/a", "x").await.unwrap();
    for entry in fs::read_dir(folder.0.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o77, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn one_that_does_not_fit_leaves_the_others_alone() {
    let folder = Folder::new();
    let storage = folder.open();
    // Only for this test: SQLite's limit is a gigabyte.
    let pages = |pages: u32| format!("PRAGMA max_page_count = {pages}");
    let mut connection = storage.readers.location.connect().unwrap();
    schema::prepare(&mut connection, &storage.readers.location).unwrap();
    connection.execute_batch(&pages(40)).unwrap();
    let queue = WriteQueue::start("test", Writer::new(connection, storage.readers.location.clone())).unwrap();
    let (small, large) = (key("ns/small"), key("ns/large"));
    let small = queue.put(&small, "x".into(), 1, PutMode::Create);
    let large = queue.put(&large, vec![b'x'; 500_000].into(), 500_000, PutMode::Create);
    let (large, small) = futures::future::join(large, small).await;
    assert!(matches!(large, Err(StorageError::Full { .. })), "{large:?}");
    small.unwrap();
    assert_eq!(get(&storage, "ns/small").await.unwrap().unwrap(), "x");
    assert_eq!(get(&storage, "ns/large").await.unwrap(), None);
}

#[tokio::test]
async fn a_range_of_a_large_object_is_read_by_itself() {
    let storage = Sqlite::open(IN_MEMORY).unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    storage.put(&key("ns/a"), bytes.clone().into(), PutMode::Create).await.unwrap();
    let range = 2_500_000..2_500_100;
    let found = storage.get(&key("ns/a"), &GetOptions::range(range.clone())).await.unwrap().unwrap();
    let object = found.into_object().unwrap();
    assert_eq!(object.bytes, bytes[range.start as usize..range.end as usize]);
    assert_eq!(object.size, 3_000_000);
}

/// A database as the Python service leaves it.
fn python_store() -> Folder {
    Folder::with(
        "CREATE TABLE memory_fs_files (id INTEGER PRIMARY KEY, path TEXT, data BLOB, created_at INTEGER, updated_at INTEGER);
         CREATE INDEX idx__memory_fs_files__path ON memory_fs_files(path);
         INSERT INTO memory_fs_files (path, data, updated_at) VALUES
            ('ns/a', x'616263', 5), ('ns/b/c', x'64', 6), ('/ns//d', x'65', 7), ('ns/empty', x'', 8);",
    )
}

fn python_paths(folder: &Folder) -> Vec<String> {
    let connection = Connection::open(folder.file()).unwrap();
    let mut paths = connection.prepare("SELECT path FROM memory_fs_files ORDER BY id").unwrap();
    paths.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_database_of_the_python_service_is_opened_as_it_is() {
    let folder = python_store();
    let storage = folder.open();
    let page = storage.list(&ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
    let listed: Vec<_> = page.objects.iter().map(|object| (object.key.as_str(), object.size)).collect();
    assert_eq!(listed, [("ns/a", 3), ("ns/b/c", 1), ("ns/empty", 0)]);
    assert_eq!(get(&storage, "ns/a").await.unwrap().unwrap(), "abc");
    assert_eq!(get(&storage, "ns/empty").await.unwrap().unwrap(), "");
    let head = storage.head(&key("ns/a")).await.unwrap().unwrap();
    assert_eq!((head.size, head.modified.get()), (3, 5));
    let known = GetOptions { if_none_match: Some(head.version.clone()), ..GetOptions::default() };
    assert_eq!(storage.get(&key("ns/a"), &known).await.unwrap(), Some(GetResult::NotModified));
    let part = GetOptions { range: Some(1..2), ..GetOptions::default() };
    let part = storage.get(&key("ns/a"), &part).await.unwrap().and_then(GetResult::into_object).unwrap();
    assert_eq!((part.bytes, part.size), ("b".into(), 3));
    assert_eq!(python_paths(&folder).len(), 4, "reading changes nothing");
    let create = storage.put(&key("ns/a"), "x".into(), PutMode::Create).await;
    assert!(matches!(create, Err(StorageError::Precondition { .. })));
    storage.put(&key("ns/a"), "new".into(), PutMode::Update(head.version)).await.unwrap();
    storage.delete(&key("ns/b/c")).await.unwrap();
    assert_eq!(python_paths(&folder), ["/ns//d", "ns/empty"]);
    drop(storage);
    let storage = folder.open();
    assert_eq!(get(&storage, "ns/a").await.unwrap().unwrap(), "new");
    assert_eq!(get(&storage, "ns/b/c").await.unwrap(), None);
}

#[tokio::test]
async fn what_the_python_service_writes_later_is_there_at_the_next_open() {
    let folder = python_store();
    drop(folder.open());
    let connection = Connection::open(folder.file()).unwrap();
    let later = "UPDATE memory_fs_files SET data = x'6d6f7265', updated_at = 9 WHERE path = 'ns/a';
                 INSERT INTO memory_fs_files (path, data, updated_at) VALUES ('ns/z', x'7a', 9);";
    connection.execute_batch(later).unwrap();
    let storage = folder.open();
    assert_eq!(get(&storage, "ns/a").await.unwrap().unwrap(), "more");
    assert_eq!(get(&storage, "ns/z").await.unwrap().unwrap(), "z");
}
