//! Cameras of the system, through `nokhwa`.
//!
//! nokhwa 0.10 is kept at arm's length: it lists, sets the format and hands out raw buffers, nothing more. Its format
//! choice, its JPEG decoder, its capture thread and its control listing each fail on some devices or on unplug, and it
//! panics in places, so every call is contained.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraInfo as Listed, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};
use nokhwa::{Buffer, NokhwaError};

use super::choose::{Offer, ranked};
use super::platform::{self, Node};
use super::{Camera, CameraError, CameraInfo, Description};
use crate::frame::{FrameTimes, VideoFrame};
use crate::video::CaptureFormat;
use crate::video::convert::{RawFormat, to_i420};

/// How many of the best formats are tried before a camera is given up: some drivers refuse what they list.
const MAX_ATTEMPTS: usize = 6;
/// Frames older than this many frame intervals were waiting in the driver's queue and are skipped.
const STALE_INTERVALS: f64 = 3.0;
/// Most frames skipped in a row: the driver's queue is no longer, so older ones mean a clock that cannot be compared.
const MAX_STALE: u32 = 4;

/// What is said of a camera that only speaks formats we cannot read.
const NO_FORMAT: &str = "the camera offers no picture format we can read";

/// Formats we can read, as nokhwa calls them.
const READABLE: [FrameFormat; 3] = [FrameFormat::NV12, FrameFormat::YUYV, FrameFormat::MJPEG];

/// A listed camera and how to open it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) info: CameraInfo,
    listed: Listed,
}

/// The cameras that are plugged in, sorted by the system's numbering.
pub(super) fn devices() -> Result<Vec<Device>, CameraError> {
    let mut listed = contained(|| nokhwa::query(ApiBackend::Auto))?.map_err(|error| camera_error(&error))?;
    listed.sort_by_key(|l| (l.index().as_index().unwrap_or(u32::MAX), l.index().as_string()));
    let mut devices: Vec<Device> = Vec::new();
    for listed in listed {
        // One node that makes a library panic must not hide the others.
        let Ok(Some(node)) = contained(|| platform::inspect(&listed)) else { continue };
        let info = describe(&listed, node, &devices);
        devices.push(Device { info, listed });
    }
    Ok(devices)
}

fn describe(listed: &Listed, node: Node, earlier: &[Device]) -> CameraInfo {
    let taken = |id: &str| earlier.iter().any(|device| device.info.id == id);
    let fallback = format!("{}#{}", listed.human_name(), listed.index());
    let id = node.ids.into_iter().find(|id| !taken(id)).unwrap_or(fallback);
    CameraInfo { id, label: node.label.unwrap_or_else(|| listed.human_name()) }
}

/// The device with `id`, else the only one called `known`; the first one without an id.
fn find(id: Option<&str>, known: Option<&str>) -> Result<Device, CameraError> {
    let mut devices = devices()?;
    let position = match id {
        None => (!devices.is_empty()).then_some(0),
        Some(id) => devices.iter().position(|device| device.info.id == id).or_else(|| {
            let mut alike = (0..devices.len()).filter(|&i| Some(devices[i].info.label.as_str()) == known);
            alike.next().filter(|_| alike.next().is_none())
        }),
    };
    position.map(|position| devices.swap_remove(position)).ok_or(CameraError::NotFound)
}

/// A streaming camera.
pub(crate) struct DeviceCamera {
    /// Always there; an option because its destructor must be contained too.
    camera: Option<nokhwa::Camera>,
    label: String,
    offer: Offer,
    index: u64,
    stale: u32,
}

impl DeviceCamera {
    /// Opens the camera with `id` (the first one for `None`) in the format nearest to `wanted`.
    pub(crate) fn open(id: Option<&str>, wanted: CaptureFormat, known: Option<&str>) -> Result<Self, CameraError> {
        let device = find(id, known)?;
        platform::prepare(&device.listed)?;
        let (camera, offer) = contained(|| open_stream(&device.listed, wanted))??;
        tracing::info!(label = device.info.label, ?offer, "camera opened");
        Ok(Self { camera: Some(camera), label: device.info.label, offer, index: 0, stale: 0 })
    }

    /// Whether a frame waited in the driver's queue while the reader was held up.
    fn is_stale(&mut self, buffer: &Buffer) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = buffer.capture_timestamp().and_then(|at| now.checked_sub(at)).unwrap_or_default();
        let limit = Duration::from_secs_f64(STALE_INTERVALS / f64::from(self.offer.fps.max(1)));
        let stale = age > limit && self.stale < MAX_STALE;
        self.stale = if stale { self.stale + 1 } else { 0 };
        stale
    }
}

impl Camera for DeviceCamera {
    fn next(&mut self) -> Result<VideoFrame, CameraError> {
        loop {
            let camera = self.camera.as_mut().ok_or(CameraError::Unplugged)?;
            let buffer = contained(|| camera.frame())?.map_err(|error| lost(&error))?;
            let captured = Instant::now();
            self.index += 1;
            if self.is_stale(&buffer) {
                continue;
            }
            let Offer { format, width, height, .. } = self.offer;
            match contained(|| to_i420(format, width, height, buffer.buffer()))? {
                Ok(picture) => {
                    let times = FrameTimes { captured: Some(captured), ..FrameTimes::default() };
                    return Ok(VideoFrame { picture: Arc::new(picture), index: self.index - 1, times });
                }
                // Torn frames happen on busy USB buses; when nothing else comes the reader's patience ends it.
                Err(error) => tracing::trace!(%error, "camera frame skipped"),
            }
        }
    }

