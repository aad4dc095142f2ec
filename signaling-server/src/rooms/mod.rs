//! Rooms, members and what passes between them, without sockets and without a clock: the driver hands in what came and
//! what time it is, and takes the [`Output`]s.
//!
//! ```text
//! socket:  Greeting --hello--> Welcomed --join--> Placed --bye--> closed
//!              |                   |  ^  --code_open, code_claim--> Placed
//!              |                   |  `------code_close, code expired--'
//!              |                   `--inbox_open, ring, watch--> Reachable --bye--> closed
//!              |   `--hello{resume}, token known--> Placed
//!              `-- 2 s: hello_timeout  `-- 10 s: join_timeout
//!
//! member:  Attached --socket closes--> Detached --60 s--> gone (peer_left{gone})
//!              ^-----hello{resume}--------'
//!              `-- bye: gone at once (peer_left{bye}); letters full: gone at once, in either state
//! ```
//!
//! A room is there as long as it has members, also detached ones; so it outlives its last socket by 60 s. After that it
//! holds nothing that could be kept: who joins the same id later finds an empty room either way. Two who meet at a
//! nameplate are in a room too, one that has no id and that nobody else can enter.

mod conns;
mod letters;
mod members;
mod output;
mod reach;
mod rendezvous;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, ErrorCode, LeftReason, Limits, MemberId, RoomId, limits};

pub use self::output::{CloseReason, ConnId, IceFor, Output};
pub use crate::codes::Origin;
pub use crate::dice::Seed;

use self::conns::{Conn, Stage, TokenHash};
use self::members::Member;
use self::rendezvous::Rendezvous;
use crate::codes::{Claims, Nameplates, RendezvousId};
use crate::dice::Dice;
use crate::inboxes::{Inboxes, InboxesConfig, NewRing};
use crate::timers::Timers;

/// Inboxes and the tokens that may ring them, in all; about 100 bytes each.
const GRANTS_MAX: usize = 1_000_000;
/// What all sockets watch, in all; about 200 bytes each.
const WATCHED_MAX: usize = 500_000;

/// What the rooms are set up with.
#[derive(Debug, Clone)]
pub struct RoomsConfig {
    /// Members per room, at most [`limits::ROOM_MEMBERS_MAX`].
    pub room_members: usize,
    /// Members in all rooms together; one more is refused with `server_full`.
    pub members_max: usize,
    /// How long a member without a socket keeps its place, and an inbox without one stays open.
    pub resume_window: Duration,
    /// From an open socket to `hello`.
    pub hello_timeout: Duration,
    /// From `welcome` to `join`.
    pub join_timeout: Duration,
    /// How long a nameplate waits to be claimed.
    pub code_ttl: Duration,
    /// Claims in vain per address and [`RoomsConfig::claim_window`].
    pub claims_max: usize,
    /// How long a claim in vain counts.
    pub claim_window: Duration,
    /// How long a ring waits for its answer.
    pub ring_ttl: Duration,
    /// What `welcome` says about pings, in seconds.
    pub heartbeat_s: u32,
    /// What `welcome` says about limits.
    pub limits: Limits,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        Self {
            room_members: limits::ROOM_MEMBERS,
            members_max: 10_000,
            resume_window: limits::RESUME_WINDOW,
            hello_timeout: limits::HELLO_TIMEOUT,
            join_timeout: limits::JOIN_TIMEOUT,
            code_ttl: limits::CODE_TTL,
            claims_max: limits::CLAIMS_MAX,
            claim_window: limits::CLAIM_WINDOW,
            ring_ttl: limits::RING_TTL,
            heartbeat_s: u32::try_from(limits::HEARTBEAT.as_secs()).expect("20 s"),
            limits: Limits::default(),
        }
    }
}

/// Random bytes for one socket: its resume token and its name in logs come of them.
pub type Entropy = [u8; 32];

