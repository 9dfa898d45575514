//! The versions under a hash or a key, and rollback.

use axum::Json;
use cache_api::entries::Store;
use cache_api::versions::VersionList;
use cache_core::cache::{Selector, VersionsOf};

use crate::extract::Params;
use crate::openapi::operation::Operation;
use crate::openapi::parameters;
use crate::pagination::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::{entry, versions};
use crate::routing::Routes;
use crate::store_options::Repeatable;

/// The routes of this group.
pub fn routes() -> Routes {
    let list = |op: Operation, summary| {
        op.summary(summary)
            .parameter(parameters::limit())
            .parameter(parameters::number("before", "Versions before this one"))
            .response::<VersionList>()
            .not_found()
    };
    Routes::below("/{namespace}")
        .get("/versions/hash/{cache_hash}", of_hash, |op| list(op, "What was stored under a hash over time"))
        .get("/versions/key/{strategy}/{*cache_key}/{file_id}", of_key, |op| {
            list(op, "What was stored under a key over time")
        })
        .post("/rollback/key/{strategy}/{*cache_key}/{file_id}", rollback, |op| {
            op.summary("Makes a new version under a key, with the content of an older one")
                .parameter(parameters::required(parameters::version()))
                .repeatable()
                .response::<Store>()
                .payload_too_large()
                .not_found()
        })
}

async fn of_hash(cache: RequestCache, params: Params) -> Result<Json<VersionList>, Problem> {
    list(&cache, &params, VersionsOf::Hash(params.cache_hash()?)).await
}

async fn of_key(cache: RequestCache, params: Params) -> Result<Json<VersionList>, Problem> {
    list(&cache, &params, VersionsOf::Key(params.key_ref()?)).await
}

async fn list(cache: &RequestCache, params: &Params, of: VersionsOf) -> Result<Json<VersionList>, Problem> {
    let limit = params.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT) as usize;
    let before = params.number("before", 1..=u64::MAX)?;
    let cache = cache.namespace_of(params)?;
    match cache.versions(&of, before, limit).await? {
        Some(found) => Ok(Json(versions::version_list(&of, &found))),
        None => Err(Problem::entry_not_found(cache.name(), &newest(of))),
    }
}

fn newest(of: VersionsOf) -> Selector {
    match of {
        VersionsOf::Hash(hash) => Selector::Hash(hash, None),
        VersionsOf::Key(name) => Selector::Key(name, None),
    }
}

async fn rollback(
    cache: RequestCache,
    params: Params,
    Repeatable(idempotency_key): Repeatable,
) -> Result<Json<Store>, Problem> {
    let (namespace, name) = (params.namespace()?, params.key_ref()?);
    let version = params.version()?.ok_or_else(|| Problem::missing_query("version"))?;
    let missing = Problem::entry_not_found(&namespace, &Selector::Key(name.clone(), Some(version)));
    let stored = cache
        .run_to_completion(async move |cache| {
            cache.namespace(&namespace).rollback(&name, version, idempotency_key).await
        })
        .await?;
    stored.map(|stored| Json(entry::store(stored))).ok_or(missing)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use crate::test_support::{App, Call};

    /// An application with three versions under one key, and the response of a call to it.
    async fn check(method: Method, path: &str, status: u16, expected: &str) {
        let app = App::new();
        for content in ["one", "two", "two"] {
            app.json(Call::post("/ns/key_based/store/string/a/b?file_id=f", content)).await;
        }
        let answer = app.send(Call::new(method, path)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
    }

    #[tokio::test]
    async fn the_versions_of_a_key_come_in_order() {
        let path = "/ns/versions/key/key_based/a/b/f";
        let expected = "{\"strategy\":\"key_based\",\"cache_key\":\"a/b\",\"file_id\":\"f\",\"count\":3,\"versions\":[{\"key_version\":1,";
        check(Method::GET, path, 200, expected).await;
        check(Method::GET, &format!("{path}?limit=1"), 200, "\"versions\":[{\"key_version\":3,").await;
        check(Method::GET, &format!("{path}?limit=1&before=3"), 200, "\"versions\":[{\"key_version\":2,").await;
    }

    #[tokio::test]
    async fn the_versions_of_a_hash_name_their_strategy() {
        let path = "/ns/versions/hash/3fc4ccfe745870e2";
        check(Method::GET, path, 200, "\"count\":2,\"versions\":[{\"version\":1,").await;
        check(Method::GET, path, 200, "\"strategy\":\"key_based\"}],\"latest_id\":\"3fc4ccfe-").await;
    }

    #[tokio::test]
    async fn a_hash_or_key_without_versions_is_404() {
        check(Method::GET, "/ns/versions/hash/0123456789abcdef", 404, "\"cache_hash\":\"0123456789abcdef\"").await;
        check(Method::GET, "/ns/versions/key/direct/a/b/f", 404, "no entry under direct/a/b/f").await;
        check(Method::GET, "/ns/versions/key/direct/f", 404, "Not Found").await;
    }

    #[tokio::test]
    async fn a_limit_has_limits() {
        for limit in ["0", "1001", "x", "-1"] {
            let path = format!("/ns/versions/key/key_based/a/b/f?limit={limit}");
            check(Method::GET, &path, 400, "limit should be a number from 1 to 1000").await;
        }
    }

    #[tokio::test]
    async fn a_rollback_makes_an_old_version_the_newest() {
        let app = App::new();
        for content in ["one", "two"] {
            app.json(Call::post("/ns/key_based/store/string/a/b?file_id=f", content)).await;
        }
        let stored = app.json(Call::new(Method::POST, "/ns/rollback/key/key_based/a/b/f?version=1")).await;
        assert_eq!((&stored["key_version"], &stored["deduplicated"]), (&json!(3), &json!(true)));
        assert_eq!(app.get("/ns/retrieve/key/key_based/a/b/f?as=string").await.text(), "one");
    }

    #[tokio::test]
    async fn a_rollback_has_to_name_a_version_that_exists() {
        let path = "/ns/rollback/key/key_based/a/b/f";
        check(Method::POST, path, 400, "\"type\":\"missing\",\"loc\":[\"query\",\"version\"]").await;
        check(Method::POST, &format!("{path}?version=9"), 404, "no version 9").await;
    }
}
