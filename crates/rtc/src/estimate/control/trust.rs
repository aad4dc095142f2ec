//! Whether to believe packet trains.

/// Overuse so many seconds after growth by trains is their fault; they are not believed for so many seconds then.
const MISLED_WITHIN: f64 = 1.5;
const DISTRUST: f64 = 8.0;

/// Whether to believe what trains show. They mislead where others send between our pictures, and where a policer lets bursts
/// pass: then the growth they led to soon ends in a queue or in loss.
#[derive(Debug, Default)]
pub(super) struct Trust {
    withdrawn_until: f64,
    last_used: Option<f64>,
    /// How often in a row they misled.
    misled: i32,
}

impl Trust {
    pub(super) fn in_trains(&self, now: f64) -> bool {
        now >= self.withdrawn_until
    }

    pub(super) fn used(&mut self, now: f64) {
        // A long time without harm restores their good name.
        if self.last_used.is_some_and(|last| now - last > 60.0) {
            self.misled = 0;
        }
        self.last_used = Some(now);
    }

    /// The path is overused: was it for growth by trains?
    pub(super) fn check(&mut self, now: f64) {
        if self.last_used.is_some_and(|last| now - last < MISLED_WITHIN) {
            self.misled = (self.misled + 1).min(3);
            self.withdraw(now, DISTRUST * 2.0_f64.powi(self.misled - 1));
        }
    }

    pub(super) fn withdraw(&mut self, now: f64, seconds: f64) {
        self.withdrawn_until = self.withdrawn_until.max(now + seconds);
    }
}
