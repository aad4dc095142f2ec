//! What the page may ask for about other people: codes, rings, contacts, past calls.

use eyeline_engine::{Command, ContactChange};
use tauri::{AppHandle, State};

use super::Answer;
use crate::desktop::Desktop;
use crate::{events, window};

#[tauri::command]
pub(crate) async fn code_new(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::NewCode).await?)
}

#[tauri::command]
pub(crate) async fn code_withdraw(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::WithdrawCode).await?)
}

#[tauri::command]
pub(crate) async fn contact_ring(desktop: State<'_, Desktop>, contact: String) -> Answer {
    Ok(desktop.engine.send(Command::RingContact { contact }).await?)
}

#[tauri::command]
pub(crate) async fn contact_request(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::RequestContact).await?)
}

#[tauri::command]
pub(crate) async fn contact_answer(desktop: State<'_, Desktop>, accept: bool) -> Answer {
    Ok(desktop.engine.send(Command::AnswerContact(accept)).await?)
}

#[tauri::command]
pub(crate) async fn contact_rename(desktop: State<'_, Desktop>, contact: String, name: String) -> Answer {
    change(&desktop, contact, ContactChange::Rename(name)).await
}

#[tauri::command]
pub(crate) async fn contact_block(desktop: State<'_, Desktop>, contact: String, blocked: bool) -> Answer {
    change(&desktop, contact, ContactChange::Block(blocked)).await
}

#[tauri::command]
pub(crate) async fn contact_relay_only(desktop: State<'_, Desktop>, contact: String, on: bool) -> Answer {
    change(&desktop, contact, ContactChange::RelayOnly(on)).await
}

#[tauri::command]
pub(crate) async fn contact_presence(desktop: State<'_, Desktop>, contact: String, on: bool) -> Answer {
    change(&desktop, contact, ContactChange::Presence(on)).await
}

#[tauri::command]
pub(crate) async fn contact_remove(desktop: State<'_, Desktop>, contact: String) -> Answer {
    change(&desktop, contact, ContactChange::Remove).await
}

/// The call is in the main window, from whichever window it was accepted.
#[tauri::command]
pub(crate) async fn ring_accept(app: AppHandle, desktop: State<'_, Desktop>, camera: bool) -> Answer {
    desktop.engine.send(Command::AcceptRing { camera }).await?;
    window::show(&app);
    Ok(())
}

#[tauri::command]
pub(crate) async fn ring_decline(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::DeclineRing).await?)
}

#[tauri::command]
pub(crate) async fn sas_confirm(desktop: State<'_, Desktop>, matches: bool) -> Answer {
    Ok(desktop.engine.send(Command::ConfirmSas(matches)).await?)
}

#[tauri::command]
pub(crate) async fn history_seen(desktop: State<'_, Desktop>) -> Answer {
    Ok(desktop.engine.send(Command::MissedSeen).await?)
}

#[tauri::command]
pub(crate) async fn history_forget(desktop: State<'_, Desktop>, id: i64) -> Answer {
    Ok(desktop.engine.send(Command::ForgetPastCall(id)).await?)
}

/// What the engine forgets of past calls, the shell forgets as well.
#[tauri::command]
pub(crate) async fn history_clear(app: AppHandle, desktop: State<'_, Desktop>) -> Answer {
    desktop.forget_calls();
    events::tell_app_state(&app, &desktop).await;
    Ok(desktop.engine.send(Command::ClearHistory).await?)
}

#[tauri::command]
pub(crate) async fn people_export(desktop: State<'_, Desktop>) -> Answer<String> {
    Ok(desktop.export().await?.display().to_string())
}

#[tauri::command]
pub(crate) async fn people_wipe(app: AppHandle, desktop: State<'_, Desktop>) -> Answer {
    let result = desktop.wipe_people().await;
    events::tell_app_state(&app, &desktop).await;
    result
}

async fn change(desktop: &Desktop, contact: String, change: ContactChange) -> Answer {
    Ok(desktop.engine.send(Command::Contact { contact, change }).await?)
}
