//! One call as a state machine without input or output of its own, and the smaller machines around it.
//!
//! [`Call`] is told what happened and the time ([`Call::handle`]), and says what to do ([`Call::poll_output`]) and when it
//! wants to be woken ([`Call::poll_timeout`]). It never reads a clock, never awaits, never touches a socket. Inside it,
//! `line` keeps a socket to the server, `place` our numbers among the members, `pairs` the sealed sessions with them, and
//! [`media_gate`] says whether picture and sound may flow.
//!
//! [`CodeOffer`] and [`CodeClaim`] are the two ends of a spoken code, [`RingOut`] a ring under way, [`Reach`] being
//! reachable for rings.
//!
//! See [`Call`] for the state diagram.

mod assurance;
mod call;
mod code;
mod entropy;
mod gate;
mod line;
mod output;
mod pairs;
mod place;
mod reach;
mod refusal;
mod relay_only;
mod ring;
mod session;

pub use crate::call::{Call, CallConfig, EndReason, InCall, State};
pub use crate::code::{ClaimState, CodeClaim, CodeOffer, OfferState};
pub use crate::gate::{Bind, Fingerprint, Gate, GateInput, GateViolation, media_gate};
pub use crate::output::{ContactMessage, Input, Output, RtcCommand, RtcInput, SocketCommand, SocketInput};
pub use crate::pairs::LocalPeer;
pub use crate::reach::{Access, Inbox, Reach, ReachEvent};
pub use crate::refusal::Refusal;
pub use crate::ring::{RingOut, RingOutState};
pub use crate::session::Role;
