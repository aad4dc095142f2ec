//! Spreads the packets of a frame over time, so that a large frame does not overrun the queue of a slow link.
//!
//! Sans-IO: told the time. Whole frames are refused, before they get sequence numbers, so a refusal leaves no gap that the
//! other side would ask to have filled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;

use crate::estimate::Probe;

/// Video leaves at this multiple of the estimate: frames differ in size, the estimate is an average.
const PACE: f64 = 2.5;
/// A large keyframe may leave at up to this multiple, so that it is out within [`MAX_QUEUE`].
const MAX_PACE: f64 = 5.0;
/// What is queued should be gone after this time.
const MAX_QUEUE: Duration = Duration::from_millis(250);
/// Packets this close together leave together: timers are no finer than a millisecond and wake-ups cost.
const BURST: Duration = Duration::from_millis(4);
/// Bytes of headers around each payload.
const OVERHEAD: usize = 40;

/// What is urgent may take this share of the target, so that retransmissions never keep a full queue full.
const URGENT_SHARE: f64 = 0.5;
/// And as much at once as that makes in this time.
const URGENT_BURST: Duration = Duration::from_millis(300);
/// What is urgent is thrown away after waiting this long: nobody waits for it any more, or it will be asked for again.
const URGENT_PATIENCE: Duration = Duration::from_millis(400);
/// A probe is over this long after its first packet, even if nothing was there to fill it.
const PROBE_TIME: Duration = Duration::from_millis(100);

/// Queue of video packets of type `T` with their size.
#[derive(Debug)]
pub(crate) struct Pacer<T> {
    /// Leaves first: what somebody waits for already.
    urgent: VecDeque<Urgent<T>>,
    /// Bytes of those.
    urgent_queued: usize,
    /// When the next of those may leave.
    urgent_from: Option<Instant>,
    queue: VecDeque<(usize, T)>,
    queued: usize,
    /// When the next packet may leave.
    next: Option<Instant>,
    /// How fast video leaves if the queue is short.
    pace: Option<Bitrate>,
    probe: Option<Burst>,
}

#[derive(Debug)]
struct Urgent<T> {
    size: usize,
    packet: T,
    since: Instant,
}

/// A [`Probe`] that is being sent.
#[derive(Clone, Copy, Debug)]
struct Burst {
    probe: Probe,
    left: usize,
    end: Instant,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            urgent_queued: 0,
            urgent_from: None,
            queue: VecDeque::new(),
            queued: 0,
            next: None,
            pace: None,
            probe: None,
        }
    }
}

impl<T> Pacer<T> {
    /// Whether a frame of `size` bytes would still leave in time. An empty queue takes any frame.
    pub(crate) fn has_room(&self, size: usize, target: Bitrate) -> bool {
        self.queued == 0 || seconds(self.queued + size, MAX_PACE * rate(target)) <= MAX_QUEUE.as_secs_f64()
    }

    /// Whether nothing waits, but for what is urgent.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// How many packets are waiting that are urgent.
    pub(crate) fn urgent(&self) -> usize {
        self.urgent.len()
    }

    /// Throws away what is urgent.
    pub(crate) fn clear_urgent(&mut self) {
        self.urgent.clear();
        self.urgent_queued = 0;
    }

    /// Queues a packet of `size` bytes.
    pub(crate) fn push(&mut self, size: usize, packet: T) {
        self.queued += size + OVERHEAD;
        self.queue.push_back((size + OVERHEAD, packet));
    }

    /// Queues a packet of `size` bytes ahead of all that [`push`](Self::push) queued.
    pub(crate) fn push_urgent(&mut self, now: Instant, size: usize, packet: T) {
        self.urgent_queued += size + OVERHEAD;
        self.urgent.push_back(Urgent { size: size + OVERHEAD, packet, since: now });
    }

    /// How fast video may leave while little waits.
    pub(crate) fn set_pace(&mut self, pace: Bitrate) {
        self.pace = Some(pace);
    }

    /// Sends what comes next at the rate of `probe`, and asks for [padding](Self::padding) when nothing waits.
    pub(crate) fn start_probe(&mut self, now: Instant, probe: Probe) {
        self.probe = Some(Burst { probe, left: probe.bytes, end: now + PROBE_TIME });
    }

