//! The quotas of a namespace: how many entries, and how many bytes of contents.
//!
//! Each process counts what it stores, and looks once a minute what there is. So several processes together may go beyond a quota
//! by what they store in a minute. Namespaces without a quota pay nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::ids::Namespace;
use crate::settings::Settings;
use crate::time::UnixMillis;

use super::NamespaceCache;

/// How long a process goes by what it has seen.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// What the namespaces with quotas hold, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct QuotaTable(Mutex<HashMap<Namespace, Held>>);

#[derive(Debug, Clone, Copy)]
struct Held {
    entries: u64,
    bytes: u64,
    seen_at: UnixMillis,
}

impl NamespaceCache {
    /// Counts a store of so many bytes, or refuses it because it goes beyond a quota.
    pub(super) async fn check_quota(&self, settings: &Settings, bytes: u64) -> Result<(), Error> {
        if settings.max_entries.is_none() && settings.max_bytes.is_none() {
            return Ok(());
        }
        let (table, now) = (&self.cache.shared.quotas, self.cache.now());
        if let Some(held) = table.count(&self.namespace, settings, bytes, now) {
            return held;
        }
        let stats = Box::pin(self.stats()).await?;
        let held = Held { entries: stats.ids, bytes: stats.bytes, seen_at: now };
        table.lock().insert(self.namespace.clone(), held);
        table.count(&self.namespace, settings, bytes, now).unwrap_or(Ok(()))
    }
}

impl QuotaTable {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Namespace, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when it has to be looked what there is.
    fn count(
        &self,
        namespace: &Namespace,
        settings: &Settings,
        bytes: u64,
        now: UnixMillis,
    ) -> Option<Result<(), Error>> {
        let mut table = self.lock();
        let held = table.get_mut(namespace).filter(|held| now.distance(held.seen_at) < FRESH_FOR)?;
        let (entries, all) = (held.entries.saturating_add(1), held.bytes.saturating_add(bytes));
        for (what, would_be, quota) in [("entries", entries, settings.max_entries), ("bytes", all, settings.max_bytes)]
        {
            if let Some(quota) = quota.filter(|quota| would_be > *quota) {
                let message = format!(
                    "namespace '{namespace}' would have {would_be} {what}, and its quota is {quota}: delete some, or raise \
                     'max_{what}' in its settings"
                );
                return Some(Err(Error::QuotaExceeded(message)));
            }
        }
        (held.entries, held.bytes) = (entries, all);
        Some(Ok(()))
    }
}
