//! When to send faster than the estimate for a moment, to see whether the path takes more.
//!
//! Most of the time the packets of a picture do that for nothing ([`Trains`](super::trains::Trains)). A probe is a train of
//! its own, filled up with padding: at the start, and where pictures are so small that they are no trains.

use eyeline_media::units::Bitrate;

/// A short burst: send `bytes` at `rate`, media first and padding for the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probe {
    pub(crate) rate: Bitrate,
    pub(crate) bytes: usize,
}

/// The first probe of a connection, as a multiple of the target; the second follows if the path took the first.
const FIRST: [f64; 2] = [3.0, 6.0];
/// Later ones.
const LATER: f64 = 2.0;
/// Seconds between probes while they find nothing: each time longer.
const SPACING: [f64; 4] = [3.0, 6.0, 12.0, 20.0];
/// Seconds that a probe takes at its rate. Shorter is hidden by jitter, longer builds a queue.
const LENGTH: f64 = 0.025;
/// Bytes of the shortest and the longest probe.
const BYTES: (f64, f64) = (4_800.0, 30_000.0);
/// Seconds between the first probes.
const FIRST_SPACING: f64 = 0.25;

/// What the estimator knows when it asks for a probe. Rates in bits per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) now: f64,
    pub(super) target: f64,
    pub(super) max: f64,
    /// What trains show of the path.
    pub(super) trains: Option<f64>,
    /// The encoder uses what it may.
    pub(super) in_demand: bool,
    /// Neither queue nor loss speak against it.
    pub(super) calm: bool,
}

/// Decides when to probe. Times in seconds.
#[derive(Debug, Default)]
pub(super) struct ProbeController {
    sent: usize,
    last: Option<f64>,
    /// The target when the last probe was sent.
    target_then: f64,
    failures: usize,
    waiting: Option<Probe>,
}

impl ProbeController {
    /// Call it with each feedback message.
    pub(super) fn update(&mut self, at: Situation) {
        let since = self.last.map_or(f64::INFINITY, |last| at.now - last);
        // Nothing to find, or a bad moment.
        if !at.calm || at.target >= at.max * 0.99 {
            return;
        }
        let multiple = match FIRST.get(self.sent) {
            Some(multiple) if since >= FIRST_SPACING => *multiple,
            Some(_) => return,
            None => {
                if !at.in_demand || at.trains.is_some() || since < self.spacing(at.target) {
                    return;
                }
                LATER
            }
        };
        if self.last.is_some() {
            self.failures =
                if at.target > self.target_then * 1.3 { 0 } else { (self.failures + 1).min(SPACING.len() - 1) };
        }
        self.sent += 1;
        self.last = Some(at.now);
        self.target_then = at.target;
        let rate = (at.target * multiple).min(at.max * 1.3);
        self.waiting = Some(Probe { rate: bitrate(rate), bytes: bytes(rate) });
    }

    /// The path became wider or came back: look again soon.
    pub(super) fn encourage(&mut self) {
        self.failures = 0;
    }

    pub(super) fn take(&mut self) -> Option<Probe> {
        self.waiting.take()
    }

    fn spacing(&self, target: f64) -> f64 {
        if target > self.target_then * 1.3 { SPACING[0] } else { SPACING[self.failures] }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, positive and far below 2^64")]
fn bitrate(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps.max(0.0) as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn bytes(rate: f64) -> usize {
    (rate * LENGTH / 8.0).clamp(BYTES.0, BYTES.1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(now: f64) -> Situation {
        Situation { now, target: 300e3, max: 2.5e6, trains: None, in_demand: true, calm: true }
    }

    fn probes(seconds: f64, change: impl Fn(&mut Situation)) -> Vec<f64> {
        let mut probes = ProbeController::default();
        let mut times = Vec::new();
        let mut now = 0.0;
        while now < seconds {
            let mut at = situation(now);
            change(&mut at);
            probes.update(at);
            times.extend(probes.take().map(|_| now));
            now += 0.05;
        }
        times
    }

    #[test]
    fn probes_get_rarer_while_they_find_nothing() {
        let times = probes(60.0, |_| {});
        assert!(times[1] < 0.4 && (5..=7).contains(&times.len()), "{times:?}");
    }

    #[test]
    fn no_probe_where_it_would_tell_nothing() {
        assert!(probes(60.0, |at| at.target = 2.5e6).is_empty());
        assert!(probes(60.0, |at| at.calm = false).is_empty());
        assert_eq!(probes(60.0, |at| at.trains = Some(1e6)).len(), FIRST.len());
    }
}
