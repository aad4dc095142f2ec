//! Who may open a socket: limits per address, told the time. Addresses stay in memory only, and only while they count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::rate::{Bucket, Rate};
use crate::rooms::Origin;

/// What one address may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmissionConfig {
    pub(crate) per_min: u32,
    pub(crate) open_max: u32,
    pub(crate) total_max: u32,
    pub(crate) loopback_exempt: bool,
}

/// Why a socket was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This address: too many, or too fast.
    Address { retry_after: Duration },
    /// All addresses together.
    Total { retry_after: Duration },
}

/// Addresses remembered before those that are idle are swept out.
const SWEEP_ABOVE: usize = 1024;
const RETRY_WHEN_FULL: Duration = Duration::from_secs(30);

pub(crate) struct Admission {
    config: AdmissionConfig,
    addresses: HashMap<IpAddr, Usage>,
    open: u32,
    sweep_above: usize,
}

struct Usage {
    open: u32,
    bucket: Bucket,
}

impl Admission {
    pub(crate) fn new(config: AdmissionConfig) -> Self {
        Self { config, addresses: HashMap::new(), open: 0, sweep_above: SWEEP_ABOVE }
    }

    /// Other limits from now on; who is in stays in.
    pub(crate) fn reconfigure(&mut self, config: AdmissionConfig) {
        self.config = config;
    }

    /// Lets a socket in, or not; every one let in must [`Admission::leave`].
    pub(crate) fn enter(&mut self, now: Instant, address: IpAddr) -> Result<Origin, Refusal> {
        if self.open >= self.config.total_max {
            return Err(Refusal::Total { retry_after: RETRY_WHEN_FULL });
        }
        let origin = if self.is_exempt(address) {
            Origin::Exempt
        } else {
            self.count(now, address)?;
            Origin::Address(key(address))
        };
        self.open += 1;
        Ok(origin)
    }

    /// A socket that was let in is gone.
    pub(crate) fn leave(&mut self, address: IpAddr) {
        self.open = self.open.saturating_sub(1);
        if let Some(usage) = self.addresses.get_mut(&key(address)) {
            usage.open = usage.open.saturating_sub(1);
        }
    }

    /// Whether the limits per address do not hold for this one.
    pub(crate) fn is_exempt(&self, address: IpAddr) -> bool {
        self.config.loopback_exempt && address.to_canonical().is_loopback()
    }

    fn count(&mut self, now: Instant, address: IpAddr) -> Result<(), Refusal> {
        self.sweep(now);
        let per_min = self.config.per_min.max(1);
        let rate = Rate { burst: per_min, every: Duration::from_secs(60) / per_min };
        let usage =
            self.addresses.entry(key(address)).or_insert_with(|| Usage { open: 0, bucket: Bucket::new(now, rate) });
        if usage.open >= self.config.open_max {
            return Err(Refusal::Address { retry_after: RETRY_WHEN_FULL });
        }
        usage.bucket.take(now).map_err(|retry_after| Refusal::Address { retry_after })?;
        usage.open += 1;
        Ok(())
    }

    /// Forgets addresses that are back to where a new one starts; each sweep is paid for by as many new addresses.
    fn sweep(&mut self, now: Instant) {
        if self.addresses.len() >= self.sweep_above {
            self.addresses.retain(|_, usage| usage.open > 0 || !usage.bucket.is_free(now));
            self.sweep_above = SWEEP_ABOVE.max(2 * self.addresses.len());
        }
    }
}

/// An IPv4 address counts by itself, an IPv6 one as its /64: that is what one subscriber has.
pub(crate) fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(per_min: u32, open_max: u32) -> Admission {
        Admission::new(AdmissionConfig { per_min, open_max, total_max: 5, loopback_exempt: true })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn from(text: &str) -> Origin {
        Origin::Address(ip(text))
    }

    #[test]
    fn an_address_has_a_rate_and_a_number_of_open_sockets() {
        let now = Instant::now();
        let mut admission = admission(3, 2);
        assert_eq!(admission.enter(now, ip("192.0.2.1")), Ok(from("192.0.2.1")));
        assert_eq!(admission.enter(now, ip("::ffff:192.0.2.1")), Ok(from("192.0.2.1")));
        assert!(matches!(admission.enter(now, ip("192.0.2.1")), Err(Refusal::Address { .. })));
        admission.leave(ip("192.0.2.1"));
        assert_eq!(admission.enter(now, ip("192.0.2.1")), Ok(from("192.0.2.1")));
        admission.leave(ip("192.0.2.1"));
        let refused = admission.enter(now, ip("192.0.2.1"));
        assert_eq!(refused, Err(Refusal::Address { retry_after: Duration::from_secs(20) }));
        assert_eq!(admission.enter(now, ip("192.0.2.2")), Ok(from("192.0.2.2")));
        assert_eq!(admission.enter(now + Duration::from_secs(20), ip("192.0.2.1")), Ok(from("192.0.2.1")));
    }

    #[test]
    fn an_ipv6_subscriber_counts_once() {
        let now = Instant::now();
        let mut admission = admission(1, 9);
        assert_eq!(admission.enter(now, ip("2001:db8::1")), Ok(from("2001:db8::")));
        assert!(admission.enter(now, ip("2001:db8::2")).is_err());
        assert_eq!(admission.enter(now, ip("2001:db8:0:1::1")), Ok(from("2001:db8:0:1::")));
    }

    #[test]
    fn loopback_is_exempt_but_counts_in_total() {
        let now = Instant::now();
        let mut admission = admission(1, 1);
        for _ in 0..5 {
            assert_eq!(admission.enter(now, ip("127.0.0.1")), Ok(Origin::Exempt));
        }
        assert!(matches!(admission.enter(now, ip("127.0.0.1")), Err(Refusal::Total { .. })));
    }

    #[test]
    fn idle_addresses_are_forgotten() {
        let start = Instant::now();
        let mut admission =
            Admission::new(AdmissionConfig { per_min: 1, open_max: 1, total_max: u32::MAX, loopback_exempt: true });
        for nth in 0..20_000_u32 {
            let address = IpAddr::V4(nth.into());
            admission.enter(start + Duration::from_millis(u64::from(nth) * 100), address).unwrap();
            admission.leave(address);
        }
        assert!(admission.addresses.len() <= 2 * SWEEP_ABOVE, "{}", admission.addresses.len());
    }
}
