//! Settings: read by every store, so they are remembered for a short while; changed by compare-and-swap.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::ids::Namespace;
use crate::layout::Layout;
use crate::settings::Settings;
use crate::storage::{PutMode, StorageError};

use super::Cache;
use super::swap::Pause;

/// How long settings are remembered, in milliseconds: a change is seen by all processes after that.
const REMEMBERED_MS: u64 = 60_000;
/// How many namespaces are remembered at once. Beyond it all are forgotten, which costs each one call.
const MOST_REMEMBERED: usize = 10_000;

/// Settings that were read lately.
#[derive(Debug, Default)]
pub(super) struct RememberedSettings(Mutex<HashMap<Namespace, (Settings, u64)>>);

impl RememberedSettings {
    fn get(&self, namespace: &Namespace, now_ms: u64) -> Option<Settings> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (settings, read_at) = remembered.get(namespace)?;
        (now_ms < read_at + REMEMBERED_MS).then(|| settings.clone())
    }

    fn put(&self, namespace: &Namespace, settings: &Settings, now_ms: u64) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED && !remembered.contains_key(namespace) {
            remembered.clear();
        }
        remembered.insert(namespace.clone(), (settings.clone(), now_ms));
    }
}

impl Cache {
    /// The settings of a namespace as they are now.
    pub async fn settings(&self, namespace: &Namespace) -> Result<Settings, Error> {
        let key = Layout::new(namespace).settings();
        let settings = match self.read(&key).await? {
            None => Settings::default(),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::corrupt(&key, error))?,
        };
        self.remembered_settings.put(namespace, &settings, self.surroundings.now_ms());
        Ok(settings)
    }

    /// Replaces the settings of a namespace. Other processes go by the old ones for up to a minute.
    ///
    /// Errors: `Invalid` when a value is out of range.
    pub async fn change_settings(&self, namespace: &Namespace, settings: &Settings) -> Result<(), Error> {
        settings.check().map_err(|(field, message)| Error::Invalid { field, message })?;
        let cache = self.begin();
        let key = Layout::new(namespace).settings();
        let mut pause = Pause::new(&cache);
        loop {
            let mode = cache.storage.head(&key).await?.map_or(PutMode::Create, |head| PutMode::Replace(head.version));
            match cache.storage.put(&key, settings.to_bytes().into(), mode).await {
                Ok(_) => break,
                Err(StorageError::Conflict { .. }) => pause.wait(&key).await?,
                Err(error) => return Err(error.into()),
            }
        }
        cache.remembered_settings.put(namespace, settings, cache.surroundings.now_ms());
        Ok(())
    }

    /// The settings that were read within the last minute, if any.
    pub(super) fn remembered_settings(&self, namespace: &Namespace) -> Option<Settings> {
        self.remembered_settings.get(namespace, self.surroundings.now_ms())
    }
}
