//! What a machine can encode in time.

use std::time::{Duration, Instant};

/// Share of the frame interval that encoding may take before something is done about it.
const BUSY_SHARE: f32 = 0.85;
/// The next size up costs about 1.8 times as much, so it will be below the first when this one is below the second.
const IDLE_SHARE: f32 = 0.47;
/// Time a measure gets to show its effect before the next one.
const SETTLE: Duration = Duration::from_secs(3);
/// Time the encoder must have been idle before a size it was too slow for is tried again.
const COOL_DOWN: Duration = Duration::from_secs(8);

/// Watches how long encoding takes: first the encoder must hurry, then the pictures get smaller. Told the time.
#[derive(Debug, Default)]
pub(super) struct Governor {
    /// The encoder's fastest settings are needed. They cost some sharpness, a smaller picture would cost more.
    hurry: bool,
    /// Highest rung that the machine is fast enough for, and when that was last in question.
    rung: usize,
    at: Option<Instant>,
}

impl Governor {
    pub(super) fn hurry(&self) -> bool {
        self.hurry
    }

    pub(super) fn rung(&self) -> usize {
        self.rung
    }

    /// Told how much of the time between two frames encoding took at rung `current`; never goes below rung `lowest`.
    pub(super) fn load(&mut self, now: Instant, share: f32, current: usize, lowest: usize) {
        let since = self.at.map(|at| now.saturating_duration_since(at));
        let rested = |pause| since.is_none_or(|since| since >= pause);
        if share > BUSY_SHARE && rested(SETTLE) {
            if self.hurry {
                self.rung = (current + 1).min(lowest);
            }
            self.hurry = true;
            self.at = Some(now);
        } else if share < IDLE_SHARE && rested(COOL_DOWN) && (self.hurry || self.rung > 0) {
            // Sharpness comes back last: at the fastest settings the larger picture is the better one.
            if self.rung > 0 {
                self.rung -= 1;
            } else {
                self.hurry = false;
            }
            self.at = Some(now);
        }
    }
}
