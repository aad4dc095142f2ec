//! `eyeline-peer`: the engine without a window.

use std::path::PathBuf;
use std::time::Duration;

use eyeline_seal::SpokenCode;

use crate::binaries::Binary;
use crate::lan::Host;
use crate::logs::{self, Event, FrameLog, Recording, Stats};
use crate::{Outcome, Process, Scene};

/// How long a peer gets to print its link.
const LINK_LIMIT: Duration = Duration::from_secs(20);
/// How long a peer gets to end after SIGTERM.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How a peer is started.
#[derive(Clone, Debug)]
pub struct PeerSetup {
    /// `--camera`.
    pub camera: String,
    /// `--microphone`.
    pub microphone: String,
    /// `--speaker`.
    pub speaker: String,
    /// Where it runs.
    pub host: Host,
    /// Write every so many shown frames to a folder of the scene's scratch.
    pub dump_every: Option<u32>,
    /// Whether it logs every picture and block of sound.
    pub media_logs: bool,
    /// Environment of its own.
    pub environment: Vec<(String, String)>,
    /// More arguments.
    pub more: Vec<String>,
}

impl Default for PeerSetup {
    /// Built-in sources, on this machine.
    fn default() -> Self {
        Self {
            camera: "test-pattern".into(),
            microphone: "tone".into(),
            speaker: "null".into(),
            host: Host::this_machine(),
            dump_every: None,
            media_logs: true,
            environment: Vec::new(),
            more: Vec::new(),
        }
    }
}

impl PeerSetup {
    /// Built-in sources, on a machine of a network.
    pub fn on(host: &Host) -> Self {
        Self { host: host.clone(), ..Self::default() }
    }
}

/// A running peer and its logs.
pub struct Peer {
    /// The process.
    pub process: Process,
    logs: PathBuf,
    sound: PathBuf,
    dumps: PathBuf,
}

impl Peer {
    /// Starts a call on `server` and returns its link.
    ///
    /// # Errors
    /// When no link comes.
    pub fn host(scene: &Scene, name: &str, setup: &PeerSetup, server: &str) -> Outcome<(Self, String)> {
        let mut peer = Self::start(scene, name, setup, &["--server", server, "--host"])?;
        let log = scene.path(&format!("{name}.out"));
        let link = peer.process.wait_for("a link on standard output", LINK_LIMIT, || {
            let text = crate::process::read_lossy(&log);
            Ok(text.lines().map(str::trim).find(|line| line.contains("/j#")).map(Into::into))
        })?;
        Ok((peer, link))
    }

