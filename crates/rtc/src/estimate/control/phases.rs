//! What to do about a queue: let it empty, or live beside those who keep it full.

use super::{FREE_QUEUE, LIMITED_BY_APP, MAX_STEP, PathEstimator};

/// Where to go back to after a full queue has emptied.
const RESUME_AT: f64 = 0.88;
/// Above this queue, if it grows faster than [`GROWING`], the path is overused.
const BUSY_QUEUE: f64 = 0.030;
/// Above this queue the path is overused however slowly it grows.
const FULL_QUEUE: f64 = 0.100;
/// Above this queue, if even the packets of one message show it to grow, the path has lost capacity.
const SURGE: f64 = 0.040;
/// That is so if the queue is served with less than this share of the target.
const LOST_CAPACITY: f64 = 0.6;
/// Seconds of delay per second.
const GROWING: f64 = 0.03;
/// Above this slope the path has lost capacity, and only what was delivered last says how much is left.
const DROPPING: f64 = 0.3;
/// A draining queue that is not gone so many seconds after it should be is kept full by others.
const PATIENCE: f64 = 0.5;
/// Sending less than this share of the path empties its queue.
const OBEYED: f64 = 0.9;
/// Beside others the rate begins at most at this multiple of what was left for us when they came.
const COMPETING_FROM: f64 = 3.0;
/// Growth beside others that keep the queue full, in bits per second each second, like TCP.
const COMPETING_GROWTH: f64 = 150e3;
/// What is left of the rate after a loss beside them, like TCP.
const COMPETING_CUT: f64 = 0.7;
/// Seconds beside others before it is tried again whether the queue empties.
const COMPETING_FOR: f64 = 10.0;
/// Seconds of such a try, besides the queue and a round trip, and the share of the target that is sent meanwhile.
const TEST_FOR: f64 = 1.0;
const TEST_SHARE: f64 = 0.7;
/// Seconds between feedback messages.
const FEEDBACK: f64 = 0.05;

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// No more waits than we like.
    Open,
    /// The target is low so that the queue empties. `queue`: the longest; `path`: what the path took while the queue was full;
    /// `before`: what it took before that.
    Draining { since: f64, queue: f64, path: f64, before: f64 },
    /// Others keep the queue full.
    Competing { since: f64, last_cut: f64 },
    /// The target is low to see whether the queue empties now; `before`: the target until then.
    Testing { since: f64, queue: f64, before: f64 },
}

impl PathEstimator {
    /// The target for a queue that is too long; `None` if it is not.
    pub(super) fn hold_queue_down(&mut self, now: f64) -> Option<f64> {
        let (queue, slope) = (self.delay.queue(), self.delay.slope());
        match self.phase {
            Phase::Open => {
                let surge = self.surge();
                let overused = queue > FULL_QUEUE || (queue > BUSY_QUEUE && slope > GROWING) || surge > SURGE;
                overused.then(|| self.start_draining(now, queue.max(surge), slope))
            }
            Phase::Draining { since, queue: worst, path, before } => {
                Some(self.drain(now, since, worst.max(queue), path, before))
            }
            Phase::Competing { since, last_cut } => Some(self.compete(now, since, last_cut)),
            Phase::Testing { since, queue: worst, before } => Some(self.test(now, since, worst, before)),
        }
    }

    fn drain(&mut self, now: f64, since: f64, worst: f64, path: f64, before: f64) -> f64 {
        let queue = self.delay.queue();
        if queue < FREE_QUEUE {
            self.phase = Phase::Open;
            return path * RESUME_AT;
        }
        // What a drop has left shows only when all packets of before it have arrived.
        let path = self.path_now().filter(|_| now - since < 0.4).map_or(path, |now| path.min(now));
        self.limit = Some(path);
        // Packets that tell of it wait in the queue themselves.
        let patience = PATIENCE + worst / (1.0 - drain_share(worst)) + worst + self.brake.round_trip();
        if now - since < patience {
            self.phase = Phase::Draining { since, queue: worst, path, before };
        } else if queue < worst * 0.6 || !self.obeyed(path) {
            let path = self.path_now().unwrap_or(path);
            self.phase = Phase::Draining { since: now, queue, path, before };
        } else {
            self.phase = Phase::Competing { since: now, last_cut: now };
            return before.min(path * COMPETING_FROM);
        }
        path * drain_share(queue.max(self.unseen_queue(path)))
    }

