//! Memoisation: once for all who ask, and never in the way.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mgraph_cache_client::memo::{CallKey, Memo, MemoBuilder, Mode};
use mgraph_cache_client::testing::{LocalServer, in_memory};
use mgraph_cache_client::{Client, Namespace, Policy, Selector, Strategy};
use serde_json::{Value, json};

/// The calls of a function, counted.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn runs(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    async fn call(&self, memo: &Memo, argument: u32) -> u32 {
        let count = self.clone();
        let run = async move || {
            let before = count.0.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok::<_, Infallible>(argument * 10 + before)
        };
        memo.call("slow", &json!({"n": argument}), run).await.unwrap()
    }
}

fn namespace() -> Namespace {
    in_memory().unwrap().namespace("demo").unwrap()
}

fn memo(cache: &Namespace) -> MemoBuilder {
    cache.memo().mode(Mode::On)
}

#[tokio::test]
async fn a_value_is_computed_once_and_found_by_other_clients() {
    let (cache, count) = (namespace(), Counted::default());
    let (first, second) = (memo(&cache).build(), memo(&cache).build());
    assert_eq!((count.call(&first, 1).await, count.call(&first, 1).await, count.call(&second, 1).await), (10, 10, 10));
    assert_eq!(count.call(&second, 2).await, 21);
    let (of_first, of_second) = (first.stats()["slow"], second.stats()["slow"]);
    assert_eq!((of_first.misses, of_first.local_hits, of_first.hits), (1, 1, 0));
    assert_eq!((of_second.misses, of_second.local_hits, of_second.hits), (1, 0, 1));
    assert!(of_second.saved >= Duration::from_millis(190), "{of_second:?}");
    let key = CallKey::new("slow", 1, &json!({"n": 1}), &[]).unwrap();
    let stored = cache.get(Selector::key(Strategy::KeyBased, key.cache_key(), key.file_id())).await.unwrap().unwrap();
    assert_eq!(stored.json::<Value>().unwrap()["value"], 10, "it is an entry that people can look at");
}

