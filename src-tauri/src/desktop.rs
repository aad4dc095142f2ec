//! What the shell keeps while it runs: the way to the engine, settings, recent calls, the hosted server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyeline_engine::{Command, EngineConfig, EngineGone, EngineHandle};
use eyeline_people::People;
use eyeline_seal::{Client, Identity, Server, SpokenCode};
use tokio::sync::SetOnce;

use crate::args::Args;
use crate::hosting::Hosted;
use crate::ipc::{AppState, CommandError, CommandErrorCode, Launch, RecentCall, Settings, VideoSurface};
use crate::profile::Keys;
use crate::recent::remember;
use crate::settings::{Chosen, differences, home_server};
use crate::store::Store;
use crate::video::layout::Layout;
use crate::{export, profile};

const SETTINGS: &str = "settings.json";
const RECENT: &str = "recent.json";

/// The shell's state, shared by all commands.
pub(crate) struct Desktop {
    /// The way to the engine.
    pub engine: EngineHandle,
    /// Where the page wants its pictures.
    pub layout: Arc<Layout>,
    /// How pictures reach the screen; known once the window is there.
    pub surface: SetOnce<VideoSurface>,
    store: Store,
    chosen: Mutex<Chosen>,
    recent: Mutex<Vec<RecentCall>>,
    hosted: tokio::sync::Mutex<Option<Hosted>>,
    launch: Launch,
    keys: Keys,
}

/// The settings kept in `store`, under what the command line says.
pub(crate) fn load_settings(store: &Store, args: &Args) -> Chosen {
    Chosen::new(store.load(SETTINGS), args)
}

/// How the engine starts with these settings.
pub(crate) fn engine_config(settings: &Settings, identity: Identity, people: People) -> EngineConfig {
    EngineConfig {
        identity: Some(Arc::new(identity)),
        people: Some(people),
        client: Client::Desktop,
        home_server: home_server(settings),
        do_not_disturb: settings.do_not_disturb,
        relay_only: settings.relay_only,
        name: settings.name.clone(),
        camera: settings.camera.clone(),
        microphone: settings.microphone.clone(),
        speaker: settings.speaker.clone(),
        video_quality: settings.video_quality,
        voice: settings.voice,
        ..EngineConfig::default()
    }
}

impl Desktop {
    /// Joins an engine with what is kept.
    pub(crate) fn new(engine: EngineHandle, store: Store, keys: Keys, chosen: Chosen, args: &Args) -> Self {
        let launch = Launch { in_call: args.host || args.join.is_some(), link: args.link.clone().unwrap_or_default() };
        Self {
            engine,
            layout: Arc::default(),
            surface: SetOnce::new(),
            recent: Mutex::new(store.load(RECENT)),
            store,
            chosen: Mutex::new(chosen),
            hosted: tokio::sync::Mutex::new(None),
            launch,
            keys,
        }
    }

    /// What the page needs to know; waits for the window.
    pub(crate) async fn state(&self) -> AppState {
        let surface = self.surface.wait().await.clone();
        AppState {
            settings: self.settings(),
            recent: lock(&self.recent).clone(),
            surface,
            launch: self.launch.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            platform: std::env::consts::OS.into(),
        }
    }

    /// Settings in force.
    pub(crate) fn settings(&self) -> Settings {
        lock(&self.chosen).in_force().clone()
    }

    /// Puts settings in force, tells the engine what changed, and keeps them.
    ///
    /// # Errors
    /// `BadServer` before anything changed; `CannotSave` after they came into force.
    pub(crate) async fn change_settings(&self, settings: Settings) -> Result<(), CommandError> {
        check_server(&settings.server)?;
        let (commands, kept) = {
            let mut chosen = lock(&self.chosen);
            let commands = differences(chosen.in_force(), &settings);
            (commands, chosen.edit(settings).clone())
        };
        for command in commands {
            self.engine.send(command).await?;
        }
        self.store.save(SETTINGS, &kept).map_err(|error| CommandError::new(CommandErrorCode::CannotSave, error))
    }

    /// Changes some of the settings in force; as [`change_settings`](Self::change_settings).
    ///
    /// # Errors
    /// See there.
    pub(crate) async fn adjust_settings(&self, adjust: impl FnOnce(&mut Settings)) -> Result<(), CommandError> {
        let mut settings = self.settings();
        adjust(&mut settings);
        self.change_settings(settings).await
    }

    /// Starts a call on the configured server, or on one of our own; with a code only on the former, where the other side
    /// looks for it.
    ///
    /// # Errors
    /// `BadServer`, `NoServer` or `CannotHost`.
    pub(crate) async fn start_call(&self, code: bool, relay_only: bool) -> Result<(), CommandError> {
        let server = match check_server(&self.settings().server)? {
            Some(server) => server.to_string(),
            None if code => return Err(no_server()),
            None => self.hosted_base().await?,
        };
        Ok(self.engine.send(Command::StartCall { server, code, relay_only }).await?)
    }

