//! Finished runs, one JSON line each, so that a series goes on where it stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use eyeline_tests::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::analysis::Figures;

/// A finished run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    pub(crate) scenario: String,
    pub(crate) system: String,
    /// What exactly ran: the browser's version, or the beginning of the SHA-256 of `eyeline-peer`.
    pub(crate) subject: String,
    /// Which of the repetitions, from 0.
    pub(crate) number: u64,
    /// When, as `date -u` says it.
    pub(crate) date: String,
    /// How the emulator did in this run.
    pub(crate) emulator: EmulatorLine,
    pub(crate) figures: Figures,
    pub(crate) notes: Vec<String>,
}

/// The header of a run.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct EmulatorLine {
    /// One way, as configured, without jitter.
    pub(crate) configured_ms: f64,
    /// Least and median delay of 40 packets before the call.
    pub(crate) least_ms: f64,
    pub(crate) median_ms: f64,
    /// How late packets left the emulator in the call.
    pub(crate) late_p99_ms: f64,
    /// From a to b: offered, overflowed, policed, lost, down, delivered.
    pub(crate) packets: [u64; 6],
}

/// The file of finished runs.
pub(crate) struct Store {
    path: PathBuf,
}

impl Store {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// All runs so far. A line that another version of this program wrote in another form is left out.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Adds one.
    pub(crate) fn add(&self, run: &Run) -> Outcome {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let line = serde_json::to_string(run)? + "\n";
        Ok(file.write_all(line.as_bytes())?)
    }
}

/// The beginning of a file's SHA-256, hex.
pub(crate) fn fingerprint(path: &Path) -> Outcome<String> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    file.read_to_end(&mut bytes)?;
    Ok(Sha256::digest(&bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}
