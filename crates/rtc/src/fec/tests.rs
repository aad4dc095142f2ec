use bytes::Bytes;

use super::*;
use crate::sequence::wire;

struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % limit
    }
}

fn packet(n: i64, len: usize) -> Protected {
    let payload: Bytes = (0..len).map(|at| wire(n * 7 + i64::try_from(at).unwrap()).to_be_bytes()[1]).collect();
    let timestamp = u32::try_from(n & 0xffff_ffff).unwrap().wrapping_mul(3_000);
    Protected { timestamp, payload_type: 98, marker: n % 3 == 0, payload }
}

/// `count` packets of different lengths from `first` on, and parity over all of them.
fn block(first: i64, count: i64, parity: u8) -> (Vec<(i64, Protected)>, Vec<ParityPacket>) {
    let mut encoder = Encoder::default();
    let packets: Vec<_> = (first..first + count)
        .map(|n| (n, packet(n, usize::try_from(n.rem_euclid(5) * 9).unwrap())))
        .inspect(|(n, packet)| encoder.add(wire(*n), packet.clone()))
        .collect();
    let parity = encoder.parity(packets.len(), parity);
    (packets, parity)
}

/// What is restored when the packets and parity packets of `lost` (a bit each) do not come.
fn without(lost: u32, packets: &[(i64, Protected)], parity: &[ParityPacket]) -> Vec<(i64, Protected)> {
    let mut decoder = Decoder::default();
    let came = |at: usize| lost >> at & 1 == 0;
    let mut restored = Vec::new();
    for (at, (n, packet)) in packets.iter().enumerate() {
        if came(at) {
            decoder.add_packet(*n, packet.clone());
        }
    }
    for (at, parity) in parity.iter().enumerate() {
        if came(packets.len() + at) {
            decoder.add_parity(packets[0].0, ParityPacket::read(&parity.write()).unwrap());
            restored.extend(decoder.restore());
        }
    }
    restored
}

#[test]
fn any_as_many_losses_as_parity_are_restored() {
    for (count, parity) in [(1, 1), (1, 3), (2, 2), (5, 3), (7, 4), (4, 6)] {
        let (packets, parity) = block(65_533, count, parity);
        let all = packets.len() + parity.len();
        for lost in 0..1_u32 << all {
            let restored = without(lost, &packets, &parity);
            let missing: Vec<_> =
                packets.iter().enumerate().filter(|(at, _)| lost >> at & 1 == 1).map(|(_, p)| p.clone()).collect();
            let enough = usize::try_from(lost.count_ones()).unwrap() <= parity.len();
            assert_eq!(restored, if enough { missing } else { Vec::new() }, "{count} {lost:b}");
        }
    }
}

#[test]
fn large_blocks_too() {
    let mut random = Random(5);
    for _ in 0..5 {
        let (packets, parity) = block(i64::from(random.below(65_536)), 128, 30);
        let mut decoder = Decoder::default();
        let mut lost = Vec::new();
        while lost.len() < 30 {
            let at = usize::try_from(random.below(128)).unwrap();
            if !lost.contains(&at) {
                lost.push(at);
            }
        }
        for (at, (n, packet)) in packets.iter().enumerate() {
            if !lost.contains(&at) {
                decoder.add_packet(*n, packet.clone());
            }
        }
        let last = parity.len() - 1;
        for (at, parity) in parity.into_iter().enumerate() {
            decoder.add_parity(packets[0].0, parity);
            assert_eq!(decoder.deficit(packets[127].0 + 1), last - at);
        }
        lost.sort_unstable();
        assert_eq!(decoder.restore(), lost.iter().map(|at| packets[*at].clone()).collect::<Vec<_>>());
        assert!(decoder.restore().is_empty(), "once");
    }
}

#[test]
fn the_parity_of_the_next_frame_helps() {
    let mut encoder = Encoder::default();
    let mut decoder = Decoder::default();
    let mut lost = Vec::new();
    for n in 0..8 {
        encoder.add(wire(n), packet(n, 20));
        // Two of the first frame and one of the second.
        if [1, 2, 6].contains(&n) {
            lost.push((n, packet(n, 20)));
        } else {
            decoder.add_packet(n, packet(n, 20));
        }
        if n == 3 || n == 7 {
            for parity in encoder.parity(8, if n == 3 { 1 } else { 2 }) {
                decoder.add_parity(0, parity);
            }
            let restored = decoder.restore();
            assert_eq!(restored, if n == 3 { Vec::new() } else { lost.clone() });
        }
    }
}

#[test]
fn what_came_late_or_again_does_no_harm() {
    let (packets, parity) = block(10, 6, 2);
    let mut decoder = Decoder::default();
    for _ in 0..3 {
        for (n, packet) in &packets[2..] {
            decoder.add_packet(*n, packet.clone());
        }
        parity.iter().for_each(|parity| decoder.add_parity(10, parity.clone()));
    }
    assert_eq!(decoder.deficit(16), 0);
    decoder.add_packet(10, packets[0].1.clone());
    assert_eq!(decoder.restore(), [packets[1].clone()]);
    decoder.add_packet(11, packets[1].1.clone());
    assert!(decoder.restore().is_empty());
}

#[test]
fn junk_restores_nothing_and_never_panics() {
    let mut random = Random(3);
    let (packets, parity) = block(0, 5, 2);
    let good = parity[0].write();
    for len in 0..good.len() {
        if let Some(cut) = ParityPacket::read(&good.slice(..len)) {
            let mut decoder = Decoder::default();
            packets[1..].iter().for_each(|(n, packet)| decoder.add_packet(*n, packet.clone()));
            decoder.add_parity(0, cut);
            let _ = decoder.restore();
        }
    }
    let mut decoder = Decoder::default();
    for n in 0..2_000_i64 {
        if random.below(3) != 0 {
            let len = usize::try_from(random.below(40)).unwrap();
            decoder.add_packet(n + i64::from(random.below(9)) - 4, packet(n, len));
        }
        let len = usize::try_from(random.below(60)).unwrap();
        let mut bytes: Vec<u8> = (0..len).map(|_| random.below(256).to_be_bytes()[3]).collect();
        if let Some(count) = bytes.get_mut(2) {
            *count = random.below(8).to_be_bytes()[3];
        }
        if let Some(parity) = ParityPacket::read(&Bytes::from(bytes)) {
            decoder.add_parity(n - i64::from(random.below(12)), parity);
        }
        let _ = (decoder.restore(), decoder.deficit(n));
    }
    for (count, row) in [(0, 0), (129, 0), (1, 128)] {
        let bad = ParityPacket { count, row, ..parity[0].clone() };
        assert_eq!(ParityPacket::read(&bad.write()), None);
    }
}
