//! Sound with copies of earlier packets beside it (RFC 2198), as Chromium negotiates it: `red/48000/2` of Opus.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use eyeline_media::frame::{AudioCopies, EncodedAudio};

/// Packets remembered as copies to be.
const REMEMBERED: usize = 2;
/// A copy must have begun less than this before its packet: 14 bits.
const MAX_OFFSET: u64 = 1 << 14;
/// And be shorter than this: 10 bits.
const MAX_LENGTH: usize = 1 << 10;
/// Longest payload made: one that needs no fragments on any path. Older copies are left out for it.
const MAX_PAYLOAD: usize = 1_100;
/// Blocks read of one packet; more are nonsense.
const MAX_BLOCKS: usize = 8;
/// A packet up to this size says "silence" and is not worth a copy.
const SILENCE_BYTES: usize = 2;

/// Wraps packets that shall carry copies.
#[derive(Debug, Default)]
pub(crate) struct RedWriter {
    /// First sample and data of the last packets, oldest first, without a gap between them.
    last: VecDeque<(u64, Bytes)>,
    end: u64,
}

impl RedWriter {
    /// The payload with copies, Opus being `payload_type`; `None` when the packet goes out as it is.
    pub(crate) fn wrap(&mut self, sound: &EncodedAudio, payload_type: u8) -> Option<Bytes> {
        if sound.first_sample != self.end {
            self.last.clear();
        }
        let payload = self.payload(sound, payload_type & 0x7f);
        self.end = sound.first_sample + u64::from(opus_samples(&sound.data));
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back((sound.first_sample, sound.data.clone()));
        payload
    }

    fn payload(&self, sound: &EncodedAudio, payload_type: u8) -> Option<Bytes> {
        let behind = |n: usize| self.last.len().checked_sub(n).and_then(|i| self.last.get(i));
        let copies = match sound.copies {
            AudioCopies::None => [None, None],
            AudioCopies::SecondLast => [behind(2), None],
            AudioCopies::LastTwo => [behind(2), behind(1)],
        };
        let mut room = MAX_PAYLOAD.checked_sub(sound.data.len() + 1)?;
        let mut chosen: Vec<(u64, &Bytes)> = Vec::with_capacity(REMEMBERED);
        for (first, data) in copies.into_iter().flatten().rev() {
            let offset = sound.first_sample - first;
            if data.len() <= SILENCE_BYTES || offset >= MAX_OFFSET || data.len() >= MAX_LENGTH || data.len() + 4 > room
            {
                continue;
            }
            room -= data.len() + 4;
            chosen.insert(0, (offset, data));
        }
        if chosen.is_empty() {
            return None;
        }
        let mut payload = BytesMut::with_capacity(MAX_PAYLOAD - room);
        for (offset, data) in &chosen {
            let length = u64::try_from(data.len()).expect("checked");
            let header = 1 << 31 | u64::from(payload_type) << 24 | offset << 10 | length;
            payload.put_u32(u32::try_from(header).expect("32 bits"));
        }
        payload.put_u8(payload_type);
        chosen.iter().for_each(|(_, data)| payload.extend_from_slice(data));
        payload.extend_from_slice(&sound.data);
        Some(payload.freeze())
    }
}

/// A packet inside another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedBlock {
    /// How many packets before the outer one it was sent first, and how many samples; zero for the outer packet itself.
    pub(crate) packets_before: u16,
    pub(crate) samples_before: u32,
    pub(crate) data: Bytes,
}

/// The Opus packets in a payload, oldest first; `None` when it is not one of Opus being `payload_type`.
pub(crate) fn read(payload: &Bytes, payload_type: u8) -> Option<Vec<RedBlock>> {
    let mut headers = Vec::new();
    let mut at = 0;
    loop {
        let first = *payload.get(at)?;
        if first & 0x7f != payload_type || headers.len() >= MAX_BLOCKS {
            return None;
        }
        if first & 0x80 == 0 {
            at += 1;
            break;
        }
        let header = u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?);
        headers.push((header >> 10 & 0x3fff, usize::try_from(header & 0x3ff).ok()?));
        at += 4;
    }
    let mut blocks = Vec::with_capacity(headers.len() + 1);
    for (samples_before, length) in headers {
        let data = payload.get(at..at + length).map(|_| payload.slice(at..at + length))?;
        at += length;
        // Copies of other lengths than what lies between are of another talk spurt: their number would be a guess.
        let samples = opus_samples(&data);
        if samples > 0 && samples_before > 0 && samples_before % samples == 0 {
            let packets_before = u16::try_from(samples_before / samples).ok()?;
            blocks.push(RedBlock { packets_before, samples_before, data });
        }
    }
    blocks.push(RedBlock { packets_before: 0, samples_before: 0, data: payload.slice(at..) });
    Some(blocks)
}

