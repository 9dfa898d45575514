//! The keys of calls, here and in Python.

use std::path::Path;
use std::process::Command;

use mgraph_cache_client::memo::CallKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
const VECTORS: &str = include_str!("memo_vectors.json");
/// How many random calls Python computes the keys of.
const RANDOM_CALLS: usize = 1000;

#[derive(Deserialize)]
struct Vector {
    r#fn: String,
    version: u32,
    args: Value,
    key: String,
}

fn key(function: &str, version: u32, arguments: &Value) -> String {
    CallKey::new(function, version, arguments, &[]).unwrap().digest().to_owned()
}

/// Lets Python compute the keys of a file of vectors.
fn check_in_python(vectors: &Path) {
    let script = Path::new(FOLDER).join("python/memo_key.py");
    match Command::new("python3").arg("-B").arg(script).arg(vectors).output() {
        Err(error) => eprintln!("not run: python3 ({error})"),
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn keys_are_those_of_the_vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    for Vector { r#fn, version, args, key: expected } in vectors {
        assert_eq!(key(&r#fn, version, &args), expected, "{} {args}", r#fn);
    }
}

#[test]
fn the_vectors_in_the_docs_are_those_of_the_file() {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    let page = include_str!("../../../../docs/memo.md");
    let rows: Vec<&str> =
        page.lines().filter(|line| line.ends_with("` |") && line.len() > 80 && line.contains('{')).collect();
    assert!(rows.len() >= 3, "{rows:?}");
    for row in rows {
        assert!(vectors.iter().any(|it| row.contains(&it.key) && row.contains(&format!("`{}`", it.r#fn))), "{row}");
    }
}

#[test]
fn python_computes_the_keys_of_the_vectors() {
    check_in_python(&Path::new(FOLDER).join("memo_vectors.json"));
}

#[test]
fn python_computes_the_keys_of_random_calls() {
    let mut rng = fastrand::Rng::with_seed(11);
    let calls: Vec<Value> = (0..RANDOM_CALLS)
        .map(|number| {
            let (function, version, arguments) = (text(&mut rng), rng.u32(..), value(&mut rng, 3));
            let key = key(&function, version, &arguments);
            json!({"fn": function, "version": version, "args": arguments, "key": key, "number": number})
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, &calls).unwrap();
    check_in_python(file.path());
}

/// Control characters, quotes, and characters of one to four bytes.
fn text(rng: &mut fastrand::Rng) -> String {
    let number = rng.usize(..8);
    let bounds = ['\u{20}', '\u{80}', '\u{800}', '\u{fff0}', '\u{10ffff}'];
    let mut any = || {
        let last = bounds[rng.usize(..bounds.len())];
        rng.char('\0'..=last)
    };
    (0..number).map(|_| any()).collect()
}

fn value(rng: &mut fastrand::Rng, depth: u32) -> Value {
    const MAX_INTEGER: i64 = (1 << 53) - 1;
    match rng.u32(..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 => text(rng).into(),
        3 => rng.i64(-MAX_INTEGER..=MAX_INTEGER).into(),
        // Any exponent, and those where the notation changes.
        4 => json!(f64::from_bits(rng.u64(..))),
        5 => json!(f64::from(rng.u32(..)) * 10f64.powi(rng.i32(-14..20))),
        6 => (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => Value::Object((0..rng.usize(..4)).map(|_| (text(rng), value(rng, depth - 1))).collect::<Map<_, _>>()),
    }
}
