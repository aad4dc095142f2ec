//! What was refused, by name.

use eyeline_protocol::inner::InnerError;
use eyeline_seal::sdp::{CandidateError, SdpError};
use eyeline_seal::{OpenError, PairError, RingError};
use thiserror::Error;

use crate::gate::GateViolation;

/// Something came from outside that was not used. Nothing of it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A handshake message that does not hold: swapped, altered, relabelled, or of somebody without the link.
    #[error("handshake: {0}")]
    Handshake(#[from] PairError),
    /// A handshake message at a time when none is due: replayed, reflected or duplicated.
    #[error("a handshake message that is not due")]
    HandshakeNotDue,
    /// A sealed message that cannot be opened.
    #[error("sealed message: {0}")]
    Sealed(#[from] OpenError),
    /// A sealed message from a member without a session.
    #[error("a sealed message before the handshake")]
    NoSession,
    /// Not a body at all.
    #[error("not a body")]
    NotABody,
    /// More members than a room can have.
    #[error("too many members")]
    TooManyMembers,
    /// A member that says it is ourselves.
    #[error("a member with our own id")]
    Ourselves,
    /// The other end's device is not the one that was called, or not the one the call was with.
    #[error("another device than expected")]
    WrongDevice,
    /// An opened message that means nothing.
    #[error("inner message: {0}")]
    Inner(#[from] InnerError),
    /// A session description outside of what is allowed.
    #[error("session description: {0}")]
    Sdp(#[from] SdpError),
    /// A candidate outside of what is allowed.
    #[error("candidate: {0}")]
    Candidate(#[from] CandidateError),
    /// A restart of ICE whose certificate is another one.
    #[error("the certificate changed in a running session")]
    FingerprintChanged,
    /// The media gate is shut for good.
    #[error("media gate: {0}")]
    Gate(#[from] GateViolation),
    /// The other end did not say in time which connection it means.
    #[error("the other end did not bind the connection in time")]
    BindTimeout,
    /// A verification message at the wrong time, or from the wrong side.
    #[error("a verification message that is not due")]
    SasNotDue,
    /// The other end's random value is not the one it committed to.
    #[error("the commitment of the verification does not hold")]
    SasCommitment,
    /// A ring, or the answer to one.
    #[error("ring: {0}")]
    Ring(#[from] RingError),
    /// A ring of somebody who is no contact, or blocked.
    #[error("a ring of somebody who may not ring")]
    NotAContact,
}
