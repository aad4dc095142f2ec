//! Where a moment of this machine's monotonic clock falls on other clocks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Clock rate of every video RTP stream (RFC 7741 section 4.1, RFC 9628 section 4.1).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;

/// Fixed relation between this process's monotonic clock and unix time, read once.
///
/// A later step of the system clock does not move it, so differences of its results are exact.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    instant: Instant,
    unix: Duration,
}

impl WallClock {
    /// Reads both clocks now.
    pub fn now() -> Self {
        Self { instant: Instant::now(), unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Unix time of `at` in microseconds.
    pub fn unix_us(&self, at: Instant) -> i64 {
        let base = i64::try_from(self.unix.as_micros()).unwrap_or(i64::MAX);
        match at.checked_duration_since(self.instant) {
            Some(after) => base.saturating_add(us(after)),
            None => base.saturating_sub(us(self.instant.duration_since(at))),
        }
    }

    /// The monotonic moment of unix time `unix_us`; `None` when the clock cannot express it.
    pub fn instant(&self, unix_us: i64) -> Option<Instant> {
        let delta = unix_us.checked_sub(i64::try_from(self.unix.as_micros()).ok()?)?;
        let span = Duration::from_micros(delta.unsigned_abs());
        if delta >= 0 { self.instant.checked_add(span) } else { self.instant.checked_sub(span) }
    }
}

fn us(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

/// What is known of the sender's clock: which local moment a video RTP timestamp was captured at.
#[derive(Clone, Copy, Debug)]
pub struct RemoteTiming {
    /// A video RTP timestamp of the sender.
    pub rtp_timestamp: u32,
    /// When the frame of that timestamp was captured, on this machine's monotonic clock.
    pub captured_at: Instant,
    /// The estimate may be off by this much either way (half the round trip of the measurement).
    pub error: Duration,
}

/// Shared holder of the newest [`RemoteTiming`]; empty until the two ends have compared clocks.
#[derive(Debug, Default)]
pub struct RemoteClock(Mutex<Option<RemoteTiming>>);

impl RemoteClock {
    /// Replaces what is known.
    pub fn set(&self, timing: RemoteTiming) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(timing);
    }

    /// Forgets the mapping, for example when the sender changed.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When the frame with `rtp_timestamp` was captured, on this machine's clock, and the error of that.
    ///
    /// The timestamp wraps every 13 hours; the nearest reading to the known one is taken.
    pub fn captured_at(&self, rtp_timestamp: u32) -> Option<(Instant, Duration)> {
        let known = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let ticks = rtp_timestamp.wrapping_sub(known.rtp_timestamp).cast_signed();
        let span = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(VIDEO_CLOCK_HZ));
        let at = if ticks >= 0 { known.captured_at.checked_add(span) } else { known.captured_at.checked_sub(span) };
        Some((at?, known.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock_round_trips() {
        let clock = WallClock::now();
        let at = Instant::now() + Duration::from_millis(1_234);
        let back = clock.instant(clock.unix_us(at)).expect("in range");
        assert!(back.max(at) - back.min(at) < Duration::from_micros(2));
    }

    #[test]
    fn remote_clock_follows_rtp_wrap() {
        let clock = RemoteClock::default();
        assert!(clock.captured_at(7).is_none());
        let at = Instant::now() + Duration::from_secs(10);
        clock.set(RemoteTiming { rtp_timestamp: u32::MAX - 44_999, captured_at: at, error: Duration::from_millis(1) });
        let (later, _) = clock.captured_at(45_000).expect("known");
        assert_eq!((later - at).as_millis(), 1_000);
        let (earlier, _) = clock.captured_at(u32::MAX - 134_999).expect("known");
        assert_eq!((at - earlier).as_millis(), 1_000);
    }
}
