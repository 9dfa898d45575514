//! From a key back to what it holds: the inverse of all functions of [`Layout`].

use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, FileId, Namespace};
use crate::storage::ObjectKey;
use crate::strategy::Strategy;

use super::dated::DatedName;
use super::{KeyRef, Layout, shards};

/// How many hex digits name a key index.
const KEY_DIGEST_DIGITS: usize = 32;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectKind {
    /// The manifest of a hash, or its tombstone.
    Manifest(CacheHash),
    /// The reference file of a hash, written by the Python service.
    HashFile(CacheHash),
    /// A key index.
    KeyIndex,
    /// A page of a manifest or a key index.
    Page,
    /// A blob.
    Blob {
        /// The hash of its manifest.
        cache_hash: CacheHash,
        /// Which blob under that hash.
        token: BlobToken,
    },
    /// An intent of a group commit.
    Intent,
    /// The alias of an id, or its tombstone.
    Alias(CacheId),
    /// The dated view of an entry.
    Dated {
        /// The strategy of the entry.
        strategy: Strategy,
        /// The entry, the time and the nonce of its store.
        name: DatedName,
    },
    /// The latest view of a key.
    Latest(KeyRef),
    /// A readable copy.
    Readable {
        /// The key that its entry was stored under.
        cache_key: Option<CacheKey>,
        /// The file id, or the cache id of an entry that has none.
        file_name: FileId,
    },
    /// A child file of an entry.
    Child(CacheId),
    /// A shard of the catalog.
    Catalog,
    /// The settings of a namespace.
    Settings,
    /// Nothing that this service writes.
    Other,
}

impl ObjectKind {
    /// What a key holds, and in which namespace; `None` for a key outside of every namespace.
    pub fn of(key: &ObjectKey) -> Option<(Namespace, Self)> {
        let (first, below) = key.as_str().split_once('/')?;
        let namespace = exactly::<Namespace>(first)?;
        let kind = Key { layout: Layout::new(&namespace), whole: key, below }.kind().unwrap_or(Self::Other);
        Some((namespace, kind))
    }
}

/// A key, and what of it is below the namespace.
struct Key<'a> {
    layout: Layout<'a>,
    whole: &'a ObjectKey,
    below: &'a str,
}

impl Key<'_> {
    fn kind(&self) -> Option<ObjectKind> {
        let (folder, file) = self.below.split_once('/').unwrap_or((self.below, ""));
        match folder {
            "refs" => self.reference(file),
            "pages" => is_page(file).then_some(ObjectKind::Page),
            "blobs" => self.blob(file),
            "intents" => is_intent(file).then_some(ObjectKind::Intent),
            "catalog" => self.layout.parse_catalog_shard(self.whole.as_str()).map(|_| ObjectKind::Catalog),
            "data" => self.data(file),
            _ => self.is(&self.layout.settings()).then_some(ObjectKind::Settings),
        }
    }

    fn is(&self, key: &ObjectKey) -> bool {
        self.whole == key
    }

    fn reference(&self, file: &str) -> Option<ObjectKind> {
        let (folder, path) = file.split_once('/')?;
        let name = path.rsplit('/').next()?;
        match folder {
            "by-hash" => match self.layout.parse_hash_reference(self.whole.as_str()) {
                Some(hash) => Some(ObjectKind::HashFile(hash)),
                None => {
                    let hash = name.parse().ok()?;
                    self.is(&self.layout.manifest(&hash)).then_some(ObjectKind::Manifest(hash))
                }
            },
            "by-key" => {
                let known = is_key_digest(name) && path == format!("{}/{name}", shards(name));
                known.then_some(ObjectKind::KeyIndex)
            }
            "by-id" => {
                let id = name.strip_suffix(".json")?.parse().ok()?;
                self.is(&self.layout.alias(id)).then_some(ObjectKind::Alias(id))
            }
            _ => None,
        }
    }

    fn blob(&self, file: &str) -> Option<ObjectKind> {
        let (hash, token) = file.rsplit('/').next()?.split_once('-')?;
        let (cache_hash, token) = (hash.parse().ok()?, token.parse().ok()?);
        self.is(&self.layout.blob(&cache_hash, token)).then_some(ObjectKind::Blob { cache_hash, token })
    }

    /// What is below `data/`.
    fn data(&self, file: &str) -> Option<ObjectKind> {
        let (folder, rest) = file.split_once('/')?;
        match folder {
            "children" => self.child(rest),
            "key-based" => readable(rest),
            _ => match rest.strip_prefix("latest/") {
                Some(file) if folder == Strategy::TemporalLatest.folder() => latest(file),
                _ => self.dated(folder, rest),
            },
        }
    }

    fn child(&self, rest: &str) -> Option<ObjectKind> {
        let cache_id = rest.split('/').nth(2)?.parse().ok()?;
        let name = self.whole.as_str().strip_prefix(&self.layout.children(cache_id, None))?;
        let (_, extension) = name.rsplit_once('.')?;
        is_extension(extension).then_some(ObjectKind::Child(cache_id))
    }

    fn dated(&self, folder: &str, rest: &str) -> Option<ObjectKind> {
        let mut dated = Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated());
        let strategy = dated.find(|strategy| strategy.folder() == folder)?;
        let name: DatedName = rest.parse().ok()?;
        (name.to_string() == rest).then_some(ObjectKind::Dated { strategy, name })
    }
}

