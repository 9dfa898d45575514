//! Bounds the bytes of bodies and contents that all requests together hold in memory.
//!
//! Each request has a permit, which starts at 0 bytes. It grows before the request receives a body (by the length of the body, or with
//! it), and before it reads a content of more than [`crate::redirect::MAX_UNCOUNTED_READ_BYTES`]. Any other response is counted when it
//! is made. The permit is released when the caller has received the response. When the capacity is used up, requests queue in their
//! order; one that waits too long is a 503. Small requests do not queue behind large ones: some capacity is reserved for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use http::Extensions;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::guarded_body::GuardedBody;
use crate::problem::Problem;

/// The unit in which permits are counted, in bytes.
const UNIT_BYTES: u64 = 1 << 10;
/// Bodies and responses of up to so many bytes are not counted: the limit of connections bounds them.
const FREE_BYTES: u64 = 16 << 10;
/// The capacity that is reserved for small requests, beyond that for all.
const SMALL_CAPACITY_BYTES: u64 = 4 << 20;
/// Up to how many bytes a request may take from there.
const SMALL_BYTES: u64 = 256 << 10;
/// How long a request waits for capacity.
const WAIT: Duration = Duration::from_secs(5);

/// The bytes that all requests together may hold in memory.
#[derive(Debug)]
pub struct InFlightBytes {
    capacity: Arc<Semaphore>,
    small_capacity: Arc<Semaphore>,
    units: u32,
}

impl InFlightBytes {
    /// A capacity of so many bytes.
    pub fn new(max_bytes: u64) -> Self {
        let units =
            u32::try_from(max_bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        let small_units = (SMALL_CAPACITY_BYTES / UNIT_BYTES) as usize;
        let [capacity, small_capacity] = [units as usize, small_units].map(|units| Arc::new(Semaphore::new(units)));
        Self { capacity, small_capacity, units }
    }

    /// The permit of a new request, for 0 bytes.
    pub fn permit(&self) -> BytesPermit {
        let (capacity, small_capacity) = (Arc::clone(&self.capacity), Arc::clone(&self.small_capacity));
        BytesPermit { capacity, small_capacity, all: self.units, held: Arc::default() }
    }
}

/// How much of a response with a streamed body is in memory at once, in bytes: an extension of the response.
#[derive(Debug, Clone, Copy)]
pub struct StreamedBytes(pub u64);

/// The bytes that one request may hold in memory. Clones are the same permit; dropping the last one releases it.
#[derive(Debug, Clone)]
pub struct BytesPermit {
    capacity: Arc<Semaphore>,
    small_capacity: Arc<Semaphore>,
    all: u32,
    held: Arc<Mutex<Vec<OwnedSemaphorePermit>>>,
}

impl BytesPermit {
    /// The permit of the request with these extensions; `None` in tests of a handler alone.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().cloned()
    }

    /// Waits until the permit is for at least so many bytes.
    ///
    /// # Errors
    ///
    /// 503 when the capacity is not free in time.
    pub async fn reserve(&self, bytes: u64) -> Result<(), Problem> {
        let missing = self.units(bytes).saturating_sub(self.held());
        if missing == 0 {
            return Ok(());
        }
        // The semaphores are never closed.
        let Ok(Ok(more)) = timeout(WAIT, self.acquire(missing, bytes)).await else {
            return Err(Problem::no_room_in_memory());
        };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(more);
        Ok(())
    }

    /// Acquires so many units for a permit of so many bytes.
    async fn acquire(&self, units: u32, bytes: u64) -> Result<OwnedSemaphorePermit, AcquireError> {
        if bytes > SMALL_BYTES {
            return Arc::clone(&self.capacity).acquire_many_owned(units).await;
        }
        // It is refused while others wait.
        match Arc::clone(&self.capacity).try_acquire_many_owned(units) {
            Ok(permit) => Ok(permit),
            Err(_) => Arc::clone(&self.small_capacity).acquire_many_owned(units).await,
        }
    }

    /// The response, which keeps the permit until it has been sent. What the permit has beyond the bytes that the response holds
    /// is released.
    ///
    /// # Errors
    ///
    /// As [`BytesPermit::reserve`].
    pub async fn keep_with(self, response: Response) -> Result<Response, Problem> {
        let streamed = response.extensions().get().map(|StreamedBytes(bytes)| *bytes);
        let size = streamed.unwrap_or_else(|| response.body().size_hint().lower());
        self.reserve(size).await?;
        // A use case that goes on after the response has the body still.
        if Arc::strong_count(&self.held) == 1 {
            self.release_all_but(size);
        }
        if self.held() == 0 {
            return Ok(response);
        }
        Ok(response.map(|body| Body::new(GuardedBody::new(body, self))))
    }

