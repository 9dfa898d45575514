//! The attribute `memoize`.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use mgraph_cache_client::memo::{CallKey, Memo, Mode, memoize};
use mgraph_cache_client::testing::in_memory;
use mgraph_cache_client::{Selector, Strategy};
use serde_json::{Value, json};

fn memo() -> Memo {
    in_memory().unwrap().namespace("demo").unwrap().memo().mode(Mode::On).build()
}

struct Scores {
    memo: Memo,
    runs: AtomicU32,
}

impl Scores {
    /// It is a method, has arguments of several kinds, and returns in four ways.
    #[memoize(memo = self.memo, name = "score", version = 2, skip(source))]
    async fn score(
        &self,
        name: &str,
        mut limits: Vec<String>,
        source: &str,
    ) -> Result<Option<u64>, std::num::ParseIntError> {
        self.runs.fetch_add(1, SeqCst);
        assert!(!source.is_empty());
        if name.is_empty() {
            return Ok(None);
        }
        let last: u64 = limits.pop().unwrap_or_default().parse()?;
        Ok(Some(last * name.len() as u64))
    }
}

#[tokio::test]
async fn a_method_is_run_once_for_its_arguments() {
    let scores = Scores { memo: memo(), runs: AtomicU32::new(0) };
    let limits = |last: &str| vec!["1".to_owned(), last.to_owned()];
    for source in ["a", "b"] {
        assert_eq!(scores.score("Ada", limits("5"), source).await, Ok(Some(15)));
        assert_eq!(scores.score("", limits("5"), source).await, Ok(None), "no value is one, too");
    }
    assert_eq!(scores.runs.load(SeqCst), 2);
    for runs in [3, 4] {
        scores.score("Ada", limits("no number"), "a").await.unwrap_err();
        assert_eq!(scores.runs.load(SeqCst), runs, "an error is not stored");
    }
    assert_eq!(scores.memo.stats()["score"].local_hits, 2);
}

static MEMO: LazyLock<Memo> = LazyLock::new(memo);
static RUNS: AtomicU32 = AtomicU32::new(0);

#[memoize(memo = MEMO)]
async fn length(text: String) -> usize {
    RUNS.fetch_add(1, SeqCst);
    text.len()
}

#[tokio::test]
async fn a_function_without_a_result_is_run_once() {
    assert_eq!((length("a".to_owned()).await, length("a".to_owned()).await, length("bc".to_owned()).await), (1, 1, 2));
    assert_eq!(RUNS.load(SeqCst), 2);
    assert_eq!(MEMO.stats()[concat!(module_path!(), "::length")].misses, 2, "its path is its name");
}

#[memoize(memo = memo, name = "add", skip(memo))]
async fn add(memo: &Memo, left: u32, right: u32) -> u32 {
    left + right
}

/// Other languages find what the macro has stored.
#[tokio::test]
async fn the_key_is_that_of_the_arguments_by_their_names() {
    let cache = in_memory().unwrap().namespace("demo").unwrap();
    assert_eq!(add(&cache.memo().mode(Mode::On).build(), 2, 3).await, 5);
    let key = CallKey::new("add", 1, &json!({"right": 3, "left": 2}), &[]).unwrap();
    let stored = cache.get(Selector::key(Strategy::KeyBased, key.cache_key(), key.file_id())).await.unwrap().unwrap();
    assert_eq!(stored.json::<Value>().unwrap()["value"], 5);
}

#[memoize(memo = memo, name = "dated", ttl = "2h", skip(memo))]
async fn dated(memo: &Memo, day: u32) -> u32 {
    day
}

#[tokio::test]
async fn a_value_is_kept_as_long_as_the_attribute_says() {
    let cache = in_memory().unwrap().namespace("demo").unwrap();
    let memo = cache.memo().mode(Mode::On).ttl(Duration::from_secs(60)).build();
    assert_eq!((dated(&memo, 1).await, dated(&memo, 1).await), (1, 1));
    assert_eq!(memo.stats()["dated"].local_hits, 1, "what is remembered is shared");
    let key = CallKey::new("dated", 1, &json!({"day": 1}), &[]).unwrap();
    let found = cache.find(Selector::key(Strategy::KeyBased, key.cache_key(), key.file_id())).await.unwrap().unwrap();
    let metadata = found.metadata;
    assert_eq!(metadata.expires_at.unwrap() - metadata.stored_at, 2 * 3600 * 1000);
}
