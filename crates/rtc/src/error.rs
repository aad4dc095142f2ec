//! What can go wrong with a connection.

/// Failures of [`Peer`](crate::Peer) calls. None of them ends the connection by itself.
///
/// The texts never quote what was received: descriptions and candidates carry addresses.
#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    /// The connection could not be set up on this machine: no socket, no key, or a bad configuration.
    #[error("the connection could not be set up: {0}")]
    Setup(String),
    /// A session description was refused.
    #[error("the {step} failed: {reason}")]
    Negotiation {
        /// Which call refused it.
        step: &'static str,
        /// The stack's reason.
        reason: String,
    },
    /// The other side's description shares no codec with us.
    #[error("no common {0} codec")]
    NoCommonCodec(&'static str),
    /// A candidate that is not one.
    #[error("the candidate is malformed")]
    BadCandidate,
    /// More candidates arrived before the description than any peer sends.
    #[error("too many early candidates")]
    TooManyCandidates,
    /// The control channel is not open, or the message does not fit it.
    #[error("the control channel cannot take the message")]
    ControlUnavailable,
    /// The connection was closed.
    #[error("the connection is closed")]
    Closed,
}

impl RtcError {
    pub(crate) fn setup(error: impl std::fmt::Display) -> Self {
        Self::Setup(error.to_string())
    }

    pub(crate) fn negotiation(step: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Negotiation { step, reason: error.to_string() }
    }
}
