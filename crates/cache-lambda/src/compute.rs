//! Work that takes the processor for long: it runs beside the threads that answer requests, a limited amount at once.

use std::panic;
use std::sync::LazyLock;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tracing::Span;

use crate::problem::Problem;

/// A body of more bytes takes longer to parse and hash than a hop to another thread.
const LONG_BODY_BYTES: usize = 256 << 10;

/// Long bodies at once: one for each processor, since more would only take turns.
static BODIES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(processors()));

/// Work on archives at once. It also waits for the storage, so there may be more; but the storage needs threads of the same
/// pool, and must always find some.
static ARCHIVES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2 * processors()));

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Runs work on an archive on another thread when it is its turn.
///
/// # Errors
///
/// When the process ends before.
pub async fn on_archive<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    run(&ARCHIVES, work).await
}

/// Runs work on a body of this size: here if it is short, else on another thread when it is its turn.
///
/// # Errors
///
/// When the process ends before.
pub async fn on_body<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    if size > LONG_BODY_BYTES { run(&BODIES, work).await } else { Ok(work()) }
}

async fn run<T: Send + 'static>(
    permits: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    // The semaphore is never closed.
    let _permit = permits.acquire().await.map_err(|error| Problem::internal(error.to_string()))?;
    let span = Span::current();
    joined(spawn_blocking(move || span.in_scope(work)).await)
}

/// The result of a task; a panic is resumed here.
///
/// # Errors
///
/// 500 when the task was cancelled, because the process ends.
pub fn joined<T>(done: Result<T, JoinError>) -> Result<T, Problem> {
    done.or_else(|error| match error.try_into_panic() {
        Ok(panicked) => panic::resume_unwind(panicked),
        Err(cancelled) => Err(Problem::internal(cancelled.to_string())),
    })
}
