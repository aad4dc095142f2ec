//! Takes away what is below speech: rumble, hum of tables, the constant of a bad converter.

use std::f64::consts::{PI, SQRT_2};

use super::Frame;
use crate::audio::SAMPLE_RATE_HZ;

/// Where the filter is down by 3 dB. The lowest voices begin at about 85 Hz.
const CORNER_HZ: f64 = 80.0;

/// A Butterworth high-pass filter of second order (bilinear transform; R. Bristow-Johnson, "Audio EQ Cookbook").
#[derive(Debug)]
pub(super) struct HighPass {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl HighPass {
    /// A filter at rest.
    pub(super) fn new() -> Self {
        let w = 2.0 * PI * CORNER_HZ / f64::from(SAMPLE_RATE_HZ);
        let alpha = w.sin() / SQRT_2;
        let a0 = 1.0 + alpha;
        let b0 = f64::midpoint(1.0, w.cos()) / a0;
        Self { b: [b0, -2.0 * b0, b0], a: [-2.0 * w.cos() / a0, (1.0 - alpha) / a0], state: [0.0; 2] }
    }

    /// Filters 10 ms in place.
    #[expect(clippy::cast_possible_truncation, reason = "samples stay samples")]
    pub(super) fn process(&mut self, frame: &mut Frame) {
        let (b, a) = (self.b, self.a);
        for sample in frame {
            // Transposed direct form II.
            let x = f64::from(*sample);
            let y = b[0] * x + self.state[0];
            self.state = [b[1] * x - a[0] * y + self.state[1], b[2] * x - a[1] * y];
            *sample = y as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::BLOCK_SAMPLES;

    /// Gain in dB at a frequency, after the filter has settled.
    #[expect(clippy::cast_possible_truncation, reason = "samples")]
    fn gain_db(hz: f64) -> f64 {
        let mut filter = HighPass::new();
        let (mut into, mut out) = (0.0, 0.0);
        for block in 0..200 {
            let mut frame: Frame = std::array::from_fn(|i| {
                let n = (block * BLOCK_SAMPLES + i) as f64;
                ((n * 2.0 * PI * hz / 48_000.0).sin() * 10_000.0) as f32
            });
            let before: f32 = frame.iter().map(|s| s * s).sum();
            filter.process(&mut frame);
            if block >= 100 {
                into += before;
                out += frame.iter().map(|s| s * s).sum::<f32>();
            }
        }
        10.0 * f64::from(out / into).log10()
    }

    #[test]
    fn rumble_goes_and_speech_stays() {
        assert!((gain_db(CORNER_HZ) + 3.0).abs() < 0.1);
        assert!(gain_db(20.0) < -23.0);
        assert!(gain_db(160.0).abs() < 0.4);
        assert!(gain_db(1_000.0).abs() < 0.01);
    }
}
