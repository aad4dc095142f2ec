//! Bytes: what kind a message is, where it ends in a stream, and how answers are written.

use std::net::SocketAddr;

use turn_types::attribute::{Data, XorPeerAddress};
use turn_types::message::DATA;
use turn_types::stun::attribute::{
    Attribute as _, AttributeStaticType as _, AttributeType, AttributeWrite, ErrorCode, Fingerprint, UnknownAttributes,
};
use turn_types::stun::message::{
    IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWriteVec, TransactionId,
};
use turn_types::stun::prelude::{MessageWrite as _, MessageWriteExt as _};

/// The largest message, either way. Packets of a call are at most 1,500 bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4096;

const STUN_HEADER_BYTES: usize = 20;
const CHANNEL_HEADER_BYTES: usize = 4;

/// Channel numbers that may be bound: RFC 8656 section 12 has 0x4000 to 0x4FFF, clients of RFC 5766 go up to 0x7FFE.
pub(crate) const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7ffe;

/// By the first two bits (RFC 8656 section 12.4).
pub(crate) enum Kind<'a> {
    Stun,
    /// Data of a channel, without header and padding.
    Channel {
        number: u16,
        data: &'a [u8],
    },
    Junk,
}

pub(crate) fn kind(bytes: &[u8]) -> Kind<'_> {
    match bytes {
        [first, ..] if first >> 6 == 0 && bytes.len() >= STUN_HEADER_BYTES => Kind::Stun,
        [first, second, high, low, rest @ ..] if first >> 6 == 1 => {
            let number = u16::from_be_bytes([*first, *second]);
            match rest.get(..usize::from(u16::from_be_bytes([*high, *low]))) {
                Some(data) => Kind::Channel { number, data },
                None => Kind::Junk,
            }
        }
        _ => Kind::Junk,
    }
}

/// Where the first message of a stream ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// After so many bytes.
    Message(usize),
    /// Not yet known, or not all of it is there.
    More,
    /// Not a message, or one over [`MESSAGE_BYTES_MAX`]: there is no telling where the next begins.
    Broken,
}

/// In a stream, data of channels is padded to whole 4 bytes (RFC 8656 section 12.5).
pub(crate) fn frame(bytes: &[u8]) -> Framed {
    let [first, _, high, low, ..] = bytes else { return Framed::More };
    let payload = usize::from(u16::from_be_bytes([*high, *low]));
    let len = match first >> 6 {
        0 if payload.is_multiple_of(4) => STUN_HEADER_BYTES + payload,
        1 => CHANNEL_HEADER_BYTES + payload.next_multiple_of(4),
        _ => return Framed::Broken,
    };
    if len > MESSAGE_BYTES_MAX {
        Framed::Broken
    } else if bytes.len() < len {
        Framed::More
    } else {
        Framed::Message(len)
    }
}

