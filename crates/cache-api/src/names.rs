//! Names. Each has its own type, so that two names cannot be swapped. They are not validated here.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as it stands in JSON and in paths.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An isolated namespace. Up to 128 characters.
    Namespace
}
name! {
    /// The id of one stored entry, a UUID with dashes.
    CacheId
}
name! {
    /// The hash that contents are found by: 10 to 96 lowercase hex digits, 16 where the server made it.
    CacheHash
}
name! {
    /// A readable path that an entry is stored under, such as `users/u1`. Up to 1,024 characters.
    CacheKey
}
name! {
    /// A readable path of child data under its entry, such as `analysis/sentiment`. Up to 1,024 characters.
    DataKey
}
name! {
    /// The name of a file under a key, of an entry or of child data. Up to 128 characters.
    FileId
}
name! {
    /// A SHA-256 in 64 lowercase hex digits.
    Sha256Digest
}

name! {
    /// Some namespaces: the name of one, or the beginning of names and `*`.
    NamespacePattern
}
name! {
    /// The id of an API key: 12 lowercase hex digits. It is no secret.
    KeyId
}
