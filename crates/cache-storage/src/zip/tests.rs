use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use futures::future::join_all;

use super::*;

fn key(name: &str) -> ObjectKey {
    name.parse().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self) -> ZipConfig {
        ZipConfig { path: self.0.path().join("cache.zip"), max_bytes: 1 << 30 }
    }

    fn path(&self) -> PathBuf {
        self.config().path
    }

    fn open(&self) -> Zip {
        Zip::open(&self.config()).unwrap()
    }

    /// Expects that the archive is refused for this reason and left as it is.
    #[track_caller]
    fn check_refused(&self, reason: &str) {
        let before = fs::read(self.path()).unwrap();
        let StorageError::Refused { source, .. } = Zip::open(&self.config()).unwrap_err() else { panic!("{reason}") };
        assert!(source.to_string().contains(reason), "{source}");
        assert!(fs::read(self.path()).unwrap() == before, "the archive was changed");
    }

    /// Expects that `unzip` finds nothing wrong, where it is installed. (It warns of any empty archive.)
    #[track_caller]
    fn check_with_unzip(&self) {
        match Command::new("unzip").arg("-tqq").arg(self.path()).stdout(Stdio::null()).status() {
            Ok(tested) => assert!(tested.success()),
            Err(_) => drop(writeln!(std::io::stderr(), "not run: unzip -t, which is not installed")),
        }
    }
}

async fn put(storage: &Zip, name: &str, bytes: impl Into<Bytes>) -> Result<Version, StorageError> {
    storage.put(&key(name), bytes.into(), PutMode::Overwrite).await
}

async fn get(storage: &Zip, name: &str) -> Option<Bytes> {
    let found = storage.get(&key(name), &GetOptions::default()).await.unwrap();
    found.and_then(GetResult::into_object).map(|object| object.bytes)
}

/// Does not deflate.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_is_whole_after_every_rewrite() {
    let folder = Folder::new();
    let storage = folder.open();
    for round in 0..10_usize {
        join_all((0..20_usize).map(|n| {
            let name = format!("ns/{}/é {n}", (n * 7 + round) % 30);
            let bytes = noise(n * 50, n as u64).repeat(round + 1);
            let storage = storage.clone();
            async move { put(&storage, &name, bytes).await.unwrap() }
        }))
        .await;
        storage.delete(&key(&format!("ns/{}/é 3", round * 3))).await.unwrap();
        folder.check_with_unzip();
    }
    let (before, state) = (storage.archive().members.clone(), storage.archive().next_version);
    drop(storage);
    let again = folder.open();
    assert!(again.archive().members == before, "what is read at open is what was written");
    assert_eq!(again.archive().next_version, state);
}

#[tokio::test]
async fn objects_and_versions_outlive_the_process() {
    let folder = Folder::new();
    let first = put(&folder.open(), "ns/a", "first").await.unwrap();
    let storage = folder.open();
    assert_eq!(get(&storage, "ns/a").await.unwrap(), "first");
    storage.delete(&key("ns/a")).await.unwrap();
    drop(storage);
    let storage = folder.open();
    assert_ne!(put(&storage, "ns/a", "other").await.unwrap(), first);
}

#[test]
fn a_second_process_is_refused_by_the_name_of_the_first() {
    let folder = Folder::new();
    let _first = folder.open();
    folder.check_refused(&format!("in use by process {}", std::process::id()));
}

#[tokio::test]
async fn unchanged_members_are_copied_as_they_are() {
    let folder = Folder::new();
    let storage = folder.open();
    put(&storage, "ns/a", "text ".repeat(100)).await.unwrap();
    // A byte of the packed content that only unpacking would notice.
    let member = *storage.archive().member(&key("ns/a")).unwrap();
    let mut bytes = fs::read(folder.path()).unwrap();
    bytes[member.content as usize + 3] ^= 0xff;
    let scribbled = bytes[member.content as usize..member.end() as usize].to_vec();
    drop(storage);
    let intact = folder.open();
    fs::OpenOptions::new().write(true).open(folder.path()).unwrap().write_all(&bytes).unwrap();
    put(&intact, "ns/b", "x").await.unwrap();
    let member = *intact.archive().member(&key("ns/a")).unwrap();
    assert_eq!(fs::read(folder.path()).unwrap()[member.content as usize..member.end() as usize], scribbled);
    let damaged = intact.get(&key("ns/a"), &GetOptions::default()).await.unwrap_err();
    assert!(matches!(&damaged, StorageError::Refused { .. }), "never wrong bytes: {damaged:?}");
}

