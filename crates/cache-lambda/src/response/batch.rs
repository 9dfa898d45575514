//! A result of a batch read.

use cache_api::batch_reads::FoundEntry;
use cache_core::entry::Entry;

use super::content::metadata;
use super::wire::name;

/// The entry that was found.
pub fn found_entry(entry: &Entry) -> FoundEntry {
    FoundEntry { version: entry.version, sha256: name(&entry.content.sha256), metadata: metadata(entry) }
}
