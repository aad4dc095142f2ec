//! The estimator in use.
//!
//! Three signals: the queue's delay and its growth say when the path is full, what was delivered says how much it takes, and
//! packet trains say whether it takes much more. Near the path's limit the rate follows a small queue, so that flows which share
//! a link end up with like shares. Ideas from draft-ietf-rmcat-gcc-02 (delivered rate, probing), RFC 8698 and Copa (rate by
//! queue; a mode for queues that others keep full), RFC 8298 (bytes in flight).

mod phases;
mod trust;

use std::sync::Arc;
use std::time::Instant;

use eyeline_media::units::Bitrate;

use phases::Phase;
use trust::Trust;

use super::brake::Brake;
use super::delay::{Arrived, QueueDelay};
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
/// Growth near the limit, in bits per second each second, at 1 Mbit/s; it goes with the root of the rate. Twice as much finds two
/// percent more of the path and makes sound wait a third longer.
const NEAR_GROWTH: f64 = 60e3;
/// Of which so much remains while some packets are lost.
const CAREFUL: f64 = 0.4;
/// Share of the rate taken away each second for a queue of [`FREE_QUEUE`] near the limit; more for more.
const NEAR_DECAY: f64 = 0.4;
/// The known limit is near from this share of it on.
const NEAR_FROM: f64 = 0.8;
/// Trains pass easily while the target is below this share of what they pass with.
const EASY: f64 = 0.87;
/// Beyond this multiple, the path has become wider and the limit is forgotten.
const NEAR_TO: f64 = 1.25;
/// Trains that passed at this multiple of the known limit show that it is no more.
const DISPROVED: f64 = 1.8;
/// A path that drops what is too much is taken to do so for as many seconds.
const DROPS_AGE: f64 = 30.0;
/// Below this queue, in seconds, the path counts as free.
const FREE_QUEUE: f64 = 0.020;
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
    /// What the path delivered while its queue was filling.
    limit: Option<f64>,
    last_report: f64,
    /// The target before less was tried because of loss.
    before_trial: f64,
    /// From leaving to arrival of the newest packet, by two clocks that do not agree.
    newest_delay: Option<f64>,
    even: bool,
    /// Bytes.
    in_flight: usize,
    trust: Trust,
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
            in_flight: 0,
            trust: Trust::default(),
        }
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.epoch).as_secs_f64()
    }

    fn measure(&mut self, now: f64, reports: &[PacketFeedback]) {
        let mut arrived = Vec::with_capacity(reports.len());
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
                    arrived.push(Arrived { arrival, delay: arrival - departure, size: report.size });
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
        self.delay.add(now, &arrived);
        self.loss.add(now, reports.len() - late, lost, late);
    }

    fn answer_loss(&mut self, now: f64, step: f64) -> LossVerdict {
        let verdict = self.loss.judge(now, step, self.brake.round_trip(), self.delivered.bps().unwrap_or(self.target));
        match verdict {
            LossVerdict::TryLess(share) => {
                self.before_trial = self.target;
                self.target *= share;
            }
            LossVerdict::NotOurs => self.target = self.target.max(self.before_trial),
            LossVerdict::Ours => {
                let path = self.delivered.bps().unwrap_or(self.target);
                self.target = self.target.min(path);
                self.limit = Some(path);
                self.trust.withdraw(now, DROPS_AGE);
            }
            LossVerdict::Fine | LossVerdict::Careful | LossVerdict::Wait => {}
        }
        self.even = self.loss.sends_evenly(now);
        verdict
    }

    fn grow(&mut self, now: f64, step: f64, careful: bool) {
        let queue = self.delay.queue();
        let trains = self.trust.in_trains(now).then(|| self.trains.bps()).flatten();
        if let Some(limit) = self.limit {
            let wider = self.target > limit * NEAR_TO || trains.is_some_and(|bps| bps > limit * DISPROVED && !careful);
            if wider {
                self.limit = None;
                self.probes.encourage();
            }
        }
        let near = self.limit.is_some_and(|limit| self.target > limit * NEAR_FROM)
            || trains.is_some_and(|bps| self.target > bps * NEAR_FROM);
        if near {
            let up = NEAR_GROWTH * (self.target / 1e6).sqrt() * if careful { CAREFUL } else { 1.0 };
            let up = if self.is_limited_by_app() { 0.0 } else { up };
            // Where trains pass easily, what waits is mostly jitter.
            let ours = if trains.is_some_and(|bps| self.target < bps * EASY) { 0.5 } else { 1.0 };
            self.target += step * (up - ours * NEAR_DECAY * self.target * self.delay.standing() / FREE_QUEUE);
        } else if queue < FREE_QUEUE && !self.is_limited_by_app() {
            let growth = match trains {
                _ if careful => LOSSY_GROWTH,
                Some(bps) if self.target < bps * NEAR_FROM && queue < FREE_QUEUE / 2.0 => {
                    self.trust.used(now);
                    TRAIN_GROWTH
                }
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
            in_demand: !self.is_limited_by_app() && self.trust.in_trains(now),
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
    fn begin_at(&mut self, start: Bitrate) {
        self.target = self.limits.clamp(start.bps()) as f64;
    }

    fn on_reports(&mut self, now: Instant, reports: &[PacketFeedback], flight: Flight) {
        let Some(newest) = reports.last() else { return };
        let (now, newest) = (self.seconds(now), self.seconds(newest.departure));
        let step = (now - self.last_report).min(MAX_STEP);
        self.in_flight = flight.bytes;
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, positive and far below 2^64")]
fn whole(bps: f64) -> u64 {
    bps.max(0.0) as u64
}
