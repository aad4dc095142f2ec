//! Calls, a signaling server and a network, all virtual: seeded latency, a clock that only this rig moves.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use eyeline_call::{Call, CallConfig, Input, Output, RtcCommand, RtcInput, SocketCommand, SocketInput, State};
use eyeline_protocol::inner::SessionId;
use eyeline_protocol::{
    ClientMessage, IceConfig, LeftReason, MemberId, ResumeToken, Resumed, ServerMessage, VERSION, wire,
};
use eyeline_seal::{RoomKeys, Secret};

const RESUME_WINDOW: Duration = Duration::from_secs(60);

/// Something that happens later.
struct Event {
    at: Instant,
    order: u64,
    what: What,
}

enum What {
    ToCall(usize, Input),
    /// A frame of a caller's `n`th socket.
    ToServer(usize, u64, String),
    SocketOpen(usize, u64),
    Path(SessionId),
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// A peer connection that connects when descriptions of both ends and candidates crossed.
#[derive(Default)]
struct Rtc {
    generation: u32,
    remote_description: bool,
    remote_candidates: u32,
    connected: bool,
}

pub(crate) struct Caller {
    pub(crate) call: Call,
    socket: u64,
    socket_open: bool,
    rtc: BTreeMap<SessionId, Rtc>,
    /// Sessions ever opened.
    pub(crate) opened: usize,
    pub(crate) alive: bool,
}

struct Member {
    token: ResumeToken,
    caller: Option<(usize, u64)>,
    since: Instant,
    received: BTreeMap<MemberId, u64>,
    /// Messages not acknowledged yet.
    unacked: VecDeque<ServerMessage>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    order: u64,
    queue: BinaryHeap<Event>,
    pub(crate) callers: Vec<Caller>,
    members: BTreeMap<MemberId, Member>,
    next_id: u64,
    /// The server answers.
    pub(crate) server_up: bool,
    /// Media packets pass.
    pub(crate) udp_up: bool,
    pub(crate) latency: Duration,
    /// Peer connections take no offer.
    pub(crate) refuse_offers: bool,
    seed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Instant::now(),
            order: 0,
            queue: BinaryHeap::new(),
            callers: Vec::new(),
            members: BTreeMap::new(),
            next_id: seed % 7,
            server_up: true,
            udp_up: true,
            latency: Duration::from_millis(20),
            refuse_offers: false,
            seed,
        }
    }

    fn random(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Somebody opens the link.
    pub(crate) fn add_caller(&mut self) -> usize {
        let mut random = [0; 32];
        for byte in &mut random {
            *byte = self.random().to_le_bytes()[0];
        }
        let keys = RoomKeys::derive(&Secret([5; 16]));
        let call = Call::new(self.now, &CallConfig { keys, random });
        let caller = Caller { call, socket: 0, socket_open: false, rtc: BTreeMap::new(), opened: 0, alive: true };
        self.callers.push(caller);
        let index = self.callers.len() - 1;
        self.drain(index);
        index
    }

    fn later(&mut self, after: Duration, what: What) {
        self.order += 1;
        self.queue.push(Event { at: self.now + after, order: self.order, what });
    }

    pub(crate) fn input(&mut self, index: usize, input: Input) {
        if self.callers[index].alive {
            self.callers[index].call.handle(self.now, input);
            self.drain(index);
        }
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.callers[index].call.poll_output() {
            match output {
                Output::Socket(command) => self.socket_command(index, command),
                Output::Rtc { session, command } => self.rtc_command(index, session, command),
                Output::Changed => {}
            }
        }
    }

    // ---- sockets

    fn socket_command(&mut self, index: usize, command: SocketCommand) {
        let latency = self.latency;
        match command {
            SocketCommand::Connect => {
                self.callers[index].socket += 1;
                let socket = self.callers[index].socket;
                self.later(latency, What::SocketOpen(index, socket));
            }
            SocketCommand::Send(frame) => {
                let socket = self.callers[index].socket;
                self.later(latency, What::ToServer(index, socket, frame));
            }
            SocketCommand::Close => self.break_socket(index, false),
        }
    }

    /// Breaks a caller's socket; frames under way are lost.
    pub(crate) fn break_socket(&mut self, index: usize, tell: bool) {
        let socket = self.callers[index].socket;
        if tell {
            // A socket that dies loses what is under way; one that is closed in order delivers it first.
            self.callers[index].socket += 1;
        }
        self.callers[index].socket_open = false;
        let now = self.now;
        for member in self.members.values_mut().filter(|member| member.caller == Some((index, socket))) {
            if tell {
                member.caller = None;
            }
            member.since = now;
        }
        if tell {
            self.input(index, Input::Socket(SocketInput::Closed));
        }
    }

    /// Stops the server, with or without its memory.
    pub(crate) fn stop_server(&mut self, forget: bool) {
        self.server_up = false;
        for index in 0..self.callers.len() {
            if self.callers[index].socket_open {
                self.break_socket(index, true);
            }
        }
        if forget {
            self.members.clear();
        }
    }

    fn tell_member(&mut self, id: &MemberId, message: &ServerMessage) {
        let latency = self.latency;
        let Some(member) = self.members.get_mut(id) else { return };
        // To a member without a socket, who comes and goes meanwhile is said by `resumed.members`.
        if let Some((index, _)) = member.caller {
            let frame = wire::encode(message);
            self.later(latency, What::ToCall(index, Input::Socket(SocketInput::Frame(frame))));
        }
    }

    fn tell_socket(&mut self, index: usize, message: &ServerMessage) {
        let frame = wire::encode(message);
        self.later(self.latency, What::ToCall(index, Input::Socket(SocketInput::Frame(frame))));
    }

    fn member_of(&self, index: usize, socket: u64) -> Option<MemberId> {
        self.members.iter().find(|(_, member)| member.caller == Some((index, socket))).map(|(id, _)| id.clone())
    }

    fn server_frame(&mut self, index: usize, socket: u64, frame: &str) {
        match wire::decode_client(frame).expect("a call sends valid messages") {
            ClientMessage::Hello { resume, .. } => self.server_hello(index, socket, resume),
            ClientMessage::Join { .. } => self.server_join(index, socket),
            ClientMessage::Send { to, seq, body } => {
                let Some(from) = self.member_of(index, socket) else { return };
                if !self.members.contains_key(&to) {
                    return self.tell_member(&from, &ServerMessage::Undeliverable { to, seq });
                }
                self.members.get_mut(&from).expect("just found").received.insert(to.clone(), seq);
                let message = ServerMessage::From { from, seq, body };
                self.members.get_mut(&to).expect("just checked").unacked.push_back(message.clone());
                self.tell_member(&to, &message);
            }
            ClientMessage::Ack { from: of, seq: up_to } => {
                let Some(id) = self.member_of(index, socket) else { return };
                let unacked = &mut self.members.get_mut(&id).expect("just found").unacked;
                unacked.retain(|m| !matches!(m, ServerMessage::From { from, seq, .. } if *from == of && *seq <= up_to));
            }
            ClientMessage::Bye => {
                if let Some(id) = self.member_of(index, socket) {
                    self.server_left(&id, LeftReason::Bye);
                }
            }
        }
    }

    fn server_hello(&mut self, index: usize, socket: u64, resume: Option<ResumeToken>) {
        assert_eq!(VERSION, 1);
        let found = resume
            .and_then(|token| self.members.iter().find(|(_, member)| member.token == token).map(|(id, _)| id.clone()));
        let token = match &found {
            Some(id) => self.members[id].token.clone(),
            None => ResumeToken::new(format!("t{}-{}", index, socket)).expect("short"),
        };
        let members = self.members.keys().filter(|id| Some(*id) != found.as_ref()).cloned().collect();
        let resumed = found.clone().map(|me| Resumed { received: self.members[&me].received.clone(), members, me });
        let welcome = ServerMessage::Welcome {
            conn: "c".into(),
            resume_token: token,
            resumed,
            features: vec![],
            heartbeat_s: 20,
            limits: Default::default(),
        };
        self.tell_socket(index, &welcome);
        if let Some(id) = found {
            let member = self.members.get_mut(&id).expect("just found");
            member.caller = Some((index, socket));
            for message in member.unacked.clone() {
                self.tell_member(&id, &message);
            }
        }
    }

    fn server_join(&mut self, index: usize, socket: u64) {
        self.next_id += 1;
        // Ids in no particular order, so that ties are broken both ways over seeds.
        let me = MemberId::new(format!("m{:03}", (self.next_id * 383) % 1000)).expect("valid");
        let members: Vec<MemberId> = self.members.keys().cloned().collect();
        let token = ResumeToken::new(format!("t{}-{}", index, socket)).expect("short");
        let member = Member {
            token,
            caller: Some((index, socket)),
            since: self.now,
            received: BTreeMap::new(),
            unacked: VecDeque::new(),
        };
        self.members.insert(me.clone(), member);
        for id in &members {
            self.tell_member(id, &ServerMessage::PeerJoined { id: me.clone() });
        }
        self.tell_member(&me.clone(), &ServerMessage::Joined { me, members, ice: IceConfig::default() });
    }

    fn server_left(&mut self, id: &MemberId, reason: LeftReason) {
        self.members.remove(id);
        let others: Vec<MemberId> = self.members.keys().cloned().collect();
        for other in others {
            self.tell_member(&other, &ServerMessage::PeerLeft { id: id.clone(), reason });
        }
    }

    /// A caller's program dies: no goodbye.
    pub(crate) fn crash(&mut self, index: usize) {
        self.callers[index].alive = false;
        let socket = self.callers[index].socket;
        self.callers[index].rtc.clear();
        for member in self.members.values_mut().filter(|member| member.caller == Some((index, socket))) {
            member.caller = None;
            member.since = self.now;
        }
    }

    // ---- peer connections

    fn rtc_command(&mut self, index: usize, session: SessionId, command: RtcCommand) {
        let soon = Duration::from_millis(5);
        let caller = &mut self.callers[index];
        let name = |kind: &str, generation: u32| format!("{kind}-{generation}");
        match command {
            RtcCommand::Open { .. } => {
                caller.opened += 1;
                caller.rtc.insert(session, Rtc::default());
            }
            RtcCommand::Offer { restart } => {
                let Some(rtc) = caller.rtc.get_mut(&session) else { return };
                if restart {
                    *rtc = Rtc { generation: rtc.generation + 1, connected: rtc.connected, ..Rtc::default() };
                }
                let offer = RtcInput::Offer(name("offer", rtc.generation));
                let candidate = RtcInput::Candidate(name("candidate", rtc.generation));
                self.later(soon, What::ToCall(index, Input::Rtc { session: session.clone(), input: offer }));
                self.later(soon, What::ToCall(index, Input::Rtc { session, input: candidate }));
            }
            RtcCommand::AcceptOffer(_) if self.refuse_offers => {
                self.later(soon, What::ToCall(index, Input::Rtc { session, input: RtcInput::Error }));
            }
            RtcCommand::AcceptOffer(sdp) => {
                let generation = sdp.rsplit('-').next().and_then(|n| n.parse().ok()).expect("an offer of this rig");
                let Some(rtc) = caller.rtc.get_mut(&session) else { return };
                *rtc = Rtc { generation, remote_description: true, connected: rtc.connected, ..Rtc::default() };
                let answer = RtcInput::Answer(name("answer", generation));
                let candidate = RtcInput::Candidate(name("candidate", generation));
                self.later(soon, What::ToCall(index, Input::Rtc { session: session.clone(), input: answer }));
                self.later(soon, What::ToCall(index, Input::Rtc { session, input: candidate }));
            }
            RtcCommand::AcceptAnswer(_) => {
                if let Some(rtc) = caller.rtc.get_mut(&session) {
                    rtc.remote_description = true;
                    self.later(soon, What::Path(session));
                }
            }
            RtcCommand::AddCandidate(candidate) => {
                let Some(rtc) = caller.rtc.get_mut(&session) else { return };
                // ICE itself drops what belongs to old credentials: a restart may have been asked for a moment ago.
                if candidate != name("candidate", rtc.generation) {
                    return;
                }
                rtc.remote_candidates += 1;
                self.later(soon, What::Path(session));
            }
            RtcCommand::Close => {
                caller.rtc.remove(&session);
                self.tell_other_ends(index, &session, &RtcInput::RemoteBye);
            }
        }
    }

    fn tell_other_ends(&mut self, index: usize, session: &SessionId, input: &RtcInput) {
        for other in (0..self.callers.len()).filter(|other| *other != index) {
            let connected = self.callers[other].rtc.get(session).is_some_and(|rtc| rtc.connected);
            if connected && self.udp_up && matches!(input, RtcInput::RemoteBye) {
                self.later(
                    self.latency,
                    What::ToCall(other, Input::Rtc { session: session.clone(), input: RtcInput::RemoteBye }),
                );
            }
        }
    }

    /// Connects the ends of a session if both are ready for it.
    fn try_path(&mut self, session: &SessionId) {
        let ready = |rtc: &Rtc| rtc.remote_description && rtc.remote_candidates > 0;
        let ends: Vec<usize> =
            (0..self.callers.len()).filter(|i| self.callers[*i].rtc.get(session).is_some_and(ready)).collect();
        let generations: Vec<u32> = ends.iter().map(|i| self.callers[*i].rtc[session].generation).collect();
        if self.udp_up && ends.len() == 2 && generations[0] == generations[1] {
            for index in ends {
                let rtc = self.callers[index].rtc.get_mut(session).expect("just found");
                if !rtc.connected {
                    rtc.connected = true;
                    let input = Input::Rtc { session: session.clone(), input: RtcInput::Connected };
                    self.later(self.latency, What::ToCall(index, input));
                }
            }
        }
    }

    /// Media stops, and the ends in `noticing` notice.
    pub(crate) fn block_udp(&mut self, noticing: &[usize]) {
        self.udp_up = false;
        for index in noticing {
            let sessions: Vec<SessionId> = self.callers[*index].rtc.keys().cloned().collect();
            for session in sessions {
                self.callers[*index].rtc.get_mut(&session).expect("listed").connected = false;
                self.input(*index, Input::Rtc { session, input: RtcInput::Disconnected });
            }
        }
    }

    // ---- time

    /// Moves the clock, through every event and timer on the way.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let event = self.queue.peek().map(|event| event.at);
            let timer = self.callers.iter().filter(|c| c.alive).filter_map(|c| c.call.poll_timeout()).min();
            let gone = self.members.values().filter(|m| m.caller.is_none()).map(|m| m.since + RESUME_WINDOW).min();
            let Some(next) = [event, timer, gone].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if event == Some(next) {
                self.pop();
            } else if gone == Some(next) {
                let id = self.members.iter().find(|(_, m)| m.caller.is_none() && m.since + RESUME_WINDOW <= self.now);
                if let Some(id) = id.map(|(id, _)| id.clone()) {
                    self.server_left(&id, LeftReason::Gone);
                }
            } else {
                for index in 0..self.callers.len() {
                    if self.callers[index].call.poll_timeout().is_some_and(|at| at <= self.now) {
                        self.input(index, Input::Timeout);
                        let again = self.callers[index].call.poll_timeout();
                        assert!(again.is_none_or(|at| at > self.now), "a timer that was served stays due: {again:?}");
                    }
                }
            }
        }
        self.now = end;
    }

    fn pop(&mut self) {
        let Some(event) = self.queue.pop() else { return };
        match event.what {
            What::ToCall(index, input) => {
                if matches!(input, Input::Socket(_)) && !self.callers[index].socket_open {
                    return;
                }
                self.input(index, input);
            }
            What::ToServer(index, socket, frame) => {
                if self.server_up && self.callers[index].alive && socket == self.callers[index].socket {
                    self.server_frame(index, socket, &frame);
                }
            }
            What::SocketOpen(index, socket) => {
                if socket != self.callers[index].socket {
                    return;
                }
                self.callers[index].socket_open = self.server_up;
                let input = if self.server_up { SocketInput::Opened } else { SocketInput::Closed };
                self.input(index, Input::Socket(input));
            }
            What::Path(session) => self.try_path(&session),
        }
    }

    pub(crate) fn state(&self, index: usize) -> State {
        self.callers[index].call.state()
    }

    pub(crate) fn in_call(&self, index: usize) -> bool {
        matches!(self.state(index), State::InCall(in_call) if in_call.outage_since.is_none())
    }
}
