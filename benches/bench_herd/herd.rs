//! The processes, and what they do all at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cache_testing::faulty_proxy::{Call, FaultyProxy};
use futures::future::join_all;
use tokio::time::{sleep, timeout};

use super::support::{Client, Mode, Reply, Request, Server};

/// Longer than the deadline of any request.
const REPLY_WITHIN: Duration = Duration::from_secs(60);
/// How many stores are measured alone.
const ALONE: usize = 9;
/// A store goes on with what its caller need not wait for.
const SETTLE: Duration = Duration::from_millis(500);

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// A content of a few bytes.
    Small,
    /// The same under one key and file id.
    Keyed,
    /// A content that becomes a blob.
    Large,
}

impl Variant {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Small, Self::Keyed, Self::Large];

    /// As it stands in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "a few bytes",
            Self::Keyed => "under one key",
            Self::Large => "100 KB",
        }
    }

    /// A store of the content with this number.
    fn store(self, number: usize) -> Request {
        let text = format!("{} {number}", self.name());
        match self {
            Self::Small => Request::post("/herd/direct/store/string").text(&text),
            Self::Keyed => Request::post(&format!("/herd/direct/store/string/{number}?file_id=f")).text(&text),
            Self::Large => Request::post("/herd/direct/store/string").text(&(text + &"x".repeat(100_000))),
        }
    }
}

/// Servers that share one bucket.
pub struct Herd {
    mode: Mode,
    proxy: FaultyProxy,
    servers: Vec<Server>,
    /// How many contents there are.
    contents: usize,
}

/// What was measured of a herd.
pub struct Stampede {
    /// How many stores there were.
    pub stores: usize,
    /// The time of one store without others, median.
    pub alone: Duration,
    /// The times of the stores, in order.
    pub times: Vec<Duration>,
    /// What they asked of the storage.
    pub calls: Vec<Call>,
    /// How long the look-alike took for each call, in order.
    pub upstream_times: Vec<Duration>,
    /// What went wrong.
    pub wrong: Vec<String>,
}

/// The answer to a store.
struct Stored {
    id: String,
    hash: String,
    version: u64,
    key_version: Option<u64>,
}

impl Herd {
    /// A herd without servers.
    pub fn new(mode: Mode, proxy: FaultyProxy) -> Self {
        Self { mode, proxy, servers: Vec::new(), contents: 0 }
    }

    /// Starts servers until there are so many. Each then knows the namespace and has a connection.
    pub async fn grow(&mut self, size: usize) {
        while self.servers.len() < size {
            let server = Server::start_with(&self.mode, &[("RUST_LOG", "error")]).await;
            let request = Variant::Small.store(self.next_content());
            let reply = server.client().send(request).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            self.servers.push(server);
        }
    }

    /// Measures a store of each of a few servers, one after the other, and then one of all servers at once.
    pub async fn stampede(&mut self, variant: Variant) -> Stampede {
        let mut alone = Vec::new();
        for number in 0..ALONE {
            let request = variant.store(self.next_content());
            let (reply, took) = store(self.servers[number % self.servers.len()].client(), request).await;
            reply.unwrap();
            alone.push(took);
        }
        alone.sort();
        sleep(SETTLE).await;
        self.proxy.reset();
        let number = self.next_content();
        let stores = self.servers.iter().map(|server| tokio::spawn(store(server.client(), variant.store(number))));
        let ended = join_all(stores.collect::<Vec<_>>()).await;
        let (replies, mut times): (Vec<_>, Vec<_>) = ended.into_iter().map(Result::unwrap).unzip();
        times.sort();
        sleep(SETTLE).await;
        let (calls, mut upstream_times) = (self.proxy.calls(), self.proxy.upstream_times());
        upstream_times.sort();
        let wrong = self.check(variant, replies).await;
        Stampede { stores: times.len(), alone: alone[ALONE / 2], times, calls, upstream_times, wrong }
    }

    fn next_content(&mut self) -> usize {
        self.contents += 1;
        self.contents
    }

    /// What is wrong with the replies, and with what the hash lists afterwards.
    async fn check(&self, variant: Variant, replies: Vec<Result<Reply, String>>) -> Vec<String> {
        let expected = replies.len() as u64;
        let (mut stored, mut wrong) = (Vec::new(), Vec::new());
        for reply in replies {
            match reply {
                Ok(reply) => stored.push(Stored::from(&reply)),
                Err(error) => wrong.push(format!("not acknowledged: {error}")),
            }
        }
        if !is_each_once(stored.iter().map(|stored| stored.version), expected) {
            wrong.push(format!("the versions are not 1 to {expected}, each once"));
        }
        let keyed = stored.iter().filter_map(|stored| stored.key_version);
        if variant == Variant::Keyed && !is_each_once(keyed, expected) {
            wrong.push(format!("the versions of the key are not 1 to {expected}, each once"));
        }
        let ids: BTreeSet<String> = stored.iter().map(|stored| stored.id.clone()).collect();
        if ids.len() as u64 != expected {
            wrong.push(format!("{} ids of {expected}", ids.len()));
        }
        if let Some(Stored { hash, .. }) = stored.first()
            && self.listed(hash).await != ids
        {
            wrong.push("the hash does not list the ids that were acknowledged".to_owned());
        }
        wrong
    }

    /// The ids that a hash lists.
    async fn listed(&self, hash: &str) -> BTreeSet<String> {
        let request = Request::get(&format!("/herd/retrieve/hash/{hash}/refs-hash"));
        let index = self.servers[0].client().send(request).await.json();
        let listed = index["cache_ids"].as_array().unwrap().iter();
        listed.map(|entry| entry["cache_id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Stored {
    fn from(reply: &Reply) -> Self {
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let (id, hash) = (text("cache_id"), text("cache_hash"));
        Self { id, hash, version: body["version"].as_u64().unwrap(), key_version: body["key_version"].as_u64() }
    }
}

/// Sends a store, and returns how long it took. An error is a store that was not acknowledged.
async fn store(client: Client, request: Request) -> (Result<Reply, String>, Duration) {
    let started = Instant::now();
    let reply = match timeout(REPLY_WITHIN, client.try_send(request)).await {
        Ok(Ok(reply)) if reply.status == 200 => Ok(reply),
        Ok(Ok(reply)) => Err(format!("{}: {}", reply.status, reply.text())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no reply within {REPLY_WITHIN:?}")),
    };
    (reply, started.elapsed())
}

/// Whether these are the numbers from 1 to the last one, in any order.
fn is_each_once(numbers: impl Iterator<Item = u64>, last: u64) -> bool {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers.into_iter().eq(1..=last)
}
