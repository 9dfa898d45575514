//! Namespaces: which there are, what each holds, and its settings.

use axum::Json;
use axum::extract::State;
use cache_api::lists::List;
use cache_api::names as wire;
use cache_api::namespaces::{Entries, NamespaceSettings, NamespaceStats, NewSettings};
use cache_core::cache::EntriesRequest;
use cache_core::ids::Namespace;
use cache_core::settings::{InvalidSetting, Settings};
use cache_core::strategy::Strategy;
use cache_core::time::UnixMillis;
use chrono::DateTime;
use serde_json::{Map, Value};

use crate::access::caller::Caller;
use crate::body::{Limited, MAX_FIELDS_BYTES, Payload};
use crate::extract::Params;
use crate::openapi::parameters;
use crate::problem::Problem;
use crate::request_cache::RequestCache;
use crate::response::namespace as bodies;
use crate::response::namespace::{names, page};
use crate::routing::Routes;
use crate::state::AppState;

/// The routes of this group.
pub fn routes() -> Routes {
    lists().merge(settings_routes())
}

fn lists() -> Routes {
    let dated: Vec<&str> =
        Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated()).map(Strategy::name).collect();
    Routes::new()
        .get("/namespaces/list", namespaces, |op| op.summary("All namespaces").list_response::<wire::Namespace>())
        .get("/{namespace}/file-hashes", hashes, |op| {
            op.summary("The hashes in a namespace, or a page of them")
                .paginated()
                .inline_response::<List<wire::CacheHash>>()
        })
        .get("/{namespace}/file-ids", ids, |op| {
            op.summary("The ids of the entries in a namespace, or a page of them")
                .paginated()
                .inline_response::<List<wire::CacheId>>()
        })
        .get("/{namespace}/stats", stats, |op| op.summary("How much a namespace holds").response::<NamespaceStats>())
        .get("/{namespace}/entries", entries, |op| {
            op.summary("Entries of the temporal strategies, in the order of time")
                .parameter(parameters::word("strategy", &dated, "Only these"))
                .parameter(parameters::time("from", "From this moment on"))
                .parameter(parameters::time("to", "Before this moment"))
                .paginated()
                .response::<Entries>()
        })
}

fn settings_routes() -> Routes {
    Routes::new()
        .get("/{namespace}/settings", settings, |op| {
            op.summary("The settings of a namespace").response::<NamespaceSettings>()
        })
        .put("/{namespace}/settings", change_settings, |op| {
            op.summary("Replaces the settings of a namespace; what is left out is unset")
                .json_body::<NewSettings>()
                .response::<NamespaceSettings>()
        })
}

/// Those that the caller may do anything in.
async fn namespaces(cache: RequestCache, caller: Caller) -> Result<Json<Vec<wire::Namespace>>, Problem> {
    cache.reserve_whole_list().await?;
    let mut namespaces = cache.namespaces().await?;
    namespaces.retain(|namespace| !caller.permissions_on(namespace).is_empty());
    Ok(Json(names(&namespaces)))
}

async fn hashes(cache: RequestCache, params: Params) -> Result<Json<List<wire::CacheHash>>, Problem> {
    let namespace = cache.namespace_of(&params)?;
    Ok(Json(match params.paging()? {
        None => {
            cache.reserve_whole_list().await?;
            List::Whole(names(&namespace.hashes().await?))
        }
        Some(wanted) => List::Page(page(namespace.hash_page(wanted.limit, wanted.cursor).await?)),
    }))
}

async fn ids(cache: RequestCache, params: Params) -> Result<Json<List<wire::CacheId>>, Problem> {
    let namespace = cache.namespace_of(&params)?;
    Ok(Json(match params.paging()? {
        None => {
            cache.reserve_whole_list().await?;
            List::Whole(names(&namespace.ids().await?))
        }
        Some(wanted) => List::Page(page(namespace.id_page(wanted.limit, wanted.cursor).await?)),
    }))
}

async fn stats(
    State(state): State<AppState>,
    cache: RequestCache,
    params: Params,
) -> Result<Json<NamespaceStats>, Problem> {
    let namespace = params.namespace()?;
    let cache = cache.namespace(&namespace);
    let (stats, settings) = futures::try_join!(cache.stats(), cache.settings())?;
    let bucket = state.config.storage.bucket().map(ToOwned::to_owned);
    let ttl_hours = settings.ttl_hours.unwrap_or(state.config.ttl_hours);
    Ok(Json(bodies::namespace_stats(&namespace, ttl_hours, &stats, bucket)))
}

