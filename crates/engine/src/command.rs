//! What can be asked of the engine.

use eyeline_media::frame::VideoCodec;

use crate::view::VideoQuality;

/// A request to the engine. It answers by a new [`Snapshot`](crate::view::Snapshot), never by a return value.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open a new room on `server` and wait in it. `server` is the base address people will see in the link, for example
    /// `https://call.example.org` or `http://192.168.1.20:7420`.
    StartCall {
        /// Base address of the signaling server.
        server: String,
    },
    /// Enter the room of a link.
    JoinCall {
        /// The link as pasted, blanks around it allowed.
        link: String,
    },
    /// End the call, or stop waiting for one. Also leaves the end-of-call state.
    HangUp,
    /// Leave the end-of-call state for idle.
    Dismiss,
    /// Open or close camera and microphone for the lobby, with no call. In a call it changes nothing.
    Preview(bool),
    /// Say whether the other side hears us.
    SetMicrophone(bool),
    /// Say whether the other side sees us. Off closes the device.
    SetCamera(bool),
    /// Use this camera: an id of [`Devices`](crate::view::Devices), `default`, `test-pattern`, `none` or a path to a y4m file.
    SelectCamera(String),
    /// Use this microphone: an id, `default`, `tone`, `none` or a path to a wav file.
    SelectMicrophone(String),
    /// Use this speaker: an id, `default`, `null` or a path to a wav file to write.
    SelectSpeaker(String),
    /// Look for devices again.
    RefreshDevices,
    /// The name that the other side is shown.
    SetName(String),
    /// Ceiling for the picture we send.
    SetVideoQuality(VideoQuality),
    /// Order in which codecs are offered; the first that both ends know is used from the next call on.
    SetCodecs(Vec<VideoCodec>),
}
