//! How pictures travel to the page's canvases: framing only, no sockets.
//!
//! Shell to page, one binary message a picture, numbers little endian:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0..4 | [`MAGIC`] |
//! | 4 | tile: 0 the other side, 1 our own camera |
//! | 5..8 | zero |
//! | 8..12 | width in pixels |
//! | 12..16 | height in pixels |
//! | 16..24 | sequence, counted over both tiles |
//! | 24.. | I420, BT.601 limited range: `width * height` bytes of Y, then U and V of `ceil(width / 2) * ceil(height / 2)` each |
//!
//! Page to shell, once a picture was drawn or skipped: 4 bytes [`MAGIC`], 8 bytes sequence.

use eyeline_media::frame::I420Buffer;

use crate::ipc::TileName;

/// First word of every message.
pub(crate) const MAGIC: u32 = 0x4559_4C46;

/// Bytes before the picture.
pub(crate) const HEADER_BYTES: usize = 24;

/// Bytes of an acknowledgement.
pub(crate) const ACK_BYTES: usize = 12;

/// Pictures of one tile on their way to the page. When they are, newer ones replace each other until one is acknowledged.
pub(crate) const UNACKNOWLEDGED_MAX: usize = 2;

/// One picture as a message.
pub(crate) fn encode(tile: TileName, sequence: u64, picture: &I420Buffer) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER_BYTES + picture.data().len());
    message.extend_from_slice(&MAGIC.to_le_bytes());
    message.extend_from_slice(&[u8::from(tile == TileName::SelfView), 0, 0, 0]);
    message.extend_from_slice(&picture.width().to_le_bytes());
    message.extend_from_slice(&picture.height().to_le_bytes());
    message.extend_from_slice(&sequence.to_le_bytes());
    message.extend_from_slice(picture.data());
    message
}

/// The sequence of an acknowledgement; `None` when the bytes are not one.
pub(crate) fn decode_ack(bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; ACK_BYTES] = bytes.try_into().ok()?;
    let (magic, sequence) = bytes.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*magic) == MAGIC).then(|| sequence.try_into().ok().map(u64::from_le_bytes))?
}

/// Which pictures the page has not yet acknowledged.
#[derive(Debug, Default)]
pub(crate) struct AckWindow {
    sent: u64,
    remote: Vec<u64>,
    self_view: Vec<u64>,
}

impl AckWindow {
    /// Whether one more picture of this tile may go.
    pub(crate) fn open(&self, tile: TileName) -> bool {
        self.waiting(tile).len() < UNACKNOWLEDGED_MAX
    }

    /// Counts a picture as sent; its sequence.
    pub(crate) fn send(&mut self, tile: TileName) -> u64 {
        self.sent += 1;
        let sequence = self.sent;
        match tile {
            TileName::Remote => self.remote.push(sequence),
            TileName::SelfView => self.self_view.push(sequence),
        }
        sequence
    }

    /// Takes an acknowledgement. It covers earlier pictures of its tile too; an unknown sequence changes nothing.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        for waiting in [&mut self.remote, &mut self.self_view] {
            if waiting.contains(&sequence) {
                waiting.retain(|&other| other > sequence);
            }
        }
    }

    fn waiting(&self, tile: TileName) -> &[u64] {
        match tile {
            TileName::Remote => &self.remote,
            TileName::SelfView => &self.self_view,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_header_and_its_planes() {
        let mut picture = I420Buffer::black(3, 2);
        picture.planes_mut().0.copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        let message = encode(TileName::SelfView, 0x0102, &picture);
        let header = [0x46, 0x4C, 0x59, 0x45, 1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(message[..HEADER_BYTES], header);
        assert_eq!(message[HEADER_BYTES..], [1, 2, 3, 4, 5, 6, 128, 128, 128, 128]);
    }

    #[test]
    fn acknowledgements_are_exact() {
        let mut ack = [MAGIC.to_le_bytes().as_slice(), &7_u64.to_le_bytes()].concat();
        assert_eq!(decode_ack(&ack), Some(7));
        assert_eq!(decode_ack(&ack[..11]), None);
        ack.push(0);
        assert_eq!(decode_ack(&ack), None);
        assert_eq!(decode_ack(&[0; ACK_BYTES]), None);
        assert_eq!(decode_ack(&[]), None);
    }

    #[test]
    fn two_pictures_of_a_tile_may_wait() {
        let mut window = AckWindow::default();
        let first = window.send(TileName::Remote);
        let second = window.send(TileName::Remote);
        assert!(!window.open(TileName::Remote));
        assert!(window.open(TileName::SelfView), "the other tile has a window of its own");
        window.acknowledge(99);
        assert!(!window.open(TileName::Remote));
        window.acknowledge(second);
        assert!(window.open(TileName::Remote));
        let third = window.send(TileName::Remote);
        window.acknowledge(first);
        assert_eq!(window.waiting(TileName::Remote), [third], "an old acknowledgement changes nothing");
    }
}
