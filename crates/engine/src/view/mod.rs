//! What the engine shows of itself: plain data for a user interface, exported to TypeScript.
//!
//! A [`Snapshot`] is complete: whoever draws it needs no earlier one. Codes are stable, words are the UI's business.

mod people;
mod quality;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use people::{
    CodeState, Contact, ContactExchange, IncomingRing, Outcome, OutgoingRing, PastCall, People, Reachable,
    RemoteIdentity, RingState, SasEmoji, Trust,
};
pub use quality::{CallStats, QualityHistory, QualityReport};

/// Everything a user interface draws, except pictures and sound levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Snapshot {
    /// Where the call is.
    pub phase: Phase,
    /// Our own side.
    pub local: Local,
    /// Devices known now and which of them are chosen.
    pub devices: Devices,
    /// Contacts, history, rings.
    pub people: People,
}

/// Where the call is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum Phase {
    /// No call.
    Idle,
    /// Somebody's code was typed and is being checked.
    Claiming {
        /// The code, as it is written.
        code: String,
    },
    /// Reaching the server, or entering the room.
    Joining {
        /// The call's link.
        link: String,
    },
    /// Alone in the room.
    Waiting {
        /// The link to share.
        link: String,
        /// The code to say, if one was asked for.
        code: Option<CodeState>,
        /// The contact that is being rung, if one is.
        ringing: Option<OutgoingRing>,
    },
    /// Somebody is there; the connection is being made.
    Connecting {
        /// The call's link.
        link: String,
    },
    /// Picture and sound flow, or flowed a moment ago.
    InCall {
        /// The call's link.
        link: String,
        /// When picture and sound first could flow, unix milliseconds.
        #[ts(type = "number")]
        since_unix_ms: i64,
        /// State of the direct connection.
        connection: Connection,
        /// While reconnecting: when packets stopped, unix milliseconds.
        #[ts(type = "number | null")]
        outage_since_unix_ms: Option<i64>,
        /// How packets travel.
        path: Path,
        /// False while the signaling server is out of reach; the call goes on without it.
        signaling: bool,
        /// The other side.
        remote: Remote,
        /// Who that is.
        identity: RemoteIdentity,
        /// Neither side learns the other's address.
        relay_only: bool,
        /// Figures of the last second.
        stats: Box<CallStats>,
    },
    /// The call is over.
    Ended {
        /// Why.
        reason: EndReason,
        /// How long picture and sound flowed, in milliseconds.
        #[ts(type = "number")]
        duration_ms: i64,
        /// The other side's name, empty when unknown.
        remote_name: String,
        /// The call's link, to join again; empty when there was none.
        link: String,
    },
}

/// State of the connection between the two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Connection {
    /// Packets flow.
    Connected,
    /// Packets stopped; a new path is being looked for.
    Reconnecting,
}

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Path {
    /// Not known yet.
    Unknown,
    /// Straight between the two machines.
    Direct,
    /// Through a relay; ours, if one of ours, is reached over UDP.
    Relayed,
    /// Through a relay that we reach over TCP, as UDP does not pass here.
    RelayedTcp,
    /// Through a relay that we reach over TLS, as neither UDP nor plain TCP passes here.
    RelayedTls,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum EndReason {
    /// We hung up.
    HungUp,
    /// The other side hung up.
    RemoteHungUp,
    /// The other side vanished and did not come back.
    RemoteVanished,
    /// The link could not be read.
    BadLink,
    /// The server could not be reached.
    ServerUnreachable,
    /// The server refused us, or spoke another protocol.
    ServerRefused,
    /// Two people are in this call already.
    RoomFull,
    /// No path between the two machines was found.
    NoPath,
    /// A message of the other side could not be opened or understood: wrong link, or an incompatible version.
    Incompatible,
    /// What arrived was not what the other side sealed: somebody on the way changes or swaps things.
    Tampered,
    /// The other side has another key than the contact it should be.
    KeyChanged,
    /// Our address is to be hidden, and the server has no relay.
    NoRelay,
    /// What was typed is no code.
    BadCode,
    /// Nobody waits with this code: mistyped, used or expired.
    UnknownCode,
    /// The number was right, the words were not; the code is burned now.
    WrongCode,
    /// The contact declined.
    Declined,
    /// The contact is in another call.
    Busy,
    /// The contact did not answer.
    NoAnswer,
    /// The contact cannot be reached now.
    NotReachable,
    /// A fault of our own; the log says more.
    Internal,
}

/// The other side of the call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Remote {
    /// Name it gave itself, empty until known.
    pub name: String,
    /// It sends sound.
    pub microphone_on: bool,
    /// It sends a picture.
    pub camera_on: bool,
    /// A picture of it has been shown.
    pub picture: bool,
}

