//! Packets sent, until the other side said what became of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Fate, Flight, PacketFeedback};

/// Packets remembered: six seconds at 10 Mbit/s, an outage at any rate we fall to. When full, the oldest is forgotten.
const MAX_PACKETS: usize = 8_192;
/// Of those, packets whose fate was told: so many may overtake one that was called lost and still comes.
const MAX_TOLD: usize = 256;
/// The period of the other side's clock in feedback: 24 bits of 64 ms.
const CLOCK_PERIOD: Duration = Duration::from_millis(64 << 24);

/// What a feedback message says about one packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Status {
    /// Transport-wide sequence number.
    pub(crate) sequence: u16,
    /// When it arrived, on the other side's clock, if it did.
    pub(crate) arrival: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    sequence: u16,
    size: usize,
    departure: Instant,
    /// What the newest message about it said.
    heard: Option<Fate>,
}

/// Sent packets in sending order.
#[derive(Debug, Default)]
pub(crate) struct SentPackets {
    packets: VecDeque<Sent>,
    /// As many packets at the front were told.
    told: usize,
    in_flight: usize,
    clock: Option<Duration>,
}

impl SentPackets {
    /// A packet of `size` bytes left at `now`. Sequence numbers follow each other.
    pub(crate) fn sent(&mut self, sequence: u16, size: usize, now: Instant) {
        if self.packets.back().is_some_and(|last| sequence != last.sequence.wrapping_add(1)) {
            // Numbers that do not follow each other would make every look-up by distance wrong.
            *self = Self { clock: self.clock, ..Self::default() };
        }
        if self.packets.len() >= MAX_PACKETS {
            self.forget_oldest();
        }
        self.in_flight += size;
        self.packets.push_back(Sent { sequence, size, departure: now, heard: None });
    }

    /// A feedback message came. Returns what it tells: late packets first, then each packet once, in sending order.
    pub(crate) fn on_feedback(&mut self, statuses: &[Status]) -> Vec<PacketFeedback> {
        let mut reports = Vec::with_capacity(statuses.len());
        let mut end = self.told;
        for status in statuses {
            let Some(index) = self.index(status.sequence) else { continue };
            end = end.max(index + 1);
            let arrival = status.arrival.map(|arrival| self.unwrap_clock(arrival));
            let packet = &mut self.packets[index];
            match (packet.heard, arrival) {
                (Some(Fate::Lost), Some(arrival)) if index < self.told => {
                    packet.heard = Some(Fate::Late(arrival));
                    reports.push(packet.report(Fate::Late(arrival)));
                }
                (None | Some(Fate::Lost), Some(arrival)) => packet.heard = Some(Fate::Arrived(arrival)),
                (None, None) => packet.heard = Some(Fate::Lost),
                _ => {}
            }
        }
        for packet in self.packets.range_mut(self.told..end) {
            // Messages speak of every packet since the one before: if none spoke of this one, that message was lost.
            let fate = *packet.heard.get_or_insert(Fate::Unknown);
            self.in_flight = self.in_flight.saturating_sub(packet.size);
            reports.push(packet.report(fate));
        }
        self.told = end;
        while self.told > MAX_TOLD {
            self.forget_oldest();
        }
        reports
    }

    /// What nothing is known of.
    pub(crate) fn flight(&self) -> Flight {
        Flight { bytes: self.in_flight, oldest: self.packets.get(self.told).map(|packet| packet.departure) }
    }

    fn forget_oldest(&mut self) {
        let Some(packet) = self.packets.pop_front() else { return };
        if self.told > 0 {
            self.told -= 1;
        } else {
            self.in_flight = self.in_flight.saturating_sub(packet.size);
        }
    }

    fn index(&self, sequence: u16) -> Option<usize> {
        let first = self.packets.front()?.sequence;
        let index = usize::from(sequence.wrapping_sub(first));
        (index < self.packets.len()).then_some(index)
    }

