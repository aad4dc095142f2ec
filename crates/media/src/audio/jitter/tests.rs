//! The buffer on seeded networks, under a virtual clock.

#![expect(clippy::cast_possible_truncation, reason = "small test numbers")]

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::audio::BLOCK_TIME;
use crate::audio::opus::{OpusApplication, OpusEncoder};
use crate::audio::testing::{speech, tone_share};
use crate::audio::tone::Tone;
use crate::units::Bitrate;

/// xorshift64*: the same numbers in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

/// What the network does to packet `i`: the delay it adds, or loss.
type Network<'a> = &'a mut dyn FnMut(u64) -> Option<Duration>;

/// How a simulated call is laid out.
struct Plan {
    packets: u64,
    sequence: u16,
    timestamp: u32,
    /// Sender's clock against ours, in parts per million.
    drift_ppm: i64,
    /// Packets the sender does not send.
    silent: fn(u64) -> bool,
    /// Send the test tone, not speech.
    tone: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { packets: 1_500, sequence: 100, timestamp: 1_000, drift_ppm: 0, silent: |_| false, tone: false }
    }
}

/// What came out.
struct Outcome {
    buffer: AudioJitterBuffer,
    kinds: Vec<BlockKind>,
    /// Delay at every second.
    delays_ms: Vec<u128>,
    pcm: Vec<i16>,
}

/// Two seconds of speech in packets that carry copies.
fn encoded_speech() -> Vec<Bytes> {
    let mut encoder = OpusEncoder::new(OpusApplication::Voip, Bitrate::from_kbps(32), false).unwrap();
    encoder.set_loss(0.1).unwrap();
    speech().chunks_exact(960).map(|chunk| encoder.encode(chunk).unwrap()).collect()
}

fn encoded_tone(packets: u64) -> Vec<Bytes> {
    let mut encoder = OpusEncoder::new(OpusApplication::Voip, Bitrate::from_kbps(32), false).unwrap();
    encoder.set_loss(0.1).unwrap();
    let mut tone = Tone::default();
    (0..packets)
        .map(|_| {
            let samples: Vec<i16> = [tone.next_block(), tone.next_block()].concat();
            encoder.encode(&samples).unwrap()
        })
        .collect()
}

fn run(plan: &Plan, network: Network<'_>) -> Outcome {
    let start = Instant::now();
    // The same two seconds over and over: encoding minutes would dominate the test.
    let sound = if plan.tone { encoded_tone(100) } else { encoded_speech() };
    let mut arrivals = Vec::new();
    let mut sequence = plan.sequence;
    for i in 0..plan.packets {
        if (plan.silent)(i) {
            continue;
        }
        let sent_us = i * 20_000;
        let sent_us = sent_us.saturating_add_signed(i64::try_from(sent_us).unwrap() * plan.drift_ppm / 1_000_000);
        if let Some(delay) = network(i) {
            let at = start + Duration::from_micros(sent_us) + Duration::from_millis(30) + delay;
            let rtp_timestamp = plan.timestamp.wrapping_add(u32::try_from(i).unwrap().wrapping_mul(960));
            let data =
                if (plan.silent)(i + 1) { Bytes::from_static(&[0x78]) } else { sound[(i % 100) as usize].clone() };
            arrivals.push(ReceivedAudio { data, sequence, rtp_timestamp, received_at: at, redundant: false });
        }
        sequence = sequence.wrapping_add(1);
    }
    arrivals.sort_by_key(|a| a.received_at);
    play(arrivals, start, plan.packets * 2)
}

