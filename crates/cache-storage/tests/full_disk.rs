//! A disk that is full can be emptied again.
//!
//! `MGRAPH_SMALL_VOLUME` names an empty volume of a few megabytes, as `mount -t tmpfs -o size=4m tmpfs FOLDER` makes
//! it; without it the test returns early.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::env;
use std::path::Path;

use cache_core::storage::{GetOptions, ListRequest, ObjectKey, PutMode, Storage, StorageError};
use cache_storage::disk::Disk;

fn blob(n: usize) -> ObjectKey {
    format!("ns/blobs/{n}").parse().unwrap()
}

/// Creates objects of decreasing size until not even one of a byte fits, and returns how many there are.
async fn fill(disk: &Disk) -> usize {
    let mut count = 0;
    for size in [100_000, 4_096, 1] {
        loop {
            match disk.put(&blob(count), vec![b'x'; size].into(), PutMode::Create).await {
                Ok(_) => count += 1,
                Err(StorageError::Full { .. }) => break,
                Err(err) => panic!("{err:?}"),
            }
        }
    }
    count
}

#[tokio::test]
async fn a_full_disk_can_be_emptied() {
    let Some(volume) = env::var_os("MGRAPH_SMALL_VOLUME") else { return };
    let root = Path::new(&volume).join("store");
    let disk = Disk::open(&root).unwrap();
    let index: ObjectKey = "ns/index".parse().unwrap();
    let mut version = disk.put(&index, vec![b'i'; 60_000].into(), PutMode::Create).await.unwrap();
    let count = fill(&disk).await;
    assert!(count > 10, "{count}");

    // As a delete does: an index is rewritten, at most one line longer, and then the blob is removed.
    for n in 0..count {
        let update = PutMode::Update(version);
        version = disk.put(&index, vec![b'i'; 60_000 + n].into(), update).await.unwrap();
        if n == 0 {
            let grown = PutMode::Update(version.clone());
            let failed = disk.put(&index, vec![b'i'; 90_000].into(), grown).await;
            assert!(matches!(failed, Err(StorageError::Full { .. })), "the reserve is not for stores: {failed:?}");
        }
        disk.delete(&blob(n)).await.unwrap();
    }
    let left = disk.list(&ListRequest { limit: 9, ..ListRequest::default() }).await.unwrap();
    assert_eq!(left.objects.len(), 1);
    assert!(disk.get(&index, &GetOptions::unless(version)).await.unwrap().is_some());
    assert_eq!(std::fs::metadata(root.join(".mgraph/reserve")).unwrap().len(), 1 << 20);
    assert!(fill(&disk).await > 10);
    drop(disk);
    std::fs::remove_dir_all(root).unwrap();
}
