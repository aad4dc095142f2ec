//! The round trip time of connectivity checks: known before anything else is, as checks are what a connection begins with.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// First two bytes of a binding request and of its success response (RFC 8489 section 5).
const REQUEST: [u8; 2] = [0x00, 0x01];
const RESPONSE: [u8; 2] = [0x01, 0x01];
const TRANSACTION: std::ops::Range<usize> = 4..20;
/// Requests that wait for their response; the oldest of more is forgotten, its round trip is not measured.
const WAITING: usize = 64;

/// Measures it. Told of every datagram.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    waiting: VecDeque<([u8; 16], Instant, usize)>,
    least: Option<Check>,
}

/// A check and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) taken: Duration,
    /// Of both.
    pub(super) bytes: usize,
}

impl RoundTrip {
    pub(super) fn on_sent(&mut self, now: Instant, datagram: &[u8]) {
        if let Some(transaction) = transaction(datagram, REQUEST) {
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back((transaction, now, datagram.len()));
        }
    }

    /// Whether it was a response of which the round trip is known.
    pub(super) fn on_received(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Some(transaction) = transaction(datagram, RESPONSE) else { return false };
        let Some(at) = self.waiting.iter().position(|(waiting, ..)| *waiting == transaction) else { return false };
        let Some((_, sent, bytes)) = self.waiting.remove(at) else { return false };
        let check = Check { taken: now.saturating_duration_since(sent), bytes: bytes + datagram.len() };
        self.least = Some(self.least.filter(|least| least.taken <= check.taken).unwrap_or(check));
        true
    }

    /// The shortest of all.
    pub(super) fn get(&self) -> Option<Check> {
        self.least
    }
}

/// Magic cookie and transaction id.
fn transaction(datagram: &[u8], kind: [u8; 2]) -> Option<[u8; 16]> {
    if !datagram.starts_with(&kind) {
        return None;
    }
    datagram.get(TRANSACTION)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: [u8; 2], id: u8) -> Vec<u8> {
        [&kind[..], &[0, 0], &[id; 16]].concat()
    }

    #[test]
    fn a_response_tells_the_round_trip_of_its_own_request() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut round_trip = RoundTrip::default();
        round_trip.on_sent(at(0), &message(REQUEST, 1));
        round_trip.on_sent(at(50), &message(REQUEST, 2));
        assert!(!round_trip.on_received(at(60), &message(RESPONSE, 3)));
        assert!(!round_trip.on_received(at(60), &message(REQUEST, 1)));
        assert!(!round_trip.on_received(at(60), &RESPONSE));
        assert_eq!(round_trip.get(), None);
        assert!(round_trip.on_received(at(90), &message(RESPONSE, 2)));
        assert_eq!(round_trip.get(), Some(Check { taken: Duration::from_millis(40), bytes: 40 }));
        assert!(round_trip.on_received(at(95), &message(RESPONSE, 1)));
        assert_eq!(round_trip.get(), Some(Check { taken: Duration::from_millis(40), bytes: 40 }), "the least of both");
        assert!(!round_trip.on_received(at(99), &message(RESPONSE, 1)), "answered before");
    }
}
