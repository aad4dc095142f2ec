//! What a relay is set up with.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use eyeline_protocol::limits;

/// A relay's settings; the default is what `docs/protocol.md` says.
#[derive(Clone)]
pub struct RelayConfig {
    /// What credentials are made with; `None` draws one at the start, so that credentials end with the process.
    pub secret: Option<String>,
    /// How long credentials are good. A member renews them while it is joined.
    pub credential_ttl: Duration,
    /// The longest an allocation lives without a refresh. Never longer than the credentials are good.
    pub lifetime_max: Duration,
    /// Allocations at a time per join.
    pub allocations_per_join: usize,
    /// Allocations at a time in all, at most 16,384: each has a port of its own.
    pub allocations_max: usize,
    /// Bytes of payload per second that one allocation may send; what is over it is dropped.
    pub allocation_bytes_per_s: u64,
    /// Bytes of payload per second that all allocations together may send; what is over it is dropped.
    pub total_bytes_per_s: u64,
    /// Requests per second that one address (IPv6: one /64) may make without an allocation; ten times as many at once.
    /// What is over it is not answered.
    pub requests_per_s: u32,
    /// Whether loopback addresses are exempt from [`RelayConfig::requests_per_s`].
    pub loopback_exempt: bool,
    /// Connections over TCP and TLS at a time; one more is closed.
    pub streams_max: usize,
    /// The IPv4 address that relayed addresses are given out with. Nothing is ever sent to or from it: it is a name.
    pub relayed_v4: Ipv4Addr,
    /// Likewise for those who ask for an IPv6 address.
    pub relayed_v6: Ipv6Addr,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            secret: None,
            credential_ttl: limits::RELAY_CREDENTIAL_TTL,
            lifetime_max: limits::RELAY_LIFETIME_MAX,
            allocations_per_join: limits::RELAY_ALLOCATIONS_PER_JOIN,
            allocations_max: 2_000,
            allocation_bytes_per_s: 1_500_000,
            total_bytes_per_s: 25_000_000,
            requests_per_s: 20,
            loopback_exempt: true,
            streams_max: 1_000,
            // Addresses set aside for documentation (RFC 5737, RFC 3849): nobody has them, so a client that tries to
            // reach a relayed address directly reaches nobody.
            relayed_v4: Ipv4Addr::new(192, 0, 2, 1),
            relayed_v6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        }
    }
}

impl RelayConfig {
    /// Whether relayed addresses have this IP address.
    pub(crate) fn is_relayed(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => v4 == self.relayed_v4,
            IpAddr::V6(v6) => v6 == self.relayed_v6,
        }
    }
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("allocations_max", &self.allocations_max)
            .field("total_bytes_per_s", &self.total_bytes_per_s)
            .finish_non_exhaustive()
    }
}
