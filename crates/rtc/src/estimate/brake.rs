//! Holds back when packets leave and nothing is heard of them: the path has stopped, or its queue grows unseen.

use super::rates::Least;

/// Seconds worth of the target that may be unreported beyond a round trip: the time between messages, and some queue.
const ALLOWANCE: f64 = 0.3;
/// Bytes that may always be.
const ALLOWED_BYTES: f64 = 4_000.0;
/// What is held back at most for bytes in flight.
const LEAST_SHARE: f64 = 0.3;
/// Silence is longer than this, besides a round trip, while packets are in flight. Several messages in a row may get lost.
const SILENCE: f64 = 0.25;
/// The rate halves for each so many seconds of silence.
const HALVING: f64 = 0.1;
/// After a silence this long the path may be another.
const OUTAGE: f64 = 0.7;

/// See the module. Times in seconds.
#[derive(Debug)]
pub(super) struct Brake {
    /// From leaving to feedback, the shortest of late.
    round_trip: Least,
    last_heard: f64,
    /// Share of the target that may be sent.
    share: f64,
}

impl Brake {
    pub(super) fn new(now: f64) -> Self {
        Self { round_trip: Least::default(), last_heard: now, share: 1.0 }
    }

    /// Feedback came about a packet that left at `departure`. Returns whether that ended an outage.
    pub(super) fn heard(&mut self, now: f64, departure: f64) -> bool {
        let outage = now - self.last_heard > OUTAGE + self.round_trip();
        self.round_trip.add(now, now - departure);
        self.last_heard = now;
        outage
    }

    /// `in_flight` bytes are unreported, the oldest of which left at `oldest`.
    pub(super) fn update(&mut self, now: f64, in_flight: usize, oldest: Option<f64>, target: f64) {
        let allowed = target / 8.0 * (self.round_trip() + ALLOWANCE) + ALLOWED_BYTES;
        let by_flight = (allowed / in_flight.max(1) as f64).clamp(LEAST_SHARE, 1.0);
        let waited = oldest.map_or(0.0, |oldest| now - oldest.max(self.last_heard)) - self.round_trip() - SILENCE;
        let by_silence = if waited > 0.0 { 0.5_f64.powf(waited / HALVING) } else { 1.0 };
        self.share = by_flight.min(by_silence);
    }

    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Seconds from leaving to feedback without queues; 0 before any was heard.
    pub(super) fn round_trip(&self) -> f64 {
        self.round_trip.get().unwrap_or(0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_stops_the_flow_and_a_lost_message_does_not() {
        let mut brake = Brake::new(0.0);
        brake.heard(1.0, 0.95);
        brake.update(1.15, 20_000, Some(1.0), 1e6);
        assert_eq!(brake.share(), 1.0);
        brake.update(1.8, 60_000, Some(1.0), 1e6);
        assert!(brake.share() < 0.05, "{}", brake.share());
        assert!(brake.heard(3.0, 2.9), "an outage ended");
        assert!(!brake.heard(3.05, 3.0));
    }

    #[test]
    fn much_in_flight_holds_back() {
        let mut brake = Brake::new(0.0);
        brake.heard(1.0, 0.95);
        brake.update(1.0, 100_000, Some(0.9), 1e6);
        assert!((0.4..0.6).contains(&brake.share()), "{}", brake.share());
    }
}
