//! How late packets come, and so how much delay playout needs.

use std::collections::VecDeque;

/// All times here are in samples at 48 kHz.
const MS: i64 = 48;

/// Packets remembered: 10 s of speech. When full the oldest is forgotten.
const WINDOW_PACKETS: usize = 500;

/// Packets older than this are forgotten, so that a drifting clock is followed through long silences too.
const WINDOW: i64 = 15_000 * MS;

/// Of every hundred packets this many should come in time.
const IN_TIME_PERCENT: usize = 98;

/// Added to the measured lateness: playout asks every 10 ms, not when the packet comes.
const MARGIN: i64 = 10 * MS;

const MIN_TARGET: i64 = 20 * MS;
const START_TARGET: i64 = 40 * MS;
const MAX_TARGET: i64 = 300 * MS;

/// Share of packets that a copy in the next one could mend from which playout waits for that copy, one packet longer; and
/// the share from which it no longer does.
const MEND_FROM: f64 = 0.015;
const MEND_UNTIL: f64 = 0.004;
const MEND_WAIT: i64 = 20 * MS;
/// Weight of one packet in that share: about the last 5 s count.
const MEND_WEIGHT: f64 = 1.0 / 250.0;

/// Packets before the measurement is trusted to go below [`START_TARGET`].
const START_PACKETS: usize = 50;

/// A packet this much earlier or later than the others does not belong to the same time line.
const STRANGE: i64 = 1_000 * MS;

/// Measures packet arrival. `offset` is arrival minus media time, so a bigger one is a later packet; the smallest seen is
/// the path without queueing, and the target is counted from there.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    /// Arrival and offset of recent packets.
    window: VecDeque<(i64, i64)>,
    sorted: Vec<i64>,
    base: i64,
    target: i64,
    /// Share of packets lost that the next one could mend, recently.
    mendable: f64,
    /// Playout waits for copies.
    mending: bool,
}

impl Default for DelayEstimator {
    fn default() -> Self {
        Self {
            window: VecDeque::new(),
            sorted: Vec::new(),
            base: 0,
            target: START_TARGET,
            mendable: 0.0,
            mending: false,
        }
    }
}

impl DelayEstimator {
    /// Takes in a packet of media time `ts` that came at `arrival`.
    pub(super) fn observe(&mut self, arrival: i64, ts: i64) {
        while self.window.front().is_some_and(|(at, _)| arrival - at > WINDOW) || self.window.len() >= WINDOW_PACKETS {
            self.window.pop_front();
        }
        self.window.push_back((arrival, arrival - ts));
        self.sorted.clear();
        self.sorted.extend(self.window.iter().map(|(_, offset)| *offset));
        self.base = self.sorted.iter().copied().min().unwrap_or(0);
        let rank = (self.sorted.len() * IN_TIME_PERCENT / 100).min(self.sorted.len() - 1);
        let lateness = *self.sorted.select_nth_unstable(rank).1 - self.base;
        let floor = if self.window.len() < START_PACKETS { START_TARGET } else { MIN_TARGET };
        let wait = if self.mending { MEND_WAIT } else { 0 };
        self.target = (lateness + MARGIN + wait).clamp(floor, MAX_TARGET);
    }

    /// Takes in that a packet was played and whether it could have mended the loss of the one before.
    pub(super) fn note_played(&mut self, mendable_loss: bool) {
        self.mendable += (f64::from(u8::from(mendable_loss)) - self.mendable) * MEND_WEIGHT;
        self.mending = self.mendable > if self.mending { MEND_UNTIL } else { MEND_FROM };
    }

    /// Whether a packet is so far off that the sender must have started over.
    pub(super) fn is_strange(&self, arrival: i64, ts: i64) -> bool {
        !self.window.is_empty() && (arrival - ts - self.base).abs() > STRANGE
    }

    /// Delay wanted over the fastest packet.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// Delay over the fastest packet at which a sample of media time `ts` would be played now.
    pub(super) fn delay(&self, now: i64, ts: i64) -> i64 {
        now - ts - self.base
    }

    /// How much later than wanted a sample of media time `ts` would be played now; negative when it is too early.
    pub(super) fn error(&self, now: i64, ts: i64) -> i64 {
        self.delay(now, ts) - self.target
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
    fn target_covers_what_is_measured_within_its_bounds() {
        assert_eq!(DelayEstimator::default().target(), START_TARGET);
        assert_eq!(target_ms(|_| 70), 20, "a constant delay needs no buffer");
        assert_eq!(target_ms(|i| i * 7 % 50), 59, "49 ms of jitter and the margin");
        assert_eq!(target_ms(|i| if i % 200 == 0 { 250 } else { 0 }), 20, "rare spikes are not worth a standing delay");
        assert_eq!(target_ms(|i| i % 2 * 900), 300);
    }

    #[test]
    fn loss_that_can_be_mended_is_waited_for() {
        let mut delay = DelayEstimator::default();
        let mut target_after = |packets: i64, lost_every: i64| {
            for i in 0..packets {
                delay.note_played(lost_every > 0 && i % lost_every == 0);
                delay.observe(i * 960, i * 960);
            }
            delay.target() / MS
        };
        assert_eq!(target_after(500, 200), 20, "half a percent is concealed");
        assert_eq!(target_after(500, 20), 30);
        assert_eq!(target_after(1_000, 0), 20);
    }

    #[test]
    fn drift_does_not_look_like_jitter() {
        // 200 ppm: the sender's clock loses 4 us with every 20 ms.
        let target = target_ms(|_| 0) - {
            let mut delay = DelayEstimator::default();
            for i in 0..100_000_i64 {
                delay.observe(i * 960 + i * 960 / 5_000, i * 960);
            }
            delay.target() / MS
        };
        assert_eq!(target, 0);
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
