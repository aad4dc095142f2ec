//! The engine: one call, from devices to network, without a window.
//!
//! [`Engine::spawn`] starts it on the current tokio runtime; the [`EngineHandle`] takes [`Command`]s and shows
//! [`Snapshot`]s, sound levels and pictures.

mod active_call;
mod actor;
mod clock;
mod command;
mod contacts;
mod control;
mod devices;
mod figures;
mod history;
mod inlet;
mod invitation;
pub mod logging;
mod machine;
mod network;

mod reaching;
pub mod report;
mod session;
mod socket;
pub mod view;
mod wire;

use std::sync::Arc;

use eyeline_media::frame::{VideoCodec, VideoFrame};
use eyeline_media::observer::{MediaObserver, Unobserved};
use eyeline_media::slot::LatestSlot;
use eyeline_people::People;
use eyeline_seal::{Client, Identity};
use tokio::sync::{mpsc, oneshot, watch};

pub use crate::actor::EngineError;
use crate::actor::{Actor, CODECS, NOTES, Published, Question};
pub use crate::command::{Command, ContactChange};
pub use crate::devices::LocalMediaError;
use crate::view::{Levels, QualityReport, Snapshot};

/// Commands waiting for the engine. They are clicks: whoever sends waits when it is full.
const COMMANDS: usize = 64;

/// How an engine starts.
pub struct EngineConfig {
    /// Name the other side is shown.
    pub name: String,
    /// Camera to use, as for [`Command::SelectCamera`].
    pub camera: String,
    /// Microphone to use, as for [`Command::SelectMicrophone`].
    pub microphone: String,
    /// Speaker to use, as for [`Command::SelectSpeaker`].
    pub speaker: String,
    /// Ceiling for the picture we send.
    pub video_quality: view::VideoQuality,
    /// As for [`Command::SetVoice`].
    pub voice: view::VoiceProcessing,
    /// Codecs to offer, best first; as for [`Command::SetCodecs`].
    pub codecs: Vec<VideoCodec>,
    /// Sees frames and sound at the machine's edges.
    pub observer: Arc<dyn MediaObserver>,
    /// Our keys; new ones for this run if there are none.
    pub identity: Option<Arc<Identity>>,
    /// Contacts and past calls; kept in memory if there is no store.
    pub people: Option<People>,
    /// What kind of program we are, for the other side's display.
    pub client: Client,
    /// As for [`Command::SetHomeServer`].
    pub home_server: Option<String>,
    /// As for [`Command::SetDoNotDisturb`].
    pub do_not_disturb: bool,
    /// As for [`Command::SetRelayOnly`].
    pub relay_only: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            camera: "default".into(),
            microphone: "default".into(),
            speaker: "default".into(),
            video_quality: view::VideoQuality::default(),
            voice: view::VoiceProcessing::default(),
            codecs: CODECS.to_vec(),
            observer: Arc::new(Unobserved),
            identity: None,
            people: None,
            client: Client::Other,
            home_server: None,
            do_not_disturb: false,
            relay_only: false,
        }
    }
}

/// Starts engines.
pub struct Engine;

impl Engine {
    /// Starts an engine on the current tokio runtime. No device is opened before a preview or a call is asked for.
    ///
    /// # Errors
    /// [`EngineError`] as its variants say.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(config: EngineConfig) -> Result<EngineHandle, EngineError> {
        // Another part of the program may have chosen a provider already, which is as good.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let slots = Slots { remote: Arc::default(), self_view: Arc::default() };
        let (commands, command_inbox) = mpsc::channel(COMMANDS);
        let (notes, note_inbox) = mpsc::channel(NOTES);
        let (questions, question_inbox) = mpsc::channel(1);
        let (snapshots, _) = watch::channel(Arc::new(Snapshot::new(&config)));
        let (levels, _) = watch::channel(Levels::default());
        let handle = EngineHandle {
            commands,
            questions,
            snapshots: snapshots.subscribe(),
            levels: levels.subscribe(),
            slots: slots.clone(),
        };
        let actor = Actor::new(config, slots, notes, Published { snapshots, levels })?;
        tokio::spawn(actor.run(command_inbox, note_inbox, question_inbox));
        Ok(handle)
    }
}

/// Where pictures for drawing are put.
#[derive(Clone)]
pub(crate) struct Slots {
    pub(crate) remote: Arc<LatestSlot<VideoFrame>>,
    pub(crate) self_view: Arc<LatestSlot<VideoFrame>>,
}

/// A picture the engine offers for drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tile {
    /// The other side.
    Remote,
    /// Our own camera, not mirrored.
    SelfView,
}

/// The engine stopped.
#[derive(Debug, thiserror::Error)]
#[error("the engine has stopped")]
pub struct EngineGone;

/// The way to a running engine; clones share it. The engine ends when the last one is dropped.
#[derive(Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Command>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    levels: watch::Receiver<Levels>,
    questions: mpsc::Sender<Question>,
    slots: Slots,
}

impl EngineHandle {
    /// Asks for something; waits while the engine's queue of 64 commands is full.
    ///
    /// # Errors
    /// [`EngineGone`] when the engine has stopped.
    pub async fn send(&self, command: Command) -> Result<(), EngineGone> {
        self.commands.send(command).await.map_err(|_| EngineGone)
    }

    /// Hangs up, says goodbye to the other side and to the server, and ends the engine. Takes two seconds at most.
    pub async fn shut_down(&self) {
        let (done, when_done) = oneshot::channel();
        if self.questions.send(Question::Stop(done)).await.is_ok() {
            // An engine that ended meanwhile is what was asked for.
            let _ended = when_done.await;
        }
    }

    /// Everything that is known about people, for the user to keep: no private keys, nothing that lets somebody ring.
    ///
    /// # Errors
    /// [`EngineGone`] when the engine has stopped.
    pub async fn export_people(&self) -> Result<serde_json::Value, EngineGone> {
        let (answer, when_answered) = oneshot::channel();
        self.questions.send(Question::Export(answer)).await.map_err(|_| EngineGone)?;
        when_answered.await.map_err(|_| EngineGone)
    }

    /// How good the call is, or the last one was: its last figures and those of the minutes before. `None` before the first
    /// second of a first call.
    ///
    /// # Errors
    /// [`EngineGone`] when the engine has stopped.
    pub async fn quality(&self) -> Result<Option<QualityReport>, EngineGone> {
        let (answer, when_answered) = oneshot::channel();
        self.questions.send(Question::Quality(answer)).await.map_err(|_| EngineGone)?;
        when_answered.await.map_err(|_| EngineGone)
    }

    /// The newest snapshot and every later one.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Sound levels.
    pub fn levels(&self) -> watch::Receiver<Levels> {
        self.levels.clone()
    }

    /// The slot of a picture: one reader per tile.
    pub fn video(&self, tile: Tile) -> Arc<LatestSlot<VideoFrame>> {
        match tile {
            Tile::Remote => self.slots.remote.clone(),
            Tile::SelfView => self.slots.self_view.clone(),
        }
    }
}
