//! Whether everybody may read a namespace.
//!
//! Who has no permission on a namespace must not learn from the time of the response whether it exists. So the settings in memory,
//! which are there for namespaces in use, only ever let a caller in. Else the settings are read for this question alone, and the
//! answer is remembered apart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cache_access::keyring::Keyring;
use cache_core::cache::Cache;
use cache_core::error::Error;
use cache_core::ids::Namespace;
use cache_core::time::UnixMillis;

/// How long it is remembered that a namespace is public, or is not.
const PUBLIC_FOR: Duration = Duration::from_secs(60);
const PRIVATE_FOR: Duration = Duration::from_secs(10);
/// How many namespaces are remembered. Beyond it all are dropped, which costs each one GET.
const MAX_NAMESPACES: usize = 10_000;

/// Whether namespaces were public, and when. Those that do not exist are among them.
#[derive(Debug, Default)]
pub struct PublicReads(Mutex<HashMap<Namespace, (bool, UnixMillis)>>);

impl PublicReads {
    /// Whether everybody may read a namespace. Its settings are read with the budget of unknown keys, since anybody can ask.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the storage does not respond, or too many asked.
    pub async fn is_public(
        &self,
        cache: &Cache,
        namespace: &Namespace,
        keyring: &Keyring,
        now: UnixMillis,
    ) -> Result<bool, Error> {
        let of_namespace = cache.namespace(namespace);
        let in_memory = of_namespace.settings_in_memory().map(|settings| settings.public_read);
        match (in_memory, self.get(namespace, now)) {
            (Some(true), _) | (None, Some(true)) => return Ok(true),
            (Some(false) | None, Some(false)) => return Ok(false),
            // It was public, and this process has read since that it is no more.
            (Some(false), Some(true)) | (Some(false) | None, None) => {}
        }
        keyring.admit_unknown()?;
        let is_public = of_namespace.stored_settings().await?.public_read;
        self.insert(namespace, is_public, now);
        Ok(is_public)
    }

    fn get(&self, namespace: &Namespace, now: UnixMillis) -> Option<bool> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_public, read_at) = *known.get(namespace)?;
        let is_fresh = now.distance(read_at) < if is_public { PUBLIC_FOR } else { PRIVATE_FOR };
        is_fresh.then_some(is_public)
    }

    fn insert(&self, namespace: &Namespace, is_public: bool, now: UnixMillis) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_NAMESPACES && !known.contains_key(namespace) {
            known.clear();
        }
        known.insert(namespace.clone(), (is_public, now));
    }
}