    /// The next packet that may leave at `now`.
    pub(crate) fn pop(&mut self, now: Instant, target: Bitrate) -> Option<T> {
        if self.next.unwrap_or(now) > now + BURST {
            return None;
        }
        let drain = bits(self.queued + self.urgent_queued) / MAX_QUEUE.as_secs_f64();
        let target = rate(target);
        let (size, packet) = self.pop_urgent(now, target).or_else(|| self.pop_queue())?;
        let most = MAX_PACE * target;
        let pace = drain.clamp(self.pace.map_or(PACE * target, rate).min(most), most);
        self.advance(now, size, pace);
        Some(packet)
    }

    fn pop_queue(&mut self) -> Option<(usize, T)> {
        let (size, packet) = self.queue.pop_front()?;
        self.queued -= size;
        Some((size, packet))
    }

    fn pop_urgent(&mut self, now: Instant, target: f64) -> Option<(usize, T)> {
        while self.urgent.front().is_some_and(|urgent| urgent.since + URGENT_PATIENCE < now) {
            self.urgent_queued -= self.urgent.pop_front().map_or(0, |old| old.size);
        }
        if self.probe.is_none() && self.urgent_from.is_some_and(|from| from > now) {
            return None;
        }
        let Urgent { size, packet, .. } = self.urgent.pop_front()?;
        self.urgent_queued -= size;
        let earliest = now.checked_sub(URGENT_BURST).unwrap_or(now);
        let from = self.urgent_from.unwrap_or(earliest).max(earliest);
        self.urgent_from = Some(from + Duration::from_secs_f64(seconds(size, URGENT_SHARE * target)));
        Some((size, packet))
    }

    /// How many bytes of padding a probe wants at `now`; none while packets wait. Tell [`padded`](Self::padded) what was sent.
    pub(crate) fn padding(&mut self, now: Instant) -> Option<usize> {
        if self.probe.is_some_and(|burst| now > burst.end) {
            self.probe = None;
        }
        let due = self.next.is_none_or(|next| next <= now + BURST);
        self.probe.filter(|_| due && self.queued + self.urgent_queued == 0).map(|burst| burst.left)
    }

    /// Padding of `size` bytes left at `now`; none (0) ends the probe.
    pub(crate) fn padded(&mut self, now: Instant, size: usize) {
        if size == 0 {
            self.probe = None;
        } else {
            self.advance(now, size + OVERHEAD, 0.0);
        }
    }

    /// When [`pop`](Self::pop) or [`padding`](Self::padding) will have something; `None` while there is nothing to wait for.
    pub(crate) fn next(&self) -> Option<Instant> {
        let next = self.next?;
        let next = next.checked_sub(BURST / 2).unwrap_or(next);
        if self.probe.is_some() || !self.queue.is_empty() {
            return Some(next);
        }
        self.urgent.front().map(|_| self.urgent_from.map_or(next, |from| from.max(next)))
    }

    /// A packet left: the next may when this one would be through at `pace`, or at the probe's rate if that is faster.
    fn advance(&mut self, now: Instant, size: usize, pace: f64) {
        let mut pace = pace;
        if let Some(burst) = &mut self.probe {
            pace = pace.max(rate(burst.probe.rate));
            burst.left = burst.left.saturating_sub(size);
            if burst.left == 0 || now > burst.end {
                self.probe = None;
            }
        }
        let at = self.next.unwrap_or(now).max(now);
        self.next = Some(at + Duration::from_secs_f64(seconds(size, pace)));
    }
}

fn rate(target: Bitrate) -> f64 {
    // Bitrates are far below 2^53.
    target.bps().max(10_000) as f64
}

fn bits(bytes: usize) -> f64 {
    bytes as f64 * 8.0
}

