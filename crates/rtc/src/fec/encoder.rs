//! The sending end: remembers what left and makes parity packets of it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::packet::{MAX_COVERED, ParityPacket, Protected, coefficient, next_row};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The newest packets with consecutive sequence numbers, at most [`MAX_COVERED`]; older ones are forgotten.
    window: VecDeque<(u16, Protected)>,
    row: u8,
}

impl Encoder {
    /// Notes the next packet of the stream.
    pub(crate) fn add(&mut self, sequence: u16, packet: Protected) {
        if self.window.back().is_some_and(|(newest, _)| newest.wrapping_add(1) != sequence) {
            self.window.clear();
        }
        if self.window.len() >= MAX_COVERED {
            self.window.pop_front();
        }
        self.window.push_back((sequence, packet));
    }

    /// `count` parity packets over the `covered` newest packets, or as many of these as are known.
    pub(crate) fn parity(&mut self, covered: usize, count: u8) -> Vec<ParityPacket> {
        let first = self.window.len().saturating_sub(covered);
        let Some((base, _)) = self.window.get(first).map(|(base, packet)| (*base, packet)) else { return Vec::new() };
        let covered = u8::try_from(self.window.len() - first).expect("the window holds at most 128");
        let len = self.window.range(first..).map(|(_, packet)| packet.symbol_len()).max().unwrap_or(0);
        let packets = (0..count).map(|n| {
            self.row = next_row(self.row);
            let mut symbol = BytesMut::zeroed(len);
            for (sequence, packet) in self.window.range(first..) {
                packet.add_to(&mut symbol, coefficient(self.row, *sequence));
            }
            ParityPacket { base, count: covered, row: self.row, to_come: count - 1 - n, symbol: Bytes::from(symbol) }
        });
        packets.collect()
    }
}
