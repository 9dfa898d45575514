//! The contents of samples and fixtures.

use bytes::Bytes;
use cache_core::archive::{Archive, Limits};
use cache_core::content::Content;
use cache_core::ids::{CacheKey, FileId};
use cache_core::json::Document;
use cache_core::strategy::Strategy;
use serde_json::{Value, json};

use crate::problem::Problem;

/// The strategies that the full set shows.
const SHOWN: [Strategy; 4] = [Strategy::Direct, Strategy::Temporal, Strategy::TemporalLatest, Strategy::KeyBased];

/// A content of a known kind and size.
pub(super) struct Fixture {
    pub(super) name: &'static str,
    pub(super) content: Content,
    /// The type that a Python client reads it as.
    pub(super) python_type: &'static str,
}

/// An entry to look at.
pub(super) struct Sample {
    pub(super) strategy: Strategy,
    pub(super) cache_key: Option<CacheKey>,
    pub(super) content: Content,
    pub(super) description: String,
    /// Texts to store under the entry.
    pub(super) children: Vec<(FileId, String)>,
}

/// Three of each kind of content: small, medium and large.
pub(super) fn fixtures() -> Result<Vec<Fixture>, Problem> {
    let text = |name, content: String| made(Content::string(content), name, "str");
    let bytes = |name, content: Vec<u8>| made(Content::binary(content.into()), name, "bytes");
    let document = |name, content: Value| -> Result<Fixture, Problem> {
        Ok(Fixture { name, content: json_content(&content)?, python_type: "dict" })
    };
    let range = |size: usize| (0..=u8::MAX).cycle().take(size).collect::<Vec<u8>>();
    let nested = json!({
        "users": [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Zoë"}],
        "settings": {"theme": {"dark": true, "accent": "#3fe622"}, "limits": [1, 2.5, null]},
    });
    Ok(vec![
        text("string_simple", "a simple text".to_owned())?,
        text("string_medium", "a text of some lines\n".repeat(50))?,
        text("string_large", "a text of many lines\n".repeat(5000))?,
        document("json_simple", json!({"name": "sample", "count": 42}))?,
        document("json_complex", nested)?,
        document("json_empty", json!({}))?,
        bytes("binary_small", range(16))?,
        bytes("binary_medium", range(10 * 1024))?,
        bytes("binary_large", range(100 * 1024))?,
    ])
}

fn made(
    content: Result<Content, impl Into<Problem>>,
    name: &'static str,
    python_type: &'static str,
) -> Result<Fixture, Problem> {
    Ok(Fixture { name, content: content.map_err(Into::into)?, python_type })
}

/// Three documents.
pub(super) fn smallest() -> Result<Vec<Sample>, Problem> {
    let documents = [
        (json!({"user": "ada", "role": "admin", "languages": ["en", "fr"]}), "a user's profile"),
        (json!({"url": "/api/items", "status": 200, "items": [1, 2, 3]}), "an answer of an API"),
        (json!({"event": "page_view", "page": "/home", "ms": 182}), "an event to count"),
    ];
    documents.iter().map(|(document, description)| sample(Strategy::Direct, None, document, description)).collect()
}

/// Documents and texts of several strategies, and documents under keys.
pub(super) fn full() -> Result<Vec<Sample>, Problem> {
    const KEYS: [(&str, &str); 5] = [
        ("reports/2025/q1/sales", "a report of sales"),
        ("reports/2025/q1/users", "a report of users"),
        ("config/services/cache", "the configuration of a cache"),
        ("config/services/api", "the configuration of an API"),
        ("logs/2025/01/09", "the log of a day"),
    ];
    let mut samples = Vec::new();
    for strategy in SHOWN {
        for number in 1..=5 {
            let document = json!({"sample": number, "strategy": strategy, "title": format!("Document {number}")});
            samples.push(sample(strategy, None, &document, &format!("document {number} of {strategy}"))?);
        }
        for number in 1..=3 {
            let content = Content::string(format!("Text {number}, stored by the strategy {strategy}."))?;
            let description = format!("text {number} of {strategy}");
            samples.push(Sample { strategy, cache_key: None, content, description, children: Vec::new() });
        }
    }
    for (key, description) in KEYS {
        let document = json!({"key": key, "about": description, "values": [1, 2, 3]});
        samples.push(sample(Strategy::KeyBased, Some(key), &document, description)?);
    }
    Ok(samples)
}

/// An entry with child data, and an archive.
pub(super) fn special() -> Result<Vec<Sample>, Problem> {
    let parent = json!({"title": "a parent", "has": "child data"});
    let mut parent = sample(Strategy::Direct, None, &parent, "an entry with children")?;
    for child in ["summary", "notes"] {
        parent.children.push((parsed("file_id", child)?, format!("the {child} of the parent")));
    }
    let archive = Sample {
        strategy: Strategy::Direct,
        cache_key: Some(parsed("cache_key", "packages/sample-app")?),
        content: archive().map_err(|error| Problem::internal(error.to_string()))?,
        description: "an archive of a small application".to_owned(),
        children: Vec::new(),
    };
    Ok(vec![parent, archive])
}

fn archive() -> Result<Content, Box<dyn std::error::Error>> {
    let mut archive = Archive::empty(&Limits::default());
    for (name, content) in [("README.md", "# A sample\n"), ("src/main.py", "print('hello')\n")] {
        archive.add(&name.parse()?, Bytes::from(content))?;
    }
    Ok(Content::zip(archive.to_bytes()?, archive.content_hash()))
}

fn sample(strategy: Strategy, key: Option<&str>, document: &Value, description: &str) -> Result<Sample, Problem> {
    Ok(Sample {
        strategy,
        cache_key: key.map(|key| parsed("cache_key", key)).transpose()?,
        content: json_content(document)?,
        description: description.to_owned(),
        children: Vec::new(),
    })
}

fn json_content(value: &Value) -> Result<Content, Problem> {
    let document = Document::parse(&value.to_string().into()).map_err(|error| Problem::json(&error))?;
    Ok(Content::json(document))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, raw: &str) -> Result<T, Problem> {
    raw.parse().map_err(|error| Problem::parameter(name, raw, error))
}
