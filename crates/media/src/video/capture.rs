//! One open camera that looks after itself: opens, reads, notices unplug and stall, comes back.
//!
//! Reading a camera may block for ever, so it happens on a thread that can be abandoned:
//!
//! ```text
//! "camera-read" (owns the device) --Reading--> "camera" (supervises) --> LatestSlot, events
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::camera::{self, CameraError, Description};
use super::source::CameraSource;
use crate::frame::VideoFrame;
use crate::observer::MediaObserver;
use crate::slot::LatestSlot;

/// A camera that delivers nothing for this long has stalled. Also the time it gets to open.
const STALL: Duration = Duration::from_secs(3);
/// Devices that need a firmware start may take this long to open and deliver a first frame.
const SLOW_START: Duration = Duration::from_secs(8);
/// How often a camera that is gone is looked for.
const RETRY: Duration = Duration::from_millis(700);
/// How often the supervisor looks whether it should stop: the longest that dropping a [`Capture`] waits for it.
const SLICE: Duration = Duration::from_millis(50);
/// How long a reader gets to close its device before it is left to itself.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// Readings between the two threads. When full the reader waits: the supervisor only ever copies a pointer.
const READINGS: usize = 2;
/// Readers that may hang in a driver at a time, in the whole process. When full nothing is opened until one returns.
const MAX_ABANDONED: usize = 4;

static ABANDONED: AtomicUsize = AtomicUsize::new(0);

/// What to ask a camera for. The nearest it offers is taken; files have their own size and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureFormat {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
}

impl Default for CaptureFormat {
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30 }
    }
}

/// What became of the camera.
#[derive(Clone, Debug, PartialEq)]
pub enum CameraEvent {
    /// The first frame came.
    Running {
        /// Name for people.
        label: String,
        /// Picture width in pixels.
        width: u32,
        /// Picture height in pixels.
        height: u32,
        /// Frames per second as promised.
        fps: f64,
    },
    /// There is no picture, and why; said once per reason. It is tried again and again.
    Failed(CameraError),
    /// It was running and is gone. It is looked for until it is back.
    Unplugged,
    /// It works again; `Running` follows.
    Back,
}

/// An open camera. Dropping it closes the device and ends its threads.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

impl Capture {
    /// Begins to put pictures from `source` into `frames`. Returns at once: what comes of it is told to `events`, on the
    /// capture thread. `observer` sees every frame as it leaves the camera.
    ///
    /// With [`CameraSource::None`] nothing ever happens.
    pub fn open(
        source: CameraSource,
        format: CaptureFormat,
        frames: Arc<LatestSlot<VideoFrame>>,
        events: impl FnMut(CameraEvent) + Send + 'static,
        observer: Arc<dyn MediaObserver>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if source == CameraSource::None {
            return Self { stop, supervisor: None };
        }
        let mut supervisor = Supervisor {
            source,
            format,
            frames,
            events: Box::new(events),
            observer,
            stop: Arc::clone(&stop),
            state: State::Opening,
            label: None,
        };
        let thread = std::thread::Builder::new().name("camera".to_owned()).spawn(move || supervisor.run());
        Self { stop, supervisor: thread.inspect_err(|error| tracing::error!(%error, "no camera thread")).ok() }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(supervisor) = self.supervisor.take() {
            // Bounded: the supervisor waits for nothing longer than SLICE and CLOSE_PATIENCE. It fails only by a panic.
            drop(supervisor.join());
        }
    }
}

/// Where the supervisor stands.
///
/// ```text
/// Opening --first frame--> Running --unplug, stall--> Lost --first frame--> Running
///    \--error--> Lost
/// ```
#[derive(Debug, PartialEq)]
enum State {
    /// Never had a picture, never failed.
    Opening,
    /// Pictures come.
    Running,
    /// No picture, for this reason.
    Lost(CameraError),
}

struct Supervisor {
    source: CameraSource,
    format: CaptureFormat,
    frames: Arc<LatestSlot<VideoFrame>>,
    events: Box<dyn FnMut(CameraEvent) + Send>,
    observer: Arc<dyn MediaObserver>,
    stop: Arc<AtomicBool>,
    state: State,
    /// What the device was called when it worked.
    label: Option<String>,
}

/// What a reader tells.
enum Reading {
    Opened(Description),
    Frame(VideoFrame),
    Failed(CameraError),
}

