//! Names for rooms, members and sessions, checked when they are made: a value of these types is always well formed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// Not 22 characters of base64url (16 bytes).
    #[error("a room id is 22 characters of base64url")]
    Room,
    /// Empty, too long, or with a character outside `[A-Za-z0-9_-]`.
    #[error("an id is 1 to {max} characters of A-Z a-z 0-9 _ -")]
    Opaque {
        /// The most characters this kind of id has.
        max: usize,
    },
}

/// What the server knows a room by: 16 bytes derived from the link's secret, 22 characters of base64url in JSON.
///
/// Whoever knows it can enter the room (though read nothing there), so `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(pub [u8; 16]);

impl RoomId {
    /// Reads 22 characters of base64url without padding.
    ///
    /// # Errors
    /// [`IdError::Room`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(IdError::Room),
        }
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomId(..)")
    }
}

impl TryFrom<String> for RoomId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<RoomId> for String {
    fn from(id: RoomId) -> Self {
        id.to_string()
    }
}

pub(crate) fn check_opaque(text: &str, max: usize) -> Result<(), IdError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=max).contains(&text.len()) && text.bytes().all(allowed) { Ok(()) } else { Err(IdError::Opaque { max }) }
}

/// A member of a room, as the server names it: opaque, new on every join, 1 to 32 characters of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(String);

impl MemberId {
    /// The most characters an id has.
    pub const CHARS_MAX: usize = 32;

    /// Takes a string as an id.
    ///
    /// # Errors
    /// [`IdError::Opaque`] if it is empty, too long or has another character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        check_opaque(&text, Self::CHARS_MAX)?;
        Ok(Self(text))
    }

    /// The id as it stands in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MemberId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<MemberId> for String {
    fn from(id: MemberId) -> Self {
        id.0
    }
}

/// What lets a client take its place again after its socket broke: opaque to the client, 1 to 64 characters of
/// `[A-Za-z0-9_-]`. A secret: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResumeToken(String);

impl ResumeToken {
    /// The most characters a token has.
    pub const CHARS_MAX: usize = 64;

    /// Takes a string as a token.
    ///
    /// # Errors
    /// [`IdError::Opaque`] if it is empty, too long or has another character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        check_opaque(&text, Self::CHARS_MAX)?;
        Ok(Self(text))
    }

    /// A token of 128 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bits))
    }

    /// The token as it stands in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

impl TryFrom<String> for ResumeToken {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<ResumeToken> for String {
    fn from(token: ResumeToken) -> Self {
        token.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_is_22_characters_and_comes_back() {
        let id = RoomId([0xfb; 16]);
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(RoomId::parse(&id.to_string()), Ok(id));
        for bad in ["", "short", "-_v7-_v7-_v7-_v7-_v7-w==", "+/v7-_v7-_v7-_v7-_v7-w", "-_v7-_v7-_v7-_v7-_v7-wAA"] {
            assert_eq!(RoomId::parse(bad), Err(IdError::Room), "{bad}");
        }
    }

    #[test]
    fn a_member_id_is_bounded() {
        assert!(MemberId::new("a").is_ok());
        assert!(MemberId::new("A_z-0".repeat(6)).is_ok());
        assert!(MemberId::new("a".repeat(33)).is_err());
        for bad in ["", "a b", "ä", "a\n", "a/b"] {
            assert!(MemberId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_neither_room_nor_token() {
        let token = ResumeToken::from_random([7; 16]);
        let shown = format!("{:?} {:?}", RoomId([7; 16]), token);
        assert!(!shown.contains(token.as_str()), "{shown}");
        assert_eq!(shown, "RoomId(..) ResumeToken(..)");
    }
}