    /// Joins a call.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn join(scene: &Scene, name: &str, setup: &PeerSetup, link: &str) -> Outcome<Self> {
        Self::start(scene, name, setup, &["--join", link])
    }

    /// Starts a peer with these arguments besides those of the setup and the logs.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn start(scene: &Scene, name: &str, setup: &PeerSetup, call: &[&str]) -> Outcome<Self> {
        let (logs, sound) = (scene.path(name), scene.scratch(name));
        let dumps = scene.scratch(&format!("{name}-dumps"));
        let mut command = setup.host.command(&Binary::Peer.path()?);
        command.args(call).args(["--camera", &setup.camera, "--microphone", &setup.microphone]);
        command.args(["--speaker", &setup.speaker]);
        command.arg("--stats").arg(logs.with_extension("stats.jsonl"));
        command.arg("--event-log").arg(logs.with_extension("events"));
        if setup.media_logs {
            command.arg("--frame-log").arg(logs.with_extension("frames")).arg("--audio-log").arg(&sound);
        }
        if let Some(every) = setup.dump_every {
            std::fs::create_dir_all(&dumps)?;
            command.arg("--dump-dir").arg(&dumps).args(["--dump-every", &every.to_string()]);
        }
        command.args(&setup.more).envs(setup.environment.iter().cloned());
        Ok(Self { process: Process::start(scene, name, &mut command)?, logs, sound, dumps })
    }

    /// Waits for the code that it shows as its `nth`, from 0.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait_code(&mut self, nth: usize) -> Outcome<SpokenCode> {
        let log = self.logs.with_extension("out");
        self.process.wait_for("a code on standard output", LINK_LIMIT, || {
            let text = crate::process::read_lossy(&log);
            Ok(text.lines().filter_map(|line| SpokenCode::parse(line).ok()).nth(nth))
        })
    }

    /// What it writes about its call and its faults for whoever reads logs; not the link and the code, which it prints for
    /// its user, and not the state that `--stats` is asked for.
    pub fn logged(&self) -> String {
        let logs = ["err", "events"].map(|kind| self.logs.with_extension(kind));
        logs.map(|log| crate::process::read_lossy(&log)).concat()
    }

    /// `--stats` so far.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn stats(&self) -> Outcome<Vec<Stats>> {
        logs::stats(&self.logs.with_extension("stats.jsonl"))
    }

    /// `--frame-log` so far.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn frames(&self) -> Outcome<FrameLog> {
        FrameLog::read(&self.logs.with_extension("frames"))
    }

    /// `--event-log` so far.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn events(&self) -> Outcome<Vec<Event>> {
        logs::events(&self.logs.with_extension("events"))
    }

    /// What it took from the microphone so far.
    ///
    /// # Errors
    /// When the log is malformed.
    pub fn microphone(&self) -> Outcome<Recording> {
        Recording::read(&self.sound_file("mic"))
    }

    /// What it handed to the speaker so far.
    ///
    /// # Errors
    /// When the log is malformed.
    pub fn speaker(&self) -> Outcome<Recording> {
        Recording::read(&self.sound_file("speaker"))
    }

    fn sound_file(&self, which: &str) -> PathBuf {
        let mut name = self.sound.clone().into_os_string();
        name.push(format!("-{which}"));
        name.into()
    }

    /// Pictures written by `--dump-dir`, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn dumps(&self) -> Outcome<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dumps)? {
            files.push(entry?.path());
        }
        files.sort();
        Ok(files)
    }

    /// Waits until it has shown `more` pictures beyond those shown now.
    ///
    /// # Errors
    /// When they do not come.
    pub fn wait_pictures(&mut self, more: usize, limit: Duration) -> Outcome {
        let frames = self.logs.with_extension("frames");
        let wanted = FrameLog::read(&frames)?.shown.len() + more;
        self.process.wait_for(&format!("{more} more pictures of the other side"), limit, || {
            Ok((FrameLog::read(&frames)?.shown.len() >= wanted).then_some(()))
        })
    }

    /// Waits until a line of its stats is as `wanted` says, and returns it; lines up to `since` (unix microseconds) do not
    /// count.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn wait_stats(
        &mut self,
        what: &str,
        since: i64,
        limit: Duration,
        wanted: impl Fn(&Stats) -> bool,
    ) -> Outcome<Stats> {
        let file = self.logs.with_extension("stats.jsonl");
        self.process.wait_for(what, limit, || {
            Ok(logs::stats(&file)?.into_iter().find(|line| line.unix_us > since && wanted(line)))
        })
    }

    /// Waits for an event and returns it.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait_event(&mut self, what: &str, limit: Duration, wanted: impl Fn(&Event) -> bool) -> Outcome<Event> {
        let file = self.logs.with_extension("events");
        let event = self.process.wait_for(what, limit, || Ok(logs::events(&file)?.into_iter().find(&wanted)));
        event.map_err(|failure| failure.with(&format!("--- events\n{}", crate::process::read_lossy(&file))))
    }

    /// Asks it to end and waits until its logs are complete.
    ///
    /// # Errors
    /// When it does not end, or not with success.
    pub fn end(&mut self) -> Outcome {
        self.process.end(END_LIMIT)
    }
}

/// Now, unix microseconds: the clock of all logs.
pub fn unix_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
