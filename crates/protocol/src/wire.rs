//! Messages to JSON text and back, with the size limits. Any bytes may come in; none of them panic.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::limits::{
    BODY_CHARS_MAX, CONTROL_BYTES_MAX, FRAME_BYTES_MAX, INBOX_TOKENS_MAX, RING_BODY_CHARS_MAX, WATCH_MAX,
};
use crate::{ClientMessage, ErrorCode, ServerMessage};

/// Why a frame is not a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A `type` this version does not know, cut to 32 characters.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// Not a JSON object with a `type`, or a field is missing or wrong.
    #[error("malformed message")]
    Malformed,
    /// Over [`FRAME_BYTES_MAX`], or over [`CONTROL_BYTES_MAX`] without a body or list, or the body over
    /// [`BODY_CHARS_MAX`] or [`RING_BODY_CHARS_MAX`].
    #[error("message of {bytes} bytes, at most {max} allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// A list over [`INBOX_TOKENS_MAX`] or [`WATCH_MAX`].
    #[error("a list of {entries} entries, at most {max} allowed")]
    TooMany {
        /// Its length.
        entries: usize,
        /// What is allowed.
        max: usize,
    },
}

impl DecodeError {
    /// The code a server answers with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownType(_) => ErrorCode::UnknownType,
            Self::Malformed => ErrorCode::Malformed,
            Self::TooLarge { .. } | Self::TooMany { .. } => ErrorCode::TooLarge,
        }
    }
}

/// The most characters of an unknown type that an error repeats.
const TYPE_CHARS_MAX: usize = 32;

const CLIENT_TYPES: [&str; 14] = [
    "hello",
    "join",
    "send",
    "ack",
    "code_open",
    "code_claim",
    "code_close",
    "inbox_open",
    "ring",
    "ring_reply",
    "ring_cancel",
    "watch",
    "ice_refresh",
    "bye",
];
const SERVER_TYPES: [&str; 20] = [
    "welcome",
    "joined",
    "ice",
    "peer_joined",
    "from",
    "undeliverable",
    "peer_left",
    "code",
    "code_claimed",
    "code_failed",
    "inbox_opened",
    "inbox_taken",
    "ring",
    "ringing",
    "ring_failed",
    "ring_reply",
    "ring_cancelled",
    "presence",
    "going_away",
    "error",
];
/// Those that carry a body or a list, and may so be as large as a frame.
const LARGE_TYPES: [&str; 6] = ["send", "from", "ring", "ring_reply", "inbox_open", "watch"];

/// Reads a client's message. Fields that are not known are ignored.
///
/// # Errors
/// [`DecodeError`] as its variants say.
pub fn decode_client(text: &str) -> Result<ClientMessage, DecodeError> {
    let message = decode(text, &CLIENT_TYPES)?;
    match &message {
        ClientMessage::Send { body, .. } => check_body(body, BODY_CHARS_MAX)?,
        ClientMessage::Ring { body, .. } | ClientMessage::RingReply { body, .. } => {
            check_body(body, RING_BODY_CHARS_MAX)?;
        }
        ClientMessage::InboxOpen { tokens, .. } => check_list(tokens.len(), INBOX_TOKENS_MAX)?,
        ClientMessage::Watch { contacts } => check_list(contacts.len(), WATCH_MAX)?,
        ClientMessage::Hello { .. }
        | ClientMessage::Join { .. }
        | ClientMessage::Ack { .. }
        | ClientMessage::CodeOpen
        | ClientMessage::CodeClaim { .. }
        | ClientMessage::CodeClose { .. }
        | ClientMessage::RingCancel { .. }
        | ClientMessage::IceRefresh
        | ClientMessage::Bye => {}
    }
    Ok(message)
}

