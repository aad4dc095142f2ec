//! Which pictures were delivered, told to their sender, so that it can predict from one the receiver is known to have: an
//! RTCP packet of its own (APP, RFC 3550 section 6.7), as RPSI (RFC 4585 section 6.3.3) would name one picture only.
//!
//! ```text
//! V=2 P=0 subtype=2 | PT=204 | length=4 (32-bit words, less one)
//! SSRC of our video
//! name "EYLN"
//! newest picture id, 15 bits in 16 | zeros, 16 bits
//! bit n (the lowest is 0): the picture n before the newest was delivered
//! ```

use bytes::{BufMut, Bytes, BytesMut};

/// Version 2, no padding, subtype 2.
const FIRST_BYTE: u8 = 0x82;
const PACKET_TYPE: u8 = 204;
const LENGTH_WORDS: u16 = 4;
const NAME: &[u8; 4] = b"EYLN";
const BYTES: usize = 20;
/// Picture ids have 15 bits and wrap (RFC 7741 section 4.2, RFC 9628 section 4.2).
pub(crate) const PICTURE_ID_MASK: u16 = 0x7fff;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    pub(crate) newest: u16,
    /// Bit n stands for the picture n before `newest`.
    pub(crate) delivered: u32,
}

impl Acknowledgement {
    /// Whether it says that `picture` was delivered.
    pub(crate) fn covers(&self, picture: u16) -> bool {
        let before = self.newest.wrapping_sub(picture) & PICTURE_ID_MASK;
        before < 32 && self.delivered >> before & 1 == 1
    }

    pub(crate) fn write(&self, ssrc: u32) -> Bytes {
        let mut packet = BytesMut::with_capacity(BYTES);
        packet.put_slice(&[FIRST_BYTE, PACKET_TYPE]);
        packet.put_u16(LENGTH_WORDS);
        packet.put_u32(ssrc);
        packet.put_slice(NAME);
        packet.put_u16(self.newest);
        packet.put_u16(0);
        packet.put_u32(self.delivered);
        packet.freeze()
    }

    /// `None` if `packet` is another one.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let packet: &[u8; BYTES] = packet.try_into().ok()?;
        let [first, kind, length @ .., _, _, _, _] = *packet.first_chunk::<8>()?;
        let ours = [first, kind] == [FIRST_BYTE, PACKET_TYPE] && u16::from_be_bytes(length) == LENGTH_WORDS;
        let [newest_high, newest_low, _, _, a, b, c, d] = *packet.last_chunk::<8>()?;
        let newest = u16::from_be_bytes([newest_high, newest_low]) & PICTURE_ID_MASK;
        (ours && packet[8..12] == *NAME).then_some(Self { newest, delivered: u32::from_be_bytes([a, b, c, d]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_nothing_else_is_one() {
        let told = Acknowledgement { newest: 1, delivered: 0b1010 };
        let packet = told.write(7);
        assert_eq!((packet.len(), Acknowledgement::read(&packet)), (BYTES, Some(told)));
        assert!(!told.covers(1) && told.covers(0) && !told.covers(0x7fff) && told.covers(0x7ffe) && !told.covers(2));
        for length in 0..packet.len() {
            assert_eq!(Acknowledgement::read(&packet[..length]), None);
        }
        for at in [0, 1, 3, 8, 11] {
            let mut other = packet.to_vec();
            other[at] ^= 1;
            assert_eq!(Acknowledgement::read(&other), None);
        }
    }
}
