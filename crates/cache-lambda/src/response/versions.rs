//! What was stored under a hash or a key over time.

use cache_api::versions::{VersionItem, VersionList, VersionNumber, VersionsOf};
use cache_core::cache::{Of, Versions};
use cache_core::index::Listed;

use super::wire::{name, strategy};

/// The response for a page of versions.
pub fn version_list(of: &Of, found: &Versions) -> VersionList {
    let (of, number, known): (_, fn(u64) -> VersionNumber, _) = match of {
        Of::Hash(cache_hash) => (VersionsOf::Hash { cache_hash: name(cache_hash) }, VersionNumber::Version, None),
        Of::Key(key) => {
            let (cache_key, file_id) = (name(&key.cache_key), name(&key.file_id));
            let of = VersionsOf::Key { strategy: strategy(key.strategy), cache_key, file_id };
            (of, VersionNumber::KeyVersion, Some(key.strategy))
        }
    };
    let item = |listed: &Listed| VersionItem {
        number: number(listed.version),
        cache_id: name(&listed.cache_id),
        timestamp: listed.timestamp,
        strategy: known.or_else(|| listed.cache_id.parts().map(|parts| parts.strategy)).map(strategy),
    };
    let versions = found.versions.iter().map(item).collect();
    VersionList { of, count: found.count, versions, latest_id: name(&found.latest) }
}
