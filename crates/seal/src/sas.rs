//! Five emoji that two people compare, to know that nobody sits between their devices.
//!
//! The offerer commits to its nonce before it knows the answerer's, so that nobody can search for nonces that give the
//! same emoji at both ends of two different sessions:
//!
//! ```text
//! offerer  -> commitment = SHA-256("eyeline/1 sas" | nonce_o)
//! answerer -> nonce_a
//! offerer  -> nonce_o
//! emoji    = 5 times 6 bits of HKDF-SHA256(salt "eyeline/1", ikm nonce_o | nonce_a), info =
//!            "sas" | handshake hash | device_o | device_a | fingerprint_o | fingerprint_a
//! ```

use std::fmt;

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};

use crate::identity::DeviceId;
use crate::keys::{SALT, expand_parts};

const COMMIT_LABEL: &[u8] = b"eyeline/1 sas";

/// A commitment to 32 random bytes.
#[must_use]
pub fn commit(nonce: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(COMMIT_LABEL).chain_update(nonce).finalize().into()
}

/// If `commitment` was made for this nonce. If not, the other end changed its mind: no emoji may be shown.
#[must_use]
pub fn check_commit(commitment: &[u8; 32], nonce: &[u8; 32]) -> bool {
    // Both are public by now, so the time this takes gives nothing away.
    commit(nonce) == *commitment
}

/// What the emoji vouch for. Offerer and answerer are the roles of the peer connection.
#[derive(Clone, Copy)]
pub struct SasContext {
    /// Of the session the messages went through.
    pub handshake_hash: [u8; 32],
    /// The offerer's device.
    pub offerer: DeviceId,
    /// The answerer's device.
    pub answerer: DeviceId,
    /// SHA-256 of the offerer's DTLS certificate.
    pub offerer_fingerprint: [u8; 32],
    /// SHA-256 of the answerer's DTLS certificate.
    pub answerer_fingerprint: [u8; 32],
}

impl fmt::Debug for SasContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasContext(..)")
    }
}

/// Five indices into [`EMOJI`], 30 bits: an attacker in the middle has one chance in 2^30.
#[must_use]
pub fn emoji(context: &SasContext, offerer_nonce: &[u8; 32], answerer_nonce: &[u8; 32]) -> [u8; 5] {
    let ikm = [*offerer_nonce, *answerer_nonce].concat();
    let info: [&[u8]; 6] = [
        b"sas",
        &context.handshake_hash,
        context.offerer.as_bytes(),
        context.answerer.as_bytes(),
        &context.offerer_fingerprint,
        &context.answerer_fingerprint,
    ];
    let bits = u32::from_be_bytes(expand_parts(&Hkdf::<Sha256>::new(Some(SALT), &ikm), &info));
    [26, 20, 14, 8, 2].map(|shift| u8::try_from((bits >> shift) & 63).expect("six bits"))
}

/// The pictures and their English names: the table of the Matrix specification ("SAS method: emoji"), chosen there to be
/// told apart at a glance and easily named.
pub const EMOJI: [(&str, &str); 64] = [
    ("🐶", "Dog"),
    ("🐱", "Cat"),
    ("🦁", "Lion"),
    ("🐎", "Horse"),
    ("🦄", "Unicorn"),
    ("🐷", "Pig"),
    ("🐘", "Elephant"),
    ("🐰", "Rabbit"),
    ("🐼", "Panda"),
    ("🐓", "Rooster"),
    ("🐧", "Penguin"),
    ("🐢", "Turtle"),
    ("🐟", "Fish"),
    ("🐙", "Octopus"),
    ("🦋", "Butterfly"),
    ("🌷", "Flower"),
    ("🌳", "Tree"),
    ("🌵", "Cactus"),
    ("🍄", "Mushroom"),
    ("🌏", "Globe"),
    ("🌙", "Moon"),
    ("☁️", "Cloud"),
    ("🔥", "Fire"),
    ("🍌", "Banana"),
    ("🍎", "Apple"),
    ("🍓", "Strawberry"),
    ("🌽", "Corn"),
    ("🍕", "Pizza"),
    ("🎂", "Cake"),
    ("❤️", "Heart"),
    ("😀", "Smiley"),
    ("🤖", "Robot"),
    ("🎩", "Hat"),
    ("👓", "Glasses"),
    ("🔧", "Spanner"),
    ("🎅", "Santa"),
    ("👍", "Thumbs up"),
    ("☂️", "Umbrella"),
    ("⌛", "Hourglass"),
    ("⏰", "Clock"),
    ("🎁", "Gift"),
    ("💡", "Light bulb"),
    ("📕", "Book"),
    ("✏️", "Pencil"),
    ("📎", "Paperclip"),
    ("✂️", "Scissors"),
    ("🔒", "Lock"),
    ("🔑", "Key"),
    ("🔨", "Hammer"),
    ("☎️", "Telephone"),
    ("🏁", "Flag"),
    ("🚂", "Train"),
    ("🚲", "Bicycle"),
    ("✈️", "Aeroplane"),
    ("🚀", "Rocket"),
    ("🏆", "Trophy"),
    ("⚽", "Ball"),
    ("🎸", "Guitar"),
    ("🎺", "Trumpet"),
    ("🔔", "Bell"),
    ("⚓", "Anchor"),
    ("🎧", "Headphones"),
    ("📁", "Folder"),
    ("📌", "Pin"),
];

#[cfg(test)]
mod tests;
