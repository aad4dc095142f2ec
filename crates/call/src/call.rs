//! The machine of one call.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_protocol::inner::{Inner, SessionId};
use eyeline_protocol::{ErrorCode, IceConfig, MemberId};
use eyeline_seal::RoomKeys;

use crate::output::{Input, Output, RtcCommand, RtcInput, SocketInput};
use crate::session::{EarlyCandidates, Outage, Role, Session, With};
use crate::signaling::{Signaling, SignalingEvent};

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
    /// 32 fresh random bytes: session names and nonces come from them.
    pub random: [u8; 32],
}

/// Where a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
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
    /// The peer connection could not be made.
    Internal,
}

/// What the call is doing; [`State`] is its public face.
#[derive(Debug)]
enum Stage {
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
///            joined, alone            peer's offer              connected
/// Joining ------------------> Waiting ------------> Connecting -----------> InCall <--+ packets stop, ICE restarts,
///    |                          ^  ^                   ^   |                  |   +---+ server restarts, we or they move
///    | joined, others there     |  +--- peer left -----+---+                  |
///    +-------- offer -----------+----------------------+                      | hang up, bye,
///    |                          |                                             | 60 s without packets
///    v                          v                                             v
/// Ended(ServerUnreachable...) Ended(HungUp)                                 Ended(...)
/// ```
///
/// The newcomer to a room offers to everybody it finds there; whoever is free answers. For the life of a session its
/// offerer alone makes offers; the answerer asks for a restart. If a confused server makes both newcomers, the offer of the
/// smaller member id stands. The server is only needed to begin and to restart ICE: while it is away the call goes on, and
/// when it comes back without memory the two ends find each other again by the session's name (`moved`).
#[derive(Debug)]
pub struct Call {
    stage: Stage,
    signaling: Signaling,
    ice: IceConfig,
    session_seed: u64,
    sessions: u64,
    busy_tries: u32,
    early: EarlyCandidates,
    outputs: VecDeque<Output>,
}

impl Call {
    /// Begins to join the room.
    #[must_use]
    pub fn new(now: Instant, config: &CallConfig) -> Self {
        let (prefix, seed) = config.random.split_at(16);
        let prefix = prefix.try_into().expect("split at 16");
        let seed = u64::from_be_bytes(seed[..8].try_into().expect("eight of sixteen bytes"));
        let mut call = Self {
            stage: Stage::Joining,
            signaling: Signaling::new(now, &config.keys, prefix),
            ice: IceConfig::default(),
            session_seed: seed,
            sessions: 0,
            busy_tries: 0,
            early: EarlyCandidates::default(),
            outputs: VecDeque::new(),
        };
        call.drain_signaling(now);
        call
    }

    /// Where the call is.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.stage {
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
        self.signaling.online()
    }

