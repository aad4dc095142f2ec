//! When to show a received picture.
//!
//! The sender's timestamps say how far apart pictures were taken, the arrivals say how far apart they came. Their difference
//! is the transit time but for a constant. Pictures wait as long as evens out their coming best for the delay it costs: jitter
//! that most of them have is smoothed; a few late ones (large, or repaired) come late and make nobody wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::time::VIDEO_CLOCK_HZ;

/// Transits looked at: about three seconds at 30 fps.
const WINDOW: usize = 90;
/// Transits needed before any picture is made to wait.
const WARM_UP: usize = 8;
/// What one percent of late pictures is worth: so much more delay is put up with to avoid it. They are not lost, only late.
const WORTH_OF_A_PERCENT_US: i64 = 1_000;
/// Spread that is told: this share of the transits lies below it.
const QUANTILE_PERCENT: usize = 90;
/// Jitter up to this is not worth a delay: less than a screen refresh.
const QUIET_US: i64 = 8_000;
/// Longest that a picture waits beyond the fastest transit.
const MAX_DELAY_US: i64 = 150_000;
/// A transit this far from the last one is another clock, not jitter.
const DISCONTINUITY_US: i64 = 5_000_000;

/// Computes the moment each picture is shown at. Told the time, never asks.
#[derive(Debug, Default)]
pub struct PlayoutTimeline {
    origin: Option<Origin>,
    /// Arrival minus capture, in microseconds on an arbitrary base.
    transits: VecDeque<i64>,
    last_shown: Option<Instant>,
    delay_us: i64,
    jitter_us: i64,
    /// Added on purpose, to wait for the sound; and what of that the newest picture waits.
    hold_us: i64,
    held_us: i64,
}

/// What times are counted from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    arrival: Instant,
    /// Last RTP timestamp and the same one unwrapped, in ticks since the origin.
    rtp: u32,
    ticks: i64,
}

impl PlayoutTimeline {
    /// The moment to show the picture with `rtp_timestamp` (90 kHz) whose last packet came at `received_at`. Never before
    /// `received_at` nor before the picture that was asked about last.
    pub fn show_at(&mut self, rtp_timestamp: u32, received_at: Instant) -> Instant {
        let transit = self.place(rtp_timestamp, received_at);
        if self.transits.back().is_some_and(|last| (transit - last).abs() > DISCONTINUITY_US) {
            self.restart();
            return self.show_at(rtp_timestamp, received_at);
        }
        if self.transits.len() == WINDOW {
            self.transits.pop_front();
        }
        self.transits.push_back(transit);
        let wait_us = self.measure(transit);
        let at = received_at + Duration::from_micros(wait_us.unsigned_abs());
        let at = self.last_shown.map_or(at, |last| at.max(last));
        self.last_shown = Some(at);
        at
    }

    /// Forgets what it knew of the sender's clock and the link.
    pub fn restart(&mut self) {
        *self = Self { last_shown: self.last_shown, hold_us: self.hold_us, ..Self::default() };
    }

    /// Makes every picture take this much longer, so that it does not come before its sound.
    pub fn set_hold(&mut self, hold: Duration) {
        self.hold_us = micros(hold);
    }

    /// How much of its wait the newest picture owes to the hold.
    pub fn held(&self) -> Duration {
        Duration::from_micros(self.held_us.unsigned_abs())
    }

    /// How much longer than the fastest transit a picture is made to take.
    pub fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_us.unsigned_abs())
    }

    /// Spread of the recent transits: the 90th percentile above the fastest.
    pub fn jitter(&self) -> Duration {
        Duration::from_micros(self.jitter_us.unsigned_abs())
    }

    /// Arrival minus capture in microseconds, counted from the origin.
    fn place(&mut self, rtp: u32, received_at: Instant) -> i64 {
        let origin = self.origin.get_or_insert(Origin { arrival: received_at, rtp, ticks: 0 });
        // The nearest reading of the wrapping counter (RFC 3550 section 5.1).
        origin.ticks += i64::from(rtp.wrapping_sub(origin.rtp).cast_signed());
        origin.rtp = rtp;
        let taken = origin.ticks * 1_000_000 / i64::from(VIDEO_CLOCK_HZ);
        let arrived = match received_at.checked_duration_since(origin.arrival) {
            Some(after) => micros(after),
            None => -micros(origin.arrival.duration_since(received_at)),
        };
        arrived - taken
    }

    /// Brings delay and jitter up to date and says how long the newest picture waits.
    fn measure(&mut self, transit: i64) -> i64 {
        let mut sorted: Vec<i64> = self.transits.iter().copied().collect();
        sorted.sort_unstable();
        let fastest = sorted[0];
        let quantile = sorted[(sorted.len() - 1) * QUANTILE_PERCENT / 100];
        self.jitter_us = quantile - fastest;
        let best = best_lateness(&sorted);
        let quiet = sorted.len() < WARM_UP || best <= QUIET_US;
        self.delay_us = if quiet { 0 } else { best.min(MAX_DELAY_US) };
        let wait = fastest + self.delay_us + self.hold_us - transit;
        self.held_us = wait.clamp(0, self.hold_us);
        wait.max(0)
    }
}

/// The delay that costs least, itself and the pictures that come later than it taken together.
fn best_lateness(sorted: &[i64]) -> i64 {
    let count = i64::try_from(sorted.len()).expect("bounded by the window");
    let cost = |(rank, transit): (i64, &i64)| {
        let lateness = transit - sorted[0];
        (lateness + (count - 1 - rank) * 100 * WORTH_OF_A_PERCENT_US / count, lateness)
    };
    (0..count).zip(sorted).map(cost).min().map_or(0, |(_, lateness)| lateness)
}

fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_TICKS: u32 = 3_000;

    /// Feeds frames at 30 fps whose transit beyond 20 ms is `extra_ms(i)`; returns how long each waited.
    fn run(
        timeline: &mut PlayoutTimeline,
        t0: Instant,
        first: u32,
        n: u32,
        extra_ms: impl Fn(u32) -> u64,
    ) -> Vec<Duration> {
        let mut last = None;
        (0..n)
            .map(|i| {
                let taken = t0 + Duration::from_secs_f64(f64::from(i) / 30.0);
                let arrived = taken + Duration::from_millis(20 + extra_ms(i));
                let at = timeline.show_at(first.wrapping_add(i * FRAME_TICKS), arrived);
                assert!(at >= arrived && last.is_none_or(|last| at >= last), "frame {i} shown too early");
                last = Some(at);
                at - arrived
            })
            .collect()
    }

    #[test]
    fn a_quiet_link_waits_for_nothing() {
        let waits = run(&mut PlayoutTimeline::default(), Instant::now(), 7, 300, |i| u64::from(i % 3));
        assert!(waits.iter().all(Duration::is_zero));
    }

    #[test]
    fn jitter_is_smoothed_and_forgotten() {
        let mut timeline = PlayoutTimeline::default();
        let t0 = Instant::now();
        let jittery = |i: u32| u64::from(i * 7 % 5) * 10;
        let waits = run(&mut timeline, t0, 0, 120, jittery);
        // Once the window is full, every frame is shown 40 ms after the fastest could have been: evenly.
        for (i, wait) in waits.iter().enumerate().skip(95) {
            let total = jittery(u32::try_from(i).expect("small")) + u64::try_from(wait.as_millis()).expect("small");
            assert!((39..=41).contains(&total), "frame {i}: {total} ms");
        }
        assert_eq!(timeline.jitter().as_millis(), 40);
        let waits = run(&mut timeline, t0 + Duration::from_secs(4), 120 * FRAME_TICKS, 120, |_| 0);
        assert!(waits[110].is_zero() && timeline.delay().is_zero());
    }

    #[test]
    fn the_delay_is_bounded_and_late_frames_do_not_wait() {
        let mut timeline = PlayoutTimeline::default();
        let waits = run(&mut timeline, Instant::now(), 0, 200, |i| if i % 3 == 0 { 600 } else { 0 });
        assert!(timeline.delay() <= Duration::from_millis(150));
        assert!(waits[198].is_zero(), "a late frame is shown when it comes");
    }

    #[test]
    fn late_ones_make_nobody_wait() {
        // A picture in three is repaired a round trip of 60 ms later; one is a keyframe that takes 150 ms.
        let mut timeline = PlayoutTimeline::default();
        run(&mut timeline, Instant::now(), 0, 200, |i| {
            if i == 150 {
                150
            } else if i % 3 == 0 {
                60
            } else {
                0
            }
        });
        assert!(timeline.delay().is_zero(), "{:?}", timeline.delay());
    }

    #[test]
    fn a_hold_delays_what_is_in_time_and_late_ones_no_more_than_that() {
        let mut timeline = PlayoutTimeline::default();
        timeline.set_hold(Duration::from_millis(50));
        let waits = run(&mut timeline, Instant::now(), 0, 100, |i| if i == 50 { 30 } else { 0 });
        assert_eq!((waits[40].as_millis(), waits[50].as_millis()), (50, 20));
        assert_eq!(timeline.held().as_millis(), 50);
    }

    #[test]
    fn the_timestamp_may_wrap() {
        let mut timeline = PlayoutTimeline::default();
        let waits = run(&mut timeline, Instant::now(), u32::MAX - 20 * FRAME_TICKS, 60, |_| 0);
        assert!(waits.iter().all(Duration::is_zero));
        assert!(timeline.jitter().is_zero());
    }

    #[test]
    fn a_clock_step_starts_over() {
        let mut timeline = PlayoutTimeline::default();
        let t0 = Instant::now();
        run(&mut timeline, t0, 0, 100, |i| u64::from(i * 7 % 5) * 10);
        let later = t0 + Duration::from_secs(4);
        // The sender restarted: its timestamps begin elsewhere.
        let waits = run(&mut timeline, later, 3_000_000_000, 100, |_| 0);
        assert!(waits.iter().all(Duration::is_zero));
        assert!(timeline.delay().is_zero());
    }

    #[test]
    fn a_pause_does_not_disturb() {
        let mut timeline = PlayoutTimeline::default();
        let t0 = Instant::now();
        run(&mut timeline, t0, 0, 100, |_| 0);
        // Camera off for a minute: the sender's clock went on.
        let waits = run(&mut timeline, t0 + Duration::from_secs(60), 60 * VIDEO_CLOCK_HZ, 100, |_| 0);
        assert!(waits.iter().all(Duration::is_zero));
    }

    #[test]
    fn a_longer_route_is_followed_without_added_delay() {
        let mut timeline = PlayoutTimeline::default();
        let t0 = Instant::now();
        run(&mut timeline, t0, 0, 100, |_| 0);
        let waits = run(&mut timeline, t0 + Duration::from_secs_f64(100.0 / 30.0), 100 * FRAME_TICKS, 150, |_| 80);
        assert!(waits.iter().all(Duration::is_zero), "{waits:?}");
    }
}