async fn entries(cache: RequestCache, params: Params) -> Result<Json<Entries>, Problem> {
    let cache = cache.namespace_of(&params)?;
    let page = params.paging()?.unwrap_or_default();
    let request = EntriesRequest {
        strategy: dated_strategy(&params)?,
        from: time(&params, "from")?,
        to: time(&params, "to")?,
        limit: page.limit,
        cursor: page.cursor,
    };
    let (entries, next_cursor) = cache.entries(&request).await?;
    Ok(Json(bodies::entries(&entries, next_cursor)))
}

fn dated_strategy(params: &Params) -> Result<Option<Strategy>, Problem> {
    let Some(raw) = params.filled("strategy") else { return Ok(None) };
    let mut dated = Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated());
    if let Some(strategy) = dated.clone().find(|strategy| strategy.name() == raw) {
        return Ok(Some(strategy));
    }
    let names: Vec<&str> = dated.by_ref().map(Strategy::name).collect();
    Err(Problem::not_one_of("query", "strategy", raw, &names))
}

/// A time in the query, as milliseconds since 1970 UTC or as RFC 3339.
fn time(params: &Params, name: &str) -> Result<Option<UnixMillis>, Problem> {
    let Some(raw) = params.filled(name).map(str::trim) else { return Ok(None) };
    let spelt = || u64::try_from(DateTime::parse_from_rfc3339(raw).ok()?.timestamp_millis()).ok();
    let at_ms = raw.parse().ok().or_else(spelt);
    at_ms.map(|ms| Some(UnixMillis::new(ms))).ok_or_else(|| {
        let reason = "should be milliseconds since 1970, or a time such as 2026-11-20T15:04:05Z";
        Problem::query("datetime_parsing", name, raw, reason)
    })
}

async fn settings(cache: RequestCache, params: Params) -> Result<Json<NamespaceSettings>, Problem> {
    let namespace = params.namespace()?;
    let settings = cache.namespace(&namespace).settings().await?;
    Ok(Json(bodies::namespace_settings(&namespace, settings)))
}

async fn change_settings(
    cache: RequestCache,
    params: Params,
    Limited(payload): Limited<MAX_FIELDS_BYTES>,
) -> Result<Json<NamespaceSettings>, Problem> {
    let namespace = params.namespace()?;
    let settings = parse_settings(&namespace, payload)?;
    let (within, new) = (namespace.clone(), settings.clone());
    cache.run_to_completion(async move |cache| cache.namespace(&within).change_settings(&new).await).await?;
    Ok(Json(bodies::namespace_settings(&namespace, settings)))
}

