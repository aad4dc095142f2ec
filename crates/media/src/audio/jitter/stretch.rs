//! Makes sound a little shorter or longer without changing its pitch: a pitch period is left out or repeated where the
//! waveform matches itself best (overlap-add as in WSOLA, Verhelst and Roelands 1993).

/// Shortest repetition looked for: 2.5 ms (400 Hz).
const MIN_LAG: usize = 120;
/// Longest: 12.5 ms (80 Hz), the lowest voice.
const MAX_LAG: usize = 600;

/// Sound that is compared, and the longest cross-fade: 5 ms.
const OVERLAP: usize = 240;

/// Samples that [`lengthen`] wants to know of what was played before.
pub(super) const HISTORY: usize = MAX_LAG;

/// Samples with which [`shorten`] reaches every voice.
pub(super) const ENOUGH: usize = MAX_LAG + OVERLAP;

/// Below this root mean square anything can be cut without being heard (-50 dBFS).
const QUIET_RMS: f32 = 100.0;

/// How alike two periods must be (normalised correlation) for a join that nobody hears, and for one that hardly anybody does.
const ALIKE: f32 = 0.9;
const NEARLY_ALIKE: f32 = 0.6;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Only where it cannot be heard.
    Gentle,
    /// Where it is hardly heard.
    Pressing,
    /// Wherever it is; a glitch is better than the wrong delay.
    Urgent,
}

impl Need {
    fn least_alike(self) -> f32 {
        match self {
            Self::Gentle => ALIKE,
            Self::Pressing => NEARLY_ALIKE,
            Self::Urgent => -1.0,
        }
    }
}

/// Leaves out one period of 2.5 to 12.5 ms, but at most `most` samples; returns how many went, 0 when no place was good
/// enough. `samples` must go on where the sound before them ended.
pub(super) fn shorten(samples: &mut Vec<i16>, most: usize, need: Need) -> usize {
    let longest = samples.len().saturating_sub(OVERLAP).min(MAX_LAG).min(most);
    if longest < MIN_LAG {
        return 0;
    }
    let x: Vec<f32> = samples.iter().map(|&s| f32::from(s)).collect();
    let lag = if is_quiet(&x) {
        longest
    } else {
        let best = (MIN_LAG..=longest).map(|lag| (alikeness(&x[..OVERLAP], &x[lag..lag + OVERLAP]), lag));
        match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((alike, lag)) if alike >= need.least_alike() => lag,
            _ => return 0,
        }
    };
    for i in 0..OVERLAP {
        samples[lag + i] = cross_fade(samples[i], samples[lag + i], i);
    }
    samples.drain(..lag);
    lag
}

/// Repeats one period of 2.5 to 12.5 ms that ends where `samples` begin; returns how many samples came, 0 when no place was
/// good enough. `before` is what was played just before, at least [`HISTORY`] samples.
pub(super) fn lengthen(before: &[i16], samples: &mut Vec<i16>, need: Need) -> usize {
    let overlap = OVERLAP.min(samples.len());
    if overlap < MIN_LAG || before.len() < MAX_LAG {
        return 0;
    }
    let past: Vec<f32> = before.iter().map(|&s| f32::from(s)).collect();
    let x: Vec<f32> = samples[..overlap].iter().map(|&s| f32::from(s)).collect();
    let end = past.len();
    let lag = if is_quiet(&past) && is_quiet(&x) {
        MAX_LAG
    } else {
        let shortest = MIN_LAG.max(overlap);
        let best = (shortest..=MAX_LAG).map(|lag| (alikeness(&x, &past[end - lag..end - lag + overlap]), lag));
        match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((alike, lag)) if alike >= need.least_alike() => lag,
            _ => return 0,
        }
    };
    let period = &before[end - lag..];
    let repeated: Vec<i16> = period
        .iter()
        .enumerate()
        .map(|(i, &old)| if i < overlap { cross_fade(samples[i], old, i * OVERLAP / overlap) } else { old })
        .collect();
    samples.splice(..0, repeated);
    lag
}

/// From `a` to `b` at step `i` of [`OVERLAP`].
fn cross_fade(a: i16, b: i16, i: usize) -> i16 {
    let share = i as f32 / OVERLAP as f32;
    #[expect(clippy::cast_possible_truncation, reason = "between a and b")]
    let mixed = (f32::from(a) * (1.0 - share) + f32::from(b) * share).round() as i16;
    mixed
}

fn is_quiet(x: &[f32]) -> bool {
    (energy(x) / x.len() as f32).sqrt() < QUIET_RMS
}

fn alikeness(a: &[f32], b: &[f32]) -> f32 {
    dot(a, b) / (energy(a) * energy(b)).sqrt().max(1.0)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn energy(x: &[f32]) -> f32 {
    dot(x, x)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test signals stay far below full scale")]
mod tests {
    use super::*;

    fn sine(hz: f32) -> Vec<i16> {
        (0..1_560).map(|i| ((i as f32 / 48_000.0 * hz * std::f32::consts::TAU).sin() * 8_000.0) as i16).collect()
    }

    /// Biggest second difference: a click makes it jump.
    fn roughness(x: &[i16]) -> i32 {
        x.windows(3).map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_stays_smooth() {
        for hz in [85.0, 110.0, 225.0, 440.0, 1_000.0] {
            let original = sine(hz);
            let smooth = roughness(&original) + 12;
            for packet in [480, 960] {
                let (before, rest) = original.split_at(HISTORY);
                let mut samples = rest[..packet].to_vec();
                let come = lengthen(before, &mut samples, Need::Gentle);
                assert!((MIN_LAG..=MAX_LAG).contains(&come), "{hz}: {come}");
                assert_eq!(samples.len(), packet + come);
                assert_eq!(samples[come..], rest[..packet]);
                let whole = [before, &samples].concat();
                assert!(roughness(&whole) <= smooth, "{hz}: {} > {smooth}", roughness(&whole));
            }
            let (before, rest) = original.split_at(HISTORY);
            let mut samples = rest.to_vec();
            let gone = shorten(&mut samples, usize::MAX, Need::Gentle);
            assert!((MIN_LAG..=MAX_LAG).contains(&gone), "{hz}: {gone}");
            assert_eq!(samples.len(), rest.len() - gone);
            let whole = [before, &samples].concat();
            assert!(roughness(&whole) <= smooth, "{hz}: {} > {smooth}", roughness(&whole));
        }
    }

    #[test]
    fn noise_is_left_alone_unless_it_must_be() {
        let mut state = 1_u32;
        let noise: Vec<i16> = (0..960)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 18) as i16 - 8_192
            })
            .collect();
        assert_eq!(shorten(&mut noise.clone(), 960, Need::Gentle), 0);
        assert!(shorten(&mut noise.clone(), 960, Need::Urgent) > 0);
        assert_eq!(shorten(&mut vec![0; 960], 960, Need::Gentle), MAX_LAG);
        assert_eq!(shorten(&mut vec![0; 960], 200, Need::Gentle), 200);
        assert_eq!(shorten(&mut vec![0; 960], 100, Need::Urgent), 0, "too little to be worth a cut");
        assert_eq!(lengthen(&[0; HISTORY], &mut vec![0; 480], Need::Gentle), MAX_LAG);
        assert_eq!(lengthen(&[0; 10], &mut vec![0; 480], Need::Urgent), 0);
    }
}
