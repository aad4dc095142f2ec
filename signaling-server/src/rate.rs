//! A token bucket, told the time.

use std::time::{Duration, Instant};

/// So many at once, and so many per period in the long run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// How many at once.
    pub(crate) burst: u32,
    /// How long it takes until one more is allowed.
    pub(crate) every: Duration,
}

/// How much of a [`Rate`] is used: the time at which all of it is free again (the "generic cell rate algorithm", ITU-T
/// I.371 annex A), which needs one number and no timer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    rate: Rate,
    free_at: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant, rate: Rate) -> Self {
        Self { rate, free_at: now }
    }

    /// Takes one, or says how long to wait before trying again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let start = self.free_at.max(now);
        let room = self.rate.every * self.rate.burst;
        let wait = (start + self.rate.every).saturating_duration_since(now + room);
        if wait.is_zero() {
            self.free_at = start + self.rate.every;
            Ok(())
        } else {
            Err(wait)
        }
    }

    /// Whether nothing of it is used.
    pub(crate) fn is_free(&self, now: Instant) -> bool {
        self.free_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_per_period() {
        let now = Instant::now();
        let every = Duration::from_millis(50);
        let mut bucket = Bucket::new(now, Rate { burst: 3, every });
        for _ in 0..3 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(every));
        assert_eq!(bucket.take(now + every), Ok(()));
        assert_eq!(bucket.take(now + every), Err(every));
        assert!(!bucket.is_free(now + every));
        assert!(bucket.is_free(now + every * 4));
        assert_eq!(bucket.take(now + every * 100), Ok(()));
    }
}
