//! Which packets are missing and when to ask for each again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Packets of a gap get this long to arrive merely out of order before they are asked for.
pub(crate) const REORDER_GRACE: Duration = Duration::from_millis(5);
/// A packet is asked for this often, then not again.
const MAX_REQUESTS: u8 = 20;
/// Shortest time between two requests for the same packet.
const MIN_REPEAT: Duration = Duration::from_millis(20);
/// Added to the round trip time when a resent packet is awaited: the other side's own delay.
const REPEAT_MARGIN: Duration = Duration::from_millis(10);
/// More missing packets than this are not worth asking for; a keyframe is cheaper.
pub(crate) const MAX_MISSING: usize = 512;

#[derive(Debug)]
struct Missing {
    since: Instant,
    ask_at: Instant,
    requests: u8,
    /// Parity will restore it once others have come.
    deferred: bool,
}

/// Missing packets by extended sequence number.
#[derive(Debug, Default)]
pub(crate) struct MissingPackets(BTreeMap<i64, Missing>);

impl MissingPackets {
    /// Notes `sequences` as missing from `now` on and to be asked for after `grace`; false if that makes too many.
    pub(crate) fn add(&mut self, sequences: std::ops::Range<i64>, now: Instant, grace: Duration) -> bool {
        let count = usize::try_from(sequences.end.saturating_sub(sequences.start)).unwrap_or(0);
        if self.0.len() + count > MAX_MISSING {
            return false;
        }
        for sequence in sequences {
            self.0.insert(sequence, Missing { since: now, ask_at: now + grace, requests: 0, deferred: false });
        }
        true
    }

    /// As [`add`](Self::add) for one packet, unless it is noted already.
    pub(crate) fn note(&mut self, sequence: i64, now: Instant, grace: Duration) -> bool {
        self.0.contains_key(&sequence) || self.add(sequence..sequence + 1, now, grace)
    }

    /// Nothing else will bring the packets before `end`: those not asked for yet are at `at`, if that is sooner, but no more
    /// than `count` of them; the others after a round trip.
    pub(crate) fn hasten(&mut self, end: i64, at: Instant, count: usize, rtt: Duration) {
        let waiting = self.0.range_mut(..end).filter(|(_, missing)| missing.requests == 0 && !missing.deferred);
        for (n, (_, missing)) in waiting.enumerate() {
            missing.deferred = n >= count;
            missing.ask_at = if missing.deferred { at + rtt + REPEAT_MARGIN } else { missing.ask_at.min(at) };
        }
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

    /// The packets to ask for now, each counted as asked. What would come later than `patience` after it was missed is not
    /// asked for. Each is asked for twice in a round trip, since requests get lost too; the sender answers one of them.
    pub(crate) fn take_due(&mut self, now: Instant, rtt: Duration, patience: Duration) -> Vec<i64> {
        let repeat = ((rtt + REPEAT_MARGIN) / 2).max(MIN_REPEAT);
        let mut due = Vec::new();
        for (sequence, missing) in &mut self.0 {
            if missing.requests < MAX_REQUESTS && missing.ask_at <= now {
                if missing.since + patience < now + rtt {
                    missing.requests = MAX_REQUESTS;
                    continue;
                }
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

    const RTT: Duration = Duration::from_millis(100);
    const PATIENCE: Duration = Duration::from_millis(400);

    #[test]
    fn asks_twice_a_round_trip_while_it_can_help() {
        let start = Instant::now();
        let mut missing = MissingPackets::default();
        assert!(missing.add(3..5, start, REORDER_GRACE));
        assert!(missing.take_due(start, RTT, PATIENCE).is_empty());
        assert_eq!(missing.take_due(start + REORDER_GRACE, RTT, PATIENCE), [3, 4]);
        assert!(missing.take_due(start + RTT / 2, RTT, PATIENCE).is_empty());
        assert!(missing.arrived(3));
        assert!(!missing.arrived(3));
        let mut asked = Vec::new();
        while let Some(at) = missing.next_due() {
            asked.extend(missing.take_due(at, RTT, PATIENCE).iter().map(|_| (at - start).as_millis()));
        }
        assert_eq!(asked, [60, 115, 170, 225, 280], "an answer to a later one would come too late");
        assert_eq!(missing.first_since(), Some(start));
        assert!(!missing.add(10..10 + 600, start, REORDER_GRACE));
    }

    #[test]
    fn asks_for_as_many_as_parity_does_not_restore() {
        let start = Instant::now();
        let mut missing = MissingPackets::default();
        assert!(missing.add(0..4, start, RTT));
        missing.hasten(3, start, 2, RTT);
        missing.hasten(3, start, usize::MAX, RTT);
        assert_eq!(missing.take_due(start, RTT, PATIENCE), [0, 1]);
        assert_eq!(missing.take_due(start + RTT, RTT, PATIENCE), [0, 1, 3]);
        assert_eq!(missing.take_due(start + RTT + REPEAT_MARGIN, RTT, PATIENCE), [2]);
    }
}