/// Reads a server's message. Fields that are not known are ignored; a client ignores messages of unknown type too.
///
/// # Errors
/// [`DecodeError`] as its variants say.
pub fn decode_server(text: &str) -> Result<ServerMessage, DecodeError> {
    let message = decode(text, &SERVER_TYPES)?;
    match &message {
        ServerMessage::From { body, .. } => check_body(body, BODY_CHARS_MAX)?,
        ServerMessage::Ring { body, .. } | ServerMessage::RingReply { body, .. } => {
            check_body(body, RING_BODY_CHARS_MAX)?;
        }
        ServerMessage::Welcome { .. }
        | ServerMessage::Joined { .. }
        | ServerMessage::Ice { .. }
        | ServerMessage::PeerJoined { .. }
        | ServerMessage::Undeliverable { .. }
        | ServerMessage::PeerLeft { .. }
        | ServerMessage::Code { .. }
        | ServerMessage::CodeClaimed { .. }
        | ServerMessage::CodeFailed
        | ServerMessage::InboxOpened
        | ServerMessage::InboxTaken
        | ServerMessage::Ringing { .. }
        | ServerMessage::RingFailed { .. }
        | ServerMessage::RingCancelled { .. }
        | ServerMessage::Presence { .. }
        | ServerMessage::GoingAway { .. }
        | ServerMessage::Error { .. } => {}
    }
    Ok(message)
}

/// A message that may cross the socket: [`ClientMessage`] or [`ServerMessage`].
pub trait Message: serde::Serialize + private::Sealed {}

impl Message for ClientMessage {}
impl Message for ServerMessage {}

mod private {
    pub trait Sealed {}
    impl Sealed for super::ClientMessage {}
    impl Sealed for super::ServerMessage {}
}