fn seconds(bytes: usize, bps: f64) -> f64 {
    bits(bytes) / bps
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Bitrate = Bitrate::from_kbps(1_000);

    fn drain(pacer: &mut Pacer<u32>, start: Instant) -> Vec<(Duration, u32)> {
        let mut now = start;
        let mut out = Vec::new();
        loop {
            while let Some(packet) = pacer.pop(now, TARGET) {
                out.push((now - start, packet));
            }
            let Some(next) = pacer.next() else { return out };
            assert!(next > now, "the pacer must advance");
            now = next;
        }
    }

    #[test]
    fn spreads_a_frame_at_two_and_a_half_times_the_target() {
        let mut pacer = Pacer::default();
        for n in 0..20 {
            pacer.push(1_210, n);
        }
        let out = drain(&mut pacer, Instant::now());
        assert_eq!(out.iter().map(|(_, n)| *n).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        // 20 packets of 10 kbit at 2.5 Mbit/s are 80 ms.
        let span = out.last().unwrap().0;
        assert!((70..=80).contains(&span.as_millis()), "{span:?}");
        assert!(out[3].0 < Duration::from_millis(16));
    }

    #[test]
    fn a_huge_keyframe_leaves_faster_and_blocks_what_follows() {
        let mut pacer = Pacer::default();
        assert!(pacer.has_room(200_000, TARGET));
        for n in 0..100 {
            pacer.push(1_210, n);
        }
        assert!(!pacer.has_room(40_000, TARGET));
        assert!(pacer.has_room(20_000, TARGET));
        let span = drain(&mut pacer, Instant::now()).last().unwrap().0;
        assert!((220..=400).contains(&span.as_millis()), "{span:?}");
    }

    #[test]
    fn what_is_urgent_overtakes() {
        let mut pacer = Pacer::default();
        pacer.push(1_210, 1);
        pacer.push(1_210, 2);
        pacer.push_urgent(Instant::now(), 1_210, 3);
        let order: Vec<u32> = drain(&mut pacer, Instant::now()).into_iter().map(|(_, n)| n).collect();
        assert_eq!(order, [3, 1, 2]);
        assert_eq!(pacer.next(), None);
    }

    #[test]
    fn urgent_packets_leave_first_but_never_take_it_all() {
        let mut pacer = Pacer::default();
        for n in 0..60 {
            pacer.push_urgent(Instant::now(), 1_210, n);
            pacer.push(1_210, n + 100);
        }
        let out = drain(&mut pacer, Instant::now());
        assert!(out[..10].iter().all(|(_, n)| *n < 100));
        assert_eq!(out.iter().filter(|(_, n)| *n >= 100).count(), 60);
        assert!(out.iter().all(|(at, n)| *n >= 100 || *at <= URGENT_PATIENCE), "nobody waits so long");
        // 0.5 Mbit/s and 300 ms of it ahead: 50 packets of 10 kbit a second, 15 at once.
        let urgent = out.iter().filter(|(at, n)| *n < 100 && at.as_millis() < 300).count();
        assert!((25..=32).contains(&urgent), "{urgent}");
    }

    #[test]
    fn a_probe_sends_media_faster_and_fills_up_with_padding() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        for n in 0..3 {
            pacer.push(1_210, n);
        }
        pacer.start_probe(start, Probe { rate: Bitrate::from_kbps(6_000), bytes: 12_000 });
        let (mut now, mut padding) = (start, 0);
        while let Some(next) = {
            while pacer.pop(now, TARGET).is_some() {}
            while let Some(bytes) = pacer.padding(now) {
                pacer.padded(now, bytes.min(1_210));
                padding += bytes.min(1_210);
            }
            pacer.next()
        } {
            now = next;
        }
        assert!((8_000..9_500).contains(&padding), "{padding}");
        // 12 kB at 6 Mbit/s are 16 ms.
        assert!((10..=20).contains(&(now - start).as_millis()), "{:?}", now - start);
        pacer.start_probe(now, Probe { rate: Bitrate::from_kbps(6_000), bytes: 12_000 });
        assert_eq!(pacer.padding(now + PROBE_TIME * 2), None, "nothing lasts for ever");
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        pacer.push(1_210, 0);
        assert!(pacer.pop(start, TARGET).is_some());
        let later = start + Duration::from_secs(5);
        for n in 0..10 {
            pacer.push(1_210, n);
        }
        let at_once = std::iter::from_fn(|| pacer.pop(later, TARGET)).count();
        assert!(at_once <= 3, "{at_once}");
    }
}
