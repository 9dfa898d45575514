//! The operations of a caller: which one comes next, its request, and the check of its response.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cache_core::content::Content;
use cache_core::json::Document;
use fastrand::Rng;
use serde_json::{Value, json};

use super::NAMESPACE;
use super::history::{Entry, History, Key, Which};
use crate::support::{Client, Reply, Request};

/// How many contents there are. The first ones are stored far more often than the last ones, so that some hashes get
/// hundreds of versions, while others lose their last one again and again.
const CONTENTS: usize = 60;

/// Longer than the contents that are stored without reading the index first.
const LONG: usize = (1 << 20) + 1;

const STRATEGIES: [&str; 5] = ["direct", "temporal", "temporal_latest", "temporal_versioned", "key_based"];

/// One operation.
pub enum Operation {
    Store {
        strategy: &'static str,
        key: Option<Key>,
        content: Value,
        hash: String,
    },
    /// Where it reads, and what that is about.
    Read {
        place: String,
        which: Which,
    },
    Exists {
        id: String,
    },
    Versions {
        which: Which,
    },
    Update {
        id: String,
        content: Value,
    },
    Delete {
        id: String,
    },
}

/// The response as the caller sees it.
pub enum Answer {
    Found(Value),
    Missing,
    /// The outcome is unknown.
    Unknown,
}

impl Operation {
    /// A random operation, on the entries that exist by now.
    pub fn draw(rng: &mut Rng, number: u64, history: &History) -> Self {
        let choice = rng.f64();
        // Sometimes one whose delete was requested: it must not come back.
        let any = rng.usize(..8) == 0;
        let ids = history.ids(|entry| any || entry.is_certain(u64::MAX));
        if choice < 0.4 || ids.is_empty() {
            return Self::draw_store(rng);
        }
        let id = ids[rng.usize(..ids.len())].clone();
        let entry = &history.entries[&id];
        match choice {
            ..0.5 => Self::Read { place: id.clone(), which: Which::Id(id) },
            ..0.6 => Self::Read { place: format!("hash/{}", entry.hash), which: Which::Hash(entry.hash.clone()) },
            ..0.68 => Self::draw_read_by_key(entry, id),
            ..0.73 => {
                Self::Read { place: format!("hash/{}?version={}", entry.hash, entry.version), which: Which::Id(id) }
            }
            ..0.76 => Self::Exists { id },
            ..0.80 => Self::Versions { which: about(entry) },
            ..0.86 => Self::Update { id, content: updated(entry, number) },
            _ => Self::Delete { id },
        }
    }

    fn draw_store(rng: &mut Rng) -> Self {
        let strategy = STRATEGIES[rng.usize(..STRATEGIES.len())];
        let number = rng.usize(..CONTENTS) + 1;
        let (content, hash) = content(rng.usize(..number));
        // A content that is known by one of its fields has to have a key.
        let keyed = content.is_object() || rng.usize(..2) == 0;
        let key = keyed.then(|| format!("{strategy}/k{}/f", rng.usize(..3)));
        Self::Store { strategy, key, content, hash }
    }

    fn draw_read_by_key(entry: &Entry, id: String) -> Self {
        match &entry.key {
            // One in two by its version.
            Some((key, version)) if version % 2 == 0 => {
                Self::Read { place: format!("key/{key}?version={version}"), which: Which::Id(id) }
            }
            Some((key, _)) => Self::Read { place: format!("key/{key}"), which: Which::Key(key.clone()) },
            None => Self::Read { place: format!("{}-v{}", entry.hash, entry.version), which: Which::Id(id) },
        }
    }

    /// Sends the request, and records and checks the response.
    pub async fn carry_out(self, client: &Client, history: &Mutex<History>) {
        let asker = Asker { client, history };
        match self {
            Self::Store { strategy, key, content, hash } => asker.store(strategy, key, content, hash).await,
            Self::Read { place, which } => asker.read(&place, &which).await,
            Self::Exists { id } => asker.exists(&id).await,
            Self::Versions { which } => asker.versions(&which).await,
            Self::Update { id, content } => asker.update(&id, content).await,
            Self::Delete { id } => asker.delete(&id).await,
        }
    }
}

/// The key's versions if there is one, else the hash's.
fn about(entry: &Entry) -> Which {
    match &entry.key {
        Some((key, _)) => Which::Key(key.clone()),
        None => Which::Hash(entry.hash.clone()),
    }
}

/// A content with its hash. One in ten is an object that shares its hash, which is of one field, with another one.
fn content(number: usize) -> (Value, String) {
    let content = match number {
        _ if number % 10 == 9 => json!({"same": number / 20, "other": number}),
        50 => json!("long ".repeat(LONG / 5 + 1)),
        _ => json!(format!("content {number}").repeat(1 + number * number)),
    };
    let hashed = match &content {
        Value::String(text) => Content::string(text.clone()),
        object => {
            let document = Document::parse(&Bytes::from(object.to_string())).unwrap();
            Content::json_by_field(document, "same".parse().unwrap())
        }
    };
    (content, hashed.unwrap().cache_hash().to_string())
}

