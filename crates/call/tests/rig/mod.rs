//! Calls, a signaling server and a network, all virtual: seeded latency, a clock that only this rig moves.
//!
//! Whatever a test does, the rig asserts after every input what must hold of each call: see [`World::check`].

#![allow(dead_code, unused_imports, reason = "each test target uses a part of it")]

pub(crate) mod codes;
mod peer_connection;
pub(crate) mod puppet;
pub(crate) mod rings;
mod server;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use eyeline_call::{
    Call, CallConfig, ContactMessage, Input, LocalPeer, Output, Refusal, RtcInput, SocketCommand, SocketInput, State,
};
use eyeline_protocol::inner::SessionId;
use eyeline_protocol::{IceConfig, MemberId, ServerMessage, wire};
use eyeline_seal::{Client, DeviceId, Identity, LocalCard, RoomKeys, Secret};

pub(crate) use peer_connection::{Pc, describe};
use server::Member;

/// Indices from here on are puppets.
pub(crate) const PUPPETS: usize = 100;
/// The time of day in every test.
pub(crate) const UNIX_S: u64 = 1_800_000_000;

/// When every world begins, so that two that went the same way show the same instants.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A message under way from the server.
pub(crate) struct Delivery {
    pub(crate) to: usize,
    pub(crate) after: Duration,
    pub(crate) message: ServerMessage,
}

/// What a lying server makes of a message that it should deliver.
pub(crate) type Evil = Box<dyn FnMut(Delivery) -> Vec<Delivery>>;

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
    /// Looks for paths between peer connections.
    Paths,
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

/// Who calls, and how.
#[derive(Clone, Copy)]
pub(crate) struct Who {
    /// Number of the device.
    pub(crate) device: u8,
    /// The device that it must be.
    pub(crate) pinned: Option<u8>,
    pub(crate) accepted: bool,
    pub(crate) relay_only: bool,
    /// Number of the link.
    pub(crate) link: u8,
}

impl Who {
    pub(crate) fn device(device: u8) -> Self {
        Self { device, pinned: None, accepted: true, relay_only: false, link: 5 }
    }
}

pub(crate) fn identity(device: u8) -> Arc<Identity> {
    static MADE: LazyLock<Mutex<BTreeMap<u8, Arc<Identity>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().expect("no test panics here");
    Arc::clone(made.entry(device).or_insert_with(|| Arc::new(Identity::generate([device; 64], UNIX_S))))
}

pub(crate) fn local(device: u8) -> LocalPeer {
    let card = LocalCard::new(&format!("Device {device}"), Client::Desktop, ["sas"]);
    LocalPeer { identity: identity(device), card }
}

pub(crate) fn device_id(device: u8) -> DeviceId {
    identity(device).device.id()
}

pub(crate) fn keys(link: u8) -> RoomKeys {
    RoomKeys::derive(&Secret([link; 16]))
}