fn readable(rest: &str) -> Option<ObjectKind> {
    let (cache_key, file) = split_key(rest)?;
    let (file_name, extension) = file.rsplit_once('.')?;
    let file_name = exactly(file_name)?;
    is_extension(extension).then_some(ObjectKind::Readable { cache_key, file_name })
}

fn latest(file: &str) -> Option<ObjectKind> {
    let (cache_key, file) = split_key(file)?;
    let file_id = exactly(file.strip_suffix(".json")?)?;
    Some(ObjectKind::Latest(KeyRef { strategy: Strategy::TemporalLatest, cache_key: cache_key?, file_id }))
}

/// A file below a cache key, or directly in its folder.
fn split_key(below: &str) -> Option<(Option<CacheKey>, &str)> {
    match below.rsplit_once('/') {
        Some((key, file)) => Some((Some(exactly::<CacheKey>(key).filter(|parsed| parsed.as_str() == key)?), file)),
        None => Some((None, below)),
    }
}

/// A name that is not changed by sanitizing.
fn exactly<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|name: &T| name.to_string() == text)
}

fn is_extension(extension: &str) -> bool {
    matches!(extension, "json" | "txt" | "bin")
}

pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(super) fn is_key_digest(text: &str) -> bool {
    text.len() == KEY_DIGEST_DIGITS && is_hex(text)
}

/// `by-hash/{hash}/{name}` or `by-key/{digest}/{name}`.
fn is_page(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    let [folder, head, _] = parts[..] else { return false };
    match folder {
        "by-hash" => head.parse::<CacheHash>().is_ok(),
        "by-key" => is_key_digest(head),
        _ => false,
    }
}

