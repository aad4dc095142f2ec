//! From any sample rate to any other, mono.

use rubato::audioadapter::Adapter;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler};

use super::AudioError;

/// Rates sound hardware and files have; outside it something is wrong.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;

/// Converts a stream of mono samples in chunks of about 10 ms. Passes them through when the rates are equal.
pub(super) struct StreamResampler {
    fft: Option<Fft<f32>>,
    pending: Vec<f32>,
    out: Vec<f32>,
}

fn fft(from_hz: u32, to_hz: u32) -> Result<Fft<f32>, AudioError> {
    let unsupported = || AudioError::Unsupported(format!("{from_hz} samples per second"));
    if !RATES.contains(&from_hz) || !RATES.contains(&to_hz) {
        return Err(unsupported());
    }
    let (from, to) = (from_hz as usize, to_hz as usize);
    Fft::new(from, to, from / 100, 1, FixedSync::Input).map_err(|_| unsupported())
}

impl StreamResampler {
    /// A converter from `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// [`AudioError::Unsupported`] when a rate is absurd.
    pub(super) fn new(from_hz: u32, to_hz: u32) -> Result<Self, AudioError> {
        let fft = if from_hz == to_hz { None } else { Some(fft(from_hz, to_hz)?) };
        let out = vec![0.0; fft.as_ref().map_or(0, Resampler::output_frames_max)];
        Ok(Self { fft, pending: Vec::new(), out })
    }

    /// Takes samples in and appends what is ready to `to`.
    ///
    /// # Errors
    /// [`AudioError::Failed`] in the resampler's words.
    pub(super) fn push(&mut self, samples: &[f32], to: &mut Vec<f32>) -> Result<(), AudioError> {
        let Some(fft) = &mut self.fft else {
            to.extend_from_slice(samples);
            return Ok(());
        };
        let failed = |e: &dyn std::fmt::Display| AudioError::Failed(e.to_string());
        self.pending.extend_from_slice(samples);
        let mut used = 0;
        while self.pending.len() - used >= fft.input_frames_next() {
            let chunk = &self.pending[used..];
            let input = InterleavedSlice::new(chunk, 1, chunk.len()).map_err(|e| failed(&e))?;
            let room = self.out.len();
            let mut output = InterleavedSlice::new_mut(&mut self.out[..], 1, room).map_err(|e| failed(&e))?;
            let (read, written) =
                fft.process_into_buffer(&input, &mut output, None::<&Indexing>).map_err(|e| failed(&e))?;
            used += read;
            to.extend_from_slice(&self.out[..written]);
        }
        self.pending.drain(..used);
        Ok(())
    }
}

/// Converts a whole recording.
///
/// # Errors
/// [`AudioError::Unsupported`] when a rate is absurd, [`AudioError::Failed`] in the resampler's words.
pub(super) fn resample_all(samples: Vec<f32>, from_hz: u32, to_hz: u32) -> Result<Vec<f32>, AudioError> {
    if from_hz == to_hz || samples.is_empty() {
        return Ok(samples);
    }
    let mut fft = fft(from_hz, to_hz)?;
    let input = InterleavedSlice::new(&samples[..], 1, samples.len()).map_err(|e| AudioError::Failed(e.to_string()))?;
    let output = fft.process_all(&input, samples.len(), None).map_err(|e| AudioError::Failed(e.to_string()))?;
    Ok((0..output.frames()).filter_map(|i| output.read_sample(0, i)).collect())
}

/// Nearest 16-bit sample; out of range is clipped.
pub(super) fn to_i16(sample: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
    let sample = (sample * 32_768.0).round() as i16;
    sample
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test signals stay far below full scale")]
mod tests {
    use super::*;

    fn sine(rate: u32, seconds: f32) -> Vec<f32> {
        let count = (rate as f32 * seconds) as usize;
        (0..count).map(|i| (i as f32 / rate as f32 * 440.0 * std::f32::consts::TAU).sin() * 0.5).collect()
    }

    fn crossings(x: &[f32]) -> usize {
        x.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count()
    }

    #[test]
    fn rate_changes_and_pitch_does_not() {
        for rate in [8_000, 16_000, 44_100, 48_000, 96_000] {
            let input = sine(rate, 2.0);
            let whole = resample_all(input.clone(), rate, 48_000).unwrap();
            assert!(whole.len().abs_diff(96_000) <= 1, "{rate}: {}", whole.len());
            assert!(crossings(&whole).abs_diff(880) <= 1);
            let mut stream = StreamResampler::new(rate, 48_000).unwrap();
            let mut out = Vec::new();
            for chunk in input.chunks(333) {
                stream.push(chunk, &mut out).unwrap();
            }
            assert!(out.len() > 94_000, "{rate}: {}", out.len());
            // The filter rings a little before the first sample.
            assert!(crossings(&out[4_800..52_800]).abs_diff(440) <= 1, "{rate}: {}", crossings(&out[4_800..52_800]));
        }
        assert!(matches!(StreamResampler::new(1, 48_000), Err(AudioError::Unsupported(_))));
    }

    #[test]
    fn samples_are_clipped_not_wrapped() {
        assert_eq!(to_i16(2.0), i16::MAX);
        assert_eq!(to_i16(-2.0), i16::MIN);
        assert_eq!(to_i16(0.5), 16_384);
    }
}
