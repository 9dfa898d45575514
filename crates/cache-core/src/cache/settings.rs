//! The settings of a namespace: every store goes by them, so they are kept in memory for a short while; changed by
//! compare-and-swap.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join;

use crate::error::Error;
use crate::ids::Namespace;
use crate::settings::Settings;
use crate::storage::{PutMode, StorageError};
use crate::time::UnixMillis;

use super::NamespaceCache;
use super::backoff::Backoff;

/// Settings of this age are used as they are.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// Settings of this age are still used, but are read again beside the first round trip of the store that uses them. So a change
/// is seen by all processes after two minutes, and no store of a busy process waits for it.
const USABLE_FOR: Duration = Duration::from_secs(2 * 60);
/// How many namespaces are kept at once. Beyond it all are dropped, which costs each one GET.
const MAX_NAMESPACES: usize = 10_000;

/// Settings that were read lately.
#[derive(Debug, Default)]
pub(super) struct SettingsCache(Mutex<HashMap<Namespace, (Settings, UnixMillis)>>);

/// Settings in memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CachedSettings {
    pub(super) settings: Settings,
    /// Whether they should be read again.
    pub(super) is_stale: bool,
}

impl SettingsCache {
    fn get(&self, namespace: &Namespace, now: UnixMillis) -> Option<CachedSettings> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (settings, read_at) = cached.get(namespace)?;
        // A clock that was set back makes the age as wrong as one that was set forward.
        let age = now.distance(*read_at);
        (age < USABLE_FOR).then(|| CachedSettings { settings: settings.clone(), is_stale: age >= FRESH_FOR })
    }

    fn put(&self, namespace: &Namespace, settings: &Settings, now: UnixMillis) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= MAX_NAMESPACES && !cached.contains_key(namespace) {
            cached.clear();
        }
        cached.insert(namespace.clone(), (settings.clone(), now));
    }
}

impl NamespaceCache {
    /// The settings of the namespace as they are now.
    ///
    /// # Errors
    ///
    /// `Corrupt` when they cannot be read.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let read_at = self.cache.now();
        let (settings, _) = try_join(self.stored_settings(), self.may_hold_python_entries()).await?;
        self.cache.shared.settings.put(&self.namespace, &settings, read_at);
        Ok(settings)
    }

    /// As [`NamespaceCache::settings`], with one GET whatever is in memory, and without a trace there: for callers who must not
    /// learn whether the namespace exists.
    ///
    /// # Errors
    ///
    /// `Corrupt` when they cannot be read.
    pub async fn stored_settings(&self) -> Result<Settings, Error> {
        let key = self.layout().settings();
        match self.cache.read(&key).await? {
            None => Ok(Settings::default()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::corrupt(&key, error)),
        }
    }

    /// The settings of the namespace as they were at most two minutes ago, if they are in memory.
    pub fn settings_in_memory(&self) -> Option<Settings> {
        self.cached_settings().map(|cached| cached.settings)
    }

    /// Replaces the settings of the namespace. Other processes go by the old ones for up to two minutes.
    ///
    /// # Errors
    ///
    /// `Invalid` when a value is out of range.
    pub async fn change_settings(&self, settings: &Settings) -> Result<(), Error> {
        settings.check().map_err(|invalid| Error::invalid(invalid.field, invalid.message))?;
        let this = self.with_default_deadline();
        let key = this.layout().settings();
        let mut backoff = Backoff::new(&this.cache);
        loop {
            let head = this.cache.storage.head(&key).await?;
            let mode = head.map_or(PutMode::Create, |head| PutMode::Update(head.version));
            match this.cache.storage.put(&key, settings.to_bytes().into(), mode).await {
                Ok(_) => break,
                Err(StorageError::Precondition { .. }) => backoff.wait(&key).await?,
                Err(error) => return Err(error.into()),
            }
        }
        this.cache.shared.settings.put(&this.namespace, settings, this.cache.now());
        Ok(())
    }

    /// The settings in memory, if they may still be used.
    pub(super) fn cached_settings(&self) -> Option<CachedSettings> {
        self.cache.shared.settings.get(&self.namespace, self.cache.now())
    }

    /// Reads the settings again if they are stale. The operation goes on with the old ones, and with them if this fails.
    pub(super) async fn refresh_settings(&self, cached: Option<&CachedSettings>) {
        if cached.is_some_and(|cached| cached.is_stale)
            && let Err(error) = self.settings().await
        {
            tracing::info!(namespace = %self.namespace, %error, "the settings could not be refreshed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_stale_and_then_unusable_also_when_the_clock_is_set_back() {
        let (cache, namespace) = (SettingsCache::default(), "demo".parse().unwrap());
        let read_at = UnixMillis::new(1_000_000_000);
        cache.put(&namespace, &Settings::default(), read_at);
        let is_stale = |now: UnixMillis| cache.get(&namespace, now).map(|cached| cached.is_stale);
        let ms = Duration::from_millis(1);
        assert_eq!(is_stale(read_at.plus(FRESH_FOR - ms)), Some(false));
        assert_eq!(is_stale(read_at.plus(FRESH_FOR)), Some(true));
        assert_eq!(is_stale(read_at.plus(USABLE_FOR)), None);
        assert_eq!(is_stale(UnixMillis::new(read_at.get() - 86_400_000)), None);
    }
}
