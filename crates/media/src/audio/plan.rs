//! How sound is sent over the path there is: length of packets, bitrate, and what protects it against loss.
//!
//! Which protection fits which loss, and why there is no DRED, is measured in `docs/decisions/0016-sound-under-loss.md`.

use std::time::Duration;

use super::BLOCK_TIME;
use crate::frame::AudioCopies;
use crate::units::Bitrate;

/// How the next packets are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoundPlan {
    /// Blocks in a packet: 1, 2, 4 or 6.
    pub(super) blocks: usize,
    /// Bitrate of the encoder, in-band copies included, other copies not.
    pub(super) bitrate: Bitrate,
    /// Every packet holds a rough copy of the one before.
    pub(super) in_band: bool,
    /// What travels beside a packet.
    pub(super) copies: AudioCopies,
}

/// A plan and the least that the whole path must carry for it.
struct Rung {
    budget_kbps: u64,
    plan: SoundPlan,
}

const fn rung(budget_kbps: u64, packet_ms: usize, kbps: u64, in_band: bool, copies: AudioCopies) -> Rung {
    let blocks = packet_ms / 10;
    Rung { budget_kbps, plan: SoundPlan { blocks, bitrate: Bitrate::from_kbps(kbps), in_band, copies } }
}

use AudioCopies::{LastTwo, None as No, SecondLast};

/// Headers cost 58 bytes a packet: 46 kbit/s with 10 ms packets, 23 with 20 ms, 8 with 60 ms.
const CLEAN: [Rung; 7] = [
    rung(2_000, 10, 64, false, No),
    rung(1_000, 10, 40, false, No),
    rung(600, 10, 32, false, No),
    rung(250, 20, 32, false, No),
    rung(130, 20, 20, false, No),
    rung(64, 40, 16, false, No),
    rung(0, 60, 14, false, No),
];
const LIGHT: [Rung; 5] = [
    rung(1_000, 20, 48, true, No),
    rung(250, 20, 32, true, No),
    rung(130, 20, 24, true, No),
    rung(64, 40, 18, true, No),
    rung(0, 60, 16, true, No),
];
const HEAVY: [Rung; 6] = [
    rung(1_200, 20, 32, true, SecondLast),
    rung(500, 20, 24, true, SecondLast),
    rung(250, 20, 16, true, SecondLast),
    rung(130, 20, 24, true, No),
    rung(64, 40, 18, true, No),
    rung(0, 60, 16, true, No),
];
const SEVERE: [Rung; 6] = [
    rung(1_000, 20, 24, false, LastTwo),
    rung(400, 20, 16, false, LastTwo),
    rung(250, 20, 16, true, SecondLast),
    rung(130, 20, 24, true, No),
    rung(64, 40, 18, true, No),
    rung(0, 60, 16, true, No),
];

/// Shares of loss from which each ladder is used, and below which it no longer is.
const LADDERS: [(&[Rung], f32, f32); 4] =
    [(&CLEAN, 0.0, 0.0), (&LIGHT, 0.01, 0.005), (&HEAVY, 0.035, 0.02), (&SEVERE, 0.12, 0.08)];

/// A budget must exceed a rung's by this much before that rung is climbed to.
const CLIMB_AT: f64 = 1.15;
/// And the last change must be so many reports ago.
const CLIMB_AFTER: u32 = 4;
/// Weight of a report when loss falls; rising loss counts for half at once.
const FALL: f32 = 0.2;
const RISE: f32 = 0.5;

/// From this round trip on, 10 ms more or less are not worth the headers.
const FAR: Duration = Duration::from_millis(300);

/// Chooses plans from reports about the path, about one a second.
#[derive(Debug)]
pub(super) struct Planner {
    loss: f32,
    ladder: usize,
    plan: SoundPlan,
    /// Reports since the plan changed.
    since: u32,
    reported: bool,
}

impl Planner {
    /// Begins with 20 ms packets of `bitrate` for a share of `loss`.
    pub(super) fn new(bitrate: Bitrate, loss: f32) -> Self {
        let plan = SoundPlan { blocks: 2, bitrate, in_band: true, copies: No };
        Self { loss, ladder: usize::from(loss > 0.0), plan, since: 0, reported: false }
    }

    /// The plan in force.
    pub(super) fn plan(&self) -> SoundPlan {
        self.plan
    }

    /// Share of loss that is reckoned with.
    pub(super) fn loss(&self) -> f32 {
        self.loss
    }

    /// Takes in a report: share of packets lost on the way to the other side, round trip, and what the path carries in all.
    pub(super) fn report(&mut self, loss: f32, rtt: Duration, budget: Bitrate) -> SoundPlan {
        let weight = if !std::mem::replace(&mut self.reported, true) {
            1.0
        } else if loss > self.loss {
            RISE
        } else {
            FALL
        };
        self.loss += (loss.clamp(0.0, 1.0) - self.loss) * weight;
        self.ladder = (0..LADDERS.len())
            .rev()
            .find(|&i| self.loss >= if i <= self.ladder { LADDERS[i].2 } else { LADDERS[i].1 })
            .unwrap_or(0);
        self.since += 1;
        let wanted = self.pick(rtt, budget);
        if wanted != self.plan {
            self.plan = wanted;
            self.since = 0;
        }
        self.plan
    }

