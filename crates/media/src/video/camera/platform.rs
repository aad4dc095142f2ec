//! What `nokhwa` does not tell about a device, by platform.

use nokhwa::utils::CameraInfo as Listed;

use super::CameraError;

/// What the system knows of a device node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// Candidate ids, the most stable first; the first one that no other camera has is taken.
    pub(super) ids: Vec<String>,
    /// Name for people, where better than the listed one.
    pub(super) label: Option<String>,
}

#[cfg(target_os = "linux")]
pub(super) use linux::{inspect, prepare};

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{inspect, prepare};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::path::Path;

    use v4l::Device;
    use v4l::capability::Flags;
    use v4l::video::Capture;
    use v4l::video::capture::Parameters;

    use super::{CameraError, Listed, Node};
    use crate::video::camera::device::error_of_errno;

    /// Links that udev keeps by vendor, model and serial number.
    const BY_ID: &str = "/dev/v4l/by-id";

    /// What is known of a node; `None` when it cannot capture pictures (UVC cameras have a second node for metadata).
    pub(in crate::video::camera) fn inspect(listed: &Listed) -> Option<Node> {
        let index = listed.index().as_index().ok()?;
        let mut node = Node { ids: by_id(index).into_iter().collect(), label: None };
        let asked = Device::new(index as usize).and_then(|device| Ok((device.query_caps()?, device.enum_formats())));
        match asked {
            Ok((caps, formats)) => {
                // The flags may be those of the whole device; a node for metadata lists no picture formats.
                let captures = caps.capabilities.contains(Flags::VIDEO_CAPTURE | Flags::STREAMING);
                if !captures || formats.map_or(true, |formats| formats.is_empty()) {
                    return None;
                }
                node.ids.push(format!("{}@{}", caps.card, caps.bus));
                node.label = Some(caps.card).filter(|card| !card.is_empty());
            }
            // Busy or forbidden: listed all the same, so that opening it says why. Gone: not listed.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ENOENT)) => {
                return None;
            }
            Err(_) if !first_of_its_device(index) => return None,
            Err(_) => {}
        }
        node.ids.push(format!("video{index}"));
        Some(node)
    }

    fn by_id(index: u32) -> Option<String> {
        let node = Path::new("/dev").join(format!("video{index}"));
        let links = std::fs::read_dir(BY_ID).ok()?.filter_map(Result::ok);
        let mut names: Vec<String> = links
            .filter(|link| std::fs::canonicalize(link.path()).is_ok_and(|target| target == node))
            .filter_map(|link| link.file_name().into_string().ok())
            .collect();
        names.sort();
        names.into_iter().next()
    }

    /// Whether the node is the first of its device, as sysfs numbers them; taken for granted where it does not say.
    fn first_of_its_device(index: u32) -> bool {
        let number = std::fs::read_to_string(format!("/sys/class/video4linux/video{index}/index"));
        number.map_or(true, |text| text.trim() == "0")
    }

    /// Says why a device cannot be opened (nokhwa only has words), and sets a whole frame rate: nokhwa refuses a device that
    /// is set to a fraction such as 25/2, even when it is about to set another rate.
    pub(in crate::video::camera) fn prepare(listed: &Listed) -> Result<(), CameraError> {
        let index = listed.index().as_index().map_err(|_| CameraError::NotFound)?;
        let device = Device::new(index as usize).map_err(|error| camera_error(&error))?;
        device.query_caps().map_err(|error| camera_error(&error))?;
        for fps in [30, 25, 20, 15, 10, 5] {
            match device.params() {
                Ok(parameters) if parameters.interval.numerator == 1 => break,
                // No frame rate at all: nokhwa will say so.
                Err(_) => break,
                Ok(_) => drop(device.set_params(&Parameters::with_fps(fps))),
            }
        }
        Ok(())
    }

    fn camera_error(error: &io::Error) -> CameraError {
        error.raw_os_error().and_then(error_of_errno).unwrap_or_else(|| CameraError::Failed(error.to_string()))
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{CameraError, Listed, Node};

    /// `misc` is the unique id on macOS and the symbolic link on Windows.
    pub(in crate::video::camera) fn inspect(listed: &Listed) -> Option<Node> {
        let unique = Some(listed.misc()).filter(|id| !id.is_empty());
        Some(Node { ids: unique.into_iter().chain([listed.human_name()]).collect(), label: None })
    }

    /// How long the user gets to answer the system's question.
    const PERMISSION_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    /// Asks the user for the camera where the system wants that (macOS); elsewhere the answer is yes at once.
    pub(in crate::video::camera) fn prepare(_listed: &Listed) -> Result<(), CameraError> {
        if nokhwa::nokhwa_check() {
            return Ok(());
        }
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        nokhwa::nokhwa_initialize(move |granted| {
            let _ = answer.try_send(granted);
        });
        match answered.recv_timeout(PERMISSION_PATIENCE) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(CameraError::PermissionDenied),
        }
    }
}
