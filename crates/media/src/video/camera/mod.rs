//! Sources of pictures behind one trait: devices, the test pattern, y4m files.

mod choose;
mod device;
mod file;
mod pattern;
mod platform;

use std::time::{Duration, Instant};

pub(super) use device::DeviceCamera;
pub(super) use file::FileCamera;
pub(super) use pattern::PatternCamera;
pub use pattern::TestPattern;

use crate::frame::VideoFrame;
use crate::video::{CameraSource, CaptureFormat};

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// There is no such camera or file.
    #[error("camera not found")]
    NotFound,
    /// Another program uses it.
    #[error("camera is in use by another program")]
    Busy,
    /// The system does not let us.
    #[error("no permission to use the camera")]
    PermissionDenied,
    /// It was there and is gone.
    #[error("camera was unplugged")]
    Unplugged,
    /// It is there, but nothing it offers can be used; says what.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Anything else, in the system's words.
    #[error("camera failed: {0}")]
    Failed(String),
}

/// A camera that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraInfo {
    /// Names this device across replug and reboot, as far as the system can tell it from its like.
    pub id: String,
    /// For people.
    pub label: String,
}

/// The cameras that are plugged in, in a stable order: the first is the default.
///
/// May take some hundred milliseconds; not for a thread that must not block.
///
/// # Errors
/// [`CameraError::Failed`] when the system cannot be asked.
pub fn list_cameras() -> Result<Vec<CameraInfo>, CameraError> {
    Ok(device::devices()?.into_iter().map(|device| device.info).collect())
}

/// A source of pictures, read by a thread of its own.
pub trait Camera {
    /// Waits for the next picture. May block for as long as the device likes.
    ///
    /// # Errors
    /// The source is of no further use and has to be opened again.
    fn next(&mut self) -> Result<VideoFrame, CameraError>;

    /// Name for people, and what is delivered.
    fn description(&self) -> Description;
}

/// What an open camera delivers.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// For people.
    pub label: String,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Frames per second as promised.
    pub fps: f64,
}

/// Opens a source on the calling thread; `None` for [`CameraSource::None`].
///
/// `known` is the name by which an id was known when it worked, to find a device whose id changed.
pub(super) fn open(
    source: &CameraSource,
    format: CaptureFormat,
    known: Option<&str>,
) -> Option<Result<Box<dyn Camera>, CameraError>> {
    Some(match source {
        CameraSource::None => return None,
        CameraSource::TestPattern => Ok(Box::new(PatternCamera::new(format))),
        CameraSource::File(path) => FileCamera::open(path).map(|camera| Box::new(camera) as Box<dyn Camera>),
        CameraSource::Default => DeviceCamera::open(None, format, known).map(|camera| Box::new(camera) as _),
        CameraSource::Device(id) => DeviceCamera::open(Some(id), format, known).map(|camera| Box::new(camera) as _),
    })
}

/// Paces a source that could be faster than time.
#[derive(Debug)]
struct Pace {
    start: Instant,
    fps: f64,
    ticks: u64,
}

impl Pace {
    /// How far behind a source may fall before it gives up catching up and counts anew.
    const PATIENCE: Duration = Duration::from_millis(500);

    fn new(fps: f64) -> Self {
        Self { start: Instant::now(), fps, ticks: 0 }
    }

    /// Sleeps until the next frame is due.
    fn wait(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "a frame count stays far below 2^52")]
        let due = self.start + Duration::from_secs_f64(self.ticks as f64 / self.fps);
        let now = Instant::now();
        if now > due + Self::PATIENCE {
            self.start = now;
            self.ticks = 0;
        }
        std::thread::sleep(due.saturating_duration_since(now));
        self.ticks += 1;
    }
}
