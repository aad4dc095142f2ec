//! How the path loses packets: how many, and how many in a row.

/// Weight of a new packet: the last few hundred count, a second or two at 2 Mbit/s.
const WEIGHT: f64 = 1.0 / 400.0;
/// Weight of a new loss for the length of bursts.
const PAIR_WEIGHT: f64 = 1.0 / 50.0;
/// Fewer losses than this do not tell how long bursts are.
const MIN_PAIRS: f64 = 8.0;

/// A path of two states, good and lossy, after Gilbert ("Capacity of a burst-noise channel", 1960), fitted to what was
/// reported of packets in the order they were sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossModel {
    seen: f64,
    loss: f64,
    /// Packets after a lost one, and how many of them were lost too, both fading.
    pairs: f64,
    pairs_lost: f64,
    previous_lost: bool,
}

impl LossModel {
    /// Takes what became of the next packet.
    pub(crate) fn add(&mut self, lost: bool) {
        self.seen += 1.0;
        let value = if lost { 1.0 } else { 0.0 };
        self.loss += (value - self.loss) * WEIGHT.max(1.0 / self.seen);
        if self.previous_lost {
            self.pairs = self.pairs * (1.0 - PAIR_WEIGHT) + 1.0;
            self.pairs_lost = self.pairs_lost * (1.0 - PAIR_WEIGHT) + value;
        }
        self.previous_lost = lost;
    }

    /// Share of packets lost, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        // A single early loss is no share.
        self.loss * (self.seen / 50.0).min(1.0)
    }

    /// How probable it is that the packet after a lost one is lost as well: [`share`](Self::share) if losses are independent.
    pub(crate) fn after_loss(&self) -> f64 {
        let share = self.share();
        if self.pairs < MIN_PAIRS {
            return share;
        }
        // Chance alone makes some pairs: what is within one standard deviation does not count.
        let chance = (share * (1.0 - share) / self.pairs).sqrt();
        (self.pairs_lost / self.pairs - chance).clamp(share, 0.95)
    }

    /// How probable it is that more than `lost` of `sent` packets in a row are lost.
    pub(crate) fn more_lost_than(&self, lost: usize, sent: usize) -> f64 {
        let (share, after_loss) = (self.share(), self.after_loss());
        if lost >= sent || share <= 0.0 {
            return 0.0;
        }
        let after_good = if share < 1.0 { (share * (1.0 - after_loss) / (1.0 - share)).min(1.0) } else { 1.0 };
        // How probable each number of losses so far is, ending with a packet that came, and with one that did not.
        let mut good = vec![0.0; lost + 1];
        let mut bad = vec![0.0; lost + 1];
        (good[0], bad[0]) = (1.0 - share, share);
        // `bad[n]` stands for n + 1 losses.
        for _ in 1..sent {
            for n in (0..=lost).rev() {
                let from_bad = if n == 0 { 0.0 } else { bad[n - 1] };
                let came = good[n] * (1.0 - after_good) + from_bad * (1.0 - after_loss);
                let went = good[n] * after_good + from_bad * after_loss;
                // Both read the old values at `n` and below only.
                (good[n], bad[n]) = (came, went);
            }
        }
        let few: f64 = good.iter().sum::<f64>() + bad.iter().take(lost).sum::<f64>();
        (1.0 - few).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(pattern: impl Iterator<Item = bool>) -> LossModel {
        let mut model = LossModel::default();
        pattern.for_each(|lost| model.add(lost));
        model
    }

    #[test]
    fn learns_share_and_bursts() {
        let single = fitted((0..2_000).map(|n| n % 10 == 0));
        assert!((single.share() - 0.1).abs() < 0.02, "{single:?}");
        assert!(single.after_loss() <= single.share() + 1e-9, "never two in a row");
        let bursts = fitted((0..2_000).map(|n| n % 100 < 10));
        assert!((0.75..0.95).contains(&bursts.after_loss()), "{bursts:?}");
        assert_eq!(fitted((0..50).map(|_| false)).share(), 0.0);
    }

    #[test]
    fn independent_losses_are_binomial() {
        let model = LossModel { seen: 1e3, loss: 0.1, ..LossModel::default() };
        // 1 - 0.9^10, and less 10 * 0.1 * 0.9^9.
        assert!((model.more_lost_than(0, 10) - 0.651_321_6).abs() < 1e-6);
        assert!((model.more_lost_than(1, 10) - 0.263_901_1).abs() < 1e-6);
        assert!((model.more_lost_than(9, 10) - 1e-10).abs() < 1e-11);
        assert_eq!(model.more_lost_than(10, 10), 0.0);
        assert_eq!(LossModel::default().more_lost_than(0, 10), 0.0);
    }

    #[test]
    fn bursts_hit_fewer_frames_but_harder() {
        let single = LossModel { seen: 1e3, loss: 0.05, ..LossModel::default() };
        let bursts = LossModel { pairs: 100.0, pairs_lost: 85.0, ..single.clone() };
        assert!(bursts.more_lost_than(0, 10) < single.more_lost_than(0, 10));
        assert!(bursts.more_lost_than(4, 10) > 20.0 * single.more_lost_than(4, 10));
    }
}