fn play(arrivals: Vec<ReceivedAudio>, start: Instant, blocks: u64) -> Outcome {
    let mut buffer = AudioJitterBuffer::new().unwrap();
    let mut outcome =
        Outcome { buffer: AudioJitterBuffer::new().unwrap(), kinds: vec![], delays_ms: vec![], pcm: vec![] };
    let mut arrivals = arrivals.into_iter().peekable();
    for i in 0..blocks {
        let now = start + BLOCK_TIME * u32::try_from(i).unwrap();
        while let Some(packet) = arrivals.next_if(|p| p.received_at <= now) {
            let at = packet.received_at;
            buffer.push(packet, at);
        }
        let (block, kind) = buffer.pull(now);
        outcome.kinds.push(kind);
        outcome.pcm.extend(block);
        if i % 100 == 99 {
            outcome.delays_ms.push(buffer.stats().current_delay.as_millis());
        }
    }
    outcome.buffer = buffer;
    outcome
}

impl Outcome {
    fn stats(&self) -> JitterStats {
        self.buffer.stats()
    }

    fn share(&self, kind: BlockKind) -> f64 {
        self.kinds.iter().filter(|k| **k == kind).count() as f64 / self.kinds.len() as f64
    }
}

fn ms(ms: u64) -> Option<Duration> {
    Some(Duration::from_millis(ms))
}

#[test]
fn a_quiet_network_plays_everything_with_little_delay() {
    let outcome = run(&Plan::default(), &mut |_| ms(0));
    let stats = outcome.stats();
    assert_eq!((stats.concealed_samples, stats.fec_samples, stats.late, stats.lost), (0, 0, 0, 0), "{stats:?}");
    assert!(*outcome.delays_ms.last().unwrap() <= 12, "{:?}", outcome.delays_ms);
    assert!(stats.target_delay <= Duration::from_millis(2), "{stats:?}");
}

#[test]
fn jitter_is_ridden_out() {
    let mut random = Seeded(1);
    let outcome = run(&Plan { packets: 3_000, ..Plan::default() }, &mut |_| ms(random.below(31)));
    let stats = outcome.stats();
    assert!(stats.concealed_share() < 0.005, "{stats:?}");
    assert!((30..=60).contains(&outcome.delays_ms.last().copied().unwrap()), "{:?}", outcome.delays_ms);
}

#[test]
fn loss_is_mended_by_the_next_packet() {
    let mut random = Seeded(2);
    let outcome = run(&Plan { packets: 3_000, ..Plan::default() }, &mut |_| {
        if random.below(20) == 0 { None } else { ms(random.below(10)) }
    });
    let stats = outcome.stats();
    assert!((100..=220).contains(&stats.lost), "{stats:?}");
    // Some losses come in pairs, and some packets carry no copy because the one before was quiet.
    assert!(stats.concealed_share() < 0.02, "{stats:?}");
    assert!(stats.fec_samples > stats.lost * 960 * 6 / 10, "{stats:?}");
    assert!(stats.target_delay >= Duration::from_millis(25), "waiting for the copy takes time: {stats:?}");
    assert!(outcome.delays_ms.iter().all(|d| *d <= 80), "{:?}", outcome.delays_ms);
}

#[test]
fn order_and_doubles_do_not_matter() {
    let start = Instant::now();
    let tone = encoded_tone(500);
    let mut arrivals: Vec<ReceivedAudio> = Vec::new();
    for (i, data) in tone.into_iter().enumerate() {
        let i = u32::try_from(i).unwrap();
        let swap = if i % 10 == 3 { 25 } else { 0 };
        let received_at = start + Duration::from_millis(u64::from(i) * 20 + swap);
        let packet = ReceivedAudio { data, sequence: i as u16, rtp_timestamp: i * 960, received_at, redundant: false };
        arrivals.push(packet.clone());
        if i % 5 == 0 {
            arrivals.push(packet);
        }
    }
    arrivals.sort_by_key(|a| a.received_at);
    let outcome = play(arrivals, start, 1_000);
    let stats = outcome.stats();
    assert_eq!(stats.duplicates, 100);
    assert!(stats.concealed_share() + stats.fec_samples as f64 / 480_000.0 < 0.01, "{stats:?}");
}

