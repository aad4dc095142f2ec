//! The two ends of a spoken code, and the server between them. Everything arrives at once; only the clock stands still.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_call::{ClaimState, CodeClaim, CodeOffer, OfferState, SocketCommand, SocketInput};
use eyeline_protocol::{ClientMessage, LeftReason, MemberId, ResumeToken, Resumed, ServerMessage, wire};
use eyeline_seal::{Link, SpokenCode};

pub(crate) const HOST: usize = 0;
pub(crate) const GUEST: usize = 1;
/// How long a nameplate can be claimed.
pub(crate) const TTL: Duration = Duration::from_secs(600);

/// What a lying server makes of a message to an end.
pub(crate) type EvilDesk = Box<dyn FnMut(usize, ServerMessage) -> Vec<(usize, ServerMessage)>>;

#[derive(Default)]
struct Side {
    seq: [u64; 2],
    /// Kept for a resume.
    unacked: VecDeque<ServerMessage>,
    taken: u64,
}

pub(crate) struct CodeDesk {
    pub(crate) now: Instant,
    pub(crate) offer: CodeOffer,
    pub(crate) claim: Option<CodeClaim>,
    pub(crate) evil: Option<EvilDesk>,
    /// Sockets of the end are refused.
    pub(crate) unreachable: [bool; 2],
    /// What each end said.
    pub(crate) said: [Vec<ClientMessage>; 2],
    nameplate: u32,
    open: bool,
    met: bool,
    sides: [Side; 2],
    queue: VecDeque<(usize, ServerMessage)>,
}

fn id(end: usize, nameplate: u32) -> MemberId {
    MemberId::new(format!("{}{nameplate}", if end == HOST { "host" } else { "guest" })).expect("short")
}

pub(crate) fn link() -> Link {
    Link::new("https://calls.example.org", [7; 16]).expect("a link")
}

impl CodeDesk {
    pub(crate) fn new() -> Self {
        Self::with_words(3)
    }

    /// The words depend on the seed.
    pub(crate) fn with_words(seed: u8) -> Self {
        let now = Instant::now();
        let mut desk = Self {
            now,
            offer: CodeOffer::new(now, link(), [seed; 32]),
            claim: None,
            evil: None,
            unreachable: [false; 2],
            said: [Vec::new(), Vec::new()],
            nameplate: 40,
            open: false,
            met: false,
            sides: Default::default(),
            queue: VecDeque::new(),
        };
        desk.pump();
        desk
    }

    /// The code that the host shows.
    pub(crate) fn code(&self) -> SpokenCode {
        match self.offer.state() {
            OfferState::Shown { code, .. } => *code,
            state => panic!("no code in {state:?}"),
        }
    }

    /// Somebody types a code.
    pub(crate) fn claim(&mut self, code: &SpokenCode) -> ClaimState {
        self.sides[GUEST] = Side::default();
        self.said[GUEST].clear();
        let random = [u8::try_from(self.nameplate % 200).expect("small"); 32];
        self.claim = Some(CodeClaim::new(self.now, code, random));
        self.pump();
        self.claimed()
    }

