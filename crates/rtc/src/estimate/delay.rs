//! How long packets wait in the path's queue, and whether that grows.

use std::collections::VecDeque;

use super::rates::Least;

/// The trend is drawn through the batches of this long.
const TREND_WINDOW: f64 = 0.5;
/// Fewer batches show no trend.
const MIN_TREND_BATCHES: usize = 4;
/// The queue is the shortest delay of this long: jitter only ever adds.
const QUEUE_WINDOW: f64 = 0.1;
/// A surge shows in at least so many packets of one message.
const MIN_SURGE_PACKETS: usize = 3;
/// And grows by at least so many seconds in it: by more if the message before did not show it.
const MIN_SURGE: (f64, f64) = (0.010, 0.020);
/// A packet that waited so long found others before it.
const WAITED: f64 = 0.015;
/// So many packets that waited show how fast the queue is served: no more, so that a change shows at once, and no fewer.
const SERVED: (usize, usize) = (3, 6);

/// A packet that arrived. Seconds, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) arrival: f64,
    pub(super) delay: f64,
    pub(super) size: usize,
}

/// The packets of one feedback message.
#[derive(Clone, Copy, Debug)]
struct Batch {
    at: f64,
    shortest: f64,
    /// The shortest delay of the second half, and by how much it is above that of the first. Where a queue builds, packets wait
    /// longer the later they left; a pause of the receiver or of a radio holds up the first ones most.
    tail: f64,
    rise: f64,
}

/// Delays of one path. All times in seconds; the two clocks need not agree, only run alike.
#[derive(Debug, Default)]
pub(super) struct QueueDelay {
    batches: VecDeque<Batch>,
    /// The shortest of ten seconds is taken to be the path without a queue. Longer, and a route change that adds delay looks like a
    /// queue for as long; shorter, and a standing queue is soon forgotten.
    base: Least,
    last_arrival: f64,
    last_waited: bool,
    /// Bits of packets that waited, and seconds since the one before.
    served: VecDeque<(f64, f64)>,
}

impl QueueDelay {
    /// One feedback message that came at `at`: its packets in sending order.
    pub(super) fn add(&mut self, at: f64, packets: &[Arrived]) {
        let delays = |packets: &[Arrived]| packets.iter().map(|packet| packet.delay).fold(f64::INFINITY, f64::min);
        if packets.is_empty() {
            return;
        }
        let shortest = delays(packets);
        let (head, tail) = packets.split_at(packets.len() / 2);
        let rise = if packets.len() >= MIN_SURGE_PACKETS { delays(tail) - delays(head) } else { 0.0 };
        self.batches.push_back(Batch { at, shortest, tail: delays(tail), rise });
        while self.batches.front().is_some_and(|batch| batch.at < at - TREND_WINDOW) {
            self.batches.pop_front();
        }
        self.base.add(at, shortest);
        packets.iter().for_each(|packet| self.serve(packet));
    }

    /// Seconds spent in the queue, after jitter is taken out.
    pub(super) fn queue(&self) -> f64 {
        let Some(newest) = self.batches.back() else { return 0.0 };
        let recent = self.batches.iter().rev().take_while(|batch| batch.at > newest.at - QUEUE_WINDOW);
        let now = recent.map(|batch| batch.shortest).fold(newest.shortest, f64::min);
        (now - self.base()).max(0.0)
    }

    /// [`queue`](Self::queue) beyond what changes from one message to the next anyway: where jitter is large, even the shortest
    /// delay of a message has some of it.
    pub(super) fn standing(&self) -> f64 {
        let changes = self.batches.iter().zip(self.batches.iter().skip(1));
        let changes = changes.map(|(before, after)| (after.shortest - before.shortest).abs()).sum::<f64>();
        let usual = changes / self.batches.len().saturating_sub(1).max(1) as f64;
        (self.queue() - usual / 2.0).max(0.0)
    }