#[test]
fn silence_is_not_loss_and_talk_resumes_at_the_right_delay() {
    // Half a second of talk, half a second of nothing.
    let plan = Plan { packets: 3_000, silent: |i| i % 50 >= 25, ..Plan::default() };
    let mut random = Seeded(3);
    let outcome = run(&plan, &mut |_| ms(random.below(20)));
    let stats = outcome.stats();
    assert_eq!(stats.lost, 0, "{stats:?}");
    assert!(stats.concealed_share() < 0.005, "{stats:?}");
    assert!((0.4..0.6).contains(&outcome.share(BlockKind::Silence)), "{}", outcome.share(BlockKind::Silence));
    assert!(outcome.delays_ms.iter().all(|d| *d <= 70), "{:?}", outcome.delays_ms);
}

#[test]
fn unannounced_silence_is_recognised_afterwards() {
    let start = Instant::now();
    let mut arrivals = Vec::new();
    for (i, data) in encoded_tone(100).into_iter().enumerate() {
        let i = u32::try_from(i).unwrap();
        let media = i + if i >= 50 { 40 } else { 0 };
        let received_at = start + Duration::from_millis(20) * media;
        arrivals.push(ReceivedAudio {
            data,
            sequence: i as u16,
            rtp_timestamp: media * 960,
            received_at,
            redundant: false,
        });
    }
    let outcome = play(arrivals, start, 270);
    let stats = outcome.stats();
    assert_eq!(stats.lost, 0);
    assert!(stats.silent_samples > 35 * 960, "{stats:?}");
    let concealed_at_the_end = (270_u64 * 480).saturating_sub(stats.silent_samples + stats.decoded_samples);
    assert!(stats.concealed_samples <= concealed_at_the_end + 960, "{stats:?}");
}

#[test]
fn numbers_wrap_unnoticed() {
    let plan = Plan { sequence: u16::MAX - 700, timestamp: u32::MAX - 700 * 960, ..Plan::default() };
    let outcome = run(&plan, &mut |_| ms(0));
    let stats = outcome.stats();
    assert_eq!((stats.concealed_samples, stats.late, stats.lost, stats.resyncs), (0, 0, 0, 0), "{stats:?}");
}

#[test]
fn clocks_that_drift_do_not_build_up_delay_or_run_dry() {
    for drift_ppm in [-200, 200] {
        let plan = Plan { packets: 15_000, drift_ppm, ..Plan::default() };
        let mut random = Seeded(4);
        let outcome = run(&plan, &mut |_| ms(random.below(5)));
        let stats = outcome.stats();
        assert!(stats.concealed_share() < 0.001, "{drift_ppm}: {stats:?}");
        // The very end has fewer packets than blocks, or more: leave it out.
        let settled = &outcome.delays_ms[10..295];
        assert!(settled.iter().all(|d| (5..=30).contains(d)), "{drift_ppm}: {settled:?}");
        let drifted = 15_000 * 960 / 5_000;
        let corrected = if drift_ppm > 0 { stats.inserted_samples } else { stats.removed_samples };
        // The delay the call begins with is used up first.
        assert!(corrected > drifted / 2, "{drift_ppm}: {corrected} of {drifted}, {stats:?}");
    }
}

#[test]
fn a_sender_that_starts_over_is_followed() {
    let start = Instant::now();
    let tone = encoded_tone(200);
    let arrivals: Vec<ReceivedAudio> = tone
        .into_iter()
        .enumerate()
        .map(|(i, data)| {
            let i = u32::try_from(i).unwrap();
            let again = i >= 100;
            let rtp_timestamp = if again { 3_000_000_000_u32.wrapping_add(i * 960) } else { i * 960 };
            let sequence = if again { 40_000 + i as u16 } else { i as u16 };
            ReceivedAudio {
                data,
                sequence,
                rtp_timestamp,
                received_at: start + Duration::from_millis(20) * i,
                redundant: false,
            }
        })
        .collect();
    let outcome = play(arrivals, start, 400);
    let stats = outcome.stats();
    assert_eq!((stats.resyncs, stats.lost), (1, 0), "{stats:?}");
    assert!(stats.decoded_samples > 190 * 960, "{stats:?}");
    assert_eq!(outcome.kinds[300..390], [BlockKind::Decoded; 90]);
}

