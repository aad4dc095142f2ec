//! One of our senders and its receiver.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_emulator::Link;
use eyeline_media::units::Bitrate;

use super::super::history::{SentPackets, Status};
use super::super::{Estimator, PathEstimator, TIMER};
use super::{AROUND, Cargo};
use crate::link::RateLimits;
use crate::send::Pacer;

const FRAME: Duration = Duration::from_micros(33_333);
const DRIFT: Duration = Duration::from_micros(40);
const SOUND: Duration = Duration::from_millis(20);
/// Payload of a sound packet: 40 kbit/s.
const SOUND_PAYLOAD: usize = 100;
/// What sound takes of the target, with headers.
const SOUND_BPS: f64 = 48e3;
const MAX_PAYLOAD: usize = 1_130;
/// RTP header and extensions.
const HEADER: usize = 20;
/// A keyframe is as large as so many other frames.
const KEYFRAME: f64 = 5.0;

/// Bytes that arrived, packet by packet.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: Duration,
    bytes: usize,
    /// Time since the frame was made, without the time on the way: pacer and queue.
    waited: Duration,
    sound: bool,
}

pub(super) struct Flow {
    number: usize,
    epoch: Instant,
    start: Duration,
    estimator: Box<dyn Estimator>,
    /// The encoder makes at most this much, bits per second.
    pub(super) encoder_max: f64,
    /// And at least this much, whatever it is told.
    pub(super) encoder_min: f64,
    /// Whether there is padding to fill probes with.
    pub(super) has_padding: bool,
    seed: u64,
    encoder_target: f64,
    next_frame: Duration,
    next_sound: Duration,
    keyframe: bool,
    pacer: Pacer<(usize, Duration)>,
    sequence: u16,
    sent: SentPackets,
    next_timer: Duration,
    /// Arrivals that were not fed back.
    unreported: BTreeMap<u64, Duration>,
    newest_received: u64,
    next_reported: u64,
    next_feedback: Duration,
    feedback: VecDeque<(Duration, Vec<Status>)>,
    arrivals: Vec<Arrival>,
    pub(super) frames_dropped: usize,
    pub(super) packets_sent: usize,
    /// Target at each 100 ms.
    pub(super) targets: Vec<f64>,
}

