//! How many claims an address may make in vain. The words of a code are few: what protects them is that each code takes
//! one guess, and this, that nobody gets many codes to guess at.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::rooms::ConnId;

/// Claimants remembered before those whose claims no longer count are swept out.
const SWEEP_ABOVE: usize = 1024;
/// Between two sweeps, each of which looks at every claimant.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Claimants remembered at most; with more, those that are new are refused until others are forgotten. To guess from so
/// many addresses is then no way around the limit.
const CLAIMANTS_MAX: usize = 100_000;

/// Where a socket comes from, as the limits per address count it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An IPv4 address, or the /64 of an IPv6 one.
    Address(IpAddr),
    /// The limits per address do not apply: the socket counts by itself.
    Exempt,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address(_) => "Address(..)",
            Self::Exempt => "Exempt",
        })
    }
}

/// Who claims.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Claimant {
    Address(IpAddr),
    Conn(ConnId),
}

impl Claimant {
    pub(crate) fn new(origin: Origin, conn: ConnId) -> Self {
        match origin {
            Origin::Address(address) => Self::Address(address),
            Origin::Exempt => Self::Conn(conn),
        }
    }
}

/// A claim that counts.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    claimant: Claimant,
    at: Instant,
}

pub(crate) struct Claims {
    max: usize,
    window: Duration,
    by_claimant: HashMap<Claimant, VecDeque<Instant>>,
    next_sweep: Option<Instant>,
}

impl Claims {
    /// At most `max` claims per `window` and claimant.
    pub(crate) fn new(max: usize, window: Duration) -> Self {
        Self { max, window, by_claimant: HashMap::new(), next_sweep: None }
    }

    /// Counts a claim, or `None`: it is not to be looked at. One that is refused does not count, so that waiting helps.
    pub(crate) fn count(&mut self, now: Instant, claimant: Claimant) -> Option<Claim> {
        self.sweep(now);
        if self.by_claimant.len() >= CLAIMANTS_MAX && !self.by_claimant.contains_key(&claimant) {
            return None;
        }
        let window = self.window;
        let times = self.by_claimant.entry(claimant).or_default();
        while times.front().is_some_and(|at| *at + window <= now) {
            times.pop_front();
        }
        if times.len() >= self.max {
            return None;
        }
        times.push_back(now);
        Some(Claim { claimant, at: now })
    }

    /// The claim was not in vain.
    pub(crate) fn forgive(&mut self, claim: Claim) {
        if let Some(times) = self.by_claimant.get_mut(&claim.claimant)
            && let Some(nth) = times.iter().position(|at| *at == claim.at)
        {
            times.remove(nth);
        }
    }

    /// Forgets claimants that start anew.
    fn sweep(&mut self, now: Instant) {
        if self.by_claimant.len() >= SWEEP_ABOVE && self.next_sweep.is_none_or(|at| at <= now) {
            let window = self.window;
            self.by_claimant.retain(|_, times| times.back().is_some_and(|at| *at + window > now));
            self.next_sweep = Some(now + SWEEP_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(1800);

    fn someone(nth: u32) -> Claimant {
        Claimant::Address(IpAddr::V4(nth.into()))
    }

    #[test]
    fn ten_in_vain_per_window_and_refused_ones_do_not_count() {
        let start = Instant::now();
        let mut claims = Claims::new(10, WINDOW);
        for nth in 0..10 {
            assert!(claims.count(start + Duration::from_secs(nth), someone(1)).is_some());
        }
        for nth in 0..1000 {
            assert!(claims.count(start + Duration::from_secs(10 + nth), someone(1)).is_none());
        }
        assert!(claims.count(start, someone(2)).is_some());
        // One more when the first no longer counts, the next when the second does not.
        assert!(claims.count(start + WINDOW, someone(1)).is_some());
        assert!(claims.count(start + WINDOW, someone(1)).is_none());
        assert!(claims.count(start + WINDOW + Duration::from_secs(1), someone(1)).is_some());
    }

    #[test]
    fn a_claim_that_met_somebody_is_forgiven() {
        let now = Instant::now();
        let mut claims = Claims::new(2, WINDOW);
        for _ in 0..20 {
            let claim = claims.count(now, someone(1)).unwrap();
            claims.forgive(claim);
            claims.forgive(claim);
        }
        assert!(claims.count(now, someone(1)).is_some());
        assert!(claims.count(now, someone(1)).is_some());
        assert!(claims.count(now, someone(1)).is_none());
    }

    #[test]
    fn claimants_are_forgotten_and_bounded() {
        let start = Instant::now();
        let mut claims = Claims::new(10, WINDOW);
        for nth in 0..20_000 {
            claims.count(start + Duration::from_secs(nth.into()), someone(nth));
        }
        assert!(claims.by_claimant.len() < 4 * SWEEP_ABOVE, "{}", claims.by_claimant.len());
        let now = start + Duration::from_secs(1_000_000);
        let refused = (0..200_000).filter(|nth| claims.count(now, someone(*nth)).is_none()).count();
        assert_eq!(refused, 100_000);
        assert!(claims.count(now, someone(5)).is_some());
        assert!(claims.count(now + WINDOW, someone(300_000)).is_some());
    }
}