/// All rooms of a server, and what else its sockets may be in.
pub struct Rooms {
    config: RoomsConfig,
    dice: Dice,
    conns: HashMap<ConnId, Conn>,
    rooms: HashMap<RoomKey, BTreeMap<MemberId, Member>>,
    /// By the hash of the resume token, so that a look at memory does not give one away.
    by_token: HashMap<TokenHash, Place>,
    nameplates: Nameplates,
    claims: Claims,
    rendezvous: HashMap<RendezvousId, Rendezvous>,
    next_rendezvous: u64,
    inboxes: Inboxes,
    timers: Timers<Timer>,
    outputs: VecDeque<Output>,
}

/// Which room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum RoomKey {
    /// That of an invitation link: whoever knows the id enters.
    Linked(RoomId),
    /// That of two who meet at a nameplate: entered through it only.
    Rendezvous(RendezvousId),
}

/// Where a member is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    room: RoomKey,
    member: MemberId,
}

/// What a timer is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// `hello` or `join` is late.
    Conn(ConnId),
    /// A detached member's window is over.
    Member(Place),
    /// Nobody claimed a nameplate.
    Rendezvous(RendezvousId),
}

impl Rooms {
    /// No rooms yet. Member ids, nameplates and the like are drawn from the seed.
    #[must_use]
    pub fn new(config: RoomsConfig, seed: Seed) -> Self {
        let mut dice = Dice::new(seed);
        let inboxes = InboxesConfig {
            hold: config.resume_window,
            ring_ttl: config.ring_ttl,
            grants_max: GRANTS_MAX,
            watched_max: WATCHED_MAX,
        };
        Self {
            inboxes: Inboxes::new(inboxes, dice.bytes()),
            nameplates: Nameplates::new(limits::NAMEPLATE_REST),
            claims: Claims::new(config.claims_max, config.claim_window),
            config,
            dice,
            conns: HashMap::new(),
            rooms: HashMap::new(),
            by_token: HashMap::new(),
            rendezvous: HashMap::new(),
            next_rendezvous: 0,
            timers: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Other limits from now on. Who is in a room stays there; what inboxes and nameplates were set up with stays as it was.
    pub fn reconfigure(&mut self, config: RoomsConfig) {
        self.config = config;
    }

    /// A client said something. Unknown sockets are ignored: they were closed already.
    pub fn handle(&mut self, now: Instant, conn: ConnId, message: ClientMessage) {
        let Some(stage) = self.conns.get(&conn).map(|conn| conn.stage.clone()) else { return };
        match stage {
            Stage::Greeting { .. } => self.handle_greeting(now, conn, message),
            Stage::Welcomed { .. } => self.handle_welcomed(now, conn, message),
            Stage::Placed { place } => self.handle_placed(now, conn, &place, message),
            Stage::Reachable => self.handle_reachable(now, conn, message),
        }
    }

    fn handle_greeting(&mut self, now: Instant, conn: ConnId, message: ClientMessage) {
        match message {
            ClientMessage::Hello { v, resume } => self.hello(now, conn, v, resume.as_ref()),
            ClientMessage::Join { .. }
            | ClientMessage::Send { .. }
            | ClientMessage::Ack { .. }
            | ClientMessage::CodeOpen
            | ClientMessage::CodeClaim { .. }
            | ClientMessage::CodeClose { .. }
            | ClientMessage::InboxOpen { .. }
            | ClientMessage::Ring { .. }
            | ClientMessage::RingReply { .. }
            | ClientMessage::RingCancel { .. }
            | ClientMessage::Watch { .. }
            | ClientMessage::IceRefresh
            | ClientMessage::Bye => self.refuse(conn, ErrorCode::HelloExpected, "the first message is hello"),
        }
    }

    fn handle_welcomed(&mut self, now: Instant, conn: ConnId, message: ClientMessage) {
        match message {
            ClientMessage::Hello { .. } => self.hello_repeated(conn),
            ClientMessage::Join { room_id } => self.join(conn, room_id),
            ClientMessage::Send { .. } | ClientMessage::Ack { .. } | ClientMessage::IceRefresh => self.not_joined(conn),
            ClientMessage::CodeOpen => self.code_open(now, conn),
            ClientMessage::CodeClaim { nameplate } => self.code_claim(now, conn, nameplate),
            // It may have crossed the end of the code. Who has no inbox has no ring to answer and none to take back.
            ClientMessage::CodeClose { .. } | ClientMessage::RingReply { .. } | ClientMessage::RingCancel { .. } => {}
            ClientMessage::InboxOpen { inbox_id, proof, tokens } => {
                self.inbox_open(now, conn, inbox_id, &proof, &tokens);
            }
            ClientMessage::Ring { ring_id, inbox_id, token, body } => {
                self.ring(now, conn, NewRing { ring_id, inbox_id, token, body });
            }
            ClientMessage::Watch { contacts } => self.watch(now, conn, &contacts),
            ClientMessage::Bye => self.close(conn, CloseReason::Bye),
        }
    }

    fn handle_placed(&mut self, now: Instant, conn: ConnId, place: &Place, message: ClientMessage) {
        match message {
            ClientMessage::Hello { .. } => self.hello_repeated(conn),
            ClientMessage::Send { to, seq, body } => self.send(now, conn, place, to, seq, body),
            ClientMessage::Ack { from, seq } => self.acknowledge(place, &from, seq),
            ClientMessage::CodeClose { met } => self.code_close(now, conn, place, met),
            ClientMessage::IceRefresh => self.refresh_ice(conn, place),
            ClientMessage::RingReply { .. } | ClientMessage::RingCancel { .. } => {}
            ClientMessage::Join { .. }
            | ClientMessage::CodeOpen
            | ClientMessage::CodeClaim { .. }
            | ClientMessage::InboxOpen { .. }
            | ClientMessage::Ring { .. }
            | ClientMessage::Watch { .. } => self.already_joined(conn),
            ClientMessage::Bye => {
                self.close(conn, CloseReason::Bye);
                self.remove(now, place, LeftReason::Bye);
            }
        }
    }

    fn handle_reachable(&mut self, now: Instant, conn: ConnId, message: ClientMessage) {
        match message {
            ClientMessage::Hello { .. } => self.hello_repeated(conn),
            ClientMessage::Join { .. } | ClientMessage::CodeOpen | ClientMessage::CodeClaim { .. } => {
                self.already_joined(conn);
            }
            ClientMessage::Send { .. } | ClientMessage::Ack { .. } | ClientMessage::IceRefresh => self.not_joined(conn),
            ClientMessage::CodeClose { .. } => {}
            ClientMessage::InboxOpen { inbox_id, proof, tokens } => {
                self.inbox_open(now, conn, inbox_id, &proof, &tokens);
            }
            ClientMessage::Ring { ring_id, inbox_id, token, body } => {
                self.ring(now, conn, NewRing { ring_id, inbox_id, token, body });
            }
            ClientMessage::RingReply { ring_ref, body } => self.inboxes.reply(conn, &ring_ref, body),
            ClientMessage::RingCancel { ring_id } => self.inboxes.cancel(conn, &ring_id),
            ClientMessage::Watch { contacts } => self.watch(now, conn, &contacts),
            ClientMessage::Bye => {
                self.inboxes.left(conn);
                // Who rang itself is told of the end of that before the socket closes.
                while let Some(output) = self.inboxes.poll_output() {
                    self.outputs.push_back(output);
                }
                self.close(conn, CloseReason::Bye);
            }
        }
    }

    /// When [`Rooms::handle_timeout`] is next needed.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.inboxes.next_timeout()].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Conn(conn) => self.conn_is_late(conn),
                Timer::Member(place) => self.remove(now, &place, LeftReason::Gone),
                Timer::Rendezvous(id) => self.code_expired(now, id),
            }
        }
        self.inboxes.handle_timeout(now);
    }

    /// What is to be done next; to be called until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.inboxes.poll_output())
    }

    /// How many rooms there are, those of two who meet at a nameplate included.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many members there are, detached ones included.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.by_token.len()
    }
}
