//! Stores of the Python service, opened as they are: every entry is answered as the Python service answered it, ours join
//! them, and nothing is lost.
//!
//! `fixture.json.gz` is a small store, with the answers of the Python service, so that this runs without Python. Larger ones are
//! written by the service itself, which `tools/tools.sh` sets up (or `MGRAPH_REFERENCE_PYTHON` names its Python), through its
//! API: on disk, in SQLite and on S3. `MGRAPH_WRITE_FIXTURE=1` writes the fixture again.

mod compare;
mod reference;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cache_testing::s3_server::S3Server;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use self::compare::check_all;
use self::reference::Reference;
use self::writing::{Asked, NAMESPACE, Recorded, write_store};
use crate::support::server::binary;
use crate::support::tree::files;
use crate::support::{Client, Mode, Request, Server, say};

/// How many stores are made in a store that Python writes.
const STORES: usize = 210;
/// How many answers are asked for at the same time. On SQLite the Python service stands one only.
const CONCURRENCY: usize = 4;
/// How many are in the fixture.
const FIXTURE_STORES: usize = 8;
/// How many stores of ours run at the same time.
const OURS: usize = 40;

/// A store, and what the Python service answers for it.
#[derive(Serialize, Deserialize)]
struct Fixture {
    /// The files by their paths: texts as they are, others in base64 behind `base64:`.
    files: BTreeMap<String, String>,
    recorded: Recorded,
}

fn fixture_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/python_store/fixture.json.gz")
}

/// Checks a store with our server: all answers, then stores of ours beside each other, then all answers again, then
/// deletes.
async fn check(mode: &Mode, settings: &[(&str, &str)], recorded: &Recorded) {
    let started = Instant::now();
    let server = Server::start_with(mode, settings).await;
    let client = server.client();
    check_all(&client, recorded).await;
    check_keys(&client, recorded).await;
    let ours = store_beside(&client, recorded).await;
    check_all(&client, &recorded.without_hashes()).await;
    check_lists(&client, recorded, &ours).await;
    check_deletes(&client, recorded, &ours).await;
    say(&format!("the same answers, and what follows, took this service {:.0} s", started.elapsed().as_secs_f64()));
}

/// Under each key are the entries that the Python service stored there last, and the newest of them is what is read. The Python
/// service itself has no route for that: it finds a key by its path.
async fn check_keys(client: &Client, recorded: &Recorded) {
    let get = async |path: &str| client.send(Request::get(&format!("/{NAMESPACE}/{path}"))).await;
    for (key, ids) in &recorded.keys {
        let listed = get(&format!("versions/key/{key}")).await;
        let read = get(&format!("retrieve/key/{key}")).await;
        let Some(newest) = ids.last() else {
            assert_eq!((listed.status.as_u16(), read.status.as_u16()), (404, 404), "{key}: {}", listed.text());
            continue;
        };
        let listed = listed.json();
        let versions: Vec<&str> =
            listed["versions"].as_array().unwrap().iter().map(|listed| listed["cache_id"].as_str().unwrap()).collect();
        let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!((versions, listed["latest_id"].as_str()), (expected, Some(newest.as_str())), "{key}");
        let by_id = get(&format!("retrieve/{newest}")).await;
        assert_eq!((read.status, &read.json()["metadata"]), (by_id.status, &by_id.json()["metadata"]), "{key}");
    }
}

/// Stores the contents of some old entries again, all at the same time, and returns the new ids by hash.
async fn store_beside(client: &Client, recorded: &Recorded) -> BTreeMap<String, BTreeSet<String>> {
    let texts: Vec<(&String, &String)> = recorded.texts.iter().take(4).collect();
    let stores = (0..OURS).map(|n| {
        let (hash, text) = texts[n % texts.len()];
        let strategy = ["direct", "temporal", "temporal_latest", "temporal_versioned", "key_based"][n % 5];
        let request = Request::post(&format!("/{NAMESPACE}/{strategy}/store/string")).text(text);
        async move { (hash.clone(), client.send(request).await) }
    });
    let mut ours: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (hash, reply) in join_all(stores).await {
        assert_eq!((reply.status.as_u16(), reply.field("cache_hash")), (200, hash.clone()), "{}", reply.text());
        ours.entry(hash).or_default().insert(reply.field("cache_id"));
    }
    ours
}

