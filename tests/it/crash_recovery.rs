//! A server on disk that is killed while it writes keeps every entry that it acknowledged, and leaves nothing half written.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::content::Digest;
use cache_core::storage::{ListRequest, Storage};
use cache_storage::disk::Disk;
use tokio::time::timeout;

use crate::support::{Client, Mode, Request, Server};

const KILLS: u64 = 50;
const WRITERS: u64 = 4;
/// How long the first store of a round may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let in_time = timeout(PATIENCE, more_than(before, &acknowledged)).await;
        assert!(in_time.is_ok(), "nothing was acknowledged within {PATIENCE:?}");
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
    nothing_is_half_written(&Disk::open(folder.path()).unwrap()).await;
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

/// Stores until the server is gone: contents of its own, one that all share, and one under a key.
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

/// A blob is named after its content, and everything but blobs and readable copies is JSON.
async fn nothing_is_half_written(disk: &Disk) {
    let mut request = ListRequest { prefix: "kill/".to_owned(), limit: 1000, ..ListRequest::default() };
    loop {
        let page = disk.list(&request).await.unwrap();
        for listed in &page.objects {
            let object = disk.get(&listed.key.parse().unwrap(), None).await.unwrap().unwrap();
            match listed.key.strip_prefix("kill/blobs/") {
                Some(below) => {
                    let digest = Digest::of(&object.bytes).to_string();
                    assert_eq!(&below["aa/bb/".len()..][..16], &digest[..16], "{}", listed.key);
                }
                None if listed.key.starts_with("kill/data/key-based/") => {}
                None => drop(serde_json::from_slice::<serde_json::Value>(&object.bytes).expect(&listed.key)),
            }
        }
        match page.next {
            Some(next) => request.start_after = Some(next),
            None => return,
        }
    }
}