/// Writes a message as JSON text.
#[must_use]
pub fn encode(message: &impl Message) -> String {
    serde_json::to_string(message).expect("messages are structs with string keys, which always have a JSON form")
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn decode<M: DeserializeOwned>(text: &str, known: &[&str]) -> Result<M, DecodeError> {
    check_size(text.len(), FRAME_BYTES_MAX)?;
    let tag: Tag = serde_json::from_str(text).map_err(|_| DecodeError::Malformed)?;
    if !known.contains(&tag.kind.as_ref()) {
        return Err(DecodeError::UnknownType(tag.kind.chars().take(TYPE_CHARS_MAX).collect()));
    }
    if !LARGE_TYPES.contains(&tag.kind.as_ref()) {
        check_size(text.len(), CONTROL_BYTES_MAX)?;
    }
    serde_json::from_str(text).map_err(|_| DecodeError::Malformed)
}

fn check_size(bytes: usize, max: usize) -> Result<(), DecodeError> {
    if bytes > max { Err(DecodeError::TooLarge { bytes, max }) } else { Ok(()) }
}

fn check_list(entries: usize, max: usize) -> Result<(), DecodeError> {
    if entries > max { Err(DecodeError::TooMany { entries, max }) } else { Ok(()) }
}

/// A body is base64 (either alphabet), so that it never grows by escaping when it is sent on.
fn check_body(body: &str, chars_max: usize) -> Result<(), DecodeError> {
    check_size(body.len(), chars_max)?;
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    if body.bytes().all(base64) { Ok(()) } else { Err(DecodeError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grant, InboxId, InboxSecret, MemberId, RingId, RingToken, TokenHash, Watched};

    #[test]
    fn unknown_fields_are_ignored_and_unknown_types_named() {
        assert_eq!(decode_client(r#"{"type":"bye","why":[1,{"a":2}]}"#), Ok(ClientMessage::Bye));
        let long = "x".repeat(100);
        assert_eq!(
            decode_client(&format!(r#"{{"type":"{long}"}}"#)),
            Err(DecodeError::UnknownType("x".repeat(TYPE_CHARS_MAX)))
        );
        assert_eq!(decode_client(r#"{"type":"welcome"}"#), Err(DecodeError::UnknownType("welcome".into())));
    }

    #[test]
    fn what_is_not_a_message_is_malformed() {
        let deep = format!(r#"{{"type":"bye","x":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        for bad in [
            "",
            "{",
            "[]",
            "null",
            "\"bye\"",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":null}"#,
            r#"{"type":"hello"}"#,
            r#"{"type":"hello","v":-1}"#,
            r#"{"type":"bye","type":"bye"}"#,
            r#"{"type":"join","room_id":"x"}"#,
            r#"{"type":"send","to":"a","seq":-1,"body":""}"#,
            r#"{"type":"send","to":"a b","seq":1,"body":""}"#,
            r#"{"type":"send","to":"a","seq":1,"body":"\""}"#,
            r#"{"type":"bye"}{"type":"bye"}"#,
            &deep,
        ] {
            assert_eq!(decode_client(bad), Err(DecodeError::Malformed), "{bad}");
        }
    }

    #[test]
    fn sizes_are_checked() {
        let bye = |fill: usize| format!(r#"{{"type":"bye","x":"{}"}}"#, "x".repeat(fill));
        let envelope = bye(0).len();
        assert!(decode_client(&bye(CONTROL_BYTES_MAX - envelope)).is_ok());
        assert!(matches!(
            decode_client(&bye(CONTROL_BYTES_MAX - envelope + 1)),
            Err(DecodeError::TooLarge { max: CONTROL_BYTES_MAX, .. })
        ));
        assert!(matches!(
            decode_client(&bye(FRAME_BYTES_MAX)),
            Err(DecodeError::TooLarge { max: FRAME_BYTES_MAX, .. })
        ));
    }

    #[test]
    fn the_largest_body_fits_a_frame_both_ways() {
        let id = MemberId::new("m".repeat(MemberId::CHARS_MAX)).unwrap();
        let seq = crate::limits::SEQ_MAX;
        let body = "A".repeat(BODY_CHARS_MAX);
        let send = encode(&ClientMessage::Send { to: id.clone(), seq, body: body.clone() });
        let from = encode(&ServerMessage::From { from: id.clone(), seq, body: body.clone() });
        assert!(decode_client(&send).is_ok());
        assert!(decode_server(&from).is_ok());
        let over = encode(&ClientMessage::Send { to: id, seq, body: body + "A" });
        assert!(matches!(decode_client(&over), Err(DecodeError::TooLarge { max: BODY_CHARS_MAX, .. })));
    }

    #[test]
    fn the_longest_lists_fit_a_frame_and_longer_ones_are_refused() {
        let grant = Grant { hash: TokenHash([0xff; 32]), presence: false };
        let open = |count| {
            let (inbox_id, proof) = (InboxId([0xff; 16]), InboxSecret([0xff; 32]));
            encode(&ClientMessage::InboxOpen { inbox_id, proof, tokens: vec![grant; count] })
        };
        assert!(decode_client(&open(INBOX_TOKENS_MAX)).is_ok());
        let over = decode_client(&open(INBOX_TOKENS_MAX + 1));
        assert_eq!(over, Err(DecodeError::TooMany { entries: INBOX_TOKENS_MAX + 1, max: INBOX_TOKENS_MAX }));
        let contact = Watched { inbox_id: InboxId([0xff; 16]), token: RingToken([0xff; 16]) };
        let watch = |count| encode(&ClientMessage::Watch { contacts: vec![contact; count] });
        assert!(decode_client(&watch(WATCH_MAX)).is_ok());
        assert_eq!(
            decode_client(&watch(WATCH_MAX + 1)),
            Err(DecodeError::TooMany { entries: WATCH_MAX + 1, max: WATCH_MAX })
        );
    }

    #[test]
    fn the_body_of_a_ring_is_smaller_and_base64() {
        let ring = |body: String| {
            let ring_id = RingId::new("r1").unwrap();
            let (inbox_id, token) = (InboxId([1; 16]), RingToken([2; 16]));
            encode(&ClientMessage::Ring { ring_id, inbox_id, token, body })
        };
        assert!(decode_client(&ring("A".repeat(RING_BODY_CHARS_MAX))).is_ok());
        let over = decode_client(&ring("A".repeat(RING_BODY_CHARS_MAX + 1)));
        assert!(matches!(over, Err(DecodeError::TooLarge { max: RING_BODY_CHARS_MAX, .. })));
        assert_eq!(decode_client(&ring("{}".into())), Err(DecodeError::Malformed));
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_an_answer_not_a_panic() {
        let id = MemberId::new("m1").unwrap();
        let text = encode(&ServerMessage::From { from: id, seq: 3, body: "AAAA".into() });
        for at in 0..text.len() {
            let _ = decode_server(&text[..at]);
            for byte in 0..128_u8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                let _ = decode_server(std::str::from_utf8(&bytes).unwrap());
            }
        }
    }
}
