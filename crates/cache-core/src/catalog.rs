//! The catalog: what listings need of every manifest, so that they need not read the manifests. Pure; [`crate::cache`] reads
//! and writes it.
//!
//! It is a memo. Each row names the version of the manifest that it was made of, and counts only while a LIST shows that
//! version. So a row that is missing or out of date costs a read, and never makes a listing wrong. A shard that was damaged is
//! not read at all.
//!
//! A shard holds the rows of all hashes that begin with its prefix, unless there is a shard with a longer one. It is split when
//! it is larger than [`MAX_SHARD_BYTES`].
//!
//! | line | what |
//! |---|---|
//! | first | the SHA-256 of all other lines |
//! | others | one row each: hash, version, counts by strategy, earliest expiry (0: none), ids, names of files, bytes of contents |

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::ids::{CacheHash, CacheId};
use crate::layout::content_file;
use crate::manifest::codec::to_json;
use crate::manifest::{Counts, EntryRow, Manifest};
use crate::storage::Version;
use crate::strategy::Strategy;
use crate::time::UnixMillis;

/// A shard that is larger than this is split.
pub const MAX_SHARD_BYTES: usize = 1024 * 1024;
/// A row has at most so many entries. Of a manifest that lists more, listings read the pages.
pub const MAX_ROW_ENTRIES: usize = 32;
/// A shard whose prefix is as long as the shortest hash cannot be split.
const MAX_PREFIX_DIGITS: usize = 10;

/// Rows of a part of the hashes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shard {
    rows: BTreeMap<CacheHash, CatalogRow>,
}

/// What listings need of one manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogRow {
    /// The version of the manifest.
    pub version: Version,
    /// Its entries by strategy, and the earliest expiry.
    pub counts: Counts,
    /// Bytes of its contents, and of those in its pages. A content that several entries of one of them share counts once.
    pub bytes: u64,
    /// Its entries; `None` when they are more than [`MAX_ROW_ENTRIES`], or not all in its head.
    pub entries: Option<Vec<CatalogEntry>>,
}

/// What listings need of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Its id.
    pub cache_id: CacheId,
    /// The file that its content is shown as, below the folder of the strategy `direct`; `None` for other strategies.
    pub direct_file: Option<String>,
}

/// A row as a line of JSON.
#[derive(Serialize, Deserialize)]
struct Line(CacheHash, String, [u64; Strategy::ALL.len()], UnixMillis, Option<Vec<CacheId>>, Vec<(usize, String)>, u64);

impl Shard {
    /// Reads what [`Shard::encode`] wrote; `None` when it is anything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (sha256, lines) = (&bytes[..end], &bytes[end + 1..]);
        if sha256 != Sha256Digest::of(lines).to_string().as_bytes() {
            return None;
        }
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let rows = lines.map(|line| serde_json::from_slice(line).ok().map(CatalogRow::from_line));
        rows.collect::<Option<_>>().map(|rows| Self { rows })
    }

    /// The shard as stored.
    pub fn encode(&self) -> Bytes {
        let mut lines = Vec::new();
        for (hash, row) in &self.rows {
            lines.extend(to_json(&row.to_line(hash)));
            lines.push(b'\n');
        }
        let mut bytes = Sha256Digest::of(&lines).to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend(lines);
        bytes.into()
    }

    /// The row of a hash, if it was made of this version of its manifest.
    pub fn row(&self, hash: &CacheHash, version: &Version) -> Option<&CatalogRow> {
        self.rows.get(hash).filter(|row| row.version == *version)
    }

    /// The version of the manifest of each row.
    pub fn versions(&self) -> impl Iterator<Item = (&CacheHash, &Version)> {
        self.rows.iter().map(|(hash, row)| (hash, &row.version))
    }

    /// Adds or replaces a row.
    pub fn insert(&mut self, hash: CacheHash, row: CatalogRow) {
        self.rows.insert(hash, row);
    }

    /// Takes a row out; `false` when there was none.
    pub fn remove(&mut self, hash: &CacheHash) -> bool {
        self.rows.remove(hash).is_some()
    }

    /// Keeps only the rows of these hashes.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&CacheHash) -> bool) {
        self.rows.retain(|hash, _| is_kept(hash));
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The shards that take the place of the one with this prefix, each with its prefix and bytes: itself, or several with
    /// longer prefixes when it is too large.
    pub fn into_parts(self, prefix: String) -> Vec<(String, Bytes)> {
        let bytes = self.encode();
        if bytes.len() <= MAX_SHARD_BYTES || prefix.len() + 1 >= MAX_PREFIX_DIGITS {
            return vec![(prefix, bytes)];
        }
        let mut parts: BTreeMap<String, Self> = BTreeMap::new();
        for (hash, row) in self.rows {
            let longer = hash.as_str()[..=prefix.len()].to_owned();
            parts.entry(longer).or_default().insert(hash, row);
        }
        parts.into_iter().flat_map(|(prefix, shard)| shard.into_parts(prefix)).collect()
    }
}

impl CatalogRow {
    /// The row of a manifest, or of its head, at this version.
    pub fn of(manifest: &Manifest, version: Version) -> Self {
        let rows = manifest.log().rows();
        let has_all = manifest.log().pages().is_empty() && rows.len() <= MAX_ROW_ENTRIES;
        let entries = has_all.then(|| rows.iter().map(CatalogEntry::of).collect());
        let bytes = manifest.contents().bytes() + manifest.log().content_bytes();
        Self { version, counts: *manifest.counts(), bytes, entries }
    }

