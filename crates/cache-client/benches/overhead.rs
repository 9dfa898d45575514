//! What the client costs: requests/s of its `get` and `store` within the process and over loopback, beside bare reqwest that sends
//! the same requests to the same server and looks at nothing but the status. `make bench-client` runs it.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and panics when it cannot go on")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mgraph_cache_client::testing::{LocalServer, in_memory};
use mgraph_cache_client::{Namespace, Selector, Strategy};
use serde_json::json;

/// How long each measurement takes.
const SECONDS: u64 = 3;
/// How many requests are under way at once.
const TASKS: usize = 16;
/// A content of 1 KB.
const CONTENT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const REPEATS: usize = 16;

/// Requests/s of what each task does again and again.
async fn rate<F: Future<Output = ()> + Send>(work: impl Fn(u64) -> F + Clone + Send + 'static) -> f64 {
    let (count, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let until = began + Duration::from_secs(SECONDS);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (count, work) = (Arc::clone(&count), work.clone());
            tokio::spawn(async move {
                while Instant::now() < until {
                    work(count.fetch_add(1, Ordering::Relaxed)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// Stores of different contents, and retrieves of one.
async fn of_client(cache: &Namespace) -> (f64, f64) {
    let store = cache.store_text(CONTENT.repeat(REPEATS)).strategy(Strategy::KeyBased);
    store.key("k").file_id("f").send().await.unwrap();
    let namespace = cache.clone();
    let stores = rate(move |number| {
        let store = namespace.store_text(format!("{number} {}", CONTENT.repeat(REPEATS)));
        async move { drop(store.send().await.unwrap()) }
    })
    .await;
    let namespace = cache.clone();
    let gets = rate(move |_| {
        let namespace = namespace.clone();
        async move { drop(namespace.get(Selector::key(Strategy::KeyBased, "k", "f")).await.unwrap().unwrap()) }
    })
    .await;
    (stores, gets)
}

/// The same requests without the client. Each store is of another namespace's content, so none is known already.
async fn of_reqwest(url: &str) -> (f64, f64) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let (store, http) = (format!("{url}/bare/direct/store/string"), client.clone());
    let stores = rate(move |number| {
        let request = http
            .post(&store)
            .header("content-type", "text/plain")
            .body(format!("{number} {}", CONTENT.repeat(REPEATS)));
        async move {
            let response = request.send().await.unwrap();
            assert!(response.status().is_success());
            response.bytes().await.unwrap();
        }
    })
    .await;
    let retrieve = format!("{url}/demo/retrieve/batch");
    let items = json!({"items": [{"strategy": "key_based", "cache_key": "k", "file_id": "f"}]}).to_string();
    let gets = rate(move |_| {
        let request = client.post(&retrieve).header("content-type", "application/json").body(items.clone());
        async move {
            let response = request.send().await.unwrap();
            assert!(response.status().is_success());
            response.bytes().await.unwrap();
        }
    })
    .await;
    (stores, gets)
}

#[tokio::main]
async fn main() {
    println!("requests/s, {TASKS} at once, contents of 1 KB\n");
    println!("{:<28} {:>10} {:>10}", "", "store", "get");
    let show = |name: &str, (stores, gets): (f64, f64)| println!("{name:<28} {stores:>10.0} {gets:>10.0}");
    show("client, within the process", of_client(&in_memory().unwrap().namespace("demo").unwrap()).await);
    let server = LocalServer::start().unwrap();
    show("client, over loopback", of_client(&server.client().build().unwrap().namespace("demo").unwrap()).await);
    show("bare reqwest, over loopback", of_reqwest(&server.url()).await);
}
