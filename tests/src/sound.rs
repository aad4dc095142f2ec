//! Made-up speech, and whether what was heard is what was said.

use std::f64::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Outcome;
use crate::logs::{Recording, count};

/// Samples per second of all sound in the tests.
pub const SAMPLE_RATE: usize = 48_000;

/// Sound is compared at 8 kHz: what speech codecs keep best, and a sixth of the work.
const DECIMATION: usize = 6;
/// What is looked for at a time: 1 s.
const WINDOW: usize = SAMPLE_RATE;
/// How much later it may be heard: 1.5 s.
const DELAY_MAX: usize = SAMPLE_RATE * 3 / 2;

/// Something like a voice: syllables of 120 to 300 ms with a gliding pitch and overtones under two formants, and short
/// pauses. No two seconds are alike, so that a delay is found without doubt.
#[expect(clippy::cast_possible_truncation, reason = "the amplitude keeps every sample within i16")]
pub fn speech(seconds: usize) -> Vec<i16> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut samples = Vec::with_capacity((seconds + 1) * SAMPLE_RATE);
    let mut phase = 0.0;
    while samples.len() < seconds * SAMPLE_RATE {
        let length = random.between(0.12, 0.30);
        let (pitch, glide) = (random.between(100.0, 220.0), random.between(-60.0, 60.0));
        let formants = [random.between(300.0, 900.0), random.between(1_000.0, 2_400.0)];
        let steps = seconds_to_samples(length);
        for step in 0..steps {
            let part = count(step) / count(steps);
            phase += TAU * (pitch + glide * part) / count(SAMPLE_RATE);
            let loudness = (part * TAU / 2.0).sin();
            samples.push((voice(phase, pitch + glide * part, formants) * loudness * 9_000.0) as i16);
        }
        let pause = seconds_to_samples(random.between(0.02, 0.12));
        samples.resize(samples.len() + pause, 0);
    }
    samples.truncate(seconds * SAMPLE_RATE);
    samples
}

/// Overtones up to 3.4 kHz, each as strong as the formants near it; between -1 and 1.
fn voice(phase: f64, pitch: f64, formants: [f64; 2]) -> f64 {
    let mut sum = 0.0;
    let mut weights = 0.1;
    let mut overtone = 1.0;
    while overtone * pitch < 3_400.0 {
        let near = |formant: f64| (-((overtone * pitch - formant) / 220.0).powi(2)).exp();
        let weight = 0.05 + near(formants[0]) + 0.6 * near(formants[1]);
        sum += weight * (overtone * phase).sin();
        weights += weight;
        overtone += 1.0;
    }
    sum / weights
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a second in samples")]
fn seconds_to_samples(seconds: f64) -> usize {
    (seconds * count(SAMPLE_RATE)) as usize
}

/// Marsaglia's xorshift: random enough for syllables, the same everywhere.
struct Random(u64);

impl Random {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let unit = u32::try_from(self.0 >> 40).map_or(0.0, |bits| f64::from(bits) / f64::from(1 << 24));
        low + (high - low) * unit
    }
}

/// Writes mono 16-bit samples at 48 kHz as a wav file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_wav(path: &Path, samples: &[i16]) -> Outcome {
    let data_bytes = u32::try_from(samples.len() * 2)?;
    let rate = u32::try_from(SAMPLE_RATE)?;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + data_bytes).to_le_bytes())?;
    file.write_all(b"WAVEfmt ")?;
    file.write_all(&16_u32.to_le_bytes())?;
    file.write_all(&1_u16.to_le_bytes())?; // PCM
    file.write_all(&1_u16.to_le_bytes())?; // mono
    file.write_all(&rate.to_le_bytes())?;
    file.write_all(&(2 * rate).to_le_bytes())?;
    file.write_all(&2_u16.to_le_bytes())?;
    file.write_all(&16_u16.to_le_bytes())?;
    file.write_all(b"data")?;
    file.write_all(&data_bytes.to_le_bytes())?;
    for sample in samples {
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()?;
    Ok(())
}

