//! Sliding windows: how fast bytes passed a point, and how many packets were lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Long enough to even out frames, short enough to follow a sudden change.
const RATE_WINDOW: f64 = 0.5;
/// A rate is known after this much of the window.
const MIN_RATE_SPAN: f64 = 0.25;

/// Bytes over time at one point, on any clock that counts seconds.
#[derive(Debug, Default)]
pub(super) struct RateWindow {
    samples: VecDeque<(f64, usize)>,
    bytes: usize,
    newest: f64,
}

impl RateWindow {
    /// `size` bytes passed at `at` seconds. Late samples within the window are fine.
    pub(super) fn add(&mut self, at: f64, size: usize) {
        if self.samples.is_empty() {
            self.newest = at;
        }
        self.newest = self.newest.max(at);
        self.samples.push_back((at, size));
        self.bytes += size;
        while let Some((oldest, size)) = self.samples.front().copied()
            && oldest <= self.newest - RATE_WINDOW
        {
            self.samples.pop_front();
            self.bytes -= size;
        }
    }

    /// Bits per second over the window; `None` before enough of it has passed.
    pub(super) fn bps(&self) -> Option<f64> {
        let (oldest, _) = self.samples.front()?;
        let span = self.newest - oldest;
        (span >= MIN_RATE_SPAN).then(|| self.bytes as f64 * 8.0 / span.max(RATE_WINDOW * 0.9))
    }
}

/// Feedback of this long counts.
const LOSS_WINDOW: Duration = Duration::from_secs(1);
/// Fewer packets say nothing.
const MIN_PACKETS: usize = 20;

/// Packets reported and lost of late.
#[derive(Debug, Default)]
pub(super) struct LossWindow {
    batches: VecDeque<(Instant, usize, usize)>,
}

impl LossWindow {
    /// Feedback about `total` packets came at `now`; `lost` of them were lost.
    pub(super) fn add(&mut self, now: Instant, total: usize, lost: usize) {
        self.batches.push_back((now, total, lost));
        while self.batches.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) > LOSS_WINDOW) {
            self.batches.pop_front();
        }
    }

    /// Share of packets lost, 0 to 1; `None` with too few packets.
    pub(super) fn share(&self) -> Option<f64> {
        let total: usize = self.batches.iter().map(|(_, total, _)| total).sum();
        let lost: usize = self.batches.iter().map(|(.., lost)| lost).sum();
        (total >= MIN_PACKETS).then(|| lost as f64 / total as f64)
    }

    /// Starts anew, after the rate was changed on account of it.
    pub(super) fn clear(&mut self) {
        self.batches.clear();
    }
}
