//! From the first moment to a clean end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eyeline_engine::Command;
use eyeline_engine::view::Phase;
use tauri::async_runtime::JoinHandle;
use tauri::{AppHandle, Manager};

use crate::args::Args;
use crate::desktop::Desktop;
use crate::{events, tray, window};

/// How long goodbyes may hold the app back when its window closes. The engine itself takes two seconds at most.
const GOODBYE_MAX: Duration = Duration::from_millis(2_500);

/// How long the hosted server may take to say goodbye.
const SERVER_STOP_MAX: Duration = Duration::from_millis(500);

/// The task that forwards events: it ends once the engine has ended and its last call was kept. Taken by whoever closes.
struct Forwarding(Mutex<Option<JoinHandle<()>>>);

/// Set while the window is closed and the app runs on, if camera and microphone were open for the lobby.
#[derive(Default)]
struct PreviewBefore(AtomicBool);

/// Starts what runs beside the window: events, and what the command line asked for.
pub(crate) fn begin(app: &AppHandle, args: Args) {
    let forwarding = tauri::async_runtime::spawn(events::forward(app.clone(), args.link_file.clone()));
    app.manage(Forwarding(Mutex::new(Some(forwarding))));
    app.manage(PreviewBefore::default());
    tray::follow(app, &app.state::<Desktop>().settings());
    end_by_signal(app);
    if let Some(seconds) = args.seconds {
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            close(&app);
        });
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move { enter_call(&app.state::<Desktop>(), args).await });
}

async fn enter_call(desktop: &Desktop, args: Args) {
    let result = match args.join {
        Some(link) => desktop.engine.send(Command::JoinCall { link, relay_only: false }).await.map_err(Into::into),
        None if args.host => desktop.start_call(false, false).await,
        None => Ok(()),
    };
    if let Err(error) = result {
        tracing::error!(code = ?error.code, detail = error.detail, "no call");
    }
}

/// The user closed the main window: that quits, unless they want to stay reachable. No call goes on without its window, and
/// no device stays open.
pub(crate) fn window_closed(app: &AppHandle) {
    let desktop = app.state::<Desktop>();
    if !desktop.settings().keep_in_tray {
        return close(app);
    }
    window::withdraw(app);
    let (in_call, preview) = {
        let snapshots = desktop.engine.snapshots();
        let snapshot = snapshots.borrow();
        (!matches!(snapshot.phase, Phase::Idle | Phase::Ended { .. }), snapshot.local.preview)
    };
    app.state::<PreviewBefore>().0.store(preview && !in_call, Ordering::Relaxed);
    send(app, if in_call { Command::HangUp } else { Command::Preview(false) });
}

/// The main window is back: a lobby that was open in it finds its devices again.
pub(crate) fn window_shown(app: &AppHandle) {
    if app.state::<PreviewBefore>().0.swap(false, Ordering::Relaxed) {
        send(app, Command::Preview(true));
    }
}

fn send(app: &AppHandle, command: Command) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = app.state::<Desktop>().engine.send(command).await {
            tracing::debug!(%error, "the app is closing");
        }
    });
}

/// Hides the window, hangs up, says goodbye to everybody, and quits. Asked twice, it quits at once.
pub(crate) fn close(app: &AppHandle) {
    let forwarding = app.state::<Forwarding>().0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(forwarding) = forwarding else {
        return app.exit(0);
    };
    for window in app.webview_windows().into_values() {
        let _ = window.hide(); // only to feel quick
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let desktop = app.state::<Desktop>();
        let goodbye = async {
            desktop.engine.shut_down().await;
            let _ = forwarding.await; // if it panicked, there is nothing left to wait for
        };
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::warn!("hanging up took too long");
        }
        if tokio::time::timeout(SERVER_STOP_MAX, desktop.stop_hosting()).await.is_err() {
            tracing::warn!("the hosted server did not stop in time");
        }
        app.exit(0);
    });
}

#[cfg(unix)]
fn end_by_signal(app: &AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return tracing::warn!("signals end the app without hanging up");
        };
        loop {
            tokio::select! {
                _ = terminate.recv() => close(&app),
                _ = interrupt.recv() => close(&app),
            }
        }
    });
}

#[cfg(not(unix))]
fn end_by_signal(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            close(&app);
        }
    });
}
