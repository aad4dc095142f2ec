//! A sealed session between two members of a room: `Noise_XXpsk0_25519_ChaChaPoly_SHA256`, the newcomer initiates.
//!
//! ```text
//! prologue = "eyeline/1 room", room id, initiator's id, responder's id, each with its length (u32, big endian) in front
//! psk      = what the link's secret gives, so the server, which knows the ids, cannot take part
//! message 1 (kind 1) carries padding, 2 and 3 (kinds 2, 3) a card; then kind 4, the nonce being the `seq` of the message
//! ```

use std::fmt;

use eyeline_protocol::MemberId;
use snow::HandshakeState;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::RoomKeys;
use crate::card::{Card, CardError, LocalCard, PeerCard};
use crate::envelope::{self, Body, Kind, OpenError};
use crate::identity::{Identity, NoisePublic};
use crate::noise::{self, KEY_BYTES, Setup, TAG_BYTES};
use crate::session::Session;

const PATTERN: &str = "Noise_XXpsk0_25519_ChaChaPoly_SHA256";
const PROLOGUE_LABEL: &[u8] = b"eyeline/1 room";

/// What each message adds to its padded content: an ephemeral key, a sealed static key, tags.
const FIRST_OVERHEAD: usize = KEY_BYTES + TAG_BYTES;
const SECOND_OVERHEAD: usize = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES;
const THIRD_OVERHEAD: usize = KEY_BYTES + TAG_BYTES + TAG_BYTES;

/// Who of two members starts; both ends must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairIds {
    /// The member that sends the first message: the one who came later.
    pub initiator: MemberId,
    /// The other one.
    pub responder: MemberId,
}

/// Why a handshake message was refused. The handshake goes on waiting for the true one, unless it is [`Self::Finished`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PairError {
    /// Not a body of the kind that is due.
    #[error("not the handshake message that is due")]
    Malformed,
    /// Made without the room's secret, for other members, or altered on the way.
    #[error("the handshake message is not authentic")]
    NotAuthentic,
    /// Authentic, but its padding is wrong: its sender is broken.
    #[error("the handshake message's padding is wrong")]
    BadPadding,
    /// Authentic, from someone with the link, but with a card that does not hold.
    #[error("the other end's card was refused: {0}")]
    BadCard(#[from] CardError),
    /// This handshake has given its session already.
    #[error("the handshake is finished")]
    Finished,
}

impl From<OpenError> for PairError {
    fn from(_: OpenError) -> Self {
        Self::BadPadding
    }
}

/// This end of a handshake.
struct Local {
    setup: Setup,
    bind: [u8; 32],
    /// Padded.
    card: Zeroizing<Vec<u8>>,
}

impl Local {
    fn new(keys: &RoomKeys, ids: &PairIds, identity: &Identity, card: &LocalCard, random: [u8; 64]) -> Self {
        let random = Zeroizing::new(random);
        let (ephemeral, bind) = random.split_first_chunk::<32>().expect("64 are more than 32");
        let bind: [u8; 32] = bind.try_into().expect("the second half of 64");
        let prologue = noise::length_prefixed(&[
            PROLOGUE_LABEL,
            &keys.room_id.0,
            ids.initiator.as_str().as_bytes(),
            ids.responder.as_str().as_bytes(),
        ]);
        let setup = Setup {
            pattern: PATTERN,
            prologue,
            local_private: identity.noise.private(),
            ephemeral: Zeroizing::new(*ephemeral),
            psk: Some(Zeroizing::new(keys.psk)),
            remote_public: None,
        };
        Self { setup, bind, card: padded_card(&card.signed(identity, &identity.noise, Some(bind))) }
    }

    fn session(&self, state: HandshakeState, peer: PeerCard, peer_bind: [u8; 32]) -> Session {
        let (initiator, responder) = if state.is_initiator() { (self.bind, peer_bind) } else { (peer_bind, self.bind) };
        Session::new(state, peer, &initiator, &responder)
    }
}

/// Our end of a session that we begin.
pub struct Initiator {
    local: Local,
    finished: bool,
}

