//! The cache without its environment: no I/O, no clock, no RNG, no HTTP. They come in as arguments.
//!
//! # Glossary
//!
//! | word | what it means |
//! |---|---|
//! | content | what a caller stores: a string, a JSON document, bytes, or a ZIP archive |
//! | namespace | an isolated part of the cache: nothing is shared between two of them, and nothing is found from another one |
//! | entry | one store: a content, and how it is to be found. Two stores of one content are two entries |
//! | cache hash | 16 hex digits that follow from the content (or from one field of it); several entries may have it |
//! | cache id | the name of one entry. It encodes hash, strategy and kind of the entry, and where the manifest lists it |
//! | manifest | the object of a cache hash: its entries, and their contents if these are small (*inline*). It is authoritative |
//! | key index | the object of a key and file id: which entries were stored under it, newest last |
//! | head, page | the part of a manifest or key index that each write replaces, and older rows, which were moved out of it (*spilled*) |
//! | blob, blob token | the object of a larger content, and what tells blobs of one hash apart. A *retired* token is not referenced again |
//! | nonce | what identifies a change, so that a retry of it is recognised |
//! | group commit | one write that carries the changes of several callers. Other processes leave theirs as *intents* |
//! | version, key version | the position in the manifest and in the key index, from 1, never given twice |
//! | strategy | how an entry can be found beside its id and hash: by key, by time, both, or not at all |
//! | cache key, file id | the readable path that an entry is stored under, and its file name there |
//! | view | what an entry adds under `data/`: *dated* ones, by time, and a copy under its key, *settled* when it shows the newest version |
//! | child | a small file under an entry, which goes when the entry goes |
//! | revision | a later content of an entry that was updated |
//! | tombstone | what stays of a manifest or key index without entries |
//! | note | what a delete or update leaves in a key index for five minutes, against a store that would add the old state again |
//! | adopt | to move an entry of the Python service into a manifest, before it is changed |
//! | alias | leads from an id that names no hash to its entry. What the Python service left under the same path is the entry |
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
