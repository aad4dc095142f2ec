//! From what a call left to figures, by the same rules for either system.

mod change;
mod picture;
mod sound;

use std::collections::BTreeMap;

use eyeline_tests::Outcome;
use eyeline_tests::logs::percentile;
use serde::{Deserialize, Serialize};

use crate::call::{Trace, micros};
use crate::clip::Film;
use crate::network::emulator::FORTH;
use crate::record::LinkRecord;
use crate::scenario::{SETTLE, Scenario};

/// What a run comes to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Figures {
    /// By the names of [`crate::metrics::ALL`]. A metric that the call does not have is not there.
    pub(crate) values: BTreeMap<String, f64>,
    /// Seconds after the first picture, and median latency in that half second, ms.
    pub(crate) latency: Vec<(f64, f64)>,
    /// Seconds after the first picture, and what was sent in that half second, kbit/s.
    pub(crate) rate: Vec<(f64, f64)>,
}

/// Span of time, unix microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Span {
    pub(crate) fn contains(self, unix_us: i64) -> bool {
        (self.from..self.until).contains(&unix_us)
    }

    pub(crate) fn seconds(self) -> f64 {
        (self.until - self.from) as f64 / 1e6
    }
}

/// The steps of the series that are drawn.
const SERIES_STEP_US: i64 = 500_000;

/// Everything about a call from a to b.
pub(crate) fn analyse(trace: &Trace, link: &LinkRecord, scenario: &Scenario, film: &Film) -> Outcome<Figures> {
    let first = trace.shown.shown.first().map_or(trace.asked_us, |shown| shown.unix_us);
    let end = first + micros(scenario.length);
    let span = Span { from: first + micros(SETTLE), until: end };
    let frames = picture::shown_frames(trace, end);
    let mut figures = Figures::default();
    let mut note = |name: &str, value: f64| {
        if value.is_finite() {
            // A sum of nothing is -0.
            figures.values.insert(name.into(), value + 0.0);
        }
    };
    note("first_ms", (first - trace.asked_us) as f64 / 1e3);
    picture::measure(&frames, span, first, &mut note);
    note("ssim", picture::ssim(trace, span, film)?);
    note("sent_kbps", link.directions[FORTH].offered_kbps(span.from, span.until));
    sound::measure(trace, &frames, span, &mut note);
    change::measure(scenario, first, &frames, &link.directions[FORTH], &mut note);
    figures.latency = picture::series(&frames, first, end);
    figures.rate = (first..end)
        .step_by(usize::try_from(SERIES_STEP_US)?)
        .map(|at| ((at - first) as f64 / 1e6, link.directions[FORTH].offered_kbps(at, at + SERIES_STEP_US)))
        .collect();
    Ok(figures)
}

/// Median of values that need not be sorted.
fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}
