//! The link itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::LinkConfig;
use crate::config::Policer;
use crate::random::Random;

const NANOS: u128 = 1_000_000_000;

/// What became of the packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed in.
    pub offered: u64,
    /// Dropped for want of room in the queue.
    pub overflowed: u64,
    /// Dropped by the policer.
    pub policed: u64,
    /// Lost on the wire, by chance.
    pub lost: u64,
    /// Lost because the link was down.
    pub down: u64,
    /// Handed out.
    pub delivered: u64,
}

/// One direction of a link that carries packets of type `T`.
///
/// Times never decrease from call to call, whichever of the methods is called.
#[derive(Debug)]
pub struct Link<T> {
    config: LinkConfig,
    /// Waits for the bottleneck; the first is being sent.
    queue: VecDeque<Waiting<T>>,
    /// Bits in `queue`, without those of the first that were sent before `sent_until`.
    backlog_bits: u64,
    /// Until when sending has been accounted for.
    sent_until: Duration,
    /// On the way, soonest first.
    on_the_way: BinaryHeap<Reverse<OnTheWay<T>>>,
    last_arrival: Duration,
    last_number: u64,
    bucket: Bucket,
    in_burst: bool,
    loss: Random,
    burst: Random,
    jitter: Random,
    counts: Counts,
}

#[derive(Debug)]
struct Waiting<T> {
    bits_left: u64,
    /// `None`: it will be lost, but takes its time first.
    payload: Option<T>,
}

#[derive(Debug)]
struct OnTheWay<T> {
    arrival: Duration,
    /// Order of sending, for those that arrive in the same moment.
    number: u64,
    payload: T,
}