    /// Enters the call of a code, on `server` or else on the configured one.
    ///
    /// # Errors
    /// `BadCode`, `BadServer` or `NoServer`.
    pub(crate) async fn join_by_code(
        &self,
        server: Option<String>,
        code: String,
        relay_only: bool,
    ) -> Result<(), CommandError> {
        parse_code(&code)?;
        let server = check_server(&server.unwrap_or_default())?;
        let server = server.map_or_else(|| check_server(&self.settings().server), |server| Ok(Some(server)))?;
        let server = server.ok_or_else(no_server)?.to_string();
        Ok(self.engine.send(Command::JoinByCode { server, code, relay_only }).await?)
    }

    /// Writes all that is known of the user and of others to a file where they find it; its path.
    ///
    /// # Errors
    /// `CannotExport`.
    pub(crate) async fn export(&self) -> Result<PathBuf, CommandError> {
        let people = self.engine.export_people().await?;
        let recent = lock(&self.recent).clone();
        export::write(self.store.folder(), people, &self.settings(), &recent)
            .map_err(|error| CommandError::new(CommandErrorCode::CannotExport, error))
    }

    /// Forgets contacts, past calls and keys. From then on nobody knows this device.
    ///
    /// # Errors
    /// `CannotSave` when all but the keys is gone.
    pub(crate) async fn wipe_people(&self) -> Result<(), CommandError> {
        self.forget_calls();
        let identity = profile::new_identity().map_err(|error| CommandError::new(CommandErrorCode::Internal, error))?;
        let identity = Arc::new(identity);
        self.engine.send(Command::WipePeople { identity: identity.clone() }).await?;
        let keys = self.keys.clone();
        let kept = tokio::task::spawn_blocking(move || keys.keep(&identity)).await;
        let kept = kept.map_err(|error| CommandError::new(CommandErrorCode::Internal, error))?;
        kept.map_err(|error| CommandError::new(CommandErrorCode::CannotSave, error))
    }

    async fn hosted_base(&self) -> Result<String, CommandError> {
        let mut hosted = self.hosted.lock().await;
        if let Some(hosted) = hosted.as_ref() {
            return Ok(hosted.base());
        }
        let started = Hosted::start().await.map_err(|error| CommandError::new(CommandErrorCode::CannotHost, error))?;
        Ok(hosted.insert(started).base())
    }

    /// Keeps a call of the past.
    pub(crate) fn remember_call(&self, call: RecentCall) {
        self.change_recent(|recent| remember(recent, call));
    }

    /// Forgets the calls by this link.
    pub(crate) fn forget_call(&self, link: &str) {
        self.change_recent(|recent| recent.retain(|call| call.link != link));
    }

    /// Forgets all calls by link.
    pub(crate) fn forget_calls(&self) {
        self.change_recent(Vec::clear);
    }

    fn change_recent(&self, change: impl FnOnce(&mut Vec<RecentCall>)) {
        let mut recent = lock(&self.recent);
        change(&mut recent);
        if let Err(error) = self.store.save(RECENT, &*recent) {
            tracing::warn!(%error, "recent calls not saved");
        }
    }

    /// Stops the hosted server, if there is one.
    pub(crate) async fn stop_hosting(&self) {
        if let Some(hosted) = self.hosted.lock().await.take() {
            hosted.stop().await;
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_server() -> CommandError {
    CommandError::new(CommandErrorCode::NoServer, "no server is set")
}

/// The code a text means.
pub(crate) fn parse_code(text: &str) -> Result<SpokenCode, CommandError> {
    SpokenCode::parse(text).map_err(|error| CommandError::new(CommandErrorCode::BadCode, error))
}

/// The server a text means, `None` for an empty one.
fn check_server(text: &str) -> Result<Option<Server>, CommandError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    Server::parse(text).map(Some).map_err(|error| CommandError::new(CommandErrorCode::BadServer, error))
}

impl CommandError {
    /// An error and its reason.
    pub(crate) fn new(code: CommandErrorCode, reason: impl std::fmt::Display) -> Self {
        Self { code, detail: reason.to_string() }
    }
}

impl From<EngineGone> for CommandError {
    fn from(error: EngineGone) -> Self {
        Self::new(CommandErrorCode::Internal, error)
    }
}

impl From<tauri::Error> for CommandError {
    fn from(error: tauri::Error) -> Self {
        Self::new(CommandErrorCode::Internal, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_checked_before_it_is_used() {
        assert_eq!(check_server("  ").unwrap(), None);
        let shown = |text| check_server(text).unwrap().map(|server| server.to_string());
        assert_eq!(shown("calls.example.org").as_deref(), Some("https://calls.example.org"));
        assert_eq!(shown("http://192.168.1.5:7420/").as_deref(), Some("http://192.168.1.5:7420"));
        for bad in ["ftp://host", "a b", "https://", "host/path"] {
            assert_eq!(check_server(bad).unwrap_err().code, CommandErrorCode::BadServer, "{bad}");
        }
    }
}
