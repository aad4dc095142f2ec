//! Notifications of the system. A click on one opens the main window where the system says so.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;

use tauri::AppHandle;

/// What is worth a notification.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// Somebody rings, until it is withdrawn.
    Ring {
        /// Who.
        name: String,
    },
    /// Somebody rang.
    Missed {
        /// Who.
        name: String,
    },
}

impl Notice {
    fn summary(&self) -> String {
        match self {
            Self::Ring { name } => format!("{} is calling", shown(name)),
            Self::Missed { name } => format!("Missed call from {}", shown(name)),
        }
    }

    fn body(&self) -> &'static str {
        match self {
            Self::Ring { .. } => "Open Eyeline to answer.",
            Self::Missed { .. } => "Open Eyeline to call back.",
        }
    }
}

fn shown(name: &str) -> &str {
    if name.trim().is_empty() { "Somebody" } else { name }
}

/// Shows a notification, or nothing where the system has none. Call on the main thread; never waits.
pub(super) fn show(app: &AppHandle, notice: Notice) {
    system::show(app, notice);
}

/// Takes the notification of a ring away. Call on the main thread; never waits.
pub(super) fn withdraw_ring() {
    system::withdraw_ring();
}
