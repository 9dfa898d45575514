//! One thread that writes for all callers of a process. What arrives while it writes is written together next: that is
//! group commit, and it makes one flush to the disk serve many callers.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use cache_core::storage::{ObjectKey, PutMode, StorageError, Version};
use tokio::sync::oneshot;

/// Most writes that are committed together.
const MAX_WRITES: usize = 512;
/// No further write joins a commit that has this many bytes of content.
const MAX_BYTES: usize = 16 << 20;

/// A change of one object. `C` is its content, as the backend writes it.
pub(crate) enum Change<C> {
    Put { content: C, mode: PutMode },
    Delete,
}

/// The version that an object has after a change; `None` after a delete.
pub(crate) type Outcome = Result<Option<Version>, StorageError>;

/// A change whose caller waits for the outcome.
pub(crate) struct Write<C> {
    pub(crate) key: ObjectKey,
    pub(crate) change: Change<C>,
    bytes: usize,
    caller: oneshot::Sender<Outcome>,
}

impl<C> Write<C> {
    /// Whether the caller no longer waits: its request has reached its deadline.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    /// Size of the content.
    #[cfg(feature = "sqlite")]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Tells the caller.
    pub(crate) fn answer(self, outcome: Outcome) {
        // A caller that no longer waits cannot be told.
        drop(self.caller.send(outcome));
    }
}

/// Commits changes together.
pub(crate) trait Committer<C>: Send + 'static {
    /// Applies these changes in their order, and answers each of them when all are durable.
    fn commit(&mut self, writes: Vec<Write<C>>);
}

/// The way to the thread. Dropping it waits until the thread has ended.
pub(crate) struct WriteQueue<C> {
    writes: Option<Sender<Write<C>>>,
    thread: Option<JoinHandle<()>>,
}

impl<C: Send + 'static> WriteQueue<C> {
    /// Starts the thread.
    pub(crate) fn start(name: &str, mut committer: impl Committer<C>) -> io::Result<Self> {
        let (writes, queue) = channel();
        let run = move || {
            while let Some(together) = next(&queue) {
                committer.commit(together);
            }
        };
        let thread = Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { writes: Some(writes), thread: Some(thread) })
    }

    /// Writes an object of this many bytes.
    pub(crate) async fn put(
        &self,
        key: &ObjectKey,
        content: C,
        bytes: usize,
        mode: PutMode,
    ) -> Result<Version, StorageError> {
        let outcome = self.write(key, Change::Put { content, mode }, bytes).await?;
        outcome.ok_or_else(|| unavailable(key))
    }

    /// Removes an object.
    pub(crate) async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.write(key, Change::Delete, 0).await.map(drop)
    }

    async fn write(&self, key: &ObjectKey, change: Change<C>, bytes: usize) -> Outcome {
        let (caller, outcome) = oneshot::channel();
        let write = Write { key: key.clone(), change, bytes, caller };
        let sent = self.writes.as_ref().is_some_and(|writes| writes.send(write).is_ok());
        if !sent {
            return Err(unavailable(key));
        }
        outcome.await.unwrap_or_else(|_| Err(unavailable(key)))
    }
}

impl<C> Drop for WriteQueue<C> {
    fn drop(&mut self) {
        drop(self.writes.take());
        // A thread that panicked has said so.
        self.thread.take().map(JoinHandle::join);
    }
}

/// The writes that wait, at least one; `None` when no more can come. Those whose caller no longer waits are left out:
/// nobody learns their outcome.
fn next<C>(queue: &Receiver<Write<C>>) -> Option<Vec<Write<C>>> {
    let first = queue.recv().ok()?;
    let mut bytes = first.bytes;
    let mut together = vec![first];
    while together.len() < MAX_WRITES && bytes < MAX_BYTES {
        let Ok(write) = queue.try_recv() else { break };
        bytes += write.bytes;
        together.push(write);
    }
    together.retain(|write| !write.is_abandoned());
    Some(together)
}

fn unavailable(key: &ObjectKey) -> StorageError {
    StorageError::Unavailable { key: key.to_string(), source: "the thread that writes has ended".into() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender as Reports, channel as reports};

    use futures::FutureExt;
    use futures::future::join_all;

    use super::*;

    /// Reports how many writes came together, each time it is let go on.
    struct Slow {
        go_on: Receiver<()>,
        together: Reports<usize>,
    }

    impl Committer<()> for Slow {
        fn commit(&mut self, writes: Vec<Write<()>>) {
            self.together.send(writes.len()).unwrap();
            self.go_on.recv().unwrap();
            writes.into_iter().for_each(|write| write.answer(Ok(Some(Version::new("1")))));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_comes_during_a_commit_is_committed_together() {
        let (let_go, go_on) = reports();
        let (together, sizes) = reports();
        let queue = WriteQueue::start("test", Slow { go_on, together }).unwrap();
        let key: ObjectKey = "a".parse().unwrap();
        let put = || queue.put(&key, (), 1, PutMode::Overwrite);
        let mut first = Box::pin(put());
        assert!(first.as_mut().now_or_never().is_none());
        assert_eq!(sizes.recv().unwrap(), 1);
        let mut rest = Box::pin(join_all((0..9).map(|_| put())));
        assert!(rest.as_mut().now_or_never().is_none());
        // Its caller gives up before its turn.
        assert!(put().now_or_never().is_none());
        let_go.send(()).unwrap();
        let_go.send(()).unwrap();
        first.await.unwrap();
        assert!(rest.await.iter().all(Result::is_ok));
        assert_eq!(sizes.recv().unwrap(), 9);
    }
}
