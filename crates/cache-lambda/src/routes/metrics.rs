//! Metrics of this process, for Prometheus.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::media_type::TEXT;
use crate::problem::Problem;
use crate::routing::Routes;
use crate::state::AppState;
use crate::telemetry::prometheus::{self, Process};

/// The routes of this group.
pub fn routes() -> Routes {
    Routes::new().get("/metrics", metrics, |op| {
        op.summary("The metrics of this process, for Prometheus")
            .raw_response(TEXT)
            .status(StatusCode::NOT_FOUND, "In Lambda: see CloudWatch")
    })
}

/// In Lambda a scraper would reach an arbitrary process, which has seen only some of the requests.
async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    if state.config.in_lambda {
        return Err(Problem::metrics_not_served());
    }
    let process = Process {
        version: env!("CARGO_PKG_VERSION"),
        storage_mode: state.config.storage.mode(),
        started_ms: state.started_ms,
    };
    let exposition = prometheus::exposition(&state.metrics, state.cache().object_cache(), &process);
    Ok(([(header::CONTENT_TYPE, prometheus::MEDIA)], exposition).into_response())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_storage::memory::Memory;
    use cache_testing::recording::RecordingStorage;
    use http::Method;

    use crate::config::auth::Auth;
    use crate::test_support::{App, Call, KEY, config, keyed_config};

    const RETRIEVE: &str = "get_namespace_retrieve_hash_cache_hash_string";

    /// The numbers after these calls.
    async fn after(calls: Vec<Call>) -> String {
        let app = App::new();
        for call in calls {
            app.send(call).await;
        }
        app.get("/metrics").await.text()
    }

    #[track_caller]
    fn check(page: &str, sample: &str) {
        assert!(page.lines().any(|line| line == sample), "{sample} is not in:\n{page}");
    }

    #[tokio::test]
    async fn requests_are_counted_by_operation_and_outcome() {
        let read = |hash: &str| Call::get(&format!("/ns/retrieve/hash/{hash}/string"));
        let known = "2cf24dba5fb0a30e";
        let page = after(vec![
            Call::post("/ns/direct/store/string", "hello"),
            read(known),
            read(known).method(Method::HEAD),
            read("0000000000000000"),
            read("nonsense"),
            Call::get("/nowhere"),
        ])
        .await;
        let requests = |operation: &str, outcome: &str, count: u64| {
            check(
                &page,
                &format!("mgraph_cache_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} {count}"),
            );
        };
        requests("post_namespace_strategy_store_string", "ok", 1);
        requests(RETRIEVE, "hit", 2);
        requests(RETRIEVE, "miss", 1);
        requests(RETRIEVE, "client_error", 1);
        requests("none", "client_error", 1);
        check(&page, &format!("mgraph_cache_request_duration_seconds_count{{operation=\"{RETRIEVE}\"}} 4"));
        check(&page, "mgraph_cache_requests_in_flight 1");
    }

    #[tokio::test]
    async fn reads_are_counted_by_namespace_unless_they_are_refused() {
        let app = App::with(keyed_config());
        let send = async |call: Call, key: &str| app.send(call.header(KEY.0, key)).await;
        let read = |namespace: &str, hash: &str| Call::get(&format!("/{namespace}/retrieve/hash/{hash}/string"));
        let grants = r#"{"name":"k","grants":[{"namespaces":["ns"],"permissions":["read"]}]}"#;
        let made = send(Call::post_json("/keys", grants), KEY.1).await.json();
        let key = made["key"].as_str().unwrap();
        send(Call::post("/ns/direct/store/string", "hello"), KEY.1).await;
        for _ in 0..2 {
            send(read("ns", "2cf24dba5fb0a30e"), key).await;
        }
        send(read("ns", "0000000000000000"), key).await;
        send(Call::get("/ns/stats"), key).await;
        send(Call::new(Method::DELETE, "/ns/delete/2cf24dba-5fb0-8a30-8000-000000000000"), KEY.1).await;
        send(read("theirs", "0000000000000000"), key).await;
        app.get("/nobody/retrieve/hash/0000000000000000").await;
        let page = send(Call::get("/metrics"), KEY.1).await.text();
        check(&page, "mgraph_cache_namespace_reads_total{namespace=\"ns\",outcome=\"hit\"} 2");
        check(&page, "mgraph_cache_namespace_reads_total{namespace=\"ns\",outcome=\"miss\"} 1");
        assert!(!page.contains("theirs") && !page.contains("nobody"), "{page}");
    }

    #[tokio::test]
    async fn storage_calls_are_counted_by_operation_and_in_round_trips() {
        // This one lets others take their turn during a call, as a storage far away does.
        let app = App::over(Arc::new(RecordingStorage::new(Arc::new(Memory::default()))), config());
        app.json(Call::post("/ns/direct/store/string", "hello")).await;
        let page = app.get("/metrics").await.text();
        check(&page, "mgraph_cache_storage_round_trips_total 2");
        // The first request of a minute reads the namespace's settings in addition to the manifest, and the first one of the
        // process looks for entries of the Python service.
        check(&page, "mgraph_cache_storage_requests_total{operation=\"get\"} 2");
        check(&page, "mgraph_cache_storage_requests_total{operation=\"put\"} 1");
        check(&page, "mgraph_cache_storage_requests_total{operation=\"list\"} 1");
    }

    #[tokio::test]
    async fn what_the_object_cache_saved_is_counted() {
        let mut config = config();
        config.object_cache_bytes = 1_000_000;
        let app = App::with(config);
        app.json(Call::post("/ns/direct/store/string", "hello")).await;
        app.get("/ns/retrieve/hash/2cf24dba5fb0a30e/string").await;
        check(&app.get("/metrics").await.text(), "mgraph_cache_object_cache_hits_total 1");
    }

    #[tokio::test]
    async fn a_scraper_needs_the_key() {
        let mut config = config();
        let value = "secret".to_owned();
        config.auth = Auth::ApiKey { name: "x-api-key".parse().unwrap(), cookie: "x-api-key".to_owned(), value };
        let app = App::with(config);
        assert_eq!(app.get("/metrics").await.status, 401);
        assert_eq!(app.send(Call::get("/metrics").header("x-api-key", "secret")).await.status, 200);
    }

    #[tokio::test]
    async fn a_function_sends_a_scraper_to_cloudwatch() {
        let mut config = config();
        config.in_lambda = true;
        let answer = App::with(config).get("/metrics").await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("CloudWatch"), "{}", answer.text());
    }
}
