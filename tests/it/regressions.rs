//! Defects of the Python service that ours does not have: one test for each one that a request can cause.
//!
//! | its defect | here |
//! |---|---|
//! | `stats` counts the files of all namespaces, six times | [`entries`] |
//! | `content_size` and the size of a binary reference are always 0 | [`entries`] |
//! | racing stores lose versions | [`concurrency`](crate::concurrency), [`faults`](crate::faults) |
//! | a listing fails while stores go on | [`lists`] |
//! | `temporal_versioned` never makes a second version; versions share a file | [`entries`] |
//! | what is stored again under a file_id changes older ids, and leaves size and hash stale | [`entries`] |
//! | update: `size` in keys or characters, any kind goes, a missing id is 500 | [`entries`]; that the hash stays is kept |
//! | delete: children stay, content goes that other ids share | [`entries`]; 200 for a missing id is kept |
//! | `exists` is true for what is gone | [`entries`] |
//! | children of multi-folder strategies are listed two or three times | [`lists`] |
//! | reads use the first of several copies only | cannot come up: there is one copy |
//! | batch: other strategy and hash, unmet conditions count, nameless and repeated members | [`archives`]; 200 for a failed batch is kept |
//! | deleting an absent member of an archive succeeds | [`archives`] |
//! | JSON in gzip comes back as other bytes, numbers in gzip are 500 | [`entries`] |
//! | NaN, infinities, lone surrogates are stored and cannot be read | [`malformed_input`](crate::malformed_input): `numbers_that_are_not_json_…`, `text_that_is_not_utf_8_…` |
//! | child data: `{}` is 500 for an update, an empty text is 404 | [`entries`] |
//! | `json_field_path` to nothing is 500 | [`malformed_input`](crate::malformed_input): `a_field_that_is_not_there_…` |
//! | admin: a missing file is empty, a file that is not JSON is 500 | [`lists`] |
//! | validation errors are 400, with `query` as the place of path parameters | kept |
//! | TTL is shown and never enforced | core's `tests/sweep.rs`: it takes a clock that a test moves |
//! | names of underscores alone break listings for all | [`lists`] |
//! | cleaning makes one name of two | kept, and `CACHE__SERVICE__STRICT_NAMES` refuses instead (unit tests of `extract`) |
//! | listings are 500 on disk | [`lists`] |
//! | a hash does not depend on the kind, and has 64 bits | kept |
//! | older generation: keyed hash of the key, invented config, metadata of a missing id 500, `stats` an error | [`entries`], [`lists`] |
//! | a body without a Content-Type depends on the server's libraries | [`entries`] |
//! | methods of the clients that cannot work | theirs; what can work: [`python_clients`](crate::python_clients) |
//! | paths with `..` leave the root on disk | [`malformed_input`](crate::malformed_input): `traversal` |
//! | unusual keys put the children of all callers into one folder | [`malformed_input`](crate::malformed_input): `keys_that_are_not_valid_paths_…` |
//! | clearing a blank namespace, or an odd key's children, erases the bucket | [`isolation`] |
//! | a name takes its longer neighbours along when it is cleared | [`isolation`] |
//! | one key opens every namespace | kept for now: keys with scopes come later |
//! | the cookie form shows a cookie, unescaped, to any caller | [`isolation`] |
//! | a 500 shows internals | unit tests of `exchange`: no request brings one about |
//! | the key is compared by `!=`; the cookie holds it as it is | constant time cannot be seen from here; the cookie is kept |
//! | auth is off by itself | [`malformed_input`](crate::malformed_input): `a_request_without_the_key_…`; unit tests of `config` and `auth` |
//! | a GET writes, and test routes clear any namespace | [`isolation`]: only where they are switched on |
//! | archives take members that unpack elsewhere | [`archives`] |
//! | stored HTML runs with access to the auth cookie | [`isolation`] |
//! | a store takes longer with every version | core's `tests/pages.rs`: `a_store_costs_the_same_…` |
//! | small gzips and archives fill the memory | [`malformed_input`](crate::malformed_input): `a_gzip_bomb_…`, `archives`, `memory` |
//! | bodies have no limit | [`malformed_input`](crate::malformed_input): `a_body_over_the_limit_…` |
//! | JSON of some depth is 500, long integers are refused | [`entries`], [`malformed_input`](crate::malformed_input): `json_that_is_nested_…` |
//! | after an error the connection is dead | [`isolation`] |
//! | memory for every requested namespace is never released | [`malformed_input`](crate::malformed_input): `memory` |
//! | a crash leaves content without references | [`crash_recovery`](crate::crash_recovery) |
//! | memory mode: a listing scans all namespaces | cannot be seen from here |
//! | temporal folders use the host's local time | [`entries`] |

