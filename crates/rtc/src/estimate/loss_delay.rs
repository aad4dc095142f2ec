//! The estimator in use: follows the queue's delay, and loss where there is no queue to see.
//!
//! It grows fast until the path shows its limit, remembers that limit, falls below it until the queue is empty, and then
//! stays near it. What the path delivered (not what was sent) says how much it can take. The ideas are those of
//! draft-ietf-rmcat-gcc-02, with a measured queue in place of its state machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_media::units::Bitrate;

use super::delay::QueueDelay;
use super::rates::{LossWindow, RateWindow};
use super::{Estimator, PacketFeedback};
use crate::link::RateLimits;

/// Growth per second while no limit is known nearby.
const FAST_GROWTH: f64 = 1.5;
/// Growth per second while some packets are lost but none wait: such loss is mostly not ours.
const LOSSY_GROWTH: f64 = 1.2;
/// Growth per second around the known limit.
const NEAR_GROWTH: f64 = 1.08;
/// The known limit is near from here...
const NEAR_FROM: f64 = 0.8;
/// ...to here; beyond, the path has become wider and the limit is forgotten.
const NEAR_TO: f64 = 1.25;
/// Where to go back to after a full queue has emptied.
const RESUME_AT: f64 = 0.9;
/// Below this queue, in seconds, the path counts as free.
const FREE_QUEUE: f64 = 0.020;
/// Above this queue, if it grows faster than [`GROWING`], the path is overused.
const BUSY_QUEUE: f64 = 0.030;
/// Above this queue the path is overused however slowly it grows.
const FULL_QUEUE: f64 = 0.120;
/// Seconds of delay per second.
const GROWING: f64 = 0.03;
/// Loss up to this share does not slow growth.
const LOW_LOSS: f64 = 0.02;
/// Loss above this share, where no cut has proved useless against it, cuts the rate.
const HIGH_LOSS: f64 = 0.10;
/// Loss that stays above this share of what it was before a cut is not of our making.
const UNMOVED: f64 = 0.7;
/// No loss above this share is ever put up with.
const MAX_TOLERATED: f64 = 0.25;
/// Time between two cuts, so that the first one shows its effect.
const CUT_SPACING: Duration = Duration::from_millis(250);
/// Time between two cuts for loss, and before a cut is judged.
const LOSS_CUT_SPACING: Duration = Duration::from_millis(1_200);
/// Sending less than this share of the target says nothing about whether more would fit.
const LIMITED_BY_APP: f64 = 0.6;
/// Longest step of growth, after feedback paused.
const MAX_STEP: f64 = 0.2;

/// See the module.
pub(crate) struct LossDelayEstimator {
    limits: Arc<RateLimits>,
    epoch: Instant,
    target: f64,
    sent: RateWindow,
    delivered: RateWindow,
    loss: LossWindow,
    delay: QueueDelay,
    /// What the path delivered while its queue was filling.
    limit: Option<f64>,
    /// The target is low so that the queue empties.
    draining: bool,
    last_report: Instant,
    last_cut: Option<Instant>,
    last_loss_cut: Option<(Instant, f64)>,
    /// Loss that cutting did not change.
    tolerated: f64,
}

impl LossDelayEstimator {
    /// Begins at `start` and stays within `limits`.
    pub(crate) fn new(now: Instant, start: Bitrate, limits: Arc<RateLimits>) -> Self {
        Self {
            target: limits.clamp(start.bps()) as f64,
            limits,
            epoch: now,
            sent: RateWindow::default(),
            delivered: RateWindow::default(),
            loss: LossWindow::default(),
            delay: QueueDelay::default(),
            limit: None,
            draining: false,
            last_report: now,
            last_cut: None,
            last_loss_cut: None,
            tolerated: 0.0,
        }
    }

    fn measure(&mut self, now: Instant, reports: &[PacketFeedback]) {
        let mut shortest = None;
        for report in reports {
            let departure = report.departure.saturating_duration_since(self.epoch).as_secs_f64();
            self.sent.add(departure, report.size);
            if let Some(arrival) = report.arrival.map(|arrival| arrival.as_secs_f64()) {
                self.delivered.add(arrival, report.size);
                let delay = arrival - departure;
                shortest = Some(shortest.map_or(delay, |least: f64| least.min(delay)));
            }
        }
        if let Some(shortest) = shortest {
            self.delay.add(now.saturating_duration_since(self.epoch).as_secs_f64(), shortest);
        }
        let lost = reports.iter().filter(|report| report.arrival.is_none()).count();
        self.loss.add(now, reports.len(), lost);
    }

