//! What waits to be written to a stream. Told the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::framing;

/// Data of the call that waited this long is dropped: the stream stalls, and what comes later is worth more. It is lost as
/// on a path over UDP, and the estimate slows down for it.
const STALE: Duration = Duration::from_millis(250);
/// Bytes that wait. When full, the oldest data of the call is dropped.
const QUEUED_BYTES: usize = 256 * 1_024;
/// Requests and the like that wait, of which a client has a handful at a time. One more is dropped; it is sent again.
const QUEUED_REQUESTS: usize = 32;
/// Requests remembered so that they are written once: a stream repeats for itself, and a client that believes to be on UDP
/// repeats as well. The oldest is forgotten.
const REMEMBERED: usize = 32;

/// Messages in order, framed for the stream.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    known: VecDeque<[u8; 12]>,
    /// Messages of the call's data that were dropped.
    dropped: u64,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    message: Bytes,
    data: bool,
}

impl Queue {
    /// Adds a datagram of the TURN client, unless it is not one, or a repetition.
    pub(super) fn push(&mut self, now: Instant, datagram: &[u8]) {
        if let Some(transaction) = framing::request(datagram) {
            if self.known.contains(&transaction) {
                return;
            }
            if self.known.len() == REMEMBERED {
                self.known.pop_front();
            }
            self.known.push_back(transaction);
        }
        let Some(message) = framing::for_stream(datagram) else { return };
        let data = framing::is_data(datagram);
        if !data && self.waiting.iter().filter(|waiting| !waiting.data).count() >= QUEUED_REQUESTS {
            return;
        }
        self.bytes += message.len();
        self.waiting.push_back(Waiting { since: now, message, data });
        while self.bytes > QUEUED_BYTES && self.drop_oldest_data() {}
    }

    /// Takes what may be written at `now`: at least one message if any waits, more while they fit `limit` bytes.
    pub(super) fn take(&mut self, now: Instant, limit: usize) -> Bytes {
        let stale = |waiting: &Waiting| waiting.data && now.saturating_duration_since(waiting.since) > STALE;
        while self.waiting.iter().any(stale) && self.drop_oldest_data() {}
        let mut batch = BytesMut::new();
        while let Some(next) = self.waiting.front()
            && (batch.is_empty() || batch.len() + next.message.len() <= limit)
        {
            batch.extend_from_slice(&next.message);
            self.bytes -= next.message.len();
            self.waiting.pop_front();
        }
        batch.freeze()
    }

    /// Another stream begins: what waited for the old one is of no use, and requests count anew.
    pub(super) fn restart(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::default() };
    }

    /// How many messages with data of the call were dropped, on all streams.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn drop_oldest_data(&mut self) -> bool {
        let oldest = self.waiting.iter().position(|waiting| waiting.data);
        let Some(gone) = oldest.and_then(|oldest| self.waiting.remove(oldest)) else { return false };
        self.bytes -= gone.message.len();
        self.dropped += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::framing::tests::{channel, stun};
    use super::*;

    const ALL: usize = usize::MAX;

    #[test]
    fn a_request_is_written_once_on_each_stream() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(now, &stun(0x0003, 1, 0));
        queue.push(now, &stun(0x0003, 1, 0));
        assert_eq!(queue.take(now, ALL).len(), 20);
        queue.push(now, &stun(0x0003, 1, 0));
        assert!(queue.take(now, ALL).is_empty(), "written before");
        queue.restart();
        queue.push(now, &stun(0x0003, 1, 0));
        assert_eq!(queue.take(now, ALL).len(), 20);
    }

    #[test]
    fn a_stall_costs_old_data_and_no_request() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.push(start, &channel(100));
        queue.push(start, &stun(0x0008, 1, 0));
        queue.push(start + STALE, &channel(8));
        let late = start + STALE + Duration::from_millis(1);
        assert_eq!(queue.take(late, ALL).len(), 20 + 12, "the request and the young data");
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn is_bounded_in_bytes_and_in_requests() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for _ in 0..1_000 {
            queue.push(now, &channel(1_200));
        }
        assert!(queue.bytes <= QUEUED_BYTES);
        let held: usize = queue.waiting.iter().map(|waiting| waiting.message.len()).sum();
        assert_eq!(held, queue.bytes);
        for transaction in 0..100 {
            queue.push(now, &stun(0x0008, transaction, 0));
        }
        assert_eq!(queue.waiting.iter().filter(|waiting| !waiting.data).count(), QUEUED_REQUESTS);
    }

    #[test]
    fn batches_keep_to_the_limit_but_never_starve() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for _ in 0..3 {
            queue.push(now, &channel(996));
        }
        assert_eq!(queue.take(now, 2_500).len(), 2_000);
        assert_eq!(queue.take(now, 10).len(), 1_000);
        assert!(queue.take(now, 10).is_empty());
    }
}
