//! The machine of one call: what it is ([`Call`]), and by concern what happens in it.

mod acquaintance;
mod connection;
mod members;
mod negotiation;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_protocol::inner::{Inner, SessionId};
use eyeline_protocol::{IceConfig, MemberId};
use eyeline_seal::{DeviceId, PeerCard, RoomKeys};

use crate::entropy::Entropy;
use crate::output::{Input, Output, RtcCommand, SocketInput};
use crate::pairs::{LocalPeer, Pairs};
use crate::place::{Entry, Place};
use crate::refusal::Refusal;
use crate::session::{EarlyCandidates, Outage, Session};

/// How long the two machines may take to find a path.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(25);
/// Pause before a refused newcomer offers again.
const BUSY_RETRY: Duration = Duration::from_secs(2);
/// How often a newcomer offers before it believes that the call is taken. Somebody whose program crashed and who comes
/// back at once is refused until the other side has noticed the crash, about three seconds.
const BUSY_TRIES: u32 = 4;

/// How a call starts.
pub struct CallConfig {
    /// Keys of the call's room.
    pub keys: RoomKeys,
    /// 32 fresh random bytes: keys, session names and nonces come from them.
    pub random: [u8; 32],
    /// Who we are.
    pub local: LocalPeer,
    /// The only device this call may be with: of a contact that rang, or was rung.
    pub pinned: Option<DeviceId>,
    /// The user wants this call already. Otherwise nothing is done before [`Input::Accept`].
    pub accepted: bool,
    /// No address of ours reaches the other side; without a relay there is no call.
    pub relay_only: bool,
}

/// Where a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for the user's word.
    Ringing,
    /// Reaching the server, entering the room.
    Joining,
    /// Alone in the room.
    Waiting,
    /// Somebody is there; a path is being looked for.
    Connecting,
    /// Connected, now or a moment ago.
    InCall(InCall),
    /// Over.
    Ended(EndReason),
}

/// A call that was connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InCall {
    /// When it was first connected.
    pub since: Instant,
    /// When packets stopped, if they did.
    pub outage_since: Option<Instant>,
}

/// Why a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// We hung up.
    HungUp,
    /// The other side hung up.
    RemoteHungUp,
    /// The other side vanished and did not come back.
    RemoteVanished,
    /// The server was never reached.
    ServerUnreachable,
    /// The server does not want us.
    ServerRefused,
    /// Two people are in this call already.
    RoomFull,
    /// No path between the two machines.
    NoPath,
    /// What the other side says cannot be read.
    Incompatible,
    /// What arrived is not what the other side sealed, or the connection is not the one it means.
    Tampered,
    /// The other side is not the device that this call is with.
    KeyChanged,
    /// Our address is to stay unknown, and there is no relay.
    NoRelay,
    /// The peer connection could not be made.
    Internal,
}

/// What the call is doing; [`State`] is its public face.
#[derive(Debug)]
enum Stage {
    Ringing,
    Joining,
    Waiting,
    Connecting {
        session: Session,
        until: Instant,
    },
    /// Everybody in the room is in a call; offering again at `retry_at`.
    Refused {
        members: Vec<MemberId>,
        retry_at: Instant,
    },
    Talking {
        session: Session,
        since: Instant,
        outage: Option<Outage>,
    },
    Ended(EndReason),
}

/// One call, from joining its room to the end.
///
/// ```text
///  Ringing --accept--+
///                    v      joined, alone            peer's offer           the gate opens
///                 Joining ------------------> Waiting ----------> Connecting -----------> InCall <--+ packets stop,
///                    |                          ^  ^                 ^   |                  |   +---+ ICE restarts,
///                    | joined, others there     |  +--- peer left ---+---+                  |        server restarts,
///                    +-------- offer -----------+--------------------+                      |        we or they move
///                    |                          |                                           | hang up, bye,
///                    v                          v                                           v 60 s without packets
///  Ended(ServerUnreachable...)               Ended(HungUp)                                Ended(...)
/// ```
///
/// The newcomer to a room shakes hands with everybody it finds there and offers to them; whoever is free answers. For the
/// life of a session its offerer alone makes offers; the answerer asks for a restart. If a confused server makes both
/// newcomers, the handshake and the offer of the smaller member id stand. The server is only needed to begin and to restart
/// ICE: while it is away the call goes on, and when it comes back without memory the two ends find each other again by the
/// session's name (`moved`).
///
/// Media flows only in `InCall`, and only [`media_gate`](crate::media_gate) lets a call get there.
#[derive(Debug)]
pub struct Call {
    stage: Stage,
    accepted: bool,
    relay_only: bool,
    us: DeviceId,
    place: Place,
    pairs: Pairs,
    entropy: Entropy,
    ice: IceConfig,
    busy_tries: u32,
    early: EarlyCandidates,
    outputs: VecDeque<Output>,
}

impl Call {
    /// Begins to join the room, if the user wants the call already.
    #[must_use]
    pub fn new(now: Instant, config: CallConfig) -> Self {
        let mut entropy = Entropy::new(config.random);
        let us = config.local.identity.device.id();
        let for_pairs = Entropy::new(entropy.take());
        let place = Place::new(now, Entry::Room(config.keys.room_id));
        let mut call = Self {
            stage: Stage::Ringing,
            accepted: false,
            relay_only: config.relay_only,
            us,
            place,
            pairs: Pairs::new(config.keys, config.local, config.pinned, for_pairs),
            entropy,
            ice: IceConfig::default(),
            busy_tries: 0,
            early: EarlyCandidates::default(),
            outputs: VecDeque::new(),
        };
        if config.accepted {
            call.handle(now, Input::Accept);
        }
        call
    }

