//! The way back: from a key to what lies under it.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::ids::{BlobToken, CacheHash, CacheId, CacheKey, FileId, Namespace};
use crate::storage::ObjectKey;
use crate::strategy::Strategy;

use super::{KeyName, Layout, shards};

/// How a time is spelt in the dated views: by the hour as folders, then minutes, seconds and milliseconds.
const DATED: &str = "%Y/%m/%d/%H/%M%S%3f";
/// A time so spelt has always as many characters.
const DATED_CHARS: usize = "2026/11/20/15/5204123".len();
/// The last millisecond whose year has four digits, so that the order of time is the order of text.
const LAST_DATED_MS: u64 = 253_402_300_799_999;

/// How many hex digits name a key index.
const KEY_INDEX_DIGITS: usize = 32;

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The record of an entry, or its grave.
    Record {
        /// Where the entry lives.
        namespace: Namespace,
        /// The entry.
        cache_id: CacheId,
    },
    /// The dated view of an entry.
    Dated {
        /// Where the entry lives.
        namespace: Namespace,
        /// The entry.
        cache_id: CacheId,
    },
    /// The latest view of a key.
    Latest {
        /// Where its entries live.
        namespace: Namespace,
        /// The key.
        name: KeyName,
    },
    /// A readable copy.
    Readable {
        /// Where its entry lives.
        namespace: Namespace,
        /// The key it was stored under.
        cache_key: Option<CacheKey>,
        /// The file id, or the cache id of an entry that has none.
        file_name: FileId,
    },
    /// A child file of an entry.
    Child {
        /// Where the entry lives.
        namespace: Namespace,
        /// The entry.
        cache_id: CacheId,
    },
    /// A content.
    Blob,
    /// A later content of an entry, or what describes it.
    Revision {
        /// The entry.
        cache_id: CacheId,
    },
    /// A hash index or a key index.
    Index,
    /// A page of an index.
    Page,
    /// The mark of a completed upload.
    UploadMark,
    /// The settings of a namespace.
    Settings,
    /// Nothing that this service puts anywhere.
    Other,
}

/// What lies under a key: the inverse of all functions of [`Layout`].
pub fn classify(key: &ObjectKey) -> Place {
    let (first, below) = key.as_str().split_once('/').unwrap_or_default();
    let Some(namespace) = exactly::<Namespace>(first) else { return Place::Other };
    let key = Key { layout: Layout::new(&namespace), whole: key, below };
    key.place().unwrap_or(Place::Other)
}

/// A key, and what of it is below the namespace.
struct Key<'a> {
    layout: Layout<'a>,
    whole: &'a ObjectKey,
    below: &'a str,
}

impl Key<'_> {
    fn place(&self) -> Option<Place> {
        let below = |folder: &str| self.below.strip_prefix(folder);
        if let Some(file) = below("refs/by-id/") {
            return self.record(file);
        }
        if let Some(file) = below("refs/by-hash/") {
            let hash = file.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
            return self.is(&self.layout.hash_index(&hash)).then_some(Place::Index);
        }
        if let Some(file) = below("refs/by-key/") {
            let digest = file.rsplit('/').next()?.strip_suffix(".json").filter(|digest| is_key_digest(digest))?;
            return (file == format!("{}/{digest}.json", shards(digest))).then_some(Place::Index);
        }
        if let Some(file) = below("blobs/") {
            return is_blob(file).then_some(Place::Blob);
        }
        if let Some(file) = below("pages/") {
            return is_page(file).then_some(Place::Page);
        }
        if let Some(file) = below("uploads/") {
            let id = file.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
            return self.is(&self.layout.upload_mark(id)).then_some(Place::UploadMark);
        }
        if let Some(file) = below("revisions/") {
            return self.revision(file);
        }
        if let Some(file) = below("data/") {
            return self.data(file);
        }
        self.is(&self.layout.settings()).then_some(Place::Settings)
    }

    fn is(&self, key: &ObjectKey) -> bool {
        self.whole == key
    }

    fn namespace(&self) -> Namespace {
        self.layout.namespace.clone()
    }

    fn record(&self, file: &str) -> Option<Place> {
        let cache_id = file.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
        self.is(&self.layout.record(cache_id)).then(|| Place::Record { namespace: self.namespace(), cache_id })
    }

    fn revision(&self, file: &str) -> Option<Place> {
        let (folders, file) = file.rsplit_once('/')?;
        let cache_id = folders.rsplit('/').next()?.parse().ok()?;
        let number = file.strip_suffix(".json").unwrap_or(file).parse().ok()?;
        let known = [self.layout.revision(cache_id, number), self.layout.revision_description(cache_id, number)];
        known.contains(self.whole).then_some(Place::Revision { cache_id })
    }

    /// What is below `data/`.
    fn data(&self, file: &str) -> Option<Place> {
        let (folder, rest) = file.split_once('/')?;
        match folder {
            "children" => self.child(rest),
            "key-based" => self.readable(rest),
            _ => match rest.strip_prefix("latest/") {
                Some(file) if folder == Strategy::TemporalLatest.folder() => self.latest(file),
                _ => self.dated(folder, rest),
            },
        }
    }

    fn child(&self, rest: &str) -> Option<Place> {
        let cache_id = rest.split('/').nth(2)?.parse().ok()?;
        let name = self.whole.as_str().strip_prefix(&self.layout.children(cache_id, None))?;
        let (_, extension) = name.rsplit_once('.')?;
        is_extension(extension).then(|| Place::Child { namespace: self.namespace(), cache_id })
    }

    fn readable(&self, rest: &str) -> Option<Place> {
        let (cache_key, file) = split_key(rest)?;
        let (file_name, extension) = file.rsplit_once('.')?;
        let file_name = exactly(file_name)?;
        is_extension(extension).then(|| Place::Readable { namespace: self.namespace(), cache_key, file_name })
    }

    fn latest(&self, file: &str) -> Option<Place> {
        let (cache_key, file) = split_key(file)?;
        let file_id = exactly(file.strip_suffix(".json")?)?;
        let name = KeyName { strategy: Strategy::TemporalLatest, cache_key: cache_key?, file_id };
        Some(Place::Latest { namespace: self.namespace(), name })
    }

    fn dated(&self, folder: &str, rest: &str) -> Option<Place> {
        let mut dated = Strategy::ALL.into_iter().filter(|strategy| strategy.is_dated());
        let strategy = dated.find(|strategy| strategy.folder() == folder)?;
        let (at_ms, cache_id) = parse_dated_place(rest)?;
        let spelt = self.layout.dated(strategy, at_ms, cache_id);
        self.is(&spelt).then(|| Place::Dated { namespace: self.namespace(), cache_id })
    }
}