/// One second of what was said, found in what was heard.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// How alike they are: 1 when equal up to loudness, about 0 when unrelated.
    pub likeness: f64,
    /// From microphone to speaker, milliseconds.
    pub delay_ms: f64,
}

/// Takes every third second of what was said and looks for it in what was heard up to 1.5 s later, by normalised
/// cross-correlation. The two recordings share a clock.
pub fn heard(said: &Recording, heard: &Recording) -> Vec<Heard> {
    let mut found = Vec::new();
    let mut at = SAMPLE_RATE;
    while at + WINDOW < said.samples.len() {
        found.extend(find(said, at, heard));
        at += 3 * SAMPLE_RATE;
    }
    found
}

fn find(said: &Recording, at: usize, heard: &Recording) -> Option<Heard> {
    let said_us = said.time_of(at)?;
    let from = heard.sample_at(said_us)?;
    let span = heard.samples.get(from..from + WINDOW + DELAY_MAX)?;
    let (needle, hay) = (decimate(&said.samples[at..at + WINDOW]), decimate(span));
    let (offset, likeness) = best_match(&needle, &hay)?;
    let played_us = heard.time_of(from + offset * DECIMATION)?;
    #[expect(clippy::cast_precision_loss, reason = "differences within a test are far below 2^52 microseconds")]
    let delay_ms = (played_us - said_us) as f64 / 1000.0;
    Some(Heard { likeness, delay_ms })
}

/// Means of six samples each: a plain low-pass filter and 8 kHz.
fn decimate(samples: &[i16]) -> Vec<f32> {
    samples.chunks_exact(DECIMATION).map(|group| group.iter().map(|s| f32::from(*s)).sum::<f32>()).collect()
}

/// Where in `hay` the most alike stretch begins, and how alike it is.
fn best_match(needle: &[f32], hay: &[f32]) -> Option<(usize, f64)> {
    let last = hay.len().checked_sub(needle.len())?;
    let needle_energy = needle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    // Energy of hay up to each sample, so that the energy of a stretch is one subtraction.
    let mut energy_before = vec![0.0];
    for sample in hay {
        energy_before.push(energy_before.last().unwrap_or(&0.0) + f64::from(*sample).powi(2));
    }
    let likeness = |at: usize| {
        let product: f32 = needle.iter().zip(&hay[at..]).map(|(a, b)| a * b).sum();
        let energy = energy_before[at + needle.len()] - energy_before[at];
        let scale = (needle_energy * energy).sqrt();
        if scale > 0.0 { f64::from(product) / scale } else { 0.0 }
    };
    (0..=last).map(|at| (at, likeness(at))).max_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::SoundMark;

    fn recording(samples: Vec<i16>, start_us: i64) -> Recording {
        Recording { samples, marks: vec![SoundMark { unix_us: start_us, first_sample: 0 }] }
    }

    #[test]
    fn a_delay_is_found_in_quieter_and_noisy_sound() {
        let said = speech(6);
        let mut played = vec![0; 4_800];
        let mut random = Random(7);
        #[expect(clippy::cast_possible_truncation, reason = "noise of +-300")]
        played.extend(said.iter().map(|sample| sample / 2 + random.between(-300.0, 300.0) as i16));
        played.resize(said.len() + DELAY_MAX, 0);
        let found = heard(&recording(said.clone(), 1_000_000), &recording(played, 1_020_000));
        assert_eq!(found.len(), 2);
        for Heard { likeness, delay_ms } in found {
            assert!(likeness > 0.9, "{likeness}");
            assert!((delay_ms - 120.0).abs() < 1.0, "100 ms of silence after a start 20 ms later, found {delay_ms}");
        }
        let other = heard(&recording(said, 0), &recording(speech(30)[22 * SAMPLE_RATE..].to_vec(), 0));
        assert!(other.iter().all(|found| found.likeness < 0.5), "other words pass for these: {other:?}");
    }

    #[test]
    fn a_wav_file_has_its_44_byte_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write_wav(&path, &[1, -1]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 48);
        assert_eq!((&bytes[..4], &bytes[44..]), (&b"RIFF"[..], &[1, 0, 255, 255][..]));
    }
}