/// `2c/f2/{hash or digest}/{name}`.
fn is_intent(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    let [first, second, head, _] = parts[..] else { return false };
    (head.parse::<CacheHash>().is_ok() || is_key_digest(head)) && format!("{first}/{second}") == shards(head)
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;
    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::layout::dated::MAX_DATED;
    use crate::nonce::Nonce;
    use crate::strategy::ContentKind;
    use crate::time::UnixMillis;

    fn key_refs() -> impl proptest::strategy::Strategy<Value = KeyRef> {
        let parts =
            (0..5usize, "[a-zA-Z0-9_.-]{0,9}[a-z]([/][a-z][a-z0-9. _-]{0,5}[a-z]){0,3}", "[a-z0-9_-]{0,9}[a-z]");
        parts.prop_map(|(strategy, cache_key, file_id)| KeyRef {
            strategy: Strategy::ALL[strategy],
            cache_key: cache_key.parse().unwrap(),
            file_id: file_id.parse().unwrap(),
        })
    }

    proptest! {
        #[test]
        fn whatever_is_spelled_is_parsed_back(
            namespace in "[a-z0-9_-]{0,9}[a-z]", id: u128, hash in "[0-9a-f]{10,96}", random: u64,
            millis in 0..MAX_DATED, key in key_refs(), kind in 0..4usize,
        ) {
            let namespace: Namespace = namespace.parse().unwrap();
            let layout = Layout::new(&namespace);
            let cache_id = CacheId::from_u128(id);
            let cache_hash: CacheHash = hash.parse().unwrap();
            let kind = ContentKind::ALL[kind];
            let (token, nonce) = (BlobToken::from_random(random), Nonce::from_random(random));
            let stored_at = UnixMillis::new(millis);
            let dated = |strategy| ObjectKind::Dated { strategy, name: DatedName { stored_at, cache_id, nonce } };
            let readable = |cache_key: Option<&CacheKey>| ObjectKind::Readable {
                cache_key: cache_key.cloned(), file_name: key.file_id.clone(),
            };
            let latest = KeyRef { strategy: Strategy::TemporalLatest, ..key.clone() };
            let data_key = key.cache_key.as_str().parse().unwrap();
            let (manifest, index) = (layout.manifest(&cache_hash), layout.key_index(&key));
            let page = format!("{millis}-{random:016x}");
            let intent = |head| format!("{}{page}", layout.intents_of(head)).parse().unwrap();
            let spelled: Vec<(ObjectKey, ObjectKind)> = vec![
                (layout.blob(&cache_hash, token), ObjectKind::Blob { cache_hash: cache_hash.clone(), token }),
                (layout.page(&manifest, &page), ObjectKind::Page),
                (layout.page(&index, &page), ObjectKind::Page),
                (intent(&manifest), ObjectKind::Intent),
                (intent(&index), ObjectKind::Intent),
                (manifest, ObjectKind::Manifest(cache_hash.clone())),
                (layout.hash_reference(&cache_hash), ObjectKind::HashFile(cache_hash.clone())),
                (index, ObjectKind::KeyIndex),
                (layout.alias(cache_id), ObjectKind::Alias(cache_id)),
                (layout.dated(Strategy::Temporal, stored_at, cache_id, nonce), dated(Strategy::Temporal)),
                (layout.dated(Strategy::TemporalLatest, stored_at, cache_id, nonce), dated(Strategy::TemporalLatest)),
                (layout.latest(&latest).unwrap(), ObjectKind::Latest(latest.clone())),
                (layout.readable(Some(&key.cache_key), key.file_id.as_str(), kind).unwrap(), readable(Some(&key.cache_key))),
                (layout.readable(None, key.file_id.as_str(), kind).unwrap(), readable(None)),
                (layout.child(cache_id, None, &key.file_id, kind).unwrap(), ObjectKind::Child(cache_id)),
                (layout.child(cache_id, Some(&data_key), &key.file_id, kind).unwrap(), ObjectKind::Child(cache_id)),
                (layout.catalog_shard(&hash[..2]), ObjectKind::Catalog),
                (layout.catalog_shard(""), ObjectKind::Catalog),
                (layout.settings(), ObjectKind::Settings),
            ];
            for (key, kind) in spelled {
                prop_assert_eq!(ObjectKind::of(&key), Some((namespace.clone(), kind)), "{}", key);
            }
        }
    }

    #[test]
    fn what_is_nearly_a_key_of_ours_is_something_else() {
        assert_eq!(ObjectKind::of(&"n".parse().unwrap()), None);
        assert_eq!(ObjectKind::of(&"n.s/namespace.json".parse().unwrap()), None);
        for path in [
            "ns/namespace.json/x",
            "ns/refs/by-id/00/00/2cf24dba-5fb0-8a30-8000-000000000001.json",
            "ns/refs/by-id/2c/f2/2CF24DBA-5fb0-8a30-8000-000000000001.json",
            "ns/refs/by-hash/2c/f3/2cf24dba5fb0a30e.json",
            "ns/refs/by-key/2c/f2/2cf24dba5fb0a30e",
            "ns/blobs/2c/f2/2cf24dba5fb0a30e-2",
            "ns/blobs/2c/f2/2cf24dba5fb0a30e",
            "ns/pages/by-hash/2cf24dba5fb0a30e",
            "ns/intents/2c/f2/2cf24dba5fb0a30e",
            "ns/data/direct/2c/f2/2cf24dba-5fb0-8a30-8000-000000000001.json",
            "ns/data/temporal/2026/11/20/15/2cf24dba-5fb0-8a30-8000-000000000001.json",
            "ns/data/key-based/k/f.json.config",
            "ns/data/temporal-latest/latest/f.json",
        ] {
            let kind = ObjectKind::of(&path.parse().unwrap()).map(|(_, kind)| kind);
            assert_eq!(kind, Some(ObjectKind::Other), "{path}");
        }
    }
}
