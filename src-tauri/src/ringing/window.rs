//! The small window that says who rings.

use tauri::webview::{NewWindowResponse, PermissionResponse};
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};

use crate::ringing::Ringing;
use crate::window::{driven, is_our_page};

/// Its label; what its page may do is in `capabilities/ring.json`.
const LABEL: &str = "ring";

/// Width and height, in logical pixels.
const SIZE: (f64, f64) = (360.0, 220.0);

/// Shows it, if it is not there. Call on the main thread.
pub(super) fn show(app: &AppHandle) -> tauri::Result<()> {
    if app.get_webview_window(LABEL).is_some() {
        return Ok(());
    }
    let (width, height) = SIZE;
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html?window=ring".into()))
        .title("Incoming call")
        .inner_size(width, height)
        .resizable(false)
        .maximizable(false)
        .minimizable(false)
        .always_on_top(true)
        .visible_on_all_workspaces(true)
        .center()
        .incognito(!driven())
        .disable_drag_drop_handler()
        .on_navigation(is_our_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_permission_request(|_, _| PermissionResponse::Deny)
        .build()?;
    let handle = app.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { .. } = event {
            handle.state::<Ringing>().hush();
        }
    });
    tracing::info!("window for a ring open");
    Ok(())
}

/// Takes it away, if it is there. Call on the main thread.
pub(super) fn close(app: &AppHandle) -> tauri::Result<()> {
    match app.get_webview_window(LABEL) {
        Some(window) => window.destroy(), // not `close`: it is not the user who closes it
        None => Ok(()),
    }
}
