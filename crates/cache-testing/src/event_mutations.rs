//! Mutations of events: what a caller, a gateway or a scanner makes of a request to a function.

use std::fs;
use std::iter;
use std::path::Path;

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Strings that something on the way may not expect.
const ODD: [&str; 26] = [
    "",
    " ",
    "a=b c",
    "a=%zz&b",
    "?",
    "\u{0}",
    "\u{7f}",
    "a\r\nb: c",
    "\t",
    "é",
    "\u{feff}",
    "日本",
    "🦀",
    "/",
    "//",
    "..",
    "/../..",
    "a b%",
    "[::1",
    "a:99999999",
    "https://x:y@z",
    "=",
    "; ;=;",
    "====",
    "*",
    "\"",
];

/// The events in the files of a folder, in the order of their names.
///
/// # Panics
///
/// If there are none, or one is not JSON.
pub fn events_in(folder: &Path) -> Vec<Value> {
    let read = |folder: &Path| -> std::io::Result<Vec<Value>> {
        let mut files = fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<_>>>()?;
        files.sort();
        files.iter().map(|file| Ok(serde_json::from_slice(&fs::read(file)?)?)).collect()
    };
    let events = read(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(!events.is_empty(), "{}", folder.display());
    events
}

/// Mutated events: the same ones in every run.
#[derive(Debug)]
pub struct Mutations {
    events: Vec<Value>,
    seeds: std::ops::Range<u64>,
}

impl Mutations {
    /// So many mutations of these events, unless `EVENT_MUTATIONS` says another number.
    ///
    /// # Panics
    ///
    /// If that is no number.
    pub fn of(events: Vec<Value>, count: u64) -> Self {
        let count = std::env::var("EVENT_MUTATIONS").map_or(count, |count| match count.parse() {
            Ok(count) => count,
            Err(error) => panic!("EVENT_MUTATIONS={count}: {error}"),
        });
        Self { events, seeds: 0..count }
    }
}

impl Iterator for Mutations {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let mut rng = Rng::with_seed(self.seeds.next()?);
        let mut event = self.events[rng.usize(..self.events.len())].clone();
        for _ in 0..rng.u8(1..4) {
            mutate(&mut event, &mut rng);
        }
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.seeds.size_hint()
    }
}

impl ExactSizeIterator for Mutations {}

/// Changes one place of an event.
fn mutate(value: &mut Value, rng: &mut Rng) {
    let goes_deeper = rng.u8(..4) > 0;
    match value {
        Value::Object(fields) if goes_deeper && !fields.is_empty() => {
            let fields_before = fields.keys().cloned().collect::<Vec<_>>();
            let field = &fields_before[rng.usize(..fields_before.len())];
            match rng.u8(..10) {
                0 => drop(fields.remove(field)),
                1 => {
                    let value = fields.remove(field).unwrap_or_default();
                    fields.insert(odd(rng), value);
                }
                2 => drop(fields.insert(field_name(rng), json!(odd(rng)))),
                _ => mutate(&mut fields[field], rng),
            }
        }
        Value::Array(items) if goes_deeper && !items.is_empty() => {
            let place = rng.usize(..items.len());
            match rng.u8(..6) {
                0 => drop(items.remove(place)),
                1 => items.push(items[place].clone()),
                _ => mutate(&mut items[place], rng),
            }
        }
        Value::String(text) if rng.bool() => {
            let place = text.char_indices().map(|(at, _)| at).nth(rng.usize(..text.len() + 1)).unwrap_or(text.len());
            match rng.bool() {
                true => text.insert_str(place, &odd(rng)),
                false => text.truncate(place),
            }
        }
        other => {
            *other = match rng.u8(..9) {
                0 => Value::Null,
                1 => json!(rng.bool()),
                2 => json!(rng.i64(..)),
                3 => json!([odd(rng)]),
                4 => json!({odd(rng): odd(rng)}),
                5 => Value::Object(Map::new()),
                _ => json!(odd(rng)),
            }
        }
    }
}

fn odd(rng: &mut Rng) -> String {
    match rng.u8(..12) {
        0 => "x".repeat(rng.usize(..20_000)),
        1 => iter::repeat_with(|| rng.char('\u{0}'..'\u{300}')).take(5).collect(),
        _ => ODD[rng.usize(..ODD.len())].to_owned(),
    }
}

fn field_name(rng: &mut Rng) -> String {
    const NAMES: [&str; 9] =
        ["cookie", "Cookie", "host", "content-type", "x-api-key", "origin", "range", "if-match", "x-forwarded-proto"];
    NAMES[rng.usize(..NAMES.len())].to_owned()
}
