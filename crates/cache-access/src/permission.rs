//! Permissions, and the namespaces on which a key has them.

use std::fmt;
use std::str::FromStr;

use cache_core::ids::{MAX_ID_CHARS, Namespace};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// What a key may do in a namespace. None of them includes another, but [`Permission::Write`] includes [`Permission::Create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// To read entries, lists, statistics and settings.
    Read,
    /// To store new entries. Not a new version of a key that has a live one, and no change of what is there: so who may create
    /// cannot replace what others read.
    Create,
    /// To store, update and roll back, and to write child data and archives.
    Write,
    /// To delete entries and child data.
    Delete,
    /// To change settings, to use the storage as files, and to make keys for the namespace. A key that may manage a namespace can
    /// make a key with all permissions on it.
    Manage,
}

impl Permission {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Write, Self::Delete, Self::Manage];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Manage => "manage",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u8);

impl Permissions {
    /// All of them.
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is one of them, or included in one.
    pub fn allow(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let included = |permission| match permission {
            Permission::Write => bit(Permission::Write) | bit(Permission::Create),
            Permission::Read | Permission::Create | Permission::Delete | Permission::Manage => bit(permission),
        };
        Self(permissions.into_iter().fold(0, |bits, permission| bits | included(permission)))
    }
}

fn bit(permission: Permission) -> u8 {
    1 << permission as u8
}

/// Some namespaces: `demo` is the one of this name, `team-*` are all whose names begin so, `*` are all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamespacePattern {
    /// Without the `*`.
    text: String,
    is_prefix: bool,
}

impl NamespacePattern {
    /// Whether a namespace is one of them.
    pub fn matches(&self, namespace: &Namespace) -> bool {
        let name = namespace.as_str();
        if self.is_prefix { name.starts_with(&self.text) } else { name == self.text }
    }

    /// Whether all namespaces of another pattern are among them.
    pub fn includes(&self, other: &Self) -> bool {
        if self.is_prefix { other.text.starts_with(&self.text) } else { !other.is_prefix && other.text == self.text }
    }

    /// Whether they are all namespaces.
    pub fn is_all(&self) -> bool {
        self.is_prefix && self.text.is_empty()
    }
}

impl FromStr for NamespacePattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let prefix = text.strip_suffix('*');
        let name = prefix.unwrap_or(text);
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let is_filled = prefix.is_some() || !name.bytes().all(|byte| byte == b'_');
        if is_name && is_filled && name.len() <= MAX_ID_CHARS {
            Ok(Self { text: name.to_owned(), is_prefix: prefix.is_some() })
        } else {
            Err(InvalidPattern)
        }
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}

impl Serialize for NamespacePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NamespacePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no [`NamespacePattern`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be the name of a namespace, or the beginning of one and '*': letters, digits, '-' and '_', at most {MAX_ID_CHARS}"
)]
pub struct InvalidPattern;

/// Permissions on namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// On which namespaces.
    pub namespaces: Vec<NamespacePattern>,
    /// Which permissions.
    pub permissions: Vec<Permission>,
}

/// What a key may do: the permissions of all its grants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub Vec<Grant>);

impl Grants {
    /// The permissions on a namespace.
    pub fn on(&self, namespace: &Namespace) -> Permissions {
        self.with(|pattern| pattern.matches(namespace))
    }

    /// The permissions on all namespaces.
    pub fn on_all(&self) -> Permissions {
        self.with(NamespacePattern::is_all)
    }

    /// Whether there is this permission on any namespace.
    pub fn allow_anywhere(&self, permission: Permission) -> bool {
        self.with(|_| true).allow(permission)
    }

    /// Whether all namespaces of a pattern are ones on which there is this permission. Two patterns that only together are enough
    /// do not count.
    pub fn allow_on_pattern(&self, permission: Permission, pattern: &NamespacePattern) -> bool {
        self.with(|own| own.includes(pattern)).allow(permission)
    }

    fn with(&self, is_meant: impl Fn(&NamespacePattern) -> bool) -> Permissions {
        let meant = self.0.iter().filter(|grant| grant.namespaces.iter().any(&is_meant));
        meant.flat_map(|grant| grant.permissions.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grants(rows: &[(&str, &[Permission])]) -> Grants {
        let grant = |(pattern, permissions): &(&str, &[Permission])| Grant {
            namespaces: vec![pattern.parse().unwrap()],
            permissions: permissions.to_vec(),
        };
        Grants(rows.iter().map(grant).collect())
    }

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_one() {
        let matches =
            |pattern: &str, name: &str| pattern.parse::<NamespacePattern>().unwrap().matches(&name.parse().unwrap());
        assert!(
            matches("demo", "demo") && matches("team-*", "team-a") && matches("team-*", "team-") && matches("*", "x")
        );
        assert!(!matches("demo", "demo2") && !matches("demo2", "demo") && !matches("team-*", "team"));
        for wrong in ["", "a b", "a/b", "*a", "a**", "a.b", "_", "__", &"x".repeat(129)] {
            assert_eq!(wrong.parse::<NamespacePattern>(), Err(InvalidPattern), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_includes_another_when_it_matches_all_that_the_other_matches(
            a in "[ab]{0,3}\\*?", b in "[ab]{0,3}\\*?",
        ) {
            let (Ok(one), Ok(other)) = (a.parse::<NamespacePattern>(), b.parse::<NamespacePattern>()) else { return Ok(()) };
            prop_assume!(!a.is_empty() && !b.is_empty());
            // All names of up to five letters of three.
            let names = (0..6_u32).flat_map(|length| (0..3_usize.pow(length)).map(move |mut number| {
                (0..length).map(|_| { let letter = ['a', 'b', 'c'][number % 3]; number /= 3; letter }).collect::<String>()
            }));
            let all = names.filter(|name| !name.is_empty()).all(|name| {
                let name = name.parse().unwrap();
                !other.matches(&name) || one.matches(&name)
            });
            prop_assert_eq!(one.includes(&other), all, "{} {}", a, b);
        }
    }

    #[test]
    fn permissions_of_all_grants_on_a_namespace_count() {
        use Permission::{Create, Delete, Manage, Read, Write};
        let grants = grants(&[("team-*", &[Read]), ("team-a", &[Write]), ("*", &[Delete])]);
        let on = |name: &str| grants.on(&name.parse().unwrap());
        assert_eq!(on("team-a"), [Read, Create, Write, Delete].into_iter().collect());
        assert_eq!(on("team-b"), [Read, Delete].into_iter().collect());
        assert_eq!(grants.on_all(), [Delete].into_iter().collect());
        assert!(grants.allow_anywhere(Create) && !grants.allow_anywhere(Manage));
        assert!(grants.allow_on_pattern(Read, &"team-ab*".parse().unwrap()));
        assert!(!grants.allow_on_pattern(Read, &"tea*".parse().unwrap()));
    }

    #[test]
    fn write_includes_create_and_nothing_else_includes_anything() {
        for (permission, included) in
            Permission::ALL.map(|permission| (permission, Permissions::from_iter([permission])))
        {
            for other in Permission::ALL {
                let is_included = (permission, other) == (Permission::Write, Permission::Create);
                assert_eq!(included.allow(other), permission == other || is_included, "{permission} {other}");
            }
        }
    }
}
