//! Lip sync: what was seen and said at one moment is seen and heard at one moment.
//!
//! Both streams' RTP times are tied to the sender's clock; so it is known how long ago what is heard was said, and what is
//! seen was done, apart from the distance of the two clocks, which is the same for both. Whichever comes too soon is held
//! back: gradually, boundedly, and not at all while nobody would notice. What the speaker and the screen themselves take
//! after that (a few tens of ms each) is taken to be alike.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::time::VIDEO_CLOCK_HZ;

/// What is within this either way is left alone: five of the 40 ms that go unnoticed are kept as a margin.
const FINE_US: i64 = 35_000;
/// The most that either stream is held back.
const MAX_HOLD_US: i64 = 80_000;
/// Time between two comparisons.
const INTERVAL: Duration = Duration::from_millis(100);
/// And how much a hold changes with each: 2 % faster or slower, which goes unnoticed.
const STEP_US: i64 = 2_000;
/// And how much it shrinks: a hold that is no longer needed is delay for nothing.
const EASE_US: i64 = 5_000;
/// Comparisons looked at: three seconds. When full the oldest is forgotten.
const WINDOW: usize = 30;
/// Comparisons needed before anything is held back.
const ENOUGH: usize = 20;
/// Share of the comparisons that may lie outside on either side.
const TAIL_PERCENT: usize = 5;
/// A picture shown longer ago says nothing about now: the camera is off, or the picture froze.
const STALE: Duration = Duration::from_millis(500);
/// What Opus adds between the samples it takes and those it gives (RFC 6716 section 4.3.7 and the encoder's look-ahead).
const CODEC_US: i64 = 6_500;
const SOUND_CLOCK_HZ: u32 = 48_000;

/// A moment of a stream on the sender's clock.
#[derive(Clone, Copy, Debug)]
struct Tie {
    rtp_timestamp: u32,
    sender_us: i64,
}

impl Tie {
    /// When the media with `rtp_timestamp` was captured, by the sender's clock; the nearest reading of the wrapping counter.
    fn captured_us(self, rtp_timestamp: u32, clock_hz: u32) -> i64 {
        let ticks = i64::from(rtp_timestamp.wrapping_sub(self.rtp_timestamp).cast_signed());
        self.sender_us.saturating_add(ticks * 1_000_000 / i64::from(clock_hz))
    }
}

/// A picture on the screen: how long ago it was captured but for the distance of the clocks, and how much of that is hold.
#[derive(Clone, Copy, Debug)]
struct Shown {
    at: Instant,
    delay_us: i64,
    held_us: i64,
}

/// Compares sound and picture and says how much to hold back which. Told the time, never asks.
#[derive(Debug, Default)]
pub struct LipSync {
    origin: Option<Instant>,
    sound: Option<Tie>,
    picture: Option<Tie>,
    shown: Option<Shown>,
    compared_at: Option<Instant>,
    /// How much later the sound came than the picture: as it was, and as it would have been without holds.
    offsets: VecDeque<(i64, i64)>,
    /// Positive: the picture is held back, negative: the sound.
    hold_us: i64,
}

impl LipSync {
    /// Ties an RTP timestamp of the sound (48 kHz) to the sender's clock, in microseconds of any epoch.
    pub fn tie_sound(&mut self, rtp_timestamp: u32, sender_us: i64) {
        self.sound = Some(Tie { rtp_timestamp, sender_us });
    }

    /// Ties an RTP timestamp of the picture (90 kHz) to the same clock.
    pub fn tie_picture(&mut self, rtp_timestamp: u32, sender_us: i64) {
        self.picture = Some(Tie { rtp_timestamp, sender_us });
    }

    /// A picture was shown at `at`; it had waited `held` of that on purpose.
    pub fn picture_shown(&mut self, rtp_timestamp: u32, at: Instant, held: Duration) {
        let Some(tie) = self.picture else { return };
        let delay_us = self.local_us(at) - tie.captured_us(rtp_timestamp, VIDEO_CLOCK_HZ);
        self.shown = Some(Shown { at, delay_us, held_us: micros(held) });
    }

