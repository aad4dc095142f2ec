//! What an open microphone or speaker tells its owner.

use super::AudioError;

/// A change of state of a [`Microphone`](super::Microphone) or [`Speaker`](super::Speaker). Sent from its worker thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioEvent {
    /// Sound flows from or to the device of this name.
    Running {
        /// What the system calls the device, or what stands in for it ("test tone", a file name).
        label: String,
    },
    /// Opening failed. Devices are tried again every second; the same error is told once.
    Failed(AudioError),
    /// The device went away; it, or else the default one, is looked for every second.
    Unplugged,
    /// After [`Unplugged`](Self::Unplugged) a device was found again; [`Running`](Self::Running) follows.
    Back,
}
