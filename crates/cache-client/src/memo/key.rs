//! The key of a call, the same in every language: see docs/memo.md.

use serde::Serialize;
use serde_json::{Value, json};

use super::finite;
use crate::error::{Error, Failure};
use crate::retrieved::sha256_hex;

/// The largest integer that every JSON reader has exactly.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// How many digits of the key name the file.
const FILE_DIGITS: usize = 32;
/// The longest name of a function in a path, in characters.
const MAX_FOLDER_CHARS: usize = 128;

/// The key of one call of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// SHA-256 in 64 hex digits.
    digest: String,
    /// The cache key under which the value is, such as `memo/score/2`.
    folder: String,
}

impl CallKey {
    /// The key of a call. `ignored` are arguments, by name, that do not count.
    ///
    /// # Errors
    ///
    /// When the arguments have no form in JSON that every language reads alike: a NaN, an infinity, an integer beyond
    /// 2^53 - 1, or a map whose keys are no texts.
    pub fn new<A: Serialize + ?Sized>(
        function: &str,
        version: u32,
        arguments: &A,
        ignored: &[String],
    ) -> Result<Self, Error> {
        let refused = |why: String| Error::argument("the arguments", format!("of {function} make no key: {why}"));
        finite::check(arguments).map_err(|error| refused(error.to_string()))?;
        let mut arguments = serde_json::to_value(arguments).map_err(|error| refused(error.to_string()))?;
        if let Some(inexact) = inexact_integer(&arguments) {
            return Err(refused(format!("{inexact} is not exact in every language: pass it as text")));
        }
        if let Value::Object(fields) = &mut arguments {
            fields.retain(|name, _| !ignored.contains(name));
        }
        let call = json!({"memo": 1, "fn": function, "version": version, "args": arguments});
        let canonical = serde_json_canonicalizer::to_vec(&call).map_err(|error| {
            Error::InvalidRequest(Failure::new("making the key of a call", error.to_string()).with_source(error))
        })?;
        Ok(Self { digest: sha256_hex(&canonical), folder: folder(function, version) })
    }

    /// SHA-256 of the call in 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The cache key under which the value is stored, with the strategy `key_based`.
    pub fn cache_key(&self) -> &str {
        &self.folder
    }

    /// The file id under which the value is stored.
    pub fn file_id(&self) -> &str {
        &self.digest[..FILE_DIGITS]
    }
}

/// The folder of a function: its name, in which what no key can have is `_`. The digest tells apart what that makes equal.
pub(super) fn folder(function: &str, version: u32) -> String {
    format!("{}/{version}", function_folder(function))
}

/// The folder of all versions of a function.
pub(super) fn function_folder(function: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name: String = function.chars().map(|c| if allowed(c) { c } else { '_' }).take(MAX_FOLDER_CHARS).collect();
    // Neither empty nor a segment of dots.
    let name = if name.trim_matches('.').is_empty() { format!("_{name}") } else { name };
    format!("memo/{name}")
}

fn inexact_integer(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            size.filter(|size| *size > MAX_INTEGER).map(|_| number.to_string())
        }
        Value::Array(items) => items.iter().find_map(inexact_integer),
        Value::Object(fields) => fields.values().find_map(inexact_integer),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_call_that_is_not_the_same_everywhere_has_no_key() {
        let key = |value: &Value| CallKey::new("f", 1, value, &[]);
        #[derive(Serialize)]
        enum Any {
            Unit,
            Newtype(f32),
            Tuple(u8, f32),
            Struct { value: f32 },
        }
        let any = |value: f32| [Any::Unit, Any::Newtype(value), Any::Tuple(1, value), Any::Struct { value }];
        for (bad, good) in any(f32::INFINITY).into_iter().zip(any(1.5)).skip(1) {
            assert!(CallKey::new("f", 1, &bad, &[]).is_err() && CallKey::new("f", 1, &good, &[]).is_ok());
        }
        assert!(CallKey::new("f", 1, &f64::NAN, &[]).is_err());
        assert!(CallKey::new("f", 1, &(1, Some([f64::NAN])), &[]).is_err());
        assert!(CallKey::new("f", 1, &HashMap::from([(1, f64::NAN)]), &[]).is_err());
        assert!(CallKey::new("f", 1, &HashMap::from([((), 1)]), &[]).is_err(), "no key of an object");
        assert!(key(&json!([9_007_199_254_740_992_u64])).is_err() && key(&json!(i64::MIN)).is_err());
        assert!(key(&json!(9_007_199_254_740_991_u64)).is_ok());
    }

    #[test]
    fn order_and_spelling_of_arguments_do_not_count_but_all_else_does() {
        let key = |function: &str, version, value: Value, ignored: &[String]| {
            CallKey::new(function, version, &value, ignored).expect("a key")
        };
        let base = key("f", 1, json!({"a": 1, "b": [2.0]}), &[]);
        assert_eq!(base, key("f", 1, json!({"b": [2], "a": 1.0}), &[]));
        assert_eq!(base, key("f", 1, json!({"a": 1, "b": [2], "db": "x"}), &["db".to_owned()]));
        for other in [
            key("g", 1, json!({"a": 1, "b": [2]}), &[]),
            key("f", 2, json!({"a": 1, "b": [2]}), &[]),
            key("f", 1, json!({"a": "1", "b": [2]}), &[]),
            key("f", 1, json!({"a": 1, "b": [2], "db": "x"}), &[]),
            key("f", 1, json!({"a": 1, "b": [2], "c": null}), &[]),
        ] {
            assert_ne!(base.digest(), other.digest());
        }
    }

    #[test]
    fn any_name_of_a_function_makes_a_folder() {
        for (name, expected) in
            [("a::b<T>", "memo/a__b_T_/3"), ("..", "memo/_../3"), ("", "memo/_/3"), ("ä/x", "memo/__x/3")]
        {
            assert_eq!(folder(name, 3), expected);
            crate::names::check_path("key", &folder(name, 3)).expect("a key");
        }
    }
}
