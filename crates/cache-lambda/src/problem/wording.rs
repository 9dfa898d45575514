//! How the Python service words an error. Clients compare these texts, so they stand in `detail` as they are there; what to
//! change stands in the top-level `message`.

use cache_core::ids::CacheId;
use cache_core::json::JsonErrorKind;

/// A name: the class that the Python service checks it with, how long it may be, and whether it may consist of
/// characters that are cleaned alone.
struct Class(&'static str, usize, bool);

/// The text for an item of this type; `None` if it is our own type, or depends on the value.
pub(super) fn of_item(item_type: &str) -> Option<&'static str> {
    Some(match item_type {
        "missing" => "Field required",
        "json_invalid" => "JSON decode error",
        "string_type" => "Input should be a valid string",
        "string_unicode" => "Input should be a valid string, unable to parse raw data as a unicode string",
        "dict_type" => "Input should be a valid dictionary",
        "bytes_type" => "Input should be a valid bytes",
        "list_type" => "Input should be a valid list",
        "bool_parsing" => "Input should be a valid boolean, unable to interpret input",
        "model_attributes_type" => "Input should be a valid dictionary or object to extract fields from",
        _ => return None,
    })
}

/// How Python's decoder says that a text is not JSON; `None` where it says several things, or takes the text.
pub(super) fn of_json_error(kind: JsonErrorKind) -> Option<&'static str> {
    match kind {
        JsonErrorKind::Empty | JsonErrorKind::ExpectedValue => Some("Expecting value"),
        JsonErrorKind::ExpectedKey => Some("Expecting property name enclosed in double quotes"),
        JsonErrorKind::ExpectedColon => Some("Expecting ':' delimiter"),
        JsonErrorKind::ExpectedItemEnd | JsonErrorKind::ExpectedMemberEnd => Some("Expecting ',' delimiter"),
        JsonErrorKind::ControlCharacter => Some("Invalid control character at"),
        JsonErrorKind::TrailingText => Some("Extra data"),
        JsonErrorKind::WideEncoding
        | JsonErrorKind::InvalidUtf8
        | JsonErrorKind::UnexpectedEnd
        | JsonErrorKind::NotFinite
        | JsonErrorKind::NumberTooLarge
        | JsonErrorKind::LeadingZero
        | JsonErrorKind::ExpectedDigit
        | JsonErrorKind::BadEscape
        | JsonErrorKind::LoneSurrogate
        | JsonErrorKind::TooDeep
        | JsonErrorKind::TooLong => None,
    }
}

/// The text for a parameter that does not parse; `None` where the Python service takes the value.
pub(super) fn of_parameter(name: &str, raw: &str) -> Option<String> {
    let trimmed = raw.trim();
    let length = trimmed.chars().count();
    let too_long = |class: &str, max: usize| {
        (length > max).then(|| format!("in {class}, value exceeds maximum length of {max} characters (was {length})"))
    };
    match name {
        "cache_id" => Some(format!("in Random_Guid: value provided was not a Guid: {}", super::echo::short(raw))),
        "cache_hash" => {
            let class = "Safe_Str__Cache_Hash";
            let pattern = format!("in {class}, value does not match required pattern: ^[a-f0-9]{{10,96}}$");
            Some(too_long(class, 96).unwrap_or(pattern))
        }
        "json_field_path" => {
            let shown = super::echo::short(trimmed);
            let dots = if trimmed.contains("..") {
                Some(format!("Field path cannot contain consecutive dots: '{shown}'"))
            } else if trimmed.starts_with('.') || trimmed.ends_with('.') {
                Some(format!("Field path cannot start or end with a dot: '{shown}'"))
            } else {
                None
            };
            too_long("Safe_Str__Json__Field_Path", 256).or(dots)
        }
        _ => {
            let Class(class, max, may_be_blank) = class(name)?;
            let is_kept = |c: char| c.is_ascii_alphanumeric() || "-./\\ ".contains(c);
            let nothing_left = !may_be_blank && length > 0 && !trimmed.chars().any(is_kept);
            let blank =
                nothing_left.then(|| format!("in {class}, sanitized value consists entirely of '_' characters"));
            too_long(class, max).or(blank)
        }
    }
}

fn class(name: &str) -> Option<Class> {
    Some(match name {
        "namespace" | "data_file_id" => Class("Safe_Str__Id", 128, true),
        "file_id" => Class("Safe_Str__Cache__File__File_Id", 128, true),
        "cache_key" => Class("Safe_Str__Cache__File__Cache_Key", 1024, false),
        "data_key" | "file_path" | "path" => Class("Safe_Str__File__Path", 1024, false),
        _ => return None,
    })
}

/// An operation on child data, each of which words a miss in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildOp {
    /// Store it.
    Store,
    /// Read it.
    Read,
    /// Change it.
    Update,
    /// List them.
    List,
    /// Delete it.
    Delete,
}

/// No such child.
pub(super) fn of_missing_child(op: ChildOp, id: CacheId, file_id: &str) -> String {
    match op {
        ChildOp::Store | ChildOp::Read | ChildOp::List => "Data file not found".to_owned(),
        ChildOp::Update => format!("Data file '{file_id}' not found in cache entry '{id}'"),
        ChildOp::Delete => format!("Data file {file_id} not found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, raw: &str, expected: Option<&str>) {
        assert_eq!(of_parameter(name, raw).as_deref(), expected);
    }

    #[test]
    fn parameters_are_worded_as_the_clients_know_it() {
        check("cache_id", "nope", Some("in Random_Guid: value provided was not a Guid: nope"));
        check(
            "namespace",
            &"x".repeat(129),
            Some("in Safe_Str__Id, value exceeds maximum length of 128 characters (was 129)"),
        );
        check("data_key", "!!", Some("in Safe_Str__File__Path, sanitized value consists entirely of '_' characters"));
        check("json_field_path", "a..b", Some("Field path cannot contain consecutive dots: 'a..b'"));
        check("json_field_path", ".a", Some("Field path cannot start or end with a dot: '.a'"));
        check("data_key", "a/../b", None);
        check("limit", "x", None);
    }
}
