//! Sends the packets of a DTLS handshake again before the stack would.
//!
//! The stack repeats a flight after a second, always, and no longer at all once a part of the answer came. Here the last
//! flight is kept and leaves again, byte for byte, until it is answered. That is legal: the other side drops records that it
//! has seen (RFC 6347 section 4.1.2.6) and takes those it has not.
//!
//! ```text
//! idle --flight sent--> repeating --next flight sent--> repeating (that one)
//!                       repeating --other side is done, or MAX_REPEATS--> idle
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::datagram::{Datagram, Handshaking};

/// Pause before the first repeat while no round trip was measured.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(120);
/// The other side signs and verifies before it answers.
const WORK: Duration = Duration::from_millis(20);
/// Bounds of the pauses. The lower one is for a busy machine on a short path, the upper one for a thin path with a queue.
const PAUSES: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(600));
/// Repeats of one flight: about 5 s worth of them at a round trip of 100 ms. Then the stack's own timer is left.
const MAX_REPEATS: u32 = 12;
/// Packets of a flight that are kept. A flight with a usual certificate takes one or two.
const MAX_PACKETS: usize = 8;
/// Packets sent within this time are one flight, unless something was heard in between.
const TOGETHER: Duration = Duration::from_millis(20);

/// Where a packet leaves from (which of our sockets), and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) socket: usize,
    pub(super) remote: SocketAddr,
}

/// What is to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) way: Way,
    pub(super) packets: Vec<Vec<u8>>,
}

/// A flight and its answer, neither of which was repeated by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Of both.
    pub(super) bytes: usize,
    /// From the first packet of the one to the last of the other.
    pub(super) taken: Duration,
}

#[derive(Debug)]
struct Flight {
    way: Way,
    packets: Vec<Vec<u8>>,
    begun: Instant,
    due: Instant,
    pause: Duration,
    repeats: u32,
    /// Bytes and time of what was heard since.
    answer: Option<(usize, Instant)>,
}

impl Flight {
    fn exchange(&self) -> Option<Exchange> {
        let (heard, at) = self.answer.filter(|_| self.repeats == 0)?;
        let sent: usize = self.packets.iter().map(Vec::len).sum();
        Some(Exchange { bytes: sent + heard, taken: at.saturating_duration_since(self.begun) })
    }
}

/// The handshake of one connection as its sockets see it.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    flight: Option<Flight>,
    /// We said ClientHello, so the other side has the last word.
    is_client: bool,
    exchange: Option<Exchange>,
}

impl Handshake {
    /// A packet leaves. `round_trip` is that of connectivity checks, if any was measured.
    pub(super) fn on_sent(&mut self, now: Instant, way: Way, packet: &[u8], round_trip: Option<Duration>) {
        match Datagram::of(packet) {
            Datagram::Handshake(what) => {
                self.is_client |= what == Handshaking::ClientHello;
                match &mut self.flight {
                    Some(flight) if flight.answer.is_none() && flight.way == way && now < flight.begun + TOGETHER => {
                        if flight.packets.len() < MAX_PACKETS {
                            flight.packets.push(packet.to_vec());
                        }
                    }
                    _ => self.begin(now, way, packet, round_trip),
                }
            }
            // The stack gave up, or the connection is closed.
            Datagram::Alert => self.flight = None,
            Datagram::Data | Datagram::Media | Datagram::Other => {}
        }
    }

    fn begin(&mut self, now: Instant, way: Way, packet: &[u8], round_trip: Option<Duration>) {
        let pause = round_trip.map_or(UNKNOWN_PAUSE, |rtt| (rtt + rtt / 4 + WORK).clamp(PAUSES.0, PAUSES.1));
        let answered = self.flight.take().and_then(|flight| flight.exchange());
        self.exchange = answered.or(self.exchange);
        let (packets, due) = (vec![packet.to_vec()], now + pause);
        self.flight = Some(Flight { way, packets, begun: now, due, pause, repeats: 0, answer: None });
    }

    /// A packet came.
    pub(super) fn on_received(&mut self, now: Instant, way: Way, packet: &[u8]) {
        let Some(flight) = &mut self.flight else { return };
        if flight.way.remote != way.remote {
            return;
        }
        let done = match Datagram::of(packet) {
            Datagram::Handshake(what) => {
                let before = flight.answer.map_or(0, |(bytes, _)| bytes);
                flight.answer = Some((before + packet.len(), now));
                // The server's Finished. What a client sends encrypted may be a repeat: it has not heard us.
                self.is_client && what == Handshaking::Encrypted
            }
            // A server sends media at once, so it says nothing to a client; a client that sends it has heard the server.
            Datagram::Data | Datagram::Media => !self.is_client,
            Datagram::Alert => true,
            Datagram::Other => false,
        };
        if done {
            self.flight = None;
        }
    }

    /// What was measured since the last call.
    pub(super) fn take_exchange(&mut self) -> Option<Exchange> {
        self.exchange.take()
    }

    /// When [`Handshake::repeat`] has something to send.
    pub(super) fn due(&self) -> Option<Instant> {
        self.flight.as_ref().map(|flight| flight.due)
    }

    /// What is to be sent again now. Pauses grow by half each time.
    pub(super) fn repeat(&mut self, now: Instant) -> Option<Repeat> {
        let flight = self.flight.as_mut().filter(|flight| now >= flight.due)?;
        let repeat = Repeat { way: flight.way, packets: flight.packets.clone() };
        flight.repeats += 1;
        flight.pause = (flight.pause * 3 / 2).min(PAUSES.1);
        flight.due = now + flight.pause;
        if flight.repeats == MAX_REPEATS {
            self.flight = None;
        }
        Some(repeat)
    }
}