    pub(crate) fn claimed(&self) -> ClaimState {
        self.claim.as_ref().expect("claimed").state().clone()
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let host = self.offer.poll_timeout();
            let guest = self.claim.as_ref().and_then(CodeClaim::poll_timeout);
            let Some(next) = host.into_iter().chain(guest).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if host.is_some_and(|at| at <= self.now) {
                self.offer.handle_timeout(self.now);
                let again = self.offer.poll_timeout();
                assert!(again.is_none_or(|at| at > self.now), "a timer that was served stays due");
            }
            if let Some(claim) = self.claim.as_mut().filter(|_| guest.is_some_and(|at| at <= self.now)) {
                claim.handle_timeout(self.now);
            }
            self.pump();
        }
        self.now = end;
    }

    /// Breaks an end's socket; it comes again by itself.
    pub(crate) fn break_socket(&mut self, end: usize) {
        self.queue.retain(|(to, _)| *to != end);
        self.socket(end, SocketInput::Closed);
        self.pump();
    }

    /// The server forgets everything.
    pub(crate) fn forget(&mut self) {
        self.open = false;
        self.met = false;
        self.sides = Default::default();
        self.nameplate += 100;
    }

    fn socket(&mut self, end: usize, input: SocketInput) {
        match (end, &mut self.claim) {
            (HOST, _) => self.offer.handle_socket(self.now, input),
            (_, Some(claim)) => claim.handle_socket(self.now, input),
            _ => {}
        }
    }

    pub(crate) fn raw(&mut self, end: usize, input: SocketInput) {
        self.socket(end, input);
        self.pump();
    }

    pub(crate) fn forge(&mut self, end: usize, message: &ServerMessage) {
        self.socket(end, SocketInput::Frame(wire::encode(message)));
        self.pump();
    }

    fn pump(&mut self) {
        loop {
            if let Some(command) = self.offer.poll_command() {
                self.command(HOST, command);
            } else if let Some(command) = self.claim.as_mut().and_then(CodeClaim::poll_command) {
                self.command(GUEST, command);
            } else if let Some((to, message)) = self.queue.pop_front() {
                self.socket(to, SocketInput::Frame(wire::encode(&message)));
            } else {
                return;
            }
        }
    }

    fn command(&mut self, end: usize, command: SocketCommand) {
        match command {
            SocketCommand::Connect if self.unreachable[end] => self.socket(end, SocketInput::Closed),
            SocketCommand::Connect => self.socket(end, SocketInput::Opened),
            SocketCommand::Send(frame) => {
                let message = wire::decode_client(&frame).expect("a client says what it may");
                self.said[end].push(message.clone());
                self.message(end, message);
            }
            SocketCommand::Close => {}
        }
    }

    fn tell(&mut self, end: usize, message: ServerMessage) {
        match &mut self.evil {
            Some(evil) => self.queue.extend(evil(end, message)),
            None => self.queue.push_back((end, message)),
        }
    }

    fn message(&mut self, end: usize, message: ClientMessage) {
        match message {
            ClientMessage::Hello { resume, .. } => self.hello(end, resume),
            ClientMessage::CodeOpen => {
                self.nameplate += 1;
                (self.open, self.met) = (true, false);
                self.sides = Default::default();
                self.tell_code();
            }
            ClientMessage::CodeClaim { nameplate } if self.open && nameplate == self.nameplate => {
                (self.open, self.met) = (false, true);
                self.tell_claimed(HOST);
                self.tell_claimed(GUEST);
            }
            ClientMessage::CodeClaim { .. } => self.tell(end, ServerMessage::CodeFailed),
            ClientMessage::Send { seq, body, .. } => {
                let other = 1 - end;
                assert!(seq <= self.sides[end].taken + 1, "a gap");
                if seq <= self.sides[end].taken || !self.met {
                    return;
                }
                self.sides[end].taken = seq;
                let message = ServerMessage::From { from: id(end, self.nameplate), seq, body };
                self.sides[other].unacked.push_back(message.clone());
                self.tell(other, message);
            }
            ClientMessage::Ack { seq, .. } => {
                let unacked = &mut self.sides[end].unacked;
                unacked.retain(|message| !matches!(message, ServerMessage::From { seq: at, .. } if *at <= seq));
            }
            ClientMessage::CodeClose { .. } | ClientMessage::Bye => {
                if std::mem::take(&mut self.met) {
                    let left = ServerMessage::PeerLeft { id: id(end, self.nameplate), reason: LeftReason::Bye };
                    self.tell(1 - end, left);
                }
                self.open &= end != HOST;
            }
            other => panic!("a code has no use for {other:?}"),
        }
    }

    fn hello(&mut self, end: usize, resume: Option<ResumeToken>) {
        let token = ResumeToken::new(format!("token{end}")).expect("short");
        let known = if end == HOST { self.open || self.met } else { self.met };
        let resumed = resume.filter(|_| known).map(|_| Resumed {
            me: id(end, self.nameplate),
            members: vec![id(1 - end, self.nameplate)],
            received: [(id(1 - end, self.nameplate), self.sides[end].taken)].into(),
        });
        let again = resumed.is_some();
        let welcome = ServerMessage::Welcome {
            conn: "c".into(),
            resume_token: token,
            resumed,
            features: vec![],
            heartbeat_s: 20,
            limits: Default::default(),
        };
        self.tell(end, welcome);
        if again {
            if self.met {
                self.tell_claimed(end)
            } else {
                self.tell_code()
            }
            for message in self.sides[end].unacked.clone() {
                self.tell(end, message);
            }
        }
    }

    fn tell_code(&mut self) {
        let ttl_s = u32::try_from(TTL.as_secs()).expect("small");
        self.tell(HOST, ServerMessage::Code { nameplate: self.nameplate, ttl_s });
    }

    fn tell_claimed(&mut self, end: usize) {
        let (me, peer) = (id(end, self.nameplate), id(1 - end, self.nameplate));
        self.tell(end, ServerMessage::CodeClaimed { me, peer });
    }
}

/// A code with the same nameplate and other words.
pub(crate) fn wrong(code: &SpokenCode) -> SpokenCode {
    (0..).map(|byte| SpokenCode::new(code.nameplate, [byte; 4])).find(|other| other != code).expect("another one")
}

impl CodeDesk {
    /// Says something to the host without the evil closure, which may be borrowed.
    pub(crate) fn socket_again(&mut self, message: &ServerMessage) {
        self.evil = None;
        self.forge(HOST, message);
    }
}
