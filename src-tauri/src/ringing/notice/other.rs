//! Notifications of macOS and Windows. Neither tells of a click without an app identity of its own, so a click does what the
//! system likes.

use std::thread;

use tauri::AppHandle;

use super::Notice;

pub(super) fn show(_app: &AppHandle, notice: Notice) {
    // Showing may wait for the system.
    let shown = thread::Builder::new().name("notification".into()).spawn(move || {
        let shown = notify_rust::Notification::new().summary(&notice.summary()).body(notice.body()).show();
        if let Err(error) = shown {
            tracing::debug!(%error, "no notification");
        }
    });
    if let Err(error) = shown {
        tracing::debug!(%error, "no notification");
    }
}

/// Notifications go by themselves there.
pub(super) fn withdraw_ring() {}
