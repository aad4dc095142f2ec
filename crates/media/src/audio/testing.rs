//! Ears and a voice for tests.

#![expect(clippy::cast_possible_truncation, reason = "test signals stay far below full scale")]

/// Share of the power of `samples` (48 kHz) that lies at `hz`, 0 to 1 (Goertzel's algorithm).
pub(crate) fn tone_share(samples: &[i16], hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / 48_000.0;
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let x = f64::from(sample);
        re += x * (step * i as f64).cos();
        im += x * (step * i as f64).sin();
        power += x * x;
    }
    if power == 0.0 { 0.0 } else { 2.0 * (re * re + im * im) / (power * samples.len() as f64) }
}

/// Two seconds of something speech-like: a buzz of changing pitch and loudness.
pub(crate) fn speech() -> Vec<i16> {
    let mut phase = 0.0_f64;
    (0..96_000)
        .map(|i| {
            let t = f64::from(i) / 48_000.0;
            phase += (140.0 + 40.0 * (t * 5.0).sin()) / 48_000.0;
            let voice: f64 = (1..12).map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k)).sum();
            let loudness = 0.55 + 0.45 * (t * 19.0).sin();
            (voice * loudness * 4_000.0) as i16
        })
        .collect()
}
