//! Payload descriptors of received video packets: VP8 (RFC 7741 section 4.2) and VP9 (RFC 9628 section 4.2).
//!
//! Written here because bytes from the network must never panic and the `rtp` crate's readers can.

use bytes::Bytes;
use eyeline_media::frame::VideoCodec;

/// A video packet without its descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) codec: VideoCodec,
    /// First piece of a picture.
    pub(crate) start: bool,
    /// First piece of a picture that needs no earlier one.
    pub(crate) keyframe: bool,
    /// Picture id of 15 bits, if the sender gives such.
    pub(crate) picture: Option<u16>,
    /// How many pictures back those lie that this one refers to (VP9 in flexible mode), 0 for none.
    pub(crate) references: [u8; 3],
    /// Part of the codec's frame.
    pub(crate) data: Bytes,
}

/// Takes the descriptor off `payload`; `None` if it is malformed or nothing follows it.
pub(crate) fn read(codec: VideoCodec, payload: &Bytes) -> Option<Piece> {
    let mut reader = Reader { bytes: payload, at: 0 };
    let Described { start, picture, references } = match codec {
        VideoCodec::Vp8 => read_vp8(&mut reader)?,
        VideoCodec::Vp9 => read_vp9(&mut reader)?,
    };
    let data = payload.slice(reader.at..);
    if data.is_empty() {
        return None;
    }
    let keyframe = start
        && match codec {
            VideoCodec::Vp8 => is_vp8_keyframe(&data),
            VideoCodec::Vp9 => is_vp9_keyframe(&data),
        };
    Some(Piece { codec, start, keyframe, picture, references, data })
}

/// P bit clear and the start code present (RFC 6386 section 9.1).
fn is_vp8_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0) && frame.get(3..6) == Some(&[0x9d, 0x01, 0x2a])
}

/// `frame_marker` 2, profile 0, `show_existing_frame` 0, `frame_type` 0 (VP9 bitstream section 6.2). The descriptor's P bit
/// is not trusted: some senders never set it.
fn is_vp9_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 0b1111_1100 == 0b1000_0000)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    /// 7 bits, or 15 when the first bit is set; the inner `None` is for 7, which come again too soon to be of use.
    fn picture_id(&mut self) -> Option<Option<u16>> {
        let first = self.byte()?;
        if first & 0x80 == 0 {
            return Some(None);
        }
        Some(Some(u16::from_be_bytes([first & 0x7f, self.byte()?])))
    }
}

/// What a descriptor says.
#[derive(Default)]
struct Described {
    start: bool,
    picture: Option<u16>,
    references: [u8; 3],
}

/// The frame begins where its first partition does.
fn read_vp8(reader: &mut Reader<'_>) -> Option<Described> {
    let first = reader.byte()?;
    let mut picture = None;
    if first & 0x80 != 0 {
        let extended = reader.byte()?;
        if extended & 0x80 != 0 {
            picture = reader.picture_id()?;
        }
        if extended & 0x40 != 0 {
            reader.skip(1)?;
        }
        if extended & 0x30 != 0 {
            reader.skip(1)?;
        }
    }
    Some(Described { start: first & 0x10 != 0 && first & 0x07 == 0, picture, ..Described::default() })
}

/// The picture begins with the first packet of its lowest layer.
fn read_vp9(reader: &mut Reader<'_>) -> Option<Described> {
    let first = reader.byte()?;
    let has = |mask: u8| first & mask != 0;
    let flexible = has(0x10);
    let picture = if has(0x80) { reader.picture_id()? } else { None };
    let mut references = [0; 3];
    let mut layer = 0;
    if has(0x20) {
        layer = reader.byte()? >> 1 & 0x07;
        if !flexible {
            reader.skip(1)?;
        }
    }
    if flexible && has(0x40) {
        // Up to three references, each saying whether another follows.
        for reference in &mut references {
            let byte = reader.byte()?;
            *reference = byte >> 1;
            if byte & 0x01 == 0 {
                break;
            }
        }
    }
    if has(0x02) {
        skip_vp9_structure(reader)?;
    }
    Some(Described { start: has(0x08) && layer == 0, picture, references })
}

fn skip_vp9_structure(reader: &mut Reader<'_>) -> Option<()> {
    let first = reader.byte()?;
    let layers = usize::from(first >> 5) + 1;
    if first & 0x10 != 0 {
        reader.skip(4 * layers)?;
    }
    if first & 0x08 != 0 {
        for _ in 0..reader.byte()? {
            let references = reader.byte()? >> 2 & 0x03;
            reader.skip(usize::from(references))?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vp8(bytes: &[u8]) -> Option<Piece> {
        read(VideoCodec::Vp8, &Bytes::copy_from_slice(bytes))
    }

    fn vp9(bytes: &[u8]) -> Option<Piece> {
        read(VideoCodec::Vp9, &Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn vp8_with_and_without_extensions() {
        let key = [0x10, 0x02, 0, 0, 0x9d, 0x01, 0x2a, 1];
        let piece = vp8(&key).unwrap();
        assert!(piece.start && piece.keyframe);
        assert_eq!(piece.data, key[1..]);
        // X, I with 15 bits, L, T and K: five bytes before the payload.
        let piece = vp8(&[0x90, 0xf0, 0x81, 0x23, 7, 0x20, 0x01, 9]).unwrap();
        assert!(piece.start && !piece.keyframe);
        assert_eq!(piece.data[..], [0x01, 9]);
        assert_eq!(piece.picture, Some(0x123));
        // A later partition is no start.
        assert!(!vp8(&[0x11, 1]).unwrap().start);
    }

    #[test]
    fn vp9_flexible_and_structured() {
        let piece = vp9(&[0x98, 0x81, 0x23, 0x82, 0x49]).unwrap();
        assert!(piece.start && piece.keyframe);
        // P with two references, then an inter frame.
        let piece = vp9(&[0xd8, 0x05, 0x03, 0x04, 0x86]).unwrap();
        assert!(piece.start && !piece.keyframe);
        assert_eq!(piece.data[..], [0x86]);
        assert_eq!((piece.picture, piece.references), (None, [1, 2, 0]), "an id of 7 bits is none");
        // Structure with a size and one picture of a group with one reference.
        let piece = vp9(&[0x8a, 0x05, 0x18, 5, 0, 2, 0xd0, 1, 0x04, 1, 0x82]).unwrap();
        assert_eq!(piece.data[..], [0x82]);
        // The second spatial layer does not begin a picture.
        assert!(!vp9(&[0xa8, 0x05, 0x02, 0, 0x86]).unwrap().start);
    }

    #[test]
    fn cut_short_anywhere_is_refused_not_fatal() {
        let long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for len in 0..long.len() {
            for first in 0..=255 {
                let mut bytes = long[..len].to_vec();
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                vp8(&bytes);
                vp9(&bytes);
            }
        }
        assert_eq!(vp8(&[]), None);
        assert_eq!(vp9(&[0x80, 0x01]), None);
    }
}
