//! Test data: sample entries for people and tests. These routes write and delete a lot, so they have to be enabled by
//! the configuration; otherwise they are 404 like any unknown path.

mod samples;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use cache_api::contents::FileMetadataData;
use cache_api::{kinds, names};
use cache_core::cache::{Cache, ChildName, Retrieved, Selector, StoreRequest};
use cache_core::content::Content;
use cache_core::error::Error;
use cache_core::ids::{CacheId, Namespace};
use cache_core::json::Document;
use cache_core::strategy::{ContentKind, Strategy};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, json};
use utoipa::ToSchema;

use self::samples::{Fixture, Sample};
use crate::extract::Params;
use crate::openapi::operation::Operation;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::content;
use crate::response::wire::{self, name};
use crate::routing::Routes;
use crate::state::AppState;

/// The id of the entry that lists the fixtures, which clients know.
const MANIFEST: CacheId = CacheId::from_u128(1);
/// Where the fixtures and the smallest set of samples live.
const DEFAULT: &str = "default";
/// Where the full set of samples lives.
const FULL: [&str; 3] = ["test-data", "test-demo", "test-analytics"];
/// How many samples are stored at the same time.
const CONCURRENCY: usize = 8;

/// The routes of this group. Clients make the fixtures with GET.
pub fn routes() -> Routes {
    let made = |op: Operation, summary| described(op, summary).response::<Manifest>();
    let created = |op: Operation, summary| described(op, summary).response::<Created>();
    Routes::new()
        .get("/server/create/test-fixtures", fixtures, |op| made(op, "The fixtures, made if need be; for the clients"))
        .post("/server/create/test-fixtures", fixtures, |op| made(op, "The fixtures, made if need be"))
        .post("/test-data/create/in/default-namespaces/comprehensive", comprehensive, |op| {
            created(op, "Stores samples in three namespaces")
        })
        .post("/test-data/create/in/default-namespaces/minimal", minimal, |op| created(op, "Stores a few samples"))
        .post("/test-data/create/in/new-namespace/{namespace}", in_namespace, |op| {
            created(op, "Stores samples in a namespace")
        })
        .delete("/test-data/clear/{namespace}", clear, |op| {
            described(op, "Deletes everything in a namespace").response::<Cleared>()
        })
}

fn described(operation: Operation, summary: &str) -> Operation {
    let absent = "The service has no test routes: `CACHE__SERVICE__TEST_ROUTES` switches them on";
    operation.summary(summary).status(StatusCode::NOT_FOUND, absent)
}

/// The cache of a service with these routes enabled.
struct TestRequestCache(RequestCache);

impl FromRequestParts<AppState> for TestRequestCache {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Ok(cache) = RequestCache::from_request_parts(parts, state).await;
        state.config.test_routes.then_some(Self(cache)).ok_or_else(Problem::route_not_found)
    }
}

/// The entry that lists the fixtures.
#[derive(Debug, Serialize, ToSchema)]
struct Manifest {
    #[schema(value_type = Value)]
    data: Box<RawValue>,
    metadata: FileMetadataData,
    data_type: &'static str,
    content_encoding: Option<String>,
}

async fn fixtures(
    State(state): State<AppState>,
    TestRequestCache(cache): TestRequestCache,
) -> Result<Json<Manifest>, Problem> {
    let namespace = named(DEFAULT)?;
    let selector = Selector::Id(MANIFEST);
    if let Some(entry) = cache.namespace(&namespace).retrieve(&selector).await? {
        return manifest(entry);
    }
    let (now_ms, fixtures) = (state.now_ms(), samples::fixtures()?);
    let made = cache.run_to_completion(async move |cache| {
        make_fixtures(&cache, &namespace, fixtures, now_ms).await?;
        cache.namespace(&namespace).retrieve(&selector).await
    });
    manifest(made.await?.ok_or_else(|| Problem::internal("the fixtures were deleted while they were made"))?)
}

