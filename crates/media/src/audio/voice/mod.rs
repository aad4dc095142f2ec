//! What makes sound fit for a call without a headset: high-pass filter, echo cancellation, noise suppression, gain control.
//!
//! ```text
//! microphone -> high pass -> echo cancellation -> noise suppression -> gain control -> Opus
//!                                 ^ what the speaker plays
//! ```
//!
//! Why these parts and how they are set is measured in `docs/decisions/0015-voice.md`.

mod canceller;
mod gain;
mod high_pass;
mod suppressor;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use canceller::EchoCanceller;
use gain::GainControl;
use high_pass::HighPass;
use suppressor::NoiseSuppressor;

use super::resample::to_i16;
use super::{BLOCK_SAMPLES, Block, CaptureProcessor};

/// 10 ms at the scale of `i16`, as AEC3, RNNoise and AGC2 want it.
type Frame = [f32; BLOCK_SAMPLES];

/// A sample this large was most likely cut off by the microphone.
const CLIPPED: i16 = 32_700;

/// Blocks for which echo may still be heard after the speaker fell silent: a second, longer than rooms ring.
const ECHO_TAIL_BLOCKS: u32 = 100;

/// Blocks in which less than this share of the microphone's power passed the canceller were mostly echo.
const ECHO_SHARE: f32 = 0.25;

/// What is done to the microphone's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceProcessing {
    /// Take out what the speaker plays.
    pub echo_cancellation: bool,
    /// Take out fans, streets, keyboards.
    pub noise_suppression: bool,
    /// Bring quiet and loud talkers to one level.
    pub gain_control: bool,
}

impl VoiceProcessing {
    /// Everything.
    pub const ON: Self = Self { echo_cancellation: true, noise_suppression: true, gain_control: true };

    /// Nothing: the microphone is sent as it is.
    pub const OFF: Self = Self { echo_cancellation: false, noise_suppression: false, gain_control: false };

    fn bits(self) -> u8 {
        u8::from(self.echo_cancellation) | u8::from(self.noise_suppression) << 1 | u8::from(self.gain_control) << 2
    }

    fn from_bits(bits: u8) -> Self {
        Self { echo_cancellation: bits & 1 != 0, noise_suppression: bits & 2 != 0, gain_control: bits & 4 != 0 }
    }
}

impl Default for VoiceProcessing {
    fn default() -> Self {
        Self::ON
    }
}

/// Switches a [`VoiceProcessor`] while it runs; clones switch the same one.
#[derive(Clone, Debug)]
pub struct VoiceSwitch(Arc<AtomicU8>);

impl VoiceSwitch {
    /// From the next block on.
    pub fn set(&self, processing: VoiceProcessing) {
        self.0.store(processing.bits(), Ordering::Relaxed);
    }

    /// What was set last.
    pub fn get(&self) -> VoiceProcessing {
        VoiceProcessing::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The whole chain. Parts that are switched off cost nothing, and begin anew when they are switched on.
///
/// Echo cancellation delays the sound by about 4 ms, noise suppression by 10 ms, gain control not at all.
pub struct VoiceProcessor {
    wanted: VoiceSwitch,
    high_pass: Option<HighPass>,
    canceller: Option<Box<EchoCanceller>>,
    suppressor: Option<NoiseSuppressor>,
    gain: Option<Box<GainControl>>,
    /// Blocks since the speaker played anything.
    quiet_blocks: u32,
}

impl std::fmt::Debug for VoiceProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoiceProcessor").field("wanted", &self.wanted.get()).finish_non_exhaustive()
    }
}

impl VoiceProcessor {
    /// A chain that has heard nothing yet.
    pub fn new(processing: VoiceProcessing) -> Self {
        Self {
            wanted: VoiceSwitch(Arc::new(AtomicU8::new(processing.bits()))),
            high_pass: None,
            canceller: None,
            suppressor: None,
            gain: None,
            quiet_blocks: ECHO_TAIL_BLOCKS,
        }
    }

    /// What switches it.
    pub fn switch(&self) -> VoiceSwitch {
        self.wanted.clone()
    }

    fn follow_the_switch(&mut self, wanted: VoiceProcessing) {
        keep(&mut self.high_pass, wanted != VoiceProcessing::OFF, HighPass::new);
        keep(&mut self.canceller, wanted.echo_cancellation, || Box::new(EchoCanceller::new()));
        keep(&mut self.suppressor, wanted.noise_suppression, NoiseSuppressor::new);
        keep(&mut self.gain, wanted.gain_control, || Box::new(GainControl::new()));
    }
}

/// Makes or drops a part.
fn keep<T>(part: &mut Option<T>, wanted: bool, new: impl FnOnce() -> T) {
    if !wanted {
        *part = None;
    } else if part.is_none() {
        *part = Some(new());
    }
}

impl CaptureProcessor for VoiceProcessor {
    fn process(&mut self, mic: &mut Block, reference: &Block) {
        let wanted = self.wanted.get();
        self.follow_the_switch(wanted);
        let Some(high_pass) = &mut self.high_pass else { return };
        let mut frame = mic.map(f32::from);
        let clipped = mic.iter().any(|s| s.unsigned_abs() >= CLIPPED.unsigned_abs());
        high_pass.process(&mut frame);
        let mut echo = false;
        if let Some(canceller) = &mut self.canceller {
            let silent = reference.iter().all(|s| *s == 0);
            self.quiet_blocks = if silent { self.quiet_blocks.saturating_add(1) } else { 0 };
            if self.quiet_blocks > ECHO_TAIL_BLOCKS {
                canceller.idle(&mut frame);
            } else {
                let before = power(&frame);
                canceller.process(&mut frame, &reference.map(f32::from), clipped);
                echo = power(&frame) < ECHO_SHARE * before;
            }
        }
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.process(&mut frame);
        }
        if let Some(gain) = &mut self.gain {
            gain.process(&mut frame, echo);
        }
        *mic = frame.map(|sample| to_i16(sample / 32_768.0));
    }
}

fn power(frame: &Frame) -> f32 {
    frame.iter().map(|s| s * s).sum()
}
