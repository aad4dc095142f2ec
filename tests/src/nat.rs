//! Routers that translate addresses: the kinds of them there are, made of nftables.
//!
//! `masquerade` keeps a port where it can, so that one machine behind a router has one mapping per socket, and connection
//! tracking lets in answers only: that is the port-restricted kind. The more open ones remember in a set what left, and
//! hand on what comes to it; the symmetric one draws a port for every conversation. [`crate::nat_probe`] checks that.

use std::fmt;

use crate::Outcome;
use crate::lan::{Host, Lan};

/// What a router does with UDP, by the old names (RFC 3489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Who sends to a mapping gets in.
    FullCone,
    /// Whose address was written to from a mapping gets in by it.
    Restricted,
    /// Whose address and port was written to from a mapping gets in by it.
    PortRestricted,
    /// Every conversation has a mapping of its own, and only its other end gets in.
    Symmetric,
}

/// What something depends on, by the newer names (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depends {
    /// Not on the other end.
    Endpoint,
    /// On its address.
    Address,
    /// On its address and port.
    AddressAndPort,
}

/// How a router maps, and what it lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What a mapping is good for.
    pub mapping: Depends,
    /// Who gets in by it.
    pub filtering: Depends,
}

impl Nat {
    /// Every kind, most open first.
    pub const ALL: [Self; 4] = [Self::FullCone, Self::Restricted, Self::PortRestricted, Self::Symmetric];

    /// What it does.
    pub fn behaviour(self) -> Behaviour {
        let (mapping, filtering) = match self {
            Self::FullCone => (Depends::Endpoint, Depends::Endpoint),
            Self::Restricted => (Depends::Endpoint, Depends::Address),
            Self::PortRestricted => (Depends::Endpoint, Depends::AddressAndPort),
            Self::Symmetric => (Depends::AddressAndPort, Depends::AddressAndPort),
        };
        Behaviour { mapping, filtering }
    }

    /// The rules of a router between the interfaces `inside` and `eth0`, for the one machine at `machine`.
    fn rules(self, machine: &str) -> String {
        let (memory, learnt, let_in) = match self {
            Self::FullCone => ("type inet_service", "udp sport", "udp dport"),
            Self::Restricted => ("type ipv4_addr . inet_service", "ip daddr . udp sport", "ip saddr . udp dport"),
            Self::PortRestricted => return rules("masquerade", ""),
            Self::Symmetric => return rules("masquerade fully-random", ""),
        };
        let open = format!(
            "set left {{ {memory}; flags dynamic, timeout; timeout 5m; size 4096; }}
            chain remember {{ type filter hook forward priority 10; iifname inside update @left {{ {learnt} }}; }}
            chain back {{ type nat hook prerouting priority -100; iifname eth0 {let_in} @left dnat to {machine}; }}"
        );
        rules("masquerade", &open)
    }
}

/// What comes unasked is dropped before connection tracking keeps it: else a packet of the other side that is early would take
/// the port from the mapping that is about to be made for it, and the mapping would get another one.
fn rules(source: &str, open: &str) -> String {
    format!(
        "table ip eyeline_nat {{
            chain out {{ type nat hook postrouting priority 100; oifname eth0 {source}; }}
            {open}
            chain through {{
                type filter hook forward priority 0;
                ct status dnat accept
                iifname eth0 ct state new drop
            }}
            chain own {{ type filter hook input priority 0; iifname eth0 ct state new drop; }}
        }}"
    )
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FullCone => "full cone",
            Self::Restricted => "restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
        })
    }
}

impl Behaviour {
    /// That of routers one behind the other, each with one machine.
    pub fn of(routers: &[Nat]) -> Self {
        let all = || routers.iter().map(|nat| nat.behaviour());
        Self {
            mapping: all().map(|one| one.mapping).max().unwrap_or(Depends::Endpoint),
            filtering: all().map(|one| one.filtering).max().unwrap_or(Depends::Endpoint),
        }
    }

    /// Whether two machines behind such routers can reach each other without a relay. Each knows only the mapping that the
    /// other has towards the server: where that is not the one between the two, the other side must not mind the port.
    pub fn reaches(self, other: Self) -> bool {
        let found = |us: Self, them: Self| us.mapping == Depends::Endpoint || them.filtering < Depends::AddressAndPort;
        found(self, other) && found(other, self)
    }
}

/// A machine behind routers, the last of which is on the Ethernet of a [`Lan`]; all gone when this is.
pub struct Home {
    /// The machine's own router first.
    routers: Vec<Host>,
    machine: Host,
}

impl Home {
    /// Builds it. `routers` are named from the machine outwards; `number` is another one for every home of the network.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn build(lan: &Lan, number: u8, routers: &[Nat]) -> Outcome<Self> {
        let host = |place: &str| Host::of_namespace(&format!("{}-{number}{place}", lan.server.name()));
        let hosts = (0..routers.len()).map(|level| host(&format!("r{level}"))).collect();
        let home = Self { routers: hosts, machine: host("m") };
        for host in home.hosts() {
            host.make()?;
        }
        let mut within = &home.machine;
        for (level, (nat, router)) in (0u8..).zip(routers.iter().zip(&home.routers)) {
            // Nets between routers are as providers number theirs (RFC 6598).
            let net = if level == 0 { format!("192.168.{number}") } else { format!("100.{}.{number}", 63 + level) };
            router.cable_to(within, "inside", "eth0", [&format!("{net}.1/24"), &format!("{net}.2/24")])?;
            within.run("ip", &["route", "add", "default", "via", &format!("{net}.1")])?;
            router.run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"])?;
            router.run("nft", &[&nat.rules(&format!("{net}.2"))])?;
            within = router;
        }
        lan.cable(within, &format!("home{number}"), "eth0", &format!("10.77.0.{}/24", 100 + u16::from(number)))?;
        within.run("ip", &["route", "add", "default", "via", Lan::SERVER_ADDRESS])?;
        Ok(home)
    }

    /// The machine.
    pub fn machine(&self) -> &Host {
        &self.machine
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        std::iter::once(&self.machine).chain(&self.routers)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.hosts().for_each(Host::remove);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theory_is_the_one_in_books() {
        use Nat::{FullCone, PortRestricted, Restricted, Symmetric};
        let relayed = |a: &[Nat], b: &[Nat]| !Behaviour::of(a).reaches(Behaviour::of(b));
        let pairs = Nat::ALL.iter().flat_map(|a| Nat::ALL.iter().map(move |b| (*a, *b)));
        let none: Vec<_> = pairs.filter(|(a, b)| relayed(&[*a], &[*b])).collect();
        assert_eq!(none, [(PortRestricted, Symmetric), (Symmetric, PortRestricted), (Symmetric, Symmetric)]);
        assert!(!relayed(&[Restricted, PortRestricted], &[PortRestricted]));
        assert!(relayed(&[FullCone, Symmetric], &[PortRestricted, FullCone]));
    }
}
