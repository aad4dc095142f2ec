//! Runs the real chain over a scene.

use eyeline_media::audio::{BLOCK_SAMPLES, Block, CaptureProcessor, VoiceProcessing, VoiceProcessor};

use super::RATE;
use super::figures::power_db;
use super::scene::Scene;

/// Only echo cancellation.
pub(crate) const CANCEL: VoiceProcessing =
    VoiceProcessing { echo_cancellation: true, noise_suppression: false, gain_control: false };
/// Only noise suppression.
pub(crate) const SUPPRESS: VoiceProcessing =
    VoiceProcessing { echo_cancellation: false, noise_suppression: true, gain_control: false };
/// Only gain control.
pub(crate) const LEVEL: VoiceProcessing =
    VoiceProcessing { echo_cancellation: false, noise_suppression: false, gain_control: true };
/// All but gain control, so that levels can be compared.
pub(crate) const CLEAN: VoiceProcessing =
    VoiceProcessing { echo_cancellation: true, noise_suppression: true, gain_control: false };

/// What is sent of a scene.
pub(crate) fn processed(processing: VoiceProcessing, scene: &Scene) -> Vec<f32> {
    run(&mut VoiceProcessor::new(processing), &scene.mic, &scene.far)
}

/// What a processor makes of a microphone while the speaker plays.
pub(crate) fn run(processor: &mut VoiceProcessor, mic: &[f32], far: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(mic.len());
    for (mic, far) in mic.chunks_exact(BLOCK_SAMPLES).zip(far.chunks_exact(BLOCK_SAMPLES)) {
        let mut block = to_block(mic);
        processor.process(&mut block, &to_block(far));
        out.extend(block.map(|s| f32::from(s) / 32_768.0));
    }
    out
}

/// 10 ms as the devices have them.
pub(crate) fn to_block(samples: &[f32]) -> Block {
    std::array::from_fn(|i| (samples[i] * 32_768.0).round() as i16)
}

/// Seconds `from` to `to`.
pub(crate) fn part(samples: &[f32], from: f64, to: f64) -> &[f32] {
    let at = |s: f64| ((s * RATE as f64) as usize).min(samples.len());
    &samples[at(from)..at(to)]
}

/// Echo return loss enhancement over these seconds, in which only the far end talks.
pub(crate) fn erle_db(scene: &Scene, out: &[f32], from: f64, to: f64) -> f64 {
    power_db(part(&scene.mic, from, to)) - power_db(part(out, from, to))
}
