//! How much may pass, and how often strangers are answered; told the time.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::dice::Seed;
use crate::rate::{Bucket, Rate};

/// What may come at once: as much as this time gives. A picture of a call leaves as a burst of packets.
const BURST: Duration = Duration::from_millis(500);

/// Bytes per second, with a burst: when all of it is used, what comes is dropped.
pub(super) struct ByteCap {
    bytes_per_s: u64,
    /// When all of it is free again.
    free_at: Instant,
}

impl ByteCap {
    pub(super) fn new(now: Instant, bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), free_at: now }
    }

    /// Takes so many bytes, or none.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let nanos = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000_000) / self.bytes_per_s;
        let free_at = self.free_at.max(now) + Duration::from_nanos(nanos);
        let fits = free_at.duration_since(now) <= BURST;
        if fits {
            self.free_at = free_at;
        }
        fits
    }
}

/// How many addresses are told apart; those that fall together share what they may do. So memory is bounded whoever asks.
const SLOTS: usize = 4096;

/// Requests of those without an allocation, per address (IPv6: per /64).
pub(super) struct Strangers {
    seed: Seed,
    slots: Vec<Bucket>,
    loopback_exempt: bool,
}

impl Strangers {
    pub(super) fn new(now: Instant, seed: Seed, per_s: u32, loopback_exempt: bool) -> Self {
        let per_s = per_s.max(1);
        let rate = Rate { burst: per_s.saturating_mul(10), every: Duration::from_secs(1) / per_s };
        Self { seed, slots: vec![Bucket::new(now, rate); SLOTS], loopback_exempt }
    }

    /// Whether this one is still to be answered.
    pub(super) fn may_ask(&mut self, now: Instant, address: IpAddr) -> bool {
        if self.loopback_exempt && address.is_loopback() {
            return true;
        }
        let slot = self.slot(address);
        self.slots[slot].take(now).is_ok()
    }

    /// Chosen with a secret, so that nobody can choose with whom to share.
    fn slot(&self, address: IpAddr) -> usize {
        let subscriber = match address {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        };
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        subscriber.hash(&mut hasher);
        usize::try_from(hasher.finish() % 4096).expect("below the number of slots")
    }
}

const _: () = assert!(SLOTS == 4096);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_at_their_rate_after_a_burst() {
        let now = Instant::now();
        let mut cap = ByteCap::new(now, 100_000);
        let burst = (0..1000).take_while(|_| cap.take(now, 1000)).count();
        assert_eq!(burst, 50);
        assert!(!cap.take(now, 1000), "what did not fit has not used anything up");
        let after = (1..=100).filter(|tick| cap.take(now + Duration::from_millis(10 * tick), 1000)).count();
        assert_eq!(after, 100);
        assert!(!cap.take(now + Duration::from_secs(1), 1000));
    }

    #[test]
    fn a_cap_of_zero_lets_nothing_large_pass() {
        assert!(!ByteCap::new(Instant::now(), 0).take(Instant::now(), 1));
    }

    #[test]
    fn strangers_have_a_rate_each() {
        let now = Instant::now();
        let mut strangers = Strangers::new(now, [1; 32], 2, true);
        let ask = |strangers: &mut Strangers, address: &str| {
            (0..100).filter(|_| strangers.may_ask(now, address.parse().unwrap())).count()
        };
        assert_eq!(ask(&mut strangers, "192.0.2.1"), 20);
        assert_eq!(ask(&mut strangers, "192.0.2.2"), 20);
        assert_eq!(ask(&mut strangers, "2001:db8::1"), 20);
        assert_eq!(ask(&mut strangers, "2001:db8::2"), 0, "the same /64");
        assert_eq!(ask(&mut strangers, "127.0.0.1"), 100);
        assert!(strangers.may_ask(now + Duration::from_millis(500), "192.0.2.1".parse().unwrap()));
    }
}
