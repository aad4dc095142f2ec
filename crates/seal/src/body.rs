//! Bodies the server carries but cannot read: XChaCha20-Poly1305 under a key of the room's secret, padded to few sizes.
//!
//! **Interim.** Every member of a room holds the same key, so a member can write in another's name and what was
//! recorded can be read by whoever gets the link later. Noise sessions per pair of members replace this seal; the size
//! classes and the shape of `body` stay.
//!
//! ```text
//! body    = base64url( nonce (24) | XChaCha20-Poly1305(key, nonce, aad, padded) )
//! padded  = length of the plaintext (u32, big endian) | plaintext | zeros, up to the next size class
//! aad     = for each of "eyeline/1 body", room_id, from, to, seq (u64, big endian): length (u32, big endian) | bytes
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use eyeline_protocol::{MemberId, RoomId};
use thiserror::Error;

use crate::RoomKeys;

/// Sizes of `padded`. The largest is what still fits a 64 KiB frame as base64 with the message around it.
const SIZE_CLASSES: [usize; 5] = [256, 1024, 4096, 16_384, 48_128];
const LENGTH_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const AAD_LABEL: &[u8] = b"eyeline/1 body";

/// The most bytes one body carries.
pub const PLAINTEXT_BYTES_MAX: usize = SIZE_CLASSES[SIZE_CLASSES.len() - 1] - LENGTH_BYTES;

/// Why a plaintext was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// More than [`PLAINTEXT_BYTES_MAX`].
    #[error("{bytes} bytes do not fit a body, at most {PLAINTEXT_BYTES_MAX} do")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why a body was not opened. Nothing of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Not base64url, or not one of the sizes a sealed body has.
    #[error("not a sealed body")]
    Malformed,
    /// Sealed with another secret, for another pair or number, or altered on the way.
    #[error("the body is not authentic")]
    NotAuthentic,
    /// Authentic, but the length inside does not fit: its sender is broken.
    #[error("the body's padding is wrong")]
    BadPadding,
}

/// Seals and opens the bodies of one room.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    room_id: RoomId,
}

