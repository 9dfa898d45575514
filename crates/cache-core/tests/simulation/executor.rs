//! Polls tasks that are ready, in an order that follows from the seed. No threads, no time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::chance::Chance;

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

    /// Adds a task, and returns its number.
    pub fn spawn(&mut self, task: impl Future<Output = T> + 'static) -> usize {
        self.tasks.push(Some(Box::pin(task)));
        let number = self.tasks.len() - 1;
        self.ready.lock().unwrap().push(number);
        number
    }

    /// How many tasks are under way.
    pub fn running(&self) -> usize {
        self.tasks.iter().flatten().count()
    }

    /// Drops a task that is under way, as when its client hangs up. What it asked the storage for still happens.
    pub fn stop_one(&mut self, chance: &mut Chance) {
        let mut running: Vec<_> = self.tasks.iter_mut().filter(|task| task.is_some()).collect();
        let choice = chance.below(running.len());
        *running[choice] = None;
    }

    /// Polls whatever is ready until nothing is, and returns what ended.
    pub fn poll_ready(&mut self, chance: &mut Chance) -> Vec<(usize, T)> {
        let mut ended = Vec::new();
        loop {
            let task = {
                let mut ready = self.ready.lock().unwrap();
                if ready.is_empty() {
                    return ended;
                }
                let choice = chance.below(ready.len());
                ready.swap_remove(choice)
            };
            let waker = Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&self.ready) }));
            let Some(future) = &mut self.tasks[task] else { continue };
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.tasks[task] = None;
                ended.push((task, output));
            }
        }
    }
}
