//! Whether the storage answers, for load balancers and orchestrators.
//!
//! Everybody may ask, so the storage is asked once in a while at most, however many ask.

use std::time::Duration;

use cache_core::storage::{ListRequest, Storage};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use cache_core::error::error_chain;

/// How long a response of the storage holds.
const HOLDS_FOR: Duration = Duration::from_secs(5);
/// How long the storage may take. Probes wait about a second by default, so a slow storage is soon not ready.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The last response of the storage.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    /// Whether the storage answered within the last seconds. Requests that ask meanwhile wait for the same response.
    pub async fn check(&self, storage: &dyn Storage) -> bool {
        let mut last = self.0.lock().await;
        if let Some((at, ready)) = *last
            && at.elapsed() < HOLDS_FOR
        {
            return ready;
        }
        let was_ready = last.is_none_or(|(_, ready)| ready);
        let ready = match ask(storage).await {
            Ok(()) => true,
            Err(cause) => {
                if was_ready {
                    tracing::error!("the storage does not answer, so this server is not ready: {cause}");
                }
                false
            }
        };
        if ready && !was_ready {
            tracing::info!("the storage answers again");
        }
        *last = Some((Instant::now(), ready));
        ready
    }
}

/// Asks the storage for one name. That needs the rights that the service needs anyway, and finds a folder or bucket that
/// is gone.
async fn ask(storage: &dyn Storage) -> Result<(), String> {
    let first = ListRequest { limit: 1, ..ListRequest::default() };
    match timeout(TIMEOUT, storage.list(&first)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error_chain(&error)),
        Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_storage::memory::Memory;
    use cache_storage::operation::StorageOp;
    use cache_testing::fault_injection::{Fault, FaultInjectingStorage};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_hangs_is_not_ready_until_it_answers_again() {
        let storage = FaultInjectingStorage::new(Arc::new(Memory::default()));
        storage.once(StorageOp::List, "", Fault::Stuck);
        let readiness = Readiness::default();
        assert!(!readiness.check(&storage).await);
        assert!(!readiness.check(&storage).await, "the answer holds for some seconds");
        tokio::time::advance(HOLDS_FOR).await;
        assert!(readiness.check(&storage).await);
    }
}
