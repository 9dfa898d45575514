//! The log: a line for each request with its outcome, and no line with a secret.

use std::fs;
use std::slice;

use serde_json::Value;

use crate::support::http::API_KEY;
use crate::support::{Mode, Request, Server, tree};

/// A line of the log about a request.
const REQUEST_COMPLETED: &str = "request completed";

/// The lines of the log, once each of these requests has one.
async fn lines(server: &Server, ids: &[String]) -> Vec<Value> {
    let log = server.log_when(|log| ids.iter().all(|id| log.contains(id))).await;
    // The greeting, which is for people, comes first.
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn each_request_is_one_line_with_its_outcome_and_what_it_cost() {
    let server = Server::start_with(&Mode::Disk, &[("CACHE__SERVICE__LOG_FORMAT", "json")]).await;
    let client = server.client();
    let mut ids = Vec::new();
    for request in [
        Request::post("/logs/direct/store/string").text("hello"),
        Request::get("/logs/retrieve/hash/2cf24dba5fb0a30e/string"),
        Request::get("/logs/retrieve/hash/0000000000000000/string"),
        Request::get("/logs/retrieve/hash/nonsense/string"),
        Request::bare("GET", "/logs/stats"),
        Request::get("/nowhere"),
    ] {
        let reply = client.send(request).await;
        ids.push(reply.headers["fast-api-request-id"].to_str().unwrap().to_owned());
    }
    let lines = lines(&server, &ids).await;
    let mut seen = Vec::new();
    for id in &ids {
        let of_request: Vec<_> = lines.iter().filter(|line| line["request_id"] == **id).collect();
        let [line] = of_request[..] else { panic!("{id} has {of_request:?}") };
        assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &REQUEST_COMPLETED.into()), "{line}");
        assert!(line["duration_ms"].is_f64() && line["timestamp"].is_string(), "{line}");
        let text = |name: &str| line[name].as_str().unwrap();
        let number = |name: &str| line[name].as_u64().unwrap();
        // A disk that answers before the next call is on its way makes a round of each.
        let (calls, rounds) = (number("storage_calls"), number("storage_round_trips"));
        assert!(rounds.min(1) == calls.min(1) && rounds <= calls, "{line}");
        seen.push((text("operation"), text("namespace"), text("outcome"), number("status"), calls));
    }
    let retrieve = "get_namespace_retrieve_hash_cache_hash_string";
    assert_eq!(
        seen,
        [
            // The PUT of the budget, and what a process does that has not seen the namespace: GETs of settings and manifest, and
            // a LIST of what the Python service may have left.
            ("post_namespace_strategy_store_string", "logs", "ok", 200, 4),
            // The process has the content in memory, and looks whether the entry is there.
            (retrieve, "logs", "hit", 200, 1),
            (retrieve, "logs", "miss", 404, 1),
            (retrieve, "logs", "client_error", 400, 0),
            // Whether everybody may read is asked of the storage, so that the answer is no sooner there in a namespace in use.
            ("get_namespace_stats", "logs", "client_error", 401, 1),
            ("none", "-", "client_error", 404, 0),
        ]
    );
}

/// Lines to read, and no contents in memory, so that damage on the disk is met.
const SETTINGS: [(&str, &str); 2] =
    [("CACHE__SERVICE__LOG_FORMAT", "json"), ("CACHE__SERVICE__OBJECT_CACHE_BYTES", "0")];

/// In a body, a content, a header or a cookie.
const SECRET: &str = "s3cr3t";
/// In the name of a key or a file, which people choose.
const PRIVATE: &str = "pr1v4te";

