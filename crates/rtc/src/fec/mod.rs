//! Forward error correction of video: parity packets from which lost packets are restored without asking for them.
//!
//! A systematic code over a sliding window, after RFC 8681 (RLC): the parity packets of a frame are linear combinations of
//! its packets and of those of the frames just before, so what the parity of one frame could not restore, that of the next
//! may. The coefficients are those of a Cauchy matrix, so that within one window any as many parity packets as packets are
//! missing restore them all. `docs/decisions/0013-loss-recovery.md` has the comparison with codes of single frames.
//!
//! Sans-IO.

mod decoder;
mod encoder;
mod field;
mod loss;
mod packet;
mod redundancy;
#[cfg(test)]
mod tests;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;
pub(crate) use loss::LossModel;
pub(crate) use packet::{MAX_COVERED, ParityPacket, Protected};
pub(crate) use redundancy::Redundancy;
