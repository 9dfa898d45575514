//! The cache without its surroundings: no I/O, no clock, no chance, no HTTP. They come in as arguments.
//!
//! # Glossary
//!
//! | word | what it means |
//! |---|---|
//! | content | what a caller stores: a string, a JSON document, bytes, or a ZIP archive |
//! | blob | the object that holds a content; kept once for all entries of a namespace with the same bytes |
//! | entry | one store: a content, and how it is to be found. Two stores of one content are two entries |
//! | namespace | a world of its own: nothing is shared between two of them, and nothing is found from another one |
//! | cache hash | 16 hex digits that follow from the content (or from one field of it); several entries may have it |
//! | cache id | the name of one entry. It says which hash, blob, strategy and kind the entry has, so a read need not ask |
//! | blob token | what tells apart blobs under one hash. The *plain* one has none; the others are random |
//! | record | everything about an entry but its bytes. It is the truth where an id or an index says otherwise |
//! | index | the versions under a hash (*hash index*) or under a key and file id (*key index*), newest last |
//! | version, key version | the position in the hash index and in the key index, from 1, never given twice |
//! | strategy | how an entry can be found beside its id and hash: by key, by time, both, or not at all |
//! | cache key, file id | the readable path that an entry is stored under, and its file name there |
//! | view | what an entry adds under `data/` for people who look into the storage; reads never need it |
//! | child | a small file under an entry, which goes when the entry goes |
//! | revision | a later content of an entry that was updated |
//! | grave, tombstone | what stays of a deleted record, and of an index that lists nothing any more |
//! | burnt | said of a blob name that must not be used again, because a late delete of it may still arrive |
//!
//! # Reading order
//!
//! 1. [`ids`] and [`strategy`]: the names. A name that got this far is valid.
//! 2. [`storage`] and [`surroundings`]: the two ports, which are all that core knows of the world.
//! 3. [`json`] and [`content`]: what callers send, and its hash. [`representation`] is the way back, into the form a caller wants.
//! 4. [`layout`], [`record`], [`index`] and [`settings`]: where things lie and what is in them; pure.
//! 5. [`cache`]: the use cases. Begin with its `store`, then `swap`, the one loop that changes an index.
//! 6. [`archive`]: reading and editing ZIP archives, which knows nothing of the rest.
//! 7. [`error`]: why a use case fails, sorted by what the caller can do about it. A miss is not an error but `None`.
//!
//! `tests/simulation` runs the use cases under random interleavings, failed calls and lost replies; `tests/budget.rs` counts
//! their calls and rounds.

pub mod archive;
pub mod cache;
pub mod content;
pub mod error;
pub mod ids;
pub mod index;
pub mod json;
pub mod layout;
pub mod record;
pub mod representation;
mod schema;
pub mod settings;
pub mod storage;
pub mod strategy;
pub mod surroundings;
