//! Being reachable for contacts, and knowing which of them are: an inbox at our server, and watched inboxes there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

use eyeline_protocol::{ClientMessage, Grant, InboxId, InboxSecret, RingRef, ServerMessage, Watched, limits};
use eyeline_seal::{DeviceId, IncomingRing, PeerCard, ReplayCache, RingAnswer, RingError, RingOffer};

use crate::entropy::Entropy;
use crate::line::{Line, LineEvent, Patience};
use crate::output::{SocketCommand, SocketInput};
use crate::pairs::LocalPeer;
use crate::refusal::Refusal;

/// Rings that wait for an answer at once; one more is refused. People answer one.
const WAITING_MAX: usize = 8;

/// Answers kept while there is no socket. As many as rings can wait; the oldest goes when full.
const UNSENT_MAX: usize = WAITING_MAX;

/// Our inbox at a server.
#[derive(Clone, Copy)]
pub struct Inbox {
    /// Its name.
    pub id: InboxId,
    /// What proves that it is ours.
    pub secret: InboxSecret,
}

/// Who may do what.
#[derive(Clone, Default)]
pub struct Access {
    /// What the server lets in.
    pub grants: Vec<Grant>,
    /// Devices that may ring, as their cards prove.
    pub callers: BTreeSet<DeviceId>,
    /// Inboxes whose presence we want to know.
    pub watched: Vec<Watched>,
}

/// What came of it.
pub enum ReachEvent {
    /// We are reachable.
    Online,
    /// We are not, for now.
    Offline,
    /// Another program with our keys took the inbox.
    TakenOver,
    /// A contact's inbox was opened or closed.
    Presence(InboxId, bool),
    /// A contact rings.
    Ring {
        /// The ring.
        ring: RingRef,
        /// Who, as proven.
        caller: Box<PeerCard>,
        /// To what.
        offer: Box<RingOffer>,
    },
    /// A ring is over.
    Cancelled(RingRef),
    /// Something was not used.
    Refused(Refusal),
}

struct Waiting {
    ring: IncomingRing,
    /// When it is over, whether the server says so or not.
    until: Instant,
}

/// A line to one server for rings and presence.
pub struct Reach {
    line: Line,
    local: LocalPeer,
    entropy: Entropy,
    inbox: Option<Inbox>,
    access: Access,
    replays: ReplayCache,
    waiting: BTreeMap<RingRef, Waiting>,
    unsent: VecDeque<ClientMessage>,
    online: bool,
    events: VecDeque<ReachEvent>,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Reach {
    /// Connects, opens the inbox if there is one, and watches. `random` is 32 fresh random bytes.
    #[must_use]
    pub fn new(now: Instant, local: LocalPeer, inbox: Option<Inbox>, access: Access, random: [u8; 32]) -> Self {
        let mut line = Line::new(now, Patience::Endless);
        line.start(now);
        Self {
            line,
            local,
            entropy: Entropy::new(random),
            inbox,
            access,
            replays: ReplayCache::default(),
            waiting: BTreeMap::new(),
            unsent: VecDeque::new(),
            online: false,
            events: VecDeque::new(),
        }
    }

    /// Whether contacts can ring us.
    #[must_use]
    pub fn online(&self) -> bool {
        self.online
    }

    /// Changes who may ring and whom we watch.
    pub fn set_access(&mut self, access: Access) {
        self.access = access;
        if self.line.settled() {
            self.tell();
        }
    }

    /// Takes what the socket did. `unix_s` is the time in seconds since 1970.
    pub fn handle_socket(&mut self, now: Instant, unix_s: u64, input: SocketInput) {
        let event = self.line.handle(now, input);
        self.handle_line(now, unix_s, event);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).chain(self.line.poll_timeout()).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant, unix_s: u64) {
        let event = self.line.handle_timeout(now);
        self.handle_line(now, unix_s, event);
        for (ring, _) in self.waiting.extract_if(.., |_, waiting| now >= waiting.until) {
            self.events.push_back(ReachEvent::Cancelled(ring));
        }
    }

    /// Next thing for the socket.
    pub fn poll_command(&mut self) -> Option<SocketCommand> {
        self.line.poll_command()
    }

    /// Next thing that happened.
    pub fn poll_event(&mut self) -> Option<ReachEvent> {
        self.events.pop_front()
    }

