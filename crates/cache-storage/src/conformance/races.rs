//! Several callers at once.

use cache_core::storage::{PutMode, Storage};
use futures::future::{join, join_all};

use super::{Place, is_conflict, the_winner};

/// How many writers race.
const RACERS: usize = 32;

/// `Create` is atomic.
pub async fn one_of_32_racing_creates_wins(storage: &dyn Storage) {
    let place = Place::new(storage);
    let results = join_all((0..RACERS).map(|n| place.put("folder/a", n.to_string(), PutMode::Create))).await;
    assert_eq!(place.text("folder/a").await.unwrap(), the_winner(&results).to_string());
}

/// `Replace` is atomic.
pub async fn one_of_32_racing_replaces_wins(storage: &dyn Storage) {
    let place = Place::new(storage);
    let first = place.overwrite("a", "first").await;
    let replace = |n: usize| place.put("a", n.to_string(), PutMode::Replace(first.clone()));
    let results = join_all((0..RACERS).map(replace)).await;
    assert_eq!(place.text("a").await.unwrap(), the_winner(&results).to_string());
}

/// Eight writers count to 32 together.
pub async fn racing_compare_and_swaps_lose_no_update(storage: &dyn Storage) {
    let place = Place::new(storage);
    place.overwrite("count", "0").await;
    let count_up = async || {
        for _ in 0..4 {
            loop {
                let now = place.get("count").await.unwrap();
                let next = std::str::from_utf8(&now.bytes).unwrap().parse::<u32>().unwrap() + 1;
                match place.put("count", next.to_string(), PutMode::Replace(now.version)).await {
                    Ok(_) => break,
                    result => assert!(is_conflict(&result), "{result:?}"),
                }
            }
        }
    };
    join_all((0..8).map(|_| count_up())).await;
    assert_eq!(place.text("count").await.unwrap(), "32");
}

/// A write is all or nothing for those who read meanwhile.
pub async fn readers_never_see_half_an_object(storage: &dyn Storage) {
    let place = Place::new(storage);
    let body = |n: usize| vec![b'a' + n as u8; 200_000 + n * 10_000];
    place.overwrite("a", body(0)).await;
    let write = async {
        for n in 1..20 {
            place.overwrite("a", body(n)).await;
        }
    };
    let read = async || {
        for _ in 0..20 {
            let object = place.get("a").await.unwrap();
            let n = usize::from(object.bytes[0] - b'a');
            assert!(object.bytes == body(n) && object.size as usize == object.bytes.len(), "a mix of two writes");
        }
    };
    join(write, join_all((0..4).map(|_| read()))).await;
}

/// A folder that comes and goes with its only object is no obstacle.
pub async fn creates_and_deletes_in_one_folder_do_not_disturb_each_other(storage: &dyn Storage) {
    let place = Place::new(storage);
    let come_and_go = async |n: usize| {
        for round in 0..5 {
            let name = format!("deep/er/folder/{n}");
            place.put(&name, round.to_string(), PutMode::Create).await.unwrap();
            assert_eq!(place.text(&name).await, Some(round.to_string()));
            place.delete(&name).await;
        }
    };
    join_all((0..8).map(come_and_go)).await;
    assert_eq!(place.list().await, [""; 0]);
}
