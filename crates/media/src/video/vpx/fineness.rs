//! Whether the quantiser is so fine that the fastest settings lose nothing.
//!
//! With bits to spare the choices that libvpx skips at its fastest setting hardly matter: what they would have foretold is coded
//! instead. Measured in `docs/decisions/0020-cost-of-a-call.md`.

/// Below this quantiser (of 0..=63), on average, the fastest settings were measured to cost 0.0003 of SSIM, at 24 up to 0.004; above
/// the second one they are given up again.
const FINE: f32 = 21.0;
const NO_LONGER_FINE: f32 = 23.0;
/// Weight of the newest quantiser in the average, which so looks back on half a second.
const NEWEST: f32 = 1.0 / 16.0;

/// Follows the quantisers of an encoder.
#[derive(Debug, Default)]
pub(super) struct Fineness {
    mean: Option<f32>,
    fine: bool,
}

impl Fineness {
    /// Whether it is that fine.
    pub(super) fn is_fine(&self) -> bool {
        self.fine
    }

    /// Rate control chose this quantiser. True when that changed the answer.
    pub(super) fn chosen(&mut self, quantizer: u8) -> bool {
        let newest = f32::from(quantizer);
        let mean = self.mean.map_or(newest, |mean| mean + (newest - mean) * NEWEST);
        self.mean = Some(mean);
        let fine = mean < if self.fine { NO_LONGER_FINE } else { FINE };
        std::mem::replace(&mut self.fine, fine) != fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fine_on_average_and_does_not_flap() {
        let mut fineness = Fineness::default();
        assert!(!fineness.chosen(40) && !fineness.is_fine());
        let changes = (0..100).filter(|_| fineness.chosen(20)).count();
        assert_eq!((changes, fineness.is_fine()), (1, true));
        let changes = (0..100).filter(|at| fineness.chosen(if at % 2 == 0 { 20 } else { 24 })).count();
        assert_eq!((changes, fineness.is_fine()), (0, true), "22 on average");
        let pictures = (1..100).find(|_| fineness.chosen(45));
        assert!(pictures.is_some_and(|pictures| pictures <= 4), "a cut of the rate shows within {pictures:?} pictures");
    }
}