impl Sealer {
    /// A sealer for the room of these keys.
    #[must_use]
    pub fn new(keys: &RoomKeys) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&keys.body_key.into()), room_id: keys.room_id }
    }

    /// Seals `plaintext` (up to [`PLAINTEXT_BYTES_MAX`] bytes) as message `seq` of `from` to `to`. `nonce` is 24 random
    /// bytes, new for every call, also when the same message is sealed again.
    ///
    /// # Errors
    /// [`SealError::TooLarge`].
    pub fn seal(
        &self,
        from: &MemberId,
        to: &MemberId,
        seq: u64,
        plaintext: &[u8],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, SealError> {
        let too_large = SealError::TooLarge { bytes: plaintext.len() };
        let class = SIZE_CLASSES.into_iter().find(|class| plaintext.len() + LENGTH_BYTES <= *class).ok_or(too_large)?;
        let length = u32::try_from(plaintext.len()).map_err(|_| too_large)?;
        let mut padded = Vec::with_capacity(class);
        padded.extend_from_slice(&length.to_be_bytes());
        padded.extend_from_slice(plaintext);
        padded.resize(class, 0);

        let aad = self.aad(from, to, seq);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &padded, aad: &aad })
            .expect("fails only above 256 GiB, the largest size class is 47 KiB");
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens what [`Sealer::seal`] made with the same `from`, `to` and `seq`. It keeps no state: a body that comes twice
    /// opens twice, so the caller drops a `seq` it has seen.
    ///
    /// # Errors
    /// [`OpenError`] as its variants say.
    pub fn open(&self, from: &MemberId, to: &MemberId, seq: u64, body: &str) -> Result<Vec<u8>, OpenError> {
        if !SIZE_CLASSES.iter().any(|class| body.len() == body_chars(*class)) {
            return Err(OpenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| OpenError::Malformed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Malformed)?;
        let aad = self.aad(from, to, seq);
        let padded = self
            .cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map_err(|_| OpenError::NotAuthentic)?;
        let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(OpenError::BadPadding)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError::BadPadding)?;
        rest.get(..length).map(<[u8]>::to_vec).ok_or(OpenError::BadPadding)
    }

    fn aad(&self, from: &MemberId, to: &MemberId, seq: u64) -> Vec<u8> {
        let seq = seq.to_be_bytes();
        let mut aad = Vec::new();
        for part in [AAD_LABEL, &self.room_id.0, from.as_str().as_bytes(), to.as_str().as_bytes(), &seq] {
            let length = u32::try_from(part.len()).expect("ids are at most 32 bytes");
            aad.extend_from_slice(&length.to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// Characters of base64 without padding for a body of this size class.
const fn body_chars(class: usize) -> usize {
    (4 * (NONCE_BYTES + class + TAG_BYTES)).div_ceil(3)
}

const _: () = assert!(
    body_chars(SIZE_CLASSES[SIZE_CLASSES.len() - 1]) <= eyeline_protocol::limits::BODY_CHARS_MAX,
    "the largest body fits a message"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    const NONCE: [u8; 24] = [9; 24];

    fn sealer(secret: u8) -> Sealer {
        Sealer::new(&RoomKeys::derive(&Secret([secret; 16])))
    }

    fn id(text: &str) -> MemberId {
        MemberId::new(text).unwrap()
    }

    #[test]
    fn bodies_come_back_at_every_size_and_have_few_sizes() {
        let sealer = sealer(1);
        let mut sizes = std::collections::BTreeSet::new();
        for length in [0, 1, 252, 253, 1020, 1021, 4092, 4093, 16_380, 16_381, PLAINTEXT_BYTES_MAX] {
            let plaintext = vec![0xa5; length];
            let body = sealer.seal(&id("a"), &id("b"), 1, &plaintext, NONCE).unwrap();
            sizes.insert(body.len());
            assert_eq!(sealer.open(&id("a"), &id("b"), 1, &body).unwrap(), plaintext);
        }
        assert_eq!(sizes.len(), SIZE_CLASSES.len());
        let over = PLAINTEXT_BYTES_MAX + 1;
        let refused = sealer.seal(&id("a"), &id("b"), 1, &vec![0; over], NONCE);
        assert_eq!(refused, Err(SealError::TooLarge { bytes: over }));
    }

    #[test]
    fn another_secret_pair_or_number_does_not_open() {
        let body = sealer(1).seal(&id("ab"), &id("c"), 7, b"offer", NONCE).unwrap();
        let refused = Err(OpenError::NotAuthentic);
        assert_eq!(sealer(2).open(&id("ab"), &id("c"), 7, &body), refused);
        assert_eq!(sealer(1).open(&id("ab"), &id("c"), 8, &body), refused);
        assert_eq!(sealer(1).open(&id("c"), &id("ab"), 7, &body), refused);
        assert_eq!(sealer(1).open(&id("ab"), &id("d"), 7, &body), refused);
        assert_eq!(sealer(1).open(&id("a"), &id("bc"), 7, &body), refused);
        assert_eq!(sealer(1).open(&id("ab"), &id("c"), 7, &body).unwrap(), b"offer");
    }

    #[test]
    fn a_changed_or_cut_body_does_not_open() {
        let sealer = sealer(1);
        let body = sealer.seal(&id("a"), &id("b"), 1, b"offer", NONCE).unwrap();
        for at in 0..body.len() {
            let mut changed = body.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(sealer.open(&id("a"), &id("b"), 1, &changed).is_err(), "changed at {at}");
            assert_eq!(sealer.open(&id("a"), &id("b"), 1, &body[..at]), Err(OpenError::Malformed), "cut at {at}");
        }
        assert_eq!(sealer.open(&id("a"), &id("b"), 1, &(body + "A")), Err(OpenError::Malformed));
    }

    #[test]
    fn arbitrary_text_of_the_right_length_is_an_error() {
        let sealer = sealer(1);
        for class in SIZE_CLASSES {
            for filler in ["A", "-", "=", "\0", "*"] {
                let text = filler.repeat(body_chars(class));
                assert!(sealer.open(&id("a"), &id("b"), 1, &text).is_err());
            }
        }
        let wide = "ä".repeat(body_chars(256) / 2) + "x";
        assert!(sealer.open(&id("a"), &id("b"), 1, &wide).is_err());
    }

    #[test]
    fn an_authentic_body_with_a_wrong_length_inside_is_refused() {
        let sealer = sealer(1);
        let (from, to) = (id("a"), id("b"));
        let padded = [0xff; 256];
        let aad = sealer.aad(&from, &to, 1);
        let sealed = sealer.cipher.encrypt(&XNonce::from(NONCE), Payload { msg: &padded, aad: &aad }).unwrap();
        let body = URL_SAFE_NO_PAD.encode([&NONCE[..], &sealed].concat());
        assert_eq!(sealer.open(&from, &to, 1, &body), Err(OpenError::BadPadding));
    }

    /// Pins the format: what was sealed by one version opens in the next. The first 64 characters were computed with a
    /// ChaCha20 written out in Python from RFC 8439 and draft-irtf-cfrg-xchacha, not with this code.
    #[test]
    fn the_format_matches_its_test_vector() {
        let body = sealer(1).seal(&id("a"), &id("b"), 1, b"hello", NONCE).unwrap();
        assert_eq!(body.len(), 395);
        assert_eq!(&body[..64], "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJxuZKubP9o8Ff72FtoW7QlIiM4B2DdVfB");
    }
}
