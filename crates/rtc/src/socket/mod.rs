//! The stack's sockets, seen from below: what leaves and what comes passes here.
//!
//! The stack takes its sockets from a runtime, and ours gives it [`WatchedSocket`]s. They repeat what the stack
//! repeats too late ([`handshake`]) and measure the round trip before there is media ([`round_trip`]).

mod datagram;
mod handshake;
mod round_trip;
mod watched;
mod watcher;

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;
use tokio::sync::Notify;

use crate::link::Link;

use self::handshake::{Exchange, Handshake, Repeat, Way};
use self::round_trip::{Check, RoundTrip};
pub(crate) use self::watcher::Watcher;

/// What the sockets of one connection share.
#[derive(Debug)]
struct Watch {
    link: Arc<Link>,
    state: Mutex<State>,
    /// Wakes the task that repeats.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// In the order they were opened; closed ones stay as what cannot be upgraded.
    sockets: Vec<Weak<UdpSocket>>,
    handshake: Handshake,
    round_trip: RoundTrip,
}

impl Watch {
    fn new(link: Arc<Link>) -> Self {
        Self { link, state: Mutex::default(), changed: Notify::new() }
    }

    /// A number for a new socket.
    fn add(&self, socket: &Arc<UdpSocket>) -> usize {
        let mut state = self.lock();
        state.sockets.push(Arc::downgrade(socket));
        state.sockets.len() - 1
    }

    fn on_sent(&self, now: Instant, way: Way, datagram: &[u8]) {
        let mut state = self.lock();
        let before = state.handshake.due();
        let round_trip = state.round_trip.get();
        state.round_trip.on_sent(now, datagram);
        state.handshake.on_sent(now, way, datagram, round_trip.map(|check| check.taken));
        let measured = state.handshake.take_exchange().zip(round_trip);
        if let Some(rate) = measured.and_then(|(exchange, check)| path_rate(exchange, check)) {
            self.link.suppose_path(rate);
        }
        if state.handshake.due() != before {
            self.changed.notify_one();
        }
    }

    fn on_received(&self, now: Instant, way: Way, datagram: &[u8]) {
        let mut state = self.lock();
        let measured = state.round_trip.on_received(now, datagram);
        state.handshake.on_received(now, way, datagram);
        if let Some(round_trip) = state.round_trip.get().filter(|_| measured) {
            self.link.suppose_rtt(round_trip.taken);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.lock().handshake.due()
    }

    fn repeat(&self, now: Instant) -> Option<(Repeat, Arc<UdpSocket>)> {
        let mut state = self.lock();
        let repeat = state.handshake.repeat(now)?;
        let socket = state.sockets.get(repeat.way.socket)?.upgrade()?;
        Some((repeat, socket))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shortest time that an exchange may take beyond the round trip: less is what clocks and schedulers do.
const LEAST: Duration = Duration::from_millis(1);

/// And how many bytes more than a check it must have to tell anything.
const TELLING: usize = 600;

/// What a path takes that needs so much longer for a flight and its answer than for a check and its own. The other side's work
/// is in there too, so it is rather too little.
fn path_rate(exchange: Exchange, check: Check) -> Option<Bitrate> {
    let more = exchange.bytes.checked_sub(check.bytes).filter(|more| *more >= TELLING)?;
    let bits = u64::try_from(more).ok()?.saturating_mul(8);
    let longer = exchange.taken.saturating_sub(check.taken).max(LEAST);
    let micros = u64::try_from(longer.as_micros()).ok()?;
    Some(Bitrate::from_bps(bits.saturating_mul(1_000_000) / micros))
}

/// Longest sleep of [`repeat`]: how long it may outlive the connection.
const SLEEP: Duration = Duration::from_secs(5);

/// Sends again what is due, until the connection is gone.
async fn repeat(watch: Weak<Watch>) {
    while let Some(watch) = watch.upgrade() {
        let now = Instant::now();
        if let Some((repeat, socket)) = watch.repeat(now) {
            tracing::debug!(packets = repeat.packets.len(), "handshake sent again");
            for packet in repeat.packets {
                // Not by the stack's own socket: that one remembers a single task to wake, and the stack's would sleep on.
                if let Err(error) = socket.send_to(&packet, repeat.way.remote) {
                    tracing::debug!(%error, "handshake not sent again");
                }
            }
        }
        if watch.link.closed.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let due = watch.due().unwrap_or(now + SLEEP);
        tokio::select! {
            () = watch.changed.notified() => {}
            () = tokio::time::sleep_until(due.into()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_handshake_takes_longer_tells_the_path() {
        let check = Check { taken: Duration::from_millis(100), bytes: 200 };
        let rate =
            |bytes, ms| path_rate(Exchange { bytes, taken: Duration::from_millis(ms) }, check).map(|rate| rate.kbps());
        assert_eq!(rate(1_400, 132), Some(300));
        assert_eq!(rate(1_400, 104), Some(2_400));
        assert_eq!(rate(1_400, 90), Some(9_600));
        assert_eq!(rate(400, 101), None, "hardly more than the check");
    }
}
