//! How much is lost, and whether that is our doing.
//!
//! Loss alone does not tell a radio that loses packets from a queue too short to hold them. So two things are tried, one after
//! the other: to send more evenly (a short queue then holds a frame), and to send less. Loss that neither changes is the path's own
//! and is put up with.

use std::collections::VecDeque;

/// Feedback of this long counts.
const WINDOW: f64 = 1.0;
/// Fewer packets say nothing.
const MIN_PACKETS: usize = 20;
/// Losses in fewer messages than this are one burst.
const MIN_SPREAD: usize = 4;
/// Loss above this share, beyond what is tolerated, makes growth slower.
const LOW_LOSS: f64 = 0.02;
/// Loss above this share, beyond what is tolerated, starts a trial of even sending.
const NOTICED_LOSS: f64 = 0.03;
/// Loss above this share, beyond what is tolerated, starts a trial of sending less.
const HIGH_LOSS: f64 = 0.06;
/// No loss above this share is ever put up with.
const MAX_TOLERATED: f64 = 0.35;
/// A trial of even sending that leaves more than this share of the loss has changed nothing.
const UNMOVED: f64 = 0.6;
/// How long a trial lasts, besides a round trip.
const TRIAL: f64 = 1.0;
/// Of which so long at its begin does not count: what was encoded before still leaves.
const SETTLING: f64 = 0.2;
/// Two measures, each 0 for random loss and 1 for a path that drops what is too much, must sum up to more than this;
/// to the second where the path was found to do so within so many seconds.
const EVIDENCE: (f64, f64) = (1.2, 0.7);
const REMEMBER_OURS: f64 = 60.0;
/// How long packets are sent evenly once that helped.
const EVEN_FOR: f64 = 30.0;
/// Tolerance is lost by this share each second that loss is below it.
const FORGET: f64 = 0.2;

/// What loss asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LossVerdict {
    /// Nothing.
    Fine,
    /// Slower growth.
    Careful,
    /// Send this share of the target until told otherwise: a trial begins.
    TryLess(f64),
    /// The trial runs.
    Wait,
    /// The trial made no difference: go back to where it began.
    NotOurs,
    /// The trial helped: what is delivered now is what the path takes.
    Ours,
}

#[derive(Clone, Copy, Debug)]
enum Trial {
    Even { until: f64, before: f64 },
    Less { until: f64, before: f64, share: f64, delivered: f64 },
}

/// See the module. Times in seconds.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Time, packets and lost packets of each message.
    batches: VecDeque<(f64, usize, usize)>,
    /// Packets before this do not count.
    counts_from: f64,
    tolerated: f64,
    trial: Option<Trial>,
    even_until: Option<f64>,
    /// A trial showed that the path drops what is too much, and this is believed until then.
    ours_until: f64,
}

impl Loss {
    /// Feedback about `total` packets came at `at`; `lost` of them were lost, and `late` of those before were not after all.
    pub(super) fn add(&mut self, at: f64, total: usize, lost: usize, late: usize) {
        let mut late = late;
        for (_, _, lost) in self.batches.iter_mut().rev() {
            let corrected = late.min(*lost);
            *lost -= corrected;
            late -= corrected;
        }
        self.batches.push_back((at, total, lost));
        while self.batches.front().is_some_and(|(oldest, ..)| *oldest < at - WINDOW) {
            self.batches.pop_front();
        }
    }

    /// Share of packets lost, 0 to 1; 0 with too few packets.
    pub(super) fn share(&self) -> f64 {
        let counted = self.batches.iter().filter(|(at, ..)| *at >= self.counts_from);
        let (total, lost) = counted.fold((0, 0), |(total, lost), batch| (total + batch.1, lost + batch.2));
        if total >= MIN_PACKETS { lost as f64 / total as f64 } else { 0.0 }
    }

    /// Whether losses are spread over time. Those of a burst are not: they say nothing about the next second.
    fn is_spread(&self) -> bool {
        let with_loss = self.batches.iter().filter(|(at, _, lost)| *at >= self.counts_from && *lost > 0);
        with_loss.count() >= MIN_SPREAD
    }

    /// Starts anew at `at`: what was lost before has another reason or another answer.
    pub(super) fn restart(&mut self, at: f64) {
        self.counts_from = at;
        self.trial = None;
    }

    /// Whether video has to leave evenly at `now`.
    pub(super) fn sends_evenly(&self, now: f64) -> bool {
        matches!(self.trial, Some(Trial::Even { .. })) || self.even_until.is_some_and(|until| now < until)
    }

