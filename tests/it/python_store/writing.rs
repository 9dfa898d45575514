//! Writes a store through the API of the Python service, and records what that answers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Client, Reply, Request, say};

pub const NAMESPACE: &str = "python-store";

/// How often it is asked.
const MAX_TRIES: usize = 5;

const STRATEGIES: [&str; 5] = ["direct", "temporal", "temporal_latest", "temporal_versioned", "key_based"];

/// What the Python service says of a store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Recorded {
    pub answers: Vec<Answer>,
    /// All ids that are there, those whose content another entry took with it included.
    pub ids: BTreeSet<String>,
    /// Ids of entries that share their files with others.
    pub shared: BTreeSet<String>,
    /// The ids of each hash, oldest first.
    pub versions: BTreeMap<String, Vec<String>>,
    /// Texts by their hash.
    pub texts: BTreeMap<String, String>,
    /// By strategy, key and file id, as in the routes for keys: the ids whose files follow from these, oldest first.
    #[serde(default)]
    pub keys: BTreeMap<String, Vec<String>>,
}

/// The answer to a GET.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub path: String,
    pub status: u16,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Json(Value),
    Text(String),
    Base64(String),
}

impl Answer {
    pub fn of(path: &str, reply: &Reply) -> Self {
        let body = match reply.media_type() {
            "application/json" if serde_json::from_slice::<Value>(&reply.body).is_ok() => Body::Json(reply.json()),
            _ => match String::from_utf8(reply.body.to_vec()) {
                Ok(text) => Body::Text(text),
                Err(bytes) => Body::Base64(STANDARD.encode(bytes.as_bytes())),
            },
        };
        Self { path: path.to_owned(), status: reply.status.as_u16(), body }
    }

    /// Whether it names files.
    fn names_files(&self) -> bool {
        let forms = ["/config", "/metadata", "/refs", "/refs/all"];
        forms.iter().any(|form| self.path.ends_with(form))
    }

    /// Whether it is about all entries with a hash.
    fn is_of_hash(&self) -> bool {
        self.path.contains("/hash/") || self.path.contains("/refs/all")
    }
}

impl Recorded {
    /// The same without what a store with one of the hashes changes.
    pub fn without_hashes(&self) -> Self {
        let answers = self.answers.iter().filter(|answer| !answer.is_of_hash()).cloned().collect();
        Self { answers, ..self.clone() }
    }

    /// The same without what names files.
    pub fn contents(&self) -> Self {
        let answers = self.answers.iter().filter(|answer| !answer.names_files()).cloned().collect();
        Self { answers, ..self.clone() }
    }
}

/// What the Python service is asked about a store that it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Every entry and hash in every form.
    All,
    /// Every entry by its content and by all that is beside it, and every [`SAMPLE`]th entry and hash in every form. Over S3 an answer
    /// takes the Python service and moto a second of a processor where it takes some milliseconds on a disk.
    Sample,
}

/// How many entries there are for one that is asked about in every form.
const SAMPLE: usize = 7;

impl Asked {
    fn is_in_every_form(self, n: usize) -> bool {
        self == Self::All || n.is_multiple_of(SAMPLE)
    }
}

/// An entry as it was stored.
struct Stored {
    id: String,
    hash: String,
    /// The files with its content, and what accompanies them.
    files: BTreeSet<String>,
    /// Its strategy, key and file id, as in the routes for keys, if it has all of them.
    key: Option<String>,
    /// The form that is its content.
    content: &'static str,
    has_children: bool,
}