fn manifest(Retrieved { entry, bytes }: Retrieved) -> Result<Json<Manifest>, Problem> {
    let data = serde_json::from_slice(&bytes).map_err(|error| Problem::internal(error.to_string()))?;
    let metadata = content::file_metadata(&entry).data;
    Ok(Json(Manifest { data, metadata, data_type: ContentKind::Json.name(), content_encoding: None }))
}

/// Stores the fixtures, and their list under its id unless it exists already.
async fn make_fixtures(cache: &Cache, namespace: &Namespace, fixtures: Vec<Fixture>, now_ms: u64) -> Result<(), Error> {
    let mut listed = Map::new();
    for Fixture { name, content, python_type } in fixtures {
        let stored = cache.namespace(namespace).store(&StoreRequest::new(Strategy::Direct, content)).await?.entry;
        let about = json!({"cache_id": stored.cache_id, "cache_hash": stored.cache_hash, "type": python_type});
        listed.insert(name.to_owned(), about);
    }
    let list = json!({"fixtures": listed, "created_at": now_ms}).to_string();
    let list = Document::parse(&list.into()).map_err(|error| not_made(&error))?;
    cache.namespace(namespace).store_with_id(MANIFEST, Content::json(list)).await?;
    Ok(())
}

fn not_made(error: &dyn std::error::Error) -> Error {
    Error::Corrupt { object: "a sample".to_owned(), problem: error.to_string() }
}

/// The created entries.
#[derive(Debug, Serialize, ToSchema)]
struct Created {
    success: bool,
    timestamp: u64,
    entries_created: usize,
    namespaces: Vec<names::Namespace>,
    strategies_used: Vec<kinds::Strategy>,
    entries: Vec<CreatedEntry>,
    message: String,
}

/// One sample that was stored.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedEntry {
    cache_id: names::CacheId,
    cache_hash: names::CacheHash,
    namespace: names::Namespace,
    strategy: kinds::Strategy,
    data_type: kinds::ContentKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_key: Option<names::CacheKey>,
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<CreatedChild>,
}

/// Child data of a sample.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedChild {
    data_key: names::DataKey,
    data_file_id: names::FileId,
}

async fn comprehensive(state: State<AppState>, cache: TestRequestCache) -> Result<Json<Created>, Problem> {
    let mut wanted = Vec::new();
    for namespace in FULL {
        wanted.push((named(namespace)?, samples::full()?));
    }
    create(state, cache, wanted, "Comprehensive test data created").await
}

async fn minimal(state: State<AppState>, cache: TestRequestCache) -> Result<Json<Created>, Problem> {
    let wanted = vec![(named(DEFAULT)?, samples::smallest()?)];
    create(state, cache, wanted, "Minimal test data created").await
}

async fn in_namespace(
    state: State<AppState>,
    cache: TestRequestCache,
    params: Params,
) -> Result<Json<Created>, Problem> {
    let namespace = params.namespace()?;
    let mut samples = samples::full()?;
    if namespace.as_str() == DEFAULT {
        samples.extend(samples::special()?);
    }
    let message = format!("Test data created for {namespace}");
    create(state, cache, vec![(namespace, samples)], &message).await
}

async fn create(
    State(state): State<AppState>,
    TestRequestCache(cache): TestRequestCache,
    wanted: Vec<(Namespace, Vec<Sample>)>,
    message: &str,
) -> Result<Json<Created>, Problem> {
    let namespaces = wanted.iter().map(|(namespace, _)| name(namespace)).collect();
    let entries = cache.run_to_completion(async move |cache| store_all(&cache, wanted).await).await?;
    let used = |strategy: &kinds::Strategy| entries.iter().any(|entry| entry.strategy == *strategy);
    Ok(Json(Created {
        success: true,
        timestamp: state.now_ms(),
        entries_created: entries.len(),
        namespaces,
        strategies_used: Strategy::ALL.into_iter().map(wire::strategy).filter(used).collect(),
        message: message.to_owned(),
        entries,
    }))
}

