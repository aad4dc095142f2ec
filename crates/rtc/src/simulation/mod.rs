//! Sending, a lossy path, and receiving together, on a virtual clock: what repair brings, and what it costs.

mod path;
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedVideo, VideoCodec};
use eyeline_media::units::Bitrate;
use rtc::rtp;

use crate::fec::{LossModel, Protected};
use crate::link::{Sending, Ssrcs};
use crate::receive::{Arrived, Output, VideoStream};
use crate::sdp::PayloadTypes;
use crate::send::{PathState, Shares, VideoOut};

use path::{Carried, Conditions, Path};

const SSRCS: Ssrcs = Ssrcs { video: 1, rtx: 2, parity: 3, audio: 4 };
const TICK: Duration = Duration::from_millis(1);
/// Feedback of arrivals comes this often.
const FEEDBACK: u32 = 50;
/// And reports from which the round trip time is known.
const REPORT: u32 = 1_000;
/// Until then the picture begins: not what is measured here.
const BEGINNING: Duration = Duration::from_secs(2);
/// A keyframe is as large as so many other frames...
const KEYFRAME: f64 = 5.0;
/// ...for which the encoder makes the next ones smaller by this share until it is made up for.
const MAKE_UP: f64 = 0.25;
/// The picture stands still when the next one is this late.
const STILL: Duration = Duration::from_millis(150);

/// What came of a run.
#[derive(Debug, Default)]
struct Outcome {
    frames: usize,
    /// Frames delivered without a packet that was sent again.
    without_round_trip: usize,
    /// From capture to delivery in decode order, sorted.
    latencies: Vec<Duration>,
    /// Between deliveries, what went beyond [`STILL`].
    frozen: Duration,
    keyframes: usize,
    media_bytes: usize,
    parity_bytes: usize,
    resent_bytes: usize,
    nacks: usize,
}

impl Outcome {
    fn percentile(&self, share: f64) -> f64 {
        let rank = self.latencies.len() as f64 * share;
        let below = (0..self.latencies.len()).take_while(|at| (*at as f64) < rank).last().unwrap_or(0);
        self.latencies.get(below).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }

    fn undisturbed(&self) -> f64 {
        self.without_round_trip as f64 / self.frames as f64
    }

    fn share(&self, bytes: usize) -> f64 {
        bytes as f64 / self.media_bytes as f64
    }
}

struct Run {
    start: Instant,
    now: Instant,
    target: Bitrate,
    rtt: Duration,
    sending: Sending,
    types: PayloadTypes,
    out: VideoOut,
    shares: Shares,
    losses: LossModel,
    path: Path,
    stream: VideoStream,
    keyframe_due: bool,
    /// Bytes that keyframes took from the frames to come.
    owed: f64,
    /// When frames were captured, by RTP timestamp, and whether they needed a round trip.
    captured: HashMap<u32, (Instant, bool)>,
    last_delivery: Option<Instant>,
    outcome: Outcome,
}

/// Sends 30 frames a second for `seconds`.
fn run(conditions: Conditions, target: Bitrate, parity: bool, seconds: u32) -> Outcome {
    let start = Instant::now();
    let parity = parity.then_some(120);
    let mut run = Run {
        start,
        now: start,
        target,
        rtt: conditions.rtt,
        sending: Sending { codec: VideoCodec::Vp9, video: 98, audio: 111, rtx: Some(99), parity },
        types: PayloadTypes {
            opus: Some(111),
            video: vec![(98, VideoCodec::Vp9)],
            rtx: vec![(99, 98)],
            parity,
            red: None,
        },
        out: VideoOut::new(SSRCS, 65_000, 7),
        shares: Shares::default(),
        losses: LossModel::default(),
        path: Path::new(conditions),
        // With the first packet.
        stream: VideoStream::new(start + conditions.rtt / 2),
        keyframe_due: true,
        owed: 0.0,
        captured: HashMap::new(),
        last_delivery: None,
        outcome: Outcome::default(),
    };
    for tick in 0..seconds * 1_000 {
        run.tick(tick);
    }
    run.outcome.latencies.sort_unstable();
    run.outcome
}

