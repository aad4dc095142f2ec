//! RTP sequence numbers: 16 bits on the wire, unbounded here (RFC 3550 appendix A.1).

/// The extended sequence number nearest to `near` that ends in `sequence`.
pub(crate) fn extend(near: i64, sequence: u16) -> i64 {
    near + i64::from(sequence.wrapping_sub(wire(near)).cast_signed())
}

/// The 16 bits that travel.
pub(crate) fn wire(sequence: i64) -> u16 {
    u16::try_from(sequence.rem_euclid(1 << 16)).expect("remainder of 2^16")
}
