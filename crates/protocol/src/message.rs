//! The messages of the signaling socket (`docs/protocol.md`, "Messages").

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    ErrorCode, InboxId, InboxSecret, MemberId, ResumeToken, RingId, RingRef, RingToken, RoomId, TokenHash, limits,
};

/// What a client says to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message on a socket, within 2 s.
    Hello {
        /// The protocol version, [`crate::VERSION`].
        v: u32,
        /// The token of an earlier `welcome`, to take one's place in a room again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<ResumeToken>,
    },
    /// Enters a room. Once per session; not after a resume.
    Join {
        /// Which room.
        room_id: RoomId,
    },
    /// A sealed body for one member.
    Send {
        /// To whom.
        to: MemberId,
        /// Counts per sender and recipient, from 1, without gaps. One already taken is ignored.
        seq: u64,
        /// Opaque, base64, at most [`limits::BODY_CHARS_MAX`] characters.
        body: String,
    },
    /// Everything of this sender up to and including `seq` has arrived; the server forgets it.
    Ack {
        /// Whose messages.
        from: MemberId,
        /// The highest that arrived.
        seq: u64,
    },
    /// Asks for a nameplate and waits at it for one other: see [`ServerMessage::Code`].
    CodeOpen,
    /// Meets whoever waits at a nameplate. Each nameplate can be claimed once.
    CodeClaim {
        /// The number in front of the code.
        nameplate: u32,
    },
    /// Leaves the nameplate, or whom one met there. The socket may then open or claim another, or join a room.
    CodeClose {
        /// Said by the one who opened it: the other knew the code. Then the claim does not count against its address.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        met: bool,
    },
    /// Opens one's inbox, or replaces the list of who may ring it.
    InboxOpen {
        /// Which one.
        inbox_id: InboxId,
        /// That it is one's own.
        proof: InboxSecret,
        /// Who may ring, at most [`limits::INBOX_TOKENS_MAX`].
        tokens: Vec<Grant>,
    },
    /// Rings an inbox.
    Ring {
        /// The caller's name for it.
        ring_id: RingId,
        /// Whose inbox.
        inbox_id: InboxId,
        /// What its owner gave the caller.
        token: RingToken,
        /// Opaque, base64, at most [`limits::RING_BODY_CHARS_MAX`] characters.
        body: String,
    },
    /// Answers a ring, which ends it.
    RingReply {
        /// Which one.
        ring_ref: RingRef,
        /// Opaque, base64, at most [`limits::RING_BODY_CHARS_MAX`] characters.
        body: String,
    },
    /// Takes a ring back.
    RingCancel {
        /// Which one.
        ring_id: RingId,
    },
    /// Whose presence to be told of; replaces the list.
    Watch {
        /// At most [`limits::WATCH_MAX`].
        contacts: Vec<Watched>,
    },
    /// Asks for the `ice` of `joined` anew; only in a room. What was allocated at the relay with the credentials before
    /// lives on with the new ones.
    IceRefresh,
    /// Leaves the room, the nameplate or the inbox for good; the server closes the socket.
    Bye,
}

/// What one contact may do at an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Of the contact's token, which lets it ring.
    pub hash: TokenHash,
    /// Whether it is also told when the inbox is open.
    #[serde(default)]
    pub presence: bool,
}

/// An inbox to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Whose.
    pub inbox_id: InboxId,
    /// What its owner gave the watcher.
    pub token: RingToken,
}