    /// Answers a ring, which is over then.
    pub fn answer(&mut self, ring: &RingRef, answer: RingAnswer) {
        let Some(Waiting { ring: incoming, .. }) = self.waiting.remove(ring) else { return };
        let body = incoming.answer(&self.local.identity, &self.local.card, answer, self.entropy.take());
        let reply = ClientMessage::RingReply { ring_ref: ring.clone(), body };
        if self.line.settled() {
            self.line.send(&reply);
        } else {
            // The server keeps the ring for us while our socket is away.
            if self.unsent.len() == UNSENT_MAX {
                self.unsent.pop_front();
            }
            self.unsent.push_back(reply);
        }
    }

    /// Is no longer reachable.
    pub fn close(&mut self) {
        self.line.hang_up();
    }

    fn tell(&mut self) {
        if let Some(Inbox { id, secret }) = self.inbox {
            let tokens = self.access.grants.clone();
            self.line.send(&ClientMessage::InboxOpen { inbox_id: id, proof: secret, tokens });
        }
        let contacts = self.access.watched.clone();
        if self.inbox.is_none() || !contacts.is_empty() {
            self.line.send(&ClientMessage::Watch { contacts });
        }
    }

    fn handle_line(&mut self, now: Instant, unix_s: u64, event: Option<LineEvent>) {
        match event {
            None => {}
            Some(LineEvent::Welcome { .. }) => {
                self.tell();
                if self.inbox.is_none() {
                    self.line.settle();
                }
            }
            Some(LineEvent::Lost | LineEvent::Unreachable | LineEvent::Refused(_)) => self.go_offline(),
            Some(LineEvent::Message(message)) => self.handle_message(now, unix_s, message),
        }
    }

    fn go_offline(&mut self) {
        // Without an inbox the line is only for knowing who is there, which is not known any more.
        if std::mem::replace(&mut self.online, false) || self.inbox.is_none() {
            self.events.push_back(ReachEvent::Offline);
        }
    }

    fn handle_message(&mut self, now: Instant, unix_s: u64, message: ServerMessage) {
        match message {
            ServerMessage::InboxOpened if self.inbox.is_some() => {
                self.line.settle();
                for reply in std::mem::take(&mut self.unsent) {
                    self.line.send(&reply);
                }
                if !std::mem::replace(&mut self.online, true) {
                    self.events.push_back(ReachEvent::Online);
                }
            }
            ServerMessage::InboxTaken => {
                self.online = false;
                self.line.hang_up();
                self.events.push_back(ReachEvent::TakenOver);
            }
            ServerMessage::Presence { inbox_id, online } if self.watches(inbox_id) => {
                self.events.push_back(ReachEvent::Presence(inbox_id, online));
            }
            ServerMessage::Ring { ring_ref, body } => {
                if let Err(refusal) = self.ring(now, unix_s, ring_ref, &body) {
                    self.events.push_back(ReachEvent::Refused(refusal));
                }
            }
            ServerMessage::RingCancelled { ring_ref } => {
                let waited = self.waiting.remove(&ring_ref);
                self.events.extend(waited.map(|_| ReachEvent::Cancelled(ring_ref)));
            }
            _ => {}
        }
    }

    fn watches(&self, inbox_id: InboxId) -> bool {
        self.access.watched.iter().any(|watched| watched.inbox_id == inbox_id)
    }

    fn ring(&mut self, now: Instant, unix_s: u64, ring: RingRef, body: &str) -> Result<(), Refusal> {
        let Some(inbox) = self.inbox else { return Err(Refusal::NotAContact) };
        // The server says it again after we opened the inbox anew.
        if self.waiting.contains_key(&ring) {
            return Ok(());
        }
        let incoming = IncomingRing::open(&self.local.identity, &inbox.id.0, body)?;
        if !self.access.callers.contains(&incoming.caller().device) {
            return Err(Refusal::NotAContact);
        }
        self.replays.check(&incoming, unix_s)?;
        if self.waiting.len() >= WAITING_MAX {
            return Err(Refusal::Ring(RingError::TooMany));
        }
        let (caller, offer) = (Box::new(incoming.caller().clone()), Box::new(incoming.offer().clone()));
        self.waiting.insert(ring.clone(), Waiting { ring: incoming, until: now + limits::RING_TTL });
        self.events.push_back(ReachEvent::Ring { ring, caller, offer });
        Ok(())
    }
}
