//! Copying and verifying whole stores, whatever they are kept in.
//!
//! | module | what |
//! |---|---|
//! | [`address`] | a store as a text: `disk:./a`, `s3:bucket/prefix` |
//! | [`mod@copy`] | copies a store to another one, and can be interrupted and repeated |
//! | [`mod@verify`] | cross-checks everything in a store, and repairs what can be repaired without guessing |
//! | [`command`] | the subcommands `copy` and `verify` |
//! | [`progress`] | how far they are, for people and for programs |
//!
//! What of it needs to know manifests is in core (`cache_core::cache`); what reads and writes objects is here. No HTTP.

pub mod address;
pub mod command;
pub mod copy;
mod listing;
pub mod prefixed;
pub mod progress;
mod retry;
pub mod verify;

pub use address::StoreAddress;
pub use copy::{CopyOptions, CopyReport, copy};
pub use progress::Progress;
pub use verify::{VerifyReport, repair, verify};
