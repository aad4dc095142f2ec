//! What the page may ask for: convert, send, convert back. Arguments and answers are in `ipc.rs`.

pub(crate) mod people;

use eyeline_engine::Command;
use eyeline_engine::view::QualityReport;
use eyeline_seal::{Link, complete};
use tauri::{AppHandle, State, WebviewWindow};

use crate::clipboard;
use crate::desktop::{Desktop, parse_code};
use crate::events;
use crate::ipc::{AppState, CodeCheck, CommandError, CommandErrorCode, LinkCheck, Settings, TileLayout};

/// Words offered for what was typed of one.
const COMPLETIONS_MAX: usize = 8;

/// Longest text of figures the page may put on the clipboard: some five times as long as it is.
const REPORT_BYTES_MAX: usize = 16 * 1_024;

type Answer<T = ()> = Result<T, CommandError>;

#[tauri::command]
pub(crate) async fn app_state(app: AppHandle, desktop: State<'_, Desktop>) -> Answer<AppState> {
    let state = desktop.state().await;
    events::repeat_snapshot(&app, &desktop);
    Ok(state)
}

#[tauri::command]
pub(crate) async fn settings_save(app: AppHandle, desktop: State<'_, Desktop>, settings: Settings) -> Answer {
    let result = desktop.change_settings(settings).await;
    events::tell_app_state(&app, &desktop).await;
    result
}

#[tauri::command]
pub(crate) async fn recent_forget(app: AppHandle, desktop: State<'_, Desktop>, link: String) -> Answer {
    desktop.forget_call(&link);
    events::tell_app_state(&app, &desktop).await;
    Ok(())
}

#[tauri::command(rename_all = "snake_case")]
pub(crate) async fn call_start(desktop: State<'_, Desktop>, code: bool, relay_only: bool) -> Answer {
    desktop.start_call(code, relay_only).await
}

#[tauri::command(rename_all = "snake_case")]
pub(crate) async fn call_join(desktop: State<'_, Desktop>, link: String, relay_only: bool) -> Answer {
    parse_link(&link)?;
    Ok(desktop.engine.send(Command::JoinCall { link, relay_only }).await?)
}

#[tauri::command(rename_all = "snake_case")]
pub(crate) async fn call_join_code(
    desktop: State<'_, Desktop>,
    server: Option<String>,
    code: String,
    relay_only: bool,
) -> Answer {
    desktop.join_by_code(server, code, relay_only).await
}

#[tauri::command]
pub(crate) async fn call_hang_up(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::HangUp).await?)
}

#[tauri::command]
pub(crate) async fn call_dismiss(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::Dismiss).await?)
}

#[tauri::command]
pub(crate) async fn lobby_preview(desktop: State<'_, Desktop>, on: bool) -> Answer {
    Ok(desktop.engine.send(Command::Preview(on)).await?)
}

#[tauri::command]
pub(crate) async fn media_set_microphone(desktop: State<'_, Desktop>, on: bool) -> Answer {
    Ok(desktop.engine.send(Command::SetMicrophone(on)).await?)
}

#[tauri::command]
pub(crate) async fn media_set_camera(desktop: State<'_, Desktop>, on: bool) -> Answer {
    Ok(desktop.engine.send(Command::SetCamera(on)).await?)
}

#[tauri::command]
pub(crate) async fn media_select_camera(app: AppHandle, desktop: State<'_, Desktop>, id: String) -> Answer {
    let result = desktop.adjust_settings(|settings| settings.camera = id).await;
    events::tell_app_state(&app, &desktop).await;
    result
}

#[tauri::command]
pub(crate) async fn media_select_microphone(app: AppHandle, desktop: State<'_, Desktop>, id: String) -> Answer {
    let result = desktop.adjust_settings(|settings| settings.microphone = id).await;
    events::tell_app_state(&app, &desktop).await;
    result
}

#[tauri::command]
pub(crate) async fn media_select_speaker(app: AppHandle, desktop: State<'_, Desktop>, id: String) -> Answer {
    let result = desktop.adjust_settings(|settings| settings.speaker = id).await;
    events::tell_app_state(&app, &desktop).await;
    result
}