    /// Takes one input. Afterwards [`poll_output`](Self::poll_output) until it is empty.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Socket(SocketInput::Opened) => self.signaling.handle_opened(now),
            Input::Socket(SocketInput::Frame(frame)) => self.signaling.handle_frame(now, &frame),
            Input::Socket(SocketInput::Closed) => self.signaling.handle_closed(now),
            Input::Rtc { session, input } => self.handle_rtc(now, &session, input),
            Input::HangUp => self.hang_up(),
            Input::NetworkChanged => self.handle_network_change(now),
            Input::Timeout => self.handle_timeout(now),
        }
        self.drain_signaling(now);
    }

    /// Next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Connecting { until, .. } => Some(*until),
            Stage::Refused { retry_at, .. } => Some(*retry_at),
            Stage::Talking { outage: Some(outage), .. } => Some(outage.retry_at.min(outage.since + Outage::GIVE_UP)),
            Stage::Joining | Stage::Waiting | Stage::Talking { outage: None, .. } | Stage::Ended(_) => None,
        };
        own.into_iter().chain(self.signaling.poll_timeout()).min()
    }

    // ---- signaling

    fn drain_signaling(&mut self, now: Instant) {
        while let Some(event) = self.signaling.poll_event() {
            self.handle_signaling(now, event);
        }
        while let Some(command) = self.signaling.poll_command() {
            self.outputs.push_back(Output::Socket(command));
        }
    }

    fn handle_signaling(&mut self, now: Instant, event: SignalingEvent) {
        match event {
            SignalingEvent::Joined { members, ice, .. } => self.handle_joined(now, members, ice),
            SignalingEvent::Resumed { members } => self.handle_resumed(now, &members),
            SignalingEvent::PeerJoined(_) | SignalingEvent::Offline => self.changed(),
            SignalingEvent::PeerLeft(id) => self.handle_peer_left(&id),
            SignalingEvent::Message { from, inner } => self.handle_message(now, from, inner),
            SignalingEvent::Unreadable(from) => self.handle_unreadable(&from),
            SignalingEvent::Unreachable => self.end_if_not_talking(EndReason::ServerUnreachable),
            SignalingEvent::Refused(ErrorCode::RoomFull) => self.end_if_not_talking(EndReason::RoomFull),
            SignalingEvent::Refused(_) => self.end_if_not_talking(EndReason::ServerRefused),
        }
    }

    fn handle_joined(&mut self, now: Instant, members: Vec<MemberId>, ice: IceConfig) {
        self.ice = ice;
        match &mut self.stage {
            Stage::Talking { session, .. } => {
                // The server forgot us, so it forgot the peer: whoever is there may be it, under a new name.
                session.with = With::Nobody;
                let moved = Inner::Moved { session: session.id.clone(), reply: false };
                for member in &members {
                    self.signaling.send(member, &moved);
                }
                self.changed();
            }
            Stage::Joining | Stage::Waiting | Stage::Connecting { .. } | Stage::Refused { .. } => {
                self.drop_session();
                if members.is_empty() {
                    self.enter(Stage::Waiting);
                } else {
                    self.offer(now, members);
                }
            }
            Stage::Ended(_) => {}
        }
    }

    fn handle_resumed(&mut self, now: Instant, members: &[MemberId]) {
        let gone: Vec<MemberId> = match &self.stage {
            Stage::Connecting { session, .. } | Stage::Talking { session, .. } => session.recipients(),
            Stage::Refused { members, .. } => members.clone(),
            Stage::Joining | Stage::Waiting | Stage::Ended(_) => Vec::new(),
        };
        for id in gone.iter().filter(|id| !members.contains(id)) {
            self.handle_peer_left(id);
        }
        if let Stage::Talking { outage: Some(outage), .. } = &mut self.stage {
            outage.retry_at = now;
        }
        self.changed();
    }

    fn handle_peer_left(&mut self, id: &MemberId) {
        match &mut self.stage {
            Stage::Connecting { session, .. } if session.concerns(id) => {
                let left = match &mut session.with {
                    With::Invited(members) => {
                        members.retain(|member| member != id);
                        members.is_empty()
                    }
                    With::Peer(_) | With::Nobody => true,
                };
                if left {
                    self.drop_session();
                    self.enter(Stage::Waiting);
                }
            }
            Stage::Refused { members, .. } => {
                members.retain(|member| member != id);
                if members.is_empty() {
                    self.enter(Stage::Waiting);
                }
            }
            Stage::Talking { session, outage, .. } if session.concerns(id) => {
                session.with = With::Nobody;
                if outage.is_some() {
                    self.end(EndReason::RemoteVanished);
                }
            }
            Stage::Connecting { .. } | Stage::Talking { .. } | Stage::Joining | Stage::Waiting | Stage::Ended(_) => {}
        }
    }

    fn handle_unreadable(&mut self, from: &MemberId) {
        if let Stage::Connecting { session, .. } = &self.stage
            && session.with == With::Peer(from.clone())
        {
            self.end(EndReason::Incompatible);
        }
    }

    fn handle_message(&mut self, now: Instant, from: MemberId, inner: Inner) {
        match inner {
            Inner::Offer { session, epoch, sdp } => self.handle_offer(now, from, session, epoch, sdp),
            Inner::Answer { session, epoch, sdp } => self.handle_answer(&from, &session, epoch, sdp),
            Inner::Candidate { session, epoch, candidate } => self.handle_candidate(from, session, epoch, candidate),
            // The peer connection works with whatever came so far.
            Inner::CandidatesEnd { .. } => {}
            Inner::Restart { session } => self.handle_restart_request(now, &from, &session),
            Inner::Moved { session, reply } => self.handle_moved(now, &from, &session, reply),
            Inner::Busy { session } => self.handle_busy(now, &from, &session),
            Inner::Bye { session } => {
                if self.current_with(&from, &session).is_some() {
                    self.end(EndReason::RemoteHungUp);
                }
            }
        }
    }

    // ---- negotiation

    fn offer(&mut self, now: Instant, members: Vec<MemberId>) {
        self.sessions += 1;
        let id = SessionId::from_random(self.session_seed.wrapping_add(self.sessions));
        self.rtc(&id, RtcCommand::Open { ice: self.ice.clone() });
        self.rtc(&id, RtcCommand::Offer { restart: false });
        self.enter(Stage::Connecting { session: Session::offerer(id, members), until: now + CONNECT_TIMEOUT });
    }

    fn handle_offer(&mut self, now: Instant, from: MemberId, id: SessionId, epoch: u32, sdp: String) {
        if let Some(session) = self.session_mut()
            && session.id == id
        {
            if session.role == Role::Answerer && session.concerns(&from) && epoch > session.epoch {
                session.take_offer(epoch);
                self.take_offer(&from, &id, epoch, sdp);
            }
            return;
        }
        match &self.stage {
            Stage::Waiting | Stage::Refused { .. } => {}
            Stage::Connecting { session, .. } => {
                let glare = session.role == Role::Offerer && session.concerns(&from);
                if glare && self.signaling.me() < Some(&from) {
                    return;
                }
            }
            Stage::Talking { outage, session, .. } => {
                let known = session.concerns(&from);
                if outage.is_none() && !known {
                    self.signaling.send(&from, &Inner::Busy { session: id });
                    return;
                }
            }
            Stage::Joining | Stage::Ended(_) => return,
        }
        self.drop_session();
        self.rtc(&id, RtcCommand::Open { ice: self.ice.clone() });
        self.take_offer(&from, &id, epoch, sdp);
        let session = Session::answerer(id, epoch, from);
        self.enter(Stage::Connecting { session, until: now + CONNECT_TIMEOUT });
    }

    fn take_offer(&mut self, from: &MemberId, id: &SessionId, epoch: u32, sdp: String) {
        self.rtc(id, RtcCommand::AcceptOffer(sdp));
        for candidate in self.early.take(from, id, epoch) {
            self.rtc(id, RtcCommand::AddCandidate(candidate));
        }
    }

    fn handle_answer(&mut self, from: &MemberId, id: &SessionId, epoch: u32, sdp: String) {
        let Some(session) = self.current_with(from, id) else { return };
        if session.role != Role::Offerer || epoch != session.epoch {
            return;
        }
        session.with = With::Peer(from.clone());
        self.rtc(id, RtcCommand::AcceptAnswer(sdp));
        for candidate in self.early.take(from, id, epoch) {
            self.rtc(id, RtcCommand::AddCandidate(candidate));
        }
    }

    fn handle_candidate(&mut self, from: MemberId, id: SessionId, epoch: u32, candidate: String) {
        match self.current_with(&from, &id) {
            // Among several invited, only the one who answers may add addresses.
            Some(session) if session.epoch == epoch && matches!(session.with, With::Peer(_)) => {
                self.rtc(&id, RtcCommand::AddCandidate(candidate));
            }
            Some(session) if epoch < session.epoch => {}
            Some(_) | None => self.early.keep(from, id, epoch, candidate),
        }
    }

    fn handle_busy(&mut self, now: Instant, from: &MemberId, id: &SessionId) {
        let Some(session) = self.current_with(from, id) else { return };
        let With::Invited(members) = &session.with else { return };
        let members = members.clone();
        self.busy_tries += 1;
        if self.busy_tries >= BUSY_TRIES {
            self.end(EndReason::RoomFull);
            return;
        }
        self.drop_session();
        self.enter(Stage::Refused { members, retry_at: now + BUSY_RETRY });
    }

    fn handle_moved(&mut self, now: Instant, from: &MemberId, id: &SessionId, reply: bool) {
        let Stage::Talking { session, outage, .. } = &mut self.stage else { return };
        if session.id != *id {
            return;
        }
        session.with = With::Peer(from.clone());
        if let Some(outage) = outage {
            outage.retry_at = now;
        }
        if !reply {
            self.signaling.send(from, &Inner::Moved { session: id.clone(), reply: true });
        }
    }

    fn handle_restart_request(&mut self, now: Instant, from: &MemberId, id: &SessionId) {
        let Some(session) = self.current_with(from, id) else { return };
        let recent = session.restarted_at.is_some_and(|at| now.saturating_duration_since(at) < Outage::RESTART_MIN);
        if session.role == Role::Offerer && !recent {
            self.restart_ice(now);
        }
    }

    /// Restarts ICE, or asks the offerer to.
    fn restart_ice(&mut self, now: Instant) {
        let Stage::Talking { session, outage, .. } = &mut self.stage else { return };
        if let Some(outage) = outage {
            outage.retry_at = now + Outage::RETRY;
        }
        let (id, role, recipients) = (session.id.clone(), session.role, session.recipients());
        if !self.signaling.online() {
            // Nothing would reach the other end; it is done as soon as the server is back.
            return;
        }
        match role {
            Role::Offerer => {
                session.restarted_at = Some(now);
                self.rtc(&id, RtcCommand::Offer { restart: true });
            }
            Role::Answerer => {
                for member in recipients {
                    self.signaling.send(&member, &Inner::Restart { session: id.clone() });
                }
            }
        }
    }

    // ---- peer connection

    fn handle_rtc(&mut self, now: Instant, id: &SessionId, input: RtcInput) {
        let Some(session) = self.session_mut() else { return };
        if session.id != *id {
            return;
        }
        let recipients = session.recipients();
        match input {
            RtcInput::Offer(sdp) => {
                let first = matches!(session.with, With::Invited(_));
                session.epoch += u32::from(!first);
                session.local_epoch = session.epoch;
                let message = Inner::Offer { session: id.clone(), epoch: session.epoch, sdp };
                self.send_to(&recipients, &message);
            }
            RtcInput::Answer(sdp) => {
                session.local_epoch = session.answering.pop_front().unwrap_or(session.epoch);
                let message = Inner::Answer { session: id.clone(), epoch: session.local_epoch, sdp };
                self.send_to(&recipients, &message);
            }
            RtcInput::Candidate(candidate) => {
                let message = Inner::Candidate { session: id.clone(), epoch: session.local_epoch, candidate };
                self.send_to(&recipients, &message);
            }
            RtcInput::CandidatesDone => {
                let message = Inner::CandidatesEnd { session: id.clone(), epoch: session.local_epoch };
                self.send_to(&recipients, &message);
            }
            RtcInput::Connected => self.handle_connected(now),
            RtcInput::Disconnected | RtcInput::Failed => self.handle_disconnected(now),
            RtcInput::RemoteBye => self.end(EndReason::RemoteHungUp),
            RtcInput::Error => self.handle_rtc_error(),
        }
    }

    fn handle_connected(&mut self, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Connecting { session, .. } => {
                self.busy_tries = 0;
                self.stage = Stage::Talking { session, since: now, outage: None };
            }
            Stage::Talking { session, since, .. } => self.stage = Stage::Talking { session, since, outage: None },
            other @ (Stage::Joining | Stage::Waiting | Stage::Refused { .. } | Stage::Ended(_)) => self.stage = other,
        }
        self.changed();
    }

    fn handle_disconnected(&mut self, now: Instant) {
        let Stage::Talking { session, outage: outage @ None, .. } = &mut self.stage else { return };
        *outage = Some(Outage::new(now, session.role));
        self.changed();
        self.handle_timeout(now);
    }

    /// What came from outside and could not be used costs the session it was for, not our place in the room. In a call the
    /// connection stays as it was, and a restart of ICE mends what it can.
    fn handle_rtc_error(&mut self) {
        match &self.stage {
            Stage::Connecting { session, .. } if session.role == Role::Answerer => {
                self.drop_session();
                self.enter(Stage::Waiting);
            }
            Stage::Connecting { session, .. } if matches!(session.with, With::Peer(_)) => {
                self.end(EndReason::Incompatible);
            }
            Stage::Connecting { .. } => self.end(EndReason::Internal),
            Stage::Joining | Stage::Waiting | Stage::Refused { .. } | Stage::Talking { .. } | Stage::Ended(_) => {}
        }
    }

    fn handle_network_change(&mut self, now: Instant) {
        self.restart_ice(now);
    }

    // ---- time and end

    fn handle_timeout(&mut self, now: Instant) {
        self.signaling.handle_timeout(now);
        match &self.stage {
            Stage::Connecting { until, .. } if now >= *until => self.end(EndReason::NoPath),
            Stage::Refused { members, retry_at } if now >= *retry_at => {
                let members = members.clone();
                self.offer(now, members);
            }
            Stage::Talking { outage: Some(outage), .. } if now >= outage.since + Outage::GIVE_UP => {
                self.end(EndReason::RemoteVanished);
            }
            Stage::Talking { outage: Some(outage), .. } if now >= outage.retry_at => self.restart_ice(now),
            Stage::Connecting { .. }
            | Stage::Refused { .. }
            | Stage::Talking { .. }
            | Stage::Joining
            | Stage::Waiting
            | Stage::Ended(_) => {}
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
            Stage::Joining | Stage::Waiting | Stage::Connecting { .. } | Stage::Refused { .. } => self.end(reason),
            Stage::Talking { .. } | Stage::Ended(_) => {}
        }
    }

    fn end(&mut self, reason: EndReason) {
        if matches!(self.stage, Stage::Ended(_)) {
            return;
        }
        self.drop_session();
        self.signaling.leave();
        self.enter(Stage::Ended(reason));
    }

    // ---- small change

    fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.stage {
            Stage::Connecting { session, .. } | Stage::Talking { session, .. } => Some(session),
            Stage::Joining | Stage::Waiting | Stage::Refused { .. } | Stage::Ended(_) => None,
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
            self.signaling.send(member, inner);
        }
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