/// Makes this many stores of all kinds, some updates and some deletes, and records the answers, so many at the same time.
pub async fn write_store(client: &Client, stores: usize, at_once: usize, asked: Asked) -> Recorded {
    let started = Instant::now();
    let mut recorded = Recorded::default();
    let mut entries: Vec<Stored> = Vec::new();
    for n in 0..stores {
        let (request, text) = store(n);
        let reply = client.send(request).await;
        assert_eq!(reply.status, 200, "{n}: {}", reply.text());
        let body = reply.json();
        let (id, hash) = (reply.field("cache_id"), reply.field("cache_hash"));
        let files =
            body["paths"]["data"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect();
        let content = match kind_of(n) {
            0 | 4 if text.is_some() => "/string",
            2 | 3 => "/binary",
            _ => "/json",
        };
        recorded.texts.extend(text.map(|text| (hash.clone(), text)));
        entries.push(Stored { id, hash, files, key: key_of(n), content, has_children: n % 4 == 1 });
    }
    for entry in entries.iter().filter(|entry| entry.has_children) {
        write_children(client, &entry.id).await;
    }
    for entry in entries.iter().step_by(11).filter(|entry| entry.files.iter().any(|path| path.ends_with(".json"))) {
        let path = format!("/{NAMESPACE}/update/{}/json", entry.id);
        let reply = client.send(Request::post(&path).json(r#"{"updated": [1, "é"]}"#)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let mut deleted = BTreeSet::new();
    for entry in entries.iter().skip(6).step_by(13) {
        let reply = client.send(Request::delete(&format!("/{NAMESPACE}/delete/{}", entry.id))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        deleted.insert(entry.id.clone());
    }
    let mut paths: Vec<String> = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        paths.extend(paths_of_id(entry, asked.is_in_every_form(n)));
        if deleted.contains(&entry.id) {
            continue;
        }
        recorded.ids.insert(entry.id.clone());
        recorded.versions.entry(entry.hash.clone()).or_default().push(entry.id.clone());
        if entries.iter().any(|other| other.id != entry.id && !other.files.is_disjoint(&entry.files)) {
            recorded.shared.insert(entry.id.clone());
        }
    }
    recorded.keys = under_keys(&entries, &deleted);
    let hashes: BTreeSet<&String> = entries.iter().map(|entry| &entry.hash).collect();
    for (_, hash) in hashes.into_iter().enumerate().filter(|(n, _)| asked.is_in_every_form(*n)) {
        let forms = ["", "/string", "/json", "/binary", "/metadata", "/refs-hash", "/cache-id"];
        paths.extend(forms.map(|form| format!("/{NAMESPACE}/retrieve/hash/{hash}{form}")));
        paths.push(format!("/{NAMESPACE}/exists/hash/{hash}"));
    }
    let written = started.elapsed();
    let answers = stream::iter(&paths).map(|path| record(client, path)).buffered(at_once);
    recorded.answers = answers.filter_map(async |answer| answer).collect().await;
    let answered = (started.elapsed() - written).as_secs_f64();
    let written = written.as_secs_f64();
    say(&format!(
        "the Python service took {written:.0} s for {stores} stores and {answered:.0} s for {} answers",
        paths.len()
    ));
    recorded
}

/// Which of five kinds the nth store is of.
fn kind_of(n: usize) -> usize {
    n / 3 % 5
}

/// The nth store, and its content if that is a text whose hash is its own.
fn store(n: usize) -> (Request, Option<String>) {
    let (strategy, shape, kind) = (STRATEGIES[n % 5], n / 5 % 3, kind_of(n));
    let key = match shape {
        0 => String::new(),
        1 => format!("/team-{}/a b/é{}", n % 4, n % 3),
        _ => format!("/team-{}/page?file_id=file_{}.v1", n % 4, n % 9),
    };
    let post = |kind: &str| {
        Request::post(&format!(
            "/{NAMESPACE}/{strategy}/store/{kind}{}",
            key.replace('é', "%C3%A9").replace(' ', "%20")
        ))
    };
    match kind {
        0 => {
            let text =
                if n.is_multiple_of(2) { "shared text".to_owned() } else { format!("text {n}: café 😀 \"\\\n") };
            (post("string").text(&text), Some(text))
        }
        1 => (post("json").json(document(n).to_string()), None),
        2 => (post("binary").binary(vec![n as u8, 0, 255, 10]), None),
        3 => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let content = if n.is_multiple_of(2) { format!(r#"{{"gzip": {n}}}"#) } else { format!("plain {n}") };
            encoder.write_all(content.as_bytes()).unwrap();
            (post("binary").header("content-encoding", "gzip").binary(encoder.finish().unwrap()), None)
        }
        // By the value of a field, where that can be asked for.
        _ if shape == 2 => {
            let target = format!("/{NAMESPACE}/{strategy}/store/json{key}&json_field_path=name.first");
            (Request::post(&target).json(json!({"name": {"first": format!("n{n}")}, "more": n}).to_string()), None)
        }
        _ => (post("string").json(format!(r#""from JSON {}""#, n % 8)), Some(format!("from JSON {}", n % 8))),
    }
}

/// The key of the nth store with its strategy and file id, as in the routes for keys.
fn key_of(n: usize) -> Option<String> {
    (n / 5 % 3 == 2).then(|| format!("{}/team-{}/page/file_{}.v1", STRATEGIES[n % 5], n % 4, n % 9))
}

/// What is found under each key: the entries that were stored last into a file whose path follows from the key, unless a
/// delete took that file with it.
fn under_keys(entries: &[Stored], deleted: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (n, entry) in entries.iter().enumerate() {
        let Some(key) = &entry.key else { continue };
        let found = keys.entry(key.clone()).or_default();
        let Some(file) = entry.files.iter().find(|path| is_found_by_key(path)) else { continue };
        let is_last = !entries[n + 1..].iter().any(|later| later.files.contains(file));
        let is_there = !entries.iter().any(|other| other.files.contains(file) && deleted.contains(&other.id));
        found.extend((is_last && is_there).then(|| entry.id.clone()));
    }
    keys
}

/// Whether this is a content whose path has no time in it.
fn is_found_by_key(path: &str) -> bool {
    let has_no_time = ["/data/direct/", "/data/key-based/", "/latest/"].iter().any(|folder| path.contains(folder));
    has_no_time && (path.ends_with(".json") || path.ends_with(".bin"))
}

fn document(n: usize) -> Value {
    match n % 3 {
        0 => json!({"shared": true, "list": [1, 2.5, null, "x"]}),
        1 => json!({"n": n, "text": "Grüße 😀", "nested": {"b": [], "a": {}}, "float": 1e16, "small": 1e-7}),
        _ => json!({"z": n, "a": "\u{7f}\u{1}", "big": 12345678901234567_u64}),
    }
}

const CHILDREN: [(&str, &str); 4] =
    [("string", "note"), ("json", "a/b/document"), ("binary", "a/bytes"), ("string", "sp%20ace/text")];

async fn write_children(client: &Client, id: &str) {
    for (kind, name) in CHILDREN {
        let request = Request::post(&format!("/{NAMESPACE}/cache/{id}/data/store/{kind}/{name}"));
        let reply = client.send(match kind {
            "json" => request.json(r#"{"child": [1, "é"]}"#),
            "binary" => request.binary(vec![0, 159, 146, 150]),
            _ => request.text("a child: é"),
        });
        let reply = reply.await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// What is asked about an entry.
fn paths_of_id(entry: &Stored, in_every_form: bool) -> Vec<String> {
    let id = &entry.id;
    let forms = match in_every_form {
        true => &["", "/string", "/json", "/binary", "/config", "/metadata", "/refs", "/refs/all"][..],
        false => &[entry.content, "/refs/all"],
    };
    let mut paths: Vec<String> = forms.iter().map(|form| format!("/{NAMESPACE}/retrieve/{id}{form}")).collect();
    if in_every_form {
        paths.push(format!("/{NAMESPACE}/exists/id/{id}"));
    }
    if entry.has_children && in_every_form {
        let children = format!("/{NAMESPACE}/cache/{id}/data");
        paths.extend(CHILDREN.iter().map(|(kind, name)| format!("{children}/{kind}/{name}")));
        paths.extend(CHILDREN.iter().map(|(kind, name)| format!("{children}/exists/{kind}/{name}")));
        paths.push(format!("{children}/list"));
    }
    paths
}

/// An answer. What the Python service fails at is no promise; where it closes the connection, it is asked again.
async fn record(client: &Client, path: &str) -> Option<Answer> {
    for _ in 0..MAX_TRIES {
        if let Ok(reply) = client.try_send(Request::get(path)).await {
            return (!reply.status.is_server_error()).then(|| Answer::of(path, &reply));
        }
    }
    panic!("the Python service does not answer GET {path}")
}
