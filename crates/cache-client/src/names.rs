//! Names that the service takes unchanged. It would sanitize others, and an entry would be found under another name than it
//! was stored under; so the client refuses them.

use crate::error::Error;

/// The longest namespace or file id, in characters.
const MAX_ID_CHARS: usize = 128;
/// The longest key, in characters.
const MAX_PATH_CHARS: usize = 1024;

/// Checks a namespace or file id.
pub(crate) fn check_id(field: &str, name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match () {
        () if name.is_empty() => Err(Error::argument(field, "must not be empty")),
        () if name.len() > MAX_ID_CHARS => {
            Err(Error::argument(field, format!("has {} characters, the limit is {MAX_ID_CHARS}", name.len())))
        }
        () if !name.bytes().all(allowed) => {
            Err(Error::argument(field, format!("'{name}' may only have letters, digits, '_' and '-'")))
        }
        () => not_underscores(field, name),
    }
}

/// Checks a cache key or data key.
pub(crate) fn check_path(field: &str, name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./ ".contains(&byte);
    match () {
        () if name.is_empty() => Err(Error::argument(field, "must not be empty")),
        () if name.len() > MAX_PATH_CHARS => {
            Err(Error::argument(field, format!("has {} characters, the limit is {MAX_PATH_CHARS}", name.len())))
        }
        () if !name.bytes().all(allowed) => {
            let message = format!("'{name}' may only have letters, digits, spaces, '_', '-', '.' and '/'");
            Err(Error::argument(field, message))
        }
        () if name.trim() != name => Err(Error::argument(field, format!("'{name}' has spaces at an end"))),
        () if name.split('/').any(|segment| matches!(segment.trim(), "" | "." | "..")) => {
            Err(Error::argument(field, format!("'{name}' has an empty segment, or one of dots")))
        }
        () => not_underscores(field, name),
    }
}

/// Checks a cache hash.
pub(crate) fn check_hash(hash: &str) -> Result<(), Error> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match (10..=96).contains(&hash.len()) && hash.bytes().all(hex) {
        true => Ok(()),
        false => Err(Error::argument("the hash", format!("'{hash}' must be 10 to 96 lowercase hex digits"))),
    }
}

/// Checks a cache id.
pub(crate) fn check_cache_id(id: &str) -> Result<(), Error> {
    match id.len() == 36 && uuid::Uuid::try_parse(id).is_ok() {
        true => Ok(()),
        false => Err(Error::argument("the id", format!("'{id}' must be a UUID with dashes"))),
    }
}

fn not_underscores(field: &str, name: &str) -> Result<(), Error> {
    match name.bytes().all(|byte| byte == b'_') {
        true => Err(Error::argument(field, format!("'{name}' has underscores alone"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_be_sanitized_is_refused() {
        for good in ["a", "users/u1", "a b/c.d", "_a"] {
            assert!(check_path("key", good).is_ok(), "{good}");
        }
        for bad in ["", "__", "a:b", "ä", "/a", "a/", "a//b", "a/../b", "a/ ./b", " a", "a\\b", &"x".repeat(1025)] {
            assert!(check_path("key", bad).is_err(), "{bad}");
        }
        for bad in ["", "_", "a b", "a/b", "a.b", &"x".repeat(129)] {
            assert!(check_id("namespace", bad).is_err(), "{bad}");
        }
        assert!(check_id("namespace", "ci-1_x").is_ok());
    }
}
