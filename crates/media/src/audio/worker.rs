//! A thread that can be told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long dropping a worker waits for its thread. A sound system that hangs must not hang the program: past this the
/// thread is left to end by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A running thread. Dropping it stops the thread and waits for it to end.
#[derive(Debug)]
pub(super) struct Worker {
    stop: Stop,
    thread: Option<Thread>,
    ended: Receiver<()>,
}

/// What a worker's thread asks whether to go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Worker {
    /// Runs `work` on a new thread.
    pub(super) fn spawn(name: &str, work: impl FnOnce(&Stop) + Send + 'static) -> Self {
        let stop = Stop::default();
        let theirs = stop.clone();
        // One message at most, and none is ever sent: the channel closes when the thread ends, even by a panic.
        let (alive, ended) = sync_channel::<()>(1);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _alive = alive;
            work(&theirs);
        });
        let thread = spawned
            .inspect_err(|error| tracing::error!(name, %error, "cannot start a thread"))
            .ok()
            .map(|handle| handle.thread().clone());
        Self { stop, thread, ended }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Release);
        let Some(thread) = &self.thread else { return };
        thread.unpark();
        if thread.id() == thread::current().id() {
            return;
        }
        if self.ended.recv_timeout(STOP_PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("a sound thread does not end");
        }
    }
}

impl Stop {
    /// Whether the thread should end.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Waits until `deadline` or the end; `true` when the thread should go on.
    pub(super) fn wait_until(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.is_set() || left.is_zero() {
                return !self.is_set();
            }
            thread::park_timeout(left);
        }
    }

    /// Waits for `time` or the end; `true` when the thread should go on.
    pub(super) fn wait(&self, time: Duration) -> bool {
        self.wait_until(Instant::now() + time)
    }
}
