//! Where pictures go: the page's rectangles, shared between threads, and the arithmetic of placing a picture in one.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::ipc::{Fit, TileLayout, TileName};

/// Rectangles the page may name; there are two pictures. More are ignored.
const TILES_MAX: usize = 2;

/// Longest side of a rectangle on the screen, in device pixels. A larger one is not drawn.
const TARGET_SIDE_MAX: f64 = 8_192.0;

/// How far an edge may miss a whole pixel and still count as on it: the page's numbers come of 1/64 steps and of sums.
const NOISE: f64 = 1.0 / 64.0;

/// The rectangles the page asked for last.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    tiles: Mutex<Vec<TileLayout>>,
    changed: Notify,
}

impl Layout {
    /// Replaces all rectangles; later ones lie on top of earlier ones.
    pub(crate) fn set(&self, mut tiles: Vec<TileLayout>) {
        tiles.truncate(TILES_MAX);
        *self.tiles.lock().unwrap_or_else(PoisonError::into_inner) = tiles;
        self.changed.notify_one();
    }

    /// The rectangle of one picture; `None` while it is not on the page.
    pub(crate) fn get(&self, tile: TileName) -> Option<TileLayout> {
        self.all().into_iter().find(|layout| layout.tile == tile)
    }

    /// All rectangles, lowest first.
    pub(crate) fn all(&self) -> Vec<TileLayout> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a change since the last wait. For one waiter.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// A rectangle of whole device pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// Left edge, may be off the screen.
    pub x: i32,
    /// Top edge, may be off the screen.
    pub y: i32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

/// How one picture lands in its rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placement {
    /// The part of the picture that is seen: left, top, width, height in picture pixels.
    pub source: [f64; 4],
    /// Where that part is drawn.
    pub target: Area,
}

/// The rectangle in device pixels, edges moved outwards to whole ones so that no strip of ground shows in the page's hole;
/// `None` when it is empty, too large or not a number.
pub(crate) fn area(layout: &TileLayout, scale: f64) -> Option<Area> {
    let (x, y) = (layout.x * scale, layout.y * scale);
    let (right, bottom) = (x + layout.width * scale, y + layout.height * scale);
    let edges = [(x + NOISE).floor(), (y + NOISE).floor(), (right - NOISE).ceil(), (bottom - NOISE).ceil()];
    let [left, top, right, bottom] = edges;
    let sides = 1.0..=TARGET_SIDE_MAX;
    let on_screen = edges.iter().all(|edge| edge.abs() <= 4.0 * TARGET_SIDE_MAX);
    (on_screen && sides.contains(&(right - left)) && sides.contains(&(bottom - top))).then(|| Area {
        x: whole(left),
        y: whole(top),
        width: whole(right - left).unsigned_abs(),
        height: whole(bottom - top).unsigned_abs(),
    })
}

/// Places a picture of `width` by `height` pixels in a rectangle.
pub(crate) fn place(width: u32, height: u32, layout: &TileLayout, scale: f64) -> Option<Placement> {
    let tile = area(layout, scale)?;
    let (picture_w, picture_h) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let (tile_w, tile_h) = (f64::from(tile.width), f64::from(tile.height));
    let (across, down) = (tile_w / picture_w, tile_h / picture_h);
    Some(match layout.fit {
        Fit::Cover => {
            let zoom = across.max(down);
            let (seen_w, seen_h) = ((tile_w / zoom).min(picture_w), (tile_h / zoom).min(picture_h));
            Placement { source: [(picture_w - seen_w) / 2.0, (picture_h - seen_h) / 2.0, seen_w, seen_h], target: tile }
        }
        Fit::Contain => {
            let zoom = across.min(down);
            let drawn_w = whole((picture_w * zoom).round().clamp(1.0, tile_w));
            let drawn_h = whole((picture_h * zoom).round().clamp(1.0, tile_h));
            let target = Area {
                x: tile.x + (whole(tile_w) - drawn_w) / 2,
                y: tile.y + (whole(tile_h) - drawn_h) / 2,
                width: drawn_w.unsigned_abs(),
                height: drawn_h.unsigned_abs(),
            };
            Placement { source: [0.0, 0.0, picture_w, picture_h], target }
        }
    })
}

#[expect(clippy::cast_possible_truncation, reason = "callers bound the value far below i32::MAX")]
fn whole(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(x: f64, y: f64, width: f64, height: f64, fit: Fit) -> TileLayout {
        TileLayout { tile: TileName::Remote, x, y, width, height, fit, mirror: false, radius: 0.0 }
    }

    #[test]
    fn contain_shows_all_of_the_picture_in_the_middle() {
        let placed = place(1280, 720, &tile(10.0, 20.0, 640.0, 480.0, Fit::Contain), 1.0).unwrap();
        assert_eq!(placed.source, [0.0, 0.0, 1280.0, 720.0]);
        assert_eq!(placed.target, Area { x: 10, y: 80, width: 640, height: 360 });
    }

    #[test]
    fn cover_fills_the_rectangle_and_cuts_edges_evenly() {
        let placed = place(1280, 720, &tile(0.0, 0.0, 100.0, 100.0, Fit::Cover), 2.0).unwrap();
        assert_eq!(placed.source, [280.0, 0.0, 720.0, 720.0]);
        assert_eq!(placed.target, Area { x: 0, y: 0, width: 200, height: 200 });
    }

    #[test]
    fn neighbours_with_fractional_edges_leave_no_gap() {
        let left = area(&tile(0.0, 0.0, 100.5, 10.0, Fit::Cover), 1.5).unwrap();
        let right = area(&tile(100.5, 0.0, 99.5, 10.0, Fit::Cover), 1.5).unwrap();
        assert_eq!((left.width, left.height, right.x), (151, 15, 150));
        let noisy = area(&tile(9.999, 0.0, 100.002, 10.0, Fit::Cover), 1.0).unwrap();
        assert_eq!((noisy.x, noisy.width), (10, 100));
    }

    #[test]
    fn senseless_rectangles_are_not_drawn() {
        for (x, width, scale) in [
            (0.0, 0.0, 1.0),
            (0.0, -5.0, 1.0),
            (f64::NAN, 10.0, 1.0),
            (0.0, 1e12, 1.0),
            (1e300, 10.0, 1.0),
            (0.0, 9.0, 0.0),
        ] {
            assert_eq!(place(640, 480, &tile(x, 0.0, width, 10.0, Fit::Contain), scale), None, "{x} {width} {scale}");
        }
    }

    #[test]
    fn the_page_names_at_most_two_rectangles() {
        let layout = Layout::default();
        layout.set(vec![tile(0.0, 0.0, 1.0, 1.0, Fit::Cover); 1_000]);
        assert_eq!(layout.all().len(), TILES_MAX);
        assert_eq!(layout.get(TileName::SelfView), None);
    }
}
