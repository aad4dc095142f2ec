//! Video packets that were sent, kept to be sent again (RFC 4588): when the other side misses them, and as padding.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use rtc::rtp;

/// Packets kept, two seconds at 5 Mbit/s. When full, the oldest is forgotten and can no longer be asked for.
const MAX_SENT: usize = 1_024;
/// Packets older than this come too late for any receiver.
const MAX_AGE: Duration = Duration::from_secs(2);
/// Shortest time between two copies of a packet, however short the round trip.
const MIN_SPACING: Duration = Duration::from_millis(10);
/// Bytes that name the original (RFC 4588 section 4).
pub(super) const RTX_HEADER: usize = 2;

#[derive(Debug)]
struct Sent {
    packet: rtp::Packet,
    at: Instant,
    again: Option<Instant>,
}

/// See the module. Packets have consecutive sequence numbers.
#[derive(Debug, Default)]
pub(super) struct SentPackets(VecDeque<Sent>);

impl SentPackets {
    /// Notes a packet that leaves at `now`.
    pub(super) fn add(&mut self, now: Instant, packet: &rtp::Packet) {
        let follows = self
            .0
            .back()
            .is_none_or(|newest| newest.packet.header.sequence_number.wrapping_add(1) == packet.header.sequence_number);
        if !follows {
            self.0.clear();
        }
        if self.0.len() >= MAX_SENT {
            self.0.pop_front();
        }
        while self.0.front().is_some_and(|oldest| oldest.at + MAX_AGE < now) {
            self.0.pop_front();
        }
        self.0.push_back(Sent { packet: packet.clone(), at: now, again: None });
    }

    /// The size of the payload of `sequence` if it should be sent again because the other side asks for it: not if a copy
    /// left within the last round trip, since this request cannot know of that yet. Counts as sent at `now` if so.
    pub(super) fn request(&mut self, now: Instant, rtt: Duration, sequence: u16) -> Option<usize> {
        let spacing = (rtt * 9 / 10).max(MIN_SPACING);
        let sent = self.find(sequence)?;
        if now > sent.at + MAX_AGE || sent.again.is_some_and(|again| now < again + spacing) {
            return None;
        }
        sent.again = Some(now);
        Some(sent.packet.payload.len())
    }

    /// The packet itself.
    pub(super) fn get(&mut self, sequence: u16) -> Option<&rtp::Packet> {
        self.find(sequence).map(|sent| &sent.packet)
    }

    /// The newest packets that make up `bytes` of payload together, oldest first, the same ones more than once if there are
    /// too few; none if nothing was sent of late.
    pub(super) fn padding(&self, now: Instant, bytes: usize) -> Vec<u16> {
        let mut left = bytes;
        let mut chosen = Vec::new();
        let recent = self.0.iter().rev().take_while(|sent| sent.at + MAX_AGE > now && !sent.packet.payload.is_empty());
        let recent: Vec<(u16, usize)> =
            recent.map(|sent| (sent.packet.header.sequence_number, sent.packet.payload.len())).collect();
        for (sequence, size) in recent.iter().cycle().take(MAX_SENT) {
            if left == 0 {
                break;
            }
            chosen.push(*sequence);
            left = left.saturating_sub(*size + RTX_HEADER);
        }
        chosen.reverse();
        chosen
    }

    fn find(&mut self, sequence: u16) -> Option<&mut Sent> {
        let first = self.0.front()?.packet.header.sequence_number;
        self.0.get_mut(usize::from(sequence.wrapping_sub(first)))
    }
}

/// `packet` as a retransmission (RFC 4588 section 4): stream and numbers of its own, the original number before the payload.
pub(super) fn retransmission(packet: &rtp::Packet, payload_type: u8, ssrc: u32, sequence_number: u16) -> rtp::Packet {
    let mut payload = BytesMut::with_capacity(RTX_HEADER + packet.payload.len());
    payload.put_u16(packet.header.sequence_number);
    payload.extend_from_slice(&packet.payload);
    let header = rtp::Header { payload_type, ssrc, sequence_number, ..packet.header.clone() };
    rtp::Packet { header, payload: payload.freeze() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    fn packet(sequence_number: u16) -> rtp::Packet {
        let header = rtp::Header { version: 2, payload_type: 98, sequence_number, timestamp: 7, ..Default::default() };
        rtp::Packet { header, payload: Bytes::from_static(&[5; 98]) }
    }

    fn sent(now: Instant, first: u16, count: u16) -> SentPackets {
        let mut sent = SentPackets::default();
        (0..count).for_each(|n| sent.add(now, &packet(first.wrapping_add(n))));
        sent
    }

    #[test]
    fn once_per_round_trip_and_only_what_is_known() {
        let start = Instant::now();
        let mut sent = sent(start, u16::MAX - 1, 5);
        assert_eq!(sent.request(start, RTT, 1), Some(98));
        assert_eq!(sent.request(start + RTT / 2, RTT, 1), None, "on its way");
        assert_eq!(sent.request(start + RTT, RTT, 1), Some(98));
        assert_eq!(sent.request(start, RTT, 3), None, "not sent yet");
        assert_eq!(sent.request(start, RTT, u16::MAX - 2), None, "never sent");
        assert_eq!(sent.request(start + MAX_AGE + RTT, RTT, 2), None, "too old");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let start = Instant::now();
        let mut sent = sent(start, 0, 2_000);
        assert_eq!(sent.0.len(), MAX_SENT);
        assert_eq!(sent.request(start, RTT, 975), None);
        assert_eq!(sent.get(976).map(|packet| packet.header.sequence_number), Some(976));
        sent.add(start + MAX_AGE * 2, &packet(2_000));
        assert_eq!(sent.0.len(), 1);
        sent.add(start + MAX_AGE * 2, &packet(7));
        assert_eq!(sent.0.len(), 1, "a gap starts over");
    }

    #[test]
    fn padding_is_the_newest_as_often_as_needed() {
        let start = Instant::now();
        let sent = sent(start, 10, 5);
        assert_eq!(sent.padding(start, 250), [12, 13, 14]);
        assert_eq!(sent.padding(start, 700).len(), 7);
        assert!(sent.padding(start, 0).is_empty());
        assert!(sent.padding(start + MAX_AGE, 250).is_empty());
        assert!(SentPackets::default().padding(start, 250).is_empty());
    }

    #[test]
    fn a_retransmission_carries_the_original() {
        let again = retransmission(&packet(0x1234), 99, 77, 5);
        assert_eq!((again.header.payload_type, again.header.ssrc, again.header.sequence_number), (99, 77, 5));
        assert_eq!(again.header.timestamp, 7);
        assert_eq!(again.payload[..3], [0x12, 0x34, 5]);
    }
}
