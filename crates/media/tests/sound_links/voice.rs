//! What is said, and how much of it was heard.

use std::f64::consts::TAU;

use crate::link::Seeded;

/// Samples per millisecond.
pub(crate) const MS: usize = 48;
/// Compared at 8 kHz: what speech codecs keep best.
const DECIMATION: usize = 6;
/// Compared 60 ms at a time, every 20 ms.
const WINDOW: usize = 60 * MS / DECIMATION;
const HOP: usize = 20 * MS / DECIMATION;
/// Looked for so far around where the last one was found.
const NEAR: usize = 40 * MS / DECIMATION;
const DELAY_MAX: usize = 700 * MS / DECIMATION;
/// Quieter windows are not compared.
const QUIET_RMS: f32 = 300.0;

/// The recording named by `EYELINE_SPEECH` (wav, mono, 48 kHz), over and over, or something like a voice: syllables with
/// gliding pitch under two formants, and pauses.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "stays within i16, and within a test's length"
)]
pub(crate) fn speech(seconds: usize) -> Vec<i16> {
    let wanted = seconds * 1_000 * MS;
    if let Some(path) = std::env::var_os("EYELINE_SPEECH") {
        let recording =
            hound::WavReader::open(path).expect("a wav file").into_samples::<i16>().collect::<Result<Vec<_>, _>>();
        return recording.expect("16-bit samples").into_iter().cycle().take(wanted).collect();
    }
    let mut random = Seeded(0x2545_f491_4f6c_dd1d);
    let mut between = |low: f64, high: f64| low + (high - low) * random.unit();
    let (mut samples, mut phase) = (Vec::new(), 0.0);
    while samples.len() < wanted {
        let steps = between(120.0, 300.0) as usize * MS;
        let (pitch, glide) = (between(100.0, 220.0), between(-60.0, 60.0));
        let formants = [between(300.0, 900.0), between(1_000.0, 2_400.0)];
        for step in 0..steps {
            let part = step as f64 / steps as f64;
            let hz = pitch + glide * part;
            phase += TAU * hz / 48_000.0;
            let voice: f64 =
                (1..=24).map(|n| overtone(f64::from(n), hz, formants) * (f64::from(n) * phase).sin()).sum();
            samples.push((voice * (part * TAU / 2.0).sin() * 4_000.0) as i16);
        }
        samples.resize(samples.len() + between(20.0, 120.0) as usize * MS, 0);
    }
    samples.truncate(wanted);
    samples
}

fn overtone(n: f64, hz: f64, formants: [f64; 2]) -> f64 {
    let near = |formant: f64| (-((n * hz - formant) / 220.0).powi(2)).exp();
    if n * hz > 3_400.0 { 0.0 } else { 0.05 + near(formants[0]) + 0.6 * near(formants[1]) }
}

/// How a call sounded.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// From the decoder's point of view: without the encoder's own delay.
    pub(crate) delays_ms: Vec<f64>,
    /// Of each window: 1 is exactly what was said (after coding), near 0 is something else.
    pub(crate) likeness: Vec<f64>,
}

/// Finds what was `said` in what was `heard`; both begin at the same moment.
pub(crate) fn compare(said: &[i16], heard: &[i16]) -> Heard {
    let (said, heard) = (decimate(said), decimate(heard));
    let mut out = Heard::default();
    let mut last: Option<usize> = None;
    let mut at = HOP;
    while at + WINDOW + DELAY_MAX < heard.len().min(said.len()) {
        let window = &said[at..at + WINDOW];
        if (energy(window) / WINDOW as f32).sqrt() > QUIET_RMS {
            let span = last.map_or((0, DELAY_MAX), |lag| (lag.saturating_sub(NEAR), (lag + NEAR).min(DELAY_MAX)));
            let (mut lag, mut likeness) = best(window, &heard[at..], span);
            if likeness < 0.6 && last.is_some() {
                let far = best(window, &heard[at..], (0, DELAY_MAX));
                if far.1 > 0.9 {
                    (lag, likeness) = far;
                }
            }
            out.likeness.push(f64::from(likeness));
            if likeness > 0.85 {
                last = Some(lag);
                out.delays_ms.push((lag * DECIMATION) as f64 / MS as f64);
            }
        }
        at += HOP;
    }
    out
}

fn best(window: &[f32], heard: &[f32], (from, to): (usize, usize)) -> (usize, f32) {
    let own = energy(window).sqrt();
    let mut found = (from, 0.0_f32);
    for lag in from..=to {
        let there = &heard[lag..lag + window.len()];
        let alike = dot(window, there) / (own * energy(there).sqrt()).max(1.0);
        if alike > found.1 {
            found = (lag, alike);
        }
    }
    found
}

fn decimate(samples: &[i16]) -> Vec<f32> {
    samples.chunks_exact(DECIMATION).map(|six| six.iter().map(|s| f32::from(*s)).sum::<f32>() / 6.0).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn energy(x: &[f32]) -> f32 {
    dot(x, x)
}
