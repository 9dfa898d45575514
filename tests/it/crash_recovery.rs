//! A server on disk that is killed while it writes keeps every entry that it acknowledged, and leaves nothing half
//! written.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::cache::Cache;
use cache_core::clock::Clock;
use cache_core::time::Deadline;
use cache_storage::disk::Disk;
use cache_storage::system::{OsRng, SystemClock};
use cache_testing::mock_clock::MockClock;
use tokio::time::timeout;

use crate::support::{Client, Mode, Request, Server};

const KILLS: u64 = 50;
const WRITERS: u64 = 4;
/// How long the first store of a round may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Entries that were acknowledged: id and text.
type Acknowledged = Arc<Mutex<Vec<(String, String)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let server = start(folder.path()).await;
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
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let server = start(folder.path()).await;
    for (id, text) in &acknowledged {
        let reply = server.client().send(Request::get(&format!("/kill/retrieve/{id}/string"))).await;
        assert_eq!((reply.status.as_u16(), &reply.text()), (200, text), "{id}");
    }
    drop(server);
    nothing_is_half_written(Disk::open(folder.path()).unwrap(), &acknowledged).await;
}

/// Ends when more stores are acknowledged than `before`.
async fn more_than(before: usize, acknowledged: &Acknowledged) {
    while acknowledged.lock().unwrap().len() <= before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn start(folder: &Path) -> Server {
    Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__LOCAL_DISK_PATH", &folder.display().to_string())]).await
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
            Ok(reply) if reply.status == 200 => acknowledged.lock().unwrap().push((reply.field("cache_id"), text)),
            _ => return,
        }
    }
}

/// Two days later a sweep reads every object, and reports those that it cannot read. It also reports views whose first
/// store was killed before it wrote the manifest.
async fn nothing_is_half_written(disk: Disk, acknowledged: &[(String, String)]) {
    let two_days = Duration::from_secs(2 * 24 * 3600);
    let clock = MockClock::new(SystemClock.now().plus(two_days));
    let cache = Cache::new(Arc::new(disk), Arc::new(clock), Arc::new(OsRng)).with_deadline(Deadline::NEVER);
    let report = cache.namespace(&"kill".parse().unwrap()).sweep().await.unwrap();
    assert!(report.complete, "{report:?}");
    for object in &report.damaged {
        assert!(object.starts_with("kill/data/temporal/"), "{object}");
        assert!(!acknowledged.iter().any(|(id, _)| object.contains(id)), "{object}");
    }
}
