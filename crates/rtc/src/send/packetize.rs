//! Cuts encoded frames into RTP payloads: VP8 (RFC 7741 section 4.2) and VP9 in flexible mode (RFC 9628 section 4.2).

use bytes::{BufMut, Bytes, BytesMut};
use eyeline_media::frame::{EncodedVideo, VideoCodec};

/// Largest payload of one packet, so that with the RTP header, header extensions, the retransmission header and the SRTP tag
/// an IP packet stays within 1,200 bytes of UDP payload.
const MAX_PAYLOAD: usize = 1_150;
/// Largest frame taken, far above what an encoder makes; bounds the packets of one frame.
const MAX_FRAME: usize = 1 << 20;

/// Cuts frames and numbers them.
#[derive(Debug)]
pub(crate) struct Packetizer {
    /// 15 bits, one more with each frame.
    picture_id: u16,
}

impl Packetizer {
    /// The first frame gets the lowest 15 bits of `first_picture_id`.
    pub(crate) fn new(first_picture_id: u16) -> Self {
        Self { picture_id: first_picture_id & 0x7fff }
    }

    /// Of the frame cut last.
    pub(crate) fn picture_id(&self) -> u16 {
        self.picture_id
    }

    /// The payloads of one frame, each at most [`MAX_PAYLOAD`] long and about the same size; none if the frame is empty or
    /// absurdly large.
    pub(crate) fn cut(&mut self, frame: &EncodedVideo) -> Vec<Bytes> {
        if frame.data.is_empty() || frame.data.len() > MAX_FRAME {
            return Vec::new();
        }
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let room = MAX_PAYLOAD - MAX_DESCRIPTOR;
        let count = frame.data.len().div_ceil(room);
        let size = frame.data.len().div_ceil(count);
        let mut payloads = Vec::with_capacity(count);
        let mut at = 0;
        while at < frame.data.len() {
            let end = (at + size).min(frame.data.len());
            let mut payload = BytesMut::with_capacity(MAX_DESCRIPTOR + end - at);
            let (first, last) = (at == 0, end == frame.data.len());
            match frame.codec {
                VideoCodec::Vp8 => self.describe_vp8(first, &mut payload),
                VideoCodec::Vp9 => self.describe_vp9(frame, first, last, &mut payload),
            }
            payload.extend_from_slice(&frame.data[at..end]);
            payloads.push(payload.freeze());
            at = end;
        }
        payloads
    }

    fn describe_vp8(&self, first: bool, out: &mut BytesMut) {
        out.put_u8(0x80 | if first { 0x10 } else { 0 });
        out.put_u8(0x80);
        out.put_u16(0x8000 | self.picture_id);
    }

    /// Flags I, P, L, F, B, E, V; the picture id; layer 0; one reference to the picture before; for keyframes the size.
    fn describe_vp9(&self, frame: &EncodedVideo, first: bool, last: bool, out: &mut BytesMut) {
        let structure = first && frame.keyframe;
        let flag = |on: bool, mask: u8| if on { mask } else { 0 };
        out.put_u8(
            0x80 | flag(!frame.keyframe, 0x40)
                | 0x20
                | 0x10
                | flag(first, 0x08)
                | flag(last, 0x04)
                | flag(structure, 0x02),
        );
        out.put_u16(0x8000 | self.picture_id);
        out.put_u8(0);
        if !frame.keyframe {
            out.put_u8(1 << 1);
        }
        if structure {
            out.put_u8(0x10);
            out.put_u16(u16::try_from(frame.width).unwrap_or(u16::MAX));
            out.put_u16(u16::try_from(frame.height).unwrap_or(u16::MAX));
        }
    }
}

/// Longest descriptor written here.
const MAX_DESCRIPTOR: usize = 9;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::receive::descriptor;

    fn frame(codec: VideoCodec, keyframe: bool, len: usize) -> EncodedVideo {
        let first: &[u8] = match (codec, keyframe) {
            (VideoCodec::Vp8, true) => &[0x10, 0, 0, 0x9d, 0x01, 0x2a],
            (VideoCodec::Vp8, false) => &[0x11],
            (VideoCodec::Vp9, true) => &[0x82],
            (VideoCodec::Vp9, false) => &[0x86],
        };
        let mut data = first.to_vec();
        data.resize(len, 7);
        EncodedVideo {
            codec,
            data: data.into(),
            keyframe,
            reference: None,
            captured_at: Instant::now(),
            width: 1_280,
            height: 720,
        }
    }

    #[test]
    fn our_own_reader_puts_them_together_again() {
        let mut packetizer = Packetizer::new(0xffff);
        for codec in [VideoCodec::Vp8, VideoCodec::Vp9] {
            for (keyframe, len) in [(true, 20), (true, 5_000), (false, 1_141), (false, 1_142), (false, 40_000)] {
                let frame = frame(codec, keyframe, len);
                let payloads = packetizer.cut(&frame);
                assert!(payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
                let pieces: Vec<_> = payloads.iter().map(|p| descriptor::read(codec, p).unwrap()).collect();
                assert!(pieces.iter().enumerate().all(|(n, piece)| piece.start == (n == 0)));
                assert_eq!(pieces[0].keyframe, keyframe);
                assert_eq!(pieces.iter().flat_map(|piece| piece.data.to_vec()).collect::<Vec<_>>(), frame.data);
            }
        }
    }

    #[test]
    fn flexible_vp9_names_its_reference() {
        let mut packetizer = Packetizer::new(5);
        let key = packetizer.cut(&frame(VideoCodec::Vp9, true, 10));
        assert_eq!(key[0][..9], [0xbe, 0x80, 6, 0, 0x10, 5, 0, 2, 0xd0]);
        let delta = packetizer.cut(&frame(VideoCodec::Vp9, false, 10));
        assert_eq!(delta[0][..5], [0xfc, 0x80, 7, 0, 2]);
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let mut packetizer = Packetizer::new(0);
        let mut empty = frame(VideoCodec::Vp8, true, 10);
        empty.data = Bytes::new();
        assert!(packetizer.cut(&empty).is_empty());
        assert!(packetizer.cut(&frame(VideoCodec::Vp8, true, MAX_FRAME + 1)).is_empty());
    }
}
