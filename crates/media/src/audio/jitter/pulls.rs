//! How regularly the speaker asks.

use std::collections::VecDeque;

use super::MS;

/// Pulls looked at: the last second.
const PULLS: usize = 100;

/// Unevenness of the speaker that is taken account of when sound begins: a device that asks for 60 ms at a time.
const MAX_SPREAD: i64 = 60 * MS;

/// The delays that recent pulls were played at, in samples. A device that asks for several blocks at once plays the last of
/// them soonest after its arrival; the smallest delay is the one that must suffice.
#[derive(Debug, Default)]
pub(super) struct PullDelays {
    recent: VecDeque<i64>,
    spread: i64,
}

impl PullDelays {
    /// Takes in the delay at one pull.
    pub(super) fn note(&mut self, delay: i64) {
        if self.recent.len() == PULLS {
            self.recent.pop_front();
        }
        self.recent.push_back(delay);
    }

    /// All delays have become shorter by `samples` (longer if negative).
    pub(super) fn shift(&mut self, samples: i64) {
        self.recent.iter_mut().for_each(|delay| *delay -= samples);
    }

    /// Sound begins anew; how regularly the speaker asks is remembered.
    pub(super) fn start_over(&mut self) {
        if self.recent.len() == PULLS {
            let mut sorted: Vec<i64> = self.recent.iter().copied().collect();
            sorted.sort_unstable();
            self.spread = (sorted[PULLS * 9 / 10] - sorted[0]).clamp(0, MAX_SPREAD);
        }
        self.recent.clear();
    }

    /// The smallest recent delay.
    pub(super) fn smallest(&self) -> Option<i64> {
        self.recent.iter().min().copied()
    }

    /// How much sooner than most pulls some come, as far as known.
    pub(super) fn spread(&self) -> i64 {
        self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_asks_in_pairs_is_known_when_sound_begins_again() {
        let mut pulls = PullDelays::default();
        for i in 0..200 {
            pulls.note(20 * MS - i % 2 * 10 * MS);
        }
        assert_eq!(pulls.smallest(), Some(10 * MS));
        pulls.shift(5 * MS);
        assert_eq!(pulls.smallest(), Some(5 * MS));
        pulls.start_over();
        assert_eq!((pulls.smallest(), pulls.spread()), (None, 10 * MS));
    }
}
