//! How late packets come, and so how much delay playout needs.

use std::collections::VecDeque;

/// All times here are in samples at 48 kHz.
const MS: i64 = 48;

/// Arrivals remembered: more than [`WINDOW`] ever holds of 10 ms packets. When full the oldest is forgotten.
const WINDOW_ARRIVALS: usize = 1_200;

/// Arrivals older than this are forgotten, so that a drifting clock is followed through long silences too.
const WINDOW: i64 = 10_000 * MS;

/// What one percent of sound that must be made up is worth: so much more delay is put up with to avoid it.
const WORTH_OF_A_PERCENT: i64 = 40 * MS;

/// A share of the time is known only after this long.
const LEAST_SPAN: i64 = 1_000 * MS;

/// Sound that had to wait for a late packet catches up by a part in so many of the time that passes.
const GIVES_BACK: i64 = 10;

/// Added to the measured lateness: clocks are read at different moments.
const MARGIN: i64 = MS;

const START_TARGET: i64 = 30 * MS;
const MAX_TARGET: i64 = 300 * MS;

/// Arrivals before the measurement is trusted to go below [`START_TARGET`].
const START_ARRIVALS: usize = 40;

/// When everything within this time came earlier, or later, than nearly everything before it, the path has changed.
const CHANGED_FOR: i64 = 1_200 * MS;
const CHANGED_ARRIVALS: usize = 20;
/// So many percent of what came before may be otherwise: a change of path puts some packets out of order.
const EXCEPTIONS_PERCENT: usize = 10;
/// And by at least so much: less is jitter or drift.
const CHANGED_BY: i64 = 4 * MS;

/// A packet this much earlier or later than the others does not belong to the same time line.
const STRANGE: i64 = 1_000 * MS;

/// Measures arrival. `offset` is arrival minus media time, so a bigger one is a later packet; the smallest seen is the path
/// without queueing, and the target is counted from there.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    /// Arrival and offset of recent media: of the packet, or of a copy of it that came first.
    window: VecDeque<(i64, i64)>,
    base: i64,
    needed: i64,
    /// Added on purpose, to wait for the picture.
    hold: i64,
}

impl Default for DelayEstimator {
    fn default() -> Self {
        Self { window: VecDeque::new(), base: 0, needed: START_TARGET, hold: 0 }
    }
}

impl DelayEstimator {
    /// Takes in that media of time `ts` first became available at `arrival`, in a packet of its own or as a copy. So lost
    /// packets that a later one mends count as late ones, and are waited for where that is worth the delay.
    pub(super) fn observe(&mut self, arrival: i64, ts: i64) {
        while self.window.front().is_some_and(|(at, _)| arrival - at > WINDOW) || self.window.len() >= WINDOW_ARRIVALS {
            self.window.pop_front();
        }
        self.window.push_back((arrival, arrival - ts));
        self.forget_the_old_path(arrival);
        self.base = self.window.iter().map(|(_, offset)| *offset).fold(arrival - ts, i64::min);
        let floor = if self.window.len() < START_ARRIVALS { START_TARGET } else { 0 };
        self.needed = (self.best_lateness().max(self.recent_lateness()) + MARGIN).clamp(floor, MAX_TARGET);
    }

    /// The delay that costs least, itself and the sound that must be made up for what comes later taken together. What comes
    /// late after something that came late finds the sound waiting: only what it is later than that costs anything. So a queue
    /// on the path that fills and empties once costs its rise, not every packet that stood in it.
    fn best_lateness(&self) -> i64 {
        let Some((mut before, _)) = self.window.front().copied() else { return 0 };
        let span = self.window.back().map_or(0, |(arrival, _)| arrival - before).max(LEAST_SPAN);
        let mut waits_for = self.base;
        let mut edges = Vec::new();
        for (arrival, offset) in &self.window {
            waits_for = (waits_for - (arrival - before).max(0) / GIVES_BACK).max(self.base);
            if *offset > waits_for {
                edges.extend([(waits_for - self.base, 1), (offset - self.base, -1)]);
                waits_for = *offset;
            }
            before = *arrival;
        }
        edges.sort_unstable();
        let (mut level, mut open, mut cost, mut best) = (0, 0, 0, (0, 0));
        for (edge, change) in edges {
            // In units of the span.
            cost += (edge - level) * (span - open * 100 * WORTH_OF_A_PERCENT);
            (level, open) = (edge, open + change);
            best = best.min((cost, level));
        }
        best.1
    }

    /// How late several packets in a row came, less what was given back since: while a queue lasts, sound does not hurry to where
    /// it would have to wait again.
    fn recent_lateness(&self) -> i64 {
        let Some((now, _)) = self.window.back().copied() else { return 0 };
        let recent = self.window.range(self.window.partition_point(|(at, _)| now - at > MAX_TARGET * GIVES_BACK)..);
        let in_a_row = recent.clone().zip(recent.clone().skip(1)).zip(recent.skip(2));
        let left = in_a_row.map(|(((_, a), (_, b)), (at, c))| a.min(b).min(c) - self.base - (now - at) / GIVES_BACK);
        left.fold(0, i64::max)
    }

