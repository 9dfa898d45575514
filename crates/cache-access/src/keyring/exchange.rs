//! How processes tell each other how much a key was used: see [`crate::usage`].

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cache_core::error::Error;
use cache_core::layout::reserved;
use cache_core::storage::{
    GetOptions, GetResult, InvalidObjectKey, ListRequest, ListedObject, ObjectKey, PutMode, Version,
};
use cache_core::time::UnixMillis;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::{CONCURRENCY, Keyring};
use crate::api_key::KeyId;
use crate::usage::{Counted, Due, IN_USE_FOR, Others};

/// How long it is kept how much a key was used on a day. When it was used last is kept longer.
const KEEP_USAGE: Duration = Duration::from_secs(40 * 24 * 60 * 60);
/// How many objects one LIST returns.
const PAGE: usize = 1000;

impl Keyring {
    /// Writes down how much this process has used a key, and reads what others have if that matters for its limits.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond. It is tried again when it is due next.
    pub async fn exchange_usage(&self, due: &Due) -> Result<(), Error> {
        let own = reserved::usage(due.id.as_str(), due.day, &self.shared.process);
        let bytes = serde_json::to_vec(&due.counted).unwrap_or_default();
        self.storage.put(&own, bytes.into(), PutMode::Overwrite).await?;
        if !due.has_limits {
            return Ok(());
        }
        let now = self.now();
        let objects = self.list_all(&reserved::usage_of_day(due.id.as_str(), due.day)).await?;
        let usage = self.usage(&due.id);
        let known = usage.others().read;
        let processes =
            objects.iter().filter(|object| object.key == own.as_str() || now.distance(object.modified) < IN_USE_FOR);
        let processes = processes.count() as u64;
        let others = objects.into_iter().filter(|object| object.key != own.as_str());
        let known = &known;
        let read: HashMap<_, _> = stream::iter(others)
            .map(|object| async move {
                match known.get(&object.key) {
                    Some((version, counted)) if *version == object.version => {
                        Ok((object.key, (version.clone(), *counted)))
                    }
                    Some(_) | None => self.read_usage(object).await,
                }
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let bytes = read.values().map(|(_, counted)| counted.bytes).sum();
        usage.set_others(due.day, Others { bytes, processes: processes.max(1), read });
        Ok(())
    }

    /// When a key was used last, exact to an hour, or a minute if it has limits.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond.
    pub async fn last_used_at(&self, id: &KeyId) -> Result<Option<UnixMillis>, Error> {
        let objects = self.list_all(&reserved::usage_of_key(id.as_str())).await?;
        Ok(objects.into_iter().map(|object| object.modified).max())
    }

    /// Removes how much keys were used more than 40 days ago, but not when each was used last, and all of keys that were deleted.
    /// Returns how many objects it removed.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond. What was removed until then stays removed.
    pub async fn sweep_usage(&self) -> Result<usize, Error> {
        let now = self.now();
        let keys = self.list_all(reserved::API_KEYS).await?;
        let keys = keys.iter().filter_map(|object| reserved::api_key_digest(&object.key.parse().ok()?));
        let ids: HashSet<KeyId> = keys.map(|digest| KeyId::of(&digest)).collect();
        let objects = self.list_all(reserved::USAGE).await?;
        let mut newest: HashMap<&str, UnixMillis> = HashMap::new();
        for object in &objects {
            let newest = newest.entry(reserved::key_of_usage(&object.key)).or_default();
            *newest = object.modified.max(*newest);
        }
        let is_old = |object: &&ListedObject| {
            let key = reserved::key_of_usage(&object.key);
            let is_of_a_key = key.parse().is_ok_and(|id: KeyId| ids.contains(&id));
            let is_last = newest.get(key) == Some(&object.modified);
            now.since(object.modified) > KEEP_USAGE && !(is_of_a_key && is_last)
        };
        let old: Vec<ObjectKey> = objects.iter().filter(is_old).filter_map(|object| object.key.parse().ok()).collect();
        let count = old.len();
        let deletes = stream::iter(old).map(|key| async move { self.storage.delete(&key).await });
        deletes.buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await?;
        Ok(count)
    }

    async fn read_usage(&self, object: ListedObject) -> Result<(String, (Version, Counted)), Error> {
        let key: ObjectKey = object.key.parse().map_err(|error: InvalidObjectKey| Error::Corrupt {
            object: object.key.clone(),
            problem: error.to_string(),
        })?;
        let found = self.storage.get(&key, &GetOptions::default()).await?.and_then(GetResult::into_object);
        let counted = found.and_then(|found| serde_json::from_slice(&found.bytes).ok()).unwrap_or_default();
        Ok((object.key, (object.version, counted)))
    }

    async fn list_all(&self, prefix: &str) -> Result<Vec<ListedObject>, Error> {
        let mut all = Vec::new();
        let mut start_after = None;
        loop {
            let request = ListRequest { prefix: prefix.to_owned(), start_after, limit: PAGE, delimiter: false };
            let page = self.storage.list(&request).await?;
            all.extend(page.objects);
            match page.next {
                Some(next) => start_after = Some(next),
                None => return Ok(all),
            }
        }
    }
}