async fn store_all(cache: &Cache, wanted: Vec<(Namespace, Vec<Sample>)>) -> Result<Vec<CreatedEntry>, Error> {
    let all = wanted
        .into_iter()
        .flat_map(|(namespace, samples)| samples.into_iter().map(move |sample| (namespace.clone(), sample)));
    let stores = all.map(|(namespace, sample)| store(cache, namespace, sample));
    stream::iter(stores.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await
}

async fn store(cache: &Cache, namespace: Namespace, sample: Sample) -> Result<CreatedEntry, Error> {
    let Sample { strategy, cache_key, content, description, children } = sample;
    let request = StoreRequest { cache_key: cache_key.clone(), ..StoreRequest::new(strategy, content) };
    let cache = cache.namespace(&namespace);
    let entry = cache.store(&request).await?.entry;
    let mut created = Vec::new();
    for (data_key, file_id, document) in children {
        created.push(CreatedChild { data_key: name(&data_key), data_file_id: name(&file_id) });
        let child = ChildName { data_key: Some(data_key), file_id, kind: ContentKind::Json };
        cache.store_child(entry.cache_id, &child, document.into()).await?;
    }
    Ok(CreatedEntry {
        cache_id: name(&entry.cache_id),
        cache_hash: name(&entry.cache_hash),
        namespace: name(&namespace),
        strategy: wire::strategy(strategy),
        data_type: wire::content_kind(entry.content.kind),
        cache_key: cache_key.as_ref().map(name),
        description,
        children: created,
    })
}

/// The response to clearing a namespace.
#[derive(Debug, Serialize, ToSchema)]
struct Cleared {
    success: bool,
    namespace: names::Namespace,
    files_deleted: usize,
    message: String,
    error: &'static str,
}

async fn clear(TestRequestCache(cache): TestRequestCache, params: Params) -> Result<Json<Cleared>, Problem> {
    let namespace = params.namespace()?;
    let within = namespace.clone();
    let files_deleted = cache.run_to_completion(async move |cache| cache.namespace(&within).clear().await).await?;
    let message = format!("Cleared {files_deleted} files from {namespace}");
    Ok(Json(Cleared { success: true, namespace: name(&namespace), files_deleted, message, error: "" }))
}

fn named(namespace: &str) -> Result<Namespace, Problem> {
    namespace.parse().map_err(|error| Problem::parameter("namespace", namespace, error))
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::Value;

    use super::*;
    use crate::test_support::{App, Call, config};

    fn app() -> App {
        let mut config = config();
        config.test_routes = true;
        App::with(config)
    }

    /// The hashes that the Python service has for its fixtures.
    const FIXTURE_HASHES: [(&str, &str); 9] = [
        ("string_simple", "e15b31f87df1896e"),
        ("string_medium", "7009be43b18a851b"),
        ("string_large", "44f8354494a5ba03"),
        ("json_simple", "cb8ae809def24feb"),
        ("json_complex", "032290cbf610fe5b"),
        ("json_empty", "44136fa355b3678a"),
        ("binary_small", "74f81fe167d99b4c"),
        ("binary_medium", "bce0aff19cf5aa6a"),
        ("binary_large", "785b0751fc2c53dc"),
    ];

    /// Checks the response to a call.
    async fn check(app: &App, method: Method, path: &str, expected: Value) -> Value {
        let answer = app.json(Call::new(method, path)).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[field], value, "{field} in {answer}");
        }
        answer
    }

    #[tokio::test]
    async fn the_routes_are_there_only_where_configured() {
        for (method, path) in [
            (Method::GET, "/server/create/test-fixtures"),
            (Method::POST, "/server/create/test-fixtures"),
            (Method::POST, "/test-data/create/in/default-namespaces/minimal"),
            (Method::DELETE, "/test-data/clear/ns"),
        ] {
            assert_eq!(App::new().send(Call::new(method, path)).await.status, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn fixtures_are_made_once_and_listed_under_the_known_id() {
        let app = app();
        let path = "/server/create/test-fixtures";
        let first = check(&app, Method::POST, path, json!({"data_type": "json", "content_encoding": null})).await;
        assert_eq!(first["data"]["fixtures"].as_object().unwrap().len(), 9);
        for (fixture, hash) in FIXTURE_HASHES {
            assert_eq!(first["data"]["fixtures"][fixture]["cache_hash"], hash, "{fixture}");
        }
        assert_eq!(first["metadata"]["cache_id"], "00000000-0000-0000-0000-000000000001");
        assert_eq!(check(&app, Method::GET, path, json!({})).await, first);
        let listed = app.get("/default/retrieve/00000000-0000-0000-0000-000000000001/json").await.json();
        assert_eq!(listed, first["data"]);
        for fixture in first["data"]["fixtures"].as_object().unwrap().values() {
            let id = fixture["cache_id"].as_str().unwrap();
            assert_eq!(app.get(&format!("/default/retrieve/{id}/binary")).await.status, 200);
        }
    }

    #[tokio::test]
    async fn fixtures_can_be_cleared_and_made_again() {
        let app = app();
        for _ in 0..2 {
            app.json(Call::get("/server/create/test-fixtures")).await;
            assert_eq!(app.json(Call::get("/default/stats")).await["refs_id_files"], 10);
            check(&app, Method::DELETE, "/test-data/clear/default", json!({"success": true, "error": ""})).await;
            assert_eq!(app.json(Call::get("/default/stats")).await["total_files"], 0);
            assert_eq!(app.json(Call::get("/admin/storage/files/all/default")).await["file_count"], 0);
        }
    }

    #[tokio::test]
    async fn each_set_has_its_number_of_samples() {
        let app = app();
        let create = "/test-data/create/in";
        let full = json!({"entries_created": 111, "namespaces": FULL, "success": true});
        check(&app, Method::POST, &format!("{create}/default-namespaces/comprehensive"), full).await;
        let smallest = json!({"entries_created": 3, "namespaces": [DEFAULT], "strategies_used": ["direct"]});
        let minimal = check(&app, Method::POST, &format!("{create}/default-namespaces/minimal"), smallest).await;
        let hashes: Vec<_> = minimal["entries"].as_array().unwrap().iter().map(|entry| &entry["cache_hash"]).collect();
        assert_eq!(hashes, ["457ee84f66336cab", "5dbea7b07d765d8e", "e7a5edc68cc9760b"]);
        let one = json!({"entries_created": 37, "namespaces": ["mine"]});
        check(&app, Method::POST, &format!("{create}/new-namespace/mine"), one).await;
        let special = check(&app, Method::POST, &format!("{create}/new-namespace/default"), json!({})).await;
        assert_eq!(special["entries_created"], 39);
        assert_eq!(special["entries"][38]["data_type"], "zip");
        assert_eq!(special["entries"][38]["cache_key"], "packages/sample-app");
        let parent = special["entries"][37]["cache_id"].as_str().unwrap();
        assert_eq!(app.json(Call::get(&format!("/default/cache/{parent}/data/list"))).await["file_count"], 3);
        assert_eq!(
            special["entries"][37]["children"][0],
            json!({"data_key": "analysis/sentiment", "data_file_id": "sentiment-v1"})
        );
    }

    #[tokio::test]
    async fn clearing_touches_one_namespace_and_counts_files() {
        let app = app();
        for namespace in ["ns", "ns-2"] {
            app.json(Call::post(&format!("/{namespace}/direct/store/string"), "hello")).await;
        }
        // The reference file of the entry, and that of its hash with it.
        check(&app, Method::DELETE, "/test-data/clear/ns", json!({"namespace": "ns", "files_deleted": 2})).await;
        check(&app, Method::DELETE, "/test-data/clear/ns", json!({"files_deleted": 0})).await;
        assert_eq!(app.json(Call::get("/ns-2/stats")).await["refs_id_files"], 1);
        assert_eq!(app.send(Call::new(Method::DELETE, "/test-data/clear/%20")).await.status, 400);
    }
}
