//! Hand-over of live pictures: the newest one wins.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A place for one value. A new value replaces one that nobody took, because a late picture is worth nothing; what was
/// replaced is counted.
#[derive(Debug)]
pub struct LatestSlot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    replaced: u64,
    closed: bool,
}

/// What waiting on a slot gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest value.
    Value(T),
    /// Nothing came in time.
    TimedOut,
    /// The slot was closed and is empty.
    Closed,
}

impl<T> Default for LatestSlot<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { value: None, replaced: 0, closed: false }), changed: Condvar::new() }
    }
}

impl<T> LatestSlot<T> {
    /// Puts a value, replacing one that was not taken. Ignored after [`close`](Self::close).
    pub fn put(&self, value: T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return;
        }
        state.replaced += u64::from(state.value.replace(value).is_some());
        self.changed.notify_all();
    }

    /// Takes the value if there is one.
    pub fn try_take(&self) -> Option<T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).value.take()
    }

    /// Waits at most `timeout` for a value and takes it.
    pub fn take(&self, timeout: Duration) -> Taken<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = state.value.take() {
                return Taken::Value(value);
            }
            if state.closed {
                return Taken::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::TimedOut;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many values were replaced before anybody took them.
    pub fn replaced(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).replaced
    }

    /// Ends the slot: waiters wake up, later values are ignored.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_wins_and_replaced_are_counted() {
        let slot = LatestSlot::default();
        slot.put(1);
        slot.put(2);
        assert_eq!(slot.replaced(), 1);
        assert_eq!(slot.take(Duration::ZERO), Taken::Value(2));
        assert_eq!(slot.take(Duration::ZERO), Taken::TimedOut);
        slot.close();
        slot.put(3);
        assert_eq!(slot.take(Duration::from_secs(5)), Taken::Closed);
    }
}