mod archives;
mod entries;
mod isolation;
mod lists;

use std::sync::{Arc, Weak};

use serde_json::Value;
use tokio::sync::Mutex;

use crate::support::{Client, Mode, Reply, Request, Server};

/// A clock that is 14 hours ahead, so that local time shows.
const FAR_FROM_UTC: (&str, &str) = ("TZ", "AHEAD-14");

/// The servers that are running: tests share them, and the last one that uses a server ends it.
static RUNNING: Mutex<[Weak<Server>; 5]> = Mutex::const_new([const { Weak::new() }; 5]);

/// A namespace that one test has to itself, on one of the servers.
struct Space {
    _server: Arc<Server>,
    client: Client,
    namespace: String,
}

/// Runs a test in memory, on disk, in SQLite and ZIP if they are asked for, and on S3 where it is set up.
async fn everywhere(namespace: &str, test: impl AsyncFn(Space)) {
    for server in servers().await {
        test(Space { client: server.client(), _server: server, namespace: namespace.to_owned() }).await;
    }
}

async fn servers() -> Vec<Arc<Server>> {
    let modes = [Some(Mode::Memory), Some(Mode::Disk), Mode::sqlite(), Mode::zip(), Mode::s3("regressions").await];
    let mut running = RUNNING.lock().await;
    let mut servers = Vec::new();
    for (slot, mode) in running.iter_mut().zip(modes) {
        let Some(mode) = mode else { continue };
        let server = match slot.upgrade() {
            Some(server) => server,
            None => Arc::new(Server::start_with(&mode, &[FAR_FROM_UTC]).await),
        };
        *slot = Arc::downgrade(&server);
        servers.push(server);
    }
    servers
}

impl Space {
    /// Sends a request that should succeed; panics with the answer when it does not.
    async fn succeeds(&self, request: Request) -> Reply {
        let what = format!("{request:?}").chars().take(200).collect::<String>();
        let reply = self.client.send(request).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        reply
    }

    /// Sends a request that should be refused, and returns the message.
    async fn refused(&self, request: Request, status: u16) -> String {
        let what = format!("{request:?}").chars().take(200).collect::<String>();
        let reply = self.client.send(request).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        reply.field("message")
    }

    /// A path within the namespace.
    fn path(&self, path: &str) -> String {
        format!("/{}/{path}", self.namespace)
    }

    /// POSTs a body without a Content-Type to a path within the namespace.
    async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Value {
        self.succeeds(Request::post(&self.path(path)).body(body.into())).await.json()
    }

    /// Stores an entry and returns its id.
    async fn store(&self, path: &str, body: &str) -> String {
        text(&self.post(path, body).await["cache_id"])
    }

    async fn get(&self, path: &str) -> Reply {
        self.succeeds(Request::get(&self.path(path))).await
    }

    async fn delete(&self, path: &str) -> Value {
        self.succeeds(Request::delete(&self.path(path))).await.json()
    }

    async fn exists(&self, id: &str) -> Value {
        self.get(&format!("exists/id/{id}")).await.json()["exists"].clone()
    }

    /// The paths of all files in the namespace, tombstones included.
    async fn files(&self) -> Vec<String> {
        let listed = self.succeeds(Request::get(&format!("/admin/storage/files/all/{}", self.namespace))).await.json();
        listed["files"].as_array().unwrap().iter().map(text).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