/// The settings in a body, which may name the namespace as the answers do.
fn parse_settings(namespace: &Namespace, payload: Payload) -> Result<Settings, Problem> {
    let mut fields = payload.fields("dict_type")?;
    if let Some(named) = fields.remove("namespace").filter(|named| named != namespace.as_str()) {
        let message = format!("is not '{namespace}', whose settings are changed: leave it out");
        return Err(Problem::body_field("value_error", "namespace", &message, named));
    }
    // One after the other, so that an error can say which.
    for (field, value) in &fields {
        let alone = Value::Object(Map::from_iter([(field.clone(), value.clone())]));
        serde_json::from_value::<Settings>(alone).map_err(|error| {
            let message = format!("is not understood: {error}");
            Problem::body_field("value_error", field, &message, value.clone())
        })?;
    }
    let all = Value::Object(fields);
    let settings: Settings =
        serde_json::from_value(all.clone()).map_err(|error| Problem::internal(error.to_string()))?;
    match settings.check() {
        Ok(()) => Ok(settings),
        Err(InvalidSetting { field, message }) => {
            Err(Problem::body_field("value_error", field, &message, all[field].clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_storage::StorageConfig;
    use cache_storage::s3::S3Config;
    use http::Method;
    use serde_json::{Value, json};

    use crate::app;
    use crate::test_support::{App, Call, config};

    /// An application with four entries in one namespace: two of one content, one dated, one under a key.
    async fn filled(app: App) -> App {
        for path in ["direct/store/string", "direct/store/string", "temporal/store/string"] {
            app.json(Call::post(&format!("/ns/{path}"), "hello")).await;
        }
        app.json(Call::post("/ns/key_based/store/string/k?file_id=f", "other")).await;
        app
    }

    async fn check(path: &str, expected: Value) {
        let answer = filled(App::new()).await.json(Call::get(path)).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[field], value, "{field} in {answer}");
        }
    }

    async fn check_refused(path: &str, expected: &str) {
        let answer = App::new().get(path).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
    }

    #[tokio::test]
    async fn stats_count_what_the_namespace_holds() {
        let counts = json!({
            "namespace": "ns", "ttl_hours": 24, "direct_files": 2, "temporal_files": 1, "temporal_latest_files": 0,
            "temporal_versioned_files": 0, "key_based_files": 1, "refs_hash_files": 2, "refs_id_files": 4,
            "total_files": 10,
        });
        check("/ns/stats", counts).await;
        check("/other/stats", json!({"namespace": "other", "total_files": 0})).await;
        let mut config = config();
        config.storage = StorageConfig::S3(S3Config::new("b"));
        let answer = App::with(config).json(Call::get("/ns/stats")).await;
        assert_eq!((&answer["s3_bucket"], &answer["s3_prefix"]), (&json!("b"), &json!("ns")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_list_waits_for_room_in_memory() {
        let state = App::state_with(config());
        let app = App::around(app::app(Arc::clone(&state)));
        let permit = state.in_flight.permit();
        permit.reserve(state.config.limits.max_in_flight_bytes - (8 << 20)).await.unwrap();
        for path in ["/ns/file-ids", "/ns/file-hashes", "/namespaces/list", "/admin/storage/files/all/"] {
            assert_eq!(app.get(path).await.status, 503, "{path}");
        }
        assert_eq!(app.get("/ns/file-ids?limit=5").await.status, 200, "a page is small");
        drop(permit);
        assert_eq!(app.get("/ns/file-ids").await.status, 200);
    }

    #[tokio::test]
    async fn lists_are_bare_until_a_page_is_asked_for() {
        let app = filled(App::new()).await;
        let hashes = app.json(Call::get("/ns/file-hashes")).await;
        assert_eq!(hashes, json!(["2cf24dba5fb0a30e", "d9298a10d1b07358"]));
        assert_eq!(app.json(Call::get("/ns/file-ids")).await.as_array().unwrap().len(), 4);
        assert_eq!(app.json(Call::get("/none/file-ids")).await, json!([]));
        assert_eq!(app.json(Call::get("/namespaces/list")).await, json!(["ns"]));
        let page = app.json(Call::get("/ns/file-hashes?limit=1")).await;
        assert_eq!(page, json!({"items": ["2cf24dba5fb0a30e"], "next_cursor": "2cf24dba5fb0a30e"}));
    }

    #[tokio::test]
    async fn pages_follow_each_other_to_the_end() {
        let app = filled(App::new()).await;
        let whole = app.json(Call::get("/ns/file-ids")).await;
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = app.json(Call::get(&format!("/ns/file-ids?limit=3&cursor={cursor}"))).await;
            seen.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(Value::Array(seen), whole);
    }

    #[tokio::test]
    async fn what_is_deleted_is_not_listed() {
        let app = App::new();
        let stored = app.json(Call::post("/ns/direct/store/string", "hello")).await;
        app.json(Call::new(Method::DELETE, &format!("/ns/delete/{}", stored["cache_id"].as_str().unwrap()))).await;
        assert_eq!(app.json(Call::get("/ns/file-ids")).await, json!([]));
        assert_eq!(app.json(Call::get("/ns/file-hashes")).await, json!([]));
        assert_eq!(app.json(Call::get("/ns/stats")).await["total_files"], 0);
    }

    #[tokio::test]
    async fn entries_come_in_the_order_of_time() {
        let app = App::new();
        for strategy in ["temporal", "temporal_latest", "temporal_versioned", "direct"] {
            app.json(Call::post(&format!("/ns/{strategy}/store/string"), "x")).await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let all = app.json(Call::get("/ns/entries")).await;
        let strategies: Vec<&str> =
            all["entries"].as_array().unwrap().iter().map(|entry| entry["strategy"].as_str().unwrap()).collect();
        assert_eq!(strategies, ["temporal", "temporal_latest", "temporal_versioned"]);
        assert_eq!(all["next_cursor"], Value::Null);
        let first = app.json(Call::get("/ns/entries?limit=1")).await;
        let rest = format!("/ns/entries?cursor={}", first["next_cursor"].as_str().unwrap());
        assert_eq!(app.json(Call::get(&rest)).await["entries"].as_array().unwrap().len(), 2);
        let second = &all["entries"][1];
        let at = second["timestamp"].as_u64().unwrap();
        let within = app.json(Call::get(&format!("/ns/entries?from={at}&to={}", at + 1))).await;
        assert_eq!(within["entries"], json!([second]));
        for (query, count) in [("strategy=temporal", 1), ("from=2999-01-01T00:00:00Z", 0), ("to=1", 0), ("from=0", 3)] {
            let found = app.json(Call::get(&format!("/ns/entries?{query}"))).await;
            assert_eq!(found["entries"].as_array().unwrap().len(), count, "{query}");
        }
    }

    #[tokio::test]
    async fn a_list_cannot_be_asked_for_nonsense() {
        check_refused("/ns/file-ids?limit=0", "limit should be a number from 1 to 1000").await;
        check_refused("/ns/file-ids?cursor=x", "pass the next_cursor of the page before").await;
        check_refused("/ns/file-hashes?cursor=x", "pass the next_cursor of the page before").await;
        check_refused("/ns/entries?cursor=x", "pass the next_cursor of the page before").await;
        check_refused("/ns/entries?strategy=direct", "strategy should be 'temporal', ").await;
        check_refused("/ns/entries?from=soon", "from should be milliseconds since 1970").await;
        check_refused("/%20/file-ids", "namespace must not be empty").await;
    }

    #[tokio::test]
    async fn settings_are_replaced_as_a_whole_and_obeyed() {
        let app = App::new();
        let put = async |body: &'static str| app.send(Call::post("/ns/settings", body).method(Method::PUT)).await;
        let nothing = json!({"namespace": "ns", "ttl_hours": null, "on_expiry": "keep", "strategies": null, "public_read": false, "max_entries": null, "max_bytes": null});
        assert_eq!(app.json(Call::get("/ns/settings")).await, nothing);
        let changed = put("{\"ttl_hours\":2,\"strategies\":[\"direct\"]}").await.json();
        assert_eq!(
            changed,
            json!({"namespace": "ns", "ttl_hours": 2, "on_expiry": "keep", "strategies": ["direct"], "public_read": false, "max_entries": null, "max_bytes": null})
        );
        assert_eq!(app.json(Call::get("/ns/settings")).await, changed);
        assert_eq!(app.json(Call::get("/ns/stats")).await["ttl_hours"], 2);
        assert_eq!(app.send(Call::post("/ns/temporal/store/string", "x")).await.status, 400);
        assert_eq!(put("{\"namespace\":\"ns\"}").await.json(), nothing);
        app.json(Call::post("/ns/temporal/store/string", "x")).await;
    }

    #[tokio::test]
    async fn a_store_beyond_a_quota_is_403_with_the_numbers_until_there_is_room() {
        let app = App::new();
        let put = async |body: &'static str| app.json(Call::post("/ns/settings", body).method(Method::PUT)).await;
        let store =
            async |path: &str, content: &'static str| app.send(Call::post(&format!("/ns/{path}"), content)).await;
        put("{\"max_entries\":2}").await;
        assert_eq!(store("direct/store/string", "one").await.status, 200);
        assert_eq!(store("temporal/store/string", "two").await.status, 200);
        let refused = store("direct/store/string", "three").await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert!(refused.text().contains("would have 3 entries, and its quota is 2"), "{}", refused.text());
        assert_eq!(app.json(Call::get("/ns/stats")).await["refs_id_files"], 2, "nothing is half stored");
        put("{\"max_entries\":9.0,\"max_bytes\":1e1}").await;
        assert_eq!(store("direct/store/string", "four").await.status, 200);
        let refused = store("key_based/zip/create/k/f", "").await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert!(refused.text().contains("bytes, and its quota is 10"), "{}", refused.text());
        assert_eq!(app.json(Call::get("/ns/stats")).await["content_bytes"], 10);
    }

    #[tokio::test]
    async fn wrong_settings_are_refused_with_the_field() {
        for (body, field) in [
            ("{\"ttl\":2}", "[\"body\",\"ttl\"]"),
            ("{\"ttl_hours\":\"2\"}", "[\"body\",\"ttl_hours\"]"),
            ("{\"on_expiry\":\"burn\"}", "[\"body\",\"on_expiry\"]"),
            ("{\"strategies\":[\"weekly\"]}", "[\"body\",\"strategies\"]"),
            ("{\"namespace\":\"other\"}", "[\"body\",\"namespace\"]"),
            ("{\"ttl_hours\":0}", "ttl_hours must be 1 to"),
            ("{\"strategies\":[]}", "strategies must name at least one"),
            ("[]", "dict_type"),
        ] {
            let answer = App::new().send(Call::post("/ns/settings", body).method(Method::PUT)).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
            assert!(answer.text().contains(field), "{}", answer.text());
        }
    }

    #[tokio::test]
    async fn the_configured_lifetime_counts_where_none_is_set() {
        let mut config = config();
        config.ttl_hours = 7;
        assert_eq!(App::with(config).json(Call::get("/ns/stats")).await["ttl_hours"], 7);
    }
}