    /// Lowers the target to what drains the queue; false if the queue is no reason to.
    fn cut_for_delay(&mut self, now: Instant) -> bool {
        let queue = self.delay.queue();
        let overused = queue > FULL_QUEUE || (queue > BUSY_QUEUE && self.delay.slope() > GROWING);
        if !overused {
            return false;
        }
        if since(self.last_cut, now) < CUT_SPACING {
            return true;
        }
        let delivered = self.delivered.bps().unwrap_or(self.target);
        // What was delivered is the path's limit only if we filled it.
        let path = if self.is_limited_by_app() { delivered.max(self.target * LIMITED_BY_APP) } else { delivered };
        self.limit = Some(path);
        self.draining = true;
        self.target = self.target.min(path * drain_share(queue));
        self.last_cut = Some(now);
        true
    }

    /// Lowers the target if much is lost; false if not.
    fn cut_for_loss(&mut self, now: Instant, loss: f64) -> bool {
        if loss - self.tolerated <= HIGH_LOSS {
            return false;
        }
        if since(self.last_loss_cut.map(|(at, _)| at), now) < LOSS_CUT_SPACING {
            return true;
        }
        if let Some((_, before)) = self.last_loss_cut
            && loss > before * UNMOVED
            && self.delay.queue() < FREE_QUEUE
        {
            self.tolerated = loss.min(MAX_TOLERATED);
            self.last_loss_cut = None;
            return true;
        }
        self.target *= 1.0 - (0.5 * loss).min(0.5);
        self.last_loss_cut = Some((now, loss));
        self.loss.clear();
        true
    }

    fn grow(&mut self, loss: f64, step: f64) {
        if self.delay.queue() >= FREE_QUEUE {
            return;
        }
        if let Some(limit) = self.limit {
            if std::mem::take(&mut self.draining) {
                self.target = self.target.max(limit * RESUME_AT);
                return;
            }
            if self.target > limit * NEAR_TO {
                self.limit = None;
            }
        }
        if self.is_limited_by_app() {
            return;
        }
        let near = self.limit.is_some_and(|limit| self.target > limit * NEAR_FROM);
        let growth = match (near, loss - self.tolerated > LOW_LOSS) {
            (true, _) => NEAR_GROWTH,
            (false, true) => LOSSY_GROWTH,
            (false, false) => FAST_GROWTH,
        };
        self.target *= growth.powf(step);
    }

    fn is_limited_by_app(&self) -> bool {
        self.sent.bps().is_some_and(|sent| sent < self.target * LIMITED_BY_APP)
    }
}

impl Estimator for LossDelayEstimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketFeedback]) {
        if reports.is_empty() {
            return;
        }
        let step = now.saturating_duration_since(self.last_report).as_secs_f64().min(MAX_STEP);
        self.last_report = now;
        self.measure(now, reports);
        let loss = self.loss.share().unwrap_or(0.0);
        self.tolerated = self.tolerated.min(loss.max(self.tolerated * (1.0 - 0.2 * step)));
        if !self.cut_for_delay(now) && !self.cut_for_loss(now, loss) {
            self.grow(loss, step);
        }
        self.target = self.limits.clamp(whole(self.target)) as f64;
    }

    fn target(&self) -> Bitrate {
        Bitrate::from_bps(whole(self.target))
    }
}

/// The share of the path's limit to send at while `queue` seconds wait: the fuller, the less, so that it empties in a second
/// or two.
fn drain_share(queue: f64) -> f64 {
    match queue {
        queue if queue > 0.4 => 0.5,
        queue if queue > 0.2 => 0.7,
        _ => 0.85,
    }
}

fn since(at: Option<Instant>, now: Instant) -> Duration {
    at.map_or(Duration::MAX, |at| now.saturating_duration_since(at))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, positive and far below 2^64")]
fn whole(bps: f64) -> u64 {
    bps.max(0.0) as u64
}
