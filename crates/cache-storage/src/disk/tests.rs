//! Properties of the disk alone: readable files, several processes, and a folder that is changed from outside.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use futures::future::join_all;
use tempfile::{NamedTempFile, TempDir};

use super::*;

/// A disk in the folder `store` of another folder.
fn disk() -> (TempDir, Disk) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path().join("store")).unwrap();
    (folder, disk)
}

fn root(disk: &Disk) -> &Path {
    disk.store.root.path()
}

fn key(key: &str) -> ObjectKey {
    key.parse().unwrap()
}

async fn create(disk: &Disk, name: &str) -> Result<Version, StorageError> {
    disk.put(&key(name), "{}".into(), PutMode::Create).await
}

async fn list(disk: &Disk) -> Result<Vec<String>, StorageError> {
    let page = disk.list(&ListRequest { limit: 100, ..ListRequest::default() }).await?;
    Ok(page.objects.into_iter().map(|object| object.key).collect())
}

/// Makes every call for this key, and checks how each of them fails.
async fn assert_all_fail(disk: &Disk, name: &str, expected: impl Fn(&StorageError) -> bool) {
    let (key, version) = (key(name), Version::new("1-1-1"));
    let request =
        ListRequest { prefix: name.rsplit_once('/').unwrap().0.to_owned() + "/", limit: 9, ..ListRequest::default() };
    let failures = [
        disk.get(&key, &GetOptions::default()).await.err(),
        disk.get(&key, &GetOptions::unless(version.clone())).await.err(),
        disk.head(&key).await.err(),
        disk.put(&key, "x".into(), PutMode::Create).await.err(),
        disk.put(&key, "x".into(), PutMode::Overwrite).await.err(),
        disk.put(&key, "x".into(), PutMode::Update(version)).await.err(),
        disk.delete(&key).await.err(),
        disk.list(&request).await.err(),
    ];
    for (call, failure) in failures.iter().enumerate() {
        assert!(failure.as_ref().is_some_and(&expected), "call {call} for {name}: {failure:?}");
    }
}

fn is_refused(err: &StorageError) -> bool {
    matches!(err, StorageError::Refused { .. })
}

fn is_unavailable(err: &StorageError) -> bool {
    matches!(err, StorageError::Unavailable { .. })
}

#[tokio::test]
async fn a_key_is_a_readable_file() {
    let (_folder, disk) = disk();
    let name = "demo/data/key-based/reports/2025/sales/daily.json";
    create(&disk, name).await.unwrap();
    assert_eq!(fs::read_to_string(root(&disk).join(name)).unwrap(), "{}");
}

#[tokio::test]
async fn files_and_folders_are_for_the_owner_only() {
    let (_folder, disk) = disk();
    create(&disk, "demo/a.json").await.unwrap();
    let mode = |path: &str| fs::metadata(root(&disk).join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("demo/a.json"), mode("demo"), mode("")), (0o600, 0o700, 0o700));
    assert_eq!((mode(".mgraph"), mode(".mgraph/tmp"), mode(".mgraph/reserve")), (0o700, 0o700, 0o600));
}

#[tokio::test]
async fn deleting_the_last_object_of_a_folder_removes_the_folder() {
    let (_folder, disk) = disk();
    for name in ["a/b/c/1.json", "a/2.json"] {
        create(&disk, name).await.unwrap();
    }
    disk.delete(&key("a/b/c/1.json")).await.unwrap();
    assert!(root(&disk).join("a").exists() && !root(&disk).join("a/b").exists());
}