/// Our own side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Local {
    /// Name we show.
    pub name: String,
    /// The user wants to be heard.
    pub microphone_on: bool,
    /// The user wants to be seen.
    pub camera_on: bool,
    /// The camera.
    pub camera: DeviceState,
    /// The microphone.
    pub microphone: DeviceState,
    /// The speaker.
    pub speaker: DeviceState,
    /// The devices are open for the lobby.
    pub preview: bool,
    /// Ceiling for the picture we send.
    pub video_quality: VideoQuality,
    /// What is done to the microphone's sound before it is sent.
    pub voice: VoiceProcessing,
}

/// State of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum DeviceState {
    /// Not in use.
    Off,
    /// Being opened.
    Opening,
    /// In use.
    Running {
        /// Its name.
        label: String,
    },
    /// Could not be opened, or stopped.
    Failed {
        /// Why.
        problem: DeviceProblem,
    },
}

/// What is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum DeviceProblem {
    /// There is none.
    NotFound,
    /// Another program uses it.
    Busy,
    /// The system does not let us.
    PermissionDenied,
    /// It was there and went away; it is used again when it comes back.
    Unplugged,
    /// It offers no format we can use, or the file is not a valid one.
    Unsupported,
    /// Anything else.
    Failed,
}

/// Ceiling for the picture we send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum VideoQuality {
    /// 640x360, 30 fps, at most 800 kbit/s.
    Low,
    /// 1280x720, 30 fps, at most 2.5 Mbit/s.
    #[default]
    Standard,
    /// 1920x1080, 30 fps, at most 5 Mbit/s.
    High,
}

/// What is done to the microphone's sound before it is sent. By default everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct VoiceProcessing {
    /// Take out what the speaker plays, so that the other side does not hear itself.
    pub echo_cancellation: bool,
    /// Take out fans, streets, keyboards.
    pub noise_suppression: bool,
    /// Bring quiet and loud talkers to one level.
    pub gain_control: bool,
}

impl VoiceProcessing {
    /// Everything.
    pub const ON: Self = Self { echo_cancellation: true, noise_suppression: true, gain_control: true };
    /// Nothing.
    pub const OFF: Self = Self { echo_cancellation: false, noise_suppression: false, gain_control: false };
}

impl Default for VoiceProcessing {
    fn default() -> Self {
        Self::ON
    }
}

impl From<VoiceProcessing> for eyeline_media::audio::VoiceProcessing {
    fn from(voice: VoiceProcessing) -> Self {
        let VoiceProcessing { echo_cancellation, noise_suppression, gain_control } = voice;
        Self { echo_cancellation, noise_suppression, gain_control }
    }
}

/// Devices known now and which of them are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Devices {
    /// Cameras, the built-in test pattern last.
    pub cameras: Vec<Device>,
    /// Microphones, the built-in tone last.
    pub microphones: Vec<Device>,
    /// Speakers.
    pub speakers: Vec<Device>,
    /// Chosen camera: an id of the list or `default`.
    pub camera: String,
    /// Chosen microphone.
    pub microphone: String,
    /// Chosen speaker.
    pub speaker: String,
}

/// A device to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Device {
    /// Stable name to choose it by.
    pub id: String,
    /// What people call it.
    pub label: String,
}

/// Sound levels, about ten times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Levels {
    /// Our microphone, 0 to 1 on a decibel scale from -60 dBFS to 0.
    pub microphone: f32,
    /// The other side, the same scale.
    pub remote: f32,
}

impl Phase {
    /// Its name as in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Claiming { .. } => "claiming",
            Self::Joining { .. } => "joining",
            Self::Waiting { .. } => "waiting",
            Self::Connecting { .. } => "connecting",
            Self::InCall { .. } => "in_call",
            Self::Ended { .. } => "ended",
        }
    }
}

impl Snapshot {
    /// How an engine begins.
    pub(crate) fn new(config: &crate::EngineConfig) -> Self {
        let devices = Devices {
            camera: config.camera.clone(),
            microphone: config.microphone.clone(),
            speaker: config.speaker.clone(),
            ..Devices::default()
        };
        let local = Local {
            name: config.name.clone(),
            microphone_on: true,
            camera_on: true,
            camera: DeviceState::Off,
            microphone: DeviceState::Off,
            speaker: DeviceState::Off,
            preview: false,
            video_quality: config.video_quality,
            voice: config.voice,
        };
        Self { phase: Phase::Idle, local, devices, people: People::default() }
    }
}
