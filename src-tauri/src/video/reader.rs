//! The thread that reads one tile's slot.

use std::sync::Arc;
use std::time::Duration;

use eyeline_media::frame::VideoFrame;
use eyeline_media::slot::Taken;

use super::FrameSlot;
use super::layout::Layout;
use crate::ipc::{TileLayout, TileName};

/// How soon a picture that no longer changes follows a change of its rectangle.
const LAYOUT_POLL: Duration = Duration::from_millis(100);

/// What a reader tells.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// A picture to show in this rectangle: a new one, or the last one again because the rectangle changed.
    Picture(&'a VideoFrame, &'a TileLayout),
    /// The tile left the page: forget its picture.
    Gone,
}

/// Starts the reader of `tile`. It calls `tell` on a thread of its own until the slot is closed. Pictures that arrive while
/// the tile is not on the page are dropped unseen.
///
/// # Errors
/// When the system cannot start a thread.
pub(crate) fn start(
    tile: TileName,
    slot: FrameSlot,
    layout: Arc<Layout>,
    mut tell: impl FnMut(Seen<'_>) + Send + 'static,
) -> std::io::Result<()> {
    let run = move || {
        let mut last: Option<VideoFrame> = None;
        let mut shown: Option<TileLayout> = None;
        loop {
            let fresh = match slot.take(LAYOUT_POLL) {
                Taken::Value(frame) => Some(frame),
                Taken::TimedOut => None,
                Taken::Closed => return,
            };
            let Some(wanted) = layout.get(tile) else {
                last = None;
                if shown.take().is_some() {
                    tell(Seen::Gone);
                }
                continue;
            };
            let is_fresh = fresh.is_some();
            last = fresh.or(last);
            if let Some(frame) = last.as_ref().filter(|_| is_fresh || shown != Some(wanted)) {
                tell(Seen::Picture(frame, &wanted));
                shown = Some(wanted);
            }
        }
    };
    std::thread::Builder::new().name(format!("show-{tile:?}").to_lowercase()).spawn(run)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use eyeline_media::frame::{FrameTimes, I420Buffer};
    use eyeline_media::slot::LatestSlot;

    use super::*;
    use crate::ipc::Fit;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn frame(index: u64) -> VideoFrame {
        VideoFrame { picture: Arc::new(I420Buffer::black(2, 2)), index, times: FrameTimes::default() }
    }

    fn rectangle(width: f64) -> TileLayout {
        let (tile, fit) = (TileName::Remote, Fit::Contain);
        TileLayout { tile, x: 0.0, y: 0.0, width, height: 10.0, fit, mirror: false, radius: 0.0 }
    }

    #[test]
    fn a_picture_is_told_again_when_its_rectangle_changes_and_forgotten_when_it_goes() {
        let (slot, layout) = (Arc::new(LatestSlot::default()), Arc::new(Layout::default()));
        let (told, seen) = mpsc::sync_channel(8);
        let tell = move |event: Seen<'_>| {
            let event = match event {
                Seen::Picture(frame, layout) => Some((frame.index, layout.width)),
                Seen::Gone => None,
            };
            told.send(event).unwrap();
        };
        layout.set(vec![rectangle(10.0)]);
        start(TileName::Remote, slot.clone(), layout.clone(), tell).unwrap();
        slot.put(frame(1));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), Some((1, 10.0)));
        layout.set(vec![rectangle(20.0)]);
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), Some((1, 20.0)));
        layout.set(vec![]);
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), None);
        layout.set(vec![rectangle(20.0)]);
        slot.put(frame(2));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), Some((2, 20.0)), "the old picture does not come back");
        slot.close();
        assert!(seen.recv_timeout(PATIENCE).is_err(), "the thread ends with the slot");
    }
}
