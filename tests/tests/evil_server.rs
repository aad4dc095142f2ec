//! A server that lies, and a peer that is hostile, between real calls: every attack is refused by its name and no media
//! flows, or it does no harm and the call is with the right device.
//!
//! The calls, their keys and their sealed messages are real; the server, the clock and the peer connections are virtual.

#[path = "evil_server/bench.rs"]
mod bench;
#[path = "evil_server/codes.rs"]
mod codes;
#[path = "evil_server/gate.rs"]
mod gate;
#[path = "evil_server/members.rs"]
mod members;
#[path = "evil_server/peer.rs"]
mod peer;
#[path = "../../crates/call/tests/rig/mod.rs"]
mod rig;
#[path = "evil_server/rings.rs"]
mod rings;
#[path = "evil_server/tampering.rs"]
mod tampering;
#[path = "evil_server/timing.rs"]
mod timing;
