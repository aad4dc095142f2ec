//! Where measurement looks in: called at the ends of the media path, off by default.

use std::time::Instant;

use crate::frame::VideoFrame;

/// Sees every frame and sound block at the machine's edges. Called on media threads: implementations only copy and queue.
pub trait MediaObserver: Send + Sync {
    /// A frame left the camera.
    fn captured(&self, _frame: &VideoFrame) {}

    /// A received frame was handed to the display.
    fn shown(&self, _frame: &VideoFrame, _at: Instant) {}

    /// Samples taken from the microphone (mono, 48 kHz), the first of them captured at `at`.
    fn microphone(&self, _samples: &[i16], _at: Instant) {}

    /// Samples handed to the speaker (mono, 48 kHz) at `at`.
    fn speaker(&self, _samples: &[i16], _at: Instant) {}
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl MediaObserver for Unobserved {}
