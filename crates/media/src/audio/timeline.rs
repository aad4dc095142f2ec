//! When the samples of a device really come and go, from what its callbacks say.
//!
//! Callbacks come late, by whatever else the machine does, and never early: what counts is the earliest of them. Nothing
//! else is believed, so that a busy machine does not look like a drifting clock, and sound that got lost does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::BLOCK_TIME;

/// Blocks looked at: half a second, in which some callback is on time. When full the oldest is forgotten.
const WINDOW: usize = 50;

/// When all of them are later than expected by this much, or one is earlier, the device lost or made up sound: that is
/// believed at once. Less is followed slowly.
const JUMP_S: f64 = 0.002_5;

/// Later than this is no late callback: the device stood still, and what was before says nothing.
const PAUSE_S: f64 = 0.2;

/// How much is followed with every block: 200 in a million, twice what bad clocks are apart.
const STEP_S: f64 = 0.000_002;

/// Dates blocks of 10 ms that follow one another.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// When the first block was said to begin.
    origin: Option<Instant>,
    /// Sound since then, in seconds.
    media_s: f64,
    /// By how much recent blocks were later than their sound says.
    late: VecDeque<f64>,
    /// What is reckoned with.
    offset_s: f64,
}

impl Timeline {
    /// When a block begins that begins at `measured` or somewhat earlier.
    pub(super) fn date(&mut self, measured: Instant) -> Instant {
        let origin = *self.origin.get_or_insert(measured);
        let late = seconds_between(origin, measured) - self.media_s;
        if late - self.offset_s > PAUSE_S {
            self.late.clear();
        } else if self.late.len() == WINDOW {
            self.late.pop_front();
        }
        self.late.push_back(late);
        let earliest = self.late.iter().copied().fold(f64::MAX, f64::min);
        let change = earliest - self.offset_s;
        self.offset_s += if change.abs() > JUMP_S { change } else { change.clamp(-STEP_S, STEP_S) };
        let begins_s = self.media_s + self.offset_s;
        self.media_s += BLOCK_TIME.as_secs_f64();
        let (after, before) =
            (Duration::from_secs_f64(begins_s.max(0.0)), Duration::from_secs_f64((-begins_s).max(0.0)));
        origin.checked_sub(before).unwrap_or(origin) + after
    }

    /// Sound of `seconds` went by that was not given to [`date`](Self::date).
    pub(super) fn skip(&mut self, seconds: f64) {
        self.media_s += seconds;
    }
}

/// From `a` to `b`, negative when `b` is earlier.
pub(super) fn seconds_between(a: Instant, b: Instant) -> f64 {
    b.saturating_duration_since(a).as_secs_f64() - a.saturating_duration_since(b).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far off dates are in ms, of `blocks` that are `late(i)` ms late.
    fn errors(blocks: u32, late: impl Fn(u32) -> f64) -> Vec<f64> {
        let start = Instant::now() + Duration::from_secs(10);
        let mut timeline = Timeline::default();
        let error = |i: u32| {
            let true_begin = start + BLOCK_TIME * i;
            let dated = timeline.date(true_begin + Duration::from_secs_f64(late(i) / 1_000.0));
            seconds_between(true_begin, dated) * 1_000.0
        };
        (0..blocks).map(error).collect()
    }

    #[test]
    fn late_callbacks_change_nothing() {
        let spikes = |i| if i % 7 == 3 { f64::from(i * 37 % 60) } else { f64::from(i % 5) * 0.2 };
        let errors = errors(3_000, spikes);
        assert!(errors.iter().all(|error| error.abs() < 1.0), "{errors:.1?}");
    }

    #[test]
    fn lost_sound_is_believed_after_half_a_second_whatever_the_jitter() {
        let errors = errors(1_000, |i| if i < 500 { f64::from(i * 37 % 9) } else { 10.0 + f64::from(i * 37 % 9) });
        assert!(errors[100..540].iter().all(|error| error.abs() < 1.0), "{errors:.1?}");
        assert!(errors[560..].iter().all(|error| (error - 10.0).abs() < 1.0), "{errors:.1?}");
    }

    #[test]
    fn after_a_pause_everything_begins_anew_at_once() {
        let errors = errors(300, |i| if i < 150 { 0.0 } else { 1_000.0 });
        assert!(errors[150..].iter().all(|error| (error - 1_000.0).abs() < 0.1), "{errors:.1?}");
    }

    #[test]
    fn drift_is_followed_without_jumps() {
        let errors = errors(20_000, |i| f64::from(i) * 0.001 + f64::from(i * 37 % 9));
        for (i, pair) in errors.windows(2).enumerate().skip(100) {
            assert!((pair[1] - pair[0]).abs() < 0.003, "a step of {:.3} ms", pair[1] - pair[0]);
            assert!((pair[1] - i as f64 * 0.001).abs() < 1.0);
        }
    }
}
