//! A path of fixed delay and rate that loses packets by chance, alone or several in a row, and the way back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::rtp;

/// What the path is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) rtt: Duration,
    pub(super) bps: f64,
    /// Share of packets lost, either way.
    pub(super) loss: f64,
    /// How probable it is that the packet after a lost one is lost as well.
    pub(super) after_loss: f64,
}

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Carried {
    Packet(rtp::Packet),
    Nack(Vec<u16>),
    KeyframeRequest,
    /// What became of packets, in sending order.
    Feedback(Vec<bool>),
}

pub(super) struct Path {
    conditions: Conditions,
    random: u64,
    lossy: bool,
    /// When the last packet has passed the narrowest place.
    free_at: Option<Instant>,
    /// In order of arrival.
    forth: VecDeque<(Instant, Carried)>,
    back: VecDeque<(Instant, Carried)>,
    /// Packets that were sent and not reported, and when that can be.
    unreported: VecDeque<(Instant, bool)>,
}

impl Path {
    pub(super) fn new(conditions: Conditions) -> Self {
        let (forth, back, unreported) = Default::default();
        Self { conditions, random: 0x2545_f491_4f6c_dd1d, lossy: false, free_at: None, forth, back, unreported }
    }

    /// Uniform in 0 to 1 (xorshift64).
    pub(super) fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A round trip that begins now.
    pub(super) fn rtt(&self, now: Instant) -> Duration {
        self.conditions.rtt + self.free_at.map_or(Duration::ZERO, |free| free.saturating_duration_since(now))
    }

    pub(super) fn send(&mut self, now: Instant, packet: rtp::Packet) {
        let bits = (packet.payload.len() + 64) as f64 * 8.0;
        let through = self.free_at.unwrap_or(now).max(now) + Duration::from_secs_f64(bits / self.conditions.bps);
        self.free_at = Some(through);
        let arrival = through + self.conditions.rtt / 2;
        let lost = self.loses();
        self.unreported.push_back((arrival, lost));
        if !lost {
            self.forth.push_back((arrival, Carried::Packet(packet)));
        }
    }

    /// Feedback is lost as often as anything; the next one then says it too.
    pub(super) fn send_feedback(&mut self, now: Instant) {
        if self.random() < self.conditions.loss {
            return;
        }
        let known = self.unreported.iter().take_while(|(arrival, _)| *arrival <= now).count();
        let report = self.unreported.drain(..known).map(|(_, lost)| lost).collect();
        self.back.push_back((now + self.conditions.rtt / 2, Carried::Feedback(report)));
    }

    pub(super) fn send_back(&mut self, now: Instant, carried: Carried) {
        if self.random() >= self.conditions.loss {
            self.back.push_back((now + self.conditions.rtt / 2, carried));
        }
    }

    /// What has arrived at either end by `now`.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Carried> {
        let due = |queue: &mut VecDeque<(Instant, Carried)>| queue.pop_front_if(|(at, _)| *at <= now);
        due(&mut self.forth).or_else(|| due(&mut self.back)).map(|(_, carried)| carried)
    }

    fn loses(&mut self) -> bool {
        let Conditions { loss, after_loss, .. } = self.conditions;
        let probability = if self.lossy { after_loss } else { loss * (1.0 - after_loss) / (1.0 - loss) };
        self.lossy = self.random() < probability;
        self.lossy
    }
}