#[tauri::command]
pub(crate) async fn devices_refresh(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::RefreshDevices).await?)
}

#[tauri::command]
pub(crate) fn link_check(link: &str) -> LinkCheck {
    match parse_link(link) {
        Ok(link) => LinkCheck { valid: true, host: link.server().host().to_owned() },
        Err(_) => LinkCheck { valid: false, host: String::new() },
    }
}

/// Not async: the clipboard wants the main thread.
#[tauri::command]
pub(crate) fn link_copy(link: &str) -> Answer {
    let link = parse_link(link)?;
    clipboard::copy(&link.to_string()).map_err(|error| CommandError::new(CommandErrorCode::Internal, error))
}

#[tauri::command]
pub(crate) async fn quality_report(desktop: State<'_, Desktop>) -> Answer<Option<QualityReport>> {
    Ok(desktop.engine.quality().await?)
}

/// Not async: the clipboard wants the main thread.
#[tauri::command]
pub(crate) fn quality_copy(text: &str) -> Answer {
    if text.len() > REPORT_BYTES_MAX {
        return Err(CommandError::new(CommandErrorCode::Internal, "too long for a report"));
    }
    clipboard::copy(text).map_err(|error| CommandError::new(CommandErrorCode::Internal, error))
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub(crate) fn video_layout(desktop: State<'_, Desktop>, tiles: Vec<TileLayout>) {
    desktop.layout.set(tiles);
}

#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub(crate) fn window_set_full_screen(window: WebviewWindow, on: bool) -> Answer {
    Ok(window.set_fullscreen(on)?)
}

#[tauri::command]
pub(crate) fn code_check(code: &str) -> CodeCheck {
    let problem = parse_code(code).err().map(|error| error.detail);
    CodeCheck { ok: problem.is_none(), problem }
}

#[tauri::command]
pub(crate) fn code_complete(prefix: &str) -> Vec<&'static str> {
    if prefix.trim().is_empty() { Vec::new() } else { complete(prefix).take(COMPLETIONS_MAX).collect() }
}

/// Not async: the clipboard wants the main thread.
#[tauri::command]
pub(crate) fn code_copy(code: &str) -> Answer {
    let code = parse_code(code)?;
    clipboard::copy(&code.to_string()).map_err(|error| CommandError::new(CommandErrorCode::Internal, error))
}

fn parse_link(text: &str) -> Result<Link, CommandError> {
    Link::parse(text).map_err(|error| CommandError::new(CommandErrorCode::BadLink, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_checked() {
        let link = Link::new("http://192.168.1.20:7420", [7; 16]).unwrap();
        let good = LinkCheck { valid: true, host: "192.168.1.20".into() };
        assert_eq!(link_check(&format!("  {link} ")), good);
        assert_eq!(link_check(&link.app_url()), good);
        for bad in ["", "hello", "https://example.org/", "https://example.org/j#1.short"] {
            assert!(!link_check(bad).valid, "{bad}");
            assert_eq!(parse_link(bad).unwrap_err().code, CommandErrorCode::BadLink);
        }
    }

    #[test]
    fn codes_are_checked_and_words_completed() {
        let code = "7-amber-violin";
        assert_eq!(code_check("  7 Amber VIOLIN "), CodeCheck { ok: true, problem: None });
        let bad = code_check("7-amber-vilin");
        assert!(!bad.ok && bad.problem.as_deref().is_some_and(|problem| problem.contains("vilin")), "{bad:?}");
        assert_eq!(parse_code("").unwrap_err().code, CommandErrorCode::BadCode);
        assert_eq!(parse_code(code).unwrap().to_string(), code);

        assert!(code_complete(" ").is_empty());
        let words = code_complete("A");
        assert_eq!(words.len(), COMPLETIONS_MAX);
        assert!(words.is_sorted() && words.iter().all(|word| word.starts_with('a')), "{words:?}");
        assert_eq!(code_complete("amber"), ["amber"]);
        assert!(code_complete("amberx").is_empty());
    }
}
