//! The contents of samples and fixtures: those of the Python service, so that tests of its clients find the same hashes.

use bytes::Bytes;
use cache_core::archive::{Archive, Limits};
use cache_core::content::Content;
use cache_core::ids::{CacheKey, DataKey, FileId};
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
    /// Documents to store under the entry.
    pub(super) children: Vec<(DataKey, FileId, String)>,
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
        "nested": {"data": [1, 2, 3], "more": {"level": 3}}, "flag": true, "count": 100, "tags": ["test", "fixture", "cache"],
    });
    Ok(vec![
        text("string_simple", "test retrieve string data".to_owned())?,
        text("string_medium", "test data ".repeat(50))?,
        text("string_large", "x".repeat(1000))?,
        document("json_simple", json!({"key": "value", "number": 42}))?,
        document("json_complex", nested)?,
        document("json_empty", json!({}))?,
        bytes("binary_small", vec![1, 2, 3, 4, 5])?,
        bytes("binary_medium", range(100))?,
        bytes("binary_large", range(1024))?,
    ])
}

fn made(
    content: Result<Content, impl Into<Problem>>,
    name: &'static str,
    python_type: &'static str,
) -> Result<Fixture, Problem> {
    Ok(Fixture { name, content: content.map_err(Into::into)?, python_type })
}

/// The documents that each strategy shows. The description of each is also in it.
fn documents() -> [Value; 5] {
    [
        json!({
            "type": "user_profile", "user_id": "usr_12345", "email": "test@example.com",
            "preferences": {"theme": "dark", "notifications": true}, "description": "Sample user profile",
        }),
        json!({
            "type": "api_response", "endpoint": "/api/v1/data", "status": 200,
            "data": {"items": [1, 2, 3], "total": 3}, "description": "Cached API response",
        }),
        json!({
            "type": "analytics_event", "event_name": "page_view", "timestamp": "2025-01-09T14:30:00Z",
            "properties": {"page": "/dashboard", "duration_ms": 1500}, "description": "Analytics tracking event",
        }),
        json!({
            "type": "configuration", "service": "cache-service", "version": "0.5.68",
            "settings": {"max_size": 1024, "ttl": 3600, "compression": true}, "description": "Service configuration",
        }),
        json!({
            "type": "workflow_state", "workflow_id": "wf_abc123", "status": "completed",
            "steps": ["init", "process", "validate", "complete"], "description": "Workflow execution state",
        }),
    ]
}

/// The texts that each strategy shows.
const TEXTS: [&str; 3] = [
    "Simple text content for cache testing",
    "Configuration: debug=true, log_level=INFO, max_connections=100",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit. Sed do eiusmod tempor.",
];

/// The documents that are stored under keys.
fn keyed_documents() -> [(&'static str, Value); 5] {
    [
        (
            "reports/2025/q1/sales",
            json!({"quarter": "Q1 2025", "revenue": 1250000, "growth": 12.5, "regions": ["NA", "EMEA"]}),
        ),
        ("reports/2025/q1/users", json!({"quarter": "Q1 2025", "new_users": 15420, "active": 89340, "churn": 2.1})),
        (
            "config/services/cache",
            json!({"ttl_hours": 24, "max_size_mb": 1024, "compression": true, "storage_mode": "s3"}),
        ),
        (
            "config/services/api",
            json!({"rate_limit": 1000, "timeout_ms": 30000, "retry_count": 3, "circuit_break": true}),
        ),
        ("logs/2025/01/09", json!({"date": "2025-01-09", "requests": 156780, "errors": 234, "avg_latency_ms": 45})),
    ]
}

/// Three documents.
pub(super) fn smallest() -> Result<Vec<Sample>, Problem> {
    documents()[..3].iter().map(|document| described_sample(Strategy::Direct, document)).collect()
}

/// Documents and texts of several strategies, and documents under keys.
pub(super) fn full() -> Result<Vec<Sample>, Problem> {
    let mut samples = Vec::new();
    for strategy in SHOWN {
        for document in &documents() {
            samples.push(described_sample(strategy, document)?);
        }
        for (number, text) in TEXTS.into_iter().enumerate() {
            let content = Content::string(text.to_owned())?;
            let description = format!("String entry {number}");
            samples.push(Sample { strategy, cache_key: None, content, description, children: Vec::new() });
        }
    }
    for (key, document) in keyed_documents() {
        samples.push(sample(Strategy::KeyBased, Some(key), &document, &format!("Key-based: {key}"))?);
    }
    Ok(samples)
}

/// An entry with child data, and an archive.
pub(super) fn special() -> Result<Vec<Sample>, Problem> {
    let children = [
        ("analysis/sentiment", "sentiment-v1", json!({"positive": 0.72, "negative": 0.18, "neutral": 0.10})),
        (
            "analysis/keywords",
            "keywords-v1",
            json!({"keywords": ["cache", "performance", "api"], "scores": [0.95, 0.87, 0.82]}),
        ),
        ("metadata", "file-metadata", json!({"source": "import", "processed": true, "version": 1})),
    ];
    let parent = json!({
        "type": "document", "title": "Analysis Report", "created": "2025-01-09T10:30:00Z", "author": "system",
        "description": "Document with child data files",
    });
    let mut parent = sample(Strategy::TemporalLatest, None, &parent, "Parent with child data")?;
    for (data_key, file_id, document) in children {
        parent.children.push((parsed("data_key", data_key)?, parsed("file_id", file_id)?, document.to_string()));
    }
    let archive = Sample {
        strategy: Strategy::KeyBased,
        cache_key: Some(parsed("cache_key", "packages/sample-app")?),
        content: archive().map_err(|error| Problem::internal(error.to_string()))?,
        description: "Sample ZIP package with files".to_owned(),
        children: Vec::new(),
    };
    Ok(vec![parent, archive])
}

fn archive() -> Result<Content, Box<dyn std::error::Error>> {
    let mut archive = Archive::empty(&Limits::default());
    for (name, content) in [
        ("README.md", "# Sample Application\n\nThis is a test package."),
        ("config.json", "{\"name\": \"sample-app\", \"version\": \"1.0.0\"}"),
        ("src/main.py", "print(\"Hello from cache!\")"),
        ("src/utils.py", "def helper(): return True"),
    ] {
        archive.add(&name.parse()?, Bytes::from(content))?;
    }
    Ok(Content::zip(archive.to_bytes()?, archive.content_hash()))
}

fn described_sample(strategy: Strategy, document: &Value) -> Result<Sample, Problem> {
    sample(strategy, None, document, document["description"].as_str().unwrap_or_default())
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