/// How a time begins the names in a dated folder. Of times after the year 9999 it is that year's end.
pub(crate) fn dated_place(at_ms: u64) -> String {
    let at = i64::try_from(at_ms.min(LAST_DATED_MS)).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
    at.unwrap_or_default().format(DATED).to_string()
}

/// The time (milliseconds since 1970, UTC) and the entry of a name in a dated folder.
pub(crate) fn parse_dated_place(place: &str) -> Option<(u64, CacheId)> {
    let (at, id) = place.strip_suffix(".json")?.split_at_checked(DATED_CHARS)?;
    let at = NaiveDateTime::parse_from_str(at, DATED).ok()?.and_utc();
    Some((u64::try_from(at.timestamp_millis()).ok()?, id.strip_prefix('-')?.parse().ok()?))
}

/// A file below a cache key, or directly in its folder.
fn split_key(below: &str) -> Option<(Option<CacheKey>, &str)> {
    match below.rsplit_once('/') {
        Some((key, file)) => Some((Some(exactly(key)?), file)),
        None => Some((None, below)),
    }
}

/// A name that needs no cleaning.
fn exactly<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|name: &T| name.to_string() == text)
}

fn is_extension(extension: &str) -> bool {
    matches!(extension, "json" | "txt" | "bin")
}

fn is_key_digest(text: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == KEY_INDEX_DIGITS && text.bytes().all(is_hex)
}

/// `2c/f2/2cf24dba5fb0a30e`, with a token or without.
fn is_blob(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let (hash, token) = name.split_once('-').map_or((name, None), |(hash, token)| (hash, Some(token)));
    hash.parse::<CacheHash>().is_ok_and(|hash| file == format!("{}/{name}", shards(hash.as_str())))
        && token.is_none_or(|token| token.parse::<BlobToken>().is_ok())
}