    /// The sound of `rtp_timestamp` was played at `at`; `held` of its delay is there on purpose. Compares the two streams now
    /// and then.
    pub fn sound_played(&mut self, rtp_timestamp: u32, at: Instant, held: Duration) {
        if self.compared_at.is_some_and(|last| at.saturating_duration_since(last) < INTERVAL) {
            return;
        }
        self.compared_at = Some(at);
        let Some(tie) = self.sound else { return };
        let delay_us = self.local_us(at) - tie.captured_us(rtp_timestamp, SOUND_CLOCK_HZ) + CODEC_US;
        let fresh = |shown: &Shown| at.saturating_duration_since(shown.at) < STALE;
        match self.shown.filter(fresh) {
            Some(shown) => {
                if self.offsets.len() == WINDOW {
                    self.offsets.pop_front();
                }
                let offset = delay_us - shown.delay_us;
                self.offsets.push_back((offset, offset - micros(held) + shown.held_us));
            }
            None => _ = self.offsets.pop_front(),
        }
        let change = self.wanted_us() - self.hold_us;
        let eases = change.signum() * self.hold_us.signum() < 0;
        let step = if eases { EASE_US } else { STEP_US };
        self.hold_us += change.clamp(-step, step);
    }

    /// How long to hold back the picture.
    pub fn picture_hold(&self) -> Duration {
        Duration::from_micros(self.hold_us.max(0).unsigned_abs())
    }

    /// How long to hold back the sound.
    pub fn sound_hold(&self) -> Duration {
        Duration::from_micros(self.hold_us.min(0).unsigned_abs())
    }

    /// How much later sound comes than the picture, in ms, negative if sooner: the median of the last seconds.
    pub fn offset_ms(&self) -> Option<f64> {
        let mut sorted: Vec<i64> = self.offsets.iter().map(|(offset, _)| *offset).collect();
        sorted.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "seconds at most")]
        sorted.get(sorted.len() / 2).map(|us| *us as f64 / 1_000.0)
    }

    /// The smallest hold with which all but the tails would go unnoticed; the middle if they are too far apart for that.
    fn wanted_us(&self) -> i64 {
        if self.offsets.len() < ENOUGH {
            return 0;
        }
        let mut sorted: Vec<i64> = self.offsets.iter().map(|(_, free)| *free).collect();
        sorted.sort_unstable();
        let tail = sorted.len() * TAIL_PERCENT / 100;
        let (low, high) = (sorted[tail], sorted[sorted.len() - 1 - tail]);
        let wanted = if high - low > 2 * FINE_US {
            i64::midpoint(high, low)
        } else if high > FINE_US {
            high - FINE_US
        } else {
            (low + FINE_US).min(0)
        };
        wanted.clamp(-MAX_HOLD_US, MAX_HOLD_US)
    }

    fn local_us(&mut self, at: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(at);
        micros(at.saturating_duration_since(origin)) - micros(origin.saturating_duration_since(at))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)
}

/// One [`LipSync`] for the threads of both streams; every lock is held for a few instructions.
#[derive(Clone, Debug, Default)]
pub struct SharedLipSync(Arc<Mutex<LipSync>>);