    /// Where the call is.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.stage {
            Stage::Ringing => State::Ringing,
            Stage::Joining => State::Joining,
            Stage::Waiting => State::Waiting,
            Stage::Connecting { .. } | Stage::Refused { .. } => State::Connecting,
            Stage::Talking { since, outage, .. } => {
                State::InCall(InCall { since: *since, outage_since: outage.map(|outage| outage.since) })
            }
            Stage::Ended(reason) => State::Ended(*reason),
        }
    }

    /// Whether the signaling server is in reach.
    #[must_use]
    pub fn signaling_online(&self) -> bool {
        self.place.online()
    }

    /// Whether camera and microphone may be open for this call: the user accepted it, and it is not over.
    #[must_use]
    pub fn devices_wanted(&self) -> bool {
        self.accepted && !matches!(self.stage, Stage::Ended(_))
    }

    /// Who the other side is, once it is known.
    #[must_use]
    pub fn peer(&self) -> Option<&PeerCard> {
        match &self.stage {
            Stage::Connecting { session, .. } | Stage::Talking { session, .. } => session.assurance.peer(),
            Stage::Ringing | Stage::Joining | Stage::Waiting | Stage::Refused { .. } | Stage::Ended(_) => None,
        }
    }

    /// The emoji to compare, as indices into [`eyeline_seal::sas::EMOJI`], once both ends agreed on them.
    #[must_use]
    pub fn emoji(&self) -> Option<[u8; 5]> {
        match &self.stage {
            Stage::Talking { session, .. } => session.assurance.sas.emoji(),
            Stage::Ringing
            | Stage::Joining
            | Stage::Waiting
            | Stage::Connecting { .. }
            | Stage::Refused { .. }
            | Stage::Ended(_) => None,
        }
    }

    /// Takes one input. Afterwards [`poll_output`](Self::poll_output) until it is empty.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Socket(input) => self.place.handle(now, input),
            Input::Rtc { session, input } => self.handle_rtc(now, &session, input),
            Input::Accept => self.accept(now),
            Input::HangUp => self.hang_up(),
            Input::Contact(message) => self.send_contact(message),
            Input::NetworkChanged => self.network_changed(now),
            Input::Timeout => self.handle_timeout(now),
        }
        self.drain_place(now);
    }

    /// Next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Connecting { session, until } => {
                Some(session.assurance.bind_deadline().map_or(*until, |deadline| deadline.min(*until)))
            }
            Stage::Refused { retry_at, .. } => Some(*retry_at),
            Stage::Talking { outage: Some(outage), .. } => Some(outage.retry_at.min(outage.since + Outage::GIVE_UP)),
            Stage::Ringing
            | Stage::Joining
            | Stage::Waiting
            | Stage::Talking { outage: None, .. }
            | Stage::Ended(_) => None,
        };
        own.into_iter().chain(self.place.poll_timeout()).min()
    }

    fn network_changed(&mut self, now: Instant) {
        self.place.handle(now, SocketInput::NetworkChanged);
        self.restart_ice(now);
    }

    fn accept(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Ringing) {
            self.accepted = true;
            self.place.start(now);
            self.enter(Stage::Joining);
        }
    }

    fn hang_up(&mut self) {
        if let Some(session) = self.session_mut() {
            let (recipients, bye) = (session.recipients(), Inner::Bye { session: session.id.clone() });
            self.send_to(&recipients, &bye);
        }
        self.end(EndReason::HungUp);
    }

    fn end_if_not_talking(&mut self, reason: EndReason) {
        match &self.stage {
            Stage::Ringing | Stage::Joining | Stage::Waiting | Stage::Connecting { .. } | Stage::Refused { .. } => {
                self.end(reason)
            }
            Stage::Talking { .. } | Stage::Ended(_) => {}
        }
    }

    fn end(&mut self, reason: EndReason) {
        if matches!(self.stage, Stage::Ended(_)) {
            return;
        }
        self.drop_session();
        self.place.leave();
        self.enter(Stage::Ended(reason));
    }

    fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.stage {
            Stage::Connecting { session, .. } | Stage::Talking { session, .. } => Some(session),
            Stage::Ringing | Stage::Joining | Stage::Waiting | Stage::Refused { .. } | Stage::Ended(_) => None,
        }
    }

    /// The current session, if it has this name and `member` has a part in it.
    fn current_with(&mut self, member: &MemberId, id: &SessionId) -> Option<&mut Session> {
        self.session_mut().filter(|session| session.id == *id && session.concerns(member))
    }

    fn drop_session(&mut self) {
        if let Some(session) = self.session_mut() {
            let id = session.id.clone();
            self.rtc(&id, RtcCommand::Close);
        }
    }

    fn send_to(&mut self, recipients: &[MemberId], inner: &Inner) {
        for member in recipients {
            self.pairs.send(&mut self.place, member, inner);
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        self.outputs.push_back(Output::Refused(refusal));
    }

    fn rtc(&mut self, session: &SessionId, command: RtcCommand) {
        self.outputs.push_back(Output::Rtc { session: session.clone(), command });
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.changed();
    }

    fn changed(&mut self) {
        self.outputs.push_back(Output::Changed);
    }
}
