//! Checks the page with a strict parser of the text format.

use std::collections::BTreeMap;

use super::*;
use crate::test_support::{App, Call};

#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<Sample>,
}

#[derive(Debug, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// All families by name. Panics where a scraper would refuse the page or misread it.
fn parse(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut lines = page.strip_suffix('\n').expect("the last line ends").split('\n');
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a help has a text");
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")[..])).expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind) && !text.is_empty(), "{line}");
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name} is there twice");
            current = name.to_owned();
            continue;
        }
        let sample = sample(line);
        let family = families.get_mut(&current).expect("a family comes before its samples");
        let suffix = sample.name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} is no part of {current}"));
        let suffixes: &[_] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        let again = family.samples.iter().any(|of| (&of.name, &of.labels) == (&sample.name, &sample.labels));
        assert!(!again, "{line} is there twice");
        family.samples.push(sample);
    }
    families
}

fn sample(line: &str) -> Sample {
    let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
    let value = value.parse().unwrap_or_else(|_| panic!("{line} has no number"));
    let (name, labels) = match name.split_once('{') {
        Some((name, labels)) => (name, labels_of(labels.strip_suffix('}').expect("labels end"))),
        None => (name, BTreeMap::new()),
    };
    assert!(is_name(name), "{line}");
    Sample { name: name.to_owned(), labels, value }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_part) && text.starts_with(|c: char| !c.is_ascii_digit())
}

fn labels_of(mut rest: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once("=\"").expect("a label has a value");
        assert!(is_name(name), "{rest}");
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next().expect("a value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("something is escaped").1 {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    c => panic!("\\{c} is no escape"),
                },
                (_, '\n') => panic!("a value is in one line"),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} is there twice");
        rest = &quoted[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}

async fn page_after_some_requests() -> BTreeMap<String, Family> {
    let app = App::new();
    app.json(Call::post("/ns/direct/store/string", "hello")).await;
    let exists = "/ns/exists/hash/2cf24dba5fb0a30e";
    for path in [exists, exists, "/ns/retrieve/hash/2cf24dba5fb0a30e/string", "/nowhere"] {
        app.get(path).await;
    }
    let answer = app.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some(MEDIA));
    parse(&answer.text())
}

#[tokio::test]
async fn a_page_is_what_a_strict_reader_takes() {
    let families = page_after_some_requests().await;
    for (name, family) in &families {
        let is_total = name.ends_with("_total");
        assert_eq!(is_total, family.kind == "counter", "{name}");
        assert!(!family.samples.is_empty(), "{name}");
    }
    assert_eq!(families["mgraph_cache_storage_requests_total"].samples.len(), StorageOp::ALL.len());
    assert_eq!(families["mgraph_cache_build_info"].samples[0].labels["storage_mode"], "memory");
    assert!(families["process_start_time_seconds"].samples[0].value > 1.6e9);
}

#[tokio::test]
async fn a_histogram_grows_up_to_its_count() {
    let families = page_after_some_requests().await;
    let durations = &families["mgraph_cache_request_duration_seconds"].samples;
    let of = |sample: &&Sample| sample.labels["operation"] == "get_namespace_exists_hash_cache_hash";
    let of_exists: Vec<_> = durations.iter().filter(of).collect();
    let limit = |sample: &&&Sample| sample.labels.get("le").map(|le| (le.parse::<f64>().unwrap(), sample.value));
    let buckets: Vec<_> = of_exists.iter().filter_map(|sample| limit(&sample)).collect();
    assert!(buckets.is_sorted_by(|(le, count), (next_le, next)| le < next_le && count <= next), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, 2.0)));
    let value = |suffix: &str| of_exists.iter().find(|sample| sample.name.ends_with(suffix)).unwrap().value;
    assert_eq!(value("_count"), 2.0);
    assert!(value("_sum") > 0.0);
}

#[test]
fn the_value_of_a_label_comes_back_as_it_was() {
    for value in ["plain", "with \"quotes\"", "back\\slash", "two\nlines", "\\n", "a,b=\"c\"} 1", ""] {
        let mut page = Exposition(String::new());
        page.family("family", "gauge", "A help.");
        page.sample("family", &[("first", value), ("second", value)], 1);
        let families = parse(&page.0);
        let labels = &families["family"].samples[0].labels;
        assert_eq!([&labels["first"], &labels["second"]], [value, value]);
    }
}
