//! What we need of the Noise Protocol Framework (revision 34), with the crate `snow` doing the work: handshakes whose one
//! random number, the ephemeral key, is handed in.
//!
//! A handshake here is a function of its seeds and of the messages so far, built anew for every message read. So a forged
//! message changes nothing: the true one that comes after it is read as if the forged one had never been.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};
use zeroize::Zeroizing;

/// Bytes of an X25519 key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of an authentication tag.
pub(crate) const TAG_BYTES: usize = 16;

/// Noise's own limit (section 3).
const MESSAGE_BYTES_MAX: usize = 65_535;

/// Gives out the caller's bytes once, for the one ephemeral key of a handshake.
struct OnceRandom(Option<Zeroizing<[u8; KEY_BYTES]>>);

impl Random for OnceRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        let bytes = self.0.take().ok_or(Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(Error::Rng);
        }
        dest.copy_from_slice(&*bytes);
        Ok(())
    }
}

struct Resolver(Zeroizing<[u8; KEY_BYTES]>);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(OnceRandom(Some(self.0.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// What a handshake starts from.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) pattern: &'static str,
    pub(crate) prologue: Vec<u8>,
    pub(crate) local_private: Zeroizing<[u8; KEY_BYTES]>,
    /// 32 random bytes, new for every handshake.
    pub(crate) ephemeral: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) psk: Option<Zeroizing<[u8; 32]>>,
    /// The responder's static key, where the pattern wants it known.
    pub(crate) remote_public: Option<[u8; KEY_BYTES]>,
}

impl Setup {
    pub(crate) fn initiator(&self) -> HandshakeState {
        self.builder().and_then(Builder::build_initiator).expect(FIXED)
    }

    pub(crate) fn responder(&self) -> HandshakeState {
        self.builder().and_then(Builder::build_responder).expect(FIXED)
    }

    fn builder(&self) -> Result<Builder<'_>, Error> {
        let resolver = Box::new(Resolver(self.ephemeral.clone()));
        let mut builder = Builder::with_resolver(self.pattern.parse()?, resolver)
            .prologue(&self.prologue)?
            .local_private_key(&*self.local_private)?;
        if let Some(psk) = &self.psk {
            builder = builder.psk(0, psk)?;
        }
        if let Some(remote) = &self.remote_public {
            builder = builder.remote_public_key(remote)?;
        }
        Ok(builder)
    }
}

const FIXED: &str = "the pattern is one of two constants, and the keys it needs are given with their sizes";

/// The next message, carrying `payload`.
pub(crate) fn write(state: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; MESSAGE_BYTES_MAX.min(payload.len() + 2 * KEY_BYTES + 2 * TAG_BYTES)];
    let length = state.write_message(payload, &mut message).expect("our turn, one ephemeral key, under 48 KiB");
    message.truncate(length);
    message
}

/// The payload of the next message; `None` if it is not authentic.
pub(crate) fn read(state: &mut HandshakeState, message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut payload = Zeroizing::new(vec![0; message.len()]);
    let length = state.read_message(message, &mut payload).ok()?;
    payload.truncate(length);
    Some(payload)
}

/// The hash over the whole handshake (section 5.2), the same at both ends and nowhere else.
pub(crate) fn handshake_hash(state: &HandshakeState) -> [u8; 32] {
    state.get_handshake_hash().try_into().expect("SHA-256 gives 32 bytes")
}

/// The static key of the other end, once the handshake has authenticated it.
pub(crate) fn remote_static(state: &HandshakeState) -> Option<[u8; KEY_BYTES]> {
    state.get_remote_static()?.try_into().ok()
}

/// Each part with its length (u32, big endian) in front.
pub(crate) fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let length = u32::try_from(part.len()).expect("labels and ids are at most 32 bytes");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}
