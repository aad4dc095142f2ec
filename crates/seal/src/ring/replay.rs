//! Against copies of a ring: its age, and a memory of the rings that came.

use std::fmt;

use super::{IncomingRing, RingError};
use crate::DeviceId;

/// A ring older (or, by the caller's clock, younger) than this is refused.
pub const RING_AGE_MAX_S: u64 = 120;
/// The most rings of one caller remembered at once; one more is refused ([`RingError::TooMany`]).
pub const RINGS_PER_CALLER_MAX: usize = 16;
/// The most rings remembered at once; one more is refused. With [`RING_AGE_MAX_S`] nobody honest gets near it.
pub const RINGS_MAX: usize = 1024;

/// The rings that came lately, so that a copy does not ring again. Ask it last, when the caller is known to be a contact:
/// it remembers what it lets through.
#[derive(Default)]
pub struct ReplayCache {
    pub(super) seen: Vec<Seen>,
}

pub(super) struct Seen {
    caller: DeviceId,
    call_id: [u8; 16],
    /// After this the ring's age alone refuses it.
    until_unix_s: u64,
}

impl ReplayCache {
    /// Lets a ring through once, while it is fresh.
    ///
    /// # Errors
    /// [`RingError::Stale`], [`RingError::Replayed`] or [`RingError::TooMany`].
    pub fn check(&mut self, ring: &IncomingRing, now_unix_s: u64) -> Result<(), RingError> {
        self.admit(ring.caller().device, ring.offer().call_id, ring.offer().sent_unix_s, now_unix_s)
    }

    pub(super) fn admit(
        &mut self,
        caller: DeviceId,
        call_id: [u8; 16],
        sent_unix_s: u64,
        now_unix_s: u64,
    ) -> Result<(), RingError> {
        self.seen.retain(|seen| seen.until_unix_s > now_unix_s);
        if now_unix_s.abs_diff(sent_unix_s) >= RING_AGE_MAX_S {
            return Err(RingError::Stale);
        }
        let of_caller = self.seen.iter().filter(|seen| seen.caller == caller);
        if of_caller.clone().any(|seen| seen.call_id == call_id) {
            return Err(RingError::Replayed);
        }
        if of_caller.count() >= RINGS_PER_CALLER_MAX || self.seen.len() >= RINGS_MAX {
            return Err(RingError::TooMany);
        }
        let until_unix_s = sent_unix_s.saturating_add(RING_AGE_MAX_S);
        self.seen.push(Seen { caller, call_id, until_unix_s });
        Ok(())
    }
}

impl fmt::Debug for ReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayCache({})", self.seen.len())
    }
}
