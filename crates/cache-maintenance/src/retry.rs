//! Calls that may succeed if they are made again. Each of them may be: nothing here depends on what an earlier one did.

use std::time::Duration;

use cache_core::storage::StorageError;

/// How often a call is made at most.
const MAX_ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Makes a call again while the storage does not respond, for some seconds.
pub(crate) async fn retry<T, F>(call: impl Fn() -> F) -> Result<T, StorageError>
where
    F: Future<Output = Result<T, StorageError>>,
{
    for attempt in 1..MAX_ATTEMPTS {
        match call().await {
            Err(StorageError::Unavailable { key, source }) => {
                tracing::warn!(key, %source, attempt, "the storage did not respond: trying again");
                tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            result => return result,
        }
    }
    call().await
}