/// Samples at 48 kHz in an Opus packet (RFC 6716 section 3.1); 0 if it is empty.
pub(crate) fn opus_samples(packet: &Bytes) -> u32 {
    let Some(toc) = packet.first() else { return 0 };
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1_920, 2_880][usize::from(config % 4)],
        config @ 12..=15 => [480, 960][usize::from(config % 2)],
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    match toc & 0x03 {
        0 => frame,
        1 | 2 => frame * 2,
        _ => frame * u32::from(packet.get(1).copied().unwrap_or(0) & 0x3f),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn sound(n: u64, copies: AudioCopies) -> EncodedAudio {
        // 20 ms of CELT.
        let data = Bytes::from(vec![0xfc, u8::try_from(n).unwrap(), 1, 2]);
        EncodedAudio { data, captured_at: Instant::now(), first_sample: n * 960, copies }
    }

    fn numbers(payload: &Bytes) -> Vec<(u16, u32, u8)> {
        let blocks = read(payload, 111).unwrap();
        blocks.iter().map(|block| (block.packets_before, block.samples_before, block.data[1])).collect()
    }

    #[test]
    fn copies_come_back_with_their_numbers() {
        let mut writer = RedWriter::default();
        assert_eq!(writer.wrap(&sound(0, AudioCopies::LastTwo), 111), None, "nothing to copy yet");
        let one = writer.wrap(&sound(1, AudioCopies::LastTwo), 111).unwrap();
        assert_eq!(numbers(&one), [(1, 960, 0), (0, 0, 1)]);
        let two = writer.wrap(&sound(2, AudioCopies::LastTwo), 111).unwrap();
        assert_eq!(numbers(&two), [(2, 1_920, 0), (1, 960, 1), (0, 0, 2)]);
        let three = writer.wrap(&sound(3, AudioCopies::SecondLast), 111).unwrap();
        assert_eq!(numbers(&three), [(2, 1_920, 1), (0, 0, 3)]);
        assert_eq!(writer.wrap(&sound(4, AudioCopies::None), 111), None);
        assert_eq!(writer.wrap(&sound(9, AudioCopies::LastTwo), 111), None, "nothing across a silence");
    }

    #[test]
    fn the_bytes_are_those_of_rfc_2198() {
        let mut writer = RedWriter::default();
        writer.wrap(&sound(0, AudioCopies::None), 111);
        let payload = writer.wrap(&sound(1, AudioCopies::LastTwo), 111).unwrap();
        // F=1 PT=111, offset 960, length 4; F=0 PT=111; both packets.
        assert_eq!(payload[..], [0xef, 0x0f, 0x00, 0x04, 0x6f, 0xfc, 0, 1, 2, 0xfc, 1, 1, 2]);
    }

    #[test]
    fn large_packets_leave_their_copies_at_home() {
        let mut writer = RedWriter::default();
        let large = |n: u64| EncodedAudio { data: Bytes::from(vec![0xfc; 700]), ..sound(n, AudioCopies::LastTwo) };
        assert_eq!(writer.wrap(&large(0), 111), None);
        assert_eq!(writer.wrap(&large(1), 111), None);
    }

    #[test]
    fn opus_durations() {
        let samples = |bytes: &[u8]| opus_samples(&Bytes::copy_from_slice(bytes));
        assert_eq!(samples(&[]), 0);
        assert_eq!(samples(&[0x78]), 960, "hybrid 20 ms");
        assert_eq!(samples(&[0x08]), 960, "SILK 20 ms");
        assert_eq!(samples(&[0xfc]), 960, "CELT 20 ms");
        assert_eq!(samples(&[0xf1]), 960, "CELT 10 ms twice");
        assert_eq!(samples(&[0xfb, 3]), 2_880, "CELT 20 ms three times");
    }

    #[test]
    fn junk_is_refused() {
        let red = |bytes: &[u8]| read(&Bytes::copy_from_slice(bytes), 111);
        assert_eq!(red(&[]), None);
        assert_eq!(red(&[0x60]), None, "not Opus");
        assert_eq!(red(&[0xef, 0, 0]), None, "cut");
        assert_eq!(red(&[0xef, 0x0f, 0x00, 0x40, 0x6f, 1]), None, "copy longer than the packet");
        assert_eq!(red(&[0xef; 100]), None, "no end of headers");
        assert_eq!(red(&[0x6f]).unwrap()[0].data.len(), 0);
        let mut state = 1_u32;
        for length in 0..400_usize {
            let bytes: Vec<u8> = (0..length % 60)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if state >> 31 == 0 { 0xef } else { (state >> 16).to_le_bytes()[0] }
                })
                .collect();
            red(&bytes);
        }
    }
}
