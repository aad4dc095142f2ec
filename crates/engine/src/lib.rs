//! The engine: one call, from devices to network, without a window.
//!
//! [`Engine::spawn`] starts it on the current tokio runtime; the [`EngineHandle`] takes [`Command`]s and shows
//! [`Snapshot`](view::Snapshot)s, sound levels and pictures.

mod command;
pub mod view;

use std::sync::Arc;

use eyeline_media::frame::VideoFrame;
use eyeline_media::observer::MediaObserver;
use eyeline_media::slot::LatestSlot;
use tokio::sync::{mpsc, watch};

pub use crate::command::Command;
use crate::view::{Levels, Snapshot};

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
    /// Sees frames and sound at the machine's edges.
    pub observer: Arc<dyn MediaObserver>,
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
    remote: Arc<LatestSlot<VideoFrame>>,
    self_view: Arc<LatestSlot<VideoFrame>>,
}

impl EngineHandle {
    /// Asks for something; waits while the engine's queue of 64 commands is full.
    ///
    /// # Errors
    /// [`EngineGone`] when the engine has stopped.
    pub async fn send(&self, command: Command) -> Result<(), EngineGone> {
        self.commands.send(command).await.map_err(|_| EngineGone)
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
            Tile::Remote => self.remote.clone(),
            Tile::SelfView => self.self_view.clone(),
        }
    }
}
