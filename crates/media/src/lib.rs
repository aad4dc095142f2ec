//! Devices, frames, codecs, jitter buffers and playout: everything Eyeline does to picture and sound on one machine.
//!
//! This crate knows nothing of networks or windows. It is the only one that names `nokhwa`, `cpal` and the codecs.

pub mod audio;
pub mod frame;
pub mod observer;
pub mod slot;
pub mod sync;
pub mod time;
pub mod units;
pub mod video;