/// Ids, hashes, counts and versions have both kinds of entries.
async fn check_lists(client: &Client, recorded: &Recorded, ours: &BTreeMap<String, BTreeSet<String>>) {
    let list = async |path: &str| -> BTreeSet<String> {
        let reply = client.send(Request::get(&format!("/{NAMESPACE}/{path}"))).await;
        serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{}", reply.text()))
    };
    let mut ids = recorded.ids.clone();
    ids.extend(ours.values().flatten().cloned());
    assert_eq!(list("file-ids").await, ids);
    let hashes: BTreeSet<String> = recorded.versions.keys().cloned().collect();
    assert_eq!(list("file-hashes").await, hashes);
    let stats = client.send(Request::get(&format!("/{NAMESPACE}/stats"))).await.json();
    assert_eq!((&stats["refs_id_files"], &stats["refs_hash_files"]), (&ids.len().into(), &hashes.len().into()));
    for (hash, old) in &recorded.versions {
        let found = client.send(Request::get(&format!("/{NAMESPACE}/versions/hash/{hash}?limit=1000"))).await.json();
        let listed: Vec<&str> =
            found["versions"].as_array().unwrap().iter().map(|listed| listed["cache_id"].as_str().unwrap()).collect();
        let (first, rest) = listed.split_at(old.len());
        assert_eq!(first, old, "the old versions of {hash} come first");
        assert_eq!(
            rest.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>(),
            ours.get(hash).cloned().unwrap_or_default()
        );
        assert_eq!(found["count"], listed.len());
    }
}

/// Deletes every third old entry: it is gone, all others are there.
async fn check_deletes(client: &Client, recorded: &Recorded, ours: &BTreeMap<String, BTreeSet<String>>) {
    let readable =
        async |id: &str| client.send(Request::get(&format!("/{NAMESPACE}/retrieve/{id}"))).await.status == 200;
    let alone: Vec<&String> = recorded.ids.iter().filter(|id| !recorded.shared.contains(*id)).collect();
    let (mut deleted, mut kept) = (Vec::new(), ours.values().flatten().collect::<Vec<_>>());
    for (place, id) in alone.into_iter().enumerate() {
        if place % 3 == 0 { deleted.push(id) } else { kept.push(id) }
    }
    for id in &deleted {
        let reply = client.send(Request::delete(&format!("/{NAMESPACE}/delete/{id}"))).await.json();
        assert_eq!(reply["status"], "success", "{reply}");
    }
    for id in deleted {
        assert!(!readable(id).await, "{id} is deleted");
    }
    for id in kept {
        assert!(readable(id).await, "{id} is there");
    }
}

/// The fixture, and a folder with its files.
fn unpack_fixture() -> (Recorded, TempDir) {
    let fixture: Fixture = serde_json::from_reader(GzDecoder::new(File::open(fixture_path()).unwrap())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in &fixture.files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = match text.strip_prefix("base64:") {
            Some(encoded) => STANDARD.decode(encoded).unwrap(),
            None => text.clone().into_bytes(),
        };
        fs::write(path, bytes).unwrap();
    }
    (fixture.recorded, folder)
}

/// Runs a command of the server's binary, and returns its exit code and what it says.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(arguments).env_clear().output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.code(), said.concat())
}

#[tokio::test]
async fn a_fixture_of_the_python_service_is_answered_alike() {
    let (recorded, folder) = unpack_fixture();
    let disk = folder.path().to_str().unwrap();
    check(&Mode::Disk, &[("CACHE__SERVICE__LOCAL_DISK_PATH", disk)], &recorded).await;
}

#[tokio::test]
async fn a_copy_of_a_python_store_is_answered_alike() {
    let (recorded, folder) = unpack_fixture();
    let target = tempfile::tempdir().unwrap();
    let (from, to) = (format!("disk:{}", folder.path().display()), format!("disk:{}", target.path().display()));
    for written in ["objects (", " 0 objects ("] {
        let (code, said) = run(&["copy", "--from", &from, "--to", &to]);
        assert!(code == Some(0) && said.contains(written), "{said}");
    }
    let (code, said) = run(&["verify", &to]);
    assert!(code == Some(0) && said.contains("entries of the Python service, as it stored them"), "{said}");
    let settings = [("CACHE__SERVICE__LOCAL_DISK_PATH", target.path().to_str().unwrap())];
    check(&Mode::Disk, &settings, &recorded).await;
}

