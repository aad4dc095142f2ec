//! What the engine shows of other people: contacts, rings, codes, verification.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Contacts, history and what concerns being reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct People {
    /// Contacts, by name.
    pub contacts: Vec<Contact>,
    /// Past calls, newest first, at most 100.
    pub history: Vec<PastCall>,
    /// Missed calls that were not looked at yet.
    pub unseen_missed: u32,
    /// Somebody rings.
    pub incoming: Option<IncomingRing>,
    /// Whether contacts can ring us now.
    pub reachable: Reachable,
    /// Rings are not shown; they become missed calls.
    pub do_not_disturb: bool,
    /// No call ever tells the other side our address.
    pub relay_only: bool,
}

/// Somebody we know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Contact {
    /// Stable name to speak of this contact by.
    pub id: String,
    /// What we call them.
    pub name: String,
    /// What they call themselves.
    pub own_name: String,
    /// The emoji were compared with this person, on this device.
    pub verified: bool,
    /// They cannot ring us.
    pub blocked: bool,
    /// They are reachable now, as far as they let us know.
    pub online: bool,
    /// They gave us a way to ring them.
    pub can_ring: bool,
    /// They may see whether we are reachable.
    pub presence_allowed: bool,
    /// Calls with them always go through a relay.
    pub relay_only: bool,
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PastCall {
    /// Stable name to speak of this entry by.
    #[ts(type = "number")]
    pub id: i64,
    /// The contact, if it was one.
    pub contact: Option<String>,
    /// Name of the other side, empty when unknown.
    pub name: String,
    /// They called us.
    pub incoming: bool,
    /// How it went.
    pub outcome: Outcome,
    /// When it began, unix milliseconds.
    #[ts(type = "number")]
    pub at_unix_ms: i64,
    /// How long picture and sound flowed, in milliseconds.
    #[ts(type = "number")]
    pub duration_ms: i64,
    /// A missed call that was not looked at yet.
    pub unseen: bool,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Outcome {
    /// Both talked.
    Answered,
    /// We did not answer.
    Missed,
    /// Whoever was called declined.
    Declined,
    /// Whoever was called was in a call.
    Busy,
    /// The caller gave up, or nobody answered.
    Cancelled,
    /// It could not be connected.
    Failed,
}

/// A ring that waits for an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct IncomingRing {
    /// The contact who rings.
    pub contact: String,
    /// What we call them.
    pub name: String,
    /// The emoji were compared with this person.
    pub verified: bool,
    /// Since when, unix milliseconds.
    #[ts(type = "number")]
    pub since_unix_ms: i64,
}

/// Whether contacts can ring us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Reachable {
    /// There is no server of our own, so nobody can.
    #[default]
    NoServer,
    /// The server is being reached.
    Connecting,
    /// Yes.
    Yes,
    /// Another program with our keys took our place.
    TakenOver,
}

/// A code that somebody may type to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export)]
pub enum CodeState {
    /// The server is asked for one.
    Asking,
    /// To be said to the other person.
    Shown {
        /// For example `7-amber-violin`.
        code: String,
        /// When it stops working, unix milliseconds.
        #[ts(type = "number")]
        expires_unix_ms: i64,
        /// Codes before this one that somebody tried and got wrong.
        wrong_tries: u32,
    },
    /// Somebody typed it right and is about to join.
    Taken,
    /// Too many wrong tries: no new code without the user's word.
    Burned {
        /// How many.
        wrong_tries: u32,
    },
    /// It stopped working unused.
    Expired,
    /// The server has no codes, or cannot be reached.
    Unavailable,
}

/// A contact that is being rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct OutgoingRing {
    /// The contact.
    pub contact: String,
    /// What we call them.
    pub name: String,
    /// How far it is.
    pub state: RingState,
}

/// How far an outgoing ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RingState {
    /// The contact's server is being reached.
    Calling,
    /// It rings at the other side.
    Ringing,
    /// They accepted and are about to join.
    Accepted,
}

/// Who the other side of a call is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RemoteIdentity {
    /// The contact, if it is one.
    pub contact: Option<String>,
    /// What is known of its key.
    pub trust: Trust,
    /// Five pictures to compare; empty until they are agreed on.
    pub sas: Vec<SasEmoji>,
    /// How far becoming contacts is.
    pub exchange: ContactExchange,
}

/// What is known of the other side's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Trust {
    /// The link, code or ring authenticated it; nobody compared the emoji yet.
    #[default]
    Invited,
    /// The emoji were compared, now or before.
    Verified,
    /// A contact of this name has another key: a new device, or somebody else.
    Changed,
    /// The user said that the emoji differ.
    Mismatch,
}

/// One of the pictures to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SasEmoji {
    /// The picture.
    pub emoji: String,
    /// Its English name.
    pub name: String,
}

/// How far becoming contacts is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ContactExchange {
    /// Nobody asked.
    #[default]
    None,
    /// We asked, they did not answer yet.
    Requested,
    /// They asked us.
    Asked,
    /// Both agreed.
    Added,
    /// They would rather not.
    Declined,
}
