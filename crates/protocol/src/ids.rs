//! Names for rooms, members, inboxes, rings and sessions, checked when they are made: a value of these types is always
//! well formed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// Not so many characters of base64url.
    #[error("this id is {chars} characters of base64url")]
    Bytes {
        /// How many characters this kind of id has.
        chars: usize,
    },
    /// Empty, too long, or with a character outside `[A-Za-z0-9_-]`.
    #[error("an id is 1 to {max} characters of A-Z a-z 0-9 _ -")]
    Opaque {
        /// The most characters this kind of id has.
        max: usize,
    },
}

/// An id of a fixed number of bytes, base64url without padding in JSON. `Debug` shows none of it.
macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal bytes, $chars:literal chars) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Reads base64url without padding.
            ///
            /// # Errors
            /// [`IdError::Bytes`] for anything but the right number of characters of it.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $bytes];
                match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
                    Ok($bytes) => Ok(Self(bytes)),
                    _ => Err(IdError::Bytes { chars: $chars }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

bytes_id! {
    /// What the server knows a room by: 16 bytes derived from the link's secret, 22 characters of base64url in JSON.
    ///
    /// Whoever knows it can enter the room (though read nothing there), so `Debug` does not show it.
    RoomId, 16 bytes, 22 chars
}

bytes_id! {
    /// Where a device can be rung on one server: the first 16 bytes of SHA-256("eyeline/1 inbox" | [`InboxSecret`]).
    InboxId, 16 bytes, 22 chars
}

bytes_id! {
    /// What only the owner of an inbox knows: it proves that an [`InboxId`] is one's own.
    InboxSecret, 32 bytes, 43 chars
}

bytes_id! {
    /// What one contact needs to ring an inbox: random, another one for every contact.
    RingToken, 16 bytes, 22 chars
}

bytes_id! {
    /// What the server holds of a [`RingToken`]: its SHA-256.
    TokenHash, 32 bytes, 43 chars
}

pub(crate) fn check_opaque(text: &str, max: usize) -> Result<(), IdError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=max).contains(&text.len()) && text.bytes().all(allowed) { Ok(()) } else { Err(IdError::Opaque { max }) }
}

/// An id that means something only to whoever made it: some characters of `[A-Za-z0-9_-]`. Comes without `Debug`, as
/// some are secret and some are not.
macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, at most $max:literal chars) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters it has.
            pub const CHARS_MAX: usize = $max;

            /// Takes a string.
            ///
            /// # Errors
            /// [`IdError::Opaque`] if it is empty, too long or has another character.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check_opaque(&text, Self::CHARS_MAX)?;
                Ok(Self(text))
            }

            /// As it stands in JSON.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

opaque_id! {
    /// A member of a room, as the server names it: opaque, new on every join, 1 to 32 characters of `[A-Za-z0-9_-]`.
    #[derive(Debug)]
    MemberId, at most 32 chars
}

impl MemberId {
    /// An id of 96 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 12]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bits))
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

opaque_id! {
    /// What lets a client take its place again after its socket broke: opaque to the client, 1 to 64 characters of
    /// `[A-Za-z0-9_-]`. A secret: `Debug` does not show it.
    ResumeToken, at most 64 chars
}

impl ResumeToken {
    /// A token of 128 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bits))
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

opaque_id! {
    /// A ring as its caller names it: no two of its rings at a time have the same. Means nothing to anyone else.
    RingId, at most 32 chars
}

impl fmt::Debug for RingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingId(..)")
    }
}

opaque_id! {
    /// A ring as the server names it to the one who is rung. Means nothing to anyone else.
    RingRef, at most 32 chars
}

impl RingRef {
    /// A reference of 96 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 12]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bits))
    }
}

impl fmt::Debug for RingRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingRef(..)")
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
            assert_eq!(RoomId::parse(bad), Err(IdError::Bytes { chars: 22 }), "{bad}");
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
    fn an_id_of_32_bytes_is_43_characters() {
        let hash = TokenHash([0xa5; 32]);
        assert_eq!(hash.to_string().len(), 43);
        assert_eq!(TokenHash::parse(&hash.to_string()), Ok(hash));
        assert_eq!(TokenHash::parse(&hash.to_string()[1..]), Err(IdError::Bytes { chars: 43 }));
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = ResumeToken::from_random([7; 16]);
        let ring = (RingId::new("abc").unwrap(), RingRef::new("abc").unwrap(), RingToken([7; 16]));
        let inbox = (InboxId([7; 16]), InboxSecret([7; 32]), TokenHash([7; 32]));
        assert_eq!(format!("{:?} {token:?}", RoomId([7; 16])), "RoomId(..) ResumeToken(..)");
        assert_eq!(format!("{ring:?}"), "(RingId(..), RingRef(..), RingToken(..))");
        assert_eq!(format!("{inbox:?}"), "(InboxId(..), InboxSecret(..), TokenHash(..))");
    }
}
