//! What was stored under a hash or a key over time.

use cache_core::cache::{Of, Versions};
use cache_core::ids::{CacheHash, CacheId, CacheKey, FileId};
use cache_core::index::Listed;
use cache_core::strategy::Strategy;
use serde::Serialize;
use utoipa::ToSchema;

/// Versions under a hash or a key, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionList {
    #[serde(flatten)]
    of: VersionsOf,
    /// How many there are in all.
    count: u64,
    versions: Vec<VersionItem>,
    latest_id: CacheId,
}

/// Whose versions they are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum VersionsOf {
    Hash { cache_hash: CacheHash },
    Key { strategy: Strategy, cache_key: CacheKey, file_id: FileId },
}

/// One version.
#[derive(Debug, Serialize, ToSchema)]
struct VersionItem {
    #[serde(flatten)]
    number: VersionNumber,
    cache_id: CacheId,
    timestamp: u64,
    /// `null` for an entry whose id does not tell.
    strategy: Option<Strategy>,
}

/// Its position among the versions under a hash, or under a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VersionNumber {
    Version(u64),
    KeyVersion(u64),
}

impl VersionList {
    /// The answer for a page of versions.
    pub fn new(of: Of, found: &Versions) -> Self {
        let (of, number, known): (_, fn(u64) -> VersionNumber, _) = match of {
            Of::Hash(cache_hash) => (VersionsOf::Hash { cache_hash }, VersionNumber::Version, None),
            Of::Key(name) => {
                let known = Some(name.strategy);
                let of = VersionsOf::Key { strategy: name.strategy, cache_key: name.cache_key, file_id: name.file_id };
                (of, VersionNumber::KeyVersion, known)
            }
        };
        let item = |listed: &Listed| VersionItem {
            number: number(listed.version),
            cache_id: listed.cache_id,
            timestamp: listed.timestamp,
            strategy: known.or_else(|| listed.cache_id.parts().map(|parts| parts.strategy)),
        };
        let versions = found.versions.iter().map(item).collect();
        Self { of, count: found.count, versions, latest_id: found.latest }
    }
}