impl<T> Link<T> {
    /// An empty link. All its chances come from `seed`.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            queue: VecDeque::new(),
            backlog_bits: 0,
            sent_until: Duration::ZERO,
            on_the_way: BinaryHeap::new(),
            last_arrival: Duration::ZERO,
            last_number: 0,
            bucket: Bucket::default(),
            in_burst: false,
            loss: Random::new(seed, 1),
            burst: Random::new(seed, 2),
            jitter: Random::new(seed, 3),
            counts: Counts::default(),
        }
    }

    /// Takes a packet of so many bytes. `false`: it will never arrive.
    pub fn enqueue(&mut self, now: Duration, bytes: usize, payload: T) -> bool {
        self.send_until(now);
        self.counts.offered += 1;
        // Drawn for every packet, so that its fate does not hang on that of others.
        let lost_in_burst = self.step_bursts();
        let lost = self.loss.chance(self.config.loss) || lost_in_burst;
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
        if !self.config.up {
            self.counts.down += 1;
            return false;
        }
        if !self.config.policer.is_none_or(|policer| self.bucket.take(now, policer, bits)) {
            self.counts.policed += 1;
            return false;
        }
        if !self.has_room(bits) {
            self.counts.overflowed += 1;
            return false;
        }
        self.counts.lost += u64::from(lost);
        self.backlog_bits += bits;
        self.queue.push_back(Waiting { bits_left: bits, payload: (!lost).then_some(payload) });
        // What nothing holds up is on its way at once.
        self.send_until(now);
        !lost
    }

    /// The next packet that has arrived by `now`. Call it until it gives nothing.
    pub fn poll(&mut self, now: Duration) -> Option<T> {
        self.send_until(now);
        if self.on_the_way.peek()?.0.arrival > now {
            return None;
        }
        self.counts.delivered += 1;
        self.on_the_way.pop().map(|Reverse(packet)| packet.payload)
    }

    /// When to poll again at the latest: nothing arrives before. `None`: nothing is under way.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let arrives = self.on_the_way.peek().map(|Reverse(packet)| packet.arrival);
        let sent = self.first_is_sent_at().map(|sent| sent + self.config.propagation);
        arrives.into_iter().chain(sent).min()
    }

    /// Changes the link. A packet that is being sent goes on at the new rate; what is on its way arrives as it would have.
    pub fn reconfigure(&mut self, now: Duration, config: LinkConfig) {
        self.send_until(now);
        self.config = config;
        if !config.up {
            self.counts.down += self.queue.iter().filter(|waiting| waiting.payload.is_some()).count() as u64;
            self.queue.clear();
            self.backlog_bits = 0;
        }
    }

    /// What it is like now.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// How long a packet that came now would wait before it is sent.
    pub fn queueing_delay(&mut self, now: Duration) -> Duration {
        self.send_until(now);
        self.config.rate_bps.map_or(Duration::ZERO, |rate_bps| time_to_send(self.backlog_bits, rate_bps))
    }

    /// What became of the packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn has_room(&self, bits: u64) -> bool {
        let Some(rate_bps) = self.config.rate_bps else { return true };
        self.queue.is_empty() || self.backlog_bits.saturating_add(bits) <= self.config.queue.bits(rate_bps)
    }

    /// Whether this packet falls into a burst of losses.
    fn step_bursts(&mut self) -> bool {
        let Some(bursts) = self.config.bursts else {
            self.in_burst = false;
            return false;
        };
        let switches = self.burst.chance(if self.in_burst { bursts.p_good } else { bursts.p_bad });
        self.in_burst ^= switches;
        let lost = self.burst.chance(bursts.loss_in_bad);
        self.in_burst && lost
    }

    fn first_is_sent_at(&self) -> Option<Duration> {
        let first = self.queue.front()?;
        Some(self.sent_until + self.config.rate_bps.map_or(Duration::ZERO, |rate| time_to_send(first.bits_left, rate)))
    }

    /// Brings the bottleneck up to `now`.
    fn send_until(&mut self, now: Duration) {
        while let Some(sent_at) = self.first_is_sent_at().filter(|sent_at| *sent_at <= now) {
            let Some(first) = self.queue.pop_front() else { break };
            self.backlog_bits -= first.bits_left;
            self.sent_until = sent_at;
            self.start_on_the_way(sent_at, first.payload);
        }
        if let (Some(rate_bps), Some(first)) = (self.config.rate_bps, self.queue.front_mut()) {
            let bits = u128::from(rate_bps) * now.saturating_sub(self.sent_until).as_nanos() / NANOS;
            // The first is not through yet, so these are fewer than its bits.
            let bits = u64::try_from(bits).unwrap_or(u64::MAX).min(first.bits_left);
            first.bits_left -= bits;
            self.backlog_bits -= bits;
            self.sent_until += time_to_send(bits, rate_bps).min(now.saturating_sub(self.sent_until));
        } else {
            self.sent_until = self.sent_until.max(now);
        }
    }

    fn start_on_the_way(&mut self, sent_at: Duration, payload: Option<T>) {
        // Drawn for lost ones as well, for the same reason as above.
        let jitter = self.config.jitter.mul_f64(self.jitter.unit());
        let Some(payload) = payload else { return };
        let mut arrival = sent_at + self.config.propagation + jitter;
        if !self.config.may_reorder {
            arrival = arrival.max(self.last_arrival);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_number += 1;
        self.on_the_way.push(Reverse(OnTheWay { arrival, number: self.last_number, payload }));
    }
}

/// Rounded up to a nanosecond: a packet is never early.
fn time_to_send(bits: u64, rate_bps: u64) -> Duration {
    let nanos = (u128::from(bits) * NANOS).div_ceil(u128::from(rate_bps.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Tokens of the policer, in bits times 10^9 so that nothing is rounded away.
#[derive(Debug, Default)]
struct Bucket {
    missing: u128,
    filled_at: Duration,
}

impl Bucket {
    fn take(&mut self, now: Duration, policer: Policer, bits: u64) -> bool {
        let came = u128::from(policer.rate_bps) * now.saturating_sub(self.filled_at).as_nanos();
        self.missing = self.missing.saturating_sub(came);
        self.filled_at = now;
        let after = self.missing + u128::from(bits) * NANOS;
        let fits = after <= u128::from(policer.burst_bytes) * 8 * NANOS;
        if fits {
            self.missing = after;
        }
        fits
    }
}

impl<T> PartialEq for OnTheWay<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.arrival, self.number) == (other.arrival, other.number)
    }
}

impl<T> Eq for OnTheWay<T> {}

impl<T> PartialOrd for OnTheWay<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for OnTheWay<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival, self.number).cmp(&(other.arrival, other.number))
    }
}
