//! `eyeline-bench`: Eyeline beside headless Chromium on the same emulated links. `./dev bench` builds and runs it.
#![expect(
    clippy::cast_possible_truncation,
    reason = "measured numbers of a few minutes, far from the limits of their types"
)]

mod analysis;
mod call;
mod clip;
mod cost;
mod metrics;
mod network;
mod record;
mod report;
mod run;
mod scenario;
mod share;
mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use eyeline_tests::scene::repository;
use eyeline_tests::{Failure, Outcome};

use crate::network::Network;
use crate::run::{Material, System};
use crate::scenario::Scenario;
use crate::store::{Run, Store};

/// Compares Eyeline with headless Chromium on the same emulated links
#[derive(Debug, Parser)]
#[command(name = "./dev bench")]
struct Args {
    /// Scenarios; all of them if none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Only these systems
    #[arg(long, value_delimiter = ',', value_name = "SYSTEM")]
    only: Vec<System>,
    /// How often each system runs on each scenario
    #[arg(long, default_value_t = 3, value_name = "N")]
    runs: u64,
    /// Folder of eyeline-peer and eyeline-server
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    binaries: PathBuf,
    /// Run again what has been run before
    #[arg(long)]
    again: bool,
    /// Stop after so many runs; the next call goes on from there
    #[arg(long, value_name = "N")]
    at_most: Option<usize>,
    /// Only check that the emulator does what it is told
    #[arg(long)]
    check_emulator: bool,
    /// Only write the results of what has been run; done by itself after a series of all systems on all scenarios
    #[arg(long)]
    report: bool,
    /// List the scenarios
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // SAFETY: no other thread runs yet that could read the environment meanwhile.
    unsafe { std::env::set_var("EYELINE_BINARIES", &args.binaries) };
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure:?}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Outcome {
    if args.list {
        scenario::all().iter().for_each(|scenario| println!("{:12} {}", scenario.name, scenario.about));
        return Ok(());
    }
    if let Some(lack) = Network::lacks() {
        return Err(Failure::new(lack));
    }
    if args.check_emulator {
        return network::check::check();
    }
    let folder = repository().join("out/bench");
    std::fs::create_dir_all(&folder)?;
    let store = Store::at(folder.join("runs.jsonl"));
    if !args.report {
        run_all(args, &store, &Material::in_folder(&folder)?)?;
    }
    if args.report || (args.scenarios.is_empty() && args.only.is_empty() && missing(args, &store)?.is_empty()) {
        let mut subjects = BTreeMap::new();
        for system in System::ALL {
            subjects.insert(system.name(), system.subject()?);
        }
        report::write(&store.runs(), &subjects, args.runs)?;
    }
    Ok(())
}

fn run_all(args: &Args, store: &Store, material: &Material) -> Outcome {
    let (mut done, mut failed) = (0, 0);
    for (scenario, system, number) in missing(args, store)? {
        if args.at_most.is_some_and(|most| done == most) {
            println!("more is left to run");
            return Ok(());
        }
        done += 1;
        match run::run(&scenario, system, number, material) {
            Ok(run) => {
                println!("{}", line(&run));
                store.add(&run)?;
            }
            Err(failure) => {
                failed += 1;
                println!("{} {} #{number} failed: {failure:?}", scenario.name, system.name());
            }
        }
    }
    if failed > 0 { Err(Failure::new(format!("{failed} runs failed"))) } else { Ok(()) }
}

/// What is still to be run, in an order that gives no system the same place each time.
fn missing(args: &Args, store: &Store) -> Outcome<Vec<(Scenario, System, u64)>> {
    let all = scenario::all();
    for name in &args.scenarios {
        if !all.iter().any(|scenario| scenario.name == name) {
            return Err(Failure::new(format!("there is no scenario {name}; --list lists them")));
        }
    }
    let wanted =
        all.into_iter().filter(|it| args.scenarios.is_empty() || args.scenarios.iter().any(|name| name == it.name));
    let wanted: Vec<Scenario> = wanted.collect();
    let mut systems = Vec::new();
    for system in System::ALL.into_iter().filter(|system| args.only.is_empty() || args.only.contains(system)) {
        systems.push((system, system.subject()?));
    }
    let before = if args.again { Vec::new() } else { store.runs() };
    let mut missing = Vec::new();
    for number in 0..args.runs {
        for scenario in &wanted {
            for (system, subject) in &systems {
                let same = |run: &Run| {
                    (&*run.scenario, &*run.system, &*run.subject, run.number)
                        == (scenario.name, system.name(), subject, number)
                };
                if !before.iter().any(same) {
                    missing.push((scenario.clone(), *system, number));
                }
            }
            systems.rotate_left(1);
        }
    }
    Ok(missing)
}

/// A run in one line.
fn line(run: &Run) -> String {
    let mut words = vec![format!("{} {} #{}:", run.scenario, run.system, run.number)];
    for metric in metrics::ALL.iter().filter(|metric| metric.brief) {
        if let Some(value) = run.figures.values.get(metric.name) {
            words.push(format!("{} {value:.*};", metric.label, metric.digits));
        }
    }
    let emulator = run.emulator;
    words.push(format!(
        "emulator {:.1} ms of {:.0}, late p99 {:.2} ms",
        emulator.median_ms, emulator.configured_ms, emulator.late_p99_ms
    ));
    words.extend(run.notes.iter().map(|note| format!("({note})")));
    words.join(" ")
}
