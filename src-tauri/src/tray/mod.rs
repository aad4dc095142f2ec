//! The icon in the system's tray, while the user wants the app to stay reachable.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;

use std::sync::Mutex;

use tauri::menu::{CheckMenuItem, CheckMenuItemBuilder, MenuBuilder, MenuEvent};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, Wry};

use crate::desktop::{Desktop, lock};
use crate::ipc::Settings;
use crate::{events, lifecycle, window};

pub(crate) use system::when_known;

const ICON: &str = "eyeline";
const OPEN: &str = "tray-open";
const DO_NOT_DISTURB: &str = "tray-do-not-disturb";
const QUIT: &str = "tray-quit";

/// The tray's icon, if it is there: the part of its menu that shows a setting.
#[derive(Default)]
pub(crate) struct Tray(Mutex<Option<CheckMenuItem<Wry>>>);

/// Shows or takes away the icon and sets its menu as `settings` say. Call on the main thread.
pub(crate) fn follow(app: &AppHandle, settings: &Settings) {
    let tray = app.state::<Tray>();
    let mut tray = lock(&tray.0);
    let result = match (&*tray, settings.keep_in_tray) {
        (None, false) => Ok(()),
        (Some(check), true) => check.set_checked(settings.do_not_disturb),
        (Some(_), false) => {
            *tray = None;
            app.remove_tray_by_id(ICON);
            Ok(())
        }
        (None, true) => build(app, settings.do_not_disturb).map(|check| *tray = check),
    };
    if let Err(error) = result {
        tracing::warn!(%error, "tray");
    }
}

fn build(app: &AppHandle, do_not_disturb: bool) -> tauri::Result<Option<CheckMenuItem<Wry>>> {
    if !system::library_is_there() {
        tracing::info!("no tray on this system");
        return Ok(None);
    }
    let check = CheckMenuItemBuilder::with_id(DO_NOT_DISTURB, "Do not disturb").checked(do_not_disturb).build(app)?;
    let menu =
        MenuBuilder::new(app).text(OPEN, "Open Eyeline").item(&check).separator().text(QUIT, "Quit Eyeline").build()?;
    let mut icon = TrayIconBuilder::with_id(ICON).tooltip("Eyeline").menu(&menu).on_menu_event(chosen);
    if let Some(picture) = app.default_window_icon() {
        icon = icon.icon(picture.clone());
    }
    icon.build(app)?;
    tracing::info!("tray icon shown");
    Ok(Some(check))
}

#[expect(clippy::needless_pass_by_value, reason = "Tauri hands events over by value")]
fn chosen(app: &AppHandle, event: MenuEvent) {
    match event.id().as_ref() {
        OPEN => window::show(app),
        QUIT => lifecycle::close(app),
        DO_NOT_DISTURB => toggle_do_not_disturb(app.clone()),
        _ => {}
    }
}

fn toggle_do_not_disturb(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        let desktop = app.state::<Desktop>();
        let changed = desktop.adjust_settings(|settings| settings.do_not_disturb = !settings.do_not_disturb).await;
        if let Err(error) = changed {
            tracing::warn!(code = ?error.code, detail = error.detail, "do not disturb");
        }
        events::tell_app_state(&app, &desktop).await;
    });
}
