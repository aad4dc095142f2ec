//! Rooms, members and what passes between them, without sockets and without a clock: the driver hands in what came and
//! what time it is, and takes the [`Output`]s.
//!
//! ```text
//! socket:  Greeting --hello--> Welcomed --join--> Joined --bye--> closed
//!              |   `--hello{resume}, token known--------^
//!              `-- 2 s: hello_timeout  `-- 10 s: join_timeout
//!
//! member:  Attached --socket closes--> Detached --60 s--> gone (peer_left{gone})
//!              ^-----hello{resume}--------'
//!              `-- bye: gone at once (peer_left{bye}); inbox full: gone at once, in either state
//! ```
//!
//! A room is there as long as it has members, also detached ones; so it outlives its last socket by 60 s. After that it
//! holds nothing that could be kept: who joins the same id later finds an empty room either way.

mod inbox;
mod members;
mod output;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use eyeline_protocol::{
    ClientMessage, ErrorCode, LeftReason, Limits, MemberId, ResumeToken, Resumed, RoomId, ServerMessage, VERSION,
    limits,
};
use sha2::{Digest as _, Sha256};

pub use self::output::{CloseReason, ConnId, Output};

use self::members::Member;
use self::timers::{Timer, Timers};

/// What the rooms are set up with.
#[derive(Debug, Clone)]
pub struct RoomsConfig {
    /// Members per room, at most [`limits::ROOM_MEMBERS_MAX`].
    pub room_members: usize,
    /// Members in all rooms together; one more is refused with `server_full`.
    pub members_max: usize,
    /// How long a member without a socket keeps its place.
    pub resume_window: Duration,
    /// From an open socket to `hello`.
    pub hello_timeout: Duration,
    /// From `welcome` to `join`.
    pub join_timeout: Duration,
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
            heartbeat_s: u32::try_from(limits::HEARTBEAT.as_secs()).expect("20 s"),
            limits: Limits::default(),
        }
    }
}

/// Random bytes for one socket: its resume token, its member id and its name in logs come of them.
pub type Entropy = [u8; 32];

/// All rooms of a server.
pub struct Rooms {
    config: RoomsConfig,
    conns: HashMap<ConnId, Conn>,
    rooms: HashMap<RoomId, BTreeMap<MemberId, Member>>,
    /// By the hash of the resume token, so that a look at memory does not give one away.
    by_token: HashMap<TokenHash, Place>,
    timers: Timers,
    outputs: VecDeque<Output>,
}

type TokenHash = [u8; 32];

/// Where a member is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    room: RoomId,
    member: MemberId,
}

struct Conn {
    entropy: Entropy,
    stage: Stage,
}

#[derive(Clone)]
enum Stage {
    Greeting { until: Instant },
    Welcomed { until: Instant },
    Joined { place: Place },
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub fn new(config: RoomsConfig) -> Self {
        Self {
            config,
            conns: HashMap::new(),
            rooms: HashMap::new(),
            by_token: HashMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    /// A socket was opened; `entropy` is 32 random bytes that are used nowhere else.
    pub fn opened(&mut self, now: Instant, conn: ConnId, entropy: Entropy) {
        let until = now + self.config.hello_timeout;
        self.timers.set(until, Timer::Conn(conn));
        self.conns.insert(conn, Conn { entropy, stage: Stage::Greeting { until } });
    }

    /// A socket is gone, for whatever reason; its member may come back. Unknown sockets are ignored.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        match self.forget(conn) {
            Some(Stage::Joined { place }) => self.detach(now, place),
            Some(Stage::Greeting { .. } | Stage::Welcomed { .. }) | None => {}
        }
    }

    /// A client said something. Unknown sockets are ignored: they were closed already.
    pub fn handle(&mut self, now: Instant, conn: ConnId, message: ClientMessage) {
        let Some(stage) = self.conns.get(&conn).map(|conn| conn.stage.clone()) else { return };
        match (stage, message) {
            (Stage::Greeting { .. }, ClientMessage::Hello { v, resume }) => self.hello(now, conn, v, resume.as_ref()),
            (
                Stage::Greeting { .. },
                ClientMessage::Join { .. }
                | ClientMessage::Send { .. }
                | ClientMessage::Ack { .. }
                | ClientMessage::Bye,
            ) => self.refuse(conn, ErrorCode::HelloExpected, "the first message is hello"),
            (Stage::Welcomed { .. } | Stage::Joined { .. }, ClientMessage::Hello { .. }) => {
                self.error(conn, ErrorCode::HelloRepeated, "hello comes once per socket", None);
            }
            (Stage::Welcomed { .. }, ClientMessage::Join { room_id }) => self.join(conn, room_id),
            (Stage::Welcomed { .. }, ClientMessage::Send { .. } | ClientMessage::Ack { .. }) => {
                self.error(conn, ErrorCode::NotJoined, "join a room first", None);
            }
            (Stage::Welcomed { .. }, ClientMessage::Bye) => self.close(conn, CloseReason::Bye),
            (Stage::Joined { .. }, ClientMessage::Join { .. }) => {
                self.error(conn, ErrorCode::AlreadyJoined, "this socket is in a room", None);
            }
            (Stage::Joined { place }, ClientMessage::Send { to, seq, body }) => {
                self.send(conn, &place, to, seq, body);
            }
            (Stage::Joined { place }, ClientMessage::Ack { from, seq }) => {
                self.acknowledge(&place, &from, seq);
            }
            (Stage::Joined { place }, ClientMessage::Bye) => {
                self.close(conn, CloseReason::Bye);
                self.remove(&place, LeftReason::Bye);
            }
        }
    }

