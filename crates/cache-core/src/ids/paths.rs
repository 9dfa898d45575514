//! Names that are paths: of entries, and of child data under an entry.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidName, MAX_PATH_CHARS, PATH_CHARS, serde_as_text, valid_text};

/// A path in two forms. Two of them are equal if they lead to the same place.
macro_rules! path_type {
    ($(#[$docs:meta])* $name:ident, $prepare:expr) => {
        $(#[$docs])*
        #[derive(Debug, Clone)]
        pub struct $name {
            path: String,
            /// The sanitized text that it was parsed from, if that is not the path: `a//b`.
            sent: Option<Box<str>>,
        }

        impl $name {
            /// The path: segments with one `/` between them.
            pub fn as_str(&self) -> &str {
                &self.path
            }

            /// The path as it was sent, sanitized, which responses show.
            pub fn as_sent(&self) -> &str {
                self.sent.as_deref().unwrap_or(&self.path)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(raw: &str) -> Result<Self, InvalidName> {
                let sent = valid_text(raw, MAX_PATH_CHARS, PATH_CHARS)?;
                #[allow(clippy::redundant_closure_call, reason = "the macro takes the rule as a closure")]
                let path = segments(&($prepare)(&sent)?)?;
                let sent = (sent != path).then(|| sent.into_boxed_str());
                Ok(Self { path, sent })
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.path == other.path
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.path.hash(state);
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.path.cmp(&other.path)
            }
        }

        impl fmt::Display for $name {
            /// As it was sent, which parses to the same name.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_sent(), f)
            }
        }

        serde_as_text!($name);
    };
}

path_type! {
    /// A readable path that an entry is stored under, such as `users/u1`. 1 to 1,024 characters of `A-Za-z0-9_-./ `.
    ///
    /// Empty segments do not count, so that a URL is a key: `https://host/x` and `https:/host/x` are the same one.
    CacheKey, |sent: &str| without_backslash(sent)
}
path_type! {
    /// A readable path of child data under its entry, such as `analysis/sentiment`. 1 to 1,024 characters of `A-Za-z0-9_-./ `.
    ///
    /// Empty segments do not count, and a `\` becomes `_`.
    DataKey, |sent: &str| Ok::<_, InvalidName>(sent.replace('\\', "_"))
}

/// The name of a file in an archive: a path without empty segments.
pub(crate) fn valid_member_name(raw: &str) -> Result<String, InvalidName> {
    let name = without_backslash(&valid_text(raw, MAX_PATH_CHARS, PATH_CHARS)?)?;
    if segments(&name)? == name { Ok(name) } else { Err(InvalidName::EmptySegment) }
}

fn without_backslash(sent: &str) -> Result<String, InvalidName> {
    if sent.contains('\\') { Err(InvalidName::Backslash) } else { Ok(sent.to_owned()) }
}

/// The segments of a path that are not empty, with `/` between them.
fn segments(path: &str) -> Result<String, InvalidName> {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.iter().any(|segment| matches!(segment.trim(), "" | "." | "..")) {
        return Err(InvalidName::InvalidSegment);
    }
    if segments.is_empty() { Err(InvalidName::NoSegment) } else { Ok(segments.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, path: &str, shown: &str) {
        let key: CacheKey = raw.parse().unwrap();
        assert_eq!((key.as_str(), key.to_string().as_str()), (path, shown));
        assert_eq!(serde_json::to_string(&key).unwrap(), format!("\"{shown}\""));
    }

    #[test]
    fn empty_segments_vanish_from_the_path_and_are_shown() {
        check("a/b", "a/b", "a/b");
        check("a//b", "a/b", "a//b");
        check("/a", "a", "/a");
        check("a/", "a", "a/");
        check("https://host/x?y", "https_/host/x_y", "https_//host/x_y");
    }

    #[test]
    fn two_forms_of_one_path_are_one_key() {
        assert_eq!("a//b/".parse::<CacheKey>(), "a/b".parse());
        assert_ne!("a//b".parse::<CacheKey>(), "ab".parse());
    }

    #[test]
    fn a_segment_that_leads_elsewhere_is_refused() {
        for raw in ["a/../b", ".", "..", "a/./b", "a/ /b"] {
            assert_eq!(raw.parse::<CacheKey>(), Err(InvalidName::InvalidSegment), "{raw}");
            assert_eq!(raw.parse::<DataKey>(), Err(InvalidName::InvalidSegment), "{raw}");
        }
        assert_eq!("//".parse::<CacheKey>(), Err(InvalidName::NoSegment));
        assert_eq!("a\\b".parse::<CacheKey>(), Err(InvalidName::Backslash));
    }

    #[test]
    fn a_backslash_in_a_data_key_is_replaced() {
        let key: DataKey = "a\\b".parse().unwrap();
        assert_eq!((key.as_str(), key.as_sent()), ("a_b", "a\\b"));
    }
}
