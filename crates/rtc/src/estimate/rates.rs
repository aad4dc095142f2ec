//! Sliding windows: how fast bytes passed a point, and the least of a measure.

use std::collections::VecDeque;

/// Long enough to even out frames.
const WINDOW: f64 = 0.5;
/// A rate is known after this much of the window.
const MIN_SPAN: f64 = 0.25;
/// Short enough to show only what passed since a queue began.
const SHORT_WINDOW: f64 = 0.15;
/// Fewer packets are no rate.
const MIN_SHORT_PACKETS: usize = 3;

/// Bytes over time at one point, on any clock that counts seconds.
#[derive(Debug, Default)]
pub(super) struct RateWindow {
    samples: VecDeque<(f64, usize)>,
    bytes: usize,
    newest: f64,
}

impl RateWindow {
    /// `size` bytes passed at `at` seconds. Late samples within the window are fine.
    pub(super) fn add(&mut self, at: f64, size: usize) {
        if self.samples.is_empty() {
            self.newest = at;
        }
        self.newest = self.newest.max(at);
        self.samples.push_back((at, size));
        self.bytes += size;
        while let Some((oldest, size)) = self.samples.front().copied()
            && oldest <= self.newest - WINDOW
        {
            self.samples.pop_front();
            self.bytes -= size;
        }
    }

    /// Bits per second over the window; `None` before enough of it has passed.
    pub(super) fn bps(&self) -> Option<f64> {
        let (oldest, _) = self.samples.front()?;
        let span = self.newest - oldest;
        (span >= MIN_SPAN).then(|| self.bytes as f64 * 8.0 / span.max(WINDOW * 0.9))
    }

    /// Bits per second between the first and the last packet of the newest 150 ms: while a queue lasts, what the path takes.
    pub(super) fn short_bps(&self) -> Option<f64> {
        let mut recent = self.samples.iter().rev().take_while(|(at, _)| *at > self.newest - SHORT_WINDOW);
        let (mut first, mut first_size) = recent.next().copied()?;
        let (last, mut bytes, mut count) = (first, first_size, 1);
        for (at, size) in recent {
            (first, first_size) = (*at, *size);
            bytes += size;
            count += 1;
        }
        let span = last - first;
        (count >= MIN_SHORT_PACKETS && span > 0.0).then(|| (bytes - first_size) as f64 * 8.0 / span)
    }
}

/// A shortest time is remembered for this long.
const LEAST_WINDOW: f64 = 10.0;
/// As the least of slices this long.
const LEAST_SLICE: f64 = 1.0;

/// The least of some measure over ten seconds.
#[derive(Debug, Default)]
pub(super) struct Least {
    /// Start and least of each slice.
    slices: VecDeque<(f64, f64)>,
}

impl Least {
    pub(super) fn add(&mut self, at: f64, value: f64) {
        match self.slices.back_mut() {
            Some((start, least)) if at < *start + LEAST_SLICE => *least = least.min(value),
            _ => self.slices.push_back((at, value)),
        }
        while self.slices.front().is_some_and(|(start, _)| *start < at - LEAST_WINDOW) {
            self.slices.pop_front();
        }
    }

    pub(super) fn get(&self) -> Option<f64> {
        self.slices.iter().map(|(_, value)| *value).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_rate_follows_a_drop_at_once() {
        let mut rate = RateWindow::default();
        for n in 0..200 {
            rate.add(f64::from(n) * 0.004, 1_250);
        }
        assert!((2.3e6..2.7e6).contains(&rate.bps().unwrap()));
        for n in 1..9 {
            rate.add(0.796 + f64::from(n) * 0.020, 1_250);
        }
        assert!((0.49e6..0.51e6).contains(&rate.short_bps().unwrap()));
        assert!(rate.bps().unwrap() > 1e6);
    }
}
