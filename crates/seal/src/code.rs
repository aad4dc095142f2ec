//! A code one can say aloud, `7-amber-violin`, and how two devices turn it into a link without giving it away.
//!
//! The nameplate is a number from the server, which brings the two together. The words are chosen by the host's device
//! and never sent: SPAKE2 (RFC 9382 describes the family; the crate `spake2` implements the protocol of magic-wormhole)
//! makes a key of them, such that whoever is in the middle gets one guess and no more, and is seen guessing.
//!
//! ```text
//! identities "eyeline/1 code host" | nameplate, "eyeline/1 code guest" | nameplate (decimal); password = "word-word"
//! host  -> guest  kind 5   A
//! guest -> host   kind 6   B | HMAC(guest key, transcript)
//! host  -> guest  kind 7   HMAC(host key, transcript) | ChaCha20-Poly1305(link key, nonce 0, aad transcript, link)
//! ```
//! `transcript` is nameplate, A, B, each with its length in front; the keys are expanded from SPAKE2's by HKDF-SHA256.
//! The guest proves the words first, so a guesser learns nothing from the host but that it was wrong.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Link;
use crate::envelope::{self, Body, Kind};
use crate::keys::{SALT, expand};
use crate::noise::{TAG_BYTES, length_prefixed};
use crate::spoken::SpokenCode;

/// A side byte and a point of the curve.
const POINT_BYTES: usize = 33;
const MAC_BYTES: usize = 32;

/// Why a message of a code exchange was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodeError {
    /// Not the message that is due. The exchange goes on waiting for it.
    #[error("not the message that is due")]
    Malformed,
    /// The other end does not know the words: a slip, or somebody guessing. The code is burnt; the host's user is told.
    #[error("the other side used other words")]
    WrongGuess,
    /// This end has had its one try.
    #[error("the code was used")]
    Used,
}

/// The end that made the code and hands over a link.
pub struct CodeHost {
    spoken: SpokenCode,
    random: Zeroizing<[u8; 64]>,
    used: bool,
}

impl CodeHost {
    /// Begins, when the guest has come. `random` is 64 random bytes, new for every code. Returns kind 5.
    #[must_use]
    pub fn start(spoken: &SpokenCode, random: [u8; 64]) -> (Self, Body) {
        let host = Self { spoken: *spoken, random: Zeroizing::new(random), used: false };
        let (_, point) = host.exchange();
        (host, envelope::wrap(Kind::CodeHello, &padded(&point)))
    }

    /// Reads the guest's proof (kind 6), once. Returns the link for the guest (kind 7).
    ///
    /// # Errors
    /// [`CodeError`]; after `WrongGuess` every further call is `Used`.
    pub fn read(&mut self, body: &str, link: &Link) -> Result<Body, CodeError> {
        if self.used {
            return Err(CodeError::Used);
        }
        let content = content(Kind::CodeProof, body)?;
        let (theirs, proof) = content.split_at_checked(POINT_BYTES).ok_or(CodeError::Malformed)?;
        let (exchange, ours) = self.exchange();
        let key = exchange.finish(theirs).map_err(|_| CodeError::Malformed)?;
        // From here on a guess has been made.
        self.used = true;
        let keys = Keys::new(&key, &self.spoken, &ours, theirs);
        keys.mac(Side::Guest).verify_slice(proof).map_err(|_| CodeError::WrongGuess)?;
        let mut payload = keys.mac(Side::Host).finalize().into_bytes().to_vec();
        payload.extend_from_slice(&keys.seal(&link.to_string()));
        Ok(envelope::wrap(Kind::CodeLink, &payload))
    }

    fn exchange(&self) -> (Spake2<Ed25519Group>, Vec<u8>) {
        let (password, host, guest) = names(&self.spoken);
        Spake2::start_a_with_rng(&password, &host, &guest, Once(&self.random))
    }
}

/// What reading a message of the host leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum GuestStep {
    /// Send this (kind 6).
    Reply(Body),
    /// The exchange is over; join this.
    Done(Link),
}

/// Where the guest stands: `Waiting -> Proved -> Done`.
enum GuestState {
    Waiting,
    /// The one proof was sent; the keys open the link.
    Proved(Keys),
    Done,
}

/// The end that was told the code and wants the link.
pub struct CodeGuest {
    spoken: SpokenCode,
    random: Zeroizing<[u8; 64]>,
    state: GuestState,
}

impl CodeGuest {
    /// Waits for the host's first message. `random` is 64 random bytes, new for every try.
    #[must_use]
    pub fn start(spoken: &SpokenCode, random: [u8; 64]) -> Self {
        Self { spoken: *spoken, random: Zeroizing::new(random), state: GuestState::Waiting }
    }