/// Data of a channel, padded where it goes into a stream.
pub(crate) fn write_channel(number: u16, data: &[u8], padded: bool, out: &mut Vec<u8>) {
    let Ok(len) = u16::try_from(data.len()) else { return };
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(data);
    if padded {
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// Data for who has no channel to its sender (RFC 8656 section 11.5).
pub(crate) fn write_indication(number: u128, peer: SocketAddr, data: &[u8], out: &mut Vec<u8>) {
    let transaction = TransactionId::from(number);
    let kind = MessageType::from_class_method(MessageClass::Indication, DATA);
    let capacity = STUN_HEADER_BYTES + 24 + 8 + data.len();
    let mut message = Message::builder(kind, transaction, MessageWriteVec::with_capacity(capacity));
    add(&mut message, &XorPeerAddress::new(peer, transaction));
    add(&mut message, &Data::new(data));
    out.extend_from_slice(&message.finish());
}

/// An answer. With a key it is signed; with a fingerprint if the request had one.
pub(crate) fn write_success(
    request: &Message<'_>,
    attributes: &[&dyn AttributeWrite],
    key: Option<&IntegrityKey>,
    out: &mut Vec<u8>,
) {
    let builder = Message::builder_success(request, MessageWriteVec::with_capacity(128));
    finish(builder, request, attributes, key, out);
}

/// A refusal. Without words: to strangers it must not be much larger than what they sent.
pub(crate) fn write_error(
    request: &Message<'_>,
    code: u16,
    attributes: &[&dyn AttributeWrite],
    key: Option<&IntegrityKey>,
    out: &mut Vec<u8>,
) {
    let mut builder = Message::builder_error(request, MessageWriteVec::with_capacity(128));
    add(&mut builder, &ErrorCode::new(code, "").expect("codes are between 300 and 699"));
    finish(builder, request, attributes, key, out);
}

/// Fields of a request that have to be understood and are not in the list.
pub(crate) fn unknown_attributes(request: &Message<'_>, known: &[AttributeType]) -> Option<UnknownAttributes> {
    let unknown: Vec<AttributeType> = request
        .iter_attributes()
        .map(|(_, attribute)| attribute.get_type())
        .filter(|kind| kind.comprehension_required() && !known.contains(kind))
        .collect();
    (!unknown.is_empty()).then(|| UnknownAttributes::new(&unknown))
}

fn finish(
    mut builder: MessageWriteVec,
    request: &Message<'_>,
    attributes: &[&dyn AttributeWrite],
    key: Option<&IntegrityKey>,
    out: &mut Vec<u8>,
) {
    for attribute in attributes {
        add(&mut builder, *attribute);
    }
    if let Some(key) = key {
        let signed = builder.add_message_integrity_with_key(key, IntegrityAlgorithm::Sha1);
        signed.expect("a message that grows as needed takes one signature");
    }
    if request.has_attribute(Fingerprint::TYPE) {
        builder.add_fingerprint().expect("a message that grows as needed takes one fingerprint");
    }
    out.extend_from_slice(&builder.finish());
}

fn add(builder: &mut MessageWriteVec, attribute: &dyn AttributeWrite) {
    builder.add_attribute(attribute).expect("a message that grows as needed takes what comes before its signature");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages() {
        let mut binding = vec![0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42];
        binding.resize(24, 0);
        for len in 0..24 {
            assert_eq!(frame(&binding[..len]), Framed::More, "{len}");
        }
        assert_eq!(frame(&binding), Framed::Message(24));
        assert_eq!(frame(&[0x40, 0, 0, 0]), Framed::Message(4));
        for (len, whole) in [(1, 8), (4, 8), (5, 12)] {
            assert_eq!(
                frame(&[vec![0x40, 1, 0, len], vec![7; 7]].concat()[..]),
                if whole <= 11 { Framed::Message(8) } else { Framed::More }
            );
        }
    }

    #[test]
    fn what_is_no_message_breaks_a_stream() {
        for bytes in [[0x80, 0, 0, 0], [0xff, 0xff, 0, 0], [0, 1, 0, 3], [0, 1, 0xff, 0xfc], [0x40, 0, 0xff, 0xff]] {
            assert_eq!(frame(&bytes), Framed::Broken, "{bytes:?}");
        }
    }

    #[test]
    fn channel_data_has_its_length() {
        let mut out = Vec::new();
        write_channel(0x4001, b"hello", true, &mut out);
        assert_eq!(out, [&[0x40, 1, 0, 5][..], b"hello", &[0, 0, 0]].concat());
        assert!(matches!(kind(&out), Kind::Channel { number: 0x4001, data: b"hello" }));
        assert!(matches!(kind(&out[..8]), Kind::Junk), "cut short");
        out.clear();
        write_channel(0x4001, b"hello", false, &mut out);
        assert_eq!(out.len(), 9);
        for junk in [&b""[..], b"GET", &[0; 19], &[0x80; 40], &[0xc0; 40]] {
            assert!(matches!(kind(junk), Kind::Junk), "{junk:?}");
        }
    }
}
