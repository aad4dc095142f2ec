//! The figures of a call as lines of JSON, once a second: for automation and bug reports.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use eyeline_media::time::WallClock;
use serde::Serialize;

use crate::EngineHandle;
use crate::view::{CallStats, Connection, EndReason, Levels, Local, Path as PacketPath, Phase, Remote};

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    unix_us: i64,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Connection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PacketPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signaling: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<EndReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<&'a Remote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<&'a CallStats>,
    local: &'a Local,
    levels: Levels,
}

/// Writes a line a second until the engine ends.
///
/// # Errors
/// The file cannot be created.
pub fn write_stats(engine: &EngineHandle, path: &Path) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let mut file = std::fs::File::create(path)?;
    let (mut snapshots, levels) = (engine.snapshots(), engine.levels());
    let clock = WallClock::now();
    Ok(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut loudest = Levels::default();
        let mut listen = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = listen.tick() => {
                    // The loudest of the second: a single look would often fall between two words.
                    let level = *levels.borrow();
                    loudest.microphone = loudest.microphone.max(level.microphone);
                    loudest.remote = loudest.remote.max(level.remote);
                    continue;
                }
                _ = ticks.tick() => {}
            }
            if snapshots.has_changed().is_err() {
                return;
            }
            let snapshot = snapshots.borrow_and_update().clone();
            let line =
                line(&snapshot.phase, &snapshot.local, std::mem::take(&mut loudest), clock.unix_us(Instant::now()));
            let written = serde_json::to_vec(&line).map(|mut bytes| {
                bytes.push(b'\n');
                file.write_all(&bytes)
            });
            if !matches!(written, Ok(Ok(()))) {
                tracing::warn!("figures cannot be written any more");
                return;
            }
        }
    }))
}

fn line<'a>(phase: &'a Phase, local: &'a Local, levels: Levels, unix_us: i64) -> Line<'a> {
    let mut line = Line {
        unix_us,
        phase: phase.name(),
        connection: None,
        path: None,
        signaling: None,
        reason: None,
        remote: None,
        stats: None,
        local,
        levels,
    };
    match phase {
        Phase::Idle
        | Phase::Claiming { .. }
        | Phase::Joining { .. }
        | Phase::Waiting { .. }
        | Phase::Connecting { .. } => {}
        Phase::InCall { connection, path, signaling, remote, stats, .. } => {
            line.connection = Some(*connection);
            line.path = Some(*path);
            line.signaling = Some(*signaling);
            line.remote = Some(remote);
            line.stats = Some(stats);
        }
        Phase::Ended { reason, .. } => line.reason = Some(*reason),
    }
    line
}
