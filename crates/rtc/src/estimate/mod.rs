//! How fast the path takes packets.
//!
//! The stack's congestion control interceptor matches transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions)
//! with what was sent; an [`Estimator`] turns the result into a rate. Sans-IO: told the time.

mod delay;
mod loss_delay;
mod rates;
#[cfg(test)]
mod simulation;
mod slot;

use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;

pub(crate) use loss_delay::LossDelayEstimator;
pub(crate) use slot::EstimatorSlot;

/// What became of one packet we sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketFeedback {
    /// Bytes of the RTP packet.
    pub(crate) size: usize,
    /// When it left, on our clock.
    pub(crate) departure: Instant,
    /// When it arrived, on the other side's clock; `None` if it did not.
    pub(crate) arrival: Option<Duration>,
}

/// A congestion control algorithm.
pub(crate) trait Estimator: Send + Sync {
    /// Takes feedback that came in at `now`, in sending order.
    fn on_reports(&mut self, now: Instant, reports: &[PacketFeedback]);

    /// What may be sent.
    fn target(&self) -> Bitrate;
}
