//! Noise suppression: RNNoise, in its Rust port `nnnoiseless`.

use nnnoiseless::DenoiseState;

use super::Frame;
use crate::audio::BLOCK_SAMPLES;

/// What is left of the noise, as a factor (-18 dB): silence between words sounds like a broken line, and what RNNoise
/// mistakes for noise stays audible.
const LEFT: f32 = 0.125;

/// Takes noise out of speech. What goes in comes out 10 ms later.
pub(super) struct NoiseSuppressor {
    network: Box<DenoiseState<'static>>,
    /// What went in last, which the network gives back now.
    delayed: Frame,
}

impl NoiseSuppressor {
    /// A suppressor that has heard nothing yet.
    pub(super) fn new() -> Self {
        Self { network: DenoiseState::new(), delayed: [0.0; BLOCK_SAMPLES] }
    }

    /// Works on 10 ms in place. Returns how probable it is that they are speech, 0 to 1.
    pub(super) fn process(&mut self, frame: &mut Frame) -> f32 {
        let mut out = [0.0; BLOCK_SAMPLES];
        let speech = self.network.process_frame(&mut out, frame);
        let before = std::mem::replace(&mut self.delayed, *frame);
        for ((to, clean), noisy) in frame.iter_mut().zip(out).zip(before) {
            *to = clean + LEFT * (noisy - clean);
        }
        speech
    }
}