    /// Whether so little was sent that the queue should be gone: an encoder that does not follow keeps it full as well.
    fn obeyed(&self, path: f64) -> bool {
        self.sent.bps().is_some_and(|sent| sent < path * OBEYED)
    }

    /// Seconds of queue that bytes in flight make on a path that takes so much, before their delays are known.
    fn unseen_queue(&self, path: f64) -> f64 {
        self.in_flight as f64 * 8.0 / path - self.brake.round_trip() - FEEDBACK
    }

    fn start_draining(&mut self, now: f64, queue: f64, slope: f64) -> f64 {
        let steep = slope > DROPPING || self.surge() > SURGE;
        let measured = if steep { self.path_now() } else { self.delivered.bps() };
        let delivered = measured.unwrap_or(self.target);
        // What was delivered is the path's limit only if we filled it.
        let by_app = self.is_limited_by_app() && !steep;
        let path = if by_app { delivered.max(self.target * LIMITED_BY_APP) } else { delivered }.min(self.target * 1.1);
        self.limit = Some(path);
        self.trust.check(now);
        let before = self.delivered.bps().unwrap_or(path);
        self.phase = Phase::Draining { since: now, queue, path, before };
        self.trains.clear();
        self.loss.restart(now);
        self.target.min(path * drain_share(queue.max(self.unseen_queue(path))))
    }

    /// How long the newest packets waited if the path has lost capacity. A frame too large for its pace makes a queue too, but that
    /// is served no slower than we send.
    fn surge(&self) -> f64 {
        let slow = self.delay.served_bps().is_some_and(|bps| bps < self.target * LOST_CAPACITY);
        if slow { self.delay.surge() } else { 0.0 }
    }

    /// What the path takes at this moment.
    fn path_now(&self) -> Option<f64> {
        self.delay.served_bps().or_else(|| self.delivered.short_bps())
    }

    /// Additive increase, multiplicative decrease: what those do who keep the queue full.
    fn compete(&mut self, now: f64, since: f64, last_cut: f64) -> f64 {
        let (queue, slope) = (self.delay.queue(), self.delay.slope());
        if queue < FREE_QUEUE {
            self.phase = Phase::Open;
            return self.target;
        }
        if now - since > COMPETING_FOR {
            self.phase = Phase::Testing { since: now, queue, before: self.target };
            return self.target * TEST_SHARE;
        }
        if self.loss.share() > 0.01 && now - last_cut > 1.0_f64.max(queue) {
            self.phase = Phase::Competing { since, last_cut: now };
            return self.target * COMPETING_CUT;
        }
        if slope > 2.0 * DROPPING {
            return self.start_draining(now, queue, slope);
        }
        let path = self.delivered.bps().unwrap_or(self.target);
        let step = (now - self.last_report).min(MAX_STEP);
        (self.target + COMPETING_GROWTH * step).min((path * 1.5).max(self.target))
    }

    /// Alone on the path, sending less empties the queue; beside others it does not.
    fn test(&mut self, now: f64, since: f64, worst: f64, before: f64) -> f64 {
        let queue = self.delay.queue();
        if now - since < TEST_FOR + worst + self.brake.round_trip() {
            return before * TEST_SHARE;
        }
        let alone = worst - queue > 0.5 * TEST_FOR * (1.0 - TEST_SHARE) || queue < FREE_QUEUE;
        if alone {
            let path = self.delivered.bps().unwrap_or(before);
            self.phase = Phase::Draining { since: now, queue, path, before };
            return path * drain_share(queue);
        }
        self.phase = Phase::Competing { since: now, last_cut: now };
        before
    }
}

/// The share of the path's limit to send at while `queue` seconds wait: the fuller, the less, so that it empties in about
/// half a second.
fn drain_share(queue: f64) -> f64 {
    (1.0 - queue / 0.5).clamp(0.15, 0.85)
}
