//! Simulated rooms with recorded speech, for measuring what voice processing does. Everything is seeded: the same figures
//! in every run. Samples are `f32` at 48 kHz, full scale 1.

pub(crate) mod chain;
pub(crate) mod figures;
pub(crate) mod noise;
pub(crate) mod room;
pub(crate) mod scene;
pub(crate) mod speech;

/// Samples per second.
pub(crate) const RATE: usize = 48_000;

/// xorshift64* (Vigna 2016).
#[derive(Clone, Debug)]
pub(crate) struct Seeded(pub u64);

impl Seeded {
    /// The next number, 0 to below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next number, normally distributed with variance 1 (sum of twelve).
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Scales to a mean power, in dB below full scale.
pub(crate) fn at_power(mut samples: Vec<f32>, dbfs: f64) -> Vec<f32> {
    let gain = 10_f64.powf((dbfs - figures::power_db(&samples)) / 20.0) as f32;
    samples.iter_mut().for_each(|s| *s *= gain);
    samples
}