/// Sends secrets in every way, in requests that fit and in requests that do not.
async fn tell_secrets(server: &Server) {
    let client = server.client();
    let key = format!("/logs/key_based/store/string/{PRIVATE}/a?file_id={PRIVATE}");
    let cookie = format!("{}={SECRET}", API_KEY.0);
    let requests = [
        Request::post(&key).text(SECRET),
        Request::post(&key).json(format!("{{\"{SECRET}\": {SECRET}")),
        Request::post(&key).json(format!("\"{SECRET}\"")).header("content-encoding", "gzip"),
        Request::post(&format!("{key}&json_field_path={SECRET}")).json(format!("{{\"a\": \"{SECRET}\"}}")),
        Request::post(&format!("/logs/{SECRET}/store/string")).text(SECRET),
        Request::post("/logs/direct/store/json").header("authorization", SECRET).json(format!("[\"{SECRET}\"]")),
        Request::post("/logs/direct/zip/store").binary(SECRET),
        Request::post("/auth/set-auth-cookie")
            .json(format!("{{\"cookie_name\": \"x\", \"cookie_value\": \"{SECRET}\"}}")),
        Request::get(&format!("/logs/retrieve/key/key_based/{PRIVATE}/a/{PRIVATE}?as=string"))
            .header("cookie", &cookie),
        Request::get(&format!("/logs/retrieve/key/key_based/{PRIVATE}/b/{PRIVATE}")),
        Request::get(&format!("/logs/retrieve/hash/{SECRET}/string?token={SECRET}")),
        Request::bare("GET", "/logs/stats").header(API_KEY.0, SECRET),
        Request::bare("GET", "/logs/stats").header("cookie", &cookie),
        Request::bare("POST", &key).text(SECRET),
    ];
    for request in requests {
        client.send(request).await;
    }
}

/// Damages the storage, and reads from it; returns the id of the request that detects the damage.
async fn find_damage(server: &Server) -> String {
    let objects = tree::files(&server.disk()).into_keys();
    for object in objects.filter(|object| object.to_string_lossy().contains("refs/by-")) {
        fs::write(object, SECRET.repeat(3)).unwrap();
    }
    let damaged = format!("/logs/retrieve/key/key_based/{PRIVATE}/a/{PRIVATE}?as=string");
    let reply = server.client().send(Request::get(&damaged)).await;
    assert_eq!(reply.status, 500, "{}", reply.text());
    reply.headers["fast-api-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_key_content_or_secret_is_logged_at_any_level() {
    for level in ["info", "trace"] {
        let server = Server::start_with(&Mode::Disk, &[&SETTINGS[..], &[("RUST_LOG", level)]].concat()).await;
        tell_secrets(&server).await;
        let completed = |log: &str| log.matches(&format!("\"{REQUEST_COMPLETED}\"")).count();
        // The start asked once.
        let all = 1 + 14;
        let log = server.log_when(|log| completed(log) >= all).await;
        assert_eq!(completed(&log), all, "{log}");
        // The trace level logs storage keys, which contain such names.
        assert!(level == "trace" || !log.contains(PRIVATE), "{log}");
        find_damage(&server).await;
        let log = server.log_when(|log| log.contains("\"ERROR\"")).await;
        assert!(!log.contains(SECRET) && !log.contains(API_KEY.1), "{log}");
    }
}

#[tokio::test]
async fn an_error_line_has_the_request_id_at_every_log_level() {
    let server = Server::start_with(&Mode::Disk, &[&SETTINGS[..], &[("RUST_LOG", "error")]].concat()).await;
    tell_secrets(&server).await;
    let id = find_damage(&server).await;
    let lines = lines(&server, slice::from_ref(&id)).await;
    for line in lines {
        assert_eq!((&line["level"], &line["request_id"]), (&"ERROR".into(), &id.clone().into()), "{line}");
    }
}

#[tokio::test]
async fn a_level_that_means_nothing_is_warned_about() {
    let server = Server::start_with(&Mode::Memory, &[("RUST_LOG", "verbose")]).await;
    let log = server.log_when(|log| log.contains(REQUEST_COMPLETED)).await;
    assert!(log.contains("RUST_LOG: 'verbose' is not usable, so the level is info"), "{log}");
}