    fn to_line(&self, hash: &CacheHash) -> Line {
        let entries = self.entries.iter().flatten().enumerate();
        let named = entries.filter(|(_, entry)| entry.direct_file != usual_file(entry.cache_id));
        let names = named.map(|(at, entry)| (at, entry.direct_file.clone().unwrap_or_default())).collect();
        let ids = self.entries.as_ref().map(|entries| entries.iter().map(|entry| entry.cache_id).collect());
        let by_strategy = Strategy::ALL.map(|strategy| self.counts.of(strategy));
        let expiry = self.counts.earliest_expiry().unwrap_or_default();
        Line(hash.clone(), self.version.to_string(), by_strategy, expiry, ids, names, self.bytes)
    }

    fn from_line(line: Line) -> (CacheHash, Self) {
        let Line(hash, version, by_strategy, expiry, ids, names, bytes) = line;
        let entry = |cache_id| CatalogEntry { cache_id, direct_file: usual_file(cache_id) };
        let mut entries: Option<Vec<CatalogEntry>> = ids.map(|ids| ids.into_iter().map(entry).collect());
        for (at, name) in names {
            if let Some(entry) = entries.as_mut().and_then(|entries| entries.get_mut(at)) {
                entry.direct_file = Some(name).filter(|name| !name.is_empty());
            }
        }
        let expiry = Some(expiry).filter(|expiry| *expiry != UnixMillis::default());
        (hash, Self { version: Version::new(version), counts: Counts::new(by_strategy, expiry), bytes, entries })
    }
}

impl CatalogEntry {
    /// The entry of a row.
    pub fn of(row: &EntryRow) -> Self {
        let file = || {
            let kind = row.revision().map_or(row.spec.kind, |revision| revision.kind);
            content_file(row.spec.file_id.as_ref(), row.cache_id, kind)
        };
        Self { cache_id: row.cache_id, direct_file: (row.spec.strategy == Strategy::Direct).then(file) }
    }
}

/// The file that an entry is shown as, if nothing is known of it but its id.
fn usual_file(cache_id: CacheId) -> Option<String> {
    let parts = cache_id.parts().filter(|parts| parts.strategy == Strategy::Direct)?;
    Some(content_file(None, cache_id, parts.kind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::Strategy as Generator;

    use super::*;

    fn rows() -> impl Generator<Value = Vec<(CacheHash, CatalogRow)>> {
        let entry = (any::<u128>(), any::<bool>(), proptest::option::of("[a-z/.]{1,9}"));
        let entry = entry.prop_map(|(id, is_usual, file)| {
            let cache_id = CacheId::from_u128(id);
            CatalogEntry { cache_id, direct_file: if is_usual { usual_file(cache_id) } else { file } }
        });
        let entries = proptest::option::of(proptest::collection::vec(entry, 0..4));
        let row =
            ("[0-9a-f]{10,16}", ".{1,9}", any::<[u64; 5]>(), proptest::option::of(1..9u64), entries, any::<u64>());
        let row = row.prop_map(|(hash, version, counts, expiry, entries, bytes)| {
            let counts = Counts::new(counts, expiry.map(UnixMillis::new));
            (hash.parse().unwrap(), CatalogRow { version: Version::new(version), counts, bytes, entries })
        });
        proptest::collection::vec(row, 0..9)
    }

    fn shard(rows: Vec<(CacheHash, CatalogRow)>) -> Shard {
        Shard { rows: rows.into_iter().collect() }
    }

    proptest! {
        #[test]
        fn a_shard_is_read_back(rows in rows()) {
            let shard = shard(rows);
            prop_assert_eq!(Shard::parse(&shard.encode()), Some(shard));
        }

        #[test]
        fn a_shard_with_a_changed_byte_is_not_read(rows in rows(), at: prop::sample::Index, bit in 0..8u8) {
            let mut bytes = shard(rows).encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Shard::parse(&bytes), None);
            prop_assert_eq!(Shard::parse(&bytes[..at]), None);
        }
    }

    #[test]
    fn a_shard_that_is_too_large_is_split_by_longer_prefixes() {
        let entries =
            (0..MAX_ROW_ENTRIES).map(|n| CatalogEntry { cache_id: CacheId::from_u128(n as u128), direct_file: None });
        let row = CatalogRow {
            version: Version::new("v"),
            counts: Counts::default(),
            bytes: 0,
            entries: Some(entries.collect()),
        };
        let hashes = (0..2_000u64).map(|n| format!("ab{:x}{:x}{n:012x}", n % 3, n % 16).parse::<CacheHash>().unwrap());
        let rows: BTreeMap<_, _> = hashes.map(|hash| (hash, row.clone())).collect();
        let parts = Shard { rows: rows.clone() }.into_parts("ab".to_owned());
        assert_eq!(parts.iter().map(|(prefix, _)| prefix.as_str()).collect::<Vec<_>>(), ["ab0", "ab1", "ab2"]);
        let mut joined = BTreeMap::new();
        for (prefix, bytes) in parts {
            assert!(bytes.len() <= MAX_SHARD_BYTES);
            let shard = Shard::parse(&bytes).unwrap();
            assert!(shard.rows.keys().all(|hash| hash.as_str().starts_with(&prefix)));
            joined.extend(shard.rows);
        }
        assert_eq!(joined, rows);
        let small = shard(vec![("0123456789".parse().unwrap(), row)]);
        assert_eq!(small.clone().into_parts(String::new()), [(String::new(), small.encode())]);
    }
}
