//! Ringing a contact: one message to the contact's Noise key, `Noise_IK_25519_ChaChaPoly_SHA256`, and one back.
//!
//! ```text
//! prologue = "eyeline/1 ring", inbox id, each with its length (u32, big endian) in front
//! ring  (kind 8) { call_id, secret, server, sent_unix_s, card }
//! reply (kind 9) { answer: "accepted" | "declined" | "busy", card }
//! ```
//! A ring can be replayed by the server, so the one rung checks its age and remembers it ([`ReplayCache`]).

mod replay;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::card::{Card, CardError, LocalCard, PeerCard};
use crate::envelope::{self, Body, Kind, OpenError};
use crate::identity::{DeviceId, Identity, NoiseKey, NoisePublic};
use crate::noise::{self, KEY_BYTES, Setup, TAG_BYTES};
use crate::{Link, LinkError};

pub use replay::{RING_AGE_MAX_S, RINGS_MAX, RINGS_PER_CALLER_MAX, ReplayCache};

const PATTERN: &str = "Noise_IK_25519_ChaChaPoly_SHA256";
const PROLOGUE_LABEL: &[u8] = b"eyeline/1 ring";
const RING_OVERHEAD: usize = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES;
const REPLY_OVERHEAD: usize = KEY_BYTES + TAG_BYTES;

/// Why a ring or its reply was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RingError {
    /// Not a body of the kind that is due, or its content is not what it should be.
    #[error("not a ring")]
    Malformed,
    /// For another key or inbox, or altered on the way.
    #[error("the ring is not authentic")]
    NotAuthentic,
    /// Authentic, but with a card that does not hold.
    #[error("the other end's card was refused: {0}")]
    BadCard(#[from] CardError),
    /// Answered by another device than the one rung.
    #[error("another device answered")]
    WrongDevice,
    /// More than [`RING_AGE_MAX_S`] old, or from a clock that is as much ahead of ours.
    #[error("the ring is too old, or a clock is wrong")]
    Stale,
    /// Rung before: a copy.
    #[error("the ring came before")]
    Replayed,
    /// Its caller rings too often ([`RINGS_PER_CALLER_MAX`], [`RINGS_MAX`]).
    #[error("too many rings")]
    TooMany,
}

impl From<OpenError> for RingError {
    fn from(_: OpenError) -> Self {
        Self::Malformed
    }
}

/// How a ring is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingAnswer {
    /// The callee goes to the room.
    Accepted,
    /// The callee does not want to.
    Declined,
    /// The callee is in a call.
    Busy,
}

/// Whom to ring.
#[derive(Debug, Clone, Copy)]
pub struct RingTo {
    /// The contact's device: nobody else's answer counts.
    pub device: DeviceId,
    /// Its Noise key, as last learnt.
    pub noise_key: NoisePublic,
    /// Its inbox at the server.
    pub inbox_id: [u8; 16],
}

/// What a ring invites to.
#[derive(Clone, PartialEq, Eq)]
pub struct RingOffer {
    /// 16 random bytes that name this ring, new for every one.
    pub call_id: [u8; 16],
    /// Where the caller waits, and the new secret of that room.
    pub link: Link,
    /// Seconds since 1970 by the caller's clock.
    pub sent_unix_s: u64,
}

/// The caller's end of a ring.
pub struct RingCaller {
    setup: Setup,
    payload: Zeroizing<Vec<u8>>,
    callee: DeviceId,
}

impl RingCaller {
    /// Rings. `random` is 32 random bytes, new for every ring. Returns the ring's body (kind 8).
    #[must_use]
    pub fn start(
        identity: &Identity,
        card: &LocalCard,
        to: &RingTo,
        offer: &RingOffer,
        random: [u8; 32],
    ) -> (Self, Body) {
        let content = OfferContent {
            call_id: URL_SAFE_NO_PAD.encode(offer.call_id),
            secret: URL_SAFE_NO_PAD.encode(offer.link.secret().0),
            server: offer.link.server().to_string(),
            sent_unix_s: offer.sent_unix_s,
            card: card.signed(identity, &identity.noise, None),
        };
        let mut setup = setup(&identity.noise, &to.inbox_id, random);
        setup.remote_public = Some(to.noise_key.0);
        let caller = Self { setup, payload: payload(&content), callee: to.device };
        let ring = noise::write(&mut caller.setup.initiator(), &caller.payload);
        (caller, envelope::wrap(Kind::Ring, &ring))
    }

