//! Hashes and the texts behind them, bit for bit: against figures of the Python service, and against CPython itself.

#![allow(clippy::unwrap_used, reason = "the functions that the tests share may fail like tests")]

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use bytes::Bytes;
use cache_core::content::Content;
use cache_core::json::Document;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    vectors: Vec<Vector>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Vector {
    Json { body: String, canonical: String, cache_hash: String },
    String { body: String, cache_hash: String },
    Binary { body_hex: String, cache_hash: String },
    JsonField { body: String, json_field_path: String, hashed_text: String, cache_hash: String },
}

fn parse(text: &str) -> Document {
    Document::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap_or_else(|err| panic!("{err}: {text}"))
}

fn check(vector: Vector) {
    let shown = format!("{vector:?}");
    let (content, cache_hash) = match vector {
        Vector::Json { body, canonical, cache_hash } => {
            assert_eq!(parse(&body).root().canonical(), canonical);
            (Content::json(parse(&body)), cache_hash)
        }
        Vector::String { body, cache_hash } => (Content::string(body).unwrap(), cache_hash),
        Vector::Binary { body_hex, cache_hash } => {
            (Content::binary(hex::decode(body_hex).unwrap().into()).unwrap(), cache_hash)
        }
        Vector::JsonField { body, json_field_path, hashed_text, cache_hash } => {
            let path = json_field_path.parse().unwrap();
            assert_eq!(parse(&body).root().field_text(&path).unwrap(), hashed_text);
            (Content::json_by_field(parse(&body), path).unwrap(), cache_hash)
        }
    };
    assert_eq!(content.cache_hash().as_str(), cache_hash, "{shown}");
}

#[test]
fn every_hash_of_the_python_service_is_ours() {
    let golden: Golden = serde_json::from_str(include_str!("golden/hash-vectors.json")).unwrap();
    assert!(golden.vectors.len() > 60);
    golden.vectors.into_iter().for_each(check);
}

/// One line of JSON: any value, spelled in any way that Python reads as well.
fn document() -> impl Strategy<Value = String> {
    let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned);
    let integer = "-?(0|[1-9][0-9]{0,40})";
    let leaf = prop_oneof![1 => word, 2 => integer, 4 => float(), 3 => string()];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let item = (space(), inner.clone(), space()).prop_map(|(before, item, after)| before + &item + &after);
        let key = prop_oneof![3 => "[\"][ab]{0,2}[\"]", 1 => string()];
        let member = (space(), key, space(), inner)
            .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{after}{value}{before}"));
        prop_oneof![
            prop::collection::vec(item, 0..8).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => "", 1 => "[ \t\r]{1,2}"]
}

/// Floats of all exponents, as the shortest text, with many digits, near the limits of the exponent form, next to powers of
/// two, and half-way between two texts of the shortest length.
fn float() -> impl Strategy<Value = String> {
    let of_any_bits = any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("JSON has finite numbers only", |float| float.is_finite())
        .prop_map(|float| if float.fract() == 0.0 { format!("{float}.0") } else { format!("{float:e}") });
    let power_of_two = (-1074..1024).prop_map(|exponent| format!("{:e}", 2f64.powi(exponent)));
    let eighths =
        (any::<u64>(), 0..50u32).prop_map(|(bits, shift)| format!("{:.3}", (bits >> (11 + shift)) as f64 / 8.0));
    prop_oneof![
        of_any_bits,
        power_of_two,
        eighths,
        "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,30}([eE][-+]?[0-9]{1,2})?",
        "-?[0-9]e(-0?[1-7]|[+]?1[4-8]|-3[0-2][0-9])",
    ]
}

/// A string literal whose characters are written raw or escaped.
fn string() -> impl Strategy<Value = String> {
    let raw = any::<char>().prop_filter("must be escaped", |&c| c >= ' ' && c != '"' && c != '\\');
    let escaped = (any::<char>(), any::<bool>()).prop_map(|(character, capitals)| {
        let units = character.encode_utf16(&mut [0; 2]).to_vec();
        let escape = |unit: &u16| if capitals { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        units.iter().map(escape).collect::<String>()
    });
    let character = prop_oneof![
        3 => "[ -!#-\\[\\]-~\u{7f}-\u{ff}]",
        1 => raw.prop_map(String::from),
        1 => escaped,
        1 => "\\\\[\"\\\\/bfnrt]",
    ];
    prop::collection::vec(character, 0..8).prop_map(|characters| format!("\"{}\"", characters.concat()))
}

/// Reads documents from its input, a line each, and writes both texts of each, a line each.
const PYTHON: &str = "
import json, sys
for line in sys.stdin.buffer:
    value = json.loads(line)
    print(json.dumps(value, sort_keys=True))
    print(json.dumps(value))
";

/// The output for the documents; `None` when there is no Python on this machine.
fn ask_python(documents: &[String]) -> Option<String> {
    let child = Command::new("python3").args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Err(err) if err.kind() == ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = documents.join("\n");
    // On a thread of its own: both pipes are smaller than what goes through them.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn json_is_written_as_python_writes_it() {
    let mut runner = TestRunner::default();
    let documents: Vec<String> = (0..2000).map(|_| document().new_tree(&mut runner).unwrap().current()).collect();
    let Some(output) = ask_python(&documents) else {
        eprintln!("not run: there is no python3 to compare with");
        return;
    };
    let mut lines = output.lines();
    for document in &documents {
        let parsed = parse(document);
        assert_eq!(Some(parsed.root().canonical().as_str()), lines.next(), "{document}");
        assert_eq!(Some(parsed.root().dumps().as_str()), lines.next(), "{document}");
        assert_eq!(parse(std::str::from_utf8(parsed.text()).unwrap()), parsed, "{document}");
    }
    assert_eq!(lines.next(), None);
}
