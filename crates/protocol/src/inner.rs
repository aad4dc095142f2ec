//! What two members say to each other inside a sealed body; the server never sees it.
//!
//! JSON, tagged by `type`. Unknown fields are ignored; an unknown type is an error that the receiver reports and survives.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::ids::{IdError, check_opaque};
use crate::{InboxId, RingToken};

/// Longest session description we accept, in bytes. Ours are about 3 KiB, Chromium's about 8.
pub const SDP_BYTES_MAX: usize = 32 * 1024;
/// Longest server address of a contact we accept, in bytes.
pub const SERVER_BYTES_MAX: usize = 256;
/// Longest candidate we accept, in bytes of JSON.
pub const CANDIDATE_BYTES_MAX: usize = 1024;

/// One peer connection between two members, named by the member that offered it: 1 to 32 characters of `[A-Za-z0-9_-]`,
/// random enough that nobody else can name it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

impl SessionId {
    /// Takes a string as an id.
    ///
    /// # Errors
    /// [`IdError::Opaque`] if it is empty, longer than 32 characters or has another character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        check_opaque(&text, 32)?;
        Ok(Self(text))
    }

    /// The id of 64 random bits, in hex.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        Self(format!("{bits:016x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to follow a session through a log, not enough to speak for it.
        write!(f, "SessionId({}..)", self.0.get(..4).unwrap_or(""))
    }
}

impl TryFrom<String> for SessionId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

/// A message between two members.
///
/// `epoch` counts the ICE generations of a session from 0: an ICE restart offers the next one, and answers and candidates
/// say which one they belong to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Inner {
    /// A session description that opens a session or restarts its ICE.
    Offer {
        /// The session.
        session: SessionId,
        /// Its ICE generation.
        epoch: u32,
        /// The description, at most [`SDP_BYTES_MAX`].
        sdp: String,
    },
    /// The answer to an offer.
    Answer {
        /// The session.
        session: SessionId,
        /// The offer's ICE generation.
        epoch: u32,
        /// The description, at most [`SDP_BYTES_MAX`].
        sdp: String,
    },
    /// A trickled ICE candidate (RFC 8838).
    Candidate {
        /// The session.
        session: SessionId,
        /// Its ICE generation.
        epoch: u32,
        /// `RTCIceCandidateInit` as JSON, at most [`CANDIDATE_BYTES_MAX`].
        candidate: String,
    },
    /// All candidates of a generation were sent.
    CandidatesEnd {
        /// The session.
        session: SessionId,
        /// Its ICE generation.
        epoch: u32,
    },
    /// Asks the member that offered a session to restart its ICE.
    Restart {
        /// The session.
        session: SessionId,
    },
    /// The sender is the other end of a running session under a new member id: the server forgot the old one.
    Moved {
        /// The running session.
        session: SessionId,
        /// This answers a `moved`, so no other answer is due.
        reply: bool,
    },
    /// Refuses an offer: the sender is in a call with somebody else.
    Busy {
        /// The refused session.
        session: SessionId,
    },
    /// Ends a session for good.
    Bye {
        /// The session.
        session: SessionId,
    },
    /// The offerer commits to its random value of the verification: SHA-256 over a label and the value.
    SasCommit {
        /// The session.
        session: SessionId,
        /// 32 bytes.
        commitment: Bytes32,
    },
    /// The answerer's random value, once it has the commitment.
    SasNonce {
        /// The session.
        session: SessionId,
        /// 32 bytes.
        nonce: Bytes32,
    },
    /// The offerer's random value, once it has the answerer's.
    SasReveal {
        /// The session.
        session: SessionId,
        /// 32 bytes.
        nonce: Bytes32,
    },
    /// The sender would like to become a contact.
    ContactRequest {
        /// How to ring the sender.
        card: ContactCard,
    },
    /// The sender agrees to a `contact_request`.
    ContactAccept {
        /// How to ring the sender.
        card: ContactCard,
    },
    /// The sender does not agree to a `contact_request`.
    ContactDecline,
}

/// 32 bytes, base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes32(pub [u8; 32]);

impl fmt::Debug for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bytes32(..)")
    }
}

impl TryFrom<String> for Bytes32 {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(IdError::Bytes { chars: 43 }),
        }
    }
}

impl From<Bytes32> for String {
    fn from(bytes: Bytes32) -> Self {
        URL_SAFE_NO_PAD.encode(bytes.0)
    }
}

