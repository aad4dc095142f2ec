//! One socket: its greeting, its place, its end.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use eyeline_protocol::{ErrorCode, FEATURE_CODES, FEATURE_INBOX, ResumeToken, Resumed, ServerMessage, VERSION, limits};
use sha2::{Digest as _, Sha256};

use super::{CloseReason, ConnId, Entropy, Origin, Output, Place, Rooms, Timer};

pub(super) type TokenHash = [u8; 32];

pub(super) struct Conn {
    pub(super) origin: Origin,
    /// In logs of both sides.
    name: String,
    /// As the client knows it: after a resume that of the first socket.
    pub(super) token: ResumeToken,
    /// How many more nameplates it may open.
    pub(super) codes_left: u32,
    pub(super) stage: Stage,
}

#[derive(Clone)]
pub(super) enum Stage {
    Greeting { until: Instant },
    Welcomed { until: Instant },
    Placed { place: Place },
    Reachable,
}

impl Rooms {
    /// A socket was opened; `entropy` is 32 random bytes that are used nowhere else.
    pub fn opened(&mut self, now: Instant, conn: ConnId, origin: Origin, entropy: Entropy) {
        let until = now + self.config.hello_timeout;
        self.timers.set(until, Timer::Conn(conn));
        let (token, rest) = entropy.split_at(16);
        let token = ResumeToken::from_random(std::array::from_fn(|at| token[at]));
        let name = URL_SAFE_NO_PAD.encode(&rest[..4]);
        let codes_left = limits::CODES_PER_CONNECTION;
        self.conns.insert(conn, Conn { origin, name, token, codes_left, stage: Stage::Greeting { until } });
    }

    /// A socket is gone, for whatever reason; its member or inbox may come back. Unknown sockets are ignored.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        match self.forget(conn) {
            Some(Stage::Placed { place }) => self.detach(now, place),
            Some(Stage::Reachable) => self.inboxes.closed(now, conn),
            Some(Stage::Greeting { .. } | Stage::Welcomed { .. }) | None => {}
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

    pub(super) fn hello(&mut self, now: Instant, conn: ConnId, v: u32, resume: Option<&ResumeToken>) {
        if v != VERSION {
            return self.refuse(conn, ErrorCode::BadVersion, "this server speaks version 1");
        }
        if let Some(token) = resume
            && let Some(place) = self.by_token.get(&hash(token)).cloned()
        {
            return self.resume(now, conn, token, &place);
        }
        self.unplace(now, conn);
        self.welcome(conn, None);
    }

    /// The socket has a while to ask for a place.
    pub(super) fn unplace(&mut self, now: Instant, conn: ConnId) {
        let until = now + self.config.join_timeout;
        self.restage(conn, Stage::Welcomed { until });
        self.timers.set(until, Timer::Conn(conn));
    }

    pub(super) fn welcome(&mut self, conn: ConnId, resumed: Option<Resumed>) {
        let Some(Conn { name, token, .. }) = self.conns.get(&conn) else { return };
        let message = ServerMessage::Welcome {
            conn: name.clone(),
            resume_token: token.clone(),
            resumed,
            features: vec![FEATURE_CODES.to_owned(), FEATURE_INBOX.to_owned()],
            heartbeat_s: self.config.heartbeat_s,
            limits: self.config.limits.clone(),
        };
        self.say(conn, message);
    }

    pub(super) fn conn_is_late(&mut self, conn: ConnId) {
        match self.conns.get(&conn).map(|conn| &conn.stage) {
            Some(Stage::Greeting { .. }) => self.refuse(conn, ErrorCode::HelloTimeout, "no hello in time"),
            Some(Stage::Welcomed { .. }) => self.refuse(conn, ErrorCode::JoinTimeout, "no join in time"),
            Some(Stage::Placed { .. } | Stage::Reachable) | None => {}
        }
    }

    pub(super) fn hello_repeated(&mut self, conn: ConnId) {
        self.error(conn, ErrorCode::HelloRepeated, "hello comes once per socket", None);
    }

    pub(super) fn not_joined(&mut self, conn: ConnId) {
        self.error(conn, ErrorCode::NotJoined, "join a room first", None);
    }

    pub(super) fn already_joined(&mut self, conn: ConnId) {
        self.error(conn, ErrorCode::AlreadyJoined, "this socket has a place already", None);
    }

    pub(super) fn say(&mut self, conn: ConnId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { conn, message, replay: false });
    }

    pub(super) fn error(&mut self, conn: ConnId, code: ErrorCode, message: &str, retry_after_ms: Option<u64>) {
        self.say(conn, ServerMessage::Error { code, message: message.to_owned(), retry_after_ms });
    }

    pub(super) fn refuse(&mut self, conn: ConnId, code: ErrorCode, message: &str) {
        self.error(conn, code, message, None);
        self.close(conn, CloseReason::Policy);
    }

    /// Closes a socket and forgets it; what it was in is the caller's to deal with.
    pub(super) fn close(&mut self, conn: ConnId, why: CloseReason) {
        self.forget(conn);
        self.outputs.push_back(Output::Close { conn, why });
    }

    fn forget(&mut self, conn: ConnId) -> Option<Stage> {
        let stage = self.conns.remove(&conn)?.stage;
        self.cancel_stage(conn, &stage);
        Some(stage)
    }

    /// Moves a socket to its next stage; nothing if it is closed.
    pub(super) fn restage(&mut self, conn: ConnId, stage: Stage) {
        let Some(entry) = self.conns.get_mut(&conn) else { return };
        let old = std::mem::replace(&mut entry.stage, stage);
        self.cancel_stage(conn, &old);
    }

    fn cancel_stage(&mut self, conn: ConnId, stage: &Stage) {
        match stage {
            Stage::Greeting { until } | Stage::Welcomed { until } => self.timers.cancel(*until, Timer::Conn(conn)),
            Stage::Placed { .. } | Stage::Reachable => {}
        }
    }
}

pub(super) fn hash(token: &ResumeToken) -> TokenHash {
    Sha256::digest(token.as_str()).into()
}
