//! Figures of the receiving side.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::sender::smooth;
use crate::frame::{VideoCodec, VideoFrame};

/// A gap between shown pictures longer than this is a freeze.
const FREEZE: Duration = Duration::from_millis(200);
/// Span that `fps` counts over.
const FPS_SPAN: Duration = Duration::from_secs(1);
/// Span that latency is taken over.
const LATENCY_SPAN: Duration = Duration::from_secs(2);
/// Moments kept: two seconds at 240 fps. When full the oldest goes.
const MAX_KEPT: usize = 480;

/// Capture-to-display latency over the last two seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyStats {
    /// Half of the pictures were faster.
    pub p50: Duration,
    /// 95 of 100 pictures were faster.
    pub p95: Duration,
    /// How far both may be off either way, from comparing the clocks.
    pub error: Duration,
}

/// What the receiving side has shown so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverStats {
    /// Pictures handed to the display.
    pub shown: u64,
    /// Frames decoded.
    pub decoded: u64,
    /// Frames dropped because the decoder was too far behind.
    pub dropped: u64,
    /// Frames that could not be decoded.
    pub decode_errors: u64,
    /// Gaps of more than 200 ms between shown pictures, counted when they end, not while paused.
    pub freezes: u64,
    /// Sum of these gaps.
    pub frozen: Duration,
    /// Pictures shown in the last second.
    pub fps: f32,
    /// Width of the last picture in pixels, 0 before the first.
    pub width: u32,
    /// Height of the last picture in pixels, 0 before the first.
    pub height: u32,
    /// Spread of the transit times of the last three seconds.
    pub jitter: Duration,
    /// Delay added to smooth it.
    pub playout_delay: Duration,
    /// Mean time of decoding a frame, over about the last 16.
    pub decode_avg: Duration,
    /// Latency, where the clocks of the two ends were compared.
    pub latency: Option<LatencyStats>,
    /// Codec of the last decoded frame.
    pub codec: Option<VideoCodec>,
}

/// Keeps count.
#[derive(Debug, Default)]
pub(super) struct Tally {
    stats: ReceiverStats,
    paused: bool,
    last_shown: Option<Instant>,
    shown_at: VecDeque<Instant>,
    latencies: VecDeque<(Instant, Duration)>,
    latency_error: Duration,
}

impl Tally {
    pub(super) fn dropped(&mut self, frames: u64) {
        self.stats.dropped += frames;
    }

    pub(super) fn decode_error(&mut self) {
        self.stats.decode_errors += 1;
    }

    pub(super) fn decoded(&mut self, codec: VideoCodec, took: Duration) {
        self.stats.decoded += 1;
        self.stats.codec = Some(codec);
        self.stats.decode_avg = smooth(self.stats.decode_avg, took);
    }

    pub(super) fn link(&mut self, jitter: Duration, delay: Duration) {
        self.stats.jitter = jitter;
        self.stats.playout_delay = delay;
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        // The gap that a pause makes is no freeze.
        self.last_shown = None;
    }

    pub(super) fn shown(&mut self, frame: &VideoFrame, at: Instant) {
        self.stats.shown += 1;
        (self.stats.width, self.stats.height) = (frame.picture.width(), frame.picture.height());
        if let Some(last) = self.last_shown.replace(at) {
            let gap = at.saturating_duration_since(last);
            if gap > FREEZE && !self.paused {
                self.stats.freezes += 1;
                self.stats.frozen += gap;
            }
        }
        keep(&mut self.shown_at, at);
        if let Some(captured) = frame.times.captured {
            keep(&mut self.latencies, (at, at.saturating_duration_since(captured)));
            self.latency_error = frame.times.captured_error;
        }
    }

    pub(super) fn stats(&mut self, now: Instant) -> ReceiverStats {
        self.shown_at.retain(|&at| now.saturating_duration_since(at) < FPS_SPAN);
        self.latencies.retain(|&(at, _)| now.saturating_duration_since(at) < LATENCY_SPAN);
        let mut sorted: Vec<Duration> = self.latencies.iter().map(|&(_, latency)| latency).collect();
        sorted.sort_unstable();
        let quantile = |percent: usize| sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied();
        let latency =
            quantile(50).zip(quantile(95)).map(|(p50, p95)| LatencyStats { p50, p95, error: self.latency_error });
        let shown = u16::try_from(self.shown_at.len()).unwrap_or(u16::MAX);
        ReceiverStats { fps: f32::from(shown) / FPS_SPAN.as_secs_f32(), latency, ..self.stats.clone() }
    }
}

fn keep<T>(values: &mut VecDeque<T>, value: T) {
    if values.len() == MAX_KEPT {
        values.pop_front();
    }
    values.push_back(value);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::{FrameTimes, I420Buffer};

    fn show(tally: &mut Tally, at: Instant, captured: Option<Instant>) {
        let times = FrameTimes { captured, ..FrameTimes::default() };
        tally.shown(&VideoFrame { picture: Arc::new(I420Buffer::black(4, 2)), index: 0, times }, at);
    }

    #[test]
    fn freezes_are_counted_but_not_across_a_pause() {
        let (mut tally, t0) = (Tally::default(), Instant::now());
        let ms = Duration::from_millis;
        for at in [0, 33, 230, 500] {
            show(&mut tally, t0 + ms(at), None);
        }
        let stats = tally.stats(t0 + ms(500));
        assert_eq!((stats.freezes, stats.frozen), (1, ms(270)));
        tally.set_paused(true);
        tally.set_paused(false);
        show(&mut tally, t0 + ms(5_000), None);
        assert_eq!(tally.stats(t0 + ms(5_000)).freezes, 1);
        assert_eq!((stats.width, stats.height, stats.shown), (4, 2, 4));
        assert!((stats.fps - 4.0).abs() < 0.01);
    }

    #[test]
    fn latency_is_of_the_last_seconds_only() {
        let (mut tally, t0) = (Tally::default(), Instant::now());
        let ms = Duration::from_millis;
        show(&mut tally, t0, Some(t0));
        assert_eq!(tally.stats(t0 + ms(2_500)).latency, None);
        for i in 1..=100 {
            let at = t0 + ms(3_000 + i);
            show(&mut tally, at, Some(at - ms(i)));
        }
        let latency = tally.stats(t0 + ms(3_200)).latency.expect("known");
        assert_eq!((latency.p50, latency.p95), (ms(50), ms(95)));
    }
}