    /// Reads a message of the host (kind 5, then 7).
    ///
    /// # Errors
    /// [`CodeError::Malformed`] leaves the exchange waiting; [`CodeError::WrongGuess`]: whoever answered does not know
    /// the words (only a lying server gets here; a host that was told other words says nothing); [`CodeError::Used`] for
    /// a second first message: every answer would be another guess for whoever sent it.
    pub fn read(&mut self, body: &str) -> Result<GuestStep, CodeError> {
        match &self.state {
            GuestState::Waiting => self.prove(body),
            GuestState::Proved(keys) => {
                if envelope::kind(body) == Some(Kind::CodeHello) {
                    return Err(CodeError::Used);
                }
                let link = keys.open(body)?;
                self.state = GuestState::Done;
                Ok(GuestStep::Done(link))
            }
            GuestState::Done => Err(CodeError::Used),
        }
    }

    fn prove(&mut self, body: &str) -> Result<GuestStep, CodeError> {
        let theirs = content(Kind::CodeHello, body)?;
        let (password, host, guest) = names(&self.spoken);
        let (exchange, ours) = Spake2::<Ed25519Group>::start_b_with_rng(&password, &host, &guest, Once(&self.random));
        let key = exchange.finish(&theirs).map_err(|_| CodeError::Malformed)?;
        let keys = Keys::new(&key, &self.spoken, &theirs, &ours);
        let proof = keys.mac(Side::Guest).finalize().into_bytes();
        self.state = GuestState::Proved(keys);
        Ok(GuestStep::Reply(envelope::wrap(Kind::CodeProof, &padded(&[&ours[..], &proof].concat()))))
    }
}

#[derive(Clone, Copy)]
enum Side {
    Host,
    Guest,
}

/// What both ends derive if they know the same words.
struct Keys {
    host: Zeroizing<[u8; 32]>,
    guest: Zeroizing<[u8; 32]>,
    link: Zeroizing<[u8; 32]>,
    transcript: Vec<u8>,
}

impl Keys {
    fn new(key: &[u8], spoken: &SpokenCode, host_point: &[u8], guest_point: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), key);
        let nameplate = spoken.nameplate.to_string();
        Self {
            host: Zeroizing::new(expand(&hkdf, b"code host")),
            guest: Zeroizing::new(expand(&hkdf, b"code guest")),
            link: Zeroizing::new(expand(&hkdf, b"code link")),
            transcript: length_prefixed(&[nameplate.as_bytes(), host_point, guest_point]),
        }
    }

    fn mac(&self, side: Side) -> Hmac<Sha256> {
        let key = match side {
            Side::Host => &self.host,
            Side::Guest => &self.guest,
        };
        <Hmac<Sha256> as hmac::Mac>::new_from_slice(&**key)
            .expect("HMAC takes a key of any length")
            .chain_update(&self.transcript)
    }

    /// The key is used for this one message, so its nonce may be zero.
    fn seal(&self, link: &str) -> Vec<u8> {
        let msg = padded(link.as_bytes());
        ChaCha20Poly1305::new((&*self.link).into())
            .encrypt(&Nonce::default(), Payload { msg: &msg, aad: &self.transcript })
            .expect("fails only above 256 GiB, a link is under 1 KiB")
    }

    fn open(&self, body: &str) -> Result<Link, CodeError> {
        let payload = envelope::unwrap(Kind::CodeLink, MAC_BYTES + TAG_BYTES, body).ok_or(CodeError::Malformed)?;
        let (proof, msg) = payload.split_at_checked(MAC_BYTES).ok_or(CodeError::Malformed)?;
        self.mac(Side::Host).verify_slice(proof).map_err(|_| CodeError::WrongGuess)?;
        let text = ChaCha20Poly1305::new((&*self.link).into())
            .decrypt(&Nonce::default(), Payload { msg, aad: &self.transcript })
            .map_err(|_| CodeError::WrongGuess)?;
        let text = envelope::unpad(&text).map_err(|_| CodeError::Malformed)?;
        std::str::from_utf8(text).ok().and_then(|text| Link::parse(text).ok()).ok_or(CodeError::Malformed)
    }
}

fn names(spoken: &SpokenCode) -> (Password, Identity, Identity) {
    let identity = |side: &str| Identity::new(format!("eyeline/1 code {side}{}", spoken.nameplate).as_bytes());
    (Password::new(spoken.password()), identity("host"), identity("guest"))
}

fn padded(content: &[u8]) -> Vec<u8> {
    envelope::pad(content).expect("points, proofs and links are under 1 KiB")
}

fn content(kind: Kind, body: &str) -> Result<Vec<u8>, CodeError> {
    let padded = envelope::unwrap(kind, 0, body).ok_or(CodeError::Malformed)?;
    envelope::unpad(&padded).map(<[u8]>::to_vec).map_err(|_| CodeError::Malformed)
}

/// Gives out the caller's 64 bytes, for the one scalar an exchange draws.
struct Once<'a>(&'a [u8; 64]);

impl RngCore for Once<'_> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.copy_from_slice(&self.0[..dest.len()]);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// The bytes are the caller's, from the system's generator.
impl CryptoRng for Once<'_> {}

impl fmt::Debug for CodeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHost(..)")
    }
}

impl fmt::Debug for CodeGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeGuest(..)")
    }
}

#[cfg(test)]
mod tests;
