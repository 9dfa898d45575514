//! What a manifest and a key index have in common: both are heads, with pages behind them, that are changed by compare-and-swap.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::manifest::{DecodeError, Encoded, Limits};
use crate::storage::Version;
use crate::time::UnixMillis;

use super::attempt::Attempt;
use super::group_commit::{GroupCommit, Grouped};
use super::intents::IntentEntry;
use super::object_cache::CachedObject;
use super::{NamespaceCache, Shared};

/// An object that is changed by compare-and-swap: a manifest or a key index.
pub(super) trait Head: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// A change of it.
    type Change: Clone + Debug + Send + Sync;
    /// What a change comes to.
    type Outcome: Clone + Debug + Send + Sync;

    /// The state before the first write, for this change.
    fn absent(change: &Self::Change, cache: &NamespaceCache) -> impl Future<Output = Result<Self, Error>> + Send;
    /// Reads an object, or only its head.
    fn parse(bytes: &Bytes, head_only: bool) -> Result<Self, DecodeError>;
    /// The object as stored.
    fn encode(&self) -> Encoded;
    /// Gets it ready to be written.
    fn prepare_write(&mut self, now: UnixMillis);
    /// Moves what is old into a page, and returns its name and bytes.
    fn spill(&mut self, nonce: u64, limits: &Limits) -> Option<(String, Bytes)>;
    /// Makes a change. What it writes and makes obsolete on the way is noted in the attempt.
    fn apply(
        &mut self,
        change: &Self::Change,
        attempt: &mut Attempt<'_>,
    ) -> impl Future<Output = Result<Self::Outcome, Error>> + Send;
    /// What another process needs to make this change to this state, or to a later one; `None` when no other can.
    fn intent(change: &Self::Change, state: Option<&Self>) -> Option<IntentEntry>;
    /// Makes the change of another process, unless it was made already.
    fn apply_intent(
        &mut self,
        intent: &IntentEntry,
        attempt: &mut Attempt<'_>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Where changes of this process gather.
    fn group(shared: &Shared) -> &Arc<GroupCommit<Self>>;
    /// The inverse of [`Head::into_cached`].
    fn from_cached(object: CachedObject) -> Option<(Arc<Self>, Version)>;
    /// The object as it is kept in memory.
    fn into_cached(head: Arc<Self>, version: Version) -> CachedObject;
}

/// A head as it was read, with the version to update. Both are `None` when there was no object.
#[derive(Debug)]
pub(super) struct Loaded<H> {
    pub(super) head: Option<Arc<H>>,
    pub(super) version: Option<Version>,
}

impl<H> Clone for Loaded<H> {
    fn clone(&self) -> Self {
        Self { head: self.head.clone(), version: self.version.clone() }
    }
}

impl<H> Loaded<H> {
    /// There is no object.
    pub(super) fn absent() -> Self {
        Self { head: None, version: None }
    }

    /// The head at this version.
    pub(super) fn at(head: Arc<H>, version: Version) -> Self {
        Self { head: Some(head), version: Some(version) }
    }
}

/// What became of a change.
#[derive(Debug, Clone)]
pub(super) struct Applied<H: Head> {
    pub(super) outcome: H::Outcome,
    /// Whether an attempt of the write had an unknown outcome.
    pub(super) is_ambiguous: bool,
    /// Whether the change was found to have been made before.
    pub(super) found: bool,
    /// The state that was written, or that was found.
    pub(super) state: Loaded<H>,
}

impl<H: Head> Grouped for H {
    type Change = <H as Head>::Change;
    type Applied = Applied<H>;
    type State = Loaded<H>;
}