#[tokio::test]
async fn a_herd_in_two_clients_runs_it_once() {
    let server = LocalServer::start().unwrap();
    let clients: Vec<Memo> = (0..2)
        .map(|_| {
            memo(&server.client().build().unwrap().namespace("demo").unwrap()).lease(Duration::from_secs(20)).build()
        })
        .collect();
    let count = Counted::default();
    let herd = async || {
        let tasks: Vec<_> = (0..50)
            .map(|task| {
                let (memo, count) = (clients[task % 2].clone(), count.clone());
                tokio::spawn(async move { count.call(&memo, 7).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 70);
        }
    };
    herd().await;
    assert_eq!(count.runs(), 1);
    herd().await;
    assert_eq!(count.runs(), 1, "a warm cache runs nothing");
}

#[tokio::test]
async fn a_holder_that_dies_holds_others_up_until_its_lease_ends() {
    let (cache, count) = (namespace(), Counted::default());
    let (dying, other) =
        (memo(&cache).lease(Duration::from_secs(1)).build(), memo(&cache).lease(Duration::from_secs(1)).build());
    let task = tokio::spawn(async move {
        dying.call("slow", &json!({"n": 3}), std::future::pending::<Result<u32, Infallible>>).await.unwrap()
    });
    let key = CallKey::new("slow", 1, &json!({"n": 3}), &[]).unwrap();
    let lease = Selector::key(Strategy::KeyBased, format!("lease/{}", key.cache_key()), key.file_id());
    while cache.find(lease.clone()).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    let began = Instant::now();
    assert_eq!(count.call(&other, 3).await, 30);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_millis(300), "the lease was not waited for: {:?}", began.elapsed());
    assert!(cache.find(lease).await.unwrap().is_none(), "the lease is given back");
}

#[tokio::test]
async fn errors_are_not_stored_but_none_is() {
    let cache = namespace();
    let memo = memo(&cache).lease(Duration::from_secs(5)).build();
    let mut runs = 0;
    for expected in [Err("no"), Ok(None), Ok(None)] {
        let outcome: Result<Option<u32>, &str> = memo
            .call("f", &(), || {
                runs += 1;
                let failed = runs == 1;
                async move { if failed { Err("no") } else { Ok(None) } }
            })
            .await;
        assert_eq!(outcome, expected);
    }
    assert_eq!(runs, 2);
}

#[tokio::test]
async fn a_value_ends_and_may_be_returned_later_in_place_of_an_error() {
    let cache = namespace();
    let memo = memo(&cache).ttl(Duration::from_millis(300)).stale_if_error(Duration::from_secs(60)).build();
    let call = async |value: Result<u32, &'static str>| memo.call("f", &(), || async move { value }).await;
    assert_eq!((call(Ok(1)).await, call(Ok(2)).await), (Ok(1), Ok(1)));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(call(Err("down")).await, Ok(1));
    assert_eq!(memo.stats()["f"].stale, 1);
    assert_eq!(call(Ok(3)).await, Ok(3));
}

#[tokio::test]
async fn one_call_or_a_whole_function_is_forgotten() {
    let (cache, count) = (namespace(), Counted::default());
    let memo = memo(&cache).build();
    for argument in [1, 2] {
        count.call(&memo, argument).await;
    }
    // A second version of the value, under which the first one must not come back.
    let refresh = cache.memo().mode(Mode::Refresh).build();
    count.call(&refresh, 1).await;
    memo.invalidate("slow", &json!({"n": 1})).await.unwrap();
    assert_eq!((count.call(&memo, 1).await, count.call(&memo, 2).await), (13, 21));
    assert_eq!(memo.clear("slow").await.unwrap(), 2);
    assert_eq!((count.call(&memo, 1).await, count.call(&memo, 2).await), (14, 25));
    assert_eq!(memo.clear("nothing").await.unwrap(), 0);
}

#[tokio::test]
async fn arguments_can_be_left_out_of_the_key() {
    let memo = memo(&namespace()).ignore(["db"]).build();
    let call =
        async |db: u32| memo.call("f", &json!({"n": 1, "db": db}), || async move { Ok::<_, Infallible>(db) }).await;
    assert_eq!((call(1).await, call(2).await), (Ok(1), Ok(1)));
}

#[tokio::test]
async fn modes_look_up_and_store_as_they_say() {
    let (cache, count) = (namespace(), Counted::default());
    let with = |mode| cache.memo().mode(mode).build();
    let read_only = with(Mode::ReadOnly);
    assert_eq!((count.call(&read_only, 1).await, count.call(&read_only, 1).await), (10, 10));
    assert_eq!(count.call(&with(Mode::On), 1).await, 11, "nothing was stored");
    assert_eq!(count.call(&with(Mode::ReadOnly), 1).await, 11);
    assert_eq!(count.call(&with(Mode::Off), 1).await, 12);
    assert_eq!(count.call(&with(Mode::Refresh), 1).await, 13);
    assert_eq!(count.call(&with(Mode::On), 1).await, 13);
}

#[tokio::test]
async fn a_cache_that_fails_runs_the_function() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let cache =
        Client::builder(format!("http://127.0.0.1:{port}")).policy(policy).build().unwrap().namespace("demo").unwrap();
    let memo = memo(&cache).lease(Duration::from_secs(30)).local_bytes(0).build();
    let (count, began) = (Counted::default(), Instant::now());
    assert_eq!((count.call(&memo, 1).await, count.call(&memo, 1).await), (10, 11));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let stats = memo.stats()["slow"];
    assert!(stats.misses == 2 && stats.errors >= 2, "{stats:?}");
}

#[tokio::test]
async fn arguments_without_a_key_run_the_function() {
    let memo = memo(&namespace()).build();
    let call = async || memo.call("f", &[f64::NAN], || async { Ok::<_, Infallible>(5) }).await;
    assert_eq!((call().await, call().await), (Ok(5), Ok(5)));
    assert_eq!((memo.stats()["f"].misses, memo.stats()["f"].errors), (2, 2));
}

#[tokio::test]
async fn many_who_fail_do_not_wait_for_each_other() {
    let memo = memo(&namespace()).build();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let memo = memo.clone();
            tokio::spawn(async move {
                let slow = || async {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Err::<u32, _>("no")
                };
                memo.call("f", &(), slow).await
            })
        })
        .collect();
    let began = Instant::now();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err("no"));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