    /// Call it with each message: `step` seconds since the one before, `rtt` in seconds, what is `delivered` in bits per second.
    pub(super) fn judge(&mut self, now: f64, step: f64, rtt: f64, delivered: f64) -> LossVerdict {
        let loss = self.share();
        self.tolerated = self.tolerated.min(loss.max(self.tolerated * (1.0 - FORGET * step)));
        match self.trial {
            Some(Trial::Even { until, before }) if now >= until => {
                let helped = loss < before * UNMOVED;
                self.even_until = helped.then_some(now + EVEN_FOR);
                self.trial = None;
                if helped { LossVerdict::Careful } else { self.begin(now, loss, rtt, delivered, false) }
            }
            Some(Trial::Less { until, before, share, delivered: delivered_before }) if now >= until => {
                self.trial = None;
                // A path that takes so much and drops the rest would lose this share now, one that loses at random `before`.
                let by_rate = (1.0 - (1.0 - before) / share).max(0.0);
                let by_loss = ((before - loss) / (before - by_rate)).clamp(-0.5, 1.5);
                // It would deliver as much as before, the other one this share of it.
                let by_delivered = ((delivered / delivered_before - share) / (1.0 - share)).clamp(-0.5, 1.5);
                let evidence = if now < self.ours_until { EVIDENCE.1 } else { EVIDENCE.0 };
                if by_loss + by_delivered > evidence {
                    self.ours_until = now + REMEMBER_OURS;
                    return LossVerdict::Ours;
                }
                self.tolerated = loss.min(MAX_TOLERATED);
                LossVerdict::NotOurs
            }
            Some(Trial::Even { .. }) => LossVerdict::Careful,
            Some(Trial::Less { .. }) => LossVerdict::Wait,
            None => self.begin(now, loss, rtt, delivered, !self.sends_evenly(now)),
        }
    }

    fn begin(&mut self, now: f64, loss: f64, rtt: f64, delivered: f64, may_be_even: bool) -> LossVerdict {
        let excess = if self.is_spread() { loss - self.tolerated } else { 0.0 };
        let until = now + TRIAL + rtt;
        // What was sent before the trial is reported during its first round trip.
        if excess > NOTICED_LOSS && may_be_even {
            self.counts_from = now + rtt + SETTLING;
            self.trial = Some(Trial::Even { until, before: loss });
            return LossVerdict::Careful;
        }
        if excess > HIGH_LOSS {
            self.counts_from = now + rtt + SETTLING;
            let share = (1.0 - loss).clamp(0.6, 0.8);
            self.trial = Some(Trial::Less { until, before: loss, share, delivered });
            return LossVerdict::TryLess(share);
        }
        if excess > LOW_LOSS { LossVerdict::Careful } else { LossVerdict::Fine }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `loss` (of the share of the target that is sent, and of even sending) for ten seconds; returns the last share
    /// asked for, whether packets are sent evenly, and what is tolerated.
    fn run(loss: impl Fn(f64, bool) -> f64) -> (f64, bool, f64) {
        let mut model = Loss::default();
        let (mut share, mut now) = (1.0, 0.0);
        for _ in 0..200 {
            now += 0.05;
            let lost = loss(share, model.sends_evenly(now)) * 100.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 100")]
            model.add(now, 100, lost as usize, 0);
            match model.judge(now, 0.05, 0.05, share * (100.0 - lost)) {
                LossVerdict::TryLess(less) => share = less,
                LossVerdict::NotOurs => share = 1.0,
                _ => {}
            }
        }
        (share, model.sends_evenly(now), model.tolerated)
    }

    #[test]
    fn loss_that_does_not_change_is_tolerated() {
        let (share, even, tolerated) = run(|_, _| 0.2);
        assert!(share == 1.0 && !even && tolerated > 0.19, "{share} {even} {tolerated}");
    }

    #[test]
    fn loss_by_rate_lowers_the_rate() {
        let (share, _, tolerated) = run(|share, _| if share > 0.9 { 0.2 } else { 0.0 });
        assert!(share <= 0.8 && tolerated == 0.0, "{share} {tolerated}");
    }

    #[test]
    fn loss_by_bursts_is_answered_by_even_sending_alone() {
        let (share, even, _) = run(|_, even| if even { 0.0 } else { 0.2 });
        assert!(share == 1.0 && even);
    }

    #[test]
    fn late_packets_are_not_lost() {
        let mut model = Loss::default();
        model.add(0.0, 100, 10, 0);
        model.add(0.05, 100, 0, 10);
        assert_eq!(model.share(), 0.0);
    }
}
