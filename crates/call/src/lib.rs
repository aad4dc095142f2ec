//! One call as a state machine without input or output of its own.
//!
//! [`Call`] is told what happened and the time ([`Call::handle`]), and says what to do ([`Call::poll_output`]) and when it
//! wants to be woken ([`Call::poll_timeout`]). It never reads a clock, never awaits, never touches a socket. Inside it,
//! [`signaling`] keeps the place in the room: greeting, joining, sealing, acknowledging, resuming.
//!
//! See [`Call`] for the state diagram.

mod call;
mod output;
mod session;
pub mod signaling;

pub use crate::call::{Call, CallConfig, EndReason, InCall, State};
pub use crate::output::{Input, Output, RtcCommand, RtcInput, SocketCommand, SocketInput};
pub use crate::session::Role;
