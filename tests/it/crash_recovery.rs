//! A server on a storage of this machine that is killed while it writes keeps every entry that it acknowledged, and leaves nothing
//! half written: after each kill a repair makes the store clean.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::cache::Cache;
use cache_core::clock::Clock;
use cache_core::ids::CacheId;
use cache_core::storage::Storage;
use cache_core::time::Deadline;
use cache_maintenance::verify::{Finding, FindingKind};
use cache_maintenance::{Progress, repair, verify};
use cache_storage::StorageConfig;
use cache_storage::system::{OsRng, SystemClock};
use cache_testing::mock_clock::MockClock;
use tokio::time::timeout;

use crate::support::{Client, Mode, Request, Server};

const KILLS: u64 = 50;
const WRITERS: u64 = 4;
/// How long the first store of a round may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Entries that were acknowledged, with their texts.
type Acknowledged = Arc<Mutex<HashMap<CacheId, String>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_on_disk_loses_nothing_it_acknowledged() {
    check(&Mode::Disk, |path| StorageConfig::LocalDisk { path }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_on_sqlite_loses_nothing_it_acknowledged() {
    let Some(mode) = Mode::sqlite() else { return };
    check(&mode, |path| StorageConfig::Sqlite { path }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_on_zip_loses_nothing_it_acknowledged() {
    let Some(mode) = Mode::zip() else { return };
    check(&mode, |path| StorageConfig::Zip { path, max_bytes: 1 << 30 }).await;
}

async fn check(mode: &Mode, config: impl Fn(PathBuf) -> StorageConfig) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let server = start(mode, &path).await;
        let before = acknowledged.lock().unwrap().len();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(server.client(), round, writer, acknowledged.clone())))
            .collect();
        // Each kill comes at another moment of the writing, but not before something was acknowledged.
        tokio::time::sleep(Duration::from_millis(15 + (round * 7) % 60)).await;
        let in_time = timeout(TIMEOUT, more_than(before, &acknowledged)).await;
        assert!(in_time.is_ok(), "nothing was acknowledged within {TIMEOUT:?}");
        drop(server);
        for writer in writers {
            writer.await.unwrap();
        }
        let acknowledged = acknowledged.lock().unwrap().clone();
        let storage = cache_storage::open(&config(path.clone())).await.unwrap();
        nothing_is_damaged(&storage, &acknowledged).await;
        a_repair_leaves_nothing(storage).await;
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let server = start(mode, &path).await;
    for (id, text) in &acknowledged {
        let reply = server.client().send(Request::get(&format!("/kill/retrieve/{id}/string"))).await;
        assert_eq!((reply.status.as_u16(), &reply.text()), (200, text), "{id}");
    }
    drop(server);
    let storage = cache_storage::open(&config(path)).await.unwrap();
    nothing_is_half_written(storage, &acknowledged).await;
}

/// Compares everything in the store. Only what was never acknowledged may be without its key or view: its store was killed after
/// the commit.
async fn nothing_is_damaged(storage: &Arc<dyn Storage>, acknowledged: &HashMap<CacheId, String>) {
    let found = verify(storage.clone(), &Progress::default()).await.unwrap();
    let is_acknowledged = |id: &CacheId| acknowledged.contains_key(id);
    assert!(!found.unlisted_entries.iter().any(is_acknowledged), "{:?}", found.unlisted_entries);
    for Finding { kind, object, entries } in &found.findings {
        assert!(matches!(kind, FindingKind::NotUnderItsKey | FindingKind::MissingView), "{kind:?}: {object}");
        assert!(!entries.iter().any(is_acknowledged), "{kind:?}: {object} {entries:?}");
    }
}

async fn a_repair_leaves_nothing(storage: Arc<dyn Storage>) {
    let repaired = repair(storage, &Progress::default()).await.unwrap();
    assert!(repaired.left.is_clean(), "{repaired:?}");
}

/// Ends when more stores are acknowledged than `before`.
async fn more_than(before: usize, acknowledged: &Acknowledged) {
    while acknowledged.lock().unwrap().len() <= before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn start(mode: &Mode, path: &Path) -> Server {
    let variables = ["LOCAL_DISK", "SQLITE", "ZIP"].map(|what| format!("CACHE__SERVICE__{what}_PATH"));
    let path = path.display().to_string();
    Server::start_with(mode, &variables.each_ref().map(|variable| (variable.as_str(), path.as_str()))).await
}

/// Stores until the server is killed: distinct contents, one that all writers share, and one under a key.
async fn write(client: Client, round: u64, writer: u64, acknowledged: Acknowledged) {
    for n in 0.. {
        let text = if n % 3 == 0 { format!("shared {round}") } else { format!("{round} {writer} {n}").repeat(200) };
        let target = match n % 4 {
            0 => "/kill/key_based/store/string/reports/daily?file_id=summary",
            _ => "/kill/temporal/store/string",
        };
        match client.try_send(Request::post(target).text(&text)).await {
            Ok(reply) if reply.status == 200 => {
                acknowledged.lock().unwrap().insert(reply.field("cache_id").parse().unwrap(), text);
            }
            _ => return,
        }
    }
}

/// Two days later a sweep reads every object, and reports those that it cannot read. It also reports views whose first
/// store was killed before it wrote the manifest.
async fn nothing_is_half_written(storage: Arc<dyn Storage>, acknowledged: &HashMap<CacheId, String>) {
    let two_days = Duration::from_secs(2 * 24 * 3600);
    let clock = MockClock::new(SystemClock.now().plus(two_days));
    let cache = Cache::new(storage, Arc::new(clock), Arc::new(OsRng)).with_deadline(Deadline::NEVER);
    let report = cache.namespace(&"kill".parse().unwrap()).sweep().await.unwrap();
    assert!(report.complete, "{report:?}");
    for object in &report.damaged {
        assert!(object.starts_with("kill/data/temporal/"), "{object}");
        assert!(!acknowledged.keys().any(|id| object.contains(&id.to_string())), "{object}");
    }
}