    /// When [`Rooms::handle_timeout`] is next needed.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Conn(conn) => match self.conns.get(&conn).map(|conn| &conn.stage) {
                    Some(Stage::Greeting { .. }) => {
                        self.refuse(conn, ErrorCode::HelloTimeout, "no hello in time");
                    }
                    Some(Stage::Welcomed { .. }) => self.refuse(conn, ErrorCode::JoinTimeout, "no join in time"),
                    Some(Stage::Joined { .. }) | None => {}
                },
                Timer::Member(place) => self.remove(&place, LeftReason::Gone),
            }
        }
    }

    /// The server stops: says `going_away` to everyone and closes every socket.
    pub fn drain(&mut self, retry_after: Duration) {
        let base_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        let mut conns: Vec<ConnId> = self.conns.keys().copied().collect();
        conns.sort_unstable();
        for (nth, conn) in (0..).zip(conns) {
            // Spread over about as long again, so that a server that starts anew is not met by all at once.
            let retry_after_ms = base_ms.saturating_add(base_ms / 16 * (nth % 16));
            self.say(conn, ServerMessage::GoingAway { retry_after_ms });
            self.close(conn, CloseReason::GoingAway);
        }
    }

    /// What is to be done next; to be called until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many rooms there are.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many members there are, detached ones included.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.by_token.len()
    }

    fn hello(&mut self, now: Instant, conn: ConnId, v: u32, resume: Option<&ResumeToken>) {
        if v != VERSION {
            return self.refuse(conn, ErrorCode::BadVersion, "this server speaks version 1");
        }
        if let Some(token) = resume
            && let Some(place) = self.by_token.get(&hash(token)).cloned()
        {
            return self.resume(conn, token, place);
        }
        let until = now + self.config.join_timeout;
        let Some(entropy) = self.restage(conn, Stage::Welcomed { until }) else { return };
        self.timers.set(until, Timer::Conn(conn));
        self.welcome(conn, &entropy, token_of(&entropy), None);
    }

    fn welcome(&mut self, conn: ConnId, entropy: &Entropy, resume_token: ResumeToken, resumed: Option<Resumed>) {
        let message = ServerMessage::Welcome {
            conn: URL_SAFE_NO_PAD.encode(&entropy[28..]),
            resume_token,
            resumed,
            features: Vec::new(),
            heartbeat_s: self.config.heartbeat_s,
            limits: self.config.limits.clone(),
        };
        self.say(conn, message);
    }

    fn say(&mut self, conn: ConnId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { conn, message, replay: false });
    }

    fn error(&mut self, conn: ConnId, code: ErrorCode, message: &str, retry_after_ms: Option<u64>) {
        self.say(conn, ServerMessage::Error { code, message: message.to_owned(), retry_after_ms });
    }

    fn refuse(&mut self, conn: ConnId, code: ErrorCode, message: &str) {
        self.error(conn, code, message, None);
        self.close(conn, CloseReason::Policy);
    }

    fn close(&mut self, conn: ConnId, why: CloseReason) {
        self.forget(conn);
        self.outputs.push_back(Output::Close { conn, why });
    }

    fn forget(&mut self, conn: ConnId) -> Option<Stage> {
        let stage = self.conns.remove(&conn)?.stage;
        self.cancel_stage(conn, &stage);
        Some(stage)
    }

    /// Moves a socket to its next stage; its entropy, or `None` if it is closed.
    fn restage(&mut self, conn: ConnId, stage: Stage) -> Option<Entropy> {
        let entry = self.conns.get_mut(&conn)?;
        let old = std::mem::replace(&mut entry.stage, stage);
        let entropy = entry.entropy;
        self.cancel_stage(conn, &old);
        Some(entropy)
    }

    fn cancel_stage(&mut self, conn: ConnId, stage: &Stage) {
        match stage {
            Stage::Greeting { until } | Stage::Welcomed { until } => self.timers.cancel(*until, Timer::Conn(conn)),
            Stage::Joined { .. } => {}
        }
    }
}

fn token_of(entropy: &Entropy) -> ResumeToken {
    let mut bits = [0; 16];
    bits.copy_from_slice(&entropy[..16]);
    ResumeToken::from_random(bits)
}

/// 96 random bits: a member that joins anew never looks like one that was there before.
fn member_of(entropy: &Entropy) -> MemberId {
    MemberId::new(URL_SAFE_NO_PAD.encode(&entropy[16..28])).expect("16 characters of base64url")
}

fn hash(token: &ResumeToken) -> TokenHash {
    Sha256::digest(token.as_str()).into()
}