impl SharedLipSync {
    /// The comparison, to tell it something or ask it.
    pub fn lock(&self) -> MutexGuard<'_, LipSync> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        sync: LipSync,
        start: Instant,
        ms: u64,
        /// The receiver follows the holds, the sound as slowly as a jitter buffer stretches.
        sound_held_ms: f64,
        offsets: Vec<f64>,
    }

    impl Rig {
        fn new() -> Self {
            let mut sync = LipSync::default();
            // The sender's clock is a day ahead, its counters begin anywhere.
            sync.tie_sound(u32::MAX - 1_000, 86_400_000_000);
            sync.tie_picture(7, 86_400_000_000);
            Self { sync, start: Instant::now() + Duration::from_secs(1), ms: 0, sound_held_ms: 0.0, offsets: vec![] }
        }

        #[expect(clippy::cast_possible_truncation, reason = "small test numbers")]
        fn run(&mut self, seconds: u64, sound_ms: f64, picture_ms: impl Fn(u64) -> Option<f64>) {
            let end = self.ms + seconds * 1_000;
            let mut picture = None;
            while self.ms < end {
                let captured = self.ms;
                if captured.is_multiple_of(33)
                    && let Some(free) = picture_ms(captured / 33)
                {
                    let held = self.sync.picture_hold();
                    let delay = free + held.as_secs_f64() * 1_000.0;
                    let at = self.start + Duration::from_secs_f64((captured as f64 + delay) / 1_000.0);
                    self.sync.picture_shown(7_u32.wrapping_add(captured as u32 * 90), at, held);
                    picture = Some(delay);
                }
                if captured.is_multiple_of(10) {
                    let wanted = self.sync.sound_hold().as_secs_f64() * 1_000.0;
                    self.sound_held_ms += (wanted - self.sound_held_ms).clamp(-0.5, 0.5);
                    let delay = sound_ms + self.sound_held_ms;
                    let at = self.start + Duration::from_secs_f64((captured as f64 + delay - 6.5) / 1_000.0);
                    let rtp = (u32::MAX - 1_000).wrapping_add(captured as u32 * 48);
                    self.sync.sound_played(rtp, at, Duration::from_secs_f64(self.sound_held_ms / 1_000.0));
                    self.offsets.extend(picture.map(|picture| delay - picture));
                }
                self.ms += 1;
            }
        }

        fn p95_of_last(&self, seconds: usize) -> f64 {
            let mut last: Vec<f64> = self.offsets.iter().rev().take(seconds * 100).map(|o| o.abs()).collect();
            last.sort_by(f64::total_cmp);
            last[last.len() * 95 / 100]
        }
    }

    #[test]
    fn what_nobody_notices_is_left_alone() {
        let mut rig = Rig::new();
        rig.run(20, 60.0, |_| Some(90.0));
        assert!(rig.sync.sound_hold().is_zero() && rig.sync.picture_hold().is_zero());
        let offset = rig.sync.offset_ms().unwrap();
        assert!((offset + 30.0).abs() < 1.0, "{offset}");
    }

    #[test]
    fn the_faster_one_waits_within_bounds() {
        for (sound, picture, held) in [(180.0, 90.0, 55.0), (60.0, 140.0, -45.0), (50.0, 400.0, -80.0)] {
            let mut rig = Rig::new();
            rig.run(20, sound, |_| Some(picture));
            let hold = rig.sync.picture_hold().as_secs_f64() - rig.sync.sound_hold().as_secs_f64();
            assert!((hold * 1_000.0 - held).abs() < 3.0, "{sound} {picture}: {hold}");
            // Holds end when they are no longer needed.
            rig.run(30, 70.0, |_| Some(80.0));
            assert!(rig.sync.sound_hold().is_zero() && rig.sync.picture_hold().is_zero());
        }
    }

    #[test]
    fn a_hold_ends_soon_after_what_it_was_for() {
        let mut rig = Rig::new();
        rig.run(20, 190.0, |_| Some(90.0));
        assert!(rig.sync.picture_hold() > Duration::from_millis(60));
        rig.run(5, 100.0, |_| Some(90.0));
        assert!(rig.sync.picture_hold().is_zero(), "{:?}", rig.sync.picture_hold());
    }

    #[test]
    fn uneven_pictures_stay_within_forty_ms() {
        let mut rig = Rig::new();
        rig.run(30, 70.0, |i| Some(110.0 + (i * 7 % 40) as f64));
        assert!(rig.p95_of_last(10) <= 40.0, "{}", rig.p95_of_last(10));
    }

    #[test]
    fn steps_are_small_and_a_camera_that_is_off_holds_nothing_back() {
        let mut rig = Rig::new();
        let mut last = 0.0;
        for _ in 0..60 {
            rig.run(1, 50.0, |_| Some(200.0));
            let hold = rig.sync.sound_hold().as_secs_f64();
            assert!(hold - last < 0.021, "{last} {hold}");
            last = hold;
        }
        assert!(last > 0.07);
        rig.run(20, 50.0, |_| None);
        assert!(rig.sync.sound_hold().is_zero());
    }

    #[test]
    fn without_ties_nothing_is_known() {
        let mut sync = LipSync::default();
        let now = Instant::now();
        sync.picture_shown(1, now, Duration::ZERO);
        sync.sound_played(1, now, Duration::ZERO);
        assert_eq!(sync.offset_ms(), None);
        sync.tie_sound(0, i64::MAX);
        sync.tie_picture(u32::MAX, i64::MIN / 2);
        sync.picture_shown(5, now, Duration::ZERO);
        sync.sound_played(5, now + Duration::from_secs(1), Duration::ZERO);
    }
}
