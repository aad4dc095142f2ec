//! From a link's secret to keys: HKDF-SHA256 (RFC 5869) with salt `eyeline/1`.

use std::fmt;

use eyeline_protocol::RoomId;
use hkdf::Hkdf;
use sha2::Sha256;

pub(crate) const SALT: &[u8] = b"eyeline/1";

/// The 16 random bytes of an invitation. Whoever has them can enter the room and read what is said there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a room's members share and the server does not know, apart from `room_id`.
#[derive(Clone)]
pub struct RoomKeys {
    /// What the server knows the room by.
    pub room_id: RoomId,
    /// Pre-shared key of the pairwise sessions.
    pub psk: [u8; 32],
}

impl RoomKeys {
    /// `room_id = expand("room-id", 16)`, `psk = expand("noise-psk", 32)`.
    #[must_use]
    pub fn derive(secret: &Secret) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), &secret.0);
        Self { room_id: RoomId(expand(&hkdf, b"room-id")), psk: expand(&hkdf, b"noise-psk") }
    }
}

impl fmt::Debug for RoomKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomKeys(..)")
    }
}

pub(crate) fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, info: &[u8]) -> [u8; N] {
    expand_parts(hkdf, &[info])
}

/// The parts are put together without separators, so all but the last must be of fixed length.
pub(crate) fn expand_parts<const N: usize>(hkdf: &Hkdf<Sha256>, info: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    hkdf.expand_multi_info(info, &mut key).expect("HKDF-SHA256 gives up to 8,160 bytes, keys are 32 at most");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac` from the formula in RFC 5869, not with this code.
    #[test]
    fn the_derivation_matches_its_test_vector() {
        let secret = Secret(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let keys = RoomKeys::derive(&secret);
        assert_eq!(hex(&keys.room_id.0), "c4254e6cd09e729f62995664a28ebec5");
        assert_eq!(hex(&keys.psk), "87ffa38131362eb41e2fb5b70b5e4e80a18181e8b105c5314b6ec6ee94531de3");
    }

    #[test]
    fn debug_shows_no_key() {
        let secret = Secret([0xab; 16]);
        assert_eq!(format!("{:?} {secret:?}", RoomKeys::derive(&secret)), "RoomKeys(..) Secret(..)");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
