//! Which sound devices there are.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, DeviceId, Host, HostId};

use super::AudioError;

/// Listing gives up after this: a sound system that does not answer is as good as none.
const LIST_PATIENCE: Duration = Duration::from_secs(4);

/// A device to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioDevice {
    /// Names the device for [`MicrophoneSource::Device`](super::MicrophoneSource::Device) or
    /// [`SpeakerSink::Device`](super::SpeakerSink::Device); stays the same when it is plugged in again.
    pub id: String,
    /// What people call it.
    pub label: String,
}

/// Which way sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Capture,
    Playback,
}

/// Microphones that can be opened; empty when there are none. Takes some milliseconds, 4 s at worst: not for a UI thread.
pub fn list_microphones() -> Vec<AudioDevice> {
    list_patiently(Direction::Capture)
}

/// Speakers that can be opened; as [`list_microphones`].
pub fn list_speakers() -> Vec<AudioDevice> {
    list_patiently(Direction::Playback)
}

fn list_patiently(direction: Direction) -> Vec<AudioDevice> {
    let (answer, answered) = sync_channel(1);
    let spawned = thread::Builder::new().name("list-sound".into()).spawn(move || {
        // Nobody waits any more when this fails.
        let _ = answer.send(list(direction));
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "cannot start a thread");
    }
    answered.recv_timeout(LIST_PATIENCE).unwrap_or_else(|error| {
        tracing::warn!(%error, ?direction, "the sound system does not answer");
        Vec::new()
    })
}

fn list(direction: Direction) -> Vec<AudioDevice> {
    let _quiet = quiet::alsa_messages();
    let Ok(host) = host() else { return Vec::new() };
    let Ok(devices) = host.devices() else { return Vec::new() };
    let mut found: Vec<AudioDevice> = devices
        .filter(|device| is_worth_listing(device, direction))
        .filter_map(|device| Some(AudioDevice { id: device.id().ok()?.to_string(), label: label(&device) }))
        .collect();
    found.dedup();
    found
}

fn is_worth_listing(device: &Device, direction: Direction) -> bool {
    let Ok(id) = device.id() else { return false };
    // ALSA's plugins that go nowhere or to other sound systems, and what PulseAudio plays, offered as a microphone.
    let detour = matches!(id.id().split(':').next(), Some("null" | "jack" | "oss" | "pulse" | "pipewire"));
    let monitor = direction == Direction::Capture && id.id().ends_with(".monitor");
    let opens = || match direction {
        Direction::Capture => device.supports_input() && device.default_input_config().is_ok(),
        Direction::Playback => device.supports_output() && device.default_output_config().is_ok(),
    };
    !detour && !monitor && opens()
}

/// First line of what the system calls the device.
pub(super) fn label(device: &Device) -> String {
    let name = device.description().map_or_else(|_| device.to_string(), |d| d.name().to_owned());
    name.lines().next().unwrap_or_default().to_owned()
}

/// PulseAudio (or PipeWire in its place) when its socket answers, else the system's own.
fn host() -> Result<Host, AudioError> {
    let pulse = "pulseaudio".parse::<HostId>().ok().filter(|id| cpal::available_hosts().contains(id));
    if let Some(host) = pulse.and_then(|id| cpal::host_from_id(id).ok()) {
        return Ok(host);
    }
    // `default_host` would knock at PulseAudio once more.
    match "alsa".parse::<HostId>() {
        Ok(alsa) => Ok(cpal::host_from_id(alsa)?),
        Err(_) => Ok(cpal::default_host()),
    }
}

/// The device of this id, or the default one.
///
/// # Errors
/// [`AudioError::NotFound`] when there is none.
pub(super) fn find(id: Option<&str>, direction: Direction) -> Result<Device, AudioError> {
    let _quiet = quiet::alsa_messages();
    let Some(id) = id else {
        let host = host()?;
        let device = match direction {
            Direction::Capture => host.default_input_device(),
            Direction::Playback => host.default_output_device(),
        };
        return device.ok_or(AudioError::NotFound);
    };
    let id: DeviceId = id.parse().map_err(|_| AudioError::NotFound)?;
    let host = cpal::host_from_id(id.host())?;
    host.device_by_id(&id).ok_or(AudioError::NotFound)
}

/// Keeps ALSA from writing to stderr whatever it finds missing.
pub(super) mod quiet {
    #[cfg(target_os = "linux")]
    pub(in crate::audio) fn alsa_messages() -> impl Sized {
        // Installs a handler for this thread that collects the messages; the buffer goes with the next call.
        alsa::Output::local_error_handler().ok()
    }

    #[cfg(not(target_os = "linux"))]
    pub(in crate::audio) fn alsa_messages() -> impl Sized {}
}
