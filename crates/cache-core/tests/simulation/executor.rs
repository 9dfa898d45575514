//! Polls tasks that are ready, in an order that follows from the seed. No threads, no time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use fastrand::Rng;

type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// The tasks of a run.
pub struct Executor<T> {
    tasks: Vec<Option<Task<T>>>,
    ready: Arc<Mutex<Vec<usize>>>,
}

struct TaskWaker {
    task: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push(self.task);
    }
}

impl<T> Executor<T> {
    /// No tasks yet.
    pub fn new() -> Self {
        Self { tasks: Vec::new(), ready: Arc::default() }
    }

    /// Adds a task.
    pub fn spawn(&mut self, task: impl Future<Output = T> + 'static) {
        self.tasks.push(Some(Box::pin(task)));
        self.ready.lock().unwrap().push(self.tasks.len() - 1);
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.tasks.iter().flatten().count()
    }

    /// Drops a running task, as when its process crashes. What it has sent to the storage still happens.
    pub fn crash_one(&mut self, rng: &mut Rng) {
        let mut running: Vec<_> = self.tasks.iter_mut().filter(|task| task.is_some()).collect();
        let choice = rng.usize(..running.len());
        *running[choice] = None;
    }

    /// Polls whatever is ready until nothing is, and returns the outputs of the tasks that ended.
    pub fn poll_ready(&mut self, rng: &mut Rng) -> Vec<T> {
        let mut ended = Vec::new();
        loop {
            let task = {
                let mut ready = self.ready.lock().unwrap();
                if ready.is_empty() {
                    return ended;
                }
                let choice = rng.usize(..ready.len());
                ready.swap_remove(choice)
            };
            let waker = Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&self.ready) }));
            let Some(future) = &mut self.tasks[task] else { continue };
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.tasks[task] = None;
                ended.push(output);
            }
        }
    }
}
