use proptest::prelude::*;

use super::*;
use crate::test_support::{App, Call, config};

/// The response to a store under this path, with strict names or without.
async fn check(strict: bool, path: &str, status: u16, expected: &str) {
    let mut config = config();
    config.strict_names = strict;
    let answer = App::with(config).send(Call::post(path, "x")).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(expected), "{}", answer.text());
}

#[tokio::test]
async fn names_are_sanitized_or_refused_when_strict() {
    let odd = "/n.s/direct/store/string";
    check(false, odd, 200, "\"namespace\":\"n_s\"").await;
    check(true, odd, 400, "namespace has characters that are not allowed: 'n_s' would be").await;
    let odd = "/ns/key_based/store/string/a%2Bb?file_id=f";
    check(false, odd, 200, "ns/data/key-based/a_b/f.txt").await;
    check(true, odd, 400, "\"loc\":[\"query\",\"cache_key\"]").await;
    check(true, "/ns/key_based/store/string/a/b?file_id=f.1", 400, "file_id").await;
    check(true, "/ns/key_based/store/string/a/b?file_id=f-1", 200, "").await;
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused_with_both_lengths() {
    let long = "x".repeat(129);
    check(false, &format!("/{long}/direct/store/string"), 400, "has 129 characters, the limit is 128").await;
}

#[tokio::test]
async fn of_a_repeated_query_parameter_the_last_counts() {
    check(false, "/ns/key_based/store/string/k?file_id=a&file_id=b", 200, "key-based/k/b.txt").await;
}

#[test]
fn booleans_have_several_spellings() {
    let flag = |raw: &str| {
        let query = vec![("recursive".to_owned(), raw.to_owned())];
        Params { path: Vec::new(), query, strict: false }.flag("recursive", true)
    };
    for (yes, no) in [("True", "False"), ("1", "0"), ("YES", "no"), ("on", "off"), ("t", "f"), ("y", "N")] {
        assert!(flag(yes).unwrap() && !flag(no).unwrap());
    }
    assert!(flag("maybe").is_err());
}

proptest! {
    #[test]
    fn a_hash_with_a_version_reads_back(hash in "[0-9a-f]{10,96}", version in 1..u64::MAX) {
        let (parsed, n) = hash_and_version(&format!("{hash}-v{version}")).unwrap();
        prop_assert_eq!((parsed.as_str(), n), (hash.as_str(), version));
    }

    #[test]
    fn no_other_text_passes_for_a_hash_with_a_version(raw in "[0-9a-fv-]{0,40}") {
        if let Some((hash, version)) = hash_and_version(&raw) {
            prop_assert!(version > 0);
            prop_assert!(raw.starts_with(hash.as_str()));
        }
    }
}