#[cfg(test)]
mod tests {
    use super::super::datagram::samples::{CLIENT_HELLO, DATA, FINISHED, MEDIA, SERVER_HELLO};
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(100));
    const PAUSE: Duration = Duration::from_millis(145);

    fn way(port: u16) -> Way {
        Way { socket: 0, remote: SocketAddr::from(([192, 0, 2, 1], port)) }
    }

    fn packets(handshake: &mut Handshake, now: Instant) -> Vec<Vec<u8>> {
        handshake.repeat(now).map(|repeat| repeat.packets).unwrap_or_default()
    }

    #[test]
    fn a_flight_is_sent_again_with_growing_pauses_and_not_for_ever() {
        let start = Instant::now();
        let mut handshake = Handshake::default();
        handshake.on_sent(start, way(1), CLIENT_HELLO, RTT);
        assert_eq!(handshake.due(), Some(start + PAUSE));
        assert_eq!(handshake.repeat(start + PAUSE - Duration::from_millis(1)), None);
        let mut times = Vec::new();
        while let Some(due) = handshake.due() {
            assert_eq!(handshake.repeat(due), Some(Repeat { way: way(1), packets: vec![CLIENT_HELLO.to_vec()] }));
            times.push(due);
        }
        assert_eq!(times.len(), MAX_REPEATS as usize);
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.is_sorted() && pauses[0] > PAUSE && *pauses.last().expect("many") <= PAUSES.1, "{pauses:?}");
    }

    #[test]
    fn packets_sent_together_are_one_flight() {
        let start = Instant::now();
        let mut handshake = Handshake::default();
        handshake.on_sent(start, way(1), SERVER_HELLO, RTT);
        handshake.on_sent(start + Duration::from_millis(1), way(1), FINISHED, RTT);
        assert_eq!(packets(&mut handshake, start + PAUSE), [SERVER_HELLO, FINISHED]);
        // The stack's own timer: the flight with new numbers.
        handshake.on_sent(start + Duration::from_secs(1), way(1), SERVER_HELLO, RTT);
        assert_eq!(packets(&mut handshake, start + Duration::from_secs(1) + PAUSE), [SERVER_HELLO]);
    }

    #[test]
    fn the_next_flight_replaces_what_was_answered() {
        let start = Instant::now();
        let mut handshake = Handshake::default();
        handshake.on_sent(start, way(1), CLIENT_HELLO, RTT);
        handshake.on_received(start, way(1), SERVER_HELLO);
        assert_eq!(packets(&mut handshake, start + PAUSE), [CLIENT_HELLO], "a part of an answer is none");
        handshake.on_sent(start + PAUSE, way(1), FINISHED, RTT);
        assert_eq!(packets(&mut handshake, start + PAUSE * 2), [FINISHED]);
    }

    #[test]
    fn a_client_is_done_with_the_servers_finished_and_not_with_media() {
        let start = Instant::now();
        let mut handshake = Handshake::default();
        handshake.on_sent(start, way(1), CLIENT_HELLO, RTT);
        handshake.on_received(start, way(1), SERVER_HELLO);
        handshake.on_sent(start, way(1), FINISHED, RTT);
        for early in [MEDIA, DATA, SERVER_HELLO] {
            handshake.on_received(start, way(1), early);
            assert!(handshake.due().is_some());
        }
        handshake.on_received(start, way(2), FINISHED);
        assert!(handshake.due().is_some(), "somebody else");
        handshake.on_received(start, way(1), FINISHED);
        assert_eq!(handshake.due(), None);
    }

    #[test]
    fn a_server_is_done_when_the_client_sends_what_needs_its_keys() {
        let start = Instant::now();
        for proof in [MEDIA, DATA] {
            let mut handshake = Handshake::default();
            handshake.on_sent(start, way(1), SERVER_HELLO, RTT);
            handshake.on_received(start, way(1), FINISHED);
            handshake.on_sent(start, way(1), FINISHED, RTT);
            handshake.on_received(start, way(1), FINISHED);
            assert_eq!(packets(&mut handshake, start + PAUSE), [FINISHED], "the client did not hear it");
            handshake.on_received(start, way(2), proof);
            assert!(handshake.due().is_some(), "somebody else");
            handshake.on_received(start, way(1), proof);
            assert_eq!(handshake.due(), None);
        }
    }

    #[test]
    fn an_exchange_is_measured_unless_it_was_repeated() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut handshake = Handshake::default();
        handshake.on_sent(start, way(1), CLIENT_HELLO, RTT);
        handshake.on_received(at(110), way(1), SERVER_HELLO);
        handshake.on_received(at(120), way(1), SERVER_HELLO);
        assert_eq!(handshake.take_exchange(), None, "there may be more");
        handshake.on_sent(at(121), way(1), FINISHED, RTT);
        let bytes = CLIENT_HELLO.len() + 2 * SERVER_HELLO.len();
        assert_eq!(handshake.take_exchange(), Some(Exchange { bytes, taken: Duration::from_millis(120) }));
        handshake.repeat(at(300)).expect("due");
        handshake.on_received(at(310), way(1), SERVER_HELLO);
        handshake.on_sent(at(311), way(1), FINISHED, RTT);
        assert_eq!(handshake.take_exchange(), None);
    }
}