    fn release_all_but(&self, bytes: u64) {
        let mut excess = self.held().saturating_sub(self.units(bytes)) as usize;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(last) = held.last_mut().filter(|_| excess > 0) {
            let released = excess.min(last.num_permits());
            drop(last.split(released));
            excess -= released;
            held.pop_if(|last| last.num_permits() == 0);
        }
    }

    fn held(&self) -> u32 {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let units: usize = held.iter().map(OwnedSemaphorePermit::num_permits).sum();
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// A content may be larger than the whole capacity, if it was stored under a higher limit: then it takes all of it.
    fn units(&self, bytes: u64) -> u32 {
        match bytes {
            0..=FREE_BYTES => 0,
            _ => u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.all),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_room_and_is_503_in_the_end() {
        let all = InFlightBytes::new(4 * MIB);
        let (first, second) = (all.permit(), all.permit());
        first.reserve(3 * MIB).await.unwrap();
        first.reserve(2 * MIB).await.unwrap();
        second.reserve(MIB).await.unwrap();
        assert_eq!(second.reserve(2 * MIB).await.unwrap_err().status(), 503);
        drop(first);
        second.reserve(2 * MIB).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_keeps_its_share_until_it_is_sent() {
        let all = InFlightBytes::new(4 * MIB);
        let permit = all.permit();
        permit.reserve(4 * MIB).await.unwrap();
        let response = permit.keep_with(vec![0; 3 << 20].into_response()).await.unwrap();
        assert_eq!(all.capacity.available_permits(), 1 << 10);
        drop(response);
        assert_eq!(all.capacity.available_permits(), 4 << 10);
    }

    #[tokio::test(start_paused = true)]
    async fn small_requests_do_not_wait_for_large_ones() {
        let all = InFlightBytes::new(4 * MIB);
        let (first, waiting) = (all.permit(), all.permit());
        first.reserve(3 * MIB).await.unwrap();
        let mut waits = std::pin::pin!(waiting.reserve(2 * MIB));
        assert!(futures::poll!(waits.as_mut()).is_pending());
        let small: Vec<_> = (0..16).map(|_| all.permit()).collect();
        for permit in &small {
            assert!(futures::poll!(std::pin::pin!(permit.reserve(SMALL_BYTES))).is_ready());
        }
        assert!(
            futures::poll!(std::pin::pin!(all.permit().reserve(SMALL_BYTES))).is_pending(),
            "their capacity is full, too"
        );
        drop(first);
        waits.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn large_requests_are_served_in_the_order_in_which_they_came() {
        let all = InFlightBytes::new(4 * MIB);
        let (first, second, third) = (all.permit(), all.permit(), all.permit());
        first.reserve(3 * MIB).await.unwrap();
        let mut second_waits = Box::pin(second.reserve(4 * MIB));
        assert!(futures::poll!(second_waits.as_mut()).is_pending());
        let mut third_waits = Box::pin(third.reserve(MIB));
        assert!(futures::poll!(third_waits.as_mut()).is_pending(), "there is capacity, but the second came first");
        drop(first);
        second_waits.await.unwrap();
        assert!(futures::poll!(third_waits.as_mut()).is_pending());
        drop(second);
        third_waits.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_has_grown_is_released_to_both_capacities() {
        let all = InFlightBytes::new(MIB);
        let free = || (all.capacity.available_permits(), all.small_capacity.available_permits());
        let before = free();
        let filling = all.permit();
        filling.reserve(MIB).await.unwrap();
        let permit = all.permit();
        permit.reserve(SMALL_BYTES / 2).await.unwrap();
        drop(filling);
        permit.reserve(MIB).await.unwrap();
        assert_eq!(permit.held(), 1 << 10);
        let response = permit.keep_with(vec![0; 100 << 10].into_response()).await.unwrap();
        assert_eq!(before.0 - free().0 + before.1 - free().1, 100);
        drop(response);
        assert_eq!(free(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_all_room_takes_all() {
        let all = InFlightBytes::new(4 * MIB);
        all.permit().reserve(9 * MIB).await.unwrap();
        let permit = all.permit();
        permit.reserve(9 * MIB).await.unwrap();
        assert_eq!(all.capacity.available_permits(), 0);
    }
}
