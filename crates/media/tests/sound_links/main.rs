//! Sound over bad links: sender, seeded link, jitter buffer, on a virtual clock. Delay and likeness are measured on what
//! comes out of the speaker, not on what the buffer says of itself.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test numbers")]

mod link;
mod voice;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eyeline_media::audio::{
    AudioJitterBuffer, AudioSender, AudioSenderConfig, BLOCK_SAMPLES, Block, EchoReference, JitterStats, OpusDecoder,
    PassThrough,
};
use eyeline_media::frame::{AudioCopies, EncodedAudio, ReceivedAudio};
use eyeline_media::units::Bitrate;

use link::{Jitter, Link, LinkPlan};
use voice::{Heard, MS, compare, speech};

/// Opus' encoder looks ahead 6.5 ms.
const LOOKAHEAD_MS: f64 = 6.5;
/// Figures are taken after the first seconds.
const SETTLED: usize = 3_000 * MS;
const SECONDS: usize = 45;

struct Outcome {
    stats: JitterStats,
    heard: Heard,
    sent_kbps: f64,
}

impl Outcome {
    fn delay(&self, share: f64) -> f64 {
        let mut sorted = self.heard.delays_ms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(((sorted.len() - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN) + LOOKAHEAD_MS
    }

    fn likeness(&self) -> f64 {
        self.heard.likeness.iter().sum::<f64>() / self.heard.likeness.len() as f64
    }

    fn stretched(&self) -> f64 {
        (self.stats.removed_samples + self.stats.inserted_samples) as f64 / self.stats.decoded_samples as f64
    }
}

/// A packet on its way, with its sequence number.
struct Flying {
    arrives_ms: f64,
    sequence: u16,
    packet: EncodedAudio,
    /// Earlier packets that travel along, oldest first, with how much earlier they are numbered.
    copies: Vec<(u16, EncodedAudio)>,
}

struct Call {
    last_two: VecDeque<EncodedAudio>,
    start: Instant,
    link: Link,
    flying: VecDeque<Flying>,
    sequence: u16,
    sent: u64,
    lost: u64,
    bytes: u64,
    buffer: AudioJitterBuffer,
    /// What a perfect link would have brought.
    perfect: OpusDecoder,
    said: Vec<i16>,
}

impl Call {
    fn at(&self, ms: f64) -> Instant {
        self.start + Duration::from_secs_f64(ms / 1_000.0)
    }

    fn send(&mut self, packet: EncodedAudio, now_ms: f64) {
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += 1;
        // Payload, RTP header with one extension, SRTP tag, UDP and IP.
        self.bytes += packet.data.len() as u64 + 20 + 10 + 28;
        let copies = self.copies(packet.copies);
        self.bytes += copies.iter().map(|(_, copy)| copy.data.len() as u64 + 4).sum::<u64>();
        if self.last_two.len() == 2 {
            self.last_two.pop_front();
        }
        self.last_two.push_back(packet.clone());
        let mut pcm = [0; 5_760];
        let len = self.perfect.decode(&packet.data, &mut pcm).expect("our own packet");
        self.said.resize(packet.first_sample as usize, 0);
        self.said.extend(&pcm[..len]);
        match self.link.carry(now_ms) {
            Some(arrives_ms) => self.flying.push_back(Flying { arrives_ms, sequence: self.sequence, packet, copies }),
            None => self.lost += 1,
        }
    }

    fn copies(&self, which: AudioCopies) -> Vec<(u16, EncodedAudio)> {
        let last_two = [2, 1].into_iter().zip(self.last_two.iter().cloned());
        match which {
            AudioCopies::None => Vec::new(),
            AudioCopies::SecondLast => last_two.take(1).collect(),
            AudioCopies::LastTwo => last_two.collect(),
        }
    }

    fn deliver(&mut self, now_ms: f64) {
        while self.flying.front().is_some_and(|flying| flying.arrives_ms <= now_ms) {
            let Some(flying) = self.flying.pop_front() else { return };
            let at = self.at(flying.arrives_ms);
            let copies = flying.copies.into_iter().map(|(behind, copy)| (behind, copy, true));
            for (behind, packet, redundant) in copies.chain([(0, flying.packet, false)]) {
                let sequence = flying.sequence.wrapping_sub(behind);
                let rtp_timestamp = packet.first_sample as u32;
                let packet = ReceivedAudio { data: packet.data, sequence, rtp_timestamp, received_at: at, redundant };
                self.buffer.push(packet, at);
            }
        }
    }
}

fn run(plan: LinkPlan, seed: u64) -> Outcome {
    let start = Instant::now() + Duration::from_secs(10);
    let made: Arc<Mutex<Vec<EncodedAudio>>> = Arc::default();
    let sink = made.clone();
    let sender = AudioSender::start(
        &AudioSenderConfig { dtx: false, ..AudioSenderConfig::default() },
        Box::new(PassThrough),
        EchoReference::default(),
        move |packet| sink.lock().expect("one thread").push(packet),
    )
    .expect("settings that libopus knows");
    let mut call = Call {
        last_two: VecDeque::new(),
        start,
        link: Link::new(plan, seed),
        flying: VecDeque::new(),
        sequence: 7,
        sent: 0,
        lost: 0,
        bytes: 0,
        buffer: AudioJitterBuffer::new().expect("memory"),
        perfect: OpusDecoder::new().expect("memory"),
        said: Vec::new(),
    };
    let voice = speech(SECONDS);
    // The speaker's grid lies somewhere between the microphone's.
    let phase_ms = 1.0 + (seed % 9) as f64;
    let mut heard: Vec<i16> = vec![0; (phase_ms * MS as f64) as usize];
    let mut blocks = voice.chunks_exact(BLOCK_SAMPLES).enumerate().peekable();
    let mut counted = (0, 0);
    for pull in 0..SECONDS * 100 {
        let now_ms = phase_ms + 10.0 * pull as f64;
        while let Some((i, block)) = blocks.next_if(|(i, _)| sent_at(*i + 1, plan) <= now_ms) {
            let block: &Block = block.try_into().expect("exact chunks");
            sender.block(block, call.at(sent_at(i, plan)));
            for packet in made.lock().expect("one thread").drain(..) {
                call.send(packet, sent_at(i + 1, plan));
            }
            if i % 100 == 99 {
                let loss = (call.lost - counted.1) as f32 / (call.sent - counted.0).max(1) as f32;
                counted = (call.sent, call.lost);
                let rtt = Duration::from_secs_f64(2.0 * plan.one_way_ms / 1_000.0);
                sender.on_network(loss, rtt, Bitrate::from_kbps(plan.budget_kbps));
            }
        }
        call.deliver(now_ms);
        let at = call.at(now_ms);
        heard.extend(call.buffer.pull(at).0);
    }
    let heard = compare(&call.said[SETTLED..], &heard[SETTLED..]);
    let sent_kbps = call.bytes as f64 * 8.0 / SECONDS as f64 / 1_000.0;
    Outcome { stats: call.buffer.stats(), heard, sent_kbps }
}

/// When block `i` begins, by the receiver's clock.
fn sent_at(i: usize, plan: LinkPlan) -> f64 {
    10.0 * i as f64 * (1.0 + plan.drift_ppm / 1e6)
}

const QUIET: LinkPlan = LinkPlan {
    name: "quiet, 1 ms",
    one_way_ms: 1.0,
    loss: 0.0,
    burst: 1.0,
    jitter: Jitter::None,
    drift_ppm: 0.0,
    budget_kbps: 3_000,
};

const FAR: LinkPlan = LinkPlan { name: "25 ms", one_way_ms: 25.0, ..QUIET };

const LINKS: [LinkPlan; 13] = [
    QUIET,
    LinkPlan { name: "drift +100 ppm", drift_ppm: 100.0, ..QUIET },
    LinkPlan { name: "drift -100 ppm", drift_ppm: -100.0, ..QUIET },
    LinkPlan { name: "100 ms, jitter 30", one_way_ms: 100.0, jitter: Jitter::Even(30.0), ..QUIET },
    LinkPlan { name: "held 150 ms every 3 s", jitter: Jitter::Held { every_ms: 3_000.0, for_ms: 150.0 }, ..FAR },
    LinkPlan {
        name: "80 ms detour, 15-30 s",
        jitter: Jitter::Detour { ms: 80.0, from_ms: 15_000.0, to_ms: 30_000.0 },
        ..FAR
    },
    LinkPlan { name: "loss 1 %", loss: 0.01, ..FAR },
    LinkPlan { name: "loss 2 %", loss: 0.02, ..FAR },
    LinkPlan { name: "loss 5 %", loss: 0.05, ..FAR },
    LinkPlan { name: "loss 10 %", loss: 0.10, ..FAR },
    LinkPlan { name: "loss 20 %", loss: 0.20, ..FAR },
    LinkPlan { name: "loss 2.7 %, bursts of 4", loss: 0.027, burst: 4.0, ..FAR },
    LinkPlan { name: "loss 10 %, bursts of 3", loss: 0.10, burst: 3.0, jitter: Jitter::Even(10.0), ..FAR },
];

fn link(name: &str) -> Outcome {
    run(*LINKS.iter().find(|plan| plan.name == name).expect("known"), 1)
}

#[track_caller]
fn check(name: &str, delay_ms_p95: f64, concealed_percent: f64, likeness: f64) {
    let outcome = link(name);
    let concealed = outcome.stats.concealed_share() * 100.0;
    let (delay, alike) = (outcome.delay(0.95), outcome.likeness());
    assert!(delay <= delay_ms_p95, "{name}: {delay} ms");
    assert!(concealed <= concealed_percent, "{name}: {concealed} % concealed");
    assert!(alike >= likeness, "{name}: likeness {alike}");
}

#[test]
fn a_quiet_link_adds_next_to_nothing() {
    check("quiet, 1 ms", 36.0, 0.0, 0.97);
    check("drift +100 ppm", 36.0, 0.1, 0.97);
    check("drift -100 ppm", 36.0, 0.1, 0.97);
}

#[test]
fn jitter_of_thirty_ms_leaves_no_gaps() {
    check("100 ms, jitter 30", 175.0, 0.1, 0.97);
}

#[test]
fn loss_is_repaired_by_what_travels_along() {
    check("loss 2 %", 110.0, 1.2, 0.95);
    check("loss 5 %", 120.0, 1.0, 0.95);
    check("loss 10 %", 125.0, 1.5, 0.95);
    check("loss 20 %", 125.0, 3.0, 0.93);
}

#[test]
fn another_path_is_followed() {
    check("80 ms detour, 15-30 s", 150.0, 1.5, 0.93);
}

/// Prints what `docs/decisions/0016-sound-under-loss.md` shows.
#[test]
#[ignore = "prints a table; asserts nothing"]
fn table() {
    println!("| link | delay ms p50 | p95 | concealed % | stretched % | likeness | kbit/s on the wire |");
    println!("|---|---|---|---|---|---|---|");
    for plan in LINKS {
        let runs: Vec<Outcome> = (1..=3).map(|seed| run(plan, seed)).collect();
        let mean = |of: &dyn Fn(&Outcome) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
        println!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.3} | {:.0} |",
            plan.name,
            mean(&|run| run.delay(0.5)),
            mean(&|run| run.delay(0.95)),
            mean(&|run| run.stats.concealed_share() * 100.0),
            mean(&|run| run.stretched() * 100.0),
            mean(&Outcome::likeness),
            mean(&|run| run.sent_kbps),
        );
    }
}
