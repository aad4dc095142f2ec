//! A short proof in an RTCP packet of its own (APP, RFC 3550 section 6.7): what has to arrive with the first packets after
//! the DTLS handshake, before SCTP has shaken hands too.
//!
//! ```text
//! V=2 P=0 subtype=1 | PT=204 | length=10 (32-bit words, less one)
//! SSRC of our video
//! name "EYLN"
//! 32 bytes
//! ```

use bytes::{BufMut, Bytes, BytesMut};

/// Version 2, no padding, subtype 1.
const FIRST_BYTE: u8 = 0x81;
const PACKET_TYPE: u8 = 204;
const LENGTH_WORDS: u16 = 10;
const NAME: &[u8; 4] = b"EYLN";
const HEADER_BYTES: usize = 12;
const PROOF_BYTES: usize = 32;

pub(crate) fn write(ssrc: u32, proof: &[u8; PROOF_BYTES]) -> Bytes {
    let mut packet = BytesMut::with_capacity(HEADER_BYTES + PROOF_BYTES);
    packet.put_u8(FIRST_BYTE);
    packet.put_u8(PACKET_TYPE);
    packet.put_u16(LENGTH_WORDS);
    packet.put_u32(ssrc);
    packet.put_slice(NAME);
    packet.put_slice(proof);
    packet.freeze()
}

/// The proof in a packet; `None` if it is another one.
pub(crate) fn read(packet: &[u8]) -> Option<[u8; PROOF_BYTES]> {
    let (header, proof) = packet.split_first_chunk::<HEADER_BYTES>()?;
    let ours =
        header[..2] == [FIRST_BYTE, PACKET_TYPE] && header[2..4] == LENGTH_WORDS.to_be_bytes() && header[8..] == *NAME;
    proof.try_into().ok().filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_comes_back_and_nothing_else_is_one() {
        let packet = write(7, &[9; PROOF_BYTES]);
        assert_eq!(packet.len() % 4, 0);
        assert_eq!(usize::from(LENGTH_WORDS) + 1, packet.len() / 4);
        assert_eq!(read(&packet), Some([9; PROOF_BYTES]));
        for length in 0..packet.len() {
            assert_eq!(read(&packet[..length]), None);
        }
        for at in [0, 1, 3, 8, 11] {
            let mut other = packet.to_vec();
            other[at] ^= 1;
            assert_eq!(read(&other), None);
        }
        assert_eq!(read(&[&packet[..], &[0]].concat()), None);
    }
}