impl Supervisor {
    fn run(&mut self) {
        while !self.stopping() {
            let error = match Reader::start(&self.source, self.format, self.label.clone()) {
                Ok(reader) => {
                    let error = self.attend(&reader);
                    reader.close();
                    error
                }
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                self.lost(error);
            }
            let until = Instant::now() + RETRY;
            while !self.stopping() && Instant::now() < until {
                std::thread::sleep(SLICE);
            }
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Passes pictures on until the camera is lost, and says why; `None` when asked to stop.
    fn attend(&mut self, reader: &Reader) -> Option<CameraError> {
        let mut description = None;
        // Waited in slices, not by the clock: a machine that slept is no camera that stalled.
        let mut patience = SLOW_START;
        while !self.stopping() {
            match reader.readings.recv_timeout(SLICE) {
                Ok(Reading::Opened(opened)) => description = Some(opened),
                Ok(Reading::Frame(frame)) => {
                    patience = STALL;
                    if let Some(description) = description.take() {
                        self.running(description);
                    }
                    self.observer.captured(&frame);
                    self.frames.put(frame);
                }
                Ok(Reading::Failed(error)) => return Some(error),
                Err(RecvTimeoutError::Timeout) => {
                    patience = patience.saturating_sub(SLICE);
                    if patience.is_zero() {
                        return Some(CameraError::Failed("the camera delivers no pictures".to_owned()));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Some(CameraError::Failed("the camera thread ended".to_owned()));
                }
            }
        }
        None
    }

    fn running(&mut self, description: Description) {
        if matches!(self.state, State::Lost(_)) {
            (self.events)(CameraEvent::Back);
        }
        self.state = State::Running;
        let Description { label, width, height, fps } = description;
        self.label = Some(label.clone());
        tracing::info!(width, height, fps, "camera runs");
        (self.events)(CameraEvent::Running { label, width, height, fps });
    }

    fn lost(&mut self, error: CameraError) {
        let was_running = self.state == State::Running;
        // A camera that is gone stays gone: how exactly opening it fails is no news.
        let event = match (&self.state, &error) {
            (State::Running, CameraError::Unplugged | CameraError::NotFound) => Some(CameraEvent::Unplugged),
            (State::Lost(CameraError::Unplugged), CameraError::Unplugged | CameraError::NotFound) => None,
            (State::Lost(known), new) if known == new => None,
            _ => Some(CameraEvent::Failed(error.clone())),
        };
        let Some(event) = event else { return };
        tracing::info!(%error, was_running, "no camera");
        self.state =
            State::Lost(if was_running && event == CameraEvent::Unplugged { CameraError::Unplugged } else { error });
        (self.events)(event);
    }
}

/// The thread that owns the device.
struct Reader {
    readings: Receiver<Reading>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(source: &CameraSource, format: CaptureFormat, known: Option<String>) -> Result<Self, CameraError> {
        if ABANDONED.load(Ordering::Relaxed) >= MAX_ABANDONED {
            return Err(CameraError::Failed("the camera does not answer".to_owned()));
        }
        let (sender, readings) = sync_channel(READINGS);
        let stop = Arc::new(AtomicBool::new(false));
        let (source, stopping) = (source.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("camera-read".to_owned())
            .spawn(move || read(&source, format, known.as_deref(), &sender, &stopping))
            .map_err(|error| CameraError::Failed(error.to_string()))?;
        Ok(Self { readings, stop, thread })
    }

    /// Waits a little for the device to be closed, else leaves the thread to itself: it ends when the driver lets go of it.
    fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + CLOSE_PATIENCE;
        // The reader may wait for room in the queue; it ends by dropping its end of it.
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if matches!(self.readings.recv_timeout(left), Err(RecvTimeoutError::Disconnected)) {
                drop(self.thread.join());
                return;
            }
        }
        ABANDONED.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("camera thread hangs in the driver; left to itself");
        let watched = std::thread::Builder::new().name("camera-hung".to_owned()).spawn(move || {
            drop(self.thread.join());
            ABANDONED.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = watched {
            tracing::error!(%error, "cannot watch a hung camera thread");
        }
    }
}

/// Opens the source and reads it until told to stop, nobody listens, or it fails. The device is closed before the sender is
/// dropped, so that whoever sees the channel end can open it again.
fn read(
    source: &CameraSource,
    format: CaptureFormat,
    known: Option<&str>,
    readings: &SyncSender<Reading>,
    stop: &AtomicBool,
) {
    let last = match camera::open(source, format, known) {
        None => return,
        Some(Err(error)) => error,
        Some(Ok(mut camera)) => {
            let opened = readings.send(Reading::Opened(camera.description()));
            let mut wanted = opened.is_ok();
            loop {
                if !wanted || stop.load(Ordering::Relaxed) {
                    return;
                }
                match camera.next() {
                    Ok(frame) => wanted = readings.send(Reading::Frame(frame)).is_ok(),
                    Err(error) => break error,
                }
            }
        }
    };
    // Nobody listening is as good as having been heard.
    drop(readings.send(Reading::Failed(last)));
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
