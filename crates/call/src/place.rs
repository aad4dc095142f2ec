//! Our place among the members of a room or of a code's rendezvous: entering, numbering, acknowledging, resuming.
//!
//! What is said is opaque here; [`crate::pairs`] seals it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, ErrorCode, IceConfig, MemberId, Resumed, RoomId, ServerMessage, wire};

use crate::line::{Line, LineEvent, Patience};
use crate::output::{SocketCommand, SocketInput};

/// Messages kept per recipient to send again after a resume. More than the server can have missed: it takes them as they
/// come, so only those in flight when the socket broke are lost. The oldest goes when full.
const RESEND_MAX: usize = 64;
/// Recipients and senders remembered. A room has 16 members at most; the map is cleared when a hostile server exceeds this.
const MEMBERS_MAX: usize = 64;

/// The shortest time between two questions for new credentials of the relay, whatever the server says of theirs.
const ICE_REFRESH_MIN: Duration = Duration::from_secs(10);
/// When to ask again if there was no answer.
const ICE_REFRESH_AGAIN: Duration = Duration::from_secs(20);

/// How one gets in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// Into a room.
    Room(RoomId),
    /// Waiting at a new nameplate.
    CodeOpen,
    /// To whoever waits at this nameplate.
    CodeClaim(u32),
}

/// What came of it.
pub(crate) enum PlaceEvent {
    /// We are in the room, with these others.
    Joined { members: Vec<MemberId>, ice: IceConfig },
    /// New credentials for the relay.
    Ice(IceConfig),
    /// We are in again under the same id; nothing was missed.
    Resumed { members: Vec<MemberId> },
    /// Somebody came.
    PeerJoined,
    /// Somebody left for good.
    PeerLeft(MemberId),
    /// A message.
    Message { from: MemberId, seq: u64, body: String },
    /// We wait at this nameplate.
    Code { nameplate: u32, ttl: Duration },
    /// Somebody claimed our nameplate, or we claimed somebody's.
    Claimed { peer: MemberId },
    /// Nobody waits there.
    CodeFailed,
    /// The socket is gone; it is being opened again.
    Offline,
    /// The server was never reached.
    Unreachable,
    /// The server does not want us.
    Refused(ErrorCode),
}

#[derive(Default)]
struct Outgoing {
    last: u64,
    resend: VecDeque<(u64, String)>,
}

/// A place, or the way to one.
pub(crate) struct Place {
    entry: Entry,
    line: Line,
    me: Option<MemberId>,
    /// Somebody may claim our nameplate, or we asked for somebody's.
    claimable: bool,
    outgoing: BTreeMap<MemberId, Outgoing>,
    /// The highest number that came of each sender: around a resume the server says things again.
    incoming: BTreeMap<MemberId, u64>,
    /// When to ask for new credentials of the relay, if we have some.
    ice_due: Option<Instant>,
    events: VecDeque<PlaceEvent>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Place {
    /// Does nothing before [`start`](Self::start).
    pub(crate) fn new(now: Instant, entry: Entry) -> Self {
        Self {
            entry,
            line: Line::new(now, Patience::Short),
            me: None,
            claimable: matches!(entry, Entry::CodeClaim(_)),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            ice_due: None,
            events: VecDeque::new(),
        }
    }

    /// Connects and enters.
    pub(crate) fn start(&mut self, now: Instant) {
        self.line.start(now);
    }

    /// Our id, once we were in.
    pub(crate) fn me(&self) -> Option<&MemberId> {
        self.me.as_ref()
    }

    /// Whether messages leave right now. Those sent while not are kept for the resume.
    pub(crate) fn online(&self) -> bool {
        self.line.settled()
    }

    pub(crate) fn poll_command(&mut self) -> Option<SocketCommand> {
        self.line.poll_command()
    }

    pub(crate) fn poll_event(&mut self) -> Option<PlaceEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let ice = self.ice_due.filter(|_| self.line.settled());
        [self.line.poll_timeout(), ice].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let event = self.line.handle_timeout(now);
        self.handle_line(now, event);
        if self.line.settled() && self.ice_due.is_some_and(|due| now >= due) {
            self.ice_due = Some(now + ICE_REFRESH_AGAIN);
            self.line.send(&ClientMessage::IceRefresh);
        }
    }

    pub(crate) fn handle(&mut self, now: Instant, input: SocketInput) {
        let event = self.line.handle(now, input);
        self.handle_line(now, event);
    }

    /// The number that the next message to this member will have.
    pub(crate) fn next_seq(&self, to: &MemberId) -> u64 {
        self.outgoing.get(to).map_or(0, |outgoing| outgoing.last) + 1
    }

    /// Sends a body to a member under [`next_seq`](Self::next_seq); kept for the resume while offline.
    pub(crate) fn send(&mut self, to: &MemberId, body: String) {
        if self.outgoing.len() >= MEMBERS_MAX && !self.outgoing.contains_key(to) {
            self.outgoing.clear();
        }
        let outgoing = self.outgoing.entry(to.clone()).or_default();
        outgoing.last += 1;
        let seq = outgoing.last;
        if outgoing.resend.len() == RESEND_MAX {
            outgoing.resend.pop_front();
        }
        let frame = wire::encode(&ClientMessage::Send { to: to.clone(), seq, body });
        outgoing.resend.push_back((seq, frame.clone()));
        if self.line.settled() {
            self.line.send_frame(frame);
        }
    }

