//! Several callers at once.

use cache_core::storage::{PutMode, Storage, StorageError};
use futures::future::{join, join_all};

use super::{Sandbox, is_precondition};

/// How many writers race.
const RACERS: usize = 32;

/// How often a racer whose outcome is unknown tries again.
const ATTEMPTS: usize = 10;

/// `Create` is atomic.
pub async fn one_of_32_racing_creates_wins(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    assert_one_wins(&sandbox, "folder/a", PutMode::Create).await;
}

/// `Update` is atomic.
pub async fn one_of_32_racing_updates_wins(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    let first = sandbox.overwrite("a", "first").await;
    assert_one_wins(&sandbox, "a", PutMode::Update(first)).await;
}

/// All racers put the object under one precondition: one of them succeeds and its bytes are stored, all others fail.
async fn assert_one_wins(sandbox: &Sandbox<'_>, name: &str, mode: PutMode) {
    let results = join_all((0..RACERS).map(|n| put_until_known(sandbox, name, n.to_string(), &mode))).await;
    let winners: Vec<_> = (0..RACERS).filter(|&n| results[n].is_ok()).collect();
    let losers = results.iter().filter(|result| is_precondition(result)).count();
    assert_eq!((winners.len(), losers), (1, RACERS - 1), "{results:?}");
    assert_eq!(sandbox.text(name).await.unwrap(), winners[0].to_string());
}

/// Puts the object under a precondition that only one writer can meet. When the outcome is unknown (some servers fail
/// when they are contended), what is stored tells it: no other racer writes these bytes.
async fn put_until_known(sandbox: &Sandbox<'_>, name: &str, text: String, mode: &PutMode) -> Result<(), StorageError> {
    for _ in 0..ATTEMPTS {
        match sandbox.put(name, text.clone(), mode.clone()).await {
            Err(StorageError::Unavailable { .. }) if sandbox.text(name).await.as_ref() == Some(&text) => return Ok(()),
            Err(StorageError::Unavailable { .. }) => {}
            result => return result.map(drop),
        }
    }
    panic!("the outcome of {ATTEMPTS} attempts is unknown");
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
