//! The versions under a hash or a key.

use cache_api::versions::{Subject, VersionItem, VersionList, VersionNumber};
use cache_core::cache::{ListedVersion, Versions, VersionsOf};

use super::wire::{name, strategy};

/// The response for a page of versions.
pub fn version_list(of: &VersionsOf, found: &Versions) -> VersionList {
    let (of, number, known): (_, fn(u64) -> VersionNumber, _) = match of {
        VersionsOf::Hash(cache_hash) => (Subject::Hash { cache_hash: name(cache_hash) }, VersionNumber::Version, None),
        VersionsOf::Key(key) => {
            let (cache_key, file_id) = (name(&key.cache_key), name(&key.file_id));
            let of = Subject::Key { strategy: strategy(key.strategy), cache_key, file_id };
            (of, VersionNumber::KeyVersion, Some(key.strategy))
        }
    };
    let item = |listed: &ListedVersion| VersionItem {
        number: number(listed.version),
        cache_id: name(&listed.cache_id),
        timestamp: listed.stored_at.get(),
        strategy: known.or(listed.strategy).map(strategy),
    };
    let versions = found.versions.iter().map(item).collect();
    VersionList { of, count: found.count, versions, latest_id: name(&found.latest.cache_id) }
}
