//! The cache without its environment: no I/O, no clock, no RNG, no HTTP. They come in as arguments.
//!
//! # Glossary
//!
//! | word | what it means |
//! |---|---|
//! | entry | one store: a *content* (string, JSON document, bytes or ZIP archive), and how it is to be found, its *strategy*. Two stores of one content are two entries |
//! | cache hash | 16 hex digits that follow from the content, or from one field of it; several entries may have it |
//! | cache id | the name of one entry. It encodes hash, strategy and kind, and the *version*, the position in the manifest |
//! | manifest | the object of a cache hash: its entries, and their contents if these are small (*inline*). It is authoritative. Older rows of its *head* are *spilled* into *pages*; what stays of it without entries is a *tombstone* |
//! | key index | the object of a cache key and file id: which entries were stored under them, newest last. A delete or update leaves a *note* in it for five minutes, against a store that would add the old state again |
//! | blob | the object of a larger content. A random *token* tells blobs of one hash apart; a *retired* one is not referenced again |
//! | group commit | one write with the changes of several callers, each recognised by its *nonce*. Other processes leave theirs as *intents* |
//! | view | what an entry adds under `data/`: *dated* ones, by time, and a copy under its key, *settled* when it shows the newest version |
//! | alias | leads from an id that names no hash to its entry. An entry of the Python service gets one when it is *adopted*: moved into a manifest, before it is changed |
//! | catalog | what listings of a namespace need of its manifests, so that these are not read each time |
//!
//! # Reading order
//!
//! 1. [`ids`] and [`strategy`]: the names. A name that got this far is valid.
//! 2. [`storage`], [`clock`] and [`rng`]: the ports, which are all that core knows of the world.
//! 3. [`json`] and [`content`]: what callers send, and its hash. [`representation`] is the way back, into the form a caller wants.
//! 4. [`layout`], [`manifest`], [`key_index`], [`catalog`], [`settings`] and [`python_files`]: where things lie and what is in
//!    them; pure.
//! 5. `cache`: the use cases. Begin with its `store`, then `commit`, the one loop that changes a manifest or a key index.
//! 6. [`archive`]: reading and editing ZIP archives, which knows nothing of the rest.
//! 7. [`error`](mod@error): why a use case fails, sorted by what the caller can do about it. A miss is not an error but `None`.
//!
//! `tests/simulation` runs the use cases under random interleavings, failed calls and lost responses; `tests/budget.rs`
//! counts their requests and round trips.

pub mod archive;
pub mod cache;
pub mod catalog;
pub mod clock;
pub mod content;
pub mod digest;
pub mod entry;
pub mod error;
pub mod ids;
pub mod json;
pub mod key_index;
mod key_ref;
pub mod layout;
pub mod manifest;
pub mod nonce;
pub mod python_files;
pub mod representation;
pub mod rng;
mod sanitize;
mod serde_text;
pub mod settings;
pub mod storage;
pub mod strategy;
pub mod time;
pub mod version_log;
pub mod whole_number;
