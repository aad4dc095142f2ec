//! What a link is like.

use std::time::Duration;

/// What one direction of a link is like. The default is a perfect one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// Bits a second that the bottleneck carries; `None`: any number.
    pub rate_bps: Option<u64>,
    /// How much may wait for the bottleneck. A packet for which there is no room is dropped (tail drop), unless nothing waits.
    pub queue: QueueLimit,
    /// From the end of sending to arrival.
    pub propagation: Duration,
    /// The most that is added to `propagation`; what is added to a packet is uniform between zero and this.
    pub jitter: Duration,
    /// Whether jitter may let a packet overtake another. Without it, a packet waits for the late one before it, as on
    /// radio links that deliver in order.
    pub may_reorder: bool,
    /// Share of packets (0 to 1) lost on the wire, each for itself. They take their time at the bottleneck before.
    pub loss: f64,
    /// Losses that come in bursts, besides `loss`.
    pub bursts: Option<Bursts>,
    /// Drops what exceeds a contract, before the queue.
    pub policer: Option<Policer>,
    /// Whether anything passes. Going down loses what waits at the bottleneck, not what is on its way.
    pub up: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate_bps: None,
            queue: QueueLimit::Time(Duration::from_millis(200)),
            propagation: Duration::ZERO,
            jitter: Duration::ZERO,
            may_reorder: false,
            loss: 0.0,
            bursts: None,
            policer: None,
            up: true,
        }
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// So many bytes, whatever the rate.
    Bytes(u64),
    /// As much as the rate carries in this time; it changes with the rate.
    Time(Duration),
}

impl QueueLimit {
    /// The limit at a rate, bits.
    pub(crate) fn bits(self, rate_bps: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.saturating_mul(8),
            Self::Time(time) => {
                u64::try_from(u128::from(rate_bps) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
            }
        }
    }
}

/// Losses in bursts: a chain of two states that takes one step a packet (Gilbert 1960, Elliott 1963). Loses
/// `p_bad / (p_bad + p_good) * loss_in_bad` of all packets; the bad state lasts `1 / p_good` packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// Chance of a step from good to bad.
    pub p_bad: f64,
    /// Chance of a step from bad to good.
    pub p_good: f64,
    /// Share of packets lost in the bad state; none are lost in the good one.
    pub loss_in_bad: f64,
}

impl Bursts {
    /// Bursts that lose every packet: this share of all (0 to 1, not 1), this many in a row on average (1 or more).
    pub fn of(share: f64, mean_length: f64) -> Self {
        let p_good = 1.0 / mean_length;
        Self { p_bad: p_good * share / (1.0 - share), p_good, loss_in_bad: 1.0 }
    }
}

/// A token bucket that drops what finds too few tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    /// Tokens that come in a second, bits.
    pub rate_bps: u64,
    /// Tokens that the bucket holds, and begins with, bytes.
    pub burst_bytes: u64,
}
