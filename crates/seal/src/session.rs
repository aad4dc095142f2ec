//! A running session between two members (kind 4), and the proof that binds a peer connection to it.
//!
//! ```text
//! bind key = HKDF-SHA256(salt "eyeline/1", ikm initiator's bind | responder's bind | handshake hash) expanded by "bind"
//! bind mac = HMAC-SHA256(bind key, "eyeline/1 bind" | role (1 offerer, 2 answerer) | offerer's and answerer's fingerprint)
//! ```

use std::fmt;

use eyeline_protocol::limits;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use snow::{HandshakeState, StatelessTransportState};
use zeroize::Zeroizing;

use crate::card::PeerCard;
use crate::envelope::{self, Body, Kind, OpenError, SealError};
use crate::keys::{SALT, expand};
use crate::noise::{self, TAG_BYTES};

const BIND_LABEL: &[u8] = b"eyeline/1 bind";

/// The role in the peer connection a bind proof speaks for: who wrote the offer. Not the role in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindRole {
    /// The one that offered.
    Offerer,
    /// The one that answered.
    Answerer,
}

impl BindRole {
    /// The other end's.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Offerer => Self::Answerer,
            Self::Answerer => Self::Offerer,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Offerer => 1,
            Self::Answerer => 2,
        }
    }
}

/// A running session: seals and opens messages, and knows who is at the other end.
pub struct Session {
    transport: StatelessTransportState,
    peer: PeerCard,
    handshake_hash: [u8; 32],
    bind_key: Zeroizing<[u8; 32]>,
    sealed_seq: u64,
    opened_seq: u64,
}

impl Session {
    /// A session of a finished handshake and the 32 random bytes that each end put into its card.
    pub(crate) fn new(state: HandshakeState, peer: PeerCard, initiator: &[u8; 32], responder: &[u8; 32]) -> Self {
        let handshake_hash = noise::handshake_hash(&state);
        let ikm = Zeroizing::new([*initiator, *responder, handshake_hash].concat());
        Self {
            bind_key: Zeroizing::new(expand(&Hkdf::<Sha256>::new(Some(SALT), &ikm), b"bind")),
            transport: state.into_stateless_transport_mode().expect("the last message was read or written"),
            peer,
            handshake_hash,
            sealed_seq: 0,
            opened_seq: 0,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &PeerCard {
        &self.peer
    }

    /// The same at both ends, and in no other session.
    #[must_use]
    pub fn handshake_hash(&self) -> &[u8; 32] {
        &self.handshake_hash
    }

    /// Seals up to [`crate::PLAINTEXT_BYTES_MAX`] bytes as message `seq` (kind 4): from 1 on, each above the last. Gaps
    /// are fine. A message that has to be sent again is sent as it was sealed.
    ///
    /// # Errors
    /// [`SealError`]; then nothing was used up.
    pub fn seal(&mut self, seq: u64, plaintext: &[u8]) -> Result<Body, SealError> {
        if seq <= self.sealed_seq || seq > limits::SEQ_MAX {
            return Err(SealError::SeqUsed);
        }
        let padded = Zeroizing::new(envelope::pad(plaintext)?);
        let mut message = vec![0; padded.len() + TAG_BYTES];
        let length = self.transport.write_message(seq, &padded, &mut message).expect("under Noise's 65,535 bytes");
        message.truncate(length);
        self.sealed_seq = seq;
        Ok(envelope::wrap(Kind::Sealed, &message))
    }

    /// Opens message `seq` of the other end (kind 4).
    ///
    /// # Errors
    /// [`OpenError`]; the session is not harmed by it.
    pub fn open(&mut self, seq: u64, body: &str) -> Result<Vec<u8>, OpenError> {
        let message = envelope::unwrap(Kind::Sealed, TAG_BYTES, body).ok_or(OpenError::Malformed)?;
        if seq > limits::SEQ_MAX {
            return Err(OpenError::Malformed);
        }
        if seq <= self.opened_seq {
            return Err(OpenError::Replayed);
        }
        let mut padded = Zeroizing::new(vec![0; message.len()]);
        let length = self.transport.read_message(seq, &message, &mut padded).map_err(|_| OpenError::NotAuthentic)?;
        self.opened_seq = seq;
        padded.truncate(length);
        envelope::unpad(&padded).map(<[u8]>::to_vec)
    }

    /// The proof that the end in `role` saw these certificates (SHA-256 of each, DER): against an unknown key share
    /// (RFC 8844).
    #[must_use]
    pub fn bind_mac(
        &self,
        role: BindRole,
        offerer_fingerprint: &[u8; 32],
        answerer_fingerprint: &[u8; 32],
    ) -> [u8; 32] {
        self.bind(role, offerer_fingerprint, answerer_fingerprint).finalize().into_bytes().into()
    }

    /// If `mac` is what [`Session::bind_mac`] gives at the other end, `role` being the other end's. Constant time.
    #[must_use]
    pub fn check_bind(
        &self,
        role: BindRole,
        offerer_fingerprint: &[u8; 32],
        answerer_fingerprint: &[u8; 32],
        mac: &[u8],
    ) -> bool {
        self.bind(role, offerer_fingerprint, answerer_fingerprint).verify_slice(mac).is_ok()
    }

    fn bind(&self, role: BindRole, offerer: &[u8; 32], answerer: &[u8; 32]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&*self.bind_key)
            .expect("HMAC takes a key of any length")
            .chain_update(BIND_LABEL)
            .chain_update([role.byte()])
            .chain_update(offerer)
            .chain_update(answerer)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
