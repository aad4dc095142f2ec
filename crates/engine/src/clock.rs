//! How far the other machine's clock is from ours, from round trips over the data channel.
//!
//! The on-wire calculation of NTP (RFC 5905 section 8): offset = ((t1 - t0) + (t2 - t3)) / 2. The sample with the shortest
//! round trip of the last [`WINDOW`] is the best one; it is off by at most half its round trip.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_media::time::{RemoteTiming, WallClock};

/// Samples considered: at one a second long enough to catch a quiet moment, short enough to follow drifting clocks.
const WINDOW: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Sample {
    offset_us: i64,
    round_trip: Duration,
}

/// Offset of the remote clock.
#[derive(Debug, Default)]
pub(crate) struct ClockOffset(VecDeque<Sample>);

impl ClockOffset {
    /// Takes one exchange: ping sent and pong received on our clock, ping received and pong sent on theirs. Impossible
    /// values are ignored.
    pub(crate) fn sample(&mut self, sent_us: i64, remote_received_us: i64, remote_sent_us: i64, received_us: i64) {
        let (there, back) = (remote_received_us.checked_sub(sent_us), remote_sent_us.checked_sub(received_us));
        let (Some(there), Some(back)) = (there, back) else { return };
        let (Some(round_trip), Some(sum)) = (there.checked_sub(back), there.checked_add(back)) else { return };
        let Ok(round_trip) = u64::try_from(round_trip) else { return };
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(Sample { offset_us: sum / 2, round_trip: Duration::from_micros(round_trip) });
    }

    fn best(&self) -> Option<Sample> {
        self.0.iter().copied().min_by_key(|sample| sample.round_trip)
    }

    /// Translates the other side's `timing` message to our clock.
    pub(crate) fn timing(&self, clock: &WallClock, rtp_timestamp: u32, captured_us: i64) -> Option<RemoteTiming> {
        let best = self.best()?;
        let captured_at: Instant = clock.instant(captured_us.checked_sub(best.offset_us)?)?;
        Some(RemoteTiming { rtp_timestamp, captured_at, error: best.round_trip / 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_round_trip_wins() {
        let mut offset = ClockOffset::default();
        // Their clock is 5 s ahead; the way there takes 10 ms in one exchange and 200 in the other.
        offset.sample(1_000_000, 6_200_000, 6_200_100, 1_210_100);
        offset.sample(2_000_000, 7_010_000, 7_010_100, 2_020_100);
        let clock = WallClock::now();
        let ours = clock.unix_us(Instant::now());
        let timing = offset.timing(&clock, 7, ours + 5_000_000).expect("two samples");
        assert_eq!(timing.error, Duration::from_millis(10));
        assert!((clock.unix_us(timing.captured_at) - ours).abs() <= 1);
    }

    #[test]
    fn nonsense_is_ignored() {
        let mut offset = ClockOffset::default();
        offset.sample(0, i64::MAX, i64::MIN, 0);
        offset.sample(i64::MIN, i64::MAX, 0, 0);
        offset.sample(1_000, 500, 500, 0);
        assert!(offset.timing(&WallClock::now(), 0, 0).is_none());
    }
}