impl Run {
    fn tick(&mut self, tick: u32) {
        self.now = self.start + TICK * tick;
        // 30 a second, on whole milliseconds.
        if tick * 3 / 100 != (tick + 1) * 3 / 100 {
            self.capture(tick);
        }
        if let Some(shares) = self.out.shares(self.now) {
            self.shares = shares;
        }
        while let Some(packet) = self.out.pop(self.now, self.sending, self.target) {
            let size = packet.payload.len() + 20;
            match packet.header.ssrc {
                ssrc if ssrc == SSRCS.rtx => self.outcome.resent_bytes += size,
                ssrc if ssrc == SSRCS.parity => self.outcome.parity_bytes += size,
                _ => self.outcome.media_bytes += size,
            }
            self.path.send(self.now, packet);
        }
        while let Some(carried) = self.path.arrived(self.now) {
            self.take(carried);
            self.collect();
        }
        if self.stream.poll_timeout(self.rtt).is_some_and(|at| at <= self.now) {
            self.stream.handle_timeout(self.now, self.rtt);
            self.collect();
        }
        if tick.is_multiple_of(REPORT) {
            self.rtt = self.path.rtt(self.now);
        }
        if tick.is_multiple_of(FEEDBACK) {
            self.path.send_feedback(self.now);
        }
    }

    fn capture(&mut self, tick: u32) {
        let keyframe = std::mem::take(&mut self.keyframe_due);
        let usual = self.shares.encoder(self.target).bps() as f64 / 8.0 / 30.0;
        let size = if keyframe {
            self.owed += usual * (KEYFRAME - 1.0);
            usual * KEYFRAME
        } else {
            let less = (usual * MAKE_UP).min(self.owed);
            self.owed -= less;
            (usual - less) * (0.7 + 0.6 * self.path.random())
        };
        let size = std::iter::successors(Some(2_usize), |n| Some(n + 1)).find(|n| *n as f64 >= size);
        let mut data = vec![7; size.expect("found in the end")];
        data[0] = if keyframe { 0x82 } else { 0x86 };
        let frame = EncodedVideo {
            codec: VideoCodec::Vp9,
            data: data.into(),
            keyframe,
            reference: (!keyframe).then_some(1),
            captured_at: self.now,
            width: 1_280,
            height: 720,
        };
        let timestamp = tick.wrapping_mul(90);
        let path = PathState { target: self.target, rtt: self.rtt, losses: self.losses.clone() };
        self.out.push(&frame, timestamp, self.sending, &path).expect("the path takes as much");
        self.captured.insert(timestamp, (self.now, false));
        self.outcome.frames += usize::from(self.now >= self.start + BEGINNING);
        self.outcome.keyframes += usize::from(keyframe);
    }

    fn take(&mut self, carried: Carried) {
        match carried {
            Carried::Packet(packet) => self.receive(packet),
            Carried::Nack(sequences) => self.out.request(self.now, self.rtt, &sequences, &self.losses),
            Carried::KeyframeRequest => self.keyframe_due = true,
            Carried::Feedback(lost) => lost.into_iter().for_each(|lost| self.losses.add(lost)),
        }
    }

    fn receive(&mut self, packet: rtp::Packet) {
        let rtp::Header { ssrc, mut sequence_number, timestamp, marker, .. } = packet.header;
        let mut payload = packet.payload;
        if ssrc == SSRCS.parity {
            return self.stream.on_parity(self.now, self.rtt, &payload, &self.types);
        }
        if ssrc == SSRCS.rtx {
            sequence_number = u16::from_be_bytes([payload[0], payload[1]]);
            payload = payload.slice(2..);
        }
        let recovered = self.stream.counts().recovered;
        let content = Protected { timestamp, payload_type: 98, marker, payload };
        self.stream.on_media(self.now, self.rtt, Arrived { sequence: sequence_number, content }, &self.types);
        if self.stream.counts().recovered != recovered && ssrc == SSRCS.rtx {
            self.captured.entry(timestamp).and_modify(|(_, again)| *again = true);
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.stream.poll_output() {
            match output {
                Output::Frame(frame) => self.deliver(frame.rtp_timestamp),
                Output::Nack(sequences) => {
                    self.outcome.nacks += 1;
                    self.path.send_back(self.now, Carried::Nack(sequences));
                }
                Output::Acknowledge(_) => {}
                Output::KeyframeRequest => self.path.send_back(self.now, Carried::KeyframeRequest),
            }
        }
    }

    fn deliver(&mut self, timestamp: u32) {
        let (captured, again) = self.captured[&timestamp];
        if captured < self.start + BEGINNING {
            return;
        }
        self.outcome.latencies.push(self.now - captured);
        self.outcome.without_round_trip += usize::from(!again);
        if let Some(last) = self.last_delivery.replace(self.now) {
            self.outcome.frozen += (self.now - last).saturating_sub(STILL);
        }
    }
}