    /// Reads the reply (kind 9): the answer, and the card the callee shows now.
    ///
    /// # Errors
    /// [`RingError`]; the ring goes on waiting for the true reply.
    pub fn read(&self, body: &str) -> Result<(RingAnswer, PeerCard), RingError> {
        let message = envelope::unwrap(Kind::RingReply, REPLY_OVERHEAD, body).ok_or(RingError::Malformed)?;
        let mut state = self.setup.initiator();
        noise::write(&mut state, &self.payload);
        let payload = noise::read(&mut state, &message).ok_or(RingError::NotAuthentic)?;
        let content: ReplyContent = content(&payload)?;
        let key = noise::remote_static(&state).ok_or(RingError::NotAuthentic)?;
        let peer = PeerCard::check(content.card, NoisePublic(key))?;
        if peer.device == self.callee { Ok((content.answer, peer)) } else { Err(RingError::WrongDevice) }
    }
}

/// A ring that came, opened and authentic. It still has to be checked: is the caller a contact, not blocked, and
/// [`ReplayCache::check`].
pub struct IncomingRing {
    setup: Setup,
    message: Vec<u8>,
    key: NoiseKey,
    caller: PeerCard,
    offer: RingOffer,
}

impl IncomingRing {
    /// Opens a ring (kind 8) to our inbox with our current Noise key, or with the one before.
    ///
    /// # Errors
    /// [`RingError::Malformed`], [`RingError::NotAuthentic`] or [`RingError::BadCard`].
    pub fn open(identity: &Identity, inbox_id: &[u8; 16], body: &str) -> Result<Self, RingError> {
        let message = envelope::unwrap(Kind::Ring, RING_OVERHEAD, body).ok_or(RingError::Malformed)?;
        let keys = [Some(&identity.noise), identity.previous.as_ref()];
        let opened = keys.into_iter().flatten().find_map(|key| {
            // The first message of IK needs no ephemeral key of the responder's.
            let setup = setup(key, inbox_id, [0; 32]);
            let mut state = setup.responder();
            let payload = noise::read(&mut state, &message)?;
            Some((key, setup, state, payload))
        });
        let (key, setup, state, payload) = opened.ok_or(RingError::NotAuthentic)?;
        let content: OfferContent = content(&payload)?;
        let authenticated = noise::remote_static(&state).ok_or(RingError::NotAuthentic)?;
        let offer = content.offer()?;
        let caller = PeerCard::check(content.card, NoisePublic(authenticated))?;
        Ok(Self { setup, message, key: key.clone(), caller, offer })
    }

    /// Who rings.
    #[must_use]
    pub fn caller(&self) -> &PeerCard {
        &self.caller
    }

    /// What to.
    #[must_use]
    pub fn offer(&self) -> &RingOffer {
        &self.offer
    }

    /// The reply's body (kind 9). `random` is 32 random bytes, new for every call of this.
    #[must_use]
    pub fn answer(&self, identity: &Identity, card: &LocalCard, answer: RingAnswer, random: [u8; 32]) -> Body {
        let content = ReplyContent { answer, card: card.signed(identity, &self.key, None) };
        let setup = Setup { ephemeral: Zeroizing::new(random), ..self.setup.clone() };
        let mut state = setup.responder();
        noise::read(&mut state, &self.message).expect("it was read with this key before");
        envelope::wrap(Kind::RingReply, &noise::write(&mut state, &payload(&content)))
    }
}

#[derive(Serialize, Deserialize)]
struct OfferContent {
    call_id: String,
    secret: String,
    server: String,
    sent_unix_s: u64,
    card: Card,
}

impl OfferContent {
    fn offer(&self) -> Result<RingOffer, RingError> {
        let secret = bytes16(&self.secret)?;
        let link = Link::new(&self.server, secret).map_err(|_: LinkError| RingError::Malformed)?;
        Ok(RingOffer { call_id: bytes16(&self.call_id)?, link, sent_unix_s: self.sent_unix_s })
    }
}

#[derive(Serialize, Deserialize)]
struct ReplyContent {
    answer: RingAnswer,
    card: Card,
}

fn setup(key: &NoiseKey, inbox_id: &[u8; 16], random: [u8; 32]) -> Setup {
    Setup {
        pattern: PATTERN,
        prologue: noise::length_prefixed(&[PROLOGUE_LABEL, inbox_id]),
        local_private: key.private(),
        ephemeral: Zeroizing::new(random),
        psk: None,
        remote_public: None,
    }
}

fn payload(content: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let json = Zeroizing::new(serde_json::to_vec(content).expect("strings and numbers always serialise"));
    Zeroizing::new(envelope::pad(&json).expect("a card and a link are bounded to about 1,500 bytes"))
}

fn content<T: DeserializeOwned>(payload: &[u8]) -> Result<T, RingError> {
    serde_json::from_slice(envelope::unpad(payload)?).map_err(|_| RingError::Malformed)
}

fn bytes16(text: &str) -> Result<[u8; 16], RingError> {
    URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(RingError::Malformed)
}

impl fmt::Debug for RingOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingOffer(..)")
    }
}

impl fmt::Debug for RingCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingCaller(..)")
    }
}

impl fmt::Debug for IncomingRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IncomingRing({:?}, ..)", self.caller)
    }
}

#[cfg(test)]
mod tests;
