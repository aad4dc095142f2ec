//! Names the commands for Tauri's permissions and embeds the page.

use std::fs;
use std::path::Path;

/// Every command of `commands`; `capabilities` allows each one by name and window.
const COMMANDS: &[&str] = &[
    "app_state",
    "settings_save",
    "recent_forget",
    "call_start",
    "call_join",
    "call_join_code",
    "call_hang_up",
    "call_dismiss",
    "code_check",
    "code_complete",
    "code_copy",
    "code_new",
    "code_withdraw",
    "contact_ring",
    "contact_request",
    "contact_answer",
    "contact_rename",
    "contact_block",
    "contact_relay_only",
    "contact_presence",
    "contact_remove",
    "ring_accept",
    "ring_decline",
    "sas_confirm",
    "history_seen",
    "history_forget",
    "history_clear",
    "people_export",
    "people_wipe",
    "lobby_preview",
    "media_set_microphone",
    "media_set_camera",
    "media_select_camera",
    "media_select_microphone",
    "media_select_speaker",
    "devices_refresh",
    "link_check",
    "link_copy",
    "quality_report",
    "quality_copy",
    "video_layout",
    "window_set_full_screen",
];

/// Stands in for the page where it was not built, so that the shell compiles and its tests run without Node.
const NO_PAGE: &str = "<!doctype html><meta charset=\"utf-8\"><title>Eyeline</title><p>The page was not built: run \
                       <code>npm ci</code> and <code>npm run build</code> in <code>ui</code>, then build again.";

fn main() {
    let page = Path::new("../ui/dist/index.html");
    if !page.exists() {
        let written = fs::create_dir_all("../ui/dist").and_then(|()| fs::write(page, NO_PAGE));
        written.expect("the folder ui can be written");
    }
    println!("cargo:rerun-if-changed=../ui/dist");
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    let attributes = tauri_build::Attributes::new().app_manifest(manifest);
    tauri_build::try_build(attributes).expect("tauri.conf.json, the capabilities and the icons are valid");
}