impl Initiator {
    /// Begins. `random` is 64 random bytes, new for every handshake. Returns the first message (kind 1).
    #[must_use]
    pub fn start(
        keys: &RoomKeys,
        ids: &PairIds,
        identity: &Identity,
        card: &LocalCard,
        random: [u8; 64],
    ) -> (Self, Body) {
        let local = Local::new(keys, ids, identity, card, random);
        let first = write_first(&mut local.setup.initiator());
        (Self { local, finished: false }, envelope::wrap(Kind::PairFirst, &first))
    }

    /// Reads the second message (kind 2). Returns the third (kind 3), to be sent before anything sealed, and the session.
    ///
    /// # Errors
    /// [`PairError`]; any but `Finished` leaves the handshake waiting as it was.
    pub fn read(&mut self, body: &str) -> Result<(Body, Session), PairError> {
        if self.finished {
            return Err(PairError::Finished);
        }
        let message = envelope::unwrap(Kind::PairSecond, SECOND_OVERHEAD, body).ok_or(PairError::Malformed)?;
        let mut state = self.local.setup.initiator();
        write_first(&mut state);
        let (peer, bind) = read_card(&mut state, &message)?;
        let third = noise::write(&mut state, &self.local.card);
        self.finished = true;
        Ok((envelope::wrap(Kind::PairThird, &third), self.local.session(state, peer, bind)))
    }
}

/// Our end of a session that the other member begins.
pub struct Responder {
    local: Local,
    first: Vec<u8>,
    finished: bool,
}

impl Responder {
    /// Reads a first message (kind 1). `random` is 64 random bytes, new for every handshake. Returns the second message
    /// (kind 2). Whoever has the link could have written the first; who it is comes with the third.
    ///
    /// # Errors
    /// [`PairError::Malformed`], [`PairError::NotAuthentic`] or [`PairError::BadPadding`].
    pub fn accept(
        keys: &RoomKeys,
        ids: &PairIds,
        identity: &Identity,
        card: &LocalCard,
        random: [u8; 64],
        first: &str,
    ) -> Result<(Self, Body), PairError> {
        let first = envelope::unwrap(Kind::PairFirst, FIRST_OVERHEAD, first).ok_or(PairError::Malformed)?;
        let responder = Self { local: Local::new(keys, ids, identity, card, random), first, finished: false };
        let (_, second) = responder.answered()?;
        Ok((responder, envelope::wrap(Kind::PairSecond, &second)))
    }

    /// Reads the third message (kind 3).
    ///
    /// # Errors
    /// [`PairError`]; any but `Finished` leaves the handshake waiting as it was.
    pub fn finish(&mut self, body: &str) -> Result<Session, PairError> {
        if self.finished {
            return Err(PairError::Finished);
        }
        let message = envelope::unwrap(Kind::PairThird, THIRD_OVERHEAD, body).ok_or(PairError::Malformed)?;
        let (mut state, _) = self.answered()?;
        let (peer, bind) = read_card(&mut state, &message)?;
        self.finished = true;
        Ok(self.local.session(state, peer, bind))
    }

    /// The handshake after the second message, and that message: the same bytes every time.
    fn answered(&self) -> Result<(HandshakeState, Vec<u8>), PairError> {
        let mut state = self.local.setup.responder();
        let payload = noise::read(&mut state, &self.first).ok_or(PairError::NotAuthentic)?;
        if !envelope::unpad(&payload)?.is_empty() {
            return Err(PairError::BadPadding);
        }
        let second = noise::write(&mut state, &self.local.card);
        Ok((state, second))
    }
}

fn padded_card(card: &Card) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(envelope::pad(&card.to_json()).expect("a card is bounded to about 900 bytes"))
}

fn write_first(state: &mut HandshakeState) -> Vec<u8> {
    noise::write(state, &envelope::pad(&[]).expect("nothing fits"))
}

fn read_card(state: &mut HandshakeState, message: &[u8]) -> Result<(PeerCard, [u8; 32]), PairError> {
    let payload = noise::read(state, message).ok_or(PairError::NotAuthentic)?;
    let key = noise::remote_static(state).ok_or(PairError::NotAuthentic)?;
    let card = Card::from_json(envelope::unpad(&payload)?)?;
    let bind = card.bind().ok_or(CardError::Malformed)?;
    Ok((PeerCard::check(card, NoisePublic(key))?, bind))
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder(..)")
    }
}

#[cfg(test)]
mod tests;
