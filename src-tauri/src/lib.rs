//! The desktop shell: a window, the page in it, the engine behind it. Thin: what a call is, the engine knows.

pub mod args;
mod clipboard;
mod commands;
mod desktop;
mod events;
mod export;
mod hosting;
pub mod ipc;
mod lifecycle;
mod profile;
mod recent;
mod ringing;
mod settings;
mod store;
mod tray;
mod video;
mod window;

use eyeline_engine::report::write_stats;
use eyeline_engine::{Engine, EngineError};
use tauri::App;

use crate::args::Args;
use crate::desktop::{Desktop, engine_config, load_settings};
use crate::profile::Profile;
pub use crate::profile::ProfileError;
use crate::ringing::Ringing;
use crate::store::Store;
use crate::tray::Tray;

/// Why the app could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system names no folder for settings.
    #[error("no folder for settings: set HOME or use --profile")]
    NoFolder,
    /// The asynchronous runtime could not be had.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[from] std::io::Error),
    /// Keys or contacts cannot be had.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The engine has no codecs, threads or contacts.
    #[error("cannot start the engine: {0}")]
    Engine(#[from] EngineError),
    /// The file for figures cannot be written.
    #[error("cannot write figures: {0}")]
    Stats(#[source] std::io::Error),
    /// The system refuses a window.
    #[error("cannot start: {0}")]
    Tauri(#[from] tauri::Error),
}

/// Runs the app until its window closes; the exit code.
///
/// # Errors
/// [`StartError`] when there is no way to begin.
pub fn run(args: Args) -> Result<i32, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let store = match &args.profile {
        Some(folder) => Store::at(folder),
        None => Store::of_user().ok_or(StartError::NoFolder)?,
    };
    let chosen = load_settings(&store, &args);
    let Profile { identity, people, keys } = Profile::open(store.folder(), args.profile.is_some())?;
    let engine = {
        let _context = runtime.enter();
        let engine = Engine::spawn(engine_config(chosen.in_force(), identity, people))?;
        if let Some(file) = &args.stats {
            write_stats(&engine, file).map_err(StartError::Stats)?; // ends with the engine
        }
        engine
    };
    let desktop = Desktop::new(engine, store, keys, chosen, &args);
    let app = tauri::Builder::default()
        .manage(desktop)
        .manage(Ringing::new(!args.no_ring_sound, events::unix_ms()))
        .manage(Tray::default())
        .invoke_handler(tauri::generate_handler![
            commands::app_state,
            commands::settings_save,
            commands::recent_forget,
            commands::call_start,
            commands::call_join,
            commands::call_join_code,
            commands::call_hang_up,
            commands::call_dismiss,
            commands::code_check,
            commands::code_complete,
            commands::code_copy,
            commands::people::code_new,
            commands::people::code_withdraw,
            commands::people::contact_ring,
            commands::people::contact_request,
            commands::people::contact_answer,
            commands::people::contact_rename,
            commands::people::contact_block,
            commands::people::contact_relay_only,
            commands::people::contact_presence,
            commands::people::contact_remove,
            commands::people::ring_accept,
            commands::people::ring_decline,
            commands::people::sas_confirm,
            commands::people::history_seen,
            commands::people::history_forget,
            commands::people::history_clear,
            commands::people::people_export,
            commands::people::people_wipe,
            commands::lobby_preview,
            commands::media_set_microphone,
            commands::media_set_camera,
            commands::media_select_camera,
            commands::media_select_microphone,
            commands::media_select_speaker,
            commands::devices_refresh,
            commands::link_check,
            commands::link_copy,
            commands::quality_report,
            commands::quality_copy,
            commands::video_layout,
            commands::window_set_full_screen,
        ])
        .setup(move |app| Ok(set_up(app, args)?))
        .build(tauri::generate_context!())?;
    let code = app.run_return(|_, _| {});
    runtime.shutdown_background();
    Ok(code)
}

fn set_up(app: &App, args: Args) -> Result<(), window::WindowError> {
    window::open(app.handle(), &args)?;
    lifecycle::begin(app.handle(), args);
    Ok(())
}