#[tokio::test]
async fn a_refused_write_leaves_nothing_behind() {
    let (_folder, disk) = disk();
    create(&disk, "a/1.json").await.unwrap();
    create(&disk, "a/1.json").await.unwrap_err();
    let update = PutMode::Update(Version::new("1-1-1"));
    disk.put(&key("b/c/2.json"), "x".into(), update).await.unwrap_err();
    assert!(!root(&disk).join("b").exists());
    let tmp = fs::read_dir(root(&disk).join(".mgraph/tmp")).unwrap().map(|entry| entry.unwrap().path());
    let left: usize = tmp.filter(|path| path.is_dir()).map(|path| fs::read_dir(path).unwrap().count()).sum();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn two_disks_on_one_folder_lose_no_update() {
    let (_folder, one) = disk();
    let other = Disk::open(root(&one)).unwrap();
    let first = create(&one, "counter").await.unwrap();
    let counter = key("counter");
    let races = (1..=32).map(|n| {
        let disk = if n % 2 == 0 { &one } else { &other };
        disk.put(&counter, n.to_string().into(), PutMode::Update(first.clone()))
    });
    let results = join_all(races).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_deletes_keep_removing_does_not_stop_a_writer() {
    let (_folder, disk) = disk();
    let come_and_go = async |n: usize| {
        for _ in 0..100 {
            create(&disk, &format!("a/b/c/{n}")).await.unwrap();
            disk.delete(&key(&format!("a/b/c/{n}"))).await.unwrap();
        }
    };
    join_all((0..4).map(come_and_go)).await;
    assert!(!root(&disk).join("a").exists());
}

#[tokio::test]
async fn a_version_never_comes_back_when_the_clock_is_set_back() {
    let (_folder, disk) = disk();
    let first = create(&disk, "a").await.unwrap();
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    fs::File::open(root(&disk).join("a%")).unwrap().set_modified(tomorrow).unwrap();
    let set = disk.head(&key("a")).await.unwrap().unwrap();
    assert_ne!(set.version, first, "an edit by hand is another state");
    disk.put(&key("a"), "[]".into(), PutMode::Update(set.version.clone())).await.unwrap();
    let next = disk.head(&key("a")).await.unwrap().unwrap();
    assert!(next.modified >= set.modified && next.version != set.version, "{next:?} after {set:?}");
}

#[tokio::test]
async fn a_cached_object_is_read_without_the_blocking_pool() {
    let (_folder, disk) = disk();
    create(&disk, "a/b").await.unwrap();
    let path = path_encoding::path("a/b");
    let Some(GetResult::Object(object)) = cached::get(&disk.store.root, &path, &GetOptions::range(1..9)) else {
        // Not every kernel and file system can tell.
        return;
    };
    assert_eq!((object.bytes, object.size), ("}".into(), 2));
    assert_eq!(cached::head(&disk.store.root, &path), disk.store.head(&path).unwrap());
    assert_eq!(cached::get(&disk.store.root, &path_encoding::path("a/c"), &GetOptions::default()), None);
}

#[tokio::test]
async fn a_root_that_is_gone_is_unavailable_and_never_a_miss() {
    let (folder, disk) = disk();
    create(&disk, "ns/a.json").await.unwrap();
    let (here, away) = (folder.path().join("store"), folder.path().join("away"));
    fs::rename(&here, &away).unwrap();
    assert_all_fail(&disk, "ns/b.json", is_unavailable).await;
    // As when a volume is unmounted: its mount point is still a folder.
    fs::create_dir(&here).unwrap();
    assert_all_fail(&disk, "ns/b.json", is_unavailable).await;
    assert_eq!(fs::read_dir(&here).unwrap().count(), 0, "nothing is made in another folder");
    fs::remove_dir(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    assert_eq!(disk.get(&key("ns/b.json"), &GetOptions::default()).await.unwrap(), None);
    create(&disk, "ns/b.json").await.unwrap();
}

#[tokio::test]
async fn a_removed_root_is_unavailable() {
    let (_folder, disk) = disk();
    fs::remove_dir_all(root(&disk)).unwrap();
    assert_all_fail(&disk, "ns/a.json", is_unavailable).await;
}

#[tokio::test]
async fn a_removed_working_folder_is_made_again() {
    let (_folder, disk) = disk();
    let version = create(&disk, "a").await.unwrap();
    fs::remove_dir_all(root(&disk).join(".mgraph")).unwrap();
    create(&disk, "b").await.unwrap();
    fs::remove_dir_all(root(&disk).join(".mgraph")).unwrap();
    disk.put(&key("a"), "x".into(), PutMode::Update(version)).await.unwrap();
    fs::remove_dir_all(root(&disk).join(".mgraph")).unwrap();
    disk.delete(&key("a")).await.unwrap();
    assert_eq!(list(&disk).await.unwrap(), ["b"]);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_folder_is_refused_everywhere() {
    let (folder, disk) = disk();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("a.json"), "{}").unwrap();
    symlink(&elsewhere, root(&disk).join("ns")).unwrap();
    assert_all_fail(&disk, "ns/a.json", is_refused).await;
    assert_all_fail(&disk, "ns/deeper/b.json", is_refused).await;
    assert!(list(&disk).await.is_err_and(|err| is_refused(&err)));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_refused_everywhere() {
    let (folder, disk) = disk();
    let elsewhere = folder.path().join("secret");
    fs::write(&elsewhere, "secret").unwrap();
    fs::create_dir(root(&disk).join("ns")).unwrap();
    symlink(&elsewhere, root(&disk).join("ns/a.json")).unwrap();
    let update = PutMode::Update(Version::new("1-1-1"));
    for mode in [PutMode::Create, PutMode::Overwrite, update] {
        let failed = disk.put(&key("ns/a.json"), "x".into(), mode).await;
        assert!(failed.as_ref().is_err_and(is_refused), "{failed:?}");
    }
    assert_all_fail(&disk, "ns/a.json", is_refused).await;
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "secret");
}

#[tokio::test]
async fn a_named_pipe_does_not_hold_a_read() {
    let (_folder, disk) = disk();
    let pipe = root(&disk).join("pipe%");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let read = disk.get(&key("pipe"), &GetOptions::default()).await;
    assert!(read.as_ref().is_err_and(is_refused), "{read:?}");
}

#[tokio::test]
async fn a_root_that_is_a_file_is_refused() {
    let file = NamedTempFile::new().unwrap();
    assert!(matches!(Disk::open(file.path()), Err(StorageError::Refused { .. })));
}

#[tokio::test]
async fn a_file_in_a_folder_of_the_python_service_is_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("ns/data/key-based/example.com/v1.2");
    fs::create_dir_all(&plain).unwrap();
    fs::write(plain.join("f.json"), "python").unwrap();
    let storage = Disk::open(folder.path()).unwrap();
    let key: ObjectKey = "ns/data/key-based/example.com/v1.2/f.json".parse().unwrap();
    let head = storage.head(&key).await.unwrap().unwrap();
    let found = storage.get(&key, &GetOptions::default()).await.unwrap().and_then(GetResult::into_object).unwrap();
    assert_eq!((found.bytes, found.version), ("python".into(), head.version));
    storage.delete(&key).await.unwrap();
    assert_eq!(storage.head(&key).await.unwrap(), None);
    assert!(!plain.exists(), "the folders that it leaves empty go");
}

#[tokio::test]
async fn an_object_in_parts_that_is_dropped_leaves_no_file() {
    let (_folder, disk) = disk();
    let mut writer = disk.parts().unwrap().begin().await.unwrap();
    writer.append(vec![b'x'; 3 << 20].into()).await.unwrap();
    let files = || {
        let tmp = fs::read_dir(root(&disk).join(".mgraph/tmp")).unwrap().map(|entry| entry.unwrap().path());
        tmp.filter(|path| path.is_dir()).map(|folder| fs::read_dir(folder).unwrap().count()).sum::<usize>()
    };
    assert_eq!(files(), 1);
    drop(writer);
    assert_eq!(files(), 0);
}
