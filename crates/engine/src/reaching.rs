//! Lines to our own server and to those of contacts: for rings, and to know who is there.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use eyeline_call::{Access, Inbox, LocalPeer, Reach, ReachEvent, SocketInput};
use eyeline_protocol::RingRef;
use eyeline_seal::{RingAnswer, Server};
use tokio::sync::mpsc;

use crate::actor::Note;
use crate::wire::Wire;

/// A line to one server.
pub(crate) struct Reaching {
    pub(crate) server: Server,
    /// Our own inbox is there.
    pub(crate) home: bool,
    /// Another program with our keys took the inbox.
    pub(crate) taken_over: bool,
    machine: Reach,
    wire: Wire,
}

impl Reaching {
    pub(crate) fn new(
        server: Server,
        local: LocalPeer,
        inbox: Option<Inbox>,
        access: Access,
        random: [u8; 32],
        notes: mpsc::Sender<Note>,
    ) -> Self {
        let now = Instant::now();
        let home = inbox.is_some();
        let machine = Reach::new(now, local, inbox, access, random);
        let wire = Wire::new(server.websocket_url(), notes);
        let mut reaching = Self { server, home, taken_over: false, machine, wire };
        reaching.drain(now);
        reaching
    }

    pub(crate) fn owns(&self, attempt: u64) -> bool {
        self.wire.is(attempt)
    }

    pub(crate) fn online(&self) -> bool {
        self.machine.online()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ReachEvent> {
        let event = self.machine.poll_event();
        if matches!(event, Some(ReachEvent::TakenOver)) {
            self.taken_over = true;
        }
        event
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now, unix_s());
        self.drain(now);
    }

    pub(crate) fn handle_socket(&mut self, now: Instant, input: SocketInput) {
        self.machine.handle_socket(now, unix_s(), input);
        self.drain(now);
    }

    pub(crate) fn network_changed(&mut self, now: Instant) {
        let input = self.wire.network_changed();
        self.handle_socket(now, input);
    }

    pub(crate) fn set_access(&mut self, access: Access) {
        self.machine.set_access(access);
        self.drain(Instant::now());
    }

    pub(crate) fn answer(&mut self, ring: &RingRef, answer: RingAnswer) {
        self.machine.answer(ring, answer);
        self.drain(Instant::now());
    }

    pub(crate) fn close(&mut self) {
        self.machine.close();
        self.drain(Instant::now());
    }

    /// Closes and waits until the goodbye has left.
    pub(crate) async fn finish(mut self) {
        self.close();
        self.wire.finish().await;
    }

    fn drain(&mut self, now: Instant) {
        while let Some(command) = self.machine.poll_command() {
            if let Some(input) = self.wire.apply(command) {
                self.machine.handle_socket(now, unix_s(), input);
            }
        }
    }
}

/// Seconds since 1970: rings are only good for a short time.
pub(crate) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
