//! Several callers at once.

use cache_core::storage::{PutMode, Storage, StorageError};
use futures::future::{join, join_all};

use super::{Sandbox, is_precondition, winner};

/// How many writers race.
const RACERS: usize = 32;

/// `Create` is atomic.
pub async fn one_of_32_racing_creates_wins(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let results = join_all((0..RACERS).map(|n| sandbox.put("folder/a", n.to_string(), PutMode::Create))).await;
    assert_eq!(sandbox.text("folder/a").await.unwrap(), winner(&results).to_string());
}

/// `Update` is atomic.
pub async fn one_of_32_racing_updates_wins(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let first = sandbox.overwrite("a", "first").await;
    let update = |n: usize| sandbox.put("a", n.to_string(), PutMode::Update(first.clone()));
    let results = join_all((0..RACERS).map(update)).await;
    assert_eq!(sandbox.text("a").await.unwrap(), winner(&results).to_string());
}

/// Eight writers add 32 lines together. One whose outcome is unknown looks whether its line is there: some servers fail
/// when they are contended.
pub async fn racing_compare_and_swaps_lose_no_update(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("lines", "").await;
    let add = async |line: String| {
        loop {
            let now = sandbox.get("lines").await.unwrap();
            let text = std::str::from_utf8(&now.bytes).unwrap();
            if text.contains(&line) {
                return;
            }
            match sandbox.put("lines", format!("{text}{line}"), PutMode::Update(now.version)).await {
                Ok(_) => return,
                Err(StorageError::Unavailable { .. }) => {}
                result => assert!(is_precondition(&result), "{result:?}"),
            }
        }
    };
    let write = async |writer: usize| {
        for round in 0..4 {
            add(format!("{writer}.{round}\n")).await;
        }
    };
    join_all((0..8).map(write)).await;
    let text = sandbox.text("lines").await.unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let all: Vec<_> = (0..8).flat_map(|writer| (0..4).map(move |round| format!("{writer}.{round}"))).collect();
    assert_eq!(lines, all, "every line once");
}

/// A write is all or nothing for those who read meanwhile.
pub async fn readers_never_see_half_an_object(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let body = |n: usize| vec![b'a' + n as u8; 200_000 + n * 10_000];
    sandbox.overwrite("a", body(0)).await;
    let write = async {
        for n in 1..20 {
            sandbox.overwrite("a", body(n)).await;
        }
    };
    let read = async || {
        for _ in 0..20 {
            let object = sandbox.get("a").await.unwrap();
            let n = usize::from(object.bytes[0] - b'a');
            assert!(object.bytes == body(n) && object.size as usize == object.bytes.len(), "a mix of two writes");
        }
    };
    join(write, join_all((0..4).map(|_| read()))).await;
}

/// A folder that is created and removed with its only object does not fail other calls.
pub async fn creates_and_deletes_in_one_folder_do_not_interfere(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let come_and_go = async |n: usize| {
        for round in 0..5 {
            let name = format!("deep/er/folder/{n}");
            sandbox.put(&name, round.to_string(), PutMode::Create).await.unwrap();
            assert_eq!(sandbox.text(&name).await, Some(round.to_string()));
            sandbox.delete(&name).await;
        }
    };
    join_all((0..8).map(come_and_go)).await;
    assert_eq!(sandbox.list().await, [""; 0]);
}
