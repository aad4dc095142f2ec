//! What is due when. A timer is cancelled when its reason is gone, so there are never more than sockets and members.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{ConnId, Place};

/// What a timer is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// `hello` or `join` is late.
    Conn(ConnId),
    /// A detached member's window is over.
    Member(Place),
}

#[derive(Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, at: Instant, timer: Timer) {
        self.due.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, timer)| timer)
    }
}
