//! How the quantiser of an encoder moves with rate and size: enough to know before a step where it will land.
//!
//! Measured on synthesised talking heads of three kinds with libvpx VP9 (`docs/decisions/0014-pictures-that-fit.md`); the
//! scale is libvpx's 0 (finest) to 63.

use crate::units::Bitrate;

/// Steps by which the quantiser rises when the rate is halved.
const PER_HALVED_RATE: f32 = 8.0;
/// Steps by which it rises when both sides of the picture are doubled, from each shorter side on. Above 540 lines this includes
/// what the encoder's faster setting costs there.
const PER_DOUBLED_SIDE: [(f32, f32); 3] = [(1.0, 10.0), (360.0, 18.0), (540.0, 27.0)];
/// Where a talking head lands at 720 lines and 1 Mbit/s.
const TYPICAL: (f32, Operating) = (33.0, Operating { bitrate: Bitrate::from_kbps(1_000), short: 720 });

/// What an encoder was asked for: rate, and the shorter side of the picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operating {
    pub(super) bitrate: Bitrate,
    pub(super) short: u32,
}

impl Operating {
    /// Where the quantiser lands at `to` when it is `quantizer` here. Not clamped: above 63 the rate cannot be held.
    pub(super) fn expect(self, quantizer: f32, to: Self) -> f32 {
        let octaves = |from: f32, to: f32| (from.max(1.0) / to.max(1.0)).log2();
        quantizer + PER_HALVED_RATE * octaves(kbps(self.bitrate), kbps(to.bitrate)) + of_size(to.short)
            - of_size(self.short)
    }

    /// Where it lands for want of a measurement.
    pub(super) fn typical(self) -> f32 {
        TYPICAL.1.expect(TYPICAL.0, self)
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below the 24 bits that are exact")]
fn kbps(bitrate: Bitrate) -> f32 {
    bitrate.kbps() as f32
}

/// Share of the quantiser that is due to the size; only differences mean something.
fn of_size(short: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "sides are at most 8192")]
    let short = short as f32;
    let ends = PER_DOUBLED_SIDE[1..].iter().map(|&(from, _)| from).chain([f32::INFINITY]);
    let part = |(&(from, steps), end): (&(f32, f32), f32)| steps * (short.clamp(from, end) / from).log2();
    PER_DOUBLED_SIDE.iter().zip(ends).map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kbps: u64, short: u32) -> Operating {
        Operating { bitrate: Bitrate::from_kbps(kbps), short }
    }

    #[test]
    fn measured_points_are_met_within_a_few_steps() {
        for (point, measured) in
            [(at(300, 360), 28.3), (at(500, 720), 40.9), (at(3_000, 720), 23.9), (at(150, 270), 34.6)]
        {
            let expected = point.typical();
            assert!((expected - measured).abs() < 9.0, "{point:?}: {expected} for {measured}");
        }
        let (hd, small) = (at(3_000, 720), at(400, 540));
        assert!((hd.expect(24.0, small) - 36.0).abs() < 7.0);
        assert!((small.expect(hd.expect(24.0, small), hd) - 24.0).abs() < 0.01, "there and back");
    }
}
