//! How a call takes a change of its link.

use std::time::Duration;

use super::picture::Frame;
use crate::call::micros;
use crate::record::Direction;
use crate::scenario::{Scenario, Step};

/// A drop of the rate is over when for so long…
const CALM_US: i64 = 3_000_000;
/// …no picture was later than this…
const CALM_LATENCY_MS: f64 = 300.0;
/// …nor came so long after the one before.
const CALM_GAP_US: i64 = 250_000;
/// The old rate is back at this share of it,…
const REGAINED: f64 = 0.8;
/// …over so long; what was sent in the time before the change is the old rate.
const RATE_US: i64 = 2_000_000;
const RATE_BEFORE_US: i64 = 5_000_000;

/// Figures of what happened in the scenario. `first` is when the first picture was shown.
pub(super) fn measure(
    scenario: &Scenario,
    first: i64,
    frames: &[Frame],
    forth: &Direction,
    note: &mut impl FnMut(&str, f64),
) {
    let moment = |at: Duration| first + micros(at);
    match scenario.steps[..] {
        [(_, Step::NewAddress)] => note("back_s", back_s(frames, moment(scenario.steps[0].0))),
        [(away, Step::Link(change)), (back, Step::Link(_))] if !change.up => {
            note("back_s", back_s(frames, moment(back)));
            note("regain_s", regain_s(forth, moment(away), moment(back), first + micros(scenario.length)));
        }
        [(drop, Step::Link(_)), (rise, Step::Link(_))] => {
            note("settle_s", settle_s(frames, moment(drop), moment(rise)));
            note("regain_s", regain_s(forth, moment(drop), moment(rise), first + micros(scenario.length)));
        }
        _ => {}
    }
}

/// From a moment until a picture is shown that was captured after it, seconds.
fn back_s(frames: &[Frame], since: i64) -> f64 {
    let back = frames.iter().find(|frame| frame.captured_us.is_some_and(|captured| captured >= since));
    back.map_or(f64::NAN, |frame| (frame.shown_us - since) as f64 / 1e6)
}

/// From the drop until pictures are in time and in step again, seconds; all of the time until `rise` when they never are.
fn settle_s(frames: &[Frame], drop: i64, rise: i64) -> f64 {
    let mut calm_since = drop;
    let mut last = drop;
    for frame in frames.iter().filter(|frame| (drop..rise).contains(&frame.shown_us)) {
        let late = frame.latency_ms().is_none_or(|latency| latency > CALM_LATENCY_MS);
        if late || frame.shown_us - last > CALM_GAP_US {
            calm_since = frame.shown_us;
        }
        last = frame.shown_us;
        if last - calm_since >= CALM_US {
            return (calm_since - drop) as f64 / 1e6;
        }
    }
    (rise - drop) as f64 / 1e6
}

/// From `back` until as much is sent as before `away`, seconds; all of the time until `end` when it never is.
fn regain_s(forth: &Direction, away: i64, back: i64, end: i64) -> f64 {
    const STEP_US: usize = 100_000;
    let before = forth.offered_kbps(away - RATE_BEFORE_US, away);
    let again = (back..end - RATE_US)
        .step_by(STEP_US)
        .find(|from| forth.offered_kbps(*from, from + RATE_US) >= REGAINED * before);
    (again.unwrap_or(end) - back) as f64 / 1e6
}