    /// Leaves a rendezvous; `met` says whether the other one knew the code.
    pub(crate) fn close_code(&mut self, met: bool) {
        if self.line.settled() {
            self.line.send(&ClientMessage::CodeClose { met });
        }
        self.line.hang_up();
    }

    /// Leaves and closes the socket, after what was sent before.
    pub(crate) fn leave(&mut self) {
        self.line.hang_up();
    }

    fn handle_line(&mut self, now: Instant, event: Option<LineEvent>) {
        match event {
            None => {}
            Some(LineEvent::Welcome { resumed }) => self.handle_welcome(resumed),
            Some(LineEvent::Message(message)) => self.handle_message(now, message),
            Some(LineEvent::Lost) => self.events.push_back(PlaceEvent::Offline),
            Some(LineEvent::Unreachable) => self.events.push_back(PlaceEvent::Unreachable),
            Some(LineEvent::Refused(code)) => self.events.push_back(PlaceEvent::Refused(code)),
        }
    }

    fn handle_welcome(&mut self, resumed: Option<Resumed>) {
        match resumed {
            Some(resumed) if self.me.as_ref() == Some(&resumed.me) => {
                self.line.settle();
                for (to, outgoing) in &mut self.outgoing {
                    let taken = resumed.received.get(to).copied().unwrap_or(0);
                    outgoing.resend.retain(|(seq, _)| *seq > taken);
                    for (_, frame) in &outgoing.resend {
                        self.line.send_frame(frame.clone());
                    }
                }
                self.events.push_back(PlaceEvent::Resumed { members: resumed.members });
            }
            // Whether our nameplate is still free or was claimed meanwhile, the server says next.
            Some(_) if self.me.is_none() && !matches!(self.entry, Entry::Room(_)) => {}
            Some(_) | None => {
                // The ids of an earlier stay are void.
                self.me = None;
                let enter = match self.entry {
                    Entry::Room(room_id) => ClientMessage::Join { room_id },
                    Entry::CodeOpen => ClientMessage::CodeOpen,
                    Entry::CodeClaim(nameplate) => ClientMessage::CodeClaim { nameplate },
                };
                self.line.send(&enter);
            }
        }
    }

    fn handle_message(&mut self, now: Instant, message: ServerMessage) {
        match message {
            ServerMessage::Joined { me, members, ice }
                if self.line.entering() && matches!(self.entry, Entry::Room(_)) =>
            {
                self.enter(me);
                self.renew_later(now, &ice);
                self.events.push_back(PlaceEvent::Joined { members, ice });
            }
            ServerMessage::Ice { ice } if self.ice_due.is_some() && self.line.settled() => {
                self.renew_later(now, &ice);
                self.events.push_back(PlaceEvent::Ice(ice));
            }
            ServerMessage::Code { nameplate, ttl_s }
                if self.line.entering() && matches!(self.entry, Entry::CodeOpen) =>
            {
                self.line.settle();
                self.claimable = true;
                let ttl = Duration::from_secs(u64::from(ttl_s));
                self.events.push_back(PlaceEvent::Code { nameplate, ttl });
            }
            ServerMessage::CodeClaimed { me, peer }
                if self.me.is_none() && self.claimable && (self.line.entering() || self.line.settled()) =>
            {
                self.enter(me);
                self.events.push_back(PlaceEvent::Claimed { peer });
            }
            ServerMessage::CodeFailed => self.events.push_back(PlaceEvent::CodeFailed),
            ServerMessage::PeerJoined { .. } => self.events.push_back(PlaceEvent::PeerJoined),
            ServerMessage::PeerLeft { id, .. } | ServerMessage::Undeliverable { to: id, .. } => {
                self.outgoing.remove(&id);
                self.events.push_back(PlaceEvent::PeerLeft(id));
            }
            ServerMessage::From { from, seq, body } if self.me.is_some() => self.receive(from, seq, body),
            // Of another place than ours, or at a time when it means nothing.
            _ => {}
        }
    }

    /// Credentials are asked for anew when two thirds of their time are over.
    fn renew_later(&mut self, now: Instant, ice: &IceConfig) {
        let ttl = Duration::from_secs(u64::from(ice.ttl_s));
        self.ice_due = (!ice.user.is_empty()).then(|| now + (ttl * 2 / 3).max(ICE_REFRESH_MIN));
    }

    fn receive(&mut self, from: MemberId, seq: u64, body: String) {
        self.line.send(&ClientMessage::Ack { from: from.clone(), seq });
        if self.incoming.len() >= MEMBERS_MAX && !self.incoming.contains_key(&from) {
            self.incoming.clear();
        }
        let highest = self.incoming.entry(from.clone()).or_default();
        if seq > *highest {
            *highest = seq;
            self.events.push_back(PlaceEvent::Message { from, seq, body });
        }
    }

    /// Ids and counts of an earlier stay mean nothing to the server that gave us this one.
    fn enter(&mut self, me: MemberId) {
        self.line.settle();
        self.outgoing.clear();
        self.incoming.clear();
        self.me = Some(me);
    }
}
