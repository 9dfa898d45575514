//! Path traversal in every parameter of every route, in every spelling.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures::stream::{self, StreamExt as _};

use crate::support::tree::files;
use crate::support::{Mode, Request, Server};

/// The content of a file outside the store's folder, and of an entry in another namespace.
const SECRET: &str = "nobody should ever read this";

/// Requests in flight at once.
const CONCURRENCY: usize = 16;

/// Every route with a path parameter: PARAMETER is the place of the attack. ID is an entry, ZIP an archive.
const TARGETS: &[(&str, &str)] = &[
    ("POST", "/PARAMETER/direct/store/string"),
    ("POST", "/h/PARAMETER/store/string"),
    ("POST", "/h/key_based/store/string/PARAMETER"),
    ("POST", "/h/key_based/store/binary/PARAMETER?file_id=f"),
    ("POST", "/h/temporal_latest/store/string/k?file_id=PARAMETER"),
    ("POST", "/h/temporal_latest/store/string/PARAMETER?file_id=f"),
    ("GET", "/PARAMETER/retrieve/ID"),
    ("GET", "/h/retrieve/PARAMETER"),
    ("GET", "/h/retrieve/PARAMETER/string"),
    ("GET", "/h/retrieve/PARAMETER/refs/all"),
    ("GET", "/h/retrieve/hash/PARAMETER"),
    ("GET", "/h/retrieve/hash/PARAMETER/binary"),
    ("GET", "/h/retrieve/key/key_based/PARAMETER/f"),
    ("GET", "/h/retrieve/key/key_based/k/PARAMETER"),
    ("GET", "/h/retrieve/key/PARAMETER/k/f"),
    ("GET", "/h/versions/hash/PARAMETER"),
    ("GET", "/h/versions/key/key_based/PARAMETER/f"),
    ("POST", "/h/rollback/key/key_based/PARAMETER/f?version=1"),
    ("GET", "/h/exists/id/PARAMETER"),
    ("GET", "/h/exists/hash/PARAMETER"),
    ("POST", "/h/update/PARAMETER/string"),
    ("DELETE", "/h/delete/PARAMETER"),
    ("DELETE", "/PARAMETER/delete/ID"),
    ("POST", "/h/cache/PARAMETER/data/store/string/c"),
    ("POST", "/h/cache/ID/data/store/string/PARAMETER"),
    ("POST", "/h/cache/ID/data/store/binary/PARAMETER/c"),
    ("GET", "/h/cache/ID/data/string/PARAMETER"),
    ("GET", "/h/cache/ID/data/string/PARAMETER/c"),
    ("POST", "/h/cache/ID/data/update/string/PARAMETER"),
    ("GET", "/h/cache/ID/data/exists/string/PARAMETER/c"),
    ("GET", "/h/cache/ID/data/exists/PARAMETER/c"),
    ("GET", "/h/cache/ID/data/list/PARAMETER"),
    ("DELETE", "/h/cache/ID/data/delete/string/PARAMETER/c"),
    ("DELETE", "/h/cache/ID/data/delete/all/PARAMETER"),
    ("POST", "/h/direct/zip/create/PARAMETER/f"),
    ("POST", "/h/direct/zip/create/k/PARAMETER"),
    ("GET", "/h/zip/PARAMETER/retrieve"),
    ("GET", "/h/zip/ZIP/file/retrieve/PARAMETER"),
    ("POST", "/h/zip/ZIP/file/add/from/string/PARAMETER"),
    ("DELETE", "/h/zip/ZIP/file/delete/PARAMETER"),
    ("GET", "/PARAMETER/stats"),
    ("GET", "/PARAMETER/file-ids"),
    ("GET", "/h/file-ids?limit=5&cursor=PARAMETER"),
    ("GET", "/h/entries?limit=5&cursor=PARAMETER"),
    ("GET", "/PARAMETER/settings"),
    ("GET", "/admin/storage/file/exists/PARAMETER"),
    ("GET", "/admin/storage/file/bytes/PARAMETER"),
    ("GET", "/admin/storage/file/content/PARAMETER"),
    ("GET", "/admin/storage/file/json/PARAMETER"),
    ("GET", "/admin/storage/file/html/PARAMETER"),
    ("GET", "/admin/storage/file/bytes/PARAMETER?raw=true"),
    ("GET", "/admin/storage/files/in/PARAMETER"),
    ("GET", "/admin/storage/files/all/PARAMETER"),
    ("GET", "/admin/storage/files/all/h?limit=5&cursor=PARAMETER"),
    ("GET", "/admin/storage/files/parent-path?path=PARAMETER"),
    ("GET", "/admin/storage/folders/PARAMETER"),
    ("GET", "/admin/storage/folders?path=PARAMETER"),
    ("DELETE", "/admin/storage/file/delete/PARAMETER"),
    ("DELETE", "/admin/storage/file/delete/PARAMETER?force=true"),
    ("DELETE", "/admin/storage/PARAMETER?force=true"),
    ("DELETE", "/test-data/clear/PARAMETER"),
];