/// `by-hash/{hash}/{name}.json` or `by-key/{digest}/{name}.json`.
fn is_page(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    let [folder, index, name] = parts[..] else { return false };
    let known = match folder {
        "by-hash" => index.parse::<CacheHash>().is_ok(),
        "by-key" => is_key_digest(index),
        _ => false,
    };
    known && name.ends_with(".json")
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::strategy::ContentKind;

    fn key_names() -> impl proptest::strategy::Strategy<Value = KeyName> {
        let parts =
            (0..5usize, "[a-zA-Z0-9_.-]{0,9}[a-z]([/][a-z][a-z0-9. _-]{0,5}[a-z]){0,3}", "[a-z0-9_-]{0,9}[a-z]");
        parts.prop_map(|(strategy, cache_key, file_id)| KeyName {
            strategy: Strategy::ALL[strategy],
            cache_key: cache_key.parse().unwrap(),
            file_id: file_id.parse().unwrap(),
        })
    }

    proptest! {
        #[test]
        fn whatever_is_spelt_is_known_again(
            namespace in "[a-z0-9_-]{0,9}[a-z]", id: u128, hash in "[0-9a-f]{10,96}", token: u64, number: u64,
            at_ms in 0..LAST_DATED_MS, name in key_names(), kind in 0..4usize,
        ) {
            let namespace: Namespace = namespace.parse().unwrap();
            let layout = Layout::new(&namespace);
            let cache_id = CacheId::from_u128(id);
            let hash: CacheHash = hash.parse().unwrap();
            let kind = ContentKind::ALL[kind];
            let entry = || Place::Record { namespace: namespace.clone(), cache_id };
            let child = || Place::Child { namespace: namespace.clone(), cache_id };
            let dated = || Place::Dated { namespace: namespace.clone(), cache_id };
            let readable = |cache_key: Option<&CacheKey>| Place::Readable {
                namespace: namespace.clone(), cache_key: cache_key.cloned(), file_name: name.file_id.clone(),
            };
            let latest = KeyName { strategy: Strategy::TemporalLatest, ..name.clone() };
            let data_key = name.cache_key.as_str().parse().unwrap();
            let (by_hash, by_key) = (layout.hash_index(&hash), layout.key_index(&name));
            let page = format!("{number}-{token:016x}");
            let spelt = [
                (layout.record(cache_id), entry()),
                (layout.blob(&hash, BlobToken::PLAIN), Place::Blob),
                (layout.blob(&hash, BlobToken::fresh(token)), Place::Blob),
                (layout.upload_mark(cache_id), Place::UploadMark),
                (layout.page(&by_hash, &page), Place::Page),
                (layout.page(&by_key, &page), Place::Page),
                (by_hash, Place::Index),
                (by_key, Place::Index),
                (layout.revision(cache_id, number), Place::Revision { cache_id }),
                (layout.revision_description(cache_id, number), Place::Revision { cache_id }),
                (layout.dated(Strategy::Temporal, at_ms, cache_id), dated()),
                (layout.dated(Strategy::TemporalLatest, at_ms, cache_id), dated()),
                (layout.dated(Strategy::TemporalVersioned, at_ms, cache_id), dated()),
                (layout.latest(&latest).unwrap(), Place::Latest { namespace: namespace.clone(), name: latest.clone() }),
                (layout.readable(Some(&name.cache_key), name.file_id.as_str(), kind).unwrap(), readable(Some(&name.cache_key))),
                (layout.readable(None, name.file_id.as_str(), kind).unwrap(), readable(None)),
                (layout.child(cache_id, None, &name.file_id, kind).unwrap(), child()),
                (layout.child(cache_id, Some(&data_key), &name.file_id, kind).unwrap(), child()),
                (layout.settings(), Place::Settings),
            ];
            for (key, place) in spelt {
                prop_assert_eq!(classify(&key), place, "{}", key);
            }
        }

        #[test]
        fn whatever_is_taken_for_an_entry_is_spelt_like_it(path in "n(/(refs|by-id|data|temporal|00|[0-9a-f]{2}|x)){0,6}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}([.]json)?") {
            let key: ObjectKey = path.parse().unwrap();
            if let Place::Record { namespace, cache_id } = classify(&key) {
                prop_assert_eq!(Layout::new(&namespace).record(cache_id), key);
            }
        }

        #[test]
        fn a_dated_place_is_read_back_and_in_the_order_of_time(at_ms in 0..LAST_DATED_MS, id: u128) {
            let id = CacheId::from_u128(id);
            let place = format!("{}-{id}.json", dated_place(at_ms));
            prop_assert_eq!(parse_dated_place(&place), Some((at_ms, id)));
            prop_assert!(dated_place(at_ms) < place && place < dated_place(at_ms + 1));
        }
    }

    #[test]
    fn no_time_comes_after_the_year_9999() {
        assert_eq!(dated_place(u64::MAX), "9999/12/31/23/5959999");
    }

    #[test]
    fn what_is_nearly_a_key_of_ours_is_something_else() {
        for path in [
            "n",
            "n.s/namespace.json",
            "ns/namespace.json/x",
            "ns/refs/by-id/00/00/2cf24dba-5fb0-8a30-8000-000000000001.json",
            "ns/refs/by-id/2c/f2/2CF24DBA-5fb0-8a30-8000-000000000001.json",
            "ns/refs/by-hash/2c/f2/2cf24dba5fb0a30e",
            "ns/refs/by-key/2c/f2/2cf24dba5fb0a30e.json",
            "ns/blobs/2c/f2/2cf24dba5fb0a30e-2",
            "ns/pages/by-hash/2cf24dba5fb0a30e.json",
            "ns/revisions/2c/f2/2cf24dba-5fb0-8a30-8000-000000000001/one",
            "ns/data/direct/2c/f2/2cf24dba-5fb0-8a30-8000-000000000001.json",
            "ns/data/temporal/2026/11/20/15/2cf24dba-5fb0-8a30-8000-000000000001.json",
            "ns/data/key-based/k/f.json.config",
            "ns/data/temporal-latest/latest/f.json",
        ] {
            assert_eq!(classify(&path.parse().unwrap()), Place::Other, "{path}");
        }
    }
}
