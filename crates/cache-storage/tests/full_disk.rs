//! A disk that is full loses nothing, and can be emptied again, on each of the storages of one machine.
//!
//! `MGRAPH_SMALL_VOLUME` names an empty volume of some megabytes, as `mount -t tmpfs -o size=32m tmpfs FOLDER` makes
//! it; without it the test says so and returns early.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::env;
use std::io::Write;
use std::path::Path;

use cache_core::storage::{GetOptions, ListRequest, ObjectKey, PutMode, Storage, StorageError};
use cache_storage::StorageConfig;

/// Bytes that do not deflate.
fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(size as u64).fill(&mut bytes);
    bytes
}

fn blob(n: usize) -> ObjectKey {
    format!("ns/blobs/{n}").parse().unwrap()
}

/// Creates objects of decreasing size until not even one of a byte fits, and returns how many there are.
async fn fill(disk: &dyn Storage) -> usize {
    let mut count = 0;
    for size in [100_000, 4_096, 1] {
        loop {
            match disk.put(&blob(count), noise(size).into(), PutMode::Create).await {
                Ok(_) => count += 1,
                Err(StorageError::Full { .. }) => break,
                Err(err) => panic!("{err:?}"),
            }
        }
    }
    count
}

/// The modes, each with a store in its own folder of the volume.
fn configs(volume: &Path) -> Vec<StorageConfig> {
    let path = volume.join("store/store");
    let mut configs = vec![StorageConfig::LocalDisk { path: path.clone() }];
    if cfg!(feature = "sqlite") {
        configs.push(StorageConfig::Sqlite { path: path.clone() });
    }
    if cfg!(feature = "zip") {
        configs.push(StorageConfig::Zip { path, max_bytes: 1 << 30 });
    }
    configs
}

#[tokio::test]
async fn a_full_disk_can_be_emptied() {
    let Some(volume) = env::var_os("MGRAPH_SMALL_VOLUME") else {
        return drop(writeln!(std::io::stderr(), "not run: full disks, which need MGRAPH_SMALL_VOLUME"));
    };
    for config in configs(Path::new(&volume)) {
        check(&config).await;
        std::fs::remove_dir_all(Path::new(&volume).join("store")).unwrap();
    }
}

async fn check(config: &StorageConfig) {
    let mode = config.mode();
    let disk = cache_storage::open(config).await.unwrap();
    let index: ObjectKey = "ns/index".parse().unwrap();
    let mut version = disk.put(&index, noise(60_000).into(), PutMode::Create).await.unwrap();
    let count = fill(&*disk).await;
    assert!(count > 10, "{mode}: {count}");
    for n in 0..count {
        assert!(disk.get(&blob(n), &GetOptions::default()).await.unwrap().is_some(), "{mode}: {n} was acknowledged");
    }

    // As a delete does: an index is rewritten, at most one line longer, and then the blob is removed.
    for n in 0..count {
        let update = PutMode::Update(version.clone());
        version = disk
            .put(&index, noise(60_000 + n).into(), update)
            .await
            .unwrap_or_else(|err| panic!("{mode} {n} of {count}: {err:?}"));
        if n == 0 {
            let grown = PutMode::Update(version.clone());
            let failed = disk.put(&index, noise(900_000).into(), grown).await;
            assert!(
                matches!(failed, Err(StorageError::Full { .. })),
                "{mode}: the reserve is not for stores: {failed:?}"
            );
        }
        disk.delete(&blob(n)).await.unwrap_or_else(|err| panic!("{mode} {n} of {count}: {err:?}"));
    }
    let left = disk.list(&ListRequest { limit: 9, ..ListRequest::default() }).await.unwrap();
    assert_eq!(left.objects.len(), 1, "{mode}");
    assert!(disk.get(&index, &GetOptions::unless(version)).await.unwrap().is_some());
    assert!(fill(&*disk).await > 10, "{mode}");
}
