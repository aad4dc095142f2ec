//! Noise as offices have it, at about -26 dBFS before it is scaled.

use std::f64::consts::TAU;

use super::{RATE, Seeded, speech};

/// A fan: noise that falls off by 6 dB per octave above 300 Hz, and the hum of its blades.
pub(crate) fn fan(seconds: f64) -> Vec<f32> {
    let mut random = Seeded(11);
    let mut low = 0.0;
    (0..(seconds * RATE as f64) as usize)
        .map(|n| {
            low += 0.04 * (random.normal() - low);
            let t = n as f64 / RATE as f64;
            let hum: f64 = (1..5).map(|k| (TAU * 117.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
            (0.25 * low + 0.01 * random.normal() + 0.01 * hum) as f32
        })
        .collect()
}

/// Eight people talking at once, some higher, some lower.
pub(crate) fn babble(seconds: f64) -> Vec<f32> {
    let clips = speech::all();
    let mut sum = vec![0.0; (seconds * RATE as f64) as usize];
    for voice in 0..8 {
        let clip = &clips[voice % clips.len()];
        let pitch = [0.86, 1.13, 0.93, 1.07, 1.2, 0.8, 1.03, 0.97][voice];
        for (n, to) in sum.iter_mut().enumerate() {
            let at = (n as f64 * pitch + voice as f64 * 31_013.0) % (clip.len() - 1) as f64;
            let (i, f) = (at as usize, at.fract() as f32);
            *to += 0.4 * (clip[i] * (1.0 - f) + clip[i + 1] * f);
        }
    }
    sum
}

/// Somebody typing: clicks of keys and the board under them, six to a second.
pub(crate) fn keyboard(seconds: f64) -> Vec<f32> {
    let mut random = Seeded(23);
    let mut out = vec![0.0_f32; (seconds * RATE as f64) as usize];
    let mut at = 0.05;
    while at < seconds - 0.1 {
        let size = 0.15 + 0.25 * random.uniform();
        let tones = [180.0 + 80.0 * random.uniform(), 900.0 + 600.0 * random.uniform(), 3_300.0];
        for (n, to) in out[(at * RATE as f64) as usize..].iter_mut().take(RATE / 12).enumerate() {
            let t = n as f64 / RATE as f64;
            let click = random.normal() * (-t / 0.003).exp();
            let body: f64 =
                tones.iter().zip([0.02, 0.008, 0.004]).map(|(f, d)| (TAU * f * t).sin() * (-t / d).exp()).sum();
            *to += (size * (0.5 * click + 0.4 * body)) as f32;
        }
        at += 0.08 + 0.16 * random.uniform();
    }
    out
}