    /// The other side's clock without its overflow every twelve days.
    fn unwrap_clock(&mut self, time: Duration) -> Duration {
        let last = self.clock.unwrap_or(time);
        let overflows = (last + CLOCK_PERIOD / 2).saturating_sub(time).as_millis() / CLOCK_PERIOD.as_millis();
        let time = time + CLOCK_PERIOD * u32::try_from(overflows).unwrap_or(0);
        self.clock = Some(last.max(time));
        time
    }
}

impl Sent {
    fn report(&self, fate: Fate) -> PacketFeedback {
        PacketFeedback { size: self.size, departure: self.departure, fate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn arrived(sequence: u16, ms: u32) -> Status {
        Status { sequence, arrival: Some(MS * ms) }
    }

    fn missing(sequence: u16) -> Status {
        Status { sequence, arrival: None }
    }

    fn sent(start: Instant, first: u16, count: u16) -> SentPackets {
        let mut packets = SentPackets::default();
        for n in 0..count {
            packets.sent(first.wrapping_add(n), 1_000, start + MS * u32::from(n));
        }
        packets
    }

    fn fates(reports: &[PacketFeedback]) -> Vec<Fate> {
        reports.iter().map(|report| report.fate).collect()
    }

    #[test]
    fn packets_are_told_once_in_order_across_the_wrap_of_numbers() {
        let start = Instant::now();
        let mut packets = sent(start, 65_534, 4);
        assert_eq!(packets.flight().bytes, 4_000);
        let reports = packets.on_feedback(&[arrived(65_534, 9), arrived(65_535, 10), arrived(0, 11)]);
        assert_eq!(fates(&reports), [9, 10, 11].map(|ms| Fate::Arrived(MS * ms)));
        assert_eq!((packets.flight().bytes, packets.flight().oldest), (1_000, Some(start + MS * 3)));
        assert!(packets.on_feedback(&[arrived(0, 11)]).is_empty());
        assert!(packets.on_feedback(&[arrived(700, 11)]).is_empty(), "never sent");
    }

    #[test]
    fn a_packet_called_lost_may_still_come() {
        let mut packets = sent(Instant::now(), 0, 4);
        let first = packets.on_feedback(&[arrived(0, 5), missing(1), arrived(2, 7)]);
        assert_eq!(fates(&first), [Fate::Arrived(MS * 5), Fate::Lost, Fate::Arrived(MS * 7)]);
        let late = packets.on_feedback(&[arrived(1, 60), arrived(2, 7), arrived(3, 61)]);
        assert_eq!(fates(&late), [Fate::Late(MS * 60), Fate::Arrived(MS * 61)]);
        assert!(packets.on_feedback(&[arrived(1, 60)]).is_empty());
    }

    #[test]
    fn lost_feedback_is_not_lost_media() {
        let mut packets = sent(Instant::now(), 10, 4);
        let reports = packets.on_feedback(&[arrived(12, 7), arrived(13, 8)]);
        assert_eq!(fates(&reports)[..2], [Fate::Unknown, Fate::Unknown]);
        assert_eq!(packets.flight().bytes, 0);
    }

    #[test]
    fn memory_is_bounded_and_a_jump_of_numbers_starts_anew() {
        let start = Instant::now();
        let mut packets = sent(start, 0, 20_000);
        assert_eq!(packets.flight().bytes, MAX_PACKETS * 1_000);
        packets.sent(7, 500, start);
        assert_eq!(packets.flight().bytes, 500);
        for n in 8..2_000 {
            packets.sent(n, 500, start);
            packets.on_feedback(&[arrived(n, 1)]);
        }
        assert!(packets.flight().bytes == 0 && packets.packets.len() <= MAX_TOLD);
    }

    #[test]
    fn the_other_sides_clock_may_overflow() {
        let mut packets = sent(Instant::now(), 0, 2);
        let end = CLOCK_PERIOD - MS;
        packets.on_feedback(&[Status { sequence: 0, arrival: Some(end) }]);
        let reports = packets.on_feedback(&[arrived(1, 1)]);
        assert_eq!(fates(&reports), [Fate::Arrived(end + MS * 2)]);
    }
}
