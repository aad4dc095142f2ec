//! The connection between two peers: paths, encryption, packets, repair, and how fast to send.
//!
//! This is the only crate that names `webrtc` and `rtc`. Frames go in and come out; the engine never sees a packet.
//!
//! ```text
//! encoder, sound threads -> VideoSender, AudioSender -> sending task (cut, pace) -> stack -> UDP
//! UDP -> stack -> media tap (unwrap retransmissions, ask for missing packets, assemble) -> PeerSinks
//! stack -> bridge -> UDP, TCP or TLS to a relay, and back
//! ```

mod acknowledge;
mod bridge;
mod config;
mod control;
mod error;
mod estimate;
mod events;
mod fec;
mod handler;
mod link;
mod negotiation;
mod peer;
mod proof;
mod receive;
mod red;
mod sdp;
mod send;
mod sequence;
mod setup;
#[cfg(test)]
mod simulation;
mod socket;
mod stats;
mod tap;

pub use config::{IceServer, PeerConfig};
pub use error::RtcError;
pub use events::{PathKind, PeerEvent, PeerEvents, PeerState};
pub use peer::Peer;
pub use send::{AudioSender, VideoSender};
pub use stats::{PeerStats, SenderTime};
pub use tap::PeerSinks;
