//! Which packets are missing and when to ask for each again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Packets of a gap get this long to arrive merely out of order before they are asked for.
const REORDER_GRACE: Duration = Duration::from_millis(5);
/// A packet is asked for this often, then not again.
const MAX_REQUESTS: u8 = 10;
/// Shortest time between two requests for the same packet.
const MIN_REPEAT: Duration = Duration::from_millis(20);
/// Added to the round trip time before asking again: the other side's own delay.
const REPEAT_MARGIN: Duration = Duration::from_millis(10);
/// More missing packets than this are not worth asking for; a keyframe is cheaper.
pub(crate) const MAX_MISSING: usize = 512;

#[derive(Debug)]
struct Missing {
    since: Instant,
    ask_at: Instant,
    requests: u8,
}

/// Missing packets by extended sequence number.
#[derive(Debug, Default)]
pub(crate) struct MissingPackets(BTreeMap<i64, Missing>);

impl MissingPackets {
    /// Notes `sequences` as missing from `now` on; false if that makes too many.
    pub(crate) fn add(&mut self, sequences: std::ops::Range<i64>, now: Instant) -> bool {
        let count = usize::try_from(sequences.end.saturating_sub(sequences.start)).unwrap_or(0);
        if self.0.len() + count > MAX_MISSING {
            return false;
        }
        for sequence in sequences {
            self.0.insert(sequence, Missing { since: now, ask_at: now + REORDER_GRACE, requests: 0 });
        }
        true
    }

    /// A packet came; true if it had been asked for.
    pub(crate) fn arrived(&mut self, sequence: i64) -> bool {
        self.0.remove(&sequence).is_some_and(|missing| missing.requests > 0)
    }

    /// Forgets everything before `sequence` and says how many that were.
    pub(crate) fn forget_before(&mut self, sequence: i64) -> usize {
        let kept = self.0.split_off(&sequence);
        std::mem::replace(&mut self.0, kept).len()
    }

    /// Forgets everything and says how many that were.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }

    /// Forgets packets missing since `limit` or longer and says how many that were.
    pub(crate) fn forget_since(&mut self, limit: Instant) -> usize {
        let before = self.0.len();
        self.0.retain(|_, missing| missing.since > limit);
        before - self.0.len()
    }

    /// Since when the first packet in order is missing.
    pub(crate) fn first_since(&self) -> Option<Instant> {
        self.0.first_key_value().map(|(_, missing)| missing.since)
    }

    /// The packets to ask for now, each counted as asked.
    pub(crate) fn take_due(&mut self, now: Instant, rtt: Duration) -> Vec<i64> {
        let repeat = (rtt + REPEAT_MARGIN).max(MIN_REPEAT);
        let mut due = Vec::new();
        for (sequence, missing) in &mut self.0 {
            if missing.requests < MAX_REQUESTS && missing.ask_at <= now {
                missing.requests += 1;
                missing.ask_at = now + repeat;
                due.push(*sequence);
            }
        }
        due
    }

    /// When [`take_due`](Self::take_due) next has something.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.0.values().filter(|missing| missing.requests < MAX_REQUESTS).map(|missing| missing.ask_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_by_round_trip_and_gives_up() {
        let start = Instant::now();
        let rtt = Duration::from_millis(100);
        let mut missing = MissingPackets::default();
        assert!(missing.add(3..5, start));
        assert!(missing.take_due(start, rtt).is_empty());
        assert_eq!(missing.take_due(start + REORDER_GRACE, rtt), [3, 4]);
        assert!(missing.take_due(start + Duration::from_millis(100), rtt).is_empty());
        assert!(missing.arrived(3));
        assert!(!missing.arrived(3));
        let mut now = start;
        let mut asked = 1;
        while let Some(at) = missing.next_due() {
            assert!(at > now);
            now = at;
            asked += missing.take_due(now, rtt).len();
        }
        assert_eq!(asked, usize::from(MAX_REQUESTS));
        assert_eq!(missing.first_since(), Some(start));
        assert!(!missing.add(10..10 + 600, now));
    }
}
