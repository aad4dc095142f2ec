//! What captured frames say: TCP streams put together again, and the WebSocket messages in them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::{Failure, Outcome, ensure};

/// A packet in a captured Ethernet frame.
pub struct Packet<'a> {
    /// Sender and recipient.
    pub addresses: [Ipv4Addr; 2],
    /// IP protocol number.
    pub protocol: u8,
    body: &'a [u8],
}

/// IP protocol number of UDP.
pub const UDP: u8 = 17;
const TCP: u8 = 6;

impl<'a> Packet<'a> {
    /// The IPv4 packet in this frame, if it holds one.
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        const ETHERNET_HEADER: usize = 14;
        let packet = frame.get(ETHERNET_HEADER..).filter(|_| frame[12..14] == [0x08, 0x00])?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        // Padding of short frames is cut off. Zero: put together by the system, longer than the field can say.
        let body = packet.get(header..if length == 0 { packet.len() } else { length })?;
        let address =
            |at: usize| -> Option<Ipv4Addr> { Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into()) };
        Some(Self { addresses: [address(12)?, address(16)?], protocol: *packet.get(9)?, body })
    }

    /// Ports of sender and recipient.
    fn ports(&self) -> Option<[u16; 2]> {
        let ports = self.body.get(..4)?;
        Some([u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]])])
    }
}

/// What one side of a TCP connection sent.
pub struct Stream {
    /// All of it, in order.
    pub bytes: Vec<u8>,
}

/// One direction of a connection as far as it was captured.
#[derive(Default)]
struct Direction<'a> {
    /// Sequence number of the first byte.
    first: Option<u32>,
    /// What was sent, by the distance from the first byte.
    segments: BTreeMap<u32, &'a [u8]>,
}

impl<'a> Direction<'a> {
    fn take(&mut self, segment: &'a [u8]) {
        let [_, _, _, _, a, b, c, d, _, _, _, _, offset, flags, ..] = *segment else { return };
        let sequence = u32::from_be_bytes([a, b, c, d]);
        if flags & 0x02 != 0 {
            self.first = Some(sequence.wrapping_add(1)); // SYN takes a number
        }
        let data = segment.get(usize::from(offset >> 4) * 4..).unwrap_or(&[]);
        if let Some(first) = self.first.filter(|_| !data.is_empty()) {
            let kept = self.segments.entry(sequence.wrapping_sub(first)).or_default();
            *kept = if kept.len() < data.len() { data } else { *kept };
        }
    }

    fn bytes(&self) -> Outcome<Vec<u8>> {
        ensure!(self.first.is_some(), "the beginning of a connection was not captured");
        let mut bytes = Vec::new();
        for (at, data) in &self.segments {
            let at = usize::try_from(*at)?;
            ensure!(at <= bytes.len(), "bytes {} to {at} of a connection were not captured", bytes.len());
            bytes.extend_from_slice(data.get(bytes.len() - at..).unwrap_or(&[]));
        }
        Ok(bytes)
    }
}

/// Both directions of all TCP connections with a server port, from their first byte.
///
/// # Errors
/// When a part was not captured.
pub fn streams(frames: &[Vec<u8>], port: u16) -> Outcome<Vec<Stream>> {
    let mut directions: BTreeMap<([Ipv4Addr; 2], [u16; 2]), Direction<'_>> = BTreeMap::new();
    for packet in frames.iter().filter_map(|frame| Packet::of(frame)).filter(|packet| packet.protocol == TCP) {
        if let Some(ports) = packet.ports().filter(|ports| ports.contains(&port)) {
            directions.entry((packet.addresses, ports)).or_default().take(packet.body);
        }
    }
    directions.values().map(|direction| Ok(Stream { bytes: direction.bytes()? })).collect()
}

impl Stream {
    /// Everything it says after the HTTP head, WebSocket frames without their masks (RFC 6455, section 5.2) one after the
    /// other; nothing for a stream that stays HTTP.
    ///
    /// # Errors
    /// When it is not WebSocket.
    pub fn unmasked(&self) -> Outcome<Vec<u8>> {
        const HEAD_END: &[u8] = b"\r\n\r\n";
        let Some(head) = self.bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            return Ok(Vec::new());
        };
        if !self.bytes[..head].to_ascii_lowercase().windows(9).any(|window| window == b"websocket") {
            return Ok(Vec::new());
        }
        let (mut rest, mut all) = (&self.bytes[head + HEAD_END.len()..], Vec::new());
        while !rest.is_empty() {
            let cut = || Failure::new("a WebSocket frame is cut off");
            let [first, second, ..] = *rest else { return Err(cut()) };
            ensure!(first & 0x70 == 0, "a WebSocket frame uses an extension: it could be compressed");
            let long = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let length =
                rest.get(2..2 + long).ok_or_else(cut)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let length = if long == 0 { usize::from(second & 0x7f) } else { length };
            let mask_at = 2 + long;
            let body_at = mask_at + if second & 0x80 != 0 { 4 } else { 0 };
            let (mask, body) = (&rest[mask_at..body_at], rest.get(body_at..body_at + length).ok_or_else(cut)?);
            let unmask = |(at, byte): (usize, &u8)| if mask.is_empty() { *byte } else { byte ^ mask[at % 4] };
            all.extend(body.iter().enumerate().map(unmask));
            rest = &rest[body_at + length..];
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with a TCP segment from port 9 to port 80.
    fn frame(sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(40 + data.len()).unwrap().to_be_bytes();
        let ethernet = [&[0; 12][..], &[0x08, 0x00]].concat();
        let ip = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let tcp = [&[0, 9, 0, 80][..], &sequence.to_be_bytes(), &[0; 4], &[0x50, flags, 0, 0, 0, 0, 0, 0]].concat();
        [&ethernet[..], &ip, &tcp, data, &[0; 3]].concat()
    }

    #[test]
    fn streams_are_put_together_in_order_and_must_be_whole() {
        let first = u32::MAX - 2; // wraps
        let at = |offset: u32| first.wrapping_add(offset);
        let syn = frame(first, 0x02, b"");
        let frames = [syn.clone(), frame(at(4), 0, b"lo wor"), frame(at(1), 0, b"hello"), frame(at(1), 0, b"hel")];
        assert_eq!(streams(&frames, 80).unwrap()[0].bytes, b"hello wor");
        assert!(streams(&frames, 81).unwrap().is_empty());
        assert!(streams(&[syn, frame(at(4), 0, b"lo")], 80).is_err(), "a part is missing");
        assert!(streams(&frames[1..], 80).is_err(), "the beginning is missing");
    }

    #[test]
    fn masks_are_taken_off() {
        // The examples of RFC 6455, section 5.7.
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let plain = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        let bytes = [b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", &masked[..], &plain].concat();
        assert_eq!(Stream { bytes: bytes.clone() }.unmasked().unwrap(), b"HelloHello");
        assert!(Stream { bytes: bytes[..bytes.len() - 1].to_vec() }.unmasked().is_err());
        let http = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        assert!(Stream { bytes: http }.unmasked().unwrap().is_empty());
    }
}
