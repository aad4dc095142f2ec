//! What a call costs the machine: processor time and memory of everything that takes part on a side.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use eyeline_tests::logs::percentile;
use eyeline_tests::{Failure, Outcome};

use crate::analysis::Figures;
use crate::call::{Stage, eyeline, micros, sleep_until};
use crate::scenario::SETTLE;

/// What a tree of processes has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all its processes and of those of their children that have ended, seconds.
    cpu_s: f64,
    /// Sum of their proportional set sizes, MiB: memory that several share counts once.
    memory_mib: f64,
}

/// What both sides used between two moments.
pub(crate) struct Meter {
    roots: [u32; 2],
    start: [Usage; 2],
}

impl Meter {
    /// Starts to measure the processes under these two, a's and b's.
    pub(crate) fn start(roots: [u32; 2]) -> Outcome<Self> {
        Ok(Self { roots, start: [usage(roots[0])?, usage(roots[1])?] })
    }

    /// Figures since the start, so long ago.
    pub(crate) fn figures(&self, lasted: Duration) -> Outcome<BTreeMap<String, f64>> {
        let mut values = BTreeMap::new();
        for (side, (root, start)) in ["a", "b"].into_iter().zip(self.roots.into_iter().zip(self.start)) {
            let end = usage(root)?;
            values.insert(format!("cpu_{side}"), (end.cpu_s - start.cpu_s) * 60.0 / lasted.as_secs_f64());
            values.insert(format!("memory_{side}"), end.memory_mib);
        }
        Ok(values)
    }
}

/// A call of Eyeline with picture and sound both ways.
pub(crate) fn eyeline(stage: &Stage<'_>) -> Outcome<(Figures, Vec<String>)> {
    let server = stage.server()?;
    let mut call = eyeline::Call::two_way(stage, &server)?;
    let first_us = call.first_figures()?;
    sleep_until(first_us + micros(SETTLE));
    let meter = Meter::start([call.a.process.id(), call.b.process.id()])?;
    sleep_until(first_us + micros(stage.scenario.length));
    let mut values = meter.figures(stage.scenario.length - SETTLE)?;
    for (side, peer) in [("a", &call.a), ("b", &call.b)] {
        let stats = peer.stats()?;
        let settled: Vec<_> = stats.iter().filter(|line| line.unix_us > first_us + micros(SETTLE)).collect();
        let median = |figure: fn(&eyeline_tests::logs::CallFigures) -> f64| {
            percentile(&settled.iter().map(|line| figure(&line.stats)).collect::<Vec<_>>(), 0.5)
        };
        values.insert(format!("height_{side}"), median(|stats| f64::from(stats.received_height)));
        values.insert(format!("fps_{side}"), median(|stats| stats.received_fps));
    }
    call.hang_up()?;
    Ok((Figures { values, ..Figures::default() }, Vec::new()))
}

/// What the process and everything below it has used.
fn usage(root: u32) -> Outcome<Usage> {
    let (mut parents, mut ticks) = (BTreeMap::new(), BTreeMap::new());
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // After the name in parentheses, which may hold anything: state, parent, …, utime, stime, cutime, cstime (proc(5)).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        parents.insert(pid, field(1));
        ticks.insert(pid, (11..15).map(field).sum::<u64>());
    }
    let tree = below(root, &parents);
    let ticks: u64 = tree.iter().filter_map(|pid| ticks.get(pid)).sum();
    let memory: u64 = tree.iter().map(|pid| pss_kib(*pid)).sum();
    if ticks == 0 {
        return Err(Failure::new(format!("process {root} is not there")));
    }
    Ok(Usage { cpu_s: ticks as f64 / ticks_per_second(), memory_mib: memory as f64 / 1024.0 })
}

fn below(root: u32, parents: &BTreeMap<u32, u64>) -> BTreeSet<u32> {
    let mut tree = BTreeSet::from([root]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(pid, parent)| !tree.contains(pid) && tree.iter().any(|member| u64::from(*member) == **parent))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return tree;
        }
        tree.extend(more);
    }
}

fn pss_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn ticks_per_second() -> f64 {
    // SAFETY: `sysconf` takes no pointers.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}
