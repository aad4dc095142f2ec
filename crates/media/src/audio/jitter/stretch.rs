//! Makes sound a little shorter or longer without changing its pitch: one pitch period is dropped or repeated where the
//! waveform matches itself best (overlap-add as in WSOLA, Verhelst and Roelands 1993).

/// Shortest repetition looked for: 2.5 ms (400 Hz). The longest is half of what is given, 10 ms (100 Hz) for a 20 ms packet.
const MIN_LAG: usize = 120;

/// Below this root mean square anything can be cut without being heard (-50 dBFS).
const QUIET_RMS: f32 = 100.0;

/// How alike two periods must be (normalised correlation).
const ALIKE: f32 = 0.6;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Only where it cannot be heard.
    Gentle,
    /// Wherever it is; a glitch is better than the wrong delay.
    Urgent,
}

/// Removes one period of 2.5 to 10 ms; returns how many samples went, 0 when no place was good enough.
pub(super) fn shorten(samples: &mut Vec<i16>, need: Need) -> usize {
    let Some(lag) = find_lag(samples, need) else { return 0 };
    for i in 0..lag {
        samples[i] = cross_fade(samples[i], samples[lag + i], i, lag);
    }
    samples.drain(lag..2 * lag);
    lag
}

/// Repeats one period of 2.5 to 10 ms; returns how many samples came, 0 when no place was good enough.
pub(super) fn lengthen(samples: &mut Vec<i16>, need: Need) -> usize {
    let Some(lag) = find_lag(samples, need) else { return 0 };
    let repeated: Vec<i16> = (0..lag).map(|i| cross_fade(samples[lag + i], samples[i], i, lag)).collect();
    samples.splice(lag..lag, repeated);
    lag
}

/// From `a` to `b` at step `i` of `len`.
fn cross_fade(a: i16, b: i16, i: usize, len: usize) -> i16 {
    let share = i as f32 / len as f32;
    #[expect(clippy::cast_possible_truncation, reason = "between a and b")]
    let mixed = (f32::from(a) * (1.0 - share) + f32::from(b) * share).round() as i16;
    mixed
}

fn find_lag(samples: &[i16], need: Need) -> Option<usize> {
    let max_lag = samples.len() / 2;
    if max_lag < 2 * MIN_LAG {
        return None;
    }
    let x: Vec<f32> = samples.iter().map(|&s| f32::from(s)).collect();
    let head = &x[..max_lag];
    let head_energy = energy(head);
    if (energy(&x) / x.len() as f32).sqrt() < QUIET_RMS {
        return Some(max_lag);
    }
    let mut best = (f32::MIN, max_lag);
    for lag in MIN_LAG..=max_lag {
        let tail = &x[lag..lag + max_lag];
        let alike = dot(head, tail) / (head_energy * energy(tail)).sqrt().max(1.0);
        if alike > best.0 {
            best = (alike, lag);
        }
    }
    (best.0 >= ALIKE || need == Need::Urgent).then_some(best.1)
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
        (0..960).map(|i| ((i as f32 / 48_000.0 * hz * std::f32::consts::TAU).sin() * 8_000.0) as i16).collect()
    }

    /// Biggest second difference: a click makes it jump.
    fn roughness(x: &[i16]) -> i32 {
        x.windows(3).map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_stays_smooth() {
        for hz in [110.0, 225.0, 440.0, 1_000.0] {
            let original = sine(hz);
            let smooth = roughness(&original) + 12;
            let mut shorter = original.clone();
            let gone = shorten(&mut shorter, Need::Gentle);
            assert!((MIN_LAG..=480).contains(&gone));
            assert_eq!(shorter.len(), 960 - gone);
            assert!(roughness(&shorter) <= smooth, "{hz}: {} > {smooth}", roughness(&shorter));
            let mut longer = original.clone();
            let come = lengthen(&mut longer, Need::Gentle);
            assert_eq!(longer.len(), 960 + come);
            assert!(roughness(&longer) <= smooth, "{hz}: {} > {smooth}", roughness(&longer));
            assert_eq!(longer[..come], original[..come]);
            assert_eq!(longer[2 * come..], original[come..]);
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
        assert_eq!(shorten(&mut noise.clone(), Need::Gentle), 0);
        assert!(shorten(&mut noise.clone(), Need::Urgent) > 0);
        assert_eq!(shorten(&mut vec![0; 960], Need::Gentle), 480);
        assert_eq!(shorten(&mut vec![0; 240], Need::Urgent), 0, "too short to find a period");
    }
}
