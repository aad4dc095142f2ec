//! Two calls of the same system on one link: what each gets of it.

use std::collections::BTreeMap;

use eyeline_tests::{Outcome, ensure};

use crate::analysis::{Figures, Span, analyse};
use crate::call::{Stage, Trace, eyeline, micros};
use crate::network::emulator::FORTH;
use crate::record::{Direction, LinkRecord};
use crate::scenario::SETTLE;

/// Runs both calls and returns the figures of both together.
pub(crate) fn eyeline(stage: &Stage<'_>) -> Outcome<(Figures, Vec<String>)> {
    let server = stage.server()?;
    let mut first = eyeline::Call::one_way(stage, &server, "-1")?;
    let mut second = eyeline::Call::one_way(stage, &server, "-2")?;
    let both_us = first.first_picture()?.max(second.first_picture()?);
    stage.play(both_us)?;
    let traces = [first.end()?, second.end()?];
    figures(stage, &traces, both_us)
}

/// Figures of two calls: medians of the two, and how they shared. `both_us` is when both had a picture.
pub(crate) fn figures(stage: &Stage<'_>, traces: &[Trace; 2], both_us: i64) -> Outcome<(Figures, Vec<String>)> {
    let record = stage.emulator.record();
    let each = [0, 1].map(|call| analyse(&traces[call], &record, stage.scenario, stage.film));
    let [first, second] = each;
    let (first, second) = (first?, second?);
    let mut values = BTreeMap::new();
    for (name, value) in &first.values {
        if let Some(other) = second.values.get(name) {
            values.insert(name.clone(), f64::midpoint(*value, *other));
        }
    }
    // What crosses the link is of both.
    values.remove("sent_kbps");
    let span = Span { from: both_us + micros(SETTLE), until: both_us + micros(stage.scenario.length) };
    let shares = shares_kbps(&record, span)?;
    let together: f64 = shares.iter().sum();
    values.insert("together_kbps".into(), together);
    values.insert("share_pct".into(), 100.0 * shares[0].min(shares[1]) / together);
    let notes = vec![format!("shares {:.0} and {:.0} kbit/s", shares[0], shares[1])];
    Ok((Figures { values, latency: first.latency, rate: first.rate }, notes))
}

/// What the two largest flows from a to b sent in the span.
fn shares_kbps(record: &LinkRecord, span: Span) -> Outcome<[f64; 2]> {
    let range = Direction::bucket_of(span.from)..Direction::bucket_of(span.until);
    let flows = record.directions[FORTH].flows.values();
    let mut sums: Vec<f64> = flows
        .map(|flow| flow.range(range.clone()).map(|(_, bytes)| *bytes).sum::<u64>() as f64 * 8.0 / 1e3 / span.seconds())
        .collect();
    ensure!(sums.len() >= 2, "two calls left only {} flows", sums.len());
    sums.sort_by(|a, b| b.total_cmp(a));
    Ok([sums[0], sums[1]])
}
