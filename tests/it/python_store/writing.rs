//! Writes a store through the API of the Python service, and records what that answers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Client, Reply, Request};

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

/// An entry as it was stored.
struct Stored {
    id: String,
    hash: String,
    /// The files with its content, and what accompanies them.
    files: BTreeSet<String>,
    has_children: bool,
}

/// Makes this many stores of all kinds, some updates and some deletes, and records the answers for everything, so many at the same
/// time.
pub async fn write_store(client: &Client, stores: usize, at_once: usize) -> Recorded {
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
        recorded.texts.extend(text.map(|text| (hash.clone(), text)));
        entries.push(Stored { id, hash, files, has_children: n % 4 == 1 });
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
    for entry in &entries {
        paths.extend(paths_of_id(entry));
        if deleted.contains(&entry.id) {
            continue;
        }
        recorded.ids.insert(entry.id.clone());
        recorded.versions.entry(entry.hash.clone()).or_default().push(entry.id.clone());
        if entries.iter().any(|other| other.id != entry.id && !other.files.is_disjoint(&entry.files)) {
            recorded.shared.insert(entry.id.clone());
        }
    }
    for hash in entries.iter().map(|entry| &entry.hash).collect::<BTreeSet<_>>() {
        let forms = ["", "/string", "/json", "/binary", "/metadata", "/refs-hash", "/cache-id"];
        paths.extend(forms.map(|form| format!("/{NAMESPACE}/retrieve/hash/{hash}{form}")));
        paths.push(format!("/{NAMESPACE}/exists/hash/{hash}"));
    }
    let answers = stream::iter(&paths).map(|path| record(client, path)).buffered(at_once);
    recorded.answers = answers.filter_map(async |answer| answer).collect().await;
    recorded
}

/// The nth store, and its content if that is a text whose hash is its own.
fn store(n: usize) -> (Request, Option<String>) {
    let (strategy, shape, kind) = (STRATEGIES[n % 5], n / 5 % 3, n / 3 % 5);
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
fn paths_of_id(entry: &Stored) -> Vec<String> {
    let id = &entry.id;
    let forms = ["", "/string", "/json", "/binary", "/config", "/metadata", "/refs", "/refs/all"];
    let mut paths: Vec<String> = forms.iter().map(|form| format!("/{NAMESPACE}/retrieve/{id}{form}")).collect();
    paths.push(format!("/{NAMESPACE}/exists/id/{id}"));
    if entry.has_children {
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
