//! [`Json`] to text, bit for bit as Python's `json.dumps` writes it: separators `, ` and `: `, ASCII only.

use std::fmt::Write;

use super::Json;

/// The order of an object's members.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By key, in the order of code points, which is that of UTF-8 bytes.
    Sorted,
    /// As in the value.
    Inserted,
}

pub(super) fn render(value: &Json, order: Order) -> String {
    let mut out = String::new();
    push_value(&mut out, value, order);
    out
}

fn push_value(out: &mut String, value: &Json, order: Order) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Integer(digits) => out.push_str(digits),
        Json::Float(float) => out.push_str(&python_float(*float)),
        Json::String(text) => push_string(out, text),
        Json::Array(items) => push_array(out, items, order),
        Json::Object(members) => push_object(out, members, order),
    }
}

fn push_array(out: &mut String, items: &[Json], order: Order) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_value(out, item, order);
    }
    out.push(']');
}

fn push_object(out: &mut String, members: &[(String, Json)], order: Order) {
    let mut members: Vec<&(String, Json)> = members.iter().collect();
    if order == Order::Sorted {
        members.sort_by(|a, b| a.0.cmp(&b.0));
    }
    out.push('{');
    for (index, (key, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_string(out, key);
        out.push_str(": ");
        push_value(out, value, order);
    }
    out.push('}');
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => push_utf16_escapes(out, character),
        }
    }
    out.push('"');
}

fn push_utf16_escapes(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// A float as Python's `repr` writes it.
///
/// Rust's `Debug` has as many digits and the same limits of the exponent form (below 1e-4, and from 1e16). The exponent
/// itself differs: Python gives it a sign and at least two digits.
fn python_float(float: f64) -> String {
    let shortest = format!("{float:?}");
    let Some((mantissa, _)) = shortest.split_once('e') else {
        let even = format!("{float:.*}", decimals(&shortest));
        return reading_back(float, even, shortest);
    };
    let even = format!("{float:.*e}", decimals(mantissa));
    let text = reading_back(float, even, shortest);
    match text.split_once('e').map(|(mantissa, exponent)| (mantissa, exponent.parse::<i32>())) {
        Some((mantissa, Ok(exponent))) => format!("{mantissa}e{exponent:+03}"),
        _ => text,
    }
}

fn decimals(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

/// The text rounded half to even, as Python does it, where Rust's shortest text is rounded half up: 934710456761454.25 is
/// `…454.2` in Python and `…454.3` in Rust. Next to a power of two the nearest text of that length can belong to another
/// float; then it is the shortest one in Python, too.
fn reading_back(float: f64, even: String, shortest: String) -> String {
    if even == shortest || even.parse() == Ok(float) { even } else { shortest }
}