#[test]
fn an_outage_is_caught_up_with() {
    // Two seconds of packets come all at once, two seconds late.
    let mut held = |i: u64| if (300..400).contains(&i) { ms((400 - i) * 20) } else { ms(0) };
    let outcome = run(&Plan { packets: 2_000, ..Plan::default() }, &mut held);
    let stats = outcome.stats();
    assert!(outcome.delays_ms[20..].iter().all(|d| *d <= 330), "{:?}", outcome.delays_ms);
    assert!(*outcome.delays_ms.last().unwrap() <= 40, "{:?} {stats:?}", outcome.delays_ms);
    let after = &outcome.kinds[900..];
    assert!(after.iter().all(|k| *k == BlockKind::Decoded), "{stats:?}");
}

#[test]
fn who_slept_hears_what_is_said_now() {
    let (start, sound) = (Instant::now(), encoded_speech());
    let mut buffer = AudioJitterBuffer::new().unwrap();
    let mut hear = |seconds: std::ops::Range<u64>| {
        let mut heard = Vec::new();
        for i in seconds.start * 50..seconds.end * 50 {
            let at = start + Duration::from_millis(i * 20);
            let data = sound[(i % 100) as usize].clone();
            let (sequence, rtp_timestamp) = (i as u16, i as u32 * 960);
            buffer.push(ReceivedAudio { data, sequence, rtp_timestamp, received_at: at, redundant: false }, at);
            heard.extend([0, 10].map(|ms| buffer.pull(at + Duration::from_millis(ms)).1));
        }
        heard
    };
    hear(0..5);
    // Nothing came and nothing was played for ten seconds.
    let heard = hear(15..20);
    assert!(heard[100..].iter().all(|kind| *kind == BlockKind::Decoded), "{heard:?}");
}

#[test]
fn rubbish_is_counted_and_memory_is_bounded() {
    let mut random = Seeded(5);
    let mut buffer = AudioJitterBuffer::new().unwrap();
    let start = Instant::now();
    for i in 0..5_000_u64 {
        let len = random.below(60) as usize;
        let data: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
        let sequence = random.below(65_536) as u16;
        let rtp_timestamp = if i % 3 == 0 { random.below(1 << 32) as u32 } else { (i * 7) as u32 };
        let at = start + Duration::from_millis(i / 10);
        buffer
            .push(ReceivedAudio { data: data.into(), sequence, rtp_timestamp, received_at: at, redundant: false }, at);
        if i % 20 == 0 {
            buffer.pull(at);
        }
    }
    let stats = buffer.stats();
    assert!(stats.broken > 100, "{stats:?}");
    assert!(buffer.packets.len() <= 150);
    buffer.reset();
    assert_eq!(buffer.stats(), JitterStats::default());
}

#[test]
fn what_is_played_is_what_was_said() {
    let mut random = Seeded(6);
    let outcome = run(&Plan { packets: 500, tone: true, ..Plan::default() }, &mut |_| ms(random.below(15)));
    // Silence apart, every block holds the tone: its power at 440 Hz is nearly all the power there is.
    let (mut sounding, mut impure) = (0, Vec::new());
    for (i, block) in outcome.pcm.chunks(480).enumerate().skip(20) {
        let power: f64 = block.iter().map(|s| f64::from(*s).powi(2)).sum();
        if power / 480.0 > 1_500.0_f64.powi(2) {
            sounding += 1;
            impure.extend((tone_share(block, 440.0) <= 0.95).then_some(i));
        }
    }
    // Where a pause was cut or repeated together with the tone beside it.
    assert!(impure.len() <= 3, "{impure:?}");
    assert!((680..=820).contains(&sounding), "{sounding} of 980 blocks, 80 % were tone");
}
