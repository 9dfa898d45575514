//! Which entry is meant: by id, by hash, or by key. And the text form of it, which people copy and paste.

use std::fmt;
use std::str::FromStr;

use cache_api::batch_reads::{ItemByHash, ItemById, ItemByKey, ItemSelector};
use cache_api::kinds::Strategy;

use crate::error::Error;
use crate::names;

/// Which entry of a namespace is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// One entry.
    Id(String),
    /// The newest entry with a hash, or one of its versions.
    Hash {
        /// The hash.
        hash: String,
        /// The version; the newest without it.
        version: Option<u64>,
    },
    /// The newest entry under a key, or one of its versions.
    Key {
        /// The strategy that it was stored with.
        strategy: Strategy,
        /// The key.
        key: String,
        /// The name under the key.
        file_id: String,
        /// The version; the newest without it.
        version: Option<u64>,
    },
}

impl Selector {
    /// One entry.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id(id.into())
    }

    /// The newest entry with a hash.
    pub fn hash(hash: impl Into<String>) -> Self {
        Self::Hash { hash: hash.into(), version: None }
    }

    /// The newest entry under a key.
    pub fn key(strategy: Strategy, key: impl Into<String>, file_id: impl Into<String>) -> Self {
        Self::Key { strategy, key: key.into(), file_id: file_id.into(), version: None }
    }

    /// The same with this version; an id has none, and stays as it is.
    #[must_use]
    pub fn with_version(self, number: u64) -> Self {
        let version = Some(number);
        match self {
            Self::Id(id) => Self::Id(id),
            Self::Hash { hash, .. } => Self::Hash { hash, version },
            Self::Key { strategy, key, file_id, .. } => Self::Key { strategy, key, file_id, version },
        }
    }

    /// Refuses what the service would refuse or change.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Id(id) => names::check_cache_id(id),
            Self::Hash { hash, .. } => names::check_hash(hash),
            Self::Key { key, file_id, .. } => {
                names::check_path("the key", key)?;
                names::check_id("the file id", file_id)
            }
        }
    }

    /// The item of a batch.
    pub(crate) fn item(&self) -> Result<ItemSelector, Error> {
        self.check()?;
        Ok(match self.clone() {
            Self::Id(id) => ItemSelector::Id(ItemById { cache_id: id.into() }),
            Self::Hash { hash, version } => ItemSelector::Hash(ItemByHash { cache_hash: hash.into(), version }),
            Self::Key { strategy, key, file_id, version } => {
                ItemSelector::Key(ItemByKey { strategy, cache_key: key.into(), file_id: file_id.into(), version })
            }
        })
    }
}

impl From<&cache_api::names::CacheId> for Selector {
    fn from(id: &cache_api::names::CacheId) -> Self {
        Self::Id(id.as_str().to_owned())
    }
}

/// The strategies, as paths spell them.
pub const STRATEGIES: [(Strategy, &str); 5] = [
    (Strategy::Direct, "direct"),
    (Strategy::Temporal, "temporal"),
    (Strategy::TemporalLatest, "temporal_latest"),
    (Strategy::TemporalVersioned, "temporal_versioned"),
    (Strategy::KeyBased, "key_based"),
];

/// A strategy as paths spell it.
pub fn strategy_name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Direct => "direct",
        Strategy::Temporal => "temporal",
        Strategy::TemporalLatest => "temporal_latest",
        Strategy::TemporalVersioned => "temporal_versioned",
        Strategy::KeyBased => "key_based",
    }
}

/// The strategy of a name.
///
/// # Errors
///
/// When there is none.
pub fn parse_strategy(name: &str) -> Result<Strategy, Error> {
    let found = STRATEGIES.into_iter().find(|(_, known)| *known == name);
    let names = STRATEGIES.map(|(_, name)| name).join(", ");
    found
        .map(|(strategy, _)| strategy)
        .ok_or_else(|| Error::argument("the strategy", format!("'{name}' must be one of {names}")))
}

/// An entry in a namespace, in the text form that the command line and the logs use:
///
/// | form | what |
/// |---|---|
/// | `NS:ID` | one entry |
/// | `NS:#HASH`, `NS:#HASH@2` | the newest entry with a hash, or a version of it |
/// | `NS:key@STRATEGY/KEY/FILE`, `…@2` | the newest entry under a key and file id, or a version of it |
///
/// `Display` writes what `FromStr` reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryRef {
    /// The namespace.
    pub namespace: String,
    /// Which of its entries.
    pub selector: Selector,
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.namespace)?;
        let version = match &self.selector {
            Selector::Id(id) => return f.write_str(id),
            Selector::Hash { hash, version } => {
                write!(f, "#{hash}")?;
                version
            }
            Selector::Key { strategy, key, file_id, version } => {
                write!(f, "key@{}/{key}/{file_id}", strategy_name(*strategy))?;
                version
            }
        };
        version.map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl FromStr for EntryRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            let forms = "NS:ID, NS:#HASH or NS:key@STRATEGY/KEY/FILE, the latter two with @VERSION if wanted";
            Error::argument("the reference", format!("'{text}' {why}: write {forms}"))
        };
        let (namespace, rest) = text.split_once(':').ok_or_else(|| refused("names no namespace"))?;
        names::check_id("the namespace", namespace)?;
        let (is_key, rest) = match rest.strip_prefix("key@") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (rest, version) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, version)) => {
                let number = version.parse().ok().filter(|number| *number > 0);
                (rest, Some(number.ok_or_else(|| refused("has a version that is no number from 1"))?))
            }
        };
        let selector = if is_key {
            let (strategy, rest) = rest.split_once('/').ok_or_else(|| refused("names no key"))?;
            let (key, file_id) = rest.rsplit_once('/').ok_or_else(|| refused("names no file under the key"))?;
            Selector::Key {
                strategy: parse_strategy(strategy)?,
                key: key.to_owned(),
                file_id: file_id.to_owned(),
                version,
            }
        } else if let Some(hash) = rest.strip_prefix('#') {
            Selector::Hash { hash: hash.to_owned(), version }
        } else if version.is_some() {
            return Err(refused("has a version, which an id has not"));
        } else {
            Selector::Id(rest.to_owned())
        };
        selector.check()?;
        Ok(Self { namespace: namespace.to_owned(), selector })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_written_as_it_is_read() {
        for text in [
            "demo:2cf24dba-5fb0-8a30-b820-00000001cedd",
            "demo:#2cf24dba5fb0a30e",
            "demo:#2cf24dba5fb0a30e@3",
            "demo:key@key_based/users/ada/profile",
            "demo:key@temporal_latest/a b/c.d/f-1@12",
        ] {
            let parsed: EntryRef = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_forms() {
        for (text, why) in [
            ("demo", "names no namespace"),
            ("a b:2cf24dba-5fb0-8a30-b820-00000001cedd", "the namespace"),
            ("demo:nope", "must be a UUID"),
            ("demo:2cf24dba-5fb0-8a30-b820-00000001cedd@1", "which an id has not"),
            ("demo:#XYZ", "lowercase hex"),
            ("demo:#2cf24dba5fb0a30e@0", "no number from 1"),
            ("demo:key@direct", "names no key"),
            ("demo:key@direct/a", "names no file"),
            ("demo:key@weekly/a/b", "must be one of direct, "),
            ("demo:key@direct/a//b", "empty segment"),
        ] {
            let error = text.parse::<EntryRef>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
