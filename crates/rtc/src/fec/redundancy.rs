//! How much parity a frame gets: by what the path loses, and by how long a resent packet would take.

use std::time::Duration;

use super::loss::LossModel;
use super::packet::MAX_COVERED;

/// Less loss than this is left to retransmission.
const MIN_LOSS: f64 = 0.003;
/// Below this round trip a resent packet comes within the next frame: parity would be wasted.
const MIN_RTT: Duration = Duration::from_millis(15);
/// From this round trip on a resent packet comes too late to go unnoticed.
const FULL_RTT: Duration = Duration::from_millis(45);
/// From this one on, waiting for the parity of two more frames is still quicker.
const LONG_RTT: Duration = Duration::from_millis(120);
/// Windows that may still miss more than their parity restores, where a round trip is long...
const FEW_FAIL: f64 = 0.02;
/// ...and just where parity begins to pay. Between them the logarithm follows the round trip.
const MANY_FAIL: f64 = 0.3;
/// How much less may be left to retransmission for each packet of it that is lost too.
const RESENT_LOST: f64 = 4.0;
/// Losses in a row hit few frames, but those hard: protecting each for itself would cost a multiple of what is lost.
const BURSTS_FAIL: f64 = 0.05;
/// Keyframes: everything after them waits for them.
const KEYFRAME_FAIL: f64 = 0.005;
/// Where the packet after a lost one is lost with this probability, losses come in bursts.
const BURSTY: f64 = 0.4;
/// A window should have this many packets, or single losses cost as much parity as there is video...
const MIN_WINDOW: f64 = 6.0;
/// ...but not reach back further than this many frames.
const MAX_FRAMES: usize = 4;
/// Weight of a new frame in the averages.
const WEIGHT: f64 = 0.1;

/// What a frame gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Parity packets, never more than the frame has packets.
    pub(crate) parity: u8,
    /// How many packets, back from the newest, they cover.
    pub(crate) covered: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Redundancy {
    /// Parity packets owed from frames whose share was a fraction.
    credit: f64,
    /// Packets of a usual frame.
    usual: f64,
    /// Parity packets per video packet of late.
    share: f64,
}

impl Redundancy {
    /// Parity per video packet of late, as a ratio.
    pub(crate) fn share(&self) -> f64 {
        self.share
    }

    /// What a frame of `packets` packets, 1 to [`MAX_COVERED`], gets. A frame of more is planned in parts.
    pub(crate) fn plan(&mut self, packets: usize, keyframe: bool, rtt: Duration, loss: &LossModel) -> Plan {
        let packets = packets.clamp(1, MAX_COVERED);
        let plan = self.wanted(packets, keyframe, rtt, loss);
        self.share += (f64::from(plan.parity) / count(packets) - self.share) * WEIGHT;
        plan
    }

    fn wanted(&mut self, packets: usize, keyframe: bool, rtt: Duration, loss: &LossModel) -> Plan {
        if !keyframe {
            let usual = if self.usual == 0.0 { count(packets) } else { self.usual };
            self.usual = usual + (count(packets) - usual) * WEIGHT;
        }
        if loss.share() < MIN_LOSS || rtt < MIN_RTT {
            self.credit = 0.0;
            return Plan::default();
        }
        if keyframe {
            let parity = needed(packets, KEYFRAME_FAIL, loss).min(packets);
            return Plan { parity: u8::try_from(parity).unwrap_or(u8::MAX), covered: packets };
        }
        let covered = (packets * self.frames(rtt, loss)).min(MAX_COVERED);
        let parity = count(needed(covered, may_fail(rtt, loss), loss));
        self.credit = (self.credit + parity * count(packets) / count(covered)).min(count(packets));
        let parity = whole(self.credit);
        self.credit -= f64::from(parity);
        Plan { parity, covered }
    }

    /// How many frames back a window reaches.
    fn frames(&self, rtt: Duration, loss: &LossModel) -> usize {
        let by_delay = if rtt >= LONG_RTT || loss.after_loss() > BURSTY { 3 } else { 2 };
        let by_size = usize::from(whole((MIN_WINDOW / self.usual.max(1.0)).ceil()));
        by_delay.max(by_size).min(MAX_FRAMES)
    }
}

/// The share of windows that need not be restorable.
fn may_fail(rtt: Duration, loss: &LossModel) -> f64 {
    let far = rtt.saturating_sub(MIN_RTT).as_secs_f64() / (FULL_RTT - MIN_RTT).as_secs_f64();
    // Resent packets are lost as well.
    let again = (1.0 - RESENT_LOST * loss.share()).max(0.1);
    let by_delay = (MANY_FAIL * (FEW_FAIL / MANY_FAIL).powf(far.min(1.0)) * again).max(FEW_FAIL);
    if loss.after_loss() > BURSTY { by_delay.max(BURSTS_FAIL) } else { by_delay }
}

/// The fewest parity packets with which not more than `may_fail` of windows of `packets` packets lose more than that.
fn needed(packets: usize, may_fail: f64, loss: &LossModel) -> usize {
    (0..packets).find(|parity| loss.more_lost_than(*parity, packets + parity) <= may_fail).unwrap_or(packets)
}

fn count(packets: usize) -> f64 {
    packets as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and the cast saturates")]
fn whole(value: f64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lossy(every: u32) -> LossModel {
        let mut model = LossModel::default();
        // Not in step with anything, and never far from its share.
        let mut state = 7_u32;
        for _ in 0..4_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            model.add((state >> 16).is_multiple_of(every));
        }
        model
    }

    /// Parity per packet after a second of frames.
    fn share(packets: usize, rtt_ms: u64, loss: &LossModel) -> f64 {
        let mut redundancy = Redundancy::default();
        let rtt = Duration::from_millis(rtt_ms);
        let plans = (0..60).map(|_| redundancy.plan(packets, false, rtt, loss));
        plans.map(|plan| f64::from(plan.parity)).sum::<f64>() / (60 * packets) as f64
    }

    #[test]
    fn no_loss_or_a_short_way_costs_nothing() {
        assert_eq!(share(10, 100, &LossModel::default()), 0.0);
        assert_eq!(share(10, 10, &lossy(20)), 0.0);
        assert!(share(10, 20, &lossy(20)) < 0.12);
    }

    #[test]
    fn more_loss_and_longer_ways_cost_more() {
        let (five, twenty) = (lossy(20), lossy(5));
        assert!((0.12..0.30).contains(&share(10, 50, &five)), "{}", share(10, 50, &five));
        assert!((0.40..0.70).contains(&share(10, 50, &twenty)), "{}", share(10, 50, &twenty));
        assert!(share(10, 30, &five) < share(10, 50, &five));
        assert!(share(40, 50, &twenty) < share(10, 50, &twenty), "large frames are cheaper");
        assert!(share(1, 50, &twenty) <= 1.0);
    }

    #[test]
    fn keyframes_get_more() {
        let mut redundancy = Redundancy::default();
        let loss = lossy(10);
        let rtt = Duration::from_millis(50);
        let keyframe = redundancy.plan(30, true, rtt, &loss);
        let delta = redundancy.plan(30, false, rtt, &loss);
        assert!(keyframe.parity > delta.parity, "{keyframe:?} {delta:?}");
        assert_eq!(keyframe.covered, 30, "of what came before nothing is needed");
    }
}
