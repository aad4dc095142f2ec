//! `eyeline-peer`: the engine without a window, for automation and measurement.

mod args;
mod logs;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Parser;
use eyeline_engine::view::{CodeState, EndReason, Phase, Snapshot};
use eyeline_engine::{Command, Engine, EngineConfig, EngineError, EngineGone, EngineHandle, logging, report};
use eyeline_media::audio::{list_microphones, list_speakers};
use eyeline_media::video::list_cameras;
use eyeline_seal::{Client, Identity};

use crate::args::Args;
use crate::logs::{EventLog, MediaLogs};

/// Other crates' warnings can name addresses, so only ours are shown unless `EYELINE_LOG` asks for more.
const LOG: &str = "error,eyeline=warn";

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
enum PeerError {
    #[error("{path}: {error}")]
    Log { path: String, error: std::io::Error },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Gone(#[from] EngineGone),
    #[error("{0}: {1}")]
    Identity(String, String),
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    #[error("the call ended: {0}")]
    Call(&'static str),
    #[error("{0}")]
    Device(String),
}

fn main() -> ExitCode {
    let args = Args::parse();
    logging::start(LOG);
    if args.list_devices {
        return list_devices();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(PeerError::Runtime).and_then(|runtime| {
        let outcome = runtime.block_on(run(args));
        // Device threads that hang in the system must not keep the program.
        runtime.shutdown_timeout(Duration::from_secs(1));
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eyeline-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One JSON line a device.
fn list_devices() -> ExitCode {
    let line = |kind: &str, id: &str, label: &str| {
        println!("{}", serde_json::json!({ "kind": kind, "id": id, "label": label }));
    };
    let cameras = list_cameras().unwrap_or_else(|error| {
        eprintln!("eyeline-peer: cameras cannot be listed: {error}");
        Vec::new()
    });
    cameras.iter().for_each(|camera| line("camera", &camera.id, &camera.label));
    list_microphones().iter().for_each(|device| line("microphone", &device.id, &device.label));
    list_speakers().iter().for_each(|device| line("speaker", &device.id, &device.label));
    ExitCode::SUCCESS
}

async fn run(args: Args) -> Result<(), PeerError> {
    let open = |error, path: &std::path::Path| PeerError::Log { path: path.display().to_string(), error };
    let media_logs = Arc::new(MediaLogs::open(&args.logs).map_err(|(path, error)| open(error, &path))?);
    let events = EventLog::open(args.logs.event_log.as_deref())
        .map_err(|error| open(error, args.logs.event_log.as_deref().unwrap_or("".as_ref())))?;
    let config = EngineConfig {
        name: args.name.clone(),
        camera: args.camera.clone(),
        microphone: args.microphone.clone(),
        speaker: args.speaker.clone(),
        video_quality: args.quality.into(),
        voice: args.voice(),
        codecs: args.codec.iter().map(|codec| (*codec).into()).collect(),
        observer: media_logs.clone(),
        client: Client::Peer,
        identity: identity(args.identity.as_deref())?,
        ..EngineConfig::default()
    };
    let engine = Engine::spawn(config)?;
    if let Some(path) = &args.stats {
        report::write_stats(&engine, path).map_err(|error| open(error, path))?;
    }
    if args.muted {
        engine.send(Command::SetMicrophone(false)).await?;
    }
    events.write("call", if args.host { "host" } else { "join" });
    engine.send(args.call()).await?;
    let outcome = follow(&engine, &args, &events).await;
    engine.shut_down().await;
    if let Err(error) = &outcome {
        events.write("error", &error.to_string());
    }
    media_logs.finish();
    outcome
}

/// The keys of a file; new ones are written there. `None` without a file.
fn identity(path: Option<&std::path::Path>) -> Result<Option<Arc<Identity>>, PeerError> {
    let Some(path) = path else { return Ok(None) };
    let failed = |error: &dyn std::fmt::Display| PeerError::Identity(path.display().to_string(), error.to_string());
    if path.exists() {
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        return Identity::from_bytes(&bytes).map(|keys| Some(Arc::new(keys))).map_err(|error| failed(&error));
    }
    let mut random = [0; 64];
    getrandom::fill(&mut random).map_err(|error| failed(&error))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let keys = Identity::generate(random, now);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(&keys.to_bytes())).map_err(|error| failed(&error))?;
    Ok(Some(Arc::new(keys)))
}

/// Follows the call until it ends, the time is up, or a signal comes.
async fn follow(engine: &EngineHandle, args: &Args, events: &EventLog) -> Result<(), PeerError> {
    let mut snapshots = engine.snapshots();
    let mut seen = Seen::default();
    let time_up = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))).await,
            None => std::future::pending().await,
        }
    };
    let told = stop_signal();
    tokio::pin!(time_up, told);
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(outcome) = seen.look(&snapshot, args, events) {
            return outcome;
        }
        tokio::select! {
            changed = snapshots.changed() => changed.map_err(|_| EngineGone)?,
            () = &mut time_up => return Ok(()),
            () = &mut told => return Ok(()),
        }
    }
}

/// What was said of the call already.
#[derive(Default)]
struct Seen {
    phase: &'static str,
    link: bool,
    code: Option<CodeState>,
    sas: bool,
    failed_devices: Vec<String>,
}

