//! Figures of merit.

use super::RATE;

const FRAME: usize = RATE / 50;

/// Mean power in dB below full scale.
pub(crate) fn power_db(samples: &[f32]) -> f64 {
    let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    10.0 * power.max(1e-12).log10()
}

/// Level of speech: mean power of the louder half of all 20 ms.
pub(crate) fn speech_level_db(samples: &[f32]) -> f64 {
    let mut powers: Vec<f64> = samples.chunks_exact(FRAME).map(|f| 10_f64.powf(power_db(f) / 10.0)).collect();
    powers.sort_by(f64::total_cmp);
    let louder = &powers[powers.len() / 2..];
    10.0 * (louder.iter().sum::<f64>() / louder.len() as f64).log10()
}

/// Power in the pauses: the quietest tenth of all 20 ms of `clean` say where they are.
pub(crate) fn pause_level_db(samples: &[f32], clean: &[f32]) -> f64 {
    let mut frames: Vec<(f64, f64)> = samples
        .chunks_exact(FRAME)
        .zip(clean.chunks_exact(FRAME))
        .map(|(s, c)| (power_db(c), 10_f64.powf(power_db(s) / 10.0)))
        .collect();
    frames.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pauses = &frames[..frames.len() / 10];
    10.0 * (pauses.iter().map(|p| p.1).sum::<f64>() / pauses.len() as f64).log10()
}

/// By how many samples `out` lags behind `reference`: where they correlate best, within 60 ms.
pub(crate) fn lag(reference: &[f32], out: &[f32]) -> usize {
    let score = |lag: usize| -> f64 {
        reference.iter().zip(&out[lag..]).step_by(3).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    (0..RATE * 6 / 100).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap_or(0)
}

/// What became of a voice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Level at which the voice itself comes through, against what went in.
    pub(crate) level_db: f64,
    /// Segmental signal-to-noise ratio, each 20 ms of speech clamped to -10 to 35 dB (Hansen and Pellom 1998), after the
    /// level was made equal.
    pub(crate) segmental_db: f64,
}

/// How much of `near` is in `out`, both of the same time.
pub(crate) fn kept(near: &[f32], out: &[f32]) -> Kept {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let gain = dot(near, out) / dot(near, near);
    let floor = speech_level_db(near) - 20.0;
    let ratios: Vec<f64> = near
        .chunks_exact(FRAME)
        .zip(out.chunks_exact(FRAME))
        .filter(|(n, _)| power_db(n) > floor)
        .map(|(n, o)| {
            let noise: f64 = n.iter().zip(o).map(|(n, o)| (f64::from(*n) * gain - f64::from(*o)).powi(2)).sum();
            (10.0 * (gain * gain * dot(n, n) / noise.max(1e-12)).log10()).clamp(-10.0, 35.0)
        })
        .collect();
    Kept {
        level_db: 20.0 * gain.max(1e-6).log10(),
        segmental_db: ratios.iter().sum::<f64>() / ratios.len().max(1) as f64,
    }
}
