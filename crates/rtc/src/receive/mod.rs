//! From received RTP packets to whole frames in decode order, and what to ask the sender for on the way.
//!
//! Sans-IO: told the time, never waits.

mod delivered;
pub(crate) mod descriptor;
mod missing;
mod packets;
mod stream;
mod video;

pub(crate) use stream::{Arrived, VideoStream};
pub(crate) use video::Output;
