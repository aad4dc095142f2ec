//! Callers that ring, callees that are reachable, and the server between them. Everything arrives at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use eyeline_call::{Access, Inbox, Reach, ReachEvent, Refusal, RingOut, SocketCommand, SocketInput};
use eyeline_protocol::{
    ClientMessage, Grant, InboxId, InboxSecret, ResumeToken, RingId, RingRef, RingToken, ServerMessage, TokenHash,
    Watched, wire,
};
use eyeline_seal::{Link, PeerCard, RingAnswer, RingOffer, RingTo, inbox_id, inbox_owner_secret};

use super::{UNIX_S, device_id, identity, local};

/// What a lying server makes of a message: to the caller ([`End::Out`]) or to a callee.
pub(crate) type EvilRings = Box<dyn FnMut(End, ServerMessage) -> Vec<(End, ServerMessage)>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The ring with this index.
    Out(usize),
    /// The callee with this index.
    Callee(usize),
}

pub(crate) struct Callee {
    pub(crate) reach: Reach,
    pub(crate) device: u8,
    pub(crate) ringing: Vec<(RingRef, Box<PeerCard>, Box<RingOffer>)>,
    pub(crate) cancelled: usize,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) presence: Vec<(InboxId, bool)>,
    pub(crate) changes: Vec<&'static str>,
}

pub(crate) struct RingDesk {
    pub(crate) now: Instant,
    pub(crate) outs: Vec<RingOut>,
    pub(crate) callees: Vec<Callee>,
    pub(crate) evil: Option<EvilRings>,
    pub(crate) unreachable: bool,
    started: Instant,
    inboxes: BTreeMap<InboxId, usize>,
    /// What waits, by its reference: the caller's index and name for it, whose inbox, what was sealed.
    rings: BTreeMap<RingRef, (usize, RingId, InboxId, String)>,
    next_ref: u32,
    queue: VecDeque<(End, ServerMessage)>,
}

pub(crate) fn inbox(device: u8) -> Inbox {
    let secret = *inbox_owner_secret(&identity(device).device, "calls.example.org");
    Inbox { id: InboxId(inbox_id(&secret)), secret: InboxSecret(secret) }
}

pub(crate) fn ring_to(device: u8) -> RingTo {
    let identity = identity(device);
    RingTo { device: device_id(device), noise_key: identity.noise.public(), inbox_id: inbox(device).id.0 }
}

pub(crate) fn ring_offer(call: u8) -> RingOffer {
    let link = Link::new("https://calls.example.org", [call; 16]).expect("a link");
    RingOffer { call_id: [call; 16], link, sent_unix_s: UNIX_S }
}

/// May be rung by these devices.
pub(crate) fn access(callers: &[u8]) -> Access {
    let grants = vec![Grant { hash: TokenHash([1; 32]), presence: true }];
    Access { grants, callers: callers.iter().map(|device| device_id(*device)).collect(), watched: vec![] }
}

pub(crate) fn watched(device: u8) -> Watched {
    Watched { inbox_id: inbox(device).id, token: RingToken([1; 16]) }
}