/// What the server says to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to `hello`.
    Welcome {
        /// Names this connection in logs of both sides; says nothing else.
        conn: String,
        /// To be given in the next `hello` if the socket breaks; after a resume it is the same as before.
        resume_token: ResumeToken,
        /// Present if the resume that was asked for succeeded; absent otherwise: then `join` is next.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumed: Option<Resumed>,
        /// What this server can do beyond the base protocol; unknown names are ignored.
        #[serde(default)]
        features: Vec<String>,
        /// Seconds between the server's WebSocket pings.
        heartbeat_s: u32,
        /// This server's limits.
        #[serde(default)]
        limits: Limits,
    },
    /// The answer to `join`.
    Joined {
        /// This client.
        me: MemberId,
        /// The others, this client not among them.
        members: Vec<MemberId>,
        /// Servers for connectivity checks and relaying.
        #[serde(default)]
        ice: IceConfig,
    },
    /// The answer to `ice_refresh`.
    Ice {
        /// Servers for connectivity checks and relaying, with new credentials.
        ice: IceConfig,
    },
    /// Someone else entered the room.
    PeerJoined {
        /// Who.
        id: MemberId,
    },
    /// A body from another member. May come twice around a resume: one whose `seq` is not higher than the last seen of
    /// this sender is dropped.
    From {
        /// From whom.
        from: MemberId,
        /// As the sender counted.
        seq: u64,
        /// As the sender sealed it.
        body: String,
    },
    /// A `send` went to someone who is not (or no longer) in the room.
    Undeliverable {
        /// To whom it was.
        to: MemberId,
        /// Which one.
        seq: u64,
    },
    /// Someone left the room.
    PeerLeft {
        /// Who.
        id: MemberId,
        /// How.
        reason: LeftReason,
    },
    /// The answer to `code_open`; also told after a resume while nobody has claimed it.
    Code {
        /// The number to put in front of the code.
        nameplate: u32,
        /// Seconds for which it can be claimed, from now.
        ttl_s: u32,
    },
    /// Two met at a nameplate, which is used up: both are told, and again after a resume.
    CodeClaimed {
        /// This client.
        me: MemberId,
        /// The other.
        peer: MemberId,
    },
    /// To a claimer: nobody waits there, or too many claims failed. To who opened it: nobody came in time. The socket is
    /// in no place then.
    CodeFailed,
    /// The inbox is open, with the list as given.
    InboxOpened,
    /// Another socket opened this inbox; this one closes.
    InboxTaken,
    /// Someone rings. Comes again, with the same `ring_ref`, when an inbox is opened anew while it rings.
    Ring {
        /// The server's name for it.
        ring_ref: RingRef,
        /// As the caller sealed it.
        body: String,
    },
    /// The ring reached an open inbox.
    Ringing {
        /// Which one.
        ring_id: RingId,
    },
    /// The ring is over without an answer, for whatever reason.
    RingFailed {
        /// Which one.
        ring_id: RingId,
    },
    /// The answer to a ring, which is over.
    RingReply {
        /// Which one.
        ring_id: RingId,
        /// As the one who was rung sealed it.
        body: String,
    },
    /// The caller took its ring back or is gone, or the time is over.
    RingCancelled {
        /// Which one.
        ring_ref: RingRef,
    },
    /// A watched inbox was opened or closed.
    Presence {
        /// Whose.
        inbox_id: InboxId,
        /// Whether it is open now.
        online: bool,
    },
    /// The server is about to close; try again after the time given.
    GoingAway {
        /// Milliseconds.
        retry_after_ms: u64,
    },
    /// Something was wrong.
    Error {
        /// What programs match on.
        code: ErrorCode,
        /// For people reading a log.
        #[serde(default)]
        message: String,
        /// Milliseconds to wait before trying again, where that helps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// Where a resumed session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The same id as before.
    pub me: MemberId,
    /// Who else is in the room now: `peer_joined` and `peer_left` of the time without a socket are not repeated.
    #[serde(default)]
    pub members: Vec<MemberId>,
    /// The highest `seq` the server took from this client, by recipient; the client sends what is above it again.
    #[serde(default)]
    pub received: BTreeMap<MemberId, u64>,
}

/// Servers for connectivity checks and relaying; empty if there are none.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IceConfig {
    /// `stun:`, `turn:` and `turns:` addresses; several of one host are ways to one relay.
    pub urls: Vec<String>,
    /// User name for the relay.
    pub user: String,
    /// Password for the relay.
    pub cred: String,
    /// Seconds for which they are good.
    pub ttl_s: u32,
}

impl fmt::Debug for IceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceConfig").field("urls", &self.urls.len()).field("ttl_s", &self.ttl_s).finish_non_exhaustive()
    }
}

/// How a member left. A way that a newer server may add reads as [`LeftReason::Gone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftReason {
    /// It said so.
    Bye,
    /// It had no socket for 60 s, or did not acknowledge.
    #[serde(other)]
    Gone,
}

/// A server's limits, as `welcome` tells them; a client that stays below them is never refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of JSON text per message.
    pub frame_bytes_max: usize,
    /// Bytes of JSON text per message without a body.
    pub control_bytes_max: usize,
    /// Messages per second in the long run.
    pub rate_per_s: u32,
    /// Messages at once.
    pub rate_burst: u32,
    /// Members per room.
    pub room_members_max: usize,
    /// Seconds for which a broken socket may be resumed.
    pub resume_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: limits::FRAME_BYTES_MAX,
            control_bytes_max: limits::CONTROL_BYTES_MAX,
            rate_per_s: limits::RATE_PER_S,
            rate_burst: limits::RATE_BURST,
            room_members_max: limits::ROOM_MEMBERS,
            resume_s: limits::RESUME_WINDOW.as_secs(),
        }
    }
}
