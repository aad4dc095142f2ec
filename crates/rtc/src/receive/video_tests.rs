use bytes::Bytes;

use super::*;

const RTT: Duration = Duration::from_millis(40);

/// A stream of packets as a sender makes them, and the receiver under test.
struct Rig {
    now: Instant,
    sequence: u16,
    timestamp: u32,
    picture: u16,
    receiver: VideoReceiver,
    frames: Vec<ReceivedVideo>,
    nacked: Vec<u16>,
    requests: usize,
    acknowledged: Vec<Acknowledgement>,
}

impl Rig {
    fn new(first: u16) -> Self {
        let now = Instant::now();
        Self {
            now,
            sequence: first,
            timestamp: u32::MAX - 6_000,
            picture: PICTURE_ID_MASK - 3,
            receiver: VideoReceiver::new(now),
            frames: Vec::new(),
            nacked: Vec::new(),
            requests: 0,
            acknowledged: Vec::new(),
        }
    }

    /// The packets of one frame of `count` packets.
    fn frame(&mut self, keyframe: bool, count: u16) -> Vec<VideoPacket> {
        self.coded(VideoCodec::Vp8, keyframe, count)
    }

    fn coded(&mut self, codec: VideoCodec, keyframe: bool, count: u16) -> Vec<VideoPacket> {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture += 1;
        let packets = (0..count)
            .map(|n| VideoPacket {
                sequence: self.sequence.wrapping_add(n),
                timestamp: self.timestamp,
                marker: n + 1 == count,
                piece: Some(Piece {
                    codec,
                    start: n == 0,
                    keyframe: keyframe && n == 0,
                    picture: Some(self.picture & PICTURE_ID_MASK),
                    references: [0; 3],
                    data: Bytes::from(vec![u8::try_from(n).unwrap(); 3]),
                }),
            })
            .collect();
        self.sequence = self.sequence.wrapping_add(count);
        packets
    }