impl RingDesk {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            outs: Vec::new(),
            callees: Vec::new(),
            evil: None,
            unreachable: false,
            started: now,
            inboxes: BTreeMap::new(),
            rings: BTreeMap::new(),
            next_ref: 0,
            queue: VecDeque::new(),
        }
    }

    pub(crate) fn unix_s(&self) -> u64 {
        UNIX_S + self.now.duration_since(self.started).as_secs()
    }

    /// A device becomes reachable.
    pub(crate) fn reach(&mut self, device: u8, access: Access) -> usize {
        let reach = Reach::new(self.now, local(device), Some(inbox(device)), access, [device; 32]);
        self.callees.push(Callee {
            reach,
            device,
            ringing: Vec::new(),
            cancelled: 0,
            refusals: Vec::new(),
            presence: Vec::new(),
            changes: Vec::new(),
        });
        self.pump();
        self.callees.len() - 1
    }

    /// A device rings another.
    pub(crate) fn ring(&mut self, from: u8, to: &RingTo, offer: &RingOffer) -> usize {
        let random = [u8::try_from(self.outs.len() + 1).expect("few"); 32];
        let out = RingOut::new(self.now, &local(from), to, RingToken([1; 16]), offer, random);
        self.outs.push(out);
        self.pump();
        self.outs.len() - 1
    }

    /// Answers the first ring that waits at a callee.
    pub(crate) fn answer(&mut self, callee: usize, answer: RingAnswer) {
        let (ring, _, _) = self.callees[callee].ringing.remove(0);
        self.callees[callee].reach.answer(&ring, answer);
        self.pump();
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let outs = self.outs.iter().filter_map(RingOut::poll_timeout);
            let callees = self.callees.iter().filter_map(|callee| callee.reach.poll_timeout());
            let Some(next) = outs.chain(callees).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            let (now, unix_s) = (self.now, self.unix_s());
            for out in self.outs.iter_mut().filter(|out| out.poll_timeout().is_some_and(|at| at <= now)) {
                out.handle_timeout(now);
                assert!(out.poll_timeout().is_none_or(|at| at > now), "a timer that was served stays due");
            }
            for callee in &mut self.callees {
                if callee.reach.poll_timeout().is_some_and(|at| at <= now) {
                    callee.reach.handle_timeout(now, unix_s);
                    assert!(callee.reach.poll_timeout().is_none_or(|at| at > now), "stays due");
                }
            }
            self.pump();
        }
        self.now = end;
    }

    /// Breaks a socket. A caller's rings end with it; an inbox stays open for a while.
    pub(crate) fn break_socket(&mut self, end: End) {
        self.queue.retain(|(to, _)| *to != end);
        if let End::Out(index) = end {
            let of: Vec<RingRef> =
                self.rings.iter().filter(|(_, ring)| ring.0 == index).map(|(ring, _)| ring.clone()).collect();
            for ring in of {
                self.cancel(&ring);
            }
        }
        self.socket(end, SocketInput::Closed);
        self.pump();
    }

    /// The server forgets all rings without a word.
    pub(crate) fn forget(&mut self) {
        self.rings.clear();
    }

    fn socket(&mut self, end: End, input: SocketInput) {
        let (now, unix_s) = (self.now, self.unix_s());
        match end {
            End::Out(index) => self.outs[index].handle_socket(now, input),
            End::Callee(index) => self.callees[index].reach.handle_socket(now, unix_s, input),
        }
    }

    pub(crate) fn raw(&mut self, end: End, input: SocketInput) {
        self.socket(end, input);
        self.pump();
    }

    pub(crate) fn forge(&mut self, end: End, message: &ServerMessage) {
        self.socket(end, SocketInput::Frame(wire::encode(message)));
        self.pump();
    }

    pub(crate) fn pump(&mut self) {
        loop {
            let out = (0..self.outs.len()).find_map(|at| self.outs[at].poll_command().map(|c| (End::Out(at), c)));
            let callee = || {
                (0..self.callees.len())
                    .find_map(|at| self.callees[at].reach.poll_command().map(|command| (End::Callee(at), command)))
            };
            if let Some((end, command)) = out.or_else(callee) {
                self.command(end, command);
            } else if let Some((end, message)) = self.queue.pop_front() {
                self.socket(end, SocketInput::Frame(wire::encode(&message)));
            } else {
                break;
            }
        }
        for callee in &mut self.callees {
            while let Some(event) = callee.reach.poll_event() {
                callee.note(event);
            }
        }
    }

    fn command(&mut self, end: End, command: SocketCommand) {
        match command {
            SocketCommand::Connect if self.unreachable => self.socket(end, SocketInput::Closed),
            SocketCommand::Connect => self.socket(end, SocketInput::Opened),
            SocketCommand::Send(frame) => {
                self.message(end, wire::decode_client(&frame).expect("a client says what it may"));
            }
            SocketCommand::Close => {}
        }
    }

    fn tell(&mut self, end: End, message: ServerMessage) {
        match &mut self.evil {
            Some(evil) => self.queue.extend(evil(end, message)),
            None => self.queue.push_back((end, message)),
        }
    }

    fn message(&mut self, end: End, message: ClientMessage) {
        match (message, end) {
            (ClientMessage::Hello { .. }, _) => {
                let welcome = ServerMessage::Welcome {
                    conn: "c".into(),
                    resume_token: ResumeToken::new("token").expect("short"),
                    resumed: None,
                    features: vec![],
                    heartbeat_s: 20,
                    limits: Default::default(),
                };
                self.tell(end, welcome);
            }
            (ClientMessage::InboxOpen { inbox_id, .. }, End::Callee(index)) => self.inbox_open(index, inbox_id),
            (ClientMessage::Ring { ring_id, inbox_id, body, .. }, End::Out(index)) => {
                let Some(callee) = self.inboxes.get(&inbox_id).copied() else {
                    return self.tell(end, ServerMessage::RingFailed { ring_id });
                };
                self.next_ref += 1;
                let ring_ref = RingRef::new(format!("ref{}", self.next_ref)).expect("short");
                self.rings.insert(ring_ref.clone(), (index, ring_id.clone(), inbox_id, body.clone()));
                self.tell(End::Callee(callee), ServerMessage::Ring { ring_ref, body });
                self.tell(end, ServerMessage::Ringing { ring_id });
            }
            (ClientMessage::RingReply { ring_ref, body }, End::Callee(_)) => {
                if let Some((caller, ring_id, _, _)) = self.rings.remove(&ring_ref) {
                    self.tell(End::Out(caller), ServerMessage::RingReply { ring_id, body });
                }
            }
            (ClientMessage::RingCancel { ring_id }, End::Out(index)) => {
                let of = self.rings.iter().find(|(_, ring)| (ring.0, &ring.1) == (index, &ring_id));
                if let Some(ring) = of.map(|(ring, _)| ring.clone()) {
                    self.cancel(&ring);
                }
            }
            (ClientMessage::Watch { contacts }, _) => {
                for watched in contacts {
                    let online = self.inboxes.contains_key(&watched.inbox_id);
                    if online {
                        self.tell(end, ServerMessage::Presence { inbox_id: watched.inbox_id, online });
                    }
                }
            }
            (ClientMessage::Bye, End::Callee(index)) => self.inboxes.retain(|_, holder| *holder != index),
            (ClientMessage::Bye, End::Out(_)) => {}
            other => panic!("not here: {other:?}"),
        }
    }

    fn inbox_open(&mut self, index: usize, inbox_id: InboxId) {
        let before = self.inboxes.insert(inbox_id, index);
        if let Some(before) = before.filter(|before| *before != index) {
            self.tell(End::Callee(before), ServerMessage::InboxTaken);
        }
        self.tell(End::Callee(index), ServerMessage::InboxOpened);
        for (ring_ref, (_, _, _, body)) in self.rings.clone().into_iter().filter(|(_, ring)| ring.2 == inbox_id) {
            self.tell(End::Callee(index), ServerMessage::Ring { ring_ref, body });
        }
    }

    fn cancel(&mut self, ring_ref: &RingRef) {
        if let Some((_, _, inbox_id, _)) = self.rings.remove(ring_ref)
            && let Some(callee) = self.inboxes.get(&inbox_id).copied()
        {
            self.tell(End::Callee(callee), ServerMessage::RingCancelled { ring_ref: ring_ref.clone() });
        }
    }
}

impl Callee {
    fn note(&mut self, event: ReachEvent) {
        match event {
            ReachEvent::Online => self.changes.push("online"),
            ReachEvent::Offline => self.changes.push("offline"),
            ReachEvent::TakenOver => self.changes.push("taken over"),
            ReachEvent::Presence(inbox_id, online) => self.presence.push((inbox_id, online)),
            ReachEvent::Ring { ring, caller, offer } => self.ringing.push((ring, caller, offer)),
            ReachEvent::Cancelled(ring) => {
                self.cancelled += 1;
                self.ringing.retain(|(waiting, _, _)| *waiting != ring);
            }
            ReachEvent::Refused(refusal) => self.refusals.push(refusal),
        }
    }
}
