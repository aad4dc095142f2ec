//! The stable codes of `error` messages. Programs match on these, never on the message beside them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, as the server names it. After a fatal one ([`ErrorCode::is_fatal`]) it closes the socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ErrorCode {
    /// The message's `type` is not known; the message was ignored.
    UnknownType,
    /// Not JSON, or a field is missing or wrong; the message was ignored.
    Malformed,
    /// A frame over 64 KiB (then the socket closes), a control message over 4 KiB, a body or a list over its limit.
    TooLarge,
    /// A binary frame; the protocol is text. The socket closes.
    BinaryFrame,
    /// Too many messages in error; the socket closes.
    TooManyErrors,
    /// `hello.v` is a version this server does not speak; the socket closes.
    BadVersion,
    /// No `hello` within 2 s; the socket closes.
    HelloTimeout,
    /// The first message was another than `hello`; the socket closes.
    HelloExpected,
    /// A second `hello` on one socket; ignored.
    HelloRepeated,
    /// No `join`, nor anything else that gives the socket a place, within 10 s of `welcome`; the socket closes.
    JoinTimeout,
    /// `send` or `ack` before `joined`; ignored.
    NotJoined,
    /// The socket has a place already, and this asks for another; ignored.
    AlreadyJoined,
    /// `inbox_open.proof` does not belong to the inbox; ignored.
    BadProof,
    /// The room has as many members as it may; the socket stays open.
    RoomFull,
    /// The server has as many members as it may; try again after `retry_after_ms`.
    ServerFull,
    /// `seq` leaves a gap after the last one taken for this recipient; ignored.
    BadSequence,
    /// Messages come faster than allowed. Nothing is lost: the server reads on after `retry_after_ms`.
    RateLimited,
    /// Another socket resumed this session; this one closes.
    Replaced,
    /// The member had too much unacknowledged and lost its place; the socket closes.
    Overflow,
    /// A code of a newer server.
    Other(String),
}

/// The most characters kept of a code that is not known.
const OTHER_CHARS_MAX: usize = 64;

impl ErrorCode {
    const KNOWN: [(Self, &'static str); 19] = [
        (Self::UnknownType, "unknown_type"),
        (Self::Malformed, "malformed"),
        (Self::TooLarge, "too_large"),
        (Self::BinaryFrame, "binary_frame"),
        (Self::TooManyErrors, "too_many_errors"),
        (Self::BadVersion, "bad_version"),
        (Self::HelloTimeout, "hello_timeout"),
        (Self::HelloExpected, "hello_expected"),
        (Self::HelloRepeated, "hello_repeated"),
        (Self::JoinTimeout, "join_timeout"),
        (Self::NotJoined, "not_joined"),
        (Self::AlreadyJoined, "already_joined"),
        (Self::BadProof, "bad_proof"),
        (Self::RoomFull, "room_full"),
        (Self::ServerFull, "server_full"),
        (Self::BadSequence, "bad_sequence"),
        (Self::RateLimited, "rate_limited"),
        (Self::Replaced, "replaced"),
        (Self::Overflow, "overflow"),
    ];

    /// Every code this version knows.
    #[must_use]
    pub fn known() -> Vec<Self> {
        Self::KNOWN.into_iter().map(|(code, _)| code).collect()
    }

    /// The code as it stands in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if let Self::Other(code) = self {
            return code;
        }
        Self::KNOWN.iter().find(|(known, _)| known == self).map_or("", |(_, text)| text)
    }

    /// Whether the server closes the socket after it ([`ErrorCode::TooLarge`] closes only when the frame itself was
    /// over the limit, so it does not count here).
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::BinaryFrame
            | Self::TooManyErrors
            | Self::BadVersion
            | Self::HelloTimeout
            | Self::HelloExpected
            | Self::JoinTimeout
            | Self::Replaced
            | Self::Overflow => true,
            Self::UnknownType
            | Self::Malformed
            | Self::TooLarge
            | Self::HelloRepeated
            | Self::NotJoined
            | Self::AlreadyJoined
            | Self::BadProof
            | Self::RoomFull
            | Self::ServerFull
            | Self::BadSequence
            | Self::RateLimited
            | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for ErrorCode {
    fn from(text: String) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|(_, known)| *known == text)
            .map_or_else(|| Self::Other(text.chars().take(OTHER_CHARS_MAX).collect()), |(code, _)| code)
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        code.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_text() {
        for (code, text) in ErrorCode::KNOWN {
            assert_eq!(code.as_str(), text);
            assert_eq!(ErrorCode::from(text.to_owned()), code);
        }
    }

    #[test]
    fn a_code_of_a_newer_server_is_kept_but_bounded() {
        assert_eq!(ErrorCode::from("moon_phase".to_owned()).as_str(), "moon_phase");
        assert_eq!(ErrorCode::from("ä".repeat(500)).as_str().chars().count(), OTHER_CHARS_MAX);
    }
}