impl Flow {
    pub(super) fn new(number: usize, epoch: Instant, start: Duration, start_kbps: u64, max_kbps: u64) -> Self {
        let limits = Arc::new(RateLimits::new(Bitrate::from_kbps(60), Bitrate::from_kbps(max_kbps)));
        let estimator = PathEstimator::new(epoch + start, Bitrate::from_kbps(start_kbps), limits);
        Self {
            number,
            epoch,
            start,
            estimator: Box::new(estimator),
            encoder_max: f64::MAX,
            encoder_min: 30e3,
            has_padding: true,
            seed: 42 + number as u64,
            encoder_target: start_kbps as f64 * 1e3,
            next_frame: start + Duration::from_millis(17) * u32::try_from(number).unwrap(),
            next_sound: start,
            keyframe: true,
            pacer: Pacer::default(),
            sequence: 0,
            sent: SentPackets::default(),
            next_timer: start,
            unreported: BTreeMap::new(),
            newest_received: 0,
            next_reported: 0,
            next_feedback: start,
            feedback: VecDeque::new(),
            arrivals: Vec::new(),
            frames_dropped: 0,
            packets_sent: 0,
            targets: Vec::new(),
        }
    }

    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 40) as f64 / (1_u64 << 24) as f64
    }

    pub(super) fn send(&mut self, now: Duration, link: &mut Link<Cargo>) {
        self.hear(now);
        if self.next_sound <= now {
            self.next_sound += SOUND;
            self.transmit(now, SOUND_PAYLOAD, now, link);
        }
        if self.next_frame <= now {
            // No two cameras run alike.
            self.next_frame += FRAME + DRIFT * u32::try_from(self.number).unwrap();
            self.encode(now);
        }
        let advice = self.estimator.advice();
        let at = self.epoch + now;
        self.pacer.set_pace(advice.pace);
        if let Some(probe) = self.estimator.take_probe() {
            self.pacer.start_probe(at, probe);
        }
        while let Some((payload, made_at)) = self.pacer.pop(at, advice.target) {
            self.transmit(now, payload, made_at, link);
        }
        while let Some(bytes) = self.pacer.padding(at) {
            let payload = if self.has_padding { bytes.clamp(200, MAX_PAYLOAD) } else { 0 };
            self.pacer.padded(at, payload);
            if payload > 0 {
                self.transmit(now, payload, now, link);
            }
        }
        if now.as_millis().is_multiple_of(100) {
            self.targets.push(advice.target.bps() as f64);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a frame")]
    fn encode(&mut self, now: Duration) {
        // The encoder learns a new target with the next frame.
        let target = self.encoder_target;
        self.encoder_target = self.estimator.advice().target.bps() as f64;
        let video = (target - SOUND_BPS).clamp(self.encoder_min, self.encoder_max);
        let spread = 0.7 + 0.6 * self.random();
        let size =
            video * FRAME.as_secs_f64() / 8.0 * if std::mem::take(&mut self.keyframe) { KEYFRAME } else { spread };
        let size = size as usize + 1;
        if !self.pacer.has_room(size, self.estimator.advice().target) {
            self.frames_dropped += 1;
            self.keyframe = true;
            return;
        }
        let count = size.div_ceil(MAX_PAYLOAD);
        for _ in 0..count {
            let payload = size.div_ceil(count);
            self.pacer.push(payload, (payload, now));
        }
    }

    fn transmit(&mut self, now: Duration, payload: usize, made_at: Duration, link: &mut Link<Cargo>) {
        let size = payload + HEADER;
        self.sequence = self.sequence.wrapping_add(1);
        self.sent.sent(self.sequence, size, self.epoch + now);
        self.packets_sent += 1;
        let cargo = Cargo::Media { flow: self.number, sequence: self.sequence, size, made_at };
        link.enqueue(now, size + AROUND, cargo);
    }

    /// Takes feedback that came back.
    fn hear(&mut self, now: Duration) {
        let at = self.epoch + now;
        while self.feedback.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, statuses)) = self.feedback.pop_front() else { return };
            let reports = self.sent.on_feedback(&statuses);
            self.estimator.on_reports(at, &reports, self.sent.flight());
        }
        if now >= self.next_timer {
            self.next_timer = now + TIMER;
            self.estimator.on_timer(at, self.sent.flight());
        }
    }

    /// A packet arrives; without a queue it would have come at `soonest`.
    pub(super) fn receive(&mut self, now: Duration, sequence: u16, size: usize, soonest: Duration) {
        let low = self.newest_received & 0xffff;
        let ahead = sequence.wrapping_sub(u16::try_from(low).unwrap());
        let number = if ahead < 0x8000 {
            self.newest_received + u64::from(ahead)
        } else {
            self.newest_received - u64::from(ahead.wrapping_neg())
        };
        self.newest_received = self.newest_received.max(number);
        self.unreported.insert(number, now);
        let waited = now.saturating_sub(soonest);
        self.arrivals.push(Arrival { at: now, bytes: size, waited, sound: size == SOUND_PAYLOAD + HEADER });
    }

    pub(super) fn feed_back(&mut self, now: Duration, interval: Duration, back: Duration, loss: f64) {
        if now < self.next_feedback || self.unreported.is_empty() {
            return;
        }
        self.next_feedback = now + interval;
        let first = *self.unreported.keys().next().unwrap();
        let start = self.next_reported.clamp(1, first.max(1)).min(first);
        let statuses = (start..=self.newest_received)
            .map(|number| Status {
                sequence: u16::try_from(number & 0xffff).unwrap(),
                arrival: self.unreported.remove(&number).map(|at| at + Duration::from_secs(7)),
            })
            // A late packet's message says nothing about those reported before.
            .filter(|status| status.arrival.is_some() || first >= self.next_reported)
            .collect();
        self.next_reported = self.newest_received + 1;
        if self.random() >= loss {
            self.feedback.push_back((now + back, statuses));
        }
    }

    fn within(&self, from: f64, to: f64) -> impl Iterator<Item = &Arrival> {
        let start = self.start.as_secs_f64();
        self.arrivals.iter().filter(move |arrival| (from..to).contains(&(arrival.at.as_secs_f64() - start)))
    }

    /// Bits per second that arrived, headers of RTP included, between these seconds after its start.
    pub(super) fn rate(&self, from: f64, to: f64) -> f64 {
        self.within(from, to).map(|arrival| arrival.bytes as f64 * 8.0).sum::<f64>() / (to - from)
    }

    /// Share of packets lost over the whole run.
    pub(super) fn lost(&self) -> f64 {
        1.0 - self.arrivals.len() as f64 / self.packets_sent as f64
    }

    /// Milliseconds that so many (0 to 1) of the packets waited at most, in pacer and queue.
    pub(super) fn waited(&self, from: f64, to: f64, quantile: f64) -> f64 {
        let mut waits: Vec<f64> = self.within(from, to).map(|arrival| arrival.waited.as_secs_f64() * 1e3).collect();
        waits.sort_by(f64::total_cmp);
        quantile_of(&waits, quantile)
    }

    /// The same for sound alone.
    pub(super) fn sound_waited(&self, from: f64, to: f64, quantile: f64) -> f64 {
        let sound = self.within(from, to).filter(|arrival| arrival.sound);
        let mut waits: Vec<f64> = sound.map(|arrival| arrival.waited.as_secs_f64() * 1e3).collect();
        waits.sort_by(f64::total_cmp);
        quantile_of(&waits, quantile)
    }

    /// Seconds from `from` until half a second delivers at least `bps`.
    pub(super) fn reaches(&self, from: f64, to: f64, bps: f64) -> Option<f64> {
        let mut at = from;
        while at + 0.5 <= to {
            if self.rate(at, at + 0.5) >= bps {
                return Some(at + 0.5 - from);
            }
            at += 0.1;
        }
        None
    }

    /// Seconds from `from` until nothing waits longer than `ms` any more.
    pub(super) fn settles(&self, from: f64, to: f64, ms: f64) -> f64 {
        let late = self.within(from, to).filter(|arrival| arrival.waited.as_secs_f64() * 1e3 > ms);
        let last = late.map(|arrival| arrival.at.as_secs_f64() - self.start.as_secs_f64()).fold(from, f64::max);
        last - from
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
fn quantile_of(sorted: &[f64], quantile: f64) -> f64 {
    let index = (sorted.len() as f64 * quantile) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
