//! Everything that crosses between the page and the shell besides the engine's own views: plain data, exported to TypeScript.
//!
//! Commands the page may invoke (names in `snake_case`, `domain_verb`):
//!
//! | command | arguments | answer |
//! |---|---|---|
//! | `app_state` | | [`AppState`] |
//! | `settings_save` | `settings: Settings` | |
//! | `recent_forget` | `link: string` | |
//! | `call_start` | `code: bool, relay_only: bool` | |
//! | `call_join` | `link: string, relay_only: bool` | |
//! | `call_join_code` | `server: string \| null` (the settings' one), `code: string, relay_only: bool` | |
//! | `call_hang_up` | | |
//! | `call_dismiss` | | |
//! | `code_new` | | |
//! | `code_withdraw` | | |
//! | `code_check` | `code: string` | [`CodeCheck`] |
//! | `code_complete` | `prefix: string` | words that begin so, at most 8: `string[]` |
//! | `code_copy` | `code: string` | |
//! | `contact_ring` | `contact: string` | |
//! | `contact_request` | | |
//! | `contact_answer` | `accept: bool` | |
//! | `contact_rename` | `contact: string, name: string` | |
//! | `contact_block` | `contact: string, blocked: bool` | |
//! | `contact_relay_only` | `contact: string, on: bool` | |
//! | `contact_presence` | `contact: string, on: bool` | |
//! | `contact_remove` | `contact: string` | |
//! | `ring_accept` | `camera: bool` | |
//! | `ring_decline` | | |
//! | `sas_confirm` | `matches: bool` | |
//! | `history_seen` | | |
//! | `history_forget` | `id: number` | |
//! | `history_clear` | (recent calls as well) | |
//! | `people_export` | | path of the file written: `string` |
//! | `people_wipe` | (contacts, history, keys, recent calls) | |
//! | `lobby_preview` | `on: bool` | |
//! | `media_set_microphone` | `on: bool` | |
//! | `media_set_camera` | `on: bool` | |
//! | `media_select_camera` | `id: string` | |
//! | `media_select_microphone` | `id: string` | |
//! | `media_select_speaker` | `id: string` | |
//! | `devices_refresh` | | |
//! | `link_check` | `link: string` | [`LinkCheck`] |
//! | `link_copy` | `link: string` | |
//! | `quality_report` | | figures of the call, or of the last one: `QualityReport \| null` |
//! | `quality_copy` | `text: string` | |
//! | `video_layout` | `tiles: TileLayout[]` | |
//! | `window_set_full_screen` | `on: bool` | |
//!
//! Events the shell emits: `snapshot` (the engine's `Snapshot`), `levels` (its `Levels`), `app_state` ([`AppState`], when it
//! changed). A command that fails answers with a [`CommandError`].
//!
//! While somebody rings and the main window is not in front, the shell shows a second window with the same page,
//! `index.html?window=ring`. It may call `app_state`, `ring_accept` and `ring_decline` only, and the shell closes it.

use eyeline_engine::view::{VideoQuality, VoiceProcessing};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the page needs to know of the app besides the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct AppState {
    /// The user's settings.
    pub settings: Settings,
    /// Calls of the past, newest first, at most 20.
    pub recent: Vec<RecentCall>,
    /// How pictures reach the screen.
    pub surface: VideoSurface,
    /// What the app was started to do.
    pub launch: Launch,
    /// Version of the app.
    pub version: String,
    /// `linux`, `macos` or `windows`.
    pub platform: String,
}

/// What the user chose; kept between runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct Settings {
    /// Name the other side is shown.
    pub name: String,
    /// Base address of the signaling server; empty means this app hosts its calls itself.
    pub server: String,
    /// Camera id, or `default`.
    pub camera: String,
    /// Microphone id, or `default`.
    pub microphone: String,
    /// Speaker id, or `default`.
    pub speaker: String,
    /// Ceiling for the picture we send.
    pub video_quality: VideoQuality,
    /// What is done to the microphone's sound before it is sent.
    pub voice: VoiceProcessing,
    /// Colours of the window.
    pub theme: Theme,
    /// Rings are not shown; they become missed calls.
    pub do_not_disturb: bool,
    /// No call ever tells the other side our address.
    pub relay_only: bool,
    /// Closing the window leaves the app running, so that contacts can ring.
    pub keep_in_tray: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            server: String::new(),
            camera: "default".into(),
            microphone: "default".into(),
            speaker: "default".into(),
            video_quality: VideoQuality::default(),
            voice: VoiceProcessing::default(),
            theme: Theme::default(),
            do_not_disturb: false,
            relay_only: false,
            keep_in_tray: false,
        }
    }
}

/// Colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A call of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RecentCall {
    /// Its link.
    pub link: String,
    /// The other side's name, empty when unknown.
    pub name: String,
    /// When it began, unix milliseconds.
    #[ts(type = "number")]
    pub at_unix_ms: i64,
    /// How long it lasted, milliseconds; 0 when nobody came.
    #[ts(type = "number")]
    pub duration_ms: i64,
}

/// How pictures reach the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum VideoSurface {
    /// The shell draws them under the page; the page leaves transparent holes and says where by `video_layout`.
    Native,
    /// The page draws them on canvases, fed by this WebSocket.
    Canvas {
        /// `ws://127.0.0.1:PORT/TOKEN`. Binary messages: see `frames.rs`.
        url: String,
    },
}

/// What the app was started to do (command line, or a link that was opened).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Launch {
    /// Go straight into a call: the page skips home and lobby.
    pub in_call: bool,
    /// A link to show in the lobby; empty for none.
    pub link: String,
}

/// Whether a pasted text is a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct LinkCheck {
    /// It is one.
    pub valid: bool,
    /// Host it leads to; empty when invalid.
    pub host: String,
}

/// Whether a typed text is a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CodeCheck {
    /// It is one.
    pub ok: bool,
    /// Why it is none, as a plain English sentence.
    pub problem: Option<String>,
}

/// Where one picture is drawn, in CSS pixels of the page.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TileLayout {
    /// Which picture.
    pub tile: TileName,
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// How the picture fills the rectangle.
    pub fit: Fit,
    /// Mirrored left to right.
    pub mirror: bool,
    /// Corner radius.
    pub radius: f64,
}

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum TileName {
    /// The other side.
    Remote,
    /// Our own camera.
    SelfView,
}

/// How a picture fills its rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Fit {
    /// All of it is seen, with bars where the shapes differ.
    Contain,
    /// The rectangle is filled, edges are cut.
    Cover,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct CommandError {
    /// What went wrong.
    pub code: CommandErrorCode,
    /// For the log and for bug reports, not for matching.
    pub detail: String,
}

/// What went wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum CommandErrorCode {
    /// The text is not an Eyeline link.
    BadLink,
    /// The text is not the address of a server.
    BadServer,
    /// The app could not open a port to host the call.
    CannotHost,
    /// The settings could not be written.
    CannotSave,
    /// The text is not a code.
    BadCode,
    /// A code needs a server, and none is set.
    NoServer,
    /// The exported file could not be written.
    CannotExport,
    /// Anything else.
    Internal,
}
