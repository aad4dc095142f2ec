//! Wav files as microphone and speaker.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::resample::{resample_all, to_i16};
use super::{AudioError, BLOCK_SAMPLES, Block, SAMPLE_RATE_HZ};

/// Longest file that is read: 20 minutes at 48 kHz (it is held in memory, 115 MB).
const MAX_SECONDS: u32 = 1_200;

/// Blocks between two updates of the header on disk, so that a file is whole even if the program is killed.
const BLOCKS_PER_FLUSH: u32 = 100;

/// A whole wav file as mono, 48 kHz, played over and over.
#[derive(Debug)]
pub(super) struct WavLoop {
    samples: Vec<i16>,
    position: usize,
}

impl WavLoop {
    /// Reads a file of any rate, channel count and sample format.
    ///
    /// # Errors
    /// [`AudioError::NotFound`], [`AudioError::PermissionDenied`], [`AudioError::Unsupported`] when it is no wav file, is
    /// empty or too long.
    pub(super) fn open(path: &Path) -> Result<Self, AudioError> {
        let reader = WavReader::open(path).map_err(read_error)?;
        let spec = reader.spec();
        let rate = spec.sample_rate;
        if spec.channels == 0 || rate == 0 {
            return Err(AudioError::Unsupported("a wav file without channels or sample rate".into()));
        }
        if reader.duration() / rate >= MAX_SECONDS {
            return Err(AudioError::Unsupported(format!("a wav file longer than {} minutes", MAX_SECONDS / 60)));
        }
        let mono = downmix(&read_samples(reader)?, usize::from(spec.channels));
        let samples: Vec<i16> = resample_all(mono, rate, SAMPLE_RATE_HZ)?.into_iter().map(to_i16).collect();
        if samples.is_empty() {
            return Err(AudioError::Unsupported("an empty wav file".into()));
        }
        Ok(Self { samples, position: 0 })
    }

    /// The next 10 ms.
    pub(super) fn next_block(&mut self) -> Block {
        let mut block = [0; BLOCK_SAMPLES];
        for sample in &mut block {
            *sample = self.samples[self.position];
            self.position = (self.position + 1) % self.samples.len();
        }
        block
    }
}

/// Samples as -1 to 1, channels interleaved.
fn read_samples(reader: WavReader<std::io::BufReader<File>>) -> Result<Vec<f32>, AudioError> {
    let spec = reader.spec();
    let samples: Result<Vec<f32>, _> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().collect(),
        SampleFormat::Int => {
            let full = 2.0_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.into_samples::<i32>().map(|s| s.map(|s| s as f32 / full)).collect()
        }
    };
    samples.map_err(read_error)
}

fn downmix(samples: &[f32], channels: usize) -> Vec<f32> {
    samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect()
}

fn read_error(error: hound::Error) -> AudioError {
    match error {
        hound::Error::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            AudioError::Unsupported("not a wav file, or one that is cut off".into())
        }
        // hound reports a missing RIFF header or an odd chunk as `Other` I/O errors too.
        hound::Error::IoError(e) if e.kind() == std::io::ErrorKind::Other => {
            AudioError::Unsupported(format!("not a wav file: {e}"))
        }
        hound::Error::IoError(e) => e.into(),
        other => AudioError::Unsupported(format!("not a wav file: {other}")),
    }
}

/// Writes mono, 48 kHz, 16 bits.
pub(super) struct WavSink {
    writer: WavWriter<BufWriter<File>>,
    blocks: u32,
}

impl WavSink {
    /// Creates or replaces a file.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn create(path: &Path) -> Result<Self, AudioError> {
        let spec =
            WavSpec { channels: 1, sample_rate: SAMPLE_RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
        Ok(Self { writer: WavWriter::create(path, spec).map_err(write_error)?, blocks: 0 })
    }

    /// Appends 10 ms; every second the file on disk is a whole one.
    ///
    /// # Errors
    /// As the system says, for example a full disk; [`AudioError::Unsupported`] at the format's limit of 4 GB.
    pub(super) fn write(&mut self, block: &Block) -> Result<(), AudioError> {
        for &sample in block {
            self.writer.write_sample(sample).map_err(write_error)?;
        }
        self.blocks += 1;
        if self.blocks.is_multiple_of(BLOCKS_PER_FLUSH) {
            self.writer.flush().map_err(write_error)?;
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn finish(self) -> Result<(), AudioError> {
        self.writer.finalize().map_err(write_error)
    }
}

fn write_error(error: hound::Error) -> AudioError {
    match error {
        hound::Error::IoError(e) => e.into(),
        other => AudioError::Unsupported(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, spec: WavSpec, frames: u32) {
        let mut writer = WavWriter::create(path, spec).unwrap();
        for i in 0..frames * u32::from(spec.channels) {
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(0.25_f32).unwrap(),
                SampleFormat::Int => writer.write_sample(if i % 2 == 0 { 100 } else { 0 }).unwrap(),
            }
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn any_wav_becomes_mono_48k_and_loops() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.wav");
        let spec = |channels, sample_rate, bits_per_sample, sample_format| WavSpec {
            channels,
            sample_rate,
            bits_per_sample,
            sample_format,
        };
        for spec in [
            spec(1, 48_000, 16, SampleFormat::Int),
            spec(2, 44_100, 24, SampleFormat::Int),
            spec(6, 16_000, 8, SampleFormat::Int),
            spec(2, 96_000, 32, SampleFormat::Float),
        ] {
            write(&path, spec, spec.sample_rate / 2);
            let mut wav = WavLoop::open(&path).unwrap();
            assert!(wav.samples.len().abs_diff(24_000) <= 1, "{spec:?}: {}", wav.samples.len());
            for _ in 0..120 {
                wav.next_block();
            }
        }
        assert!((WavLoop::open(&path).unwrap().samples[12_000] - 8_192).abs() < 100, "level of the float file");
    }

    #[test]
    fn what_is_no_wav_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.wav");
        assert_eq!(WavLoop::open(&path).unwrap_err(), AudioError::NotFound);
        for content in
            [&b""[..], b"hello", b"RIFF....WAVE", &[0; 4_096], b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"]
        {
            std::fs::write(&path, content).unwrap();
            let error = WavLoop::open(&path).unwrap_err();
            assert!(matches!(error, AudioError::Unsupported(_)), "{content:?}: {error:?}");
        }
        write(
            &path,
            WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample: 16, sample_format: SampleFormat::Int },
            0,
        );
        assert_eq!(WavLoop::open(&path).unwrap_err(), AudioError::Unsupported("an empty wav file".into()));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..30]).unwrap();
        assert!(WavLoop::open(&path).is_err());
    }

    #[test]
    fn an_unfinished_file_is_readable_up_to_the_last_second() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.wav");
        let mut sink = WavSink::create(&path).unwrap();
        for i in 0..250 {
            sink.write(&[i; 480]).unwrap();
        }
        let seen = WavReader::open(&path).unwrap().duration();
        assert_eq!(seen, 200 * 480, "two flushes");
        sink.finish().unwrap();
        assert_eq!(WavReader::open(&path).unwrap().duration(), 250 * 480);
        assert!(WavSink::create(&dir.path().join("missing/out.wav")).is_err());
    }
}