/// The targets of the attacks: a file next to the store's folder, a system file, another namespace. SECRET stands for
/// the file with the secret.
const DESTINATIONS: &[&str] = &[
    "../secret.txt",
    "h/../../secret.txt",
    "x/../victim/data/key-based/k/f.txt",
    "../victim",
    "../../../../../../etc/passwd",
    "//etc/passwd",
];

/// Texts that some programs read as the parent folder, the root or nothing, in one spelling only.
const ODDITIES: &[&str] = &[
    ".",
    "..",
    "...",
    "....//secret.txt",
    "..;/secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%ff%fe",
    "%00",
    "../secret.txt%00.json",
    "C:%5csecret.txt",
    "%5c%5chost%5cshare",
    "~",
    "$HOME",
    "%E2%80%A5/secret.txt",
    "%EF%BC%8E%EF%BC%8E/secret.txt",
    ".mgraph-cache",
    ".mgraph-lock",
    "%0d%0aX-Evil:%201",
    "*",
    "%25",
    "a%2",
    "con",
    "{namespace}",
];

/// The ways to spell a path that leaves.
fn spellings(path: &str) -> Vec<String> {
    vec![
        path.to_owned(),
        path.replace("..", "%2e%2e"),
        path.replace('/', "%2f"),
        path.replace("..", "%2E%2E").replace('/', "%2F"),
        path.replace("..", "%252e%252e").replace('/', "%252f"),
        path.replace('/', "\\"),
        path.replace('/', "%5c"),
        path.replace("..", ".%2e").replace('/', "%2f%5c"),
        path.replace("..", "%252e.").replace('/', "/%2f"),
    ]
}

fn attacks() -> Vec<String> {
    let spelt = DESTINATIONS.iter().flat_map(|path| spellings(path));
    spelt.chain(ODDITIES.iter().map(|odd| (*odd).to_owned())).collect()
}

/// A server on disk, with a victim's entry and a secret file next to the store's folder.
struct Target {
    server: Server,
    id: String,
    archive: String,
}

impl Target {
    async fn start() -> Self {
        let server = Server::start(&Mode::Disk).await;
        fs::write(server.disk().with_file_name("secret.txt"), SECRET).unwrap();
        let store = async |target: &str| {
            let reply = server.client().send(Request::post(target).body(SECRET)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.field("cache_id")
        };
        store("/victim/key_based/store/string/k?file_id=f").await;
        let (id, archive) = (store("/h/direct/store/string").await, store("/h/direct/zip/create/k/f").await);
        Self { server, id, archive }
    }

    /// Sends attacks through one parameter; panics when one gets anywhere.
    async fn attack(&self, method: &str, target: &str, attacks: Vec<String>) {
        let before = self.untouchable();
        assert!(before.len() > 3, "{before:?}");
        let requests = attacks.into_iter().map(|attack| {
            let target = target.replace("PARAMETER", &attack).replace("ID", &self.id).replace("ZIP", &self.archive);
            self.is_harmless(method, target)
        });
        stream::iter(requests).buffer_unordered(CONCURRENCY).collect::<()>().await;
        assert!(self.untouchable() == before, "{method} {target} changed what is not its own");
    }

    async fn is_harmless(&self, method: &str, target: String) {
        let request = Request::bare(method, &target).header("x-api-key", "test-key").body("x");
        let reply = self.server.client().send(request).await;
        assert!(reply.status.as_u16() < 500, "{method} {target}: {} {}", reply.status, reply.text());
        let body = reply.text();
        assert!(!body.contains(SECRET) && !body.contains("root:"), "{method} {target}: {body}");
        assert!(!reply.headers.contains_key("x-evil"), "{method} {target}");
    }

    /// The files below the victim's namespace and those outside the store's folder, with their contents.
    fn untouchable(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.server.disk();
        let outside = files(disk.parent().unwrap()).into_keys().filter(|file| !file.starts_with(&disk));
        let victims = files(&disk.join("victim")).into_keys();
        let all = outside.chain(victims).filter(|file| !file.ends_with("log"));
        all.map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
    }
}

#[tokio::test]
async fn no_path_leaves_its_namespace_or_the_store() {
    let target = Target::start().await;
    for (method, path) in TARGETS {
        target.attack(method, path, attacks()).await;
    }
    // The accepted requests create dozens of entries, so one destination is enough.
    target.attack("POST", "/test-data/create/in/new-namespace/PARAMETER", spellings(DESTINATIONS[0])).await;
    let read = Request::get(&format!("/h/retrieve/{}/string", target.id));
    assert_eq!(target.server.client().send(read).await.text(), SECRET);
    let disk = target.server.disk();
    for file in files(&disk).into_keys() {
        let first = file.strip_prefix(&disk).unwrap().components().next().unwrap();
        assert!(is_a_namespace(first.as_ref()), "{}", file.display());
    }
}

/// Whether a name at the root is one that a namespace can have, or the store's own.
fn is_a_namespace(name: &Path) -> bool {
    let name = name.to_str().unwrap();
    name.starts_with(".mgraph") || name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}
