//! How long packets wait in the path's queue, and whether that grows.

use std::collections::VecDeque;

use super::rates::Least;

/// The trend is drawn through the batches of this long.
const TREND_WINDOW: f64 = 0.5;
/// Fewer batches show no trend.
const MIN_TREND_BATCHES: usize = 4;
/// The queue is the shortest delay of this long: jitter only ever adds.
const QUEUE_WINDOW: f64 = 0.1;
/// A surge has at least so many packets in its newest batch.
const MIN_SURGE_PACKETS: usize = 3;

/// The packets of one feedback message.
#[derive(Clone, Copy, Debug)]
struct Batch {
    at: f64,
    shortest: f64,
    /// Packets were held up longer the later they left: a queue builds. (A pause of the receiver or of a radio holds up the
    /// first ones most.)
    rises: bool,
}

/// Delays of one path. All times in seconds; the two clocks need not agree, only run alike.
#[derive(Debug, Default)]
pub(super) struct QueueDelay {
    batches: VecDeque<Batch>,
    /// The shortest of ten seconds is taken to be the path without a queue. Longer, and a route change that adds delay looks like a
    /// queue for as long; shorter, and a standing queue is soon forgotten.
    base: Least,
}

impl QueueDelay {
    /// One feedback message that came at `at`: the delays of its packets in sending order.
    pub(super) fn add(&mut self, at: f64, delays: &[f64]) {
        let Some(shortest) = delays.iter().copied().min_by(f64::total_cmp) else { return };
        let (head, tail) = delays.split_at(delays.len() / 2);
        let rises = delays.len() >= MIN_SURGE_PACKETS && least(head) < least(tail);
        self.batches.push_back(Batch { at, shortest, rises });
        while self.batches.front().is_some_and(|batch| batch.at < at - TREND_WINDOW) {
            self.batches.pop_front();
        }
        self.base.add(at, shortest);
    }

    /// Seconds spent in the queue, after jitter is taken out.
    pub(super) fn queue(&self) -> f64 {
        let Some(newest) = self.batches.back() else { return 0.0 };
        let recent = self.batches.iter().rev().take_while(|batch| batch.at > newest.at - QUEUE_WINDOW);
        let now = recent.map(|batch| batch.shortest).fold(newest.shortest, f64::min);
        (now - self.base()).max(0.0)
    }

    /// Seconds that the newest packets waited if a queue seems to be building quickly, before [`queue`](Self::queue) shows it.
    pub(super) fn surge(&self) -> f64 {
        let mut newest = self.batches.iter().rev();
        match (newest.next(), newest.next()) {
            (Some(now), Some(before)) if now.rises && now.shortest > before.shortest => now.shortest - self.base(),
            _ => 0.0,
        }
    }

    /// Seconds by which the delay grows each second: the least squares line through the newest batches.
    pub(super) fn slope(&self) -> f64 {
        if self.batches.len() < MIN_TREND_BATCHES {
            return 0.0;
        }
        let count = self.batches.len() as f64;
        let mean_at = self.batches.iter().map(|batch| batch.at).sum::<f64>() / count;
        let mean_delay = self.batches.iter().map(|batch| batch.shortest).sum::<f64>() / count;
        let (mut above, mut below) = (0.0, 0.0);
        for batch in &self.batches {
            above += (batch.at - mean_at) * (batch.shortest - mean_delay);
            below += (batch.at - mean_at).powi(2);
        }
        if below > 0.0 { above / below } else { 0.0 }
    }

    fn base(&self) -> f64 {
        self.base.get().unwrap_or(0.0)
    }
}

fn least(delays: &[f64]) -> f64 {
    delays.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_growing_queue_and_no_queue_in_jitter() {
        let mut delay = QueueDelay::default();
        for n in 0..40 {
            let jitter = f64::from(n % 2) * 0.02;
            delay.add(f64::from(n) * 0.05, &[-3.0 + jitter]);
        }
        assert!(delay.queue() < 0.001 && delay.slope().abs() < 0.04, "{} {}", delay.queue(), delay.slope());
        for n in 0..20 {
            delay.add(2.0 + f64::from(n) * 0.05, &[-3.0 + f64::from(n) * 0.01]);
        }
        assert!((0.17..0.19).contains(&delay.queue()));
        assert!((0.19..0.21).contains(&delay.slope()));
        for n in 0..260 {
            delay.add(3.0 + f64::from(n) * 0.05, &[-2.9]);
        }
        assert!(delay.queue() < 0.001, "a route that stays longer is no queue");
    }

    #[test]
    fn a_surge_shows_in_one_message_and_a_pause_is_none() {
        let mut delay = QueueDelay::default();
        delay.add(0.0, &[1.0, 1.001, 1.0]);
        delay.add(0.05, &[1.05, 1.03, 1.01]);
        assert!(delay.surge() < 0.001, "held up and let go");
        delay.add(0.10, &[1.05, 1.07, 1.09]);
        assert!((0.049..0.051).contains(&delay.surge()));
    }
}
