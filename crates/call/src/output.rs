//! What a call is told and what it asks for.

use std::fmt;

use eyeline_protocol::IceConfig;
use eyeline_protocol::inner::{ContactCard, SessionId};

use crate::gate::Fingerprint;
use crate::refusal::Refusal;

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// On the signaling socket.
    Socket(SocketInput),
    /// On a session's peer connection.
    Rtc {
        /// The session. Inputs for one that is not current are ignored.
        session: SessionId,
        /// What happened.
        input: RtcInput,
    },
    /// The user accepts the call, which until then does nothing at all.
    Accept,
    /// The user hangs up, or declines.
    HangUp,
    /// The user wants something of the other side as a person.
    Contact(ContactMessage),
    /// The machine's addresses changed.
    NetworkChanged,
    /// Nothing but time passed.
    Timeout,
}

/// How two people become contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactMessage {
    /// One would like to.
    Request(ContactCard),
    /// The other agrees.
    Accept(ContactCard),
    /// The other does not.
    Decline,
}

/// What the signaling socket did.
pub enum SocketInput {
    /// It is open.
    Opened,
    /// A text frame came.
    Frame(String),
    /// It could not be opened, or it closed.
    Closed,
    /// The machine's addresses changed, or it woke from sleep: what failed before may work now.
    NetworkChanged,
}

impl fmt::Debug for SocketInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opened => "Opened",
            Self::Frame(_) => "Frame(..)",
            Self::Closed => "Closed",
            Self::NetworkChanged => "NetworkChanged",
        })
    }
}

/// What a peer connection did.
pub enum RtcInput {
    /// The offer asked for is made and set as local description.
    Offer(String),
    /// The answer asked for is made and set as local description.
    Answer(String),
    /// A local candidate was found (`RTCIceCandidateInit` as JSON).
    Candidate(String),
    /// There are no more local candidates.
    CandidatesDone,
    /// ICE and DTLS are up.
    Connected {
        /// SHA-256 of the certificate that the other end showed.
        certificate: Option<Fingerprint>,
    },
    /// Messages can be sent over the connection.
    ControlOpen,
    /// The other end's proof that it means this connection.
    Bind([u8; 32]),
    /// Packets stopped.
    Disconnected,
    /// ICE gave up, until it is restarted.
    Failed,
    /// Packets flow, and a restart of ICE is likely to find a better path for them.
    BetterPath,
    /// The other side said over the connection that it hangs up.
    RemoteBye,
    /// A command failed; for a command on foreign data this means the data was refused.
    Error,
}

impl fmt::Debug for RtcInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer(_) => "Offer(..)",
            Self::Answer(_) => "Answer(..)",
            Self::Candidate(_) => "Candidate(..)",
            Self::CandidatesDone => "CandidatesDone",
            Self::Connected { .. } => "Connected",
            Self::ControlOpen => "ControlOpen",
            Self::Bind(_) => "Bind(..)",
            Self::Disconnected => "Disconnected",
            Self::Failed => "Failed",
            Self::BetterPath => "BetterPath",
            Self::RemoteBye => "RemoteBye",
            Self::Error => "Error",
        })
    }
}

/// Something to do.
#[derive(Debug)]
pub enum Output {
    /// With the signaling socket.
    Socket(SocketCommand),
    /// With a session's peer connection, in this order.
    Rtc {
        /// The session.
        session: SessionId,
        /// What to do.
        command: RtcCommand,
    },
    /// The media gate opened for a session: picture and sound may flow, both ways.
    OpenMedia {
        /// The session.
        session: SessionId,
    },
    /// What the other side wants of us as a person.
    Contact(ContactMessage),
    /// Something from outside was not used.
    Refused(Refusal),
    /// [`Call::state`](crate::Call::state) changed.
    Changed,
}

/// What the signaling socket shall do.
pub enum SocketCommand {
    /// Open it; answer with `Opened` or `Closed`.
    Connect,
    /// Send a text frame.
    Send(String),
    /// Send what is queued, then close it. No answer is needed.
    Close,
}

impl fmt::Debug for SocketCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "Connect",
            Self::Send(_) => "Send(..)",
            Self::Close => "Close",
        })
    }
}

/// What a peer connection shall do.
pub enum RtcCommand {
    /// Make the connection.
    Open {
        /// Relays and STUN servers to use.
        ice: IceConfig,
        /// Use relays alone, so that the other side learns no address of ours.
        relay_only: bool,
    },
    /// New credentials for the servers of [`RtcCommand::Open`], for the next time that paths are looked for.
    Renew(IceConfig),
    /// Send our proof that we mean this connection, over the connection, by the quickest way there is.
    Bind([u8; 32]),
    /// Make an offer and set it as local description; answer with [`RtcInput::Offer`].
    Offer {
        /// With new ICE credentials.
        restart: bool,
    },
    /// Take a remote offer, make the answer; answer with [`RtcInput::Answer`].
    AcceptOffer(String),
    /// Take the remote answer.
    AcceptAnswer(String),
    /// Take a remote candidate.
    AddCandidate(String),
    /// Say over the connection that we hang up, then close it.
    Close,
}

impl fmt::Debug for RtcCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { .. } => f.write_str("Open(..)"),
            Self::Renew(_) => f.write_str("Renew(..)"),
            Self::Bind(_) => f.write_str("Bind(..)"),
            Self::Offer { restart } => write!(f, "Offer {{ restart: {restart} }}"),
            Self::AcceptOffer(_) => f.write_str("AcceptOffer(..)"),
            Self::AcceptAnswer(_) => f.write_str("AcceptAnswer(..)"),
            Self::AddCandidate(_) => f.write_str("AddCandidate(..)"),
            Self::Close => f.write_str("Close"),
        }
    }
}
