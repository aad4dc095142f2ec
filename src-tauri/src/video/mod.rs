//! From the engine's slots to the screen.
//!
//! Each tile has one thread that reads its slot ([`reader`]). On Linux it converts the picture for GTK, which draws it
//! under the page (`native_linux`); elsewhere, and as the fallback, it feeds the page's canvases over a loopback WebSocket
//! ([`canvas`]). The page names the rectangles either way ([`layout`]).

pub(crate) mod canvas;
pub(crate) mod frames;
pub(crate) mod layout;
#[cfg(target_os = "linux")]
pub(crate) mod native_linux;
#[cfg(target_os = "linux")]
pub(crate) mod picture;
pub(crate) mod reader;

use std::sync::Arc;

use eyeline_engine::{EngineHandle, Tile};
use eyeline_media::frame::VideoFrame;
use eyeline_media::slot::LatestSlot;

use crate::ipc::TileName;

/// The pictures there are.
pub(crate) const TILES: [TileName; 2] = [TileName::Remote, TileName::SelfView];

/// Where the pictures of one tile come from.
pub(crate) type FrameSlot = Arc<LatestSlot<VideoFrame>>;

/// The engine's slots, in the order of [`TILES`].
pub(crate) fn slots(engine: &EngineHandle) -> [FrameSlot; 2] {
    TILES.map(|tile| match tile {
        TileName::Remote => engine.video(Tile::Remote),
        TileName::SelfView => engine.video(Tile::SelfView),
    })
}
