//! Text for the clipboard.

/// The clipboard took nothing.
#[derive(Debug, thiserror::Error)]
#[error("the clipboard took nothing: {0}")]
pub(crate) struct ClipboardError(String);

/// Puts `text` on the clipboard. Call on the main thread.
///
/// # Errors
/// When the system has no clipboard or refuses.
#[cfg(target_os = "linux")]
pub(crate) fn copy(text: &str) -> Result<(), ClipboardError> {
    let display = gtk::gdk::Display::default().ok_or_else(|| ClipboardError("no display".into()))?;
    let clipboard = gtk::Clipboard::default(&display).ok_or_else(|| ClipboardError("no clipboard".into()))?;
    clipboard.set_text(text);
    clipboard.store(); // where a clipboard manager runs, the link survives the app
    Ok(())
}

/// Puts `text` on the clipboard. Call on the main thread.
///
/// # Errors
/// When the system has no clipboard or refuses.
#[cfg(not(target_os = "linux"))]
pub(crate) fn copy(text: &str) -> Result<(), ClipboardError> {
    let mut clipboard = arboard::Clipboard::new().map_err(|error| ClipboardError(error.to_string()))?;
    clipboard.set_text(text).map_err(|error| ClipboardError(error.to_string()))
}
