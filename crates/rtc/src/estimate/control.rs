//! The estimator in use.
//!
//! Three signals: the queue's delay and its growth say when the path is full, what was delivered says how much it takes, and
//! packet trains say whether it takes much more. Near the path's limit the rate follows a small queue, so that flows which share
//! a link end up with like shares. Ideas from draft-ietf-rmcat-gcc-02 (delivered rate, probing), RFC 8698 and Copa (rate by
//! queue; a mode for queues that others keep full), RFC 8298 (bytes in flight).

use std::sync::Arc;
use std::time::Instant;

use eyeline_media::units::Bitrate;

use super::brake::Brake;
use super::delay::QueueDelay;
use super::loss::{Loss, LossVerdict};
use super::probe::{Probe, ProbeController, Situation};
use super::rates::RateWindow;
use super::trains::Trains;
use super::{Advice, Estimator, Fate, Flight, PacketFeedback};
use crate::link::RateLimits;

/// Growth per second while trains show that the path takes much more.
const TRAIN_GROWTH: f64 = 4.0;
/// Growth per second while no limit is known nearby.
const FAST_GROWTH: f64 = 1.5;
/// Growth per second while some packets are lost.
const LOSSY_GROWTH: f64 = 1.1;
/// Growth near the limit, in bits per second each second, at 1 Mbit/s; it goes with the root of the rate.
const NEAR_GROWTH: f64 = 80e3;
/// Share of the rate taken away each second for a queue of [`FREE_QUEUE`] near the limit; more for more.
const NEAR_DECAY: f64 = 0.2;
/// The known limit is near from this share of it on.
const NEAR_FROM: f64 = 0.8;
/// Beyond this multiple, the path has become wider and the limit is forgotten.
const NEAR_TO: f64 = 1.25;
/// Trains that passed at this multiple of the known limit show that it is no more.
const DISPROVED: f64 = 1.8;
/// The known limit is forgotten after so many seconds.
const LIMIT_AGE: f64 = 20.0;
/// Where to go back to after a full queue has emptied.
const RESUME_AT: f64 = 0.92;
/// Below this queue, in seconds, the path counts as free.
const FREE_QUEUE: f64 = 0.020;
/// Above this queue, if it grows faster than [`GROWING`], the path is overused.
const BUSY_QUEUE: f64 = 0.030;
/// Above this queue the path is overused however slowly it grows.
const FULL_QUEUE: f64 = 0.100;
/// Seconds of delay per second.
const GROWING: f64 = 0.03;
/// Above this slope the path has lost capacity, and only what was delivered last says how much is left.
const DROPPING: f64 = 0.3;
/// A draining queue that is not gone after this many times the time it should take is kept full by others.
const PATIENCE: f64 = 3.0;
/// Growth beside others that keep the queue full, in bits per second each second, like TCP.
const COMPETING_GROWTH: f64 = 60e3;
/// What is left of the rate after a loss beside them, like TCP.
const COMPETING_CUT: f64 = 0.7;
/// Seconds beside others before it is tried again whether the queue empties.
const COMPETING_FOR: f64 = 8.0;
/// Sending less than this share of the target says nothing about whether more would fit.
const LIMITED_BY_APP: f64 = 0.6;
/// Longest step of growth in seconds, after feedback paused.
const MAX_STEP: f64 = 0.2;
/// What is left of the target after an outage.
const AFTER_OUTAGE: f64 = 0.75;
/// Video leaves at this multiple of the target: frames differ in size, the target is an average.
const PACE: f64 = 2.5;
/// And at this one where the path holds no bursts.
const EVEN_PACE: f64 = 1.3;

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No more waits than we like.
    Open,
    /// The target is low so that the queue empties. `path`: what the path took while the queue was full.
    Draining { since: f64, queue: f64, path: f64 },
    /// Others keep the queue full.
    Competing { since: f64, last_cut: f64 },
}

/// See the module. Times in seconds, rates in bits per second.
pub(crate) struct PathEstimator {
    limits: Arc<RateLimits>,
    epoch: Instant,
    target: f64,
    sent: RateWindow,
    delivered: RateWindow,
    delay: QueueDelay,
    trains: Trains,
    loss: Loss,
    probes: ProbeController,
    brake: Brake,
    phase: Phase,
    /// What the path delivered while its queue was filling, and when.
    limit: Option<(f64, f64)>,
    last_report: f64,
    /// The target before less was tried because of loss.
    before_trial: f64,
    /// From leaving to arrival of the newest packet, by two clocks that do not agree.
    newest_delay: Option<f64>,
    even: bool,
}

