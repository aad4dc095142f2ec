//! Pictures drawn by GTK under a transparent webview: `GtkOverlay { DrawingArea, webview }`.
//!
//! Readers convert on their own threads; the main loop only puts finished pixels on the screen
//! (`docs/decisions/0006-pictures-are-drawn-under-the-page.md`).

use std::cell::{Cell, RefCell};
use std::f64::consts::{FRAC_PI_2, PI};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gtk::prelude::*;
use gtk::{cairo, glib};
use tokio::sync::Notify;

use super::layout::{Area, Layout, area, place};
use super::picture::{Painter, Pixels};
use super::reader::{self, Seen};
use super::{FrameSlot, TILES};
use crate::ipc::TileLayout;

/// The ground of pictures, the token `--stage` of the page (`#0b0e0d`): seen where no picture is.
const BACKDROP: (f64, f64, f64) = (11.0 / 255.0, 14.0 / 255.0, 13.0 / 255.0);

/// Place of our own picture in [`TILES`].
const SELF_VIEW: usize = 1;

/// How old the other side's newest picture may be for the next to be expected at any moment.
const REMOTE_FLOWS: Duration = Duration::from_millis(100);

/// Why pictures cannot be drawn under the page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    /// The window is not what this was written for.
    #[error("the window has no GTK widgets: {0}")]
    Window(#[from] tauri::Error),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Puts a drawing area under the page of `window` and starts drawing `slots` where `layout` says. Call on the main thread.
///
/// # Errors
/// [`NativeError`] when the window or the system does not let us.
pub(crate) fn attach(
    window: &tauri::WebviewWindow,
    slots: [FrameSlot; 2],
    layout: Arc<Layout>,
) -> Result<(), NativeError> {
    let canvas = underlay(window)?;
    let scale = Arc::new(AtomicU32::new(scale_of(&canvas)));
    let hand_over = TILES.map(|_| Arc::new(HandOver::default()));
    for ((tile, slot), hand_over) in TILES.into_iter().zip(slots).zip(&hand_over) {
        let converter = Converter { painter: Painter::default(), scale: scale.clone(), out: hand_over.clone() };
        reader::start(tile, slot, layout.clone(), converter.into_teller())?;
    }
    canvas.connect_scale_factor_notify(move |canvas| scale.store(scale_of(canvas), Ordering::Relaxed));
    let stage =
        Rc::new(Stage { layout, pictures: RefCell::default(), canvas: canvas.clone(), remote_at: Cell::new(None) });
    let drawn = stage.clone();
    canvas.connect_draw(move |_, cr| {
        if let Err(error) = drawn.draw(cr) {
            tracing::error!(%error, "cannot draw");
        }
        glib::Propagation::Proceed
    });
    glib::MainContext::default().spawn_local(async move { stage.run(hand_over).await });
    Ok(())
}

fn underlay(window: &tauri::WebviewWindow) -> Result<gtk::DrawingArea, tauri::Error> {
    let (frame, page) = (window.gtk_window()?, window.default_vbox()?);
    frame.remove(&page);
    let canvas = gtk::DrawingArea::new();
    canvas.set_hexpand(true);
    canvas.set_vexpand(true);
    let overlay = gtk::Overlay::new();
    overlay.add(&canvas);
    overlay.add_overlay(&page);
    frame.add(&overlay);
    overlay.show_all();
    Ok(canvas)
}

fn scale_of(canvas: &gtk::DrawingArea) -> u32 {
    canvas.scale_factor().unsigned_abs().max(1)
}

/// Where a reader leaves finished pixels for the main loop. The newest wins.
#[derive(Default)]
struct HandOver {
    news: Mutex<Option<News>>,
    ready: Notify,
}

enum News {
    Picture { pixels: Pixels, source: (u32, u32) },
    Gone,
}

impl HandOver {
    fn put(&self, news: News) {
        *self.news.lock().unwrap_or_else(PoisonError::into_inner) = Some(news);
        self.ready.notify_one();
    }

    fn take(&self) -> Option<News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Converter {
    painter: Painter,
    scale: Arc<AtomicU32>,
    out: Arc<HandOver>,
}

impl Converter {
    fn into_teller(mut self) -> impl FnMut(Seen<'_>) + Send + 'static {
        move |seen| {
            let (frame, layout) = match seen {
                Seen::Picture(frame, layout) => (frame, layout),
                Seen::Gone => return self.out.put(News::Gone),
            };
            let source = (frame.picture.width(), frame.picture.height());
            let scale = f64::from(self.scale.load(Ordering::Relaxed));
            let Some(placement) = place(source.0, source.1, layout, scale) else { return };
            match self.painter.paint(&frame.picture, &placement, layout.mirror) {
                Ok(pixels) => self.out.put(News::Picture { pixels, source }),
                Err(error) => tracing::error!(%error, "picture not drawn"),
            }
        }
    }
}

/// What the main loop draws.
struct Stage {
    layout: Arc<Layout>,
    /// In the order of [`TILES`].
    pictures: RefCell<[Option<Ready>; 2]>,
    canvas: gtk::DrawingArea,
    /// When the other side's newest picture came.
    remote_at: Cell<Option<Instant>>,
}

/// A picture as cairo takes it, and the size it had before it was made to fit.
struct Ready {
    surface: cairo::ImageSurface,
    source: (u32, u32),
}

impl Stage {
    async fn run(&self, hand_over: [Arc<HandOver>; 2]) {
        let [remote, self_view] = hand_over;
        loop {
            tokio::select! {
                () = remote.ready.notified() => self.take(0, &remote),
                () = self_view.ready.notified() => self.take(1, &self_view),
                () = self.layout.changed() => self.canvas.queue_draw(),
            }
        }
    }

    fn take(&self, index: usize, hand_over: &HandOver) {
        let ready = match hand_over.take() {
            Some(News::Picture { pixels, source }) => match surface_of(pixels) {
                Ok(surface) => Some(Ready { surface, source }),
                Err(error) => return tracing::error!(%error, "cairo takes no picture"),
            },
            Some(News::Gone) => None,
            None => return,
        };
        self.pictures.borrow_mut()[index] = ready;
        // Every redraw blends the page over the picture again, the dearest step of all. While the other side's pictures
        // flow, our own wait for the next of them.
        if index == SELF_VIEW {
            if self.remote_at.get().is_none_or(|at| at.elapsed() > REMOTE_FLOWS) {
                self.redraw(SELF_VIEW);
            }
        } else {
            self.remote_at.set(Some(Instant::now()));
            self.redraw(index);
            self.redraw(SELF_VIEW);
        }
    }

    fn redraw(&self, index: usize) {
        if let Some(dirty) = self.layout.get(TILES[index]).and_then(|tile| area(&tile, 1.0)) {
            let side = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
            self.canvas.queue_draw_area(dirty.x - 1, dirty.y - 1, side(dirty.width) + 2, side(dirty.height) + 2);
        }
    }

    fn draw(&self, cr: &cairo::Context) -> Result<(), cairo::Error> {
        cr.set_source_rgb(BACKDROP.0, BACKDROP.1, BACKDROP.2);
        cr.paint()?;
        let scale = f64::from(scale_of(&self.canvas));
        let pictures = self.pictures.borrow();
        for layout in self.layout.all() {
            let ready = TILES.iter().zip(pictures.iter()).find(|(tile, _)| **tile == layout.tile);
            if let Some(ready) = ready.and_then(|(_, ready)| ready.as_ref()) {
                draw_tile(cr, &layout, ready, scale)?;
            }
        }
        Ok(())
    }
}

fn draw_tile(cr: &cairo::Context, layout: &TileLayout, ready: &Ready, scale: f64) -> Result<(), cairo::Error> {
    let (Some(tile), Some(placement)) = (area(layout, scale), place(ready.source.0, ready.source.1, layout, scale))
    else {
        return Ok(());
    };
    cr.save()?;
    cr.scale(1.0 / scale, 1.0 / scale); // from here on in device pixels
    rounded(cr, tile, layout.radius * scale);
    cr.clip();
    if placement.target != tile {
        cr.set_source_rgb(BACKDROP.0, BACKDROP.1, BACKDROP.2);
        cr.paint()?;
    }
    cr.translate(f64::from(placement.target.x), f64::from(placement.target.y));
    // One to one, except for a moment after the rectangle changed.
    let (across, down) = (
        f64::from(placement.target.width) / f64::from(ready.surface.width()),
        f64::from(placement.target.height) / f64::from(ready.surface.height()),
    );
    cr.scale(across, down);
    cr.set_source_surface(&ready.surface, 0.0, 0.0)?;
    cr.source().set_filter(cairo::Filter::Bilinear);
    cr.paint()?;
    cr.restore()
}

fn rounded(cr: &cairo::Context, tile: Area, radius: f64) {
    let (x, y) = (f64::from(tile.x), f64::from(tile.y));
    let (width, height) = (f64::from(tile.width), f64::from(tile.height));
    let radius = radius.min(width / 2.0).min(height / 2.0);
    if radius.is_nan() || radius < 0.5 {
        return cr.rectangle(x, y, width, height);
    }
    cr.new_sub_path();
    cr.arc(x + width - radius, y + radius, radius, -FRAC_PI_2, 0.0);
    cr.arc(x + width - radius, y + height - radius, radius, 0.0, FRAC_PI_2);
    cr.arc(x + radius, y + height - radius, radius, FRAC_PI_2, PI);
    cr.arc(x + radius, y + radius, radius, PI, PI + FRAC_PI_2);
    cr.close_path();
}

fn surface_of(pixels: Pixels) -> Result<cairo::ImageSurface, cairo::Error> {
    let (width, height) = pixels.size();
    let side = |pixels: u32| i32::try_from(pixels).map_err(|_| cairo::Error::InvalidSize);
    let (width, height) = (side(width)?, side(height)?);
    cairo::ImageSurface::create_for_data(pixels, cairo::Format::Rgb24, width, height, width * 4)
}