#[tokio::test]
async fn a_converted_copy_has_the_same_contents_and_no_python_files() {
    let (recorded, folder) = unpack_fixture();
    let target = tempfile::tempdir().unwrap();
    let (from, to) = (format!("disk:{}", folder.path().display()), format!("disk:{}", target.path().display()));
    let before = files(&folder.path().join(NAMESPACE));
    for expected in
        [format!("{} entries of the Python service were converted", recorded.ids.len()), " 0 objects (".to_owned()]
    {
        let (code, said) = run(&["copy", "--from", &from, "--to", &to, "--convert"]);
        assert!(code == Some(0) && said.contains(&expected) && said.contains(" entries/s, "), "{said}");
    }
    assert_eq!(files(&folder.path().join(NAMESPACE)), before, "the source stays as it is");
    let (code, said) = run(&["verify", &to]);
    assert!(code == Some(0) && said.contains(": 0 findings") && !said.contains("Python service"), "{said}");
    let left = files(target.path())
        .into_keys()
        .find(|path| path.extension().is_some_and(|extension| extension == "metadata" || extension == "config"));
    assert_eq!(left, None);
    let server =
        Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__LOCAL_DISK_PATH", target.path().to_str().unwrap())]).await;
    check_all(&server.client(), &recorded.contents()).await;
    check_lists(&server.client(), &recorded, &BTreeMap::new()).await;
}

#[tokio::test]
async fn a_store_that_the_python_service_wrote_on_disk_is_answered_alike() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().to_str().unwrap();
    let settings = [("CACHE__SERVICE__LOCAL_DISK_PATH", disk)];
    let Some(reference) = Reference::start("local_disk", &settings).await else { return };
    let recorded = write_store(&reference.client(), STORES, CONCURRENCY, Asked::All).await;
    drop(reference);
    check(&Mode::Disk, &settings, &recorded).await;
}

#[tokio::test]
async fn a_store_that_the_python_service_wrote_in_sqlite_is_answered_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("python.sqlite");
    let settings = [("CACHE__SERVICE__SQLITE_PATH", path.to_str().unwrap())];
    let Some(reference) = Reference::start("sqlite", &settings).await else { return };
    let recorded = write_store(&reference.client(), STORES, 1, Asked::All).await;
    drop(reference);
    check(&Mode::Sqlite, &settings, &recorded).await;
}

#[tokio::test]
async fn a_store_that_the_python_service_wrote_is_answered_alike_on_s3() {
    const BUCKET: &str = "python-store";
    let Some(mode) = Mode::s3(BUCKET).await else { return };
    let Some(server) = S3Server::shared() else { return };
    let environment = server.environment();
    // boto3 has a name of its own for the region; by the other one the Python service takes itself for a Lambda function.
    let name = |name: &'static str| if name == "AWS_REGION" { "AWS_DEFAULT_REGION" } else { name };
    let mut settings: Vec<(&str, &str)> =
        environment.iter().map(|(variable, value)| (name(variable), value.as_str())).collect();
    settings.push(("CACHE__SERVICE__BUCKET_NAME", BUCKET));
    let Some(reference) = Reference::start("s3", &settings).await else { return };
    let recorded = write_store(&reference.client(), STORES, CONCURRENCY, Asked::Sample).await;
    drop(reference);
    check(&mode, &[], &recorded).await;
}

#[tokio::test]
async fn the_fixture_is_written_again_on_request() {
    if std::env::var_os("MGRAPH_WRITE_FIXTURE").is_none() {
        return say("not run: writing the fixture of a Python store, which MGRAPH_WRITE_FIXTURE=1 does");
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = [("CACHE__SERVICE__LOCAL_DISK_PATH", folder.path().to_str().unwrap())];
    let Some(reference) = Reference::start("local_disk", &settings).await else { return };
    let recorded = write_store(&reference.client(), FIXTURE_STORES, CONCURRENCY, Asked::All).await;
    let as_text = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        String::from_utf8(bytes).unwrap_or_else(|bytes| format!("base64:{}", STANDARD.encode(bytes.as_bytes())))
    };
    let name = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
    let files = files(folder.path()).keys().map(|path| (name(path), as_text(path))).collect();
    let mut file = GzEncoder::new(File::create(fixture_path()).unwrap(), Compression::best());
    serde_json::to_writer(&mut file, &Fixture { files, recorded }).unwrap();
    file.finish().unwrap();
}