pub(crate) struct Caller {
    pub(crate) call: Call,
    pub(crate) who: Who,
    accepted: bool,
    socket: u64,
    pub(crate) socket_open: bool,
    pub(crate) pcs: BTreeMap<SessionId, Pc>,
    /// Sessions ever opened.
    pub(crate) opened: usize,
    pub(crate) alive: bool,
    /// Sessions whose media gate is open.
    pub(crate) media: BTreeSet<SessionId>,
    /// How often a media gate opened.
    pub(crate) media_opened: usize,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) contacts: Vec<ContactMessage>,
    /// Descriptions and candidates of the other end.
    pub(crate) heard: Vec<String>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    order: u64,
    queue: BinaryHeap<Event>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) puppets: Vec<Vec<ServerMessage>>,
    members: BTreeMap<MemberId, Member>,
    next_id: u64,
    next_pc: u32,
    /// The server answers.
    pub(crate) server_up: bool,
    /// Media packets pass.
    pub(crate) udp_up: bool,
    pub(crate) latency: Duration,
    /// How long a peer connection takes for what it is asked.
    pub(crate) pc_time: Duration,
    /// Peer connections take no offer.
    pub(crate) refuse_offers: bool,
    pub(crate) evil: Option<Evil>,
    pub(crate) ice: IceConfig,
    /// Who asked for new ones, and when.
    pub(crate) ice_refreshes: Vec<(usize, Instant)>,
    /// With which user of the relay connections were made.
    pub(crate) opened_with: Vec<(usize, String)>,
    /// Which users of the relay connections were told later.
    pub(crate) renewed_with: Vec<(usize, String)>,
    seed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: *BEGINNING,
            order: 0,
            queue: BinaryHeap::new(),
            callers: Vec::new(),
            puppets: Vec::new(),
            members: BTreeMap::new(),
            next_id: seed % 7,
            next_pc: 0,
            server_up: true,
            udp_up: true,
            latency: Duration::from_millis(20),
            pc_time: Duration::from_millis(5),
            refuse_offers: false,
            evil: None,
            ice: IceConfig::default(),
            ice_refreshes: Vec::new(),
            opened_with: Vec::new(),
            renewed_with: Vec::new(),
            seed,
        }
    }

    pub(crate) fn random(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn random_bytes(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.random().to_le_bytes()[0])
    }

    /// Somebody opens the link, on a device that nobody else has.
    pub(crate) fn add_caller(&mut self) -> usize {
        let device = u8::try_from(self.callers.len() + 1).expect("few callers");
        self.add(Who::device(device))
    }

    pub(crate) fn add(&mut self, who: Who) -> usize {
        let config = CallConfig {
            keys: keys(who.link),
            random: self.random_bytes(),
            local: local(who.device),
            pinned: who.pinned.map(device_id),
            accepted: who.accepted,
            relay_only: who.relay_only,
        };
        self.callers.push(Caller {
            call: Call::new(self.now, config),
            who,
            accepted: who.accepted,
            socket: 0,
            socket_open: false,
            pcs: BTreeMap::new(),
            opened: 0,
            alive: true,
            media: BTreeSet::new(),
            media_opened: 0,
            refusals: Vec::new(),
            contacts: Vec::new(),
            heard: Vec::new(),
        });
        let index = self.callers.len() - 1;
        self.drain(index);
        index
    }

    fn later(&mut self, after: Duration, what: What) {
        self.order += 1;
        self.queue.push(Event { at: self.now + after, order: self.order, what });
    }

    pub(crate) fn input(&mut self, index: usize, input: Input) {
        if !self.callers[index].alive {
            return;
        }
        self.callers[index].accepted |= matches!(input, Input::Accept);
        if let Input::Rtc { session, input } = &input
            && let Some(pc) = self.callers[index].pcs.get_mut(session)
        {
            pc.note(input);
        }
        self.callers[index].call.handle(self.now, input);
        self.drain(index);
    }

    pub(crate) fn rtc_input(&mut self, index: usize, session: &SessionId, input: RtcInput) {
        self.input(index, Input::Rtc { session: session.clone(), input });
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.callers[index].call.poll_output() {
            let caller = &mut self.callers[index];
            match output {
                Output::Socket(command) => self.socket_command(index, command),
                Output::Rtc { session, command } => self.pc_command(index, session, command),
                Output::OpenMedia { session } => {
                    assert!(caller.accepted, "media before the user accepted");
                    let pc = caller.pcs.get(&session).expect("media on a connection that is open");
                    pc.assert_right();
                    caller.media_opened += 1;
                    caller.media.insert(session);
                    assert_eq!(caller.media.len(), 1, "two sessions with media");
                }
                Output::Contact(message) => caller.contacts.push(message),
                Output::Refused(refusal) => caller.refusals.push(refusal),
                Output::Changed => {}
            }
        }
        self.check(index);
    }

    /// What holds of every call at any time.
    fn check(&self, index: usize) {
        let caller = &self.callers[index];
        let state = caller.call.state();
        let over = matches!(state, State::Ended(_));
        assert_eq!(caller.call.devices_wanted(), caller.accepted && !over, "devices in {state:?}");
        assert_eq!(matches!(state, State::InCall(_)), !caller.media.is_empty(), "media in {state:?}");
        assert!(!over || caller.pcs.is_empty(), "a connection outlives its call");
        assert!(caller.pcs.len() <= 1, "two connections at a time");
        if !caller.accepted {
            assert!(matches!(state, State::Ringing | State::Ended(_)), "{state:?} without the user's word");
            assert_eq!((caller.socket, caller.opened), (0, 0), "something was done without the user's word");
        }
        let timed = caller.call.poll_timeout().is_some();
        let may_rest = match &state {
            State::Ringing | State::Waiting | State::Ended(_) => true,
            State::InCall(in_call) => in_call.outage_since.is_none(),
            State::Joining | State::Connecting => false,
        };
        assert!(timed || may_rest, "nothing ends {state:?}");
        let other = caller.media.first().and_then(|session| caller.pcs.get(session)?.other_end());
        if let Some(other) = other {
            let shown = caller.call.peer().map(|card| card.device);
            assert_eq!(shown, Some(device_id(self.callers[other].who.device)), "somebody else than the screen says");
        }
    }

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

    /// Hands a message to whom it is for, if the server is honest.
    fn deliver(&mut self, to: usize, message: ServerMessage) {
        let honest = Delivery { to, after: self.latency, message };
        let deliveries = match &mut self.evil {
            Some(evil) => evil(honest),
            None => vec![honest],
        };
        for delivery in deliveries {
            self.deliver_truly(delivery);
        }
    }

    fn deliver_truly(&mut self, Delivery { to, after, message }: Delivery) {
        if let Some(puppet) = to.checked_sub(PUPPETS) {
            self.puppets[puppet].push(message);
        } else {
            let frame = wire::encode(&message);
            self.later(after, What::ToCall(to, Input::Socket(SocketInput::Frame(frame))));
        }
    }

    /// What a lying server makes up; it arrives at once.
    pub(crate) fn forge(&mut self, to: usize, message: &ServerMessage) {
        self.input(to, Input::Socket(SocketInput::Frame(wire::encode(message))));
    }

    // ---- time

    /// Moves the clock, through every event and timer on the way.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let event = self.queue.peek().map(|event| event.at);
            let timer = self.callers.iter().filter(|c| c.alive).filter_map(|c| c.call.poll_timeout()).min();
            let gone = self.next_gone();
            let Some(next) = [event, timer, gone].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if event == Some(next) {
                self.pop();
            } else if gone == Some(next) {
                self.expire_member();
            } else {
                self.fire_timers();
            }
        }
        self.now = end;
    }

    /// Moves the clock to the next timer of a call, if there is one.
    pub(crate) fn tick(&mut self) {
        let next = self.callers.iter().filter(|c| c.alive).filter_map(|c| c.call.poll_timeout()).min();
        if let Some(next) = next {
            self.run(next.saturating_duration_since(self.now));
        }
    }

    fn fire_timers(&mut self) {
        for index in 0..self.callers.len() {
            if self.callers[index].call.poll_timeout().is_some_and(|at| at <= self.now) {
                self.input(index, Input::Timeout);
                let again = self.callers[index].call.poll_timeout();
                assert!(again.is_none_or(|at| at > self.now), "a timer that was served stays due: {again:?}");
            }
        }
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
            What::Paths => self.try_paths(),
        }
    }

    pub(crate) fn state(&self, index: usize) -> State {
        self.callers[index].call.state()
    }

    pub(crate) fn in_call(&self, index: usize) -> bool {
        matches!(self.state(index), State::InCall(in_call) if in_call.outage_since.is_none())
    }
}