impl Seen {
    /// Says what is new; the outcome once the call is over.
    fn look(&mut self, snapshot: &Snapshot, args: &Args, events: &EventLog) -> Option<Result<(), PeerError>> {
        let state = match &snapshot.phase {
            Phase::InCall { connection: eyeline_engine::view::Connection::Reconnecting, .. } => "reconnecting",
            phase => phase.name(),
        };
        if state != self.phase {
            self.phase = state;
            events.write(state, "");
        }
        if let Phase::Waiting { link, code, .. } = &snapshot.phase
            && args.host
        {
            if !std::mem::replace(&mut self.link, true) {
                println!("{link}");
            }
            if *code != self.code {
                self.code.clone_from(code);
                say_code(code.as_ref(), events);
            }
        }
        if let Phase::InCall { identity, .. } = &snapshot.phase
            && !identity.sas.is_empty()
            && !std::mem::replace(&mut self.sas, true)
        {
            let names: Vec<&str> = identity.sas.iter().map(|emoji| emoji.name.as_str()).collect();
            events.write("sas", &names.join(" "));
        }
        if let Some(problem) = self.device_problem(snapshot, events)
            && args.strict
        {
            return Some(Err(problem));
        }
        match &snapshot.phase {
            Phase::Ended { reason: EndReason::HungUp | EndReason::RemoteHungUp, .. } => Some(Ok(())),
            Phase::Ended { reason, .. } => Some(Err(PeerError::Call(reason_words(*reason)))),
            Phase::Idle
            | Phase::Claiming { .. }
            | Phase::Joining { .. }
            | Phase::Waiting { .. }
            | Phase::Connecting { .. }
            | Phase::InCall { .. } => None,
        }
    }

    /// A device that newly does not work. The call goes on without it.
    fn device_problem(&mut self, snapshot: &Snapshot, events: &EventLog) -> Option<PeerError> {
        let local = &snapshot.local;
        let devices = [("camera", &local.camera), ("microphone", &local.microphone), ("speaker", &local.speaker)];
        let mut newest = None;
        let mut failed = Vec::new();
        for (name, state) in devices {
            if let eyeline_engine::view::DeviceState::Failed { problem } = state {
                let text = format!("{name}: {}", problem_words(*problem));
                if !self.failed_devices.contains(&text) {
                    eprintln!("eyeline-peer: {text}");
                    events.write("error", &text);
                    newest = Some(PeerError::Device(text.clone()));
                }
                failed.push(text);
            }
        }
        self.failed_devices = failed;
        newest
    }
}

/// Prints a code that can be said, and notes what became of it.
fn say_code(code: Option<&CodeState>, events: &EventLog) {
    match code {
        Some(CodeState::Shown { code, wrong_tries, .. }) => {
            println!("{code}");
            events.write("code", &wrong_tries.to_string());
        }
        Some(CodeState::Taken) => events.write("code_taken", ""),
        Some(CodeState::Burned { wrong_tries }) => events.write("code_burned", &wrong_tries.to_string()),
        Some(CodeState::Expired) => events.write("code_expired", ""),
        Some(CodeState::Unavailable) => events.write("code_unavailable", ""),
        Some(CodeState::Asking) | None => {}
    }
}

fn reason_words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::HungUp => "we hung up",
        EndReason::RemoteHungUp => "the other side hung up",
        EndReason::RemoteVanished => "the other side vanished",
        EndReason::BadLink => "this is not an Eyeline link",
        EndReason::ServerUnreachable => "the server cannot be reached",
        EndReason::ServerRefused => "the server refused us",
        EndReason::RoomFull => "two people are in this call already",
        EndReason::NoPath => "no path between the two machines was found",
        EndReason::Incompatible => "the other side cannot be understood",
        EndReason::Tampered => "somebody on the way changes what the two sides say",
        EndReason::KeyChanged => "the other side has another key than it should",
        EndReason::NoRelay => "our address is to be hidden, and the server has no relay",
        EndReason::BadCode => "this is not a code",
        EndReason::UnknownCode => "nobody waits with this code",
        EndReason::WrongCode => "the code was not right, and is used up now",
        EndReason::Declined => "the other side declined",
        EndReason::Busy => "the other side is in another call",
        EndReason::NoAnswer => "nobody answered",
        EndReason::NotReachable => "the contact cannot be reached",
        EndReason::Internal => "internal fault, see the log",
    }
}

fn problem_words(problem: eyeline_engine::view::DeviceProblem) -> &'static str {
    use eyeline_engine::view::DeviceProblem;
    match problem {
        DeviceProblem::NotFound => "there is none",
        DeviceProblem::Busy => "another program uses it",
        DeviceProblem::PermissionDenied => "the system does not let us use it",
        DeviceProblem::Unplugged => "it was unplugged",
        DeviceProblem::Unsupported => "it offers no usable format, or the file is not a valid one",
        DeviceProblem::Failed => "it failed, see the log",
    }
}

/// Waits for the system to ask for the end.
async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no signal handler");
                std::future::pending::<()>().await;
            }
        }
    }
    #[cfg(not(unix))]
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "no signal handler");
        std::future::pending::<()>().await;
    }
}