    fn pick(&self, rtt: Duration, budget: Bitrate) -> SoundPlan {
        let rungs = LADDERS[self.ladder].0;
        let fits = |rung: &&Rung| rung.budget_kbps <= budget.kbps();
        let on =
            rungs.iter().find(|rung| rung.plan == self.plan.near(rtt)).or(rungs.iter().find(|r| r.plan == self.plan));
        let best = rungs.iter().find(fits).or(rungs.last()).expect("ladders have rungs");
        let climbs = on.is_some_and(|on| on.budget_kbps < best.budget_kbps);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let well_above = budget.kbps() as f64 >= best.budget_kbps as f64 * CLIMB_AT;
        let chosen = match on {
            Some(on) if climbs && !(well_above && self.since >= CLIMB_AFTER) => on.plan,
            _ => best.plan,
        };
        chosen.for_distance(rtt)
    }
}

impl SoundPlan {
    /// Over a long way, short packets are not worth their headers.
    fn for_distance(self, rtt: Duration) -> Self {
        if rtt >= FAR && self.blocks < 2 { Self { blocks: 2, ..self } } else { self }
    }

    /// The rung that [`for_distance`](Self::for_distance) may have made this of.
    fn near(self, rtt: Duration) -> Self {
        let short = LADDERS[0].0.iter().map(|rung| rung.plan).find(|plan| plan.for_distance(rtt) == self);
        short.unwrap_or(self)
    }

    /// Bitrate of packets and copies.
    pub(super) fn total(self) -> Bitrate {
        let times = match self.copies {
            No => 1,
            SecondLast => 2,
            LastTwo => 3,
        };
        Bitrate::from_bps(self.bitrate.bps() * times)
    }

    /// How long a packet is.
    pub(super) fn packet_time(self) -> Duration {
        BLOCK_TIME * u32::try_from(self.blocks).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR_BY: Duration = Duration::from_millis(40);

    fn settled(loss: f32, rtt: Duration, kbps: u64) -> SoundPlan {
        let mut planner = Planner::new(Bitrate::from_kbps(32), 0.05);
        for _ in 0..60 {
            planner.report(loss, rtt, Bitrate::from_kbps(kbps));
        }
        planner.plan()
    }

    #[test]
    fn short_packets_where_they_cost_little_and_long_ones_where_headers_hurt() {
        let packet_ms = |kbps| settled(0.0, NEAR_BY, kbps).packet_time().as_millis();
        assert_eq!([10_000, 800, 300, 100, 40].map(packet_ms), [10, 10, 20, 40, 60]);
        assert_eq!(settled(0.0, Duration::from_millis(400), 10_000).blocks, 2);
        assert_eq!(settled(0.0, Duration::from_millis(400), 10_000).bitrate, Bitrate::from_kbps(64));
    }

    #[test]
    fn protection_follows_the_loss_and_the_budget() {
        let protection = |loss, kbps| {
            let plan = settled(loss, NEAR_BY, kbps);
            (plan.in_band, plan.copies)
        };
        assert_eq!(protection(0.0, 3_000), (false, No));
        assert_eq!(protection(0.02, 3_000), (true, No));
        assert_eq!(protection(0.06, 3_000), (true, SecondLast));
        assert_eq!(protection(0.20, 3_000), (false, LastTwo));
        assert_eq!(protection(0.20, 300), (true, SecondLast));
        assert_eq!(protection(0.20, 150), (true, No));
    }

    #[test]
    fn what_sound_takes_leaves_most_to_the_picture() {
        for (ladder, _, _) in LADDERS {
            for rung in ladder.iter().filter(|rung| rung.budget_kbps >= 130) {
                let kbps = rung.plan.total().kbps() + 58 * 8 / (10 * rung.plan.blocks as u64);
                assert!(kbps * 100 <= rung.budget_kbps * 37, "{kbps} of {}", rung.budget_kbps);
            }
        }
    }

    #[test]
    fn a_budget_that_wavers_does_not_change_the_packets_all_the_time() {
        let mut planner = Planner::new(Bitrate::from_kbps(32), 0.0);
        let mut changes = 0;
        let mut last = planner.plan();
        for i in 0..100 {
            let plan = planner.report(0.0, NEAR_BY, Bitrate::from_kbps(if i % 2 == 0 { 590 } else { 640 }));
            changes += u32::from(plan != last);
            last = plan;
        }
        assert!(changes <= 2, "{changes}");
    }

    #[test]
    fn more_loss_is_answered_at_once_and_forgotten_slowly() {
        let mut planner = Planner::new(Bitrate::from_kbps(32), 0.0);
        let budget = Bitrate::from_kbps(3_000);
        planner.report(0.0, NEAR_BY, budget);
        assert_eq!(planner.report(0.1, NEAR_BY, budget).copies, SecondLast);
        for _ in 0..3 {
            assert_eq!(planner.report(0.0, NEAR_BY, budget).copies, SecondLast);
        }
        for _ in 0..12 {
            planner.report(0.0, NEAR_BY, budget);
        }
        assert_eq!(planner.plan().copies, No);
    }
}
