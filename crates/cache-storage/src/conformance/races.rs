//! Several callers at once.

use cache_core::storage::{PutMode, Storage};
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

/// Eight writers count to 32 together.
pub async fn racing_compare_and_swaps_lose_no_update(storage: &dyn Storage) {
    let sandbox = Sandbox::new(storage);
    sandbox.overwrite("count", "0").await;
    let count_up = async || {
        for _ in 0..4 {
            loop {
                let now = sandbox.get("count").await.unwrap();
                let next = std::str::from_utf8(&now.bytes).unwrap().parse::<u32>().unwrap() + 1;
                match sandbox.put("count", next.to_string(), PutMode::Update(now.version)).await {
                    Ok(_) => break,
                    result => assert!(is_precondition(&result), "{result:?}"),
                }
            }
        }
    };
    join_all((0..8).map(|_| count_up())).await;
    assert_eq!(sandbox.text("count").await.unwrap(), "32");
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
