//! How fast the path takes packets.
//!
//! [`FeedbackTap`] matches transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions) with what was sent
//! ([`SentPackets`]); an [`Estimator`] turns the result into [`Advice`] for the encoder and the pacer. All but the tap is
//! sans-IO: told the time.

mod brake;
mod control;
mod delay;
mod history;
mod loss;
mod probe;
mod rates;
#[cfg(test)]
mod simulation;
mod tap;
mod trains;

use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;

pub(crate) use control::PathEstimator;
pub(crate) use probe::Probe;
pub(crate) use tap::FeedbackTap;

/// What became of a packet we sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    /// It arrived, at this time of the other side's clock.
    Arrived(Duration),
    /// It did not, though later ones did.
    Lost,
    /// It was called lost, but came after all, at this time of the other side's clock.
    Late(Duration),
    /// The feedback about it was lost.
    Unknown,
}

/// One packet we sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketFeedback {
    /// Bytes of the RTP packet.
    pub(crate) size: usize,
    /// When it left, on our clock.
    pub(crate) departure: Instant,
    pub(crate) fate: Fate,
}

/// Packets sent that nothing was heard of yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flight {
    /// Bytes of RTP packets.
    pub(crate) bytes: usize,
    /// When the oldest of them left.
    pub(crate) oldest: Option<Instant>,
}

/// What to do, by an [`Estimator`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Advice {
    /// What all media together may be on average: picture, sound, repair.
    pub(crate) target: Bitrate,
    /// How fast the pacer lets video out: the target times a factor above one.
    pub(crate) pace: Bitrate,
}

/// A congestion control algorithm.
pub(crate) trait Estimator: Send + Sync {
    /// Where to begin; called before the first packet.
    fn begin_at(&mut self, start: Bitrate);

    /// Takes feedback that came in at `now`, in sending order; `flight` is what remains without.
    fn on_reports(&mut self, now: Instant, reports: &[PacketFeedback], flight: Flight);

    /// Time passes while packets are without feedback; called every [`TIMER`].
    fn on_timer(&mut self, now: Instant, flight: Flight);

    fn advice(&self) -> Advice;

    /// A probe that is to be sent now; said once.
    fn take_probe(&mut self) -> Option<Probe>;
}

/// Time between calls of [`Estimator::on_timer`] while packets are without feedback.
pub(crate) const TIMER: Duration = Duration::from_millis(25);
