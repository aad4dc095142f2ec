//! Latency, rate, freezes and likeness of the picture.

use std::collections::HashMap;

use eyeline_tests::Outcome;
use eyeline_tests::logs::{count, percentile};

use super::{SERIES_STEP_US, Span, median};
use crate::call::Trace;
use crate::clip::{FRAMES, Film, HEIGHT, WIDTH};

/// A frame that b was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) shown_us: i64,
    /// When a captured it, if its number can be read.
    pub(super) captured_us: Option<i64>,
    height: u32,
}

impl Frame {
    pub(super) fn latency_ms(&self) -> Option<f64> {
        self.captured_us.map(|captured| (self.shown_us - captured) as f64 / 1e3)
    }
}

/// Frames shown up to `end`, with their moments of capture.
pub(super) fn shown_frames(trace: &Trace, end: i64) -> Vec<Frame> {
    let mut captures: HashMap<u64, Vec<i64>> = HashMap::new();
    for captured in &trace.captured.captured {
        captures.entry(captured.number).or_default().push(captured.unix_us);
    }
    let shown = trace.shown.shown.iter().filter(|shown| shown.unix_us < end);
    shown
        .map(|shown| {
            let number = shown.code.number().map(u64::from);
            // The film begins again: the latest capture before the display is the one.
            let before = number.and_then(|number| captures.get(&number));
            let captured_us = before.and_then(|all| all.iter().rev().find(|at| **at <= shown.unix_us)).copied();
            Frame { shown_us: shown.unix_us, captured_us, height: shown.height }
        })
        .collect()
}

/// Figures of the picture in a span; `first` is when the first one was shown.
pub(super) fn measure(frames: &[Frame], span: Span, first: i64, note: &mut impl FnMut(&str, f64)) {
    let inside: Vec<Frame> = frames.iter().filter(|frame| span.contains(frame.shown_us)).copied().collect();
    let latencies: Vec<f64> = inside.iter().filter_map(Frame::latency_ms).collect();
    note("latency_p50", percentile(&latencies, 0.5));
    note("latency_p95", percentile(&latencies, 0.95));
    note("latency_max", percentile(&latencies, 1.0));
    note("fps", count(inside.len()) / span.seconds());
    note("known_pct", 100.0 * count(latencies.len()) / count(inside.len().max(1)));
    let gaps = gaps_ms(&inside, span);
    note("worst_gap_ms", percentile(&gaps, 1.0));
    note("frozen_s", frozen_ms(&gaps) / 1e3);
    let heights: Vec<f64> = inside.iter().map(|frame| f64::from(frame.height)).collect();
    note("height_p50", median(&heights));
    note("height_max", percentile(&heights, 1.0));
    let full = frames.iter().find(|frame| usize::try_from(frame.height) == Ok(HEIGHT));
    note("full_size_s", full.map_or(f64::NAN, |frame| (frame.shown_us - first) as f64 / 1e6));
}

/// Between one picture and the next, with the edges of the span as if there were pictures.
fn gaps_ms(frames: &[Frame], span: Span) -> Vec<f64> {
    let mut times = vec![span.from];
    times.extend(frames.iter().map(|frame| frame.shown_us));
    times.push(span.until);
    times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e3).collect()
}

/// Sum of the gaps that count as freezes (W3C webrtc-stats, `freezeCount` and `totalFreezesDuration`): longer than three times
/// the average of the last 30 gaps and than that average and 150 ms.
fn frozen_ms(gaps: &[f64]) -> f64 {
    const GAPS: usize = 30;
    let frozen = gaps.iter().enumerate().filter(|(at, gap)| {
        let before = &gaps[at.saturating_sub(GAPS)..*at];
        // Nothing before: as at the pace of the film.
        let average = if before.is_empty() { 1000.0 / 30.0 } else { before.iter().sum::<f64>() / count(before.len()) };
        **gap > (3.0 * average).max(average + 150.0)
    });
    frozen.map(|(_, gap)| gap).sum()
}

/// Median latency per step of the series.
pub(super) fn series(frames: &[Frame], first: i64, end: i64) -> Vec<(f64, f64)> {
    let steps = (first..end).step_by(usize::try_from(SERIES_STEP_US).unwrap_or(1));
    steps
        .filter_map(|at| {
            let span = Span { from: at, until: at + SERIES_STEP_US };
            let inside = frames.iter().filter(|frame| span.contains(frame.shown_us));
            let latencies: Vec<f64> = inside.filter_map(Frame::latency_ms).collect();
            (!latencies.is_empty()).then(|| ((at - first) as f64 / 1e6, median(&latencies)))
        })
        .collect()
}

/// Median SSIM of the pictures that were kept in the span, at the film's size, as a screen would stretch them.
pub(super) fn ssim(trace: &Trace, span: Span, film: &Film) -> Outcome<f64> {
    let mut likeness = Vec::new();
    for kept in trace.kept.iter().filter(|kept| span.contains(kept.unix_us)) {
        let Some(number) = kept.luma.code().number().and_then(|number| usize::try_from(number).ok()) else { continue };
        if number < FRAMES {
            likeness.push(kept.luma.scaled_to(WIDTH, HEIGHT).ssim(&film.luma(number)?)?);
        }
    }
    Ok(median(&likeness))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freezes_are_gaps_far_beyond_the_usual() {
        let steady = vec![33.0; 40];
        assert!(frozen_ms(&steady) < 0.1);
        let mut one = steady.clone();
        one.push(182.0);
        assert!(frozen_ms(&one) < 0.1, "150 ms more than usual is still none");
        one.push(400.0);
        assert!((frozen_ms(&one) - 400.0).abs() < 0.1);
        // At two pictures a second, half a second is usual.
        assert!(frozen_ms(&[vec![500.0; 40], vec![1_400.0]].concat()) < 700.0);
    }
}
