//! A received video stream with its parity: what is restored goes the way of what came.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::descriptor;
use super::video::{Counts, Output, VideoPacket, VideoReceiver};
use crate::fec::{Decoder, ParityPacket, Protected};
use crate::sdp::PayloadTypes;
use crate::sequence::wire;

/// Parity is expected this long after the last.
const PARITY_EXPECTED: Duration = Duration::from_secs(2);
/// The most a gap waits for parity, where there is any, before it is asked about: a frame is sent in this time. Shorter on a
/// short way, where asking is quick.
const PARITY_GRACE: Duration = Duration::from_millis(25);

/// A packet of the stream, original or sent again.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) sequence: u16,
    pub(crate) content: Protected,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct VideoStream {
    receiver: VideoReceiver,
    decoder: Decoder,
    parity_at: Option<Instant>,
    restored: u64,
}

impl VideoStream {
    /// A stream whose first packet is about to be handled.
    pub(crate) fn new(now: Instant) -> Self {
        Self { receiver: VideoReceiver::new(now), decoder: Decoder::default(), parity_at: None, restored: 0 }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.receiver.counts()
    }

    /// Packets restored from parity.
    pub(crate) fn restored(&self) -> u64 {
        self.restored
    }

    /// Takes a packet that came at `now`.
    pub(crate) fn on_media(&mut self, now: Instant, rtt: Duration, packet: Arrived, types: &PayloadTypes) {
        let parity_soon = self.parity_at.is_some_and(|at| now.saturating_duration_since(at) < PARITY_EXPECTED);
        self.receiver.set_grace(if parity_soon { PARITY_GRACE.min(rtt / 2) } else { Duration::ZERO });
        let known = self.receiver.extend(packet.sequence);
        self.hand_over(now, packet.sequence, &packet.content, types);
        match known {
            Some(sequence) if types.parity.is_some() => {
                self.decoder.add_packet(sequence, packet.content);
                self.restore(now, types);
            }
            Some(_) => {}
            None => self.decoder.clear(),
        }
    }

    /// Takes the payload of a parity packet that came at `now`.
    pub(crate) fn on_parity(&mut self, now: Instant, rtt: Duration, payload: &Bytes, types: &PayloadTypes) {
        let Some(parity) = ParityPacket::read(payload) else { return };
        let Some(base) = self.receiver.extend(parity.base) else { return };
        self.parity_at = Some(now);
        let (end, over) = (base + i64::from(parity.count), parity.to_come == 0);
        self.receiver.on_sent_before(now, end);
        self.decoder.add_parity(base, parity);
        self.restore(now, types);
        if over {
            let deficit = self.decoder.deficit(end);
            self.receiver.on_parity_over(now, rtt, end, deficit);
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, rtt: Duration) {
        self.receiver.handle_timeout(now, rtt);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next needed.
    pub(crate) fn poll_timeout(&self, rtt: Duration) -> Option<Instant> {
        self.receiver.poll_timeout(rtt)
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.receiver.poll_output()
    }

    fn restore(&mut self, now: Instant, types: &PayloadTypes) {
        if let Some(next) = self.receiver.next() {
            self.decoder.forget_before(next);
        }
        for (sequence, packet) in self.decoder.restore() {
            self.restored += 1;
            self.hand_over(now, wire(sequence), &packet, types);
        }
    }

    fn hand_over(&mut self, now: Instant, sequence: u16, packet: &Protected, types: &PayloadTypes) {
        let Protected { timestamp, payload_type, marker, payload } = packet;
        let piece = types.codec(*payload_type).and_then(|codec| descriptor::read(codec, payload));
        let packet = VideoPacket { sequence, timestamp: *timestamp, marker: *marker, piece };
        self.receiver.on_packet(now, packet);
    }
}
