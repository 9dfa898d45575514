//! Who may do what: API keys with permissions on namespaces, and the limits of each key.
//!
//! A key is a random text that is shown once. What is stored is a [`record::KeyRecord`] under the key's SHA-256, outside of every
//! namespace, on whatever backend the entries are on: there is no database.
//!
//! Reading order:
//!
//! 1. [`api_key`]: the text of a key, and the id by which people and logs name it.
//! 2. [`permission`]: permissions, and on which namespaces a key has them.
//! 3. [`record`]: what is stored of a key, and when it is valid.
//! 4. [`keyring`]: the use cases: create, read, list, change, rotate, delete, and look up the key of a request.
//! 5. [`look_up`]: what the process remembers of keys.
//! 6. [`limits`] and [`usage`]: how much a key may be used, and how processes tell each other how much it was.

pub mod api_key;
pub mod keyring;
pub mod limits;
pub mod look_up;
pub mod permission;
pub mod record;
pub mod usage;

mod gcra;
