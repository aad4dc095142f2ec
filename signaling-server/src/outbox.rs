//! What waits to be written to one socket. The hub puts in without waiting, the socket's task takes out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eyeline_protocol::limits::{OUTBOUND_BYTES_MAX, OUTBOUND_FRAMES_MAX};
use tokio::sync::Notify;

use crate::rooms::CloseReason;

/// Bounded by [`OUTBOUND_FRAMES_MAX`] and [`OUTBOUND_BYTES_MAX`]; when it is full the socket is closed (its member may
/// resume). What is sent again after a resume does not count: it is bounded by the member's inbox.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    aborted: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    counted_frames: usize,
    counted_bytes: usize,
    close: Option<CloseReason>,
}

struct Frame {
    text: String,
    counted: bool,
}

/// The socket's next step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write this.
    Frame(String),
    /// Close; nothing comes after it.
    Close(CloseReason),
}

/// The reader is too slow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutboxFull;

impl Outbox {
    /// Queues a frame; after [`Outbox::close`] it is dropped.
    pub(crate) fn push(&self, text: String, replay: bool) -> Result<(), OutboxFull> {
        let mut state = self.lock();
        if state.close.is_some() {
            return Ok(());
        }
        if !replay {
            let bytes = state.counted_bytes + text.len();
            if state.counted_frames >= OUTBOUND_FRAMES_MAX || bytes > OUTBOUND_BYTES_MAX {
                return Err(OutboxFull);
            }
            state.counted_frames += 1;
            state.counted_bytes = bytes;
        }
        state.frames.push_back(Frame { text, counted: !replay });
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Closes after what is queued; the first reason counts.
    pub(crate) fn close(&self, why: CloseReason) {
        self.lock().close.get_or_insert(why);
        self.wake.notify_one();
    }

    /// Closes without what is queued: the other side does not read it anyway.
    pub(crate) fn abort(&self, why: CloseReason) {
        let mut state = self.lock();
        state.frames.clear();
        state.close.get_or_insert(why);
        drop(state);
        self.wake.notify_one();
        self.aborted.notify_one();
    }

    /// Waits for [`Outbox::abort`], so that a write which makes no progress can be given up. Cancel safe.
    pub(crate) async fn aborted(&self) {
        self.aborted.notified().await;
    }

    /// Waits for the next step. Cancel safe; for one task.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    fn pop(&self) -> Option<Next> {
        let mut state = self.lock();
        let Some(frame) = state.frames.pop_front() else { return state.close.map(Next::Close) };
        if frame.counted {
            state.counted_frames -= 1;
            state.counted_bytes -= frame.text.len();
        }
        Some(Next::Frame(frame.text))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No section panics half-way through a change, so a poisoned lock still guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_bounded_in_frames_and_bytes_and_replay_does_not_count() {
        let outbox = Outbox::default();
        for _ in 0..OUTBOUND_FRAMES_MAX {
            assert_eq!(outbox.push("replayed".into(), true), Ok(()));
        }
        for _ in 0..OUTBOUND_FRAMES_MAX {
            assert_eq!(outbox.push("a".into(), false), Ok(()));
        }
        assert_eq!(outbox.push("b".into(), false), Err(OutboxFull));
        assert_eq!(outbox.next().await, Next::Frame("replayed".into()));
        assert_eq!(outbox.push("b".into(), false), Err(OutboxFull));
        while outbox.lock().counted_frames > 0 {
            outbox.next().await;
        }
        assert_eq!(outbox.push("x".repeat(OUTBOUND_BYTES_MAX), false), Ok(()));
        assert_eq!(outbox.push("y".into(), false), Err(OutboxFull));
    }

    #[tokio::test]
    async fn closing_comes_last_and_aborting_at_once() {
        let outbox = Outbox::default();
        outbox.push("a".into(), false).unwrap();
        outbox.close(CloseReason::Bye);
        outbox.push("too late".into(), false).unwrap();
        assert_eq!(outbox.next().await, Next::Frame("a".into()));
        assert_eq!(outbox.next().await, Next::Close(CloseReason::Bye));

        let outbox = Outbox::default();
        outbox.push("a".into(), false).unwrap();
        outbox.abort(CloseReason::TooSlow);
        assert_eq!(outbox.next().await, Next::Close(CloseReason::TooSlow));
        outbox.aborted().await;
    }
}
