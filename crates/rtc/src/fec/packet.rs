//! What a parity packet carries, and what of a video packet it restores.
//!
//! ```text
//! RTP header of the parity stream: own SSRC, own payload type, own sequence numbers, timestamp of the newest frame
//! base     16 bits   sequence number of the first video packet covered
//! count     8 bits   how many consecutive ones are covered, 1 to 128
//! row       8 bits   which combination of them this is, 0 to 127
//! to come   8 bits   parity packets of the same batch that follow this one
//! symbol             the sum of (coefficient * symbol of the packet) over all packets covered
//! ```
//!
//! The symbol of a packet is what cannot be known without it, shorter ones continued with zeros:
//!
//! ```text
//! length of the payload  16 bits
//! marker, payload type    8 bits
//! timestamp              32 bits
//! payload
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::field::{add_scaled, invert};

/// The most packets one parity packet may cover.
pub(crate) const MAX_COVERED: usize = 128;
/// Bytes before the symbol.
pub(crate) const HEADER_BYTES: usize = 5;
/// Bytes of a symbol before the payload.
pub(crate) const SYMBOL_HEADER_BYTES: usize = 7;
/// Rows of the code: as many combinations are independent of each other.
const ROWS: u8 = 128;

/// How much the packet `sequence` counts in row `row`: a Cauchy matrix, whose every square part can be inverted. So any as
/// many parity packets over the same packets as are missing of them restore these.
pub(super) fn coefficient(row: u8, sequence: u16) -> u8 {
    let column = ROWS | (sequence.to_be_bytes()[1] & (ROWS - 1));
    invert((row & (ROWS - 1)) ^ column)
}

/// The row after `row`.
pub(super) fn next_row(row: u8) -> u8 {
    row.wrapping_add(1) & (ROWS - 1)
}

/// What is protected of a video packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protected {
    pub(crate) timestamp: u32,
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) payload: Bytes,
}

impl Protected {
    pub(super) fn symbol_len(&self) -> usize {
        SYMBOL_HEADER_BYTES + self.payload.len()
    }

    fn header(&self) -> [u8; SYMBOL_HEADER_BYTES] {
        let [high, low] = u16::try_from(self.payload.len()).unwrap_or(u16::MAX).to_be_bytes();
        let [a, b, c, d] = self.timestamp.to_be_bytes();
        [high, low, u8::from(self.marker) << 7 | self.payload_type & 0x7f, a, b, c, d]
    }

    /// Adds `factor` times the symbol to `sum`, which is at least as long.
    pub(super) fn add_to(&self, sum: &mut [u8], factor: u8) {
        add_scaled(sum, &self.header(), factor);
        add_scaled(&mut sum[SYMBOL_HEADER_BYTES..], &self.payload, factor);
    }

    /// What `symbol` stands for; `None` if it is none.
    pub(super) fn from_symbol(symbol: &[u8]) -> Option<Self> {
        let (header, rest) = symbol.split_first_chunk::<SYMBOL_HEADER_BYTES>()?;
        let [high, low, kind, a, b, c, d] = *header;
        let (payload, filling) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        if filling.iter().any(|byte| *byte != 0) {
            return None;
        }
        Some(Self {
            timestamp: u32::from_be_bytes([a, b, c, d]),
            payload_type: kind & 0x7f,
            marker: kind & 0x80 != 0,
            payload: Bytes::copy_from_slice(payload),
        })
    }
}

/// The payload of a parity packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParityPacket {
    pub(crate) base: u16,
    /// 1 to [`MAX_COVERED`].
    pub(crate) count: u8,
    pub(crate) row: u8,
    pub(crate) to_come: u8,
    pub(crate) symbol: Bytes,
}

impl ParityPacket {
    pub(crate) fn write(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + self.symbol.len());
        bytes.put_u16(self.base);
        bytes.put_slice(&[self.count, self.row, self.to_come]);
        bytes.extend_from_slice(&self.symbol);
        bytes.freeze()
    }

    /// `None` if it is malformed.
    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        let [high, low, count, row, to_come] = *bytes.first_chunk::<HEADER_BYTES>()?;
        let good = (1..=MAX_COVERED).contains(&usize::from(count)) && row < ROWS;
        let symbol = bytes.slice(HEADER_BYTES..);
        let base = u16::from_be_bytes([high, low]);
        (good && symbol.len() >= SYMBOL_HEADER_BYTES).then_some(Self { base, count, row, to_come, symbol })
    }
}
