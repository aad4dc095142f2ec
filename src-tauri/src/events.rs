//! From the engine to the page, and what else follows from what the engine shows.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use eyeline_engine::view::Phase;
use serde::Serialize;
use tauri::{AppHandle, Emitter, Manager};

use crate::desktop::Desktop;
use crate::recent::Tracker;
use crate::ringing::Ringing;
use crate::store::write_atomically;
use crate::tray;

/// Sends the page every snapshot and the newest levels, keeps calls that end, and writes the link. Ends when the engine
/// does.
pub(crate) async fn forward(app: AppHandle, mut link_file: Option<PathBuf>) {
    let desktop = app.state::<Desktop>();
    let (mut snapshots, mut levels) = (desktop.engine.snapshots(), desktop.engine.levels());
    let mut tracker = Tracker::default();
    snapshots.mark_changed();
    loop {
        let snapshot = tokio::select! {
            changed = snapshots.changed() => match changed {
                Ok(()) => snapshots.borrow_and_update().clone(),
                Err(_) => break,
            },
            Ok(()) = levels.changed() => {
                emit(&app, "levels", &*levels.borrow_and_update());
                continue;
            }
        };
        emit(&app, "snapshot", &*snapshot);
        app.state::<Ringing>().see(&app, &snapshot.people);
        if let Some(call) = tracker.see(&snapshot.phase, unix_ms()) {
            desktop.remember_call(call);
            tell_app_state(&app, &desktop).await;
        }
        if let Some(link) = open_link(&snapshot.phase) {
            link_file.take().inspect(|file| write_link(file, link));
        }
    }
    if let Some(call) = tracker.cut_off(&snapshots.borrow().phase, unix_ms()) {
        desktop.remember_call(call);
    }
}

/// Sends the newest snapshot once more: a page that was just loaded has seen none.
pub(crate) fn repeat_snapshot(app: &AppHandle, desktop: &Desktop) {
    emit(app, "snapshot", &**desktop.engine.snapshots().borrow());
}

/// Tells the page, and the tray, that settings or recent calls changed.
pub(crate) async fn tell_app_state(app: &AppHandle, desktop: &Desktop) {
    let state = desktop.state().await;
    emit(app, "app_state", &state);
    let handle = app.clone();
    if let Err(error) = app.run_on_main_thread(move || tray::follow(&handle, &state.settings)) {
        tracing::debug!(%error, "the app is closing");
    }
}

fn emit(app: &AppHandle, event: &str, payload: &impl Serialize) {
    if let Err(error) = app.emit(event, payload) {
        tracing::warn!(event, %error, "event lost");
    }
}

/// The link of a call whose room is open.
fn open_link(phase: &Phase) -> Option<&str> {
    match phase {
        Phase::Waiting { link, .. } | Phase::Connecting { link } | Phase::InCall { link, .. } => Some(link),
        Phase::Idle | Phase::Claiming { .. } | Phase::Joining { .. } | Phase::Ended { .. } => None,
    }
}

fn write_link(file: &Path, link: &str) {
    if let Err(error) = write_atomically(file, format!("{link}\n").as_bytes()) {
        tracing::error!(%error, "link not written");
    }
}

pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
