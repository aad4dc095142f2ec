//! Our own interceptors in the stack's packet chain: one next to the wire that counts and reads RTCP, one next to the
//! application that takes the media out.
//!
//! They run on the network task: nothing here waits.

mod media;
mod repair;
mod wire;

pub(crate) use media::MediaTap;
pub use media::PeerSinks;
pub(crate) use repair::WithRepair;
pub(crate) use wire::WireTap;

/// Nearest to the wire, before the stack's own interceptors.
pub(crate) const WIRE_SLOT: usize = 500;
/// Nearest to the application, after everything that records arrivals.
pub(crate) const MEDIA_SLOT: usize = 14_000;