/// How a contact can ring the owner of this card.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// Base address of the owner's server, at most [`SERVER_BYTES_MAX`] bytes; empty if there is none.
    #[serde(default)]
    pub server: String,
    /// The owner's inbox there.
    pub inbox_id: InboxId,
    /// What the inbox lets this contact in by.
    pub ring_token: RingToken,
}

impl fmt::Debug for ContactCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContactCard(..)")
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, session) = match self {
            Self::Offer { session, .. } => ("Offer", session),
            Self::Answer { session, .. } => ("Answer", session),
            Self::Candidate { session, .. } => ("Candidate", session),
            Self::CandidatesEnd { session, .. } => ("CandidatesEnd", session),
            Self::Restart { session } => ("Restart", session),
            Self::Moved { session, .. } => ("Moved", session),
            Self::Busy { session } => ("Busy", session),
            Self::Bye { session } => ("Bye", session),
            Self::SasCommit { session, .. } => ("SasCommit", session),
            Self::SasNonce { session, .. } => ("SasNonce", session),
            Self::SasReveal { session, .. } => ("SasReveal", session),
            Self::ContactRequest { .. } => return f.write_str("ContactRequest(..)"),
            Self::ContactAccept { .. } => return f.write_str("ContactAccept(..)"),
            Self::ContactDecline => return f.write_str("ContactDecline"),
        };
        // Descriptions and candidates carry addresses.
        write!(f, "{name}({session:?})")
    }
}

/// Why bytes are not an inner message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InnerError {
    /// Not a message.
    #[error("not a message")]
    Malformed,
    /// A message of a type that this version does not know.
    #[error("a message of an unknown type")]
    UnknownType,
    /// A description, candidate or server address is longer than allowed.
    #[error("a description, candidate or server address is too long")]
    TooLong,
}

/// The types of [`Inner`], as they are written.
const TYPES: [&str; 14] = [
    "offer",
    "answer",
    "candidate",
    "candidates_end",
    "restart",
    "moved",
    "busy",
    "bye",
    "sas_commit",
    "sas_nonce",
    "sas_reveal",
    "contact_request",
    "contact_accept",
    "contact_decline",
];

/// What tells an unknown message from a broken one.
#[derive(Deserialize)]
struct Tag {
    r#type: String,
}

impl Inner {
    /// Reads a message.
    ///
    /// # Errors
    /// [`InnerError`] for anything that is not one; arbitrary bytes never panic.
    pub fn decode(bytes: &[u8]) -> Result<Self, InnerError> {
        let inner: Self = serde_json::from_slice(bytes).map_err(|_| match serde_json::from_slice::<Tag>(bytes) {
            Ok(tag) if !TYPES.contains(&tag.r#type.as_str()) => InnerError::UnknownType,
            Ok(_) | Err(_) => InnerError::Malformed,
        })?;
        let fits = match &inner {
            Self::Offer { sdp, .. } | Self::Answer { sdp, .. } => sdp.len() <= SDP_BYTES_MAX,
            Self::Candidate { candidate, .. } => candidate.len() <= CANDIDATE_BYTES_MAX,
            Self::CandidatesEnd { .. }
            | Self::Restart { .. }
            | Self::Moved { .. }
            | Self::Busy { .. }
            | Self::Bye { .. }
            | Self::SasCommit { .. }
            | Self::SasNonce { .. }
            | Self::SasReveal { .. }
            | Self::ContactDecline => true,
            Self::ContactRequest { card } | Self::ContactAccept { card } => card.server.len() <= SERVER_BYTES_MAX,
        };
        if fits { Ok(inner) } else { Err(InnerError::TooLong) }
    }

    /// Writes a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_debug_hides_addresses() {
        let session = SessionId::from_random(0xfeed_beef);
        let offer = Inner::Offer { session, epoch: 3, sdp: "c=IN IP4 192.0.2.7".into() };
        assert_eq!(Inner::decode(&offer.encode()), Ok(offer.clone()));
        let shown = format!("{offer:?}");
        assert!(!shown.contains("192.0.2.7"), "{shown}");
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for bytes in [&b""[..], b"{}", b"[1]", b"\xff\xfe", br#"{"type":7}"#, br#"{"type":"bye","session":"a b"}"#] {
            assert_eq!(Inner::decode(bytes), Err(InnerError::Malformed));
        }
        assert_eq!(Inner::decode(br#"{"type":"dance"}"#), Err(InnerError::UnknownType));
        let long = Inner::Candidate {
            session: SessionId::from_random(1),
            epoch: 0,
            candidate: "x".repeat(CANDIDATE_BYTES_MAX + 1),
        };
        assert_eq!(Inner::decode(&long.encode()), Err(InnerError::TooLong));
    }
}
