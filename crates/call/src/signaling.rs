//! Our place in a room of the signaling server: greeting, joining, sealing, acknowledging, resuming.
//!
//! ```text
//!             Opened            welcome            joined
//! Connecting --------> Greeting -------> Joining --------> Joined
//!   ^   |                 |    welcome.resumed      |         ^ |
//!   |   |                 +-----------------------------------+ |
//!   |   +-- Closed ---+   | Closed, no answer in time           | Closed
//!   |                 v   v                                     v
//!   +-- time ------- Pausing <----------------------------------+
//!
//! any --leave--> Left        Greeting/Joining --refused--> Left
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use eyeline_protocol::inner::Inner;
use eyeline_protocol::{
    ClientMessage, ErrorCode, IceConfig, MemberId, ResumeToken, RoomId, ServerMessage, VERSION, wire,
};
use eyeline_seal::{RoomKeys, Sealer};

use crate::output::SocketCommand;

/// How long the server may take for each answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// First pause before connecting again; doubles each time.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause before connecting again.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// A server that was never reached counts as unreachable after this long.
const GIVE_UP: Duration = Duration::from_secs(6);
/// Messages kept per recipient to send again after a resume. More than the server can have missed: it takes them as they
/// come, so only those in flight when the socket broke are lost. The oldest goes when full.
const RESEND_MAX: usize = 64;
/// A member that vanished from the room is remembered by at most this many last sequence numbers; the map is cleared when
/// a hostile server exceeds it.
const SENDERS_MAX: usize = 64;

/// What came of it.
#[derive(Debug)]
pub enum SignalingEvent {
    /// We are in the room.
    Joined {
        /// Our id.
        me: MemberId,
        /// The others.
        members: Vec<MemberId>,
        /// Relays and STUN servers.
        ice: IceConfig,
    },
    /// We are in the room again under the same id; nothing was missed.
    Resumed {
        /// The others, as they are now.
        members: Vec<MemberId>,
    },
    /// Somebody came.
    PeerJoined(MemberId),
    /// Somebody left for good.
    PeerLeft(MemberId),
    /// A message.
    Message {
        /// Of whom.
        from: MemberId,
        /// What it says.
        inner: Inner,
    },
    /// A message that could not be opened or understood.
    Unreadable(MemberId),
    /// The socket is gone; it is being opened again.
    Offline,
    /// The server was never reached.
    Unreachable,
    /// The server does not want us.
    Refused(ErrorCode),
}

#[derive(Debug)]
enum State {
    Connecting { until: Instant },
    Greeting { until: Instant },
    Joining { until: Instant },
    Joined,
    Pausing { until: Instant },
    Left,
}

#[derive(Debug, Default)]
struct Outgoing {
    last: u64,
    resend: VecDeque<(u64, String)>,
}

/// Distinct nonces: 16 random bytes drawn once, then a counter.
struct Nonces {
    prefix: [u8; 16],
    count: u64,
}

impl Nonces {
    fn next(&mut self) -> [u8; 24] {
        self.count += 1;
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.prefix);
        nonce[16..].copy_from_slice(&self.count.to_be_bytes());
        nonce
    }
}

/// A place in a room, or the way to one.
pub struct Signaling {
    state: State,
    started: Instant,
    room: RoomId,
    sealer: Sealer,
    nonces: Nonces,
    me: Option<MemberId>,
    resume: Option<ResumeToken>,
    failures: u32,
    retry_after: Option<Duration>,
    outgoing: BTreeMap<MemberId, Outgoing>,
    seen: BTreeMap<MemberId, u64>,
    commands: VecDeque<SocketCommand>,
    events: VecDeque<SignalingEvent>,
}