impl PathEstimator {
    /// Begins at `start` and stays within `limits`.
    pub(crate) fn new(now: Instant, start: Bitrate, limits: Arc<RateLimits>) -> Self {
        Self {
            target: limits.clamp(start.bps()) as f64,
            limits,
            epoch: now,
            sent: RateWindow::default(),
            delivered: RateWindow::default(),
            delay: QueueDelay::default(),
            trains: Trains::default(),
            loss: Loss::default(),
            probes: ProbeController::default(),
            brake: Brake::new(0.0),
            phase: Phase::Open,
            limit: None,
            last_report: 0.0,
            before_trial: 0.0,
            newest_delay: None,
            even: false,
        }
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.epoch).as_secs_f64()
    }

    fn measure(&mut self, now: f64, reports: &[PacketFeedback]) {
        let mut delays = Vec::with_capacity(reports.len());
        let (mut lost, mut late) = (0, 0);
        for report in reports {
            let departure = self.seconds(report.departure);
            if !matches!(report.fate, Fate::Late(_)) {
                self.sent.add(departure, report.size);
            }
            match report.fate {
                Fate::Arrived(arrival) => {
                    let arrival = arrival.as_secs_f64();
                    self.delivered.add(arrival, report.size);
                    self.trains.arrived(departure, arrival, report.size, self.target);
                    self.newest_delay = Some(arrival - departure);
                    delays.push(arrival - departure);
                }
                Fate::Late(arrival) => {
                    self.delivered.add(arrival.as_secs_f64(), report.size);
                    late += 1;
                }
                Fate::Lost => {
                    lost += 1;
                    self.trains.missing();
                }
                // Most likely it arrived like its neighbours.
                Fate::Unknown => {
                    if let Some(delay) = self.newest_delay {
                        self.delivered.add(departure + delay, report.size);
                    }
                    self.trains.missing();
                }
            }
        }
        self.delay.add(now, &delays);
        self.loss.add(now, reports.len() - late, lost, late);
    }

    /// The target for a queue that is too long; `None` if it is not.
    fn hold_queue_down(&mut self, now: f64) -> Option<f64> {
        let (queue, slope) = (self.delay.queue(), self.delay.slope());
        match self.phase {
            Phase::Open => {
                let surge = self.delay.surge();
                let overused =
                    queue > FULL_QUEUE || (queue > BUSY_QUEUE && slope > GROWING) || surge > 2.0 * BUSY_QUEUE;
                overused.then(|| self.start_draining(now, queue.max(surge), slope))
            }
            Phase::Draining { since, queue: worst, path } => {
                if queue < FREE_QUEUE {
                    self.phase = Phase::Open;
                    return Some(path * RESUME_AT);
                }
                let queue_was = worst.max(queue);
                // What a drop has left shows only when all packets of before it have arrived.
                let short = self.delivered.short_bps().filter(|_| now - since < 0.4);
                let path = short.map_or(path, |short| path.min(short));
                self.limit = Some((path, now));
                let expected = queue_was / (1.0 - drain_share(queue_was)) + self.brake.round_trip();
                if now - since > 0.5 + PATIENCE * expected {
                    let given_up = queue > worst * 0.5;
                    self.phase = if given_up {
                        Phase::Competing { since: now, last_cut: now }
                    } else {
                        Phase::Draining { since: now, queue, path }
                    };
                    return Some(if given_up { path } else { path * drain_share(queue) });
                }
                self.phase = Phase::Draining { since, queue: queue_was, path };
                Some(path * drain_share(queue))
            }
            Phase::Competing { since, last_cut } => Some(self.compete(now, since, last_cut, queue, slope)),
        }
    }

    fn start_draining(&mut self, now: f64, queue: f64, slope: f64) -> f64 {
        let steep = slope > DROPPING || self.delay.surge() > 2.0 * BUSY_QUEUE;
        let measured = if steep { self.delivered.short_bps() } else { self.delivered.bps() };
        let delivered = measured.unwrap_or(self.target);
        // What was delivered is the path's limit only if we filled it.
        let by_app = self.is_limited_by_app() && !steep;
        let path = if by_app { delivered.max(self.target * LIMITED_BY_APP) } else { delivered }.min(self.target * 1.1);
        self.limit = Some((path, now));
        self.phase = Phase::Draining { since: now, queue, path };
        self.trains.clear();
        self.loss.restart(now);
        self.target.min(path * drain_share(queue))
    }

    /// Additive increase, multiplicative decrease: what those do who keep the queue full.
    fn compete(&mut self, now: f64, since: f64, last_cut: f64, queue: f64, slope: f64) -> f64 {
        if queue < FREE_QUEUE {
            self.phase = Phase::Open;
            return self.target;
        }
        let path = self.delivered.bps().unwrap_or(self.target);
        if now - since > COMPETING_FOR {
            self.phase = Phase::Draining { since: now, queue, path: self.target.min(path * 1.05) };
            return path * drain_share(queue);
        }
        if self.loss.share() > 0.01 && now - last_cut > 1.0_f64.max(queue) {
            self.phase = Phase::Competing { since, last_cut: now };
            return self.target * COMPETING_CUT;
        }
        if slope > 2.0 * DROPPING {
            return self.start_draining(now, queue, slope);
        }
        let step = (now - self.last_report).min(MAX_STEP);
        (self.target + COMPETING_GROWTH * step).min(path * 1.3 + 20e3)
    }

    fn answer_loss(&mut self, now: f64, step: f64) -> LossVerdict {
        let verdict = self.loss.judge(now, step, self.brake.round_trip());
        match verdict {
            LossVerdict::TryLess(share) => {
                self.before_trial = self.target;
                self.target *= share;
            }
            LossVerdict::NotOurs => self.target = self.target.max(self.before_trial),
            LossVerdict::Ours => self.limit = Some((self.delivered.bps().unwrap_or(self.target), now)),
            LossVerdict::Fine | LossVerdict::Careful | LossVerdict::Wait => {}
        }
        self.even = self.loss.sends_evenly(now);
        verdict
    }

    fn grow(&mut self, now: f64, step: f64, careful: bool) {
        let queue = self.delay.queue();
        let trains = self.trains.bps();
        if let Some((limit, since)) = self.limit {
            let wider = self.target > limit * NEAR_TO || trains.is_some_and(|bps| bps > limit * DISPROVED && !careful);
            if wider || now - since > LIMIT_AGE {
                self.limit = None;
                self.probes.encourage();
            }
        }
        let near = self.limit.is_some_and(|(limit, _)| self.target > limit * NEAR_FROM)
            || trains.is_some_and(|bps| self.target > bps * NEAR_FROM);
        if near {
            let up = if self.is_limited_by_app() { 0.0 } else { NEAR_GROWTH * (self.target / 1e6).sqrt() };
            self.target += step * (up - NEAR_DECAY * self.target * queue / FREE_QUEUE);
        } else if queue < FREE_QUEUE && !self.is_limited_by_app() {
            let growth = match trains {
                _ if careful => LOSSY_GROWTH,
                Some(bps) if self.target < bps * NEAR_FROM && queue < FREE_QUEUE / 2.0 => TRAIN_GROWTH,
                _ => FAST_GROWTH,
            };
            self.target *= growth.powf(step);
        }
    }

    fn look_for_more(&mut self, now: f64) {
        let calm = matches!(self.phase, Phase::Open) && self.delay.queue() < FREE_QUEUE && self.loss.share() < 0.3;
        self.probes.update(Situation {
            now,
            target: self.target,
            max: self.limits.clamp(u64::MAX) as f64,
            trains: self.trains.bps(),
            in_demand: !self.is_limited_by_app(),
            calm,
        });
    }

    fn is_limited_by_app(&self) -> bool {
        self.sent.bps().is_some_and(|sent| sent < self.target * LIMITED_BY_APP)
    }

    fn hold_back(&mut self, now: f64, flight: Flight) {
        let oldest = flight.oldest.map(|oldest| self.seconds(oldest));
        self.brake.update(now, flight.bytes, oldest, self.target);
    }
}

