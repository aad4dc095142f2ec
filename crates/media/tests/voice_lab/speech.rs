//! Recorded speech; see `speech/README.md` for whose.

use rubato::audioadapter::Adapter;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use super::RATE;

const READER: [&[u8]; 2] = [include_bytes!("speech/reader_1.wav"), include_bytes!("speech/reader_2.wav")];
const TALKER: [&[u8]; 3] = [
    include_bytes!("speech/talker_numbers.wav"),
    include_bytes!("speech/talker_something.wav"),
    include_bytes!("speech/talker_goforward.wav"),
];

/// A woman reading, over and over, without pauses longer than a breath.
pub(crate) fn reader(seconds: f64) -> Vec<f32> {
    repeat(&READER.map(load), seconds)
}

/// A man talking in short sentences.
pub(crate) fn talker(seconds: f64) -> Vec<f32> {
    repeat(&TALKER.map(load), seconds)
}

/// All recordings by themselves.
pub(crate) fn all() -> Vec<Vec<f32>> {
    READER.iter().chain(&TALKER).map(|bytes| load(bytes)).collect()
}

/// Scales so that what is spoken lies at `dbfs` (RMS of the louder half of all 20 ms).
pub(crate) fn at_level(mut samples: Vec<f32>, dbfs: f64) -> Vec<f32> {
    let gain = 10_f64.powf((dbfs - super::figures::speech_level_db(&samples)) / 20.0) as f32;
    samples.iter_mut().for_each(|s| *s *= gain);
    samples
}

fn repeat(clips: &[Vec<f32>], seconds: f64) -> Vec<f32> {
    let breath = vec![0.0; RATE / 5];
    let once: Vec<f32> =
        clips.iter().flat_map(|clip| at_level(clip.clone(), -26.0).into_iter().chain(breath.clone())).collect();
    once.iter().copied().cycle().take((seconds * RATE as f64) as usize).collect()
}

fn load(bytes: &[u8]) -> Vec<f32> {
    let mut wav = hound::WavReader::new(bytes).expect("a WAV file");
    let rate = wav.spec().sample_rate as usize;
    let samples: Vec<f32> = wav.samples::<i16>().map(|s| f32::from(s.expect("a sample")) / 32_768.0).collect();
    let mut fft = Fft::<f32>::new(rate, RATE, 160, 1, FixedSync::Input).expect("a fixed ratio");
    let input = InterleavedSlice::new(&samples[..], 1, samples.len()).expect("mono");
    let output = fft.process_all(&input, samples.len(), None).expect("a fixed ratio");
    (0..output.frames()).filter_map(|i| output.read_sample(0, i)).collect()
}