impl fmt::Debug for Signaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signaling").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Signaling {
    /// Starts at once to connect to the room of `keys`. `nonce_prefix` must be fresh random bytes.
    #[must_use]
    pub fn new(now: Instant, keys: &RoomKeys, nonce_prefix: [u8; 16]) -> Self {
        Self {
            state: State::Connecting { until: now + ANSWER_TIMEOUT },
            started: now,
            room: keys.room_id,
            sealer: Sealer::new(keys),
            nonces: Nonces { prefix: nonce_prefix, count: 0 },
            me: None,
            resume: None,
            failures: 0,
            retry_after: None,
            outgoing: BTreeMap::new(),
            seen: BTreeMap::new(),
            commands: VecDeque::from([SocketCommand::Connect]),
            events: VecDeque::new(),
        }
    }

    /// Our id in the room, once we were in.
    #[must_use]
    pub fn me(&self) -> Option<&MemberId> {
        self.me.as_ref()
    }

    /// Whether messages leave right now. Those sent while not are kept for the resume.
    #[must_use]
    pub fn online(&self) -> bool {
        matches!(self.state, State::Joined)
    }

    /// Next thing for the socket.
    pub fn poll_command(&mut self) -> Option<SocketCommand> {
        self.commands.pop_front()
    }

    /// Next thing that happened.
    pub fn poll_event(&mut self) -> Option<SignalingEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting { until }
            | State::Greeting { until }
            | State::Joining { until }
            | State::Pausing { until } => Some(*until),
            State::Joined | State::Left => None,
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Pausing { until } if now >= *until => {
                self.state = State::Connecting { until: now + ANSWER_TIMEOUT };
                self.commands.push_back(SocketCommand::Connect);
            }
            State::Connecting { until } | State::Greeting { until } | State::Joining { until } if now >= *until => {
                self.commands.push_back(SocketCommand::Close);
                self.handle_closed(now);
            }
            State::Connecting { .. }
            | State::Greeting { .. }
            | State::Joining { .. }
            | State::Pausing { .. }
            | State::Joined
            | State::Left => {}
        }
    }

    /// The socket is open.
    pub fn handle_opened(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting { .. }) {
            self.state = State::Greeting { until: now + ANSWER_TIMEOUT };
            self.send_frame(&ClientMessage::Hello { v: VERSION, resume: self.resume.clone() });
        }
    }

    /// The socket is gone.
    pub fn handle_closed(&mut self, now: Instant) {
        match self.state {
            State::Left | State::Pausing { .. } => return,
            State::Joined => self.events.push_back(SignalingEvent::Offline),
            State::Connecting { .. } | State::Greeting { .. } | State::Joining { .. } => {}
        }
        let never_joined = self.me.is_none();
        if never_joined && now.saturating_duration_since(self.started) >= GIVE_UP {
            self.state = State::Left;
            self.events.push_back(SignalingEvent::Unreachable);
            return;
        }
        let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures += 1;
        self.state = State::Pausing { until: now + self.retry_after.take().unwrap_or(pause) };
    }

    /// A text frame came. Bytes that are no message are ignored: the server is not trusted to be sane.
    pub fn handle_frame(&mut self, now: Instant, frame: &str) {
        if let Ok(message) = wire::decode_server(frame) {
            self.handle_message(now, message);
        }
    }

    /// Seals `inner` and sends it to a member; kept for the resume while offline. Nothing happens before we joined.
    pub fn send(&mut self, to: &MemberId, inner: &Inner) {
        let Some(me) = &self.me else { return };
        let outgoing = self.outgoing.entry(to.clone()).or_default();
        let seq = outgoing.last + 1;
        let Ok(body) = self.sealer.seal(me, to, seq, &inner.encode(), self.nonces.next()) else { return };
        outgoing.last = seq;
        if outgoing.resend.len() == RESEND_MAX {
            outgoing.resend.pop_front();
        }
        let frame = wire::encode(&ClientMessage::Send { to: to.clone(), seq, body });
        outgoing.resend.push_back((seq, frame.clone()));
        if self.online() {
            self.commands.push_back(SocketCommand::Send(frame));
        }
    }

    /// Leaves the room and closes the socket, after what was sent before.
    pub fn leave(&mut self) {
        match self.state {
            State::Left => return,
            State::Joined | State::Joining { .. } => self.send_frame(&ClientMessage::Bye),
            State::Connecting { .. } | State::Greeting { .. } | State::Pausing { .. } => {}
        }
        self.state = State::Left;
        self.commands.push_back(SocketCommand::Close);
    }

    fn handle_message(&mut self, now: Instant, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { resume_token, resumed, .. } => self.handle_welcome(now, resume_token, resumed),
            ServerMessage::Joined { me, members, ice } => self.handle_joined(me, members, ice),
            ServerMessage::PeerJoined { id } => self.events.push_back(SignalingEvent::PeerJoined(id)),
            ServerMessage::PeerLeft { id, .. } | ServerMessage::Undeliverable { to: id, .. } => self.handle_left(id),
            ServerMessage::From { from, seq, body } => self.handle_from(from, seq, &body),
            ServerMessage::GoingAway { retry_after_ms } => self.retry_after = Some(retry_delay(retry_after_ms)),
            ServerMessage::Error { code, retry_after_ms, .. } => self.handle_error(code, retry_after_ms),
        }
    }

    fn handle_welcome(&mut self, now: Instant, token: ResumeToken, resumed: Option<eyeline_protocol::Resumed>) {
        if !matches!(self.state, State::Greeting { .. }) {
            return;
        }
        let asked = self.resume.replace(token).is_some();
        match resumed {
            Some(resumed) if asked && self.me.as_ref() == Some(&resumed.me) => {
                self.state = State::Joined;
                self.failures = 0;
                for (to, outgoing) in &mut self.outgoing {
                    let taken = resumed.received.get(to).copied().unwrap_or(0);
                    outgoing.resend.retain(|(seq, _)| *seq > taken);
                    self.commands.extend(outgoing.resend.iter().map(|(_, frame)| SocketCommand::Send(frame.clone())));
                }
                self.events.push_back(SignalingEvent::Resumed { members: resumed.members });
            }
            Some(_) | None => {
                self.state = State::Joining { until: now + ANSWER_TIMEOUT };
                let join = ClientMessage::Join { room_id: self.room };
                self.send_frame(&join);
            }
        }
    }

    fn handle_joined(&mut self, me: MemberId, members: Vec<MemberId>, ice: IceConfig) {
        if !matches!(self.state, State::Joining { .. }) {
            return;
        }
        self.state = State::Joined;
        self.failures = 0;
        // Ids and counts of an earlier stay mean nothing to this server.
        self.outgoing.clear();
        self.seen.clear();
        self.me = Some(me.clone());
        self.events.push_back(SignalingEvent::Joined { me, members, ice });
    }

    fn handle_left(&mut self, id: MemberId) {
        self.outgoing.remove(&id);
        self.seen.remove(&id);
        self.events.push_back(SignalingEvent::PeerLeft(id));
    }

    fn handle_from(&mut self, from: MemberId, seq: u64, body: &str) {
        let Some(me) = self.me.clone() else { return };
        self.send_frame(&ClientMessage::Ack { from: from.clone(), seq });
        if self.seen.get(&from).is_some_and(|last| seq <= *last) {
            return;
        }
        if self.seen.len() >= SENDERS_MAX {
            self.seen.clear();
        }
        let Ok(plain) = self.sealer.open(&from, &me, seq, body) else {
            self.events.push_back(SignalingEvent::Unreadable(from));
            return;
        };
        // Counted only once it proved genuine, so that a forged number cannot shut out the real messages.
        self.seen.insert(from.clone(), seq);
        self.events.push_back(match Inner::decode(&plain) {
            Ok(inner) => SignalingEvent::Message { from, inner },
            Err(_) => SignalingEvent::Unreadable(from),
        });
    }

    fn handle_error(&mut self, code: ErrorCode, retry_after_ms: Option<u64>) {
        self.retry_after = retry_after_ms.map(retry_delay).or(self.retry_after);
        let entering = matches!(self.state, State::Greeting { .. } | State::Joining { .. });
        // Where waiting helps, the server says how long; where it does not say, it will answer the same again.
        if entering && retry_after_ms.is_none() && self.me.is_none() {
            self.state = State::Left;
            self.commands.push_back(SocketCommand::Close);
            self.events.push_back(SignalingEvent::Refused(code));
        }
    }

    fn send_frame(&mut self, message: &ClientMessage) {
        self.commands.push_back(SocketCommand::Send(wire::encode(message)));
    }
}

/// A wait asked for by the server, within reason.
fn retry_delay(ms: u64) -> Duration {
    Duration::from_millis(ms).min(Duration::from_secs(60))
}
