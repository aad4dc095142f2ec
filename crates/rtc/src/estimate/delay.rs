//! How long packets wait in the path's queue, and whether that grows.

use std::collections::VecDeque;

/// The shortest delay of this long is taken to be the path without a queue. Longer, and a route change that adds delay looks
/// like a queue for as long; shorter, and a standing queue is soon forgotten.
const BASE_WINDOW: f64 = 10.0;
/// The base is kept as minima of slices this long.
const BASE_SLICE: f64 = 1.0;
/// Batches of feedback the trend is drawn through, half a second.
const TREND_BATCHES: usize = 10;
/// Fewer show no trend.
const MIN_TREND_BATCHES: usize = 4;
/// The queue is the shortest delay of this many newest batches: jitter only ever adds.
const QUEUE_BATCHES: usize = 2;

/// Delays of one path. All times in seconds; the two clocks need not agree, only run alike.
#[derive(Debug, Default)]
pub(super) struct QueueDelay {
    /// Time and shortest delay of each batch.
    batches: VecDeque<(f64, f64)>,
    /// Start and shortest delay of each slice.
    base: VecDeque<(f64, f64)>,
}

impl QueueDelay {
    /// The packets of one feedback message: the shortest of their delays, the last having left at `at`.
    pub(super) fn add(&mut self, at: f64, shortest: f64) {
        self.batches.push_back((at, shortest));
        if self.batches.len() > TREND_BATCHES {
            self.batches.pop_front();
        }
        match self.base.back_mut() {
            Some((start, least)) if at < *start + BASE_SLICE => *least = least.min(shortest),
            _ => self.base.push_back((at, shortest)),
        }
        while self.base.front().is_some_and(|(start, _)| *start < at - BASE_WINDOW) {
            self.base.pop_front();
        }
    }

    /// Seconds spent in the queue, after jitter is taken out.
    pub(super) fn queue(&self) -> f64 {
        let base = least(self.base.iter());
        let now = least(self.batches.iter().rev().take(QUEUE_BATCHES));
        match (base, now) {
            (Some(base), Some(now)) => (now - base).max(0.0),
            _ => 0.0,
        }
    }

    /// Seconds by which the delay grows each second: the least squares line through the newest batches.
    pub(super) fn slope(&self) -> f64 {
        if self.batches.len() < MIN_TREND_BATCHES {
            return 0.0;
        }
        let count = self.batches.len() as f64;
        let mean_at = self.batches.iter().map(|(at, _)| at).sum::<f64>() / count;
        let mean_delay = self.batches.iter().map(|(_, delay)| delay).sum::<f64>() / count;
        let (mut above, mut below) = (0.0, 0.0);
        for (at, delay) in &self.batches {
            above += (at - mean_at) * (delay - mean_delay);
            below += (at - mean_at).powi(2);
        }
        if below > 0.0 { above / below } else { 0.0 }
    }
}

fn least<'a>(samples: impl Iterator<Item = &'a (f64, f64)>) -> Option<f64> {
    samples.map(|(_, delay)| *delay).min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_growing_queue_and_no_queue_in_jitter() {
        let mut delay = QueueDelay::default();
        for n in 0..40 {
            let jitter = f64::from(n % 2) * 0.02;
            delay.add(f64::from(n) * 0.05, -3.0 + jitter);
        }
        assert!(delay.queue() < 0.001 && delay.slope().abs() < 0.02, "{} {}", delay.queue(), delay.slope());
        for n in 0..20 {
            delay.add(2.0 + f64::from(n) * 0.05, -3.0 + f64::from(n) * 0.01);
        }
        assert!((0.17..0.19).contains(&delay.queue()));
        assert!((0.19..0.21).contains(&delay.slope()));
        for n in 0..260 {
            delay.add(3.0 + f64::from(n) * 0.05, -2.9);
        }
        assert!(delay.queue() < 0.001, "a route that stays longer is no queue");
    }
}
