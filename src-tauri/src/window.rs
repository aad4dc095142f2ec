//! The app's window and the seam between page and pictures.

use tauri::webview::{NewWindowResponse, PermissionResponse};
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent};

use crate::args::{Args, Geometry, SurfaceChoice};
use crate::desktop::Desktop;
use crate::ipc::VideoSurface;
use crate::ringing::Ringing;
use crate::video::{self, canvas};
use crate::{lifecycle, tray};

/// Label of the window; what its page may do is in `capabilities/main.json`.
const LABEL: &str = "main";

/// Why the window did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WindowError {
    /// The system refuses a window or a webview.
    #[error("cannot open the window: {0}")]
    Tauri(#[from] tauri::Error),
    /// Pictures cannot reach the page.
    #[error("cannot show pictures: {0}")]
    Canvas(#[from] canvas::CanvasError),
}

/// Opens the window and starts drawing in it. Call on the main thread.
///
/// # Errors
/// See [`WindowError`].
pub(crate) fn open(app: &AppHandle, args: &Args) -> Result<(), WindowError> {
    let choice = args.surface.unwrap_or(SurfaceChoice::of_this_system());
    let window = build(app, args, choice)?;
    let handle = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } => {
            api.prevent_close();
            lifecycle::window_closed(&handle);
        }
        WindowEvent::Focused(_) => Ringing::main_window_moved(&handle),
        _ => {}
    });
    let desktop = app.state::<Desktop>();
    let surface = surface(&window, &desktop, choice)?;
    tracing::info!(native = surface == VideoSurface::Native, "window open");
    desktop.surface.set(surface).expect("the window is opened once");
    Ok(())
}

/// Brings the window to the front, from wherever it is.
pub(crate) fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else { return };
    if let Err(error) = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus()) {
        tracing::warn!(%error, "the window stays where it is");
    }
    lifecycle::window_shown(app);
}

/// Whether the user has the window before them.
pub(crate) fn is_in_front(app: &AppHandle) -> bool {
    let Some(window) = app.get_webview_window(LABEL) else { return false };
    window.is_visible().unwrap_or(false) && window.is_focused().unwrap_or(false)
}

/// Puts the window out of sight: hides it where a tray brings it back, or else minimises it.
pub(crate) fn withdraw(app: &AppHandle) {
    let app = app.clone();
    tray::when_known(move |there| {
        let Some(window) = app.get_webview_window(LABEL) else { return };
        let result = if there { window.hide() } else { window.minimize() };
        match result {
            Ok(()) => tracing::info!(hidden = there, "window closed, still reachable"),
            Err(error) => tracing::warn!(%error, "the window stays"),
        }
    });
}

/// Whether a WebDriver drives the page, by the variable that also lets it in: the driver cannot see private windows.
pub(crate) fn driven() -> bool {
    std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some()
}

fn build(app: &AppHandle, args: &Args, choice: SurfaceChoice) -> tauri::Result<WebviewWindow> {
    let geometry = args.geometry.unwrap_or_default();
    let (min_width, min_height) = Geometry::MIN;
    let mut builder = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html".into()))
        .title("Eyeline")
        .inner_size(f64::from(geometry.width), f64::from(geometry.height))
        .min_inner_size(f64::from(min_width), f64::from(min_height))
        .visible(!args.hidden)
        .incognito(!driven()) // the page keeps nothing: settings are the shell's
        .disable_drag_drop_handler()
        .on_navigation(is_our_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_permission_request(|_, _| PermissionResponse::Deny); // devices are the engine's
    if let Some((x, y)) = geometry.position {
        builder = builder.position(f64::from(x), f64::from(y));
    }
    #[cfg(target_os = "linux")]
    if choice == SurfaceChoice::Native {
        builder = builder.transparent(true);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = choice;
    builder.build()
}

pub(crate) fn is_our_page(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        _ => false,
    }
}

fn surface(window: &WebviewWindow, desktop: &Desktop, choice: SurfaceChoice) -> Result<VideoSurface, WindowError> {
    let slots = video::slots(&desktop.engine);
    #[cfg(target_os = "linux")]
    if choice == SurfaceChoice::Native {
        match video::native_linux::attach(window, slots.clone(), desktop.layout.clone()) {
            Ok(()) => return Ok(VideoSurface::Native),
            Err(error) => tracing::warn!(%error, "pictures are drawn by the page"),
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (window, choice);
    let url = tauri::async_runtime::block_on(canvas::start(slots))?;
    Ok(VideoSurface::Canvas { url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webview_stays_on_our_page() {
        for ours in ["tauri://localhost/index.html", "http://tauri.localhost/", "https://tauri.localhost/"] {
            assert!(is_our_page(&ours.parse().unwrap()), "{ours}");
        }
        for other in
            ["https://example.org/", "file:///etc/passwd", "tauri://elsewhere/", "http://localhost:1/", "data:,x"]
        {
            assert!(!is_our_page(&other.parse().unwrap()), "{other}");
        }
    }
}
