//! The table for the README: a line a scenario, a column a metric.

use std::fmt::Write as _;

use super::Compared;
use super::table::{Row, Verdict, row_of};
use crate::metrics;

/// Metrics of each table, by name, under its heading.
const TABLES: [(&str, &[&str]); 4] = [
    ("Picture", &["latency_p50", "latency_p95", "frozen_s", "fps", "ssim", "height_p50"]),
    ("Start and sound", &["first_ms", "sound_p50", "sound_p95", "sound_damaged_pct", "lip_sync_p95"]),
    ("Changes and sharing", &["settle_s", "regain_s", "back_s", "share_pct", "together_kbps"]),
    ("Cost", &["cpu_a", "cpu_b", "memory_a", "memory_b"]),
];

/// All tables. A cell is Eyeline / the better Chromium (their ratio), and bold where Eyeline is behind.
pub(super) fn markdown(compared: &[Compared<'_>]) -> String {
    let mut text = String::new();
    for (heading, names) in TABLES {
        let columns = names.iter().filter_map(|name| metrics::ALL.iter().find(|metric| metric.name == *name));
        let columns: Vec<_> = columns.collect();
        let labels: Vec<&str> = columns.iter().map(|metric| metric.label).collect();
        let mut lines = String::new();
        for one in compared {
            let cells: Vec<String> = columns.iter().map(|metric| cell(&row_of(one, metric))).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                writeln!(lines, "| {} | {} |", one.scenario.name, cells.join(" | ")).expect("a string takes all text");
            }
        }
        if !lines.is_empty() {
            let rule = "---:|".repeat(labels.len());
            write!(text, "| {heading} | {} |\n|---|{rule}\n{lines}\n", labels.join(" | "))
                .expect("a string takes all text");
        }
    }
    text
}

fn cell(row: &Row<'_>) -> String {
    let (Some(ours), Some(theirs)) = (row.ours(), row.rival()) else { return String::new() };
    let digits = row.metric.digits;
    let ratio = match row.ratio() {
        ratio if ratio.is_empty() => ratio,
        ratio => format!(" ({ratio})"),
    };
    let cell = format!("{ours:.digits$} / {theirs:.digits$}{ratio}");
    if row.verdict() == Some(Verdict::Behind) { format!("**{cell}**") } else { cell }
}
