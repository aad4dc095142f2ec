//! Real time in steps of one block.

use std::time::{Duration, Instant};

use super::BLOCK_TIME;
use super::worker::Stop;

/// Further behind than this (the machine slept), the missed blocks are not caught up with.
const TOO_FAR_BEHIND: Duration = Duration::from_millis(300);

/// A clock that ticks every 10 ms without drifting: ticks are counted from the start, not from one another.
#[derive(Debug)]
pub(super) struct Pacer {
    next: Instant,
}

impl Pacer {
    /// Ticks from `start` on.
    pub(super) fn new(start: Instant) -> Self {
        Self { next: start }
    }

    /// Waits for the next tick and returns when it was due; `None` when the thread should end.
    pub(super) fn tick(&mut self, stop: &Stop) -> Option<Instant> {
        if !stop.wait_until(self.next) {
            return None;
        }
        let now = Instant::now();
        if now.saturating_duration_since(self.next) > TOO_FAR_BEHIND {
            self.next = now;
        }
        let due = self.next;
        self.next += BLOCK_TIME;
        Some(due)
    }
}
