//! Calls of either system, and what is taken from them: the same from both, for one analysis.

pub(crate) mod chromium;
pub(crate) mod eyeline;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use eyeline_tests::logs::{FrameLog, Recording};
use eyeline_tests::peer::unix_us;
use eyeline_tests::{Outcome, Scene};

use crate::clip::Film;
use crate::network::Network;
use crate::network::emulator::Emulator;
use crate::scenario::{Scenario, Step};

/// How long two sides get until one sees the other.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// Of the time between two pictures that are kept for SSIM.
pub(crate) const KEEP_EVERY_FRAMES: u32 = 45;

/// What both sides are given.
pub(crate) struct Stage<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) network: &'a Network,
    pub(crate) emulator: &'a Emulator,
    pub(crate) scenario: &'a Scenario,
    pub(crate) film: &'a Film,
    pub(crate) speech: &'a PathBuf,
}

/// What one call left, in whichever system.
#[derive(Default)]
pub(crate) struct Trace {
    /// When the call was asked for, unix microseconds: see each system.
    pub(crate) asked_us: i64,
    /// Frames captured on a.
    pub(crate) captured: FrameLog,
    /// Frames shown on b.
    pub(crate) shown: FrameLog,
    /// Pictures that b kept: unix microseconds, and how to get it.
    pub(crate) kept: Vec<Kept>,
    /// What a's microphone took.
    pub(crate) said: Recording,
    /// What b's speaker got.
    pub(crate) heard: Recording,
    /// Share of b's sound that its own system counts as made up, if it says.
    pub(crate) concealed: Option<f64>,
    /// Codec of the picture, as the system names it.
    pub(crate) codec: String,
    /// Bytes of a picture that b itself counts as received; for calls that share a link.
    pub(crate) notes: Vec<String>,
}

/// A picture that was kept.
pub(crate) struct Kept {
    pub(crate) unix_us: i64,
    pub(crate) luma: eyeline_tests::picture::Luma,
}

impl Stage<'_> {
    /// Sets the clock of what happens on the link to the first picture.
    pub(crate) fn schedule(&self, first_us: i64) {
        for (at, step) in &self.scenario.steps {
            if let Step::Link(config) = step {
                self.emulator.change_at(first_us + micros(*at), *config);
            }
        }
    }

    /// Lets the call go on to its end, and does what happens to the machines meanwhile.
    pub(crate) fn play(&self, first_us: i64) -> Outcome {
        for (at, step) in &self.scenario.steps {
            if matches!(step, Step::NewAddress) {
                sleep_until(first_us + micros(*at));
                self.network.change_address()?;
            }
        }
        sleep_until(first_us + micros(self.scenario.length));
        Ok(())
    }
}

/// A time in whole microseconds, as the logs have it.
pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) fn sleep_until(until_us: i64) {
    let left = u64::try_from(until_us - unix_us()).unwrap_or(0);
    thread::sleep(Duration::from_micros(left));
}
