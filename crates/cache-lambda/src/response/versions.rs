//! What was stored under a hash or a key over time.

use cache_core::cache::{ListedVersion, Versions, VersionsOf};
use cache_core::ids::{CacheHash, CacheId, CacheKey, FileId};
use cache_core::strategy::Strategy;
use serde::Serialize;
use utoipa::ToSchema;

/// Versions under a hash or a key, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionList {
    #[serde(flatten)]
    of: Subject,
    /// How many there are in all.
    count: u64,
    versions: Vec<VersionItem>,
    latest_id: CacheId,
}

/// Whose versions they are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Subject {
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
    pub fn new(of: VersionsOf, found: &Versions) -> Self {
        let (of, number, known): (_, fn(u64) -> VersionNumber, _) = match of {
            VersionsOf::Hash(cache_hash) => (Subject::Hash { cache_hash }, VersionNumber::Version, None),
            VersionsOf::Key(name) => {
                let known = Some(name.strategy);
                let of = Subject::Key { strategy: name.strategy, cache_key: name.cache_key, file_id: name.file_id };
                (of, VersionNumber::KeyVersion, known)
            }
        };
        let item = |listed: &ListedVersion| VersionItem {
            number: number(listed.version),
            cache_id: listed.cache_id,
            timestamp: listed.stored_at.get(),
            strategy: known.or_else(|| listed.cache_id.parts().map(|parts| parts.strategy)),
        };
        let versions = found.versions.iter().map(item).collect();
        Self { of, count: found.count, versions, latest_id: found.latest }
    }
}