#[tokio::test]
async fn damaged_members_are_named() {
    let folder = Folder::new();
    let storage = folder.open();
    for name in ["ns/first", "ns/second", "ns/third"] {
        put(&storage, name, noise(1_000, 7)).await.unwrap();
    }
    let members = storage.archive().members.clone();
    drop(storage);
    let whole = fs::read(folder.path()).unwrap();
    let mut damaged = whole.clone();
    damaged[members["ns/second"].content as usize + 500] ^= 1;
    fs::write(folder.path(), &damaged).unwrap();
    folder.check_refused("damaged members: 'ns/second'.");
    damaged[members["ns/third"].start as usize + 30] ^= 1;
    fs::write(folder.path(), &damaged).unwrap();
    folder.check_refused("damaged members: 'ns/third'.");
    fs::write(folder.path(), &whole[..whole.len() - 100]).unwrap();
    folder.check_refused("not a ZIP archive, or its end is cut off");
}

#[test]
fn an_archive_of_another_program_is_refused() {
    let folder = Folder::new();
    let mut archive = b"PK\x05\x06".to_vec();
    archive.extend([0; 18]);
    fs::write(folder.path(), &archive).unwrap();
    folder.check_refused("not a store of this server");
    fs::write(folder.path(), "notes of mine").unwrap();
    folder.check_refused("not a ZIP archive");
    fs::write(folder.path(), "").unwrap();
    folder.check_refused("not a ZIP archive");
}

#[tokio::test]
async fn members_of_another_program_are_refused_by_name() {
    let folder = Folder::new();
    put(&folder.open(), "ns/a", "x").await.unwrap();
    let mut archive = fs::read(folder.path()).unwrap();
    let field = archive.windows(4).position(|bytes| bytes == b"mg\x10\0").unwrap();
    archive[field] = b'X';
    fs::write(folder.path(), archive).unwrap();
    folder.check_refused("member 'ns/a' was not written by this server");
}

#[tokio::test]
async fn the_archive_of_a_killed_writer_is_removed() {
    let folder = Folder::new();
    put(&folder.open(), "ns/a", "x").await.unwrap();
    let unfinished = folder.path().with_extension("zip.new");
    fs::write(&unfinished, "half").unwrap();
    assert_eq!(get(&folder.open(), "ns/a").await.unwrap(), "x");
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn an_archive_that_was_replaced_is_never_a_miss() {
    let folder = Folder::new();
    let storage = folder.open();
    put(&storage, "ns/a", "x").await.unwrap();
    fs::rename(folder.path(), folder.path().with_extension("moved")).unwrap();
    fs::write(folder.path(), "another").unwrap();
    let missing = storage.head(&key("ns/b")).await;
    assert!(matches!(missing, Err(StorageError::Unavailable { .. })), "{missing:?}");
    let written = put(&storage, "ns/b", "x").await;
    assert!(matches!(written, Err(StorageError::Unavailable { .. })), "{written:?}");
    assert_eq!(fs::read(folder.path()).unwrap(), b"another", "what is not ours stays");
}

#[tokio::test]
async fn the_archive_never_grows_beyond_its_limit() {
    let folder = Folder::new();
    let storage = Zip::open(&ZipConfig { max_bytes: 100_000, ..folder.config() }).unwrap();
    let index = put(&storage, "ns/index", noise(1_000, 1)).await.unwrap();
    let mut count = 0;
    let refused = loop {
        match put(&storage, &format!("ns/{count}"), noise(1_000, count + 2)).await {
            Ok(_) => count += 1,
            Err(err) => break err,
        }
    };
    let StorageError::Full { source, .. } = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("raise CACHE__SERVICE__ZIP_MAX_BYTES"), "{source}");
    assert!(count > 70, "{count}");
    // As a delete does: an index is rewritten, a line longer, and then the object is removed.
    storage.put(&key("ns/index"), noise(1_900, 1).into(), PutMode::Update(index)).await.unwrap();
    storage.delete(&key("ns/0")).await.unwrap();
    storage.delete(&key("ns/1")).await.unwrap();
    put(&storage, "ns/again", noise(1_000, 1)).await.unwrap();
    assert!(fs::metadata(folder.path()).unwrap().len() <= 100_000);
    let too_high = Zip::open(&ZipConfig { max_bytes: MAX_BYTES + 1, path: folder.path().with_extension("x") });
    assert!(matches!(too_high, Err(StorageError::Refused { .. })), "{too_high:?}");
}

#[tokio::test]
async fn one_that_does_not_fit_leaves_the_others_alone() {
    let folder = Folder::new();
    let storage = Zip::open(&ZipConfig { max_bytes: 100_000, ..folder.config() }).unwrap();
    let sizes = [10_usize, 200_000, 20];
    let stored = join_all(sizes.map(|size| {
        let storage = storage.clone();
        async move { put(&storage, &format!("ns/{size}"), noise(size, 3)).await }
    }));
    assert_eq!(stored.await.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(storage.list(&ListRequest { limit: 9, ..ListRequest::default() }).await.unwrap().objects.len(), 2);
}