    fn give(&mut self, packets: impl IntoIterator<Item = VideoPacket>) {
        for packet in packets {
            self.receiver.on_packet(self.now, packet);
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.receiver.poll_output() {
            match output {
                Output::Frame(frame) => self.frames.push(frame),
                Output::Nack(sequences) => self.nacked.extend(sequences),
                Output::KeyframeRequest => self.requests += 1,
                Output::Acknowledge(told) => self.acknowledged.push(told),
            }
        }
    }

    /// Lets time pass, waking the receiver exactly when it asks.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.receiver.poll_timeout(RTT).filter(|at| *at <= end) {
            assert!(at > self.now || self.receiver.poll_timeout(RTT) != Some(self.now), "stuck");
            self.now = self.now.max(at);
            self.receiver.handle_timeout(self.now, RTT);
            self.collect();
        }
        self.now = end;
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn delivers_in_order_across_the_wrap() {
    let mut rig = Rig::new(u16::MAX - 7);
    for n in 0..10 {
        let frame = rig.frame(n == 0, 3);
        rig.give(frame);
        rig.pass(ms(33));
    }
    assert_eq!(rig.frames.len(), 10);
    assert!(rig.frames[0].keyframe && !rig.frames[1].keyframe);
    assert_eq!(rig.frames[4].data[..], [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert!(rig.frames.windows(2).all(|w| w[1].rtp_timestamp.wrapping_sub(w[0].rtp_timestamp) == 3_000));
    assert_eq!((rig.nacked.len(), rig.requests), (0, 0));
}

#[test]
fn reordered_and_doubled_packets_change_nothing() {
    let mut rig = Rig::new(10);
    let mut packets = rig.frame(true, 4);
    packets.extend(rig.frame(false, 4));
    packets.extend(rig.frame(false, 1));
    packets.reverse();
    let again = packets.clone();
    // The stream's first packet to arrive is its last: nothing before it is known to be missing.
    rig.give(packets);
    rig.give(again);
    assert_eq!(rig.frames.len(), 3);
    rig.pass(ms(1_000));
    assert_eq!((rig.nacked.len(), rig.requests), (0, 0));
}

#[test]
fn a_gap_forgotten_while_a_keyframe_was_awaited_does_not_stop_the_picture() {
    let mut rig = Rig::new(100);
    let mut key = rig.frame(true, 2);
    let late = key.pop();
    rig.give(key);
    let mut broken = rig.frame(false, 3);
    broken.remove(1);
    rig.give(broken);
    // Longer than anybody waits for a packet: both are given up. Then the keyframe is repaired all the same.
    rig.pass(ms(600));
    assert!(rig.frames.is_empty());
    rig.give(late);
    assert_eq!(rig.frames.len(), 1);
    let (nacked, requests) = (rig.nacked.len(), rig.requests);
    for _ in 0..20 {
        let frame = rig.frame(false, 1);
        rig.give(frame);
        rig.pass(ms(33));
    }
    assert!(
        rig.nacked.len() > nacked && rig.requests > requests,
        "what holds up the picture is asked for, then a keyframe"
    );
}

#[test]
fn a_lost_packet_is_asked_for_and_holds_the_chain() {
    let mut rig = Rig::new(100);
    let key = rig.frame(true, 2);
    rig.give(key);
    let mut broken = rig.frame(false, 3);
    let lost = broken.remove(1);
    rig.give(broken);
    let next = rig.frame(false, 1);
    rig.give(next);
    assert_eq!(rig.frames.len(), 1);
    rig.pass(ms(20));
    assert_eq!(rig.nacked, [103]);
    rig.pass(ms(30));
    rig.give([lost]);
    assert_eq!(rig.frames.len(), 3);
    assert_eq!(rig.requests, 0);
    assert_eq!(rig.receiver.counts(), Counts { frames: 3, recovered: 1, lost: 0 });
}

#[test]
fn what_never_comes_is_given_up_and_a_keyframe_asked_for_until_it_comes() {
    let mut rig = Rig::new(0);
    let key = rig.frame(true, 1);
    rig.give(key);
    rig.frame(false, 1);
    for _ in 0..30 {
        let frame = rig.frame(false, 1);
        rig.give(frame);
        rig.pass(ms(33));
    }
    assert_eq!(rig.frames.len(), 1);
    assert!(rig.nacked.len() >= 3, "asked again by round trip: {:?}", rig.nacked);
    // Given up after 260 ms, then asked every 200 ms.
    assert_eq!(rig.requests, 4);
    assert_eq!(rig.receiver.counts().lost, 1);
    let key = rig.frame(true, 2);
    rig.give(key);
    let next = rig.frame(false, 1);
    rig.give(next);
    assert_eq!(rig.frames.len(), 3);
    rig.pass(ms(2_000));
    assert_eq!(rig.requests, 4);
}

#[test]
fn a_whole_keyframe_beyond_a_gap_is_taken_at_once() {
    let mut rig = Rig::new(0);
    let key = rig.frame(true, 1);
    rig.give(key);
    rig.frame(false, 2);
    let key = rig.frame(true, 2);
    rig.give(key);
    assert_eq!(rig.frames.len(), 2);
    rig.pass(ms(1_000));
    assert_eq!((rig.requests, rig.nacked.len()), (0, 0));
}

#[test]
fn a_slow_keyframe_is_not_asked_for_again() {
    let mut rig = Rig::new(0);
    let delta = rig.frame(false, 1);
    rig.give(delta);
    rig.pass(ms(150));
    assert_eq!(rig.requests, 1);
    for packet in rig.frame(true, 20) {
        rig.give([packet]);
        rig.pass(ms(50));
    }
    assert_eq!(rig.frames.len(), 1);
    assert_eq!(rig.requests, 1);
}

#[test]
fn pictures_that_go_on_coming_do_not_hide_that_a_keyframe_is_not_whole() {
    let mut rig = Rig::new(0);
    let mut keyframe = rig.frame(true, 5);
    keyframe.remove(2);
    rig.give(keyframe);
    for _ in 0..60 {
        let delta = rig.frame(false, 1);
        rig.give(delta);
        rig.pass(ms(33));
    }
    assert!(rig.frames.is_empty() && rig.requests >= 4, "asked for a keyframe {} times in 2 s", rig.requests);
}

#[test]
fn padding_fills_its_place() {
    let mut rig = Rig::new(0);
    let key = rig.frame(true, 1);
    rig.give(key);
    let padding = VideoPacket { sequence: rig.sequence, timestamp: rig.timestamp, marker: false, piece: None };
    rig.sequence += 1;
    let frame = rig.frame(false, 2);
    rig.give(frame);
    rig.give([padding]);
    assert_eq!(rig.frames.len(), 2);
    assert_eq!(rig.frames[1].data.len(), 6);
}

#[test]
fn the_codec_may_change_at_a_keyframe_only() {
    let mut rig = Rig::new(0);
    let key = rig.frame(true, 1);
    rig.give(key);
    let key = rig.coded(VideoCodec::Vp9, true, 2);
    rig.give(key);
    let delta = rig.coded(VideoCodec::Vp9, false, 1);
    rig.give(delta);
    assert_eq!(
        rig.frames.iter().map(|frame| frame.codec).collect::<Vec<_>>(),
        [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Vp9]
    );
    let odd = rig.frame(false, 1);
    rig.give(odd);
    assert_eq!((rig.frames.len(), rig.requests), (3, 1));
}

#[test]
fn a_jump_or_a_flood_starts_over_within_bounds() {
    let mut rig = Rig::new(0);
    let key = rig.frame(true, 1);
    rig.give(key);
    rig.sequence = 20_000;
    for _ in 0..5_000 {
        let frame = rig.frame(false, 1);
        rig.give(frame);
    }
    assert_eq!(rig.frames.len(), 1);
    assert!(rig.requests >= 1);
    let key = rig.frame(true, 3);
    rig.give(key);
    assert_eq!(rig.frames.len(), 2);
}

#[test]
fn random_loss_with_retransmission_delivers_everything() {
    let mut rig = Rig::new(65_000);
    let mut seed = 7_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 16
    };
    let mut sent = std::collections::HashMap::new();
    let mut resend: Vec<(Instant, u16)> = Vec::new();
    for n in 0..600 {
        for packet in rig.frame(n == 0, 5) {
            sent.insert(packet.sequence, packet.clone());
            if n == 0 || random() % 20 != 0 {
                rig.give([packet]);
            }
        }
        for _ in 0..33 {
            rig.pass(ms(1));
            let due = rig.now + RTT;
            resend.extend(rig.nacked.drain(..).map(|sequence| (due, sequence)));
            while let Some(at) = resend.iter().position(|(at, _)| *at <= rig.now) {
                let (_, sequence) = resend.remove(at);
                if random() % 20 != 0 {
                    let packet = sent[&sequence].clone();
                    rig.give([packet]);
                }
            }
        }
    }
    assert!(rig.frames.len() >= 595, "{} of 600, {} requests", rig.frames.len(), rig.requests);
}

#[test]
fn a_picture_from_a_delivered_one_bridges_a_gap() {
    let mut rig = Rig::new(0);
    for n in 0..6 {
        let frame = rig.frame(n == 0, 2);
        rig.give(frame);
        rig.pass(ms(33));
    }
    // Two are lost, and what follows them cannot be decoded.
    rig.frame(false, 2);
    rig.frame(false, 2);
    let next = rig.frame(false, 2);
    rig.give(next);
    assert_eq!(rig.frames.len(), 6);
    // One that refers to a lost picture does not help, nor one that refers to the picture before.
    for references in [[3, 0, 0], [1, 0, 0], [5, 2, 0]] {
        let mut useless = rig.frame(false, 1);
        useless[0].piece.as_mut().unwrap().references = references;
        rig.give(useless);
    }
    assert_eq!(rig.frames.len(), 6);
    let mut bridge = rig.frame(false, 2);
    for packet in &mut bridge {
        packet.piece.as_mut().unwrap().references = [8, 0, 0];
    }
    rig.give(bridge);
    let next = rig.frame(false, 2);
    rig.give(next);
    assert_eq!((rig.frames.len(), rig.requests), (8, 0));
    assert!(!rig.frames[6].keyframe);
    rig.pass(ms(150));
    let next = rig.frame(false, 1);
    rig.give(next);
    let told = rig.acknowledged.last().unwrap();
    // The last three, not the six before them, and the six before those.
    assert_eq!((told.newest, told.delivered), (rig.picture & PICTURE_ID_MASK, 0b111_1110_0000_0111));
}

#[test]
fn acknowledges_now_and_then_and_when_it_gives_up() {
    let mut rig = Rig::new(0);
    for n in 0..30 {
        let frame = rig.frame(n == 0, 1);
        rig.give(frame);
        rig.pass(ms(33));
    }
    assert!((8..=11).contains(&rig.acknowledged.len()), "{}", rig.acknowledged.len());
    rig.frame(false, 1);
    rig.pass(ms(33));
    let frame = rig.frame(false, 1);
    let before = rig.acknowledged.len();
    rig.give(frame);
    rig.pass(ms(300));
    assert_eq!((rig.acknowledged.len(), rig.requests), (before + 1, 1));
    assert_eq!(rig.acknowledged[before].delivered & 1, 1);
}