    fn description(&self) -> Description {
        let Offer { width, height, fps, .. } = self.offer;
        Description { label: self.label.clone(), width, height, fps: f64::from(fps) }
    }
}

impl Drop for DeviceCamera {
    fn drop(&mut self) {
        let camera = self.camera.take();
        // The stream's destructor panics when the driver refuses to stop.
        drop(contained(|| drop(camera)));
    }
}

fn open_stream(listed: &Listed, wanted: CaptureFormat) -> Result<(nokhwa::Camera, Offer), CameraError> {
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &READABLE);
    let mut camera = nokhwa::Camera::new(listed.index().clone(), any).map_err(|error| camera_error(&error))?;
    let formats = camera.compatible_camera_formats().map_err(|error| camera_error(&error))?;
    let offers: Vec<Offer> = formats.iter().filter_map(offer_of).collect();
    let mut failure = CameraError::Unsupported(NO_FORMAT.to_owned());
    for offer in ranked(&offers, wanted).into_iter().take(MAX_ATTEMPTS) {
        let format = CameraFormat::new(Resolution::new(offer.width, offer.height), format_of(offer.format), offer.fps);
        let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(format), &READABLE);
        match camera.set_camera_requset(exact).and_then(|_| camera.open_stream()) {
            Ok(()) => return Ok((camera, offer)),
            Err(error) => failure = camera_error(&error),
        }
        // Another format does not help against these.
        if matches!(failure, CameraError::Busy | CameraError::Unplugged | CameraError::PermissionDenied) {
            break;
        }
    }
    Err(failure)
}

fn offer_of(format: &CameraFormat) -> Option<Offer> {
    let raw = match format.format() {
        FrameFormat::NV12 => RawFormat::Nv12,
        FrameFormat::YUYV => RawFormat::Yuyv,
        FrameFormat::MJPEG => RawFormat::Mjpeg,
        FrameFormat::GRAY | FrameFormat::RAWRGB | FrameFormat::RAWBGR => return None,
    };
    Some(Offer { format: raw, width: format.width(), height: format.height(), fps: format.frame_rate() })
}

fn format_of(raw: RawFormat) -> FrameFormat {
    match raw {
        RawFormat::Nv12 => FrameFormat::NV12,
        RawFormat::Yuyv => FrameFormat::YUYV,
        RawFormat::Mjpeg => FrameFormat::MJPEG,
    }
}

/// Runs a call into nokhwa and turns a panic into an error.
fn contained<T>(call: impl FnOnce() -> T) -> Result<T, CameraError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| CameraError::Failed("the camera library panicked".to_owned()))
}

/// A failed read: the device is gone, unless the system says something else.
fn lost(error: &NokhwaError) -> CameraError {
    match camera_error(error) {
        CameraError::NotFound => CameraError::Unplugged,
        other => other,
    }
}

/// nokhwa keeps only the words of an I/O error, but Rust ends those with "(os error N)" in every language.
fn camera_error(error: &NokhwaError) -> CameraError {
    if matches!(error, NokhwaError::GetPropertyError { property, .. } if property == "CameraFormat") {
        return CameraError::Unsupported(NO_FORMAT.to_owned());
    }
    let words = error.to_string();
    let errno = words.rsplit_once("(os error ").and_then(|(_, rest)| rest.split_once(')')?.0.parse::<i32>().ok());
    errno.and_then(error_of_errno).unwrap_or(CameraError::Failed(words))
}

/// What the error numbers of V4L2 mean for a user; `None` for those that say nothing.
pub(super) fn error_of_errno(errno: i32) -> Option<CameraError> {
    match errno {
        libc::EBUSY => Some(CameraError::Busy),
        libc::EACCES | libc::EPERM => Some(CameraError::PermissionDenied),
        libc::ENODEV | libc::ENXIO | libc::EIO => Some(CameraError::Unplugged),
        libc::ENOENT => Some(CameraError::NotFound),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_are_found_in_words() {
        let error = |words: &str| camera_error(&NokhwaError::OpenStreamError(words.to_owned()));
        assert_eq!(error("Device or resource busy (os error 16)"), CameraError::Busy);
        assert_eq!(error("V4L2 Error: Keine Berechtigung (os error 13)"), CameraError::PermissionDenied);
        assert_eq!(error("No such device (os error 19)"), CameraError::Unplugged);
        assert!(matches!(error("Rejected"), CameraError::Failed(_)));
    }

    #[test]
    fn panics_are_contained() {
        let result = contained(|| panic!("as nokhwa would"));
        assert!(matches!(result, Err::<(), _>(CameraError::Failed(_))));
    }

    #[test]
    fn unknown_cameras_are_not_found() {
        let opened = DeviceCamera::open(Some("no such camera"), CaptureFormat::default(), None);
        assert_eq!(opened.err(), Some(CameraError::NotFound));
    }
}
