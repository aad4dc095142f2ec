//! What can be asked of the engine.

use std::sync::Arc;

use eyeline_media::frame::VideoCodec;
use eyeline_seal::Identity;

use crate::view::{VideoQuality, VoiceProcessing};

/// A request to the engine. It answers by a new [`Snapshot`](crate::view::Snapshot), never by a return value.
#[derive(Clone)]
pub enum Command {
    /// Open a new room on `server` and wait in it. `server` is the base address people will see in the link, for example
    /// `https://call.example.org` or `http://192.168.1.20:7420`.
    StartCall {
        /// Base address of the signaling server.
        server: String,
        /// Also show a code that can be said aloud.
        code: bool,
        /// Do not tell the other side our address in this call.
        relay_only: bool,
    },
    /// Enter the room of a link.
    JoinCall {
        /// The link as pasted, blanks around it allowed.
        link: String,
        /// Do not tell the other side our address in this call.
        relay_only: bool,
    },
    /// Find the call of a spoken code and enter it.
    JoinByCode {
        /// Base address of the signaling server.
        server: String,
        /// The code as typed.
        code: String,
        /// Do not tell the other side our address in this call.
        relay_only: bool,
    },
    /// While waiting: show a code, or a new one after others were burned or expired.
    NewCode,
    /// While waiting: let the code no longer work.
    WithdrawCode,
    /// Ring a contact, by its id.
    RingContact {
        /// [`Contact::id`](crate::view::Contact::id).
        contact: String,
    },
    /// Answer the contact who rings.
    AcceptRing {
        /// With a picture of us.
        camera: bool,
    },
    /// Decline the contact who rings.
    DeclineRing,
    /// Say whether the emoji are the same on both sides. Yes marks the person verified on this device.
    ConfirmSas(bool),
    /// Ask the other side of the call to become a contact.
    RequestContact,
    /// Answer the other side's wish to become a contact.
    AnswerContact(bool),
    /// What to do with a contact.
    Contact {
        /// [`Contact::id`](crate::view::Contact::id).
        contact: String,
        /// What.
        change: ContactChange,
    },
    /// Missed calls were looked at.
    MissedSeen,
    /// Forget one past call.
    ForgetPastCall(i64),
    /// Forget all past calls.
    ClearHistory,
    /// Forget all contacts and past calls, and be somebody new.
    WipePeople {
        /// The new keys.
        identity: Arc<Identity>,
    },
    /// Do not let anybody ring.
    SetDoNotDisturb(bool),
    /// Never tell anybody our address.
    SetRelayOnly(bool),
    /// Base address of the server where contacts ring us; none makes us unreachable.
    SetHomeServer(Option<String>),
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
    /// What is done to the microphone's sound before it is sent.
    SetVoice(VoiceProcessing),
    /// Ceiling for the picture we send.
    SetVideoQuality(VideoQuality),
    /// Order in which codecs are offered; the first that both ends know is used from the next call on.
    SetCodecs(Vec<VideoCodec>),
}

/// What can be changed about a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactChange {
    /// What we call them; empty for what they call themselves.
    Rename(String),
    /// Whether they are kept from ringing us.
    Block(bool),
    /// Whether calls with them always go through a relay.
    RelayOnly(bool),
    /// Whether they may see that we are reachable.
    Presence(bool),
    /// No longer a contact; what they were given to ring us stops working.
    Remove,
}