impl Estimator for PathEstimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketFeedback], flight: Flight) {
        let Some(newest) = reports.last() else { return };
        let (now, newest) = (self.seconds(now), self.seconds(newest.departure));
        let step = (now - self.last_report).min(MAX_STEP);
        if self.brake.heard(now, newest) {
            self.target *= AFTER_OUTAGE;
            self.phase = Phase::Open;
            self.limit = None;
            self.trains.clear();
            self.probes.encourage();
            self.measure(now, reports);
            self.loss.restart(now + self.brake.round_trip());
        } else {
            self.measure(now, reports);
        }
        if let Some(target) = self.hold_queue_down(now) {
            self.target = target;
        } else {
            match self.answer_loss(now, step) {
                LossVerdict::TryLess(_) | LossVerdict::Wait | LossVerdict::Ours => {}
                verdict => self.grow(now, step, verdict == LossVerdict::Careful),
            }
        }
        self.target = self.limits.clamp(whole(self.target)) as f64;
        self.last_report = now;
        self.look_for_more(now);
        self.hold_back(now, flight);
    }

    fn on_timer(&mut self, now: Instant, flight: Flight) {
        let now = self.seconds(now);
        self.hold_back(now, flight);
    }

    fn advice(&self) -> Advice {
        let target = self.limits.clamp(whole(self.target * self.brake.share()));
        let pace = target as f64 * if self.even { EVEN_PACE } else { PACE };
        Advice { target: Bitrate::from_bps(target), pace: Bitrate::from_bps(whole(pace)) }
    }

    fn take_probe(&mut self) -> Option<Probe> {
        self.probes.take()
    }
}

/// The share of the path's limit to send at while `queue` seconds wait: the fuller, the less, so that it empties in about
/// half a second.
fn drain_share(queue: f64) -> f64 {
    (1.0 - queue / 0.5).clamp(0.25, 0.85)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, positive and far below 2^64")]
fn whole(bps: f64) -> u64 {
    bps.max(0.0) as u64
}
