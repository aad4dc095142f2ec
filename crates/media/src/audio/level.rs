//! How loud a block is.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Block;

/// Loudness below which the meter shows nothing, in dBFS.
const FLOOR_DBFS: f32 = -60.0;

/// How much of the shown level is left after 10 ms without sound: the bar falls by half in about 130 ms.
const FALL_PER_BLOCK: f32 = 0.95;

/// A loudness meter: written by one thread, read by any.
#[derive(Debug, Default)]
pub(super) struct LevelMeter(AtomicU32);

impl LevelMeter {
    /// Takes in the next 10 ms: rises at once, falls gently.
    pub(super) fn measure(&self, block: &Block) {
        self.0.store(level_of(block).max(self.level() * FALL_PER_BLOCK).to_bits(), Ordering::Relaxed);
    }

    /// 0 at -60 dBFS and below, 1 at 0 dBFS, linear in dB between.
    pub(super) fn level(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Back to nothing.
    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

fn level_of(block: &Block) -> f32 {
    let energy: f32 = block.iter().map(|&s| f32::from(s) * f32::from(s)).sum();
    let rms = (energy / 480.0).sqrt() / 32_768.0;
    ((20.0 * rms.max(1e-6).log10() - FLOOR_DBFS) / -FLOOR_DBFS).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_linear_in_decibels_and_falls_gently() {
        let meter = LevelMeter::default();
        assert_eq!(meter.level(), 0.0);
        meter.measure(&[i16::MIN; 480]);
        assert!((meter.level() - 1.0).abs() < 1e-3);
        meter.measure(&[0; 480]);
        assert!(meter.level() > 0.9);
        for _ in 0..200 {
            meter.measure(&[1_036; 480]); // -30 dBFS
        }
        assert!((meter.level() - 0.5).abs() < 0.01, "{}", meter.level());
        meter.clear();
        assert_eq!(meter.level(), 0.0);
    }
}
