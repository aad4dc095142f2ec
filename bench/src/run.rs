//! One run: a link, a system, a call, its figures.

use std::path::PathBuf;
use std::process::Command;

use eyeline_tests::binaries::Binary;
use eyeline_tests::process::run as run_program;
use eyeline_tests::{Outcome, Scene, sound};

use crate::analysis::{Figures, analyse};
use crate::call::{Stage, eyeline};
use crate::clip::Film;
use crate::network::emulator::{Emulator, FORTH};
use crate::network::{Network, check};
use crate::scenario::{Kind, Scenario};
use crate::store::{EmulatorLine, Run, fingerprint};
use crate::{cost, share};

/// Seconds of speech before it begins again.
const SPEECH_SECONDS: usize = 30;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum System {
    /// Chromium as it comes.
    Chromium,
    /// Chromium with VP9 preferred.
    ChromiumVp9,
    /// Eyeline.
    Eyeline,
}

impl System {
    pub(crate) const ALL: [Self; 3] = [Self::Chromium, Self::ChromiumVp9, Self::Eyeline];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::ChromiumVp9 => "chromium-vp9",
            Self::Eyeline => "eyeline",
        }
    }

    /// What exactly would run.
    pub(crate) fn subject(self) -> Outcome<String> {
        match self {
            Self::Eyeline => fingerprint(&Binary::Peer.path()?),
            Self::Chromium | Self::ChromiumVp9 => crate::call::chromium::version(),
        }
    }
}

/// What both systems send.
pub(crate) struct Material {
    film: Film,
    speech: PathBuf,
}

impl Material {
    /// Makes what is not there.
    pub(crate) fn in_folder(folder: &std::path::Path) -> Outcome<Self> {
        let film = Film::at(folder.join("film.y4m"))?;
        let speech = folder.join("speech.wav");
        if !speech.exists() {
            sound::write_wav(&speech, &sound::speech(SPEECH_SECONDS))?;
        }
        Ok(Self { film, speech })
    }
}

/// Runs a system once on a scenario.
pub(crate) fn run(scenario: &Scenario, system: System, number: u64, material: &Material) -> Outcome<Run> {
    let scene = Scene::open(&format!("bench_{}_{}", scenario.name, system.name()))?;
    let network = Network::build()?;
    let emulator = Emulator::start(&network, scenario.link, number + 1)?;
    let look = check::look(&network)?;
    let (film, speech) = (&material.film, &material.speech);
    let stage = Stage { scene: &scene, network: &network, emulator: &emulator, scenario, film, speech };
    let (figures, notes) = match (scenario.kind, system) {
        (Kind::OneWay, System::Eyeline) => one_way(&stage)?,
        (Kind::Shared, System::Eyeline) => share::eyeline(&stage)?,
        (Kind::Cost, System::Eyeline) => cost::eyeline(&stage)?,
        (kind, _) => crate::call::chromium::run(&stage, kind, system == System::ChromiumVp9)?,
    };
    let forth = &emulator.end()?.directions[FORTH];
    let emulator = EmulatorLine {
        configured_ms: scenario.link.propagation.as_secs_f64() * 1e3,
        least_ms: look.least_ms,
        median_ms: look.median_ms,
        late_p99_ms: forth.lateness_ms(0.99),
        packets: forth.counts,
    };
    Ok(Run {
        scenario: scenario.name.into(),
        system: system.name().into(),
        subject: system.subject()?,
        number,
        date: run_program(Command::new("date").args(["-u", "+%FT%TZ"]))?.trim().into(),
        emulator,
        figures,
        notes,
    })
}

fn one_way(stage: &Stage<'_>) -> Outcome<(Figures, Vec<String>)> {
    let server = stage.server()?;
    let mut call = eyeline::Call::one_way(stage, &server, "")?;
    let first_us = call.first_picture()?;
    stage.schedule(first_us);
    stage.play(first_us)?;
    let trace = call.end()?;
    let figures = analyse(&trace, &stage.emulator.record(), stage.scenario, stage.film)?;
    Ok((figures, trace.notes))
}