    /// After a change of the path, what came over the old one says nothing any more.
    fn forget_the_old_path(&mut self, now: i64) {
        let old = self.window.partition_point(|(at, _)| now - at > CHANGED_FOR);
        if old == 0 || self.window.len() - old < CHANGED_ARRIVALS {
            return;
        }
        let recent = self.window.range(old..).map(|(_, offset)| *offset);
        let (low, high) = recent.fold((i64::MAX, i64::MIN), |(low, high), offset| (low.min(offset), high.max(offset)));
        let before = |same: &dyn Fn(i64) -> bool| self.window.range(..old).filter(|(_, offset)| same(*offset)).count();
        let exceptions = old * EXCEPTIONS_PERCENT / 100;
        if before(&|offset| offset <= high + CHANGED_BY) <= exceptions
            || before(&|offset| offset >= low - CHANGED_BY) <= exceptions
        {
            self.window.drain(..old);
        }
    }

    /// Whether a packet is so far off that the sender must have started over.
    pub(super) fn is_strange(&self, arrival: i64, ts: i64) -> bool {
        !self.window.is_empty() && (arrival - ts - self.base).abs() > STRANGE
    }

    /// Adds `hold` to every delay from now on.
    pub(super) fn set_hold(&mut self, hold: i64) {
        self.hold = hold;
    }

    /// Part of the target that is there on purpose.
    pub(super) fn hold(&self) -> i64 {
        self.hold
    }

    /// Delay over the fastest packet that media must have when it is needed.
    pub(super) fn target(&self) -> i64 {
        self.needed + self.hold
    }

    /// Delay over the fastest packet of a sample of media time `ts` if it were played now.
    pub(super) fn delay(&self, now: i64, ts: i64) -> i64 {
        now - ts - self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_ms(lateness: impl Fn(i64) -> i64) -> i64 {
        let mut delay = DelayEstimator::default();
        for i in 0..1_000 {
            delay.observe(i * 960 + lateness(i) * MS, i * 960);
        }
        delay.target() / MS
    }

    #[test]
    fn target_covers_what_is_worth_it() {
        assert_eq!(DelayEstimator::default().target(), START_TARGET);
        assert_eq!(target_ms(|_| 70), 1, "a constant delay needs no buffer");
        assert_eq!(target_ms(|i| i * 7 % 50), 50, "49 ms of jitter and the margin");
        assert_eq!(target_ms(|i| if i % 200 == 0 { 250 } else { 0 }), 1, "rare spikes are not worth a standing delay");
        assert_eq!(target_ms(|i| if i % 50 == 0 { 60 } else { 0 }), 61, "small ones are");
        assert_eq!(target_ms(|i| i % 2 * 900), 300);
    }

    #[test]
    fn a_queue_that_fills_once_is_not_waited_for_and_one_that_fills_often_is() {
        // Six packets come ever later, up to 180 ms; the next forty less and less late.
        let queue = |i: i64| if i < 6 { (i + 1) * 30 } else { (180 - (i - 5) * 4).max(0) };
        assert!(target_ms(|i| if i >= 700 { queue(i - 700) } else { 0 }) <= 1);
        assert!((175..=181).contains(&target_ms(|i| queue(i % 100))));
        let soon_after = target_ms(|i| if i >= 970 { queue(i - 970) } else { 0 });
        assert!(soon_after > 90, "not before it is empty: {soon_after}");
    }

    #[test]
    fn drift_does_not_look_like_jitter() {
        // 200 ppm: the sender's clock loses 4 us with every 20 ms.
        let mut delay = DelayEstimator::default();
        for i in 0..100_000_i64 {
            delay.observe(i * 960 + i * 960 / 5_000, i * 960);
        }
        assert!(delay.target() <= 4 * MS, "{}", delay.target());
    }

    #[test]
    fn another_path_is_recognised_both_ways() {
        let mut delay = DelayEstimator::default();
        let mut feed = |from: i64, to: i64, late_ms: i64| {
            for i in from..to {
                delay.observe(i * 960 + (late_ms + i % 3) * MS, i * 960);
            }
            delay.target() / MS
        };
        assert_eq!(feed(0, 500, 50), 3);
        assert!(feed(500, 550, 130) > 80, "at first it is lateness");
        assert_eq!(feed(550, 575, 130), 3, "then it is the path");
        assert_eq!(feed(575, 650, 50), 3);
    }

    #[test]
    fn only_far_off_packets_are_strange() {
        let mut delay = DelayEstimator::default();
        assert!(!delay.is_strange(0, 5_000_000));
        delay.observe(0, 0);
        assert!(!delay.is_strange(10_960, 960), "200 ms late");
        assert!(delay.is_strange(960, 960 + STRANGE + 1));
        assert!(delay.is_strange(960 + STRANGE + 1, 960));
    }
}