/// A new content of the kind that the entry holds.
fn updated(entry: &Entry, number: u64) -> Value {
    if entry.holds_object() { json!({"update": number}) } else { json!(format!("update {number}")) }
}

/// A caller.
pub struct Asker<'a> {
    pub client: &'a Client,
    pub history: &'a Mutex<History>,
}

impl Asker<'_> {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, name: &str, request: Request) -> Answer {
        let what = format!("{request:?}");
        let reply = self.client.send(request).await;
        let answer = match reply.status.as_u16() {
            200 => Answer::Found(reply.json()),
            404 => Answer::Missing,
            _ => Answer::Unknown,
        };
        let mut history = self.history();
        history.count(&format!("{name} {}", reply.status.as_u16()));
        history.hold(is_clear(&reply), || format!("{} {} to {what:.200}", reply.status, reply.text()));
        answer
    }

    async fn store(&self, strategy: &str, key: Option<Key>, content: Value, hash: String) {
        let attempt = self.history().ask_store(content.clone(), hash, key.clone());
        let (kind, field) = if content.is_object() { ("json", "&json_field_path=same") } else { ("string", "") };
        // As in `direct/k1/f`.
        let key = key.as_deref().and_then(|key| key.split('/').nth(1)).map(|key| format!("/{key}?file_id=f{field}"));
        let place = format!("/{NAMESPACE}/{strategy}/store/{kind}{}", key.unwrap_or_default());
        match self.ask("store", with_body(Request::post(&place), &content)).await {
            Answer::Found(answer) => self.history().acknowledge_store(attempt, &answer),
            Answer::Missing => self.history().hold(false, || format!("{place} is said to be missing")),
            Answer::Unknown => {}
        }
    }

    pub async fn read(&self, place: &str, which: &Which) {
        let began = self.history().tick();
        match self.ask("read", Request::get(&format!("/{NAMESPACE}/retrieve/{place}"))).await {
            Answer::Found(answer) => {
                let id = answer["metadata"]["cache_id"].as_str().unwrap_or_default();
                self.history().check_read(which, began, Some((id, &answer["data"])));
            }
            Answer::Missing => self.history().check_read(which, began, None),
            Answer::Unknown => {}
        }
    }

    async fn exists(&self, id: &str) {
        let began = self.history().tick();
        if let Answer::Found(answer) = self.ask("exists", Request::get(&format!("/{NAMESPACE}/exists/id/{id}"))).await {
            self.history().check_exists(id, began, answer["exists"] == true);
        }
    }

    pub async fn versions(&self, which: &Which) {
        let place = match which {
            Which::Id(_) => return,
            Which::Hash(hash) => format!("hash/{hash}"),
            Which::Key(key) => format!("key/{key}"),
        };
        let began = self.history().tick();
        let (mut listed, mut before) = (BTreeMap::new(), String::new());
        loop {
            let target = format!("/{NAMESPACE}/versions/{place}?limit=200{before}");
            let answer = match self.ask("versions", Request::get(&target)).await {
                Answer::Found(answer) => answer,
                Answer::Missing => break,
                Answer::Unknown => return,
            };
            let page = numbered(&answer["versions"]);
            let Some(first) = page.values().min() else { break };
            before = format!("&before={first}");
            listed.extend(page);
        }
        self.history().check_versions(which, began, &listed);
    }

    async fn update(&self, id: &str, content: Value) {
        let kind = if content.is_object() { "json" } else { "string" };
        let (began, update) = {
            let mut history = self.history();
            (history.tick(), history.ask_update(id, content.clone()))
        };
        let request = Request::post(&format!("/{NAMESPACE}/update/{id}/{kind}"));
        match self.ask("update", with_body(request, &content)).await {
            Answer::Found(_) => self.history().end_update(id, update, began, true),
            Answer::Missing => self.history().end_update(id, update, began, false),
            Answer::Unknown => {}
        }
    }

    async fn delete(&self, id: &str) {
        self.history().ask_delete(id);
        match self.ask("delete", Request::delete(&format!("/{NAMESPACE}/delete/{id}"))).await {
            Answer::Found(answer) => self.history().end_delete(id, answer["status"] == "success"),
            Answer::Missing => self.history().end_delete(id, false),
            Answer::Unknown => {}
        }
    }
}

/// A failure has to be a 503 with `Retry-After`.
fn is_clear(reply: &Reply) -> bool {
    match reply.status.as_u16() {
        200 | 404 => true,
        503 => reply.headers.contains_key("retry-after"),
        _ => false,
    }
}

fn with_body(request: Request, content: &Value) -> Request {
    match content {
        Value::String(text) => request.text(text),
        object => request.json(object.to_string()),
    }
}

/// Ids and numbers of a list of versions.
fn numbered(versions: &Value) -> BTreeMap<String, u64> {
    let number = |item: &Value| item["version"].as_u64().or(item["key_version"].as_u64());
    let item = |item: &Value| Some((item["cache_id"].as_str()?.to_owned(), number(item)?));
    versions.as_array().into_iter().flatten().filter_map(item).collect()
}
