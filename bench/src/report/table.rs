//! The table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Compared;
use crate::metrics::{self, Better, Metric};

const EYELINE: usize = 2;
/// Closer than this share, two figures are the same.
const EVEN: f64 = 0.02;
/// Closer than this, they are as well, whatever their share: nobody can tell such differences of these metrics.
const EVEN_AT_LEAST: [(&str, f64); 4] =
    [("fps", 0.3), ("frozen_s", 0.05), ("sound_damaged_pct", 0.3), ("lip_sync_p95", 2.0)];

/// How Eyeline stands against the better Chromium.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ahead,
    Even,
    Behind,
}

/// One row: a metric in a scenario.
pub(super) struct Row<'a> {
    pub(super) metric: &'a Metric,
    values: [Option<f64>; 3],
}

impl Row<'_> {
    /// Eyeline's figure.
    pub(super) fn ours(&self) -> Option<f64> {
        self.values[EYELINE]
    }

    /// The better of the browser's two figures.
    pub(super) fn rival(&self) -> Option<f64> {
        let rivals = self.values[..EYELINE].iter().flatten().copied();
        match self.metric.better {
            Better::Less => rivals.reduce(f64::min),
            Better::More => rivals.reduce(f64::max),
            Better::Neither => None,
        }
    }

    pub(super) fn verdict(&self) -> Option<Verdict> {
        let (ours, theirs) = (self.ours()?, self.rival()?);
        let least = EVEN_AT_LEAST.iter().find(|(name, _)| *name == self.metric.name).map_or(0.0, |(_, least)| *least);
        if (ours - theirs).abs() <= (EVEN * theirs.abs()).max(least) {
            return Some(Verdict::Even);
        }
        let ahead = (ours < theirs) == (self.metric.better == Better::Less);
        Some(if ahead { Verdict::Ahead } else { Verdict::Behind })
    }

    /// Eyeline's figure as a share of the rival's; empty where that is nothing.
    pub(super) fn ratio(&self) -> String {
        match (self.ours(), self.rival()) {
            (Some(ours), Some(theirs)) if theirs.abs() > 1e-9 => format!("{:.2}", ours / theirs),
            _ => String::new(),
        }
    }

    fn cell(&self, system: usize) -> String {
        self.values[system].map_or_else(String::new, |value| format!("{value:.*}", self.metric.digits))
    }
}

/// Everything in Markdown.
pub(super) fn markdown(compared: &[Compared<'_>], subjects: &BTreeMap<&str, String>, machine: &str) -> String {
    let rows: Vec<(&Compared<'_>, Vec<Row<'_>>)> = compared.iter().map(|one| (one, rows_of(one))).collect();
    let verdicts: Vec<Verdict> = rows.iter().flat_map(|(_, rows)| rows).filter_map(Row::verdict).collect();
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let mut text = String::from("# Eyeline beside Chromium on the same links\n\n");
    let mut add = |words: std::fmt::Arguments<'_>| text.write_fmt(words).expect("a string takes all text");
    for (system, subject) in subjects {
        add(format_args!("- {system}: {subject}\n"));
    }
    add(format_args!(
        "- {machine}\n- medians of all runs; how each figure is taken: docs/decisions/0011-measuring-beside-libwebrtc.md\n"
    ));
    add(format_args!(
        "- ratio: Eyeline to the better of Chromium's two figures. **behind** where that is worse by more than 2 %\n\n"
    ));
    add(format_args!(
        "Ahead in {}, even in {}, behind in {} of {} rows.\n",
        count(Verdict::Ahead),
        count(Verdict::Even),
        count(Verdict::Behind),
        verdicts.len()
    ));
    for (one, rows) in &rows {
        let runs = one.runs.each_ref().map(|runs| runs.len().to_string()).join(", ");
        add(format_args!("\n## {}\n\n{}. Runs: {runs}.\n\n", one.scenario.name, one.scenario.about));
        add(format_args!("| | Chromium | Chromium VP9 | Eyeline | ratio | |\n|---|---:|---:|---:|---:|---|\n"));
        for row in rows {
            let verdict = match row.verdict() {
                Some(Verdict::Ahead) => "ahead",
                Some(Verdict::Even) => "even",
                Some(Verdict::Behind) => "**behind**",
                None => "",
            };
            let [chromium, vp9, eyeline] = [0, 1, EYELINE].map(|system| row.cell(system));
            add(format_args!(
                "| {} | {chromium} | {vp9} | {eyeline} | {} | {verdict} |\n",
                row.metric.label,
                row.ratio()
            ));
        }
    }
    text
}

fn rows_of<'a>(one: &Compared<'_>) -> Vec<Row<'a>> {
    let rows = metrics::ALL.iter().map(|metric| row_of(one, metric));
    rows.filter(|row| row.values.iter().any(Option::is_some)).collect()
}

pub(super) fn row_of<'a>(one: &Compared<'_>, metric: &'a Metric) -> Row<'a> {
    Row { metric, values: [0, 1, EYELINE].map(|system| one.median(system, metric.name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, values: [f64; 3]) -> Row<'static> {
        let metric = metrics::ALL.iter().find(|metric| metric.name == name).unwrap();
        Row { metric, values: values.map(Some) }
    }

    #[test]
    fn eyeline_is_held_against_the_better_browser() {
        assert!(row("latency_p50", [100.0, 80.0, 70.0]).verdict() == Some(Verdict::Ahead));
        assert!(row("latency_p50", [100.0, 80.0, 90.0]).verdict() == Some(Verdict::Behind));
        assert!(row("latency_p50", [100.0, 80.0, 81.0]).verdict() == Some(Verdict::Even));
        assert!(row("ssim", [0.9, 0.95, 0.92]).verdict() == Some(Verdict::Behind));
        assert!(row("ssim", [0.9, 0.91, 0.95]).verdict() == Some(Verdict::Ahead));
        assert!(row("frozen_s", [0.0, 0.0, 0.02]).verdict() == Some(Verdict::Even));
        assert!(row("sent_kbps", [1.0, 2.0, 3.0]).verdict().is_none());
        assert_eq!(row("latency_p50", [100.0, 80.0, 60.0]).ratio(), "0.75");
        assert_eq!(row("frozen_s", [0.0, 0.0, 1.0]).ratio(), "");
    }
}