    /// Seconds that the newest packets waited if a queue seems to be building quickly, before [`queue`](Self::queue) shows it.
    pub(super) fn surge(&self) -> f64 {
        let mut newest = self.batches.iter().rev();
        match (newest.next(), newest.next()) {
            (Some(now), Some(before)) => {
                let goes_on = now.rise > MIN_SURGE.0 && now.shortest > before.shortest;
                if goes_on || now.rise > MIN_SURGE.1 { now.tail - self.base() } else { 0.0 }
            }
            _ => 0.0,
        }
    }

    /// Bits per second that the queue is served with, if packets have waited in it of late: what the path takes now.
    pub(super) fn served_bps(&self) -> Option<f64> {
        let (bits, seconds) = self.served.iter().fold((0.0, 0.0), |sum, gap| (sum.0 + gap.0, sum.1 + gap.1));
        (self.served.len() >= SERVED.0 && seconds > 0.0).then(|| bits / seconds)
    }

    /// Between two packets that both waited, the bottleneck was never idle.
    fn serve(&mut self, packet: &Arrived) {
        let waited = packet.delay - self.base() > WAITED;
        let gap = packet.arrival - std::mem::replace(&mut self.last_arrival, packet.arrival);
        if waited && std::mem::replace(&mut self.last_waited, waited) {
            self.served.push_back((packet.size as f64 * 8.0, gap.max(0.0)));
            if self.served.len() > SERVED.1 {
                self.served.pop_front();
            }
        } else {
            self.last_waited = waited;
            self.served.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A message at `at` about packets with these delays, of 1,000 bytes, sent every 4 ms before.
    fn add(delay: &mut QueueDelay, at: f64, delays: &[f64]) {
        let departure = |n: usize| at - 0.02 + n as f64 * 0.004;
        let packet = |(n, delay): (usize, &f64)| Arrived { arrival: departure(n) + delay, delay: *delay, size: 1_000 };
        delay.add(at, &delays.iter().enumerate().map(packet).collect::<Vec<_>>());
    }

    #[test]
    fn sees_a_growing_queue_and_no_queue_in_jitter() {
        let mut delay = QueueDelay::default();
        for n in 0..40 {
            let jitter = f64::from(n % 2) * 0.02;
            add(&mut delay, f64::from(n) * 0.05, &[-3.0 + jitter]);
        }
        assert!(delay.queue() < 0.001 && delay.slope().abs() < 0.04, "{} {}", delay.queue(), delay.slope());
        for n in 0..20 {
            add(&mut delay, 2.0 + f64::from(n) * 0.05, &[-3.0 + f64::from(n) * 0.01]);
        }
        assert!((0.17..0.19).contains(&delay.queue()));
        assert!((0.19..0.21).contains(&delay.slope()));
        for n in 0..260 {
            add(&mut delay, 3.0 + f64::from(n) * 0.05, &[-2.9]);
        }
        assert!(delay.queue() < 0.001, "a route that stays longer is no queue");
    }

    #[test]
    fn a_queue_shows_how_fast_it_is_served() {
        let mut delay = QueueDelay::default();
        add(&mut delay, 0.0, &[1.0, 1.0]);
        assert_eq!(delay.served_bps(), None);
        // One more millisecond of waiting every 4 ms: 1,000 bytes every 5 ms.
        add(&mut delay, 0.05, &[1.020, 1.021, 1.022, 1.023, 1.024]);
        assert!((1.59e6..1.61e6).contains(&delay.served_bps().unwrap()));
    }

    #[test]
    fn a_surge_shows_in_one_message_and_a_pause_is_none() {
        let mut delay = QueueDelay::default();
        add(&mut delay, 0.0, &[1.0, 1.001, 1.0]);
        add(&mut delay, 0.05, &[1.05, 1.03, 1.01]);
        assert!(delay.surge() < 0.001, "held up and let go");
        add(&mut delay, 0.10, &[1.05, 1.07, 1.09]);
        assert!((0.069..0.071).contains(&delay.surge()));
    }
}
