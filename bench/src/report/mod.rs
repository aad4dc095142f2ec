//! What all runs come to: `results.json`, `table.md`, `summary.md` for the README, and a plot a scenario.

mod plot;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use eyeline_tests::logs::percentile;
use eyeline_tests::process::run;
use eyeline_tests::scene::repository;
use eyeline_tests::{Failure, Outcome};
use serde_json::json;

use crate::metrics;
use crate::run::System;
use crate::scenario::{self, Scenario};
use crate::store::Run;

/// All runs of one scenario.
struct Compared<'a> {
    scenario: Scenario,
    /// In the order of [`System::ALL`].
    runs: [Vec<&'a Run>; 3],
}

impl Compared<'_> {
    /// Median of a metric over a system's runs.
    fn median(&self, system: usize, metric: &str) -> Option<f64> {
        let values: Vec<f64> =
            self.runs[system].iter().filter_map(|run| run.figures.values.get(metric)).copied().collect();
        (!values.is_empty()).then(|| median(&values))
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], sorted[middle]) } else { sorted[middle] }
}

/// Writes the results of the runs of these subjects (by the systems' names) to `bench/results/DATE-CORES`, and says where.
pub(crate) fn write(all: &[Run], subjects: &BTreeMap<&str, String>, repetitions: u64) -> Outcome {
    let mut compared = Vec::new();
    for scenario in scenario::all() {
        let runs = System::ALL.map(|system| {
            let wanted = |run: &&Run| {
                run.scenario == scenario.name
                    && run.system == system.name()
                    && subjects.get(system.name()) == Some(&run.subject)
                    && run.number < repetitions
            };
            all.iter().filter(wanted).collect::<Vec<_>>()
        });
        if runs.iter().any(|runs| !runs.is_empty()) {
            compared.push(Compared { scenario, runs });
        }
    }
    if compared.is_empty() {
        return Err(Failure::new("there are no runs to report"));
    }
    let folder = folder()?;
    fs::create_dir_all(&folder)?;
    let machine = machine();
    fs::write(folder.join("table.md"), table::markdown(&compared, subjects, &machine))?;
    fs::write(folder.join("summary.md"), summary::markdown(&compared))?;
    fs::write(
        folder.join("results.json"),
        serde_json::to_string_pretty(&results(&compared, subjects, &machine))? + "\n",
    )?;
    for one in compared.iter().filter(|one| one.runs.iter().flatten().any(|run| !run.figures.rate.is_empty())) {
        fs::write(folder.join(format!("{}.svg", one.scenario.name)), plot::svg(one))?;
    }
    println!("results are in {}", folder.display());
    Ok(())
}

fn folder() -> Outcome<PathBuf> {
    let date = run(Command::new("date").args(["-u", "+%F"]))?;
    let cores = std::thread::available_parallelism()?;
    Ok(repository().join("bench/results").join(format!("{}-{cores}core", date.trim())))
}

/// Processor and cores, in words.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    format!(
        "{cores} cores of {}, both sides of a call, the emulator and its analysis on the same machine",
        model.unwrap_or("an unknown processor")
    )
}

fn results(compared: &[Compared<'_>], subjects: &BTreeMap<&str, String>, machine: &str) -> serde_json::Value {
    let scenarios: Vec<_> = compared
        .iter()
        .map(|one| {
            let systems: BTreeMap<_, _> = System::ALL
                .iter()
                .enumerate()
                .map(|(at, system)| {
                    let medians: BTreeMap<_, _> = metrics::ALL
                        .iter()
                        .filter_map(|metric| Some((metric.name, rounded(one.median(at, metric.name)?))))
                        .collect();
                    let runs: Vec<_> = one.runs[at]
                        .iter()
                        .map(|run| {
                            let values: BTreeMap<_, _> =
                                run.figures.values.iter().map(|(name, value)| (name, rounded(*value))).collect();
                            json!({ "date": run.date, "values": values, "emulator": run.emulator, "notes": run.notes })
                        })
                        .collect();
                    (system.name(), json!({ "median": medians, "runs": runs }))
                })
                .collect();
            json!({ "scenario": one.scenario.name, "about": one.scenario.about, "systems": systems })
        })
        .collect();
    json!({ "machine": machine, "subjects": subjects, "scenarios": scenarios })
}

/// Digits beyond these say nothing.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Medians over runs of a series, step by step.
fn series(runs: &[&Run], of: fn(&Run) -> &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut steps: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in runs.iter().flat_map(|run| of(run)) {
        steps.entry((at * 10.0).round() as i64).or_default().push(*value);
    }
    steps.into_iter().map(|(at, values)| (at as f64 / 10.0, percentile(&values, 0.5))).collect()
}
