//! A call that is going on: the sans-IO machine, and the socket and session it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_call::{
    Call, CallConfig, CodeOffer, ContactMessage, Input, LocalPeer, Output, RingOut, RingOutState, RtcCommand,
    SocketCommand, SocketInput, State,
};
use eyeline_media::frame::{VideoCodec, VideoFrame};
use eyeline_media::observer::MediaObserver;
use eyeline_media::slot::LatestSlot;
use eyeline_media::time::WallClock;
use eyeline_media::units::Bitrate;
use eyeline_people::{CallKind, Direction, Outcome};
use eyeline_protocol::IceConfig;
use eyeline_protocol::inner::SessionId;
use eyeline_rtc::{PathKind, PeerConfig, PeerEvent};
use eyeline_seal::{DeviceId, Link, PeerCard, RingAnswer, RoomKeys};
use tokio::sync::mpsc;

use crate::actor::Note;
use crate::contacts::Past;
use crate::control::Control;
use crate::devices::LocalMedia;
use crate::figures::{Figures, FirstPicture};
use crate::history::Sample;
use crate::invitation::{Offering, Ringing};
use crate::session::{PeerHandle, Session, SessionNote, SessionOutputs, ice_servers};
use crate::view::{Connection, EndReason, Path, Phase, Remote, RemoteIdentity};
use crate::wire::Wire;

/// What sound, its packet headers and repair may take beside the picture.
const SOUND_SHARE: Bitrate = Bitrate::from_kbps(64);
/// How long after a ring was accepted one waits alone for the other: it may have ended at that very moment.
const MEET_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the goodbye may take before the program goes anyway.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// What a call needs of the engine.
pub(crate) struct CallContext {
    pub(crate) notes: mpsc::Sender<Note>,
    pub(crate) display: Arc<LatestSlot<VideoFrame>>,
    pub(crate) observer: Arc<dyn MediaObserver>,
    pub(crate) clock: WallClock,
    pub(crate) codecs: Vec<VideoCodec>,
    pub(crate) max_bitrate: Bitrate,
    pub(crate) local: LocalPeer,
}

/// What kind of call it is.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) direction: Direction,
    pub(crate) kind: CallKind,
    /// The only device it may be with, and what we call its owner.
    pub(crate) with: Option<(DeviceId, String)>,
    /// The user wants it already.
    pub(crate) accepted: bool,
    pub(crate) relay_only: bool,
}

/// A peer connection with what is known of its other end.
struct Running {
    session: Session,
    peer: PeerHandle,
    first_picture: Arc<FirstPicture>,
    remote: Remote,
    path: Path,
    /// The media gate is open.
    open: bool,
    figures: Figures,
}

/// A call that is going on.
pub(crate) struct ActiveCall {
    call: Call,
    context: CallContext,
    terms: Terms,
    link: Link,
    /// The server is on this machine, so the other side may be too.
    loopback: bool,
    requested_at: Instant,
    wire: Wire,
    /// A code that leads here.
    code: Option<Offering>,
    /// The contact that is being rung to come here.
    ring: Option<Ringing>,
    /// What the other side wants of us as a person.
    contact_messages: Vec<ContactMessage>,
    /// When a ring that was accepted must have brought the two together.
    meet_by: Option<Instant>,
    /// A better reason for the end than the machine knows.
    ended_for: Option<EndReason>,
    running: Option<Running>,
    /// Sessions that say goodbye.
    closing: Vec<Session>,
    since: Option<Instant>,
    /// The device at the other end, once there was one.
    met: Option<DeviceId>,
    remote_name: String,
}

impl ActiveCall {
    pub(crate) fn new(link: &Link, random: [u8; 32], terms: Terms, context: CallContext, media: &LocalMedia) -> Self {
        let now = Instant::now();
        let config = CallConfig {
            keys: RoomKeys::derive(link.secret()),
            random,
            local: context.local.clone(),
            pinned: terms.with.as_ref().map(|(device, _)| *device),
            accepted: terms.accepted,
            relay_only: terms.relay_only,
        };
        let mut active = Self {
            call: Call::new(now, config),
            wire: Wire::new(link.websocket_url(), context.notes.clone()),
            context,
            remote_name: terms.with.as_ref().map(|(_, name)| name.clone()).unwrap_or_default(),
            terms,
            link: link.clone(),
            loopback: matches!(link.server().host(), "localhost" | "127.0.0.1" | "[::1]" | "::1"),
            requested_at: now,
            code: None,
            ring: None,
            contact_messages: Vec::new(),
            meet_by: None,
            ended_for: None,
            running: None,
            closing: Vec::new(),
            since: None,
            met: None,
        };
        active.drain(now, media);
        active
    }

    // ---- asking somebody in

    /// Shows a code that leads here, or a new one.
    pub(crate) fn offer_code(&mut self, now: Instant, random: [u8; 32]) {
        if self.terms.kind == CallKind::Ring || !matches!(self.call.state(), State::Joining | State::Waiting) {
            return;
        }
        self.withdraw_code(now);
        let wire = Wire::new(self.link.websocket_url(), self.context.notes.clone());
        self.code = Some(Offering::new(now, CodeOffer::new(now, self.link.clone(), random), wire));
        self.terms.kind = CallKind::Code;
    }

    pub(crate) fn withdraw_code(&mut self, now: Instant) {
        if let Some(mut code) = self.code.take() {
            code.withdraw(now);
        }
    }

    pub(crate) fn ring(&mut self, now: Instant, machine: RingOut, contact: String) {
        let wire = Wire::new(self.link.websocket_url(), self.context.notes.clone());
        self.ring = Some(Ringing::new(now, machine, wire, contact, self.remote_name.clone()));
    }

    /// Whom the invitations still matter to.
    fn settle_invitations(&mut self, now: Instant, media: &LocalMedia) {
        if !matches!(self.call.state(), State::Joining | State::Waiting) {
            self.withdraw_code(now);
        }
        let Some(ring) = &mut self.ring else { return };
        let reason = match ring.state() {
            RingOutState::Answered(RingAnswer::Declined, _) => Some(EndReason::Declined),
            RingOutState::Answered(RingAnswer::Busy, _) => Some(EndReason::Busy),
            RingOutState::NoAnswer => Some(EndReason::NoAnswer),
            RingOutState::NotReachable => Some(EndReason::NotReachable),
            RingOutState::Unreachable => Some(EndReason::ServerUnreachable),
            RingOutState::Calling | RingOutState::Ringing | RingOutState::Answered(RingAnswer::Accepted, _) => None,
        };
        if matches!(ring.state(), RingOutState::Answered(RingAnswer::Accepted, _)) {
            self.meet_by.get_or_insert(now + MEET_TIMEOUT);
        }
        if matches!(self.call.state(), State::Connecting | State::InCall(_) | State::Ended(_)) {
            ring.cancel(now);
            self.ring = None;
        } else if let Some(reason) = reason {
            self.ring = None;
            self.ended_for = Some(reason);
            self.feed(now, Input::HangUp, media);
        }
    }

    // ---- what belongs to it

    /// Gives a note of a socket to whichever part it is for.
    pub(crate) fn handle_socket_note(&mut self, now: Instant, attempt: u64, input: SocketInput, media: &LocalMedia) {
        if self.wire.is(attempt) {
            self.feed(now, Input::Socket(input), media);
        } else if let Some(code) = self.code.as_mut().filter(|code| code.owns(attempt)) {
            code.handle_socket(now, input);
        } else if let Some(ring) = self.ring.as_mut().filter(|ring| ring.owns(attempt)) {
            ring.handle_socket(now, input);
        }
        self.settle_invitations(now, media);
    }

    pub(crate) fn network_changed(&mut self, now: Instant, media: &LocalMedia) {
        let _told_with_the_call = self.wire.network_changed();
        if let Some(code) = &mut self.code {
            code.network_changed(now);
        }
        if let Some(ring) = &mut self.ring {
            ring.network_changed(now);
        }
        self.feed(now, Input::NetworkChanged, media);
        self.settle_invitations(now, media);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, media: &LocalMedia) {
        if let Some(code) = &mut self.code {
            code.handle_timeout(now);
        }
        if let Some(ring) = &mut self.ring {
            ring.handle_timeout(now);
        }
        self.feed(now, Input::Timeout, media);
        self.settle_invitations(now, media);
        let alone = matches!(self.call.state(), State::Joining | State::Waiting);
        if self.meet_by.take_if(|at| now >= *at).is_some() && alone {
            self.ended_for = Some(EndReason::NoAnswer);
            self.feed(now, Input::HangUp, media);
        }
    }

    pub(crate) fn accept(&mut self, now: Instant, media: &LocalMedia) {
        self.requested_at = now;
        self.meet_by = Some(now + MEET_TIMEOUT);
        self.feed(now, Input::Accept, media);
    }

    /// What the other side is called: by us if it is a contact, else by its card. Nothing it says later changes this, so
    /// the name that is shown is the one whose key was looked at.
    pub(crate) fn set_remote_name(&mut self, name: &str) {
        name.clone_into(&mut self.remote_name);
        if let Some(running) = &mut self.running {
            running.remote.name = self.remote_name.clone();
        }
    }

    /// Who the other side is, once the call runs.
    pub(crate) fn peer(&self) -> Option<&PeerCard> {
        self.call.peer().filter(|_| self.in_call())
    }

    pub(crate) fn emoji(&self) -> Option<[u8; 5]> {
        self.call.emoji()
    }

    pub(crate) fn take_contact_messages(&mut self) -> Vec<ContactMessage> {
        std::mem::take(&mut self.contact_messages)
    }

    /// The device the call was meant for, or was with.
    pub(crate) fn with_device(&self) -> Option<DeviceId> {
        self.met.or(self.terms.with.as_ref().map(|(device, _)| *device))
    }

    pub(crate) fn in_call(&self) -> bool {
        matches!(self.call.state(), State::InCall(_))
    }

    pub(crate) fn devices_wanted(&self) -> bool {
        self.call.devices_wanted()
    }

    /// The call as it is remembered, if it is worth it: somebody was there, or was rung.
    pub(crate) fn past(&self) -> Option<Past> {
        let outcome = match (self.since, self.phase_reason()) {
            (Some(_), _) => Outcome::Answered,
            (None, _) if self.terms.kind != CallKind::Ring => return None,
            (None, EndReason::Declined) => Outcome::Declined,
            (None, EndReason::Busy) => Outcome::Busy,
            (None, EndReason::HungUp | EndReason::NoAnswer) => Outcome::Cancelled,
            (None, _) => Outcome::Failed,
        };
        Some(Past {
            device: self.with_device(),
            name: self.remote_name.clone(),
            direction: self.terms.direction,
            kind: self.terms.kind,
            outcome,
            started_ms: self.context.clock.unix_us(self.requested_at) / 1_000,
            duration_ms: self.duration_ms(),
        })
    }

    fn phase_reason(&self) -> EndReason {
        match (self.ended_for, self.call.state()) {
            (Some(reason), _) => reason,
            (None, State::Ended(reason)) => end_reason(reason),
            (None, _) => EndReason::HungUp,
        }
    }

    fn duration_ms(&self) -> i64 {
        let duration = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn is_current(&self, session: &SessionId) -> bool {
        self.running.as_ref().is_some_and(|running| running.session.id == *session)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let code = self.code.as_ref().and_then(Offering::poll_timeout);
        let ring = self.ring.as_ref().and_then(Ringing::poll_timeout);
        [self.call.poll_timeout(), code, ring, self.meet_by].into_iter().flatten().min()
    }

    pub(crate) fn over(&self) -> bool {
        matches!(self.call.state(), State::Ended(_))
    }

    /// Whether somebody could be heard.
    pub(crate) fn needs_speaker(&self) -> bool {
        matches!(self.call.state(), State::Connecting | State::InCall(_))
    }

    /// Whether the other side may be told something about us.
    pub(crate) fn media_open(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.open)
    }

    pub(crate) fn control(&self, message: Control) {
        if let Some(running) = &self.running {
            running.session.control(message);
        }
    }

    pub(crate) fn set_max_bitrate(&mut self, max: Bitrate) {
        if self.context.max_bitrate != max {
            self.context.max_bitrate = max;
            if let Some(peer) = self.running.as_ref().and_then(|running| running.peer.get()) {
                peer.set_bitrate_limit(total(max));
            }
        }
    }

    /// Gives the machine an input and does what it asks for.
    pub(crate) fn feed(&mut self, now: Instant, input: Input, media: &LocalMedia) {
        self.call.handle(now, input);
        self.drain(now, media);
    }

    fn drain(&mut self, now: Instant, media: &LocalMedia) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Socket(command) => self.handle_socket(now, command),
                Output::Rtc { session, command } => self.handle_rtc(session, command, media),
                Output::OpenMedia { session } => self.open_media(&session, media),
                Output::Contact(message) => self.contact_messages.push(message),
                Output::Refused(refusal) => tracing::warn!(%refusal, "refused"),
                Output::Changed => self.note_state(),
            }
        }
    }

    fn note_state(&mut self) {
        let state = self.call.state();
        tracing::info!(state = state_name(&state), "call");
        if let State::InCall(in_call) = state {
            self.since.get_or_insert(in_call.since);
            self.met = self.call.peer().map(|peer| peer.device).or(self.met);
        }
    }

    fn handle_socket(&mut self, now: Instant, command: SocketCommand) {
        if let Some(input) = self.wire.apply(command) {
            self.call.handle(now, Input::Socket(input));
        }
    }

    fn handle_rtc(&mut self, id: SessionId, command: RtcCommand, media: &LocalMedia) {
        match command {
            RtcCommand::Open { ice, relay_only } => self.open_session(id, ice, relay_only, media),
            RtcCommand::Close => {
                if let Some(running) = self.running.take_if(|running| running.session.id == id) {
                    media.video.set_sending(false);
                    media.route.disconnect();
                    running.session.command(RtcCommand::Close);
                    self.closing.retain(|session| !session.task.is_finished());
                    self.closing.push(running.session);
                }
            }
            other @ (RtcCommand::Renew(_)
            | RtcCommand::Bind(_)
            | RtcCommand::Offer { .. }
            | RtcCommand::AcceptOffer(_)
            | RtcCommand::AcceptAnswer(_)
            | RtcCommand::AddCandidate(_)) => {
                if let Some(running) = self.running.as_ref().filter(|running| running.session.id == id) {
                    running.session.command(other);
                }
            }
        }
    }

    fn open_session(&mut self, id: SessionId, ice: IceConfig, relay_only: bool, media: &LocalMedia) {
        let defaults = PeerConfig::default();
        let config = PeerConfig {
            ice_servers: ice_servers(ice),
            relay_only,
            include_loopback: self.loopback,
            codecs: self.context.codecs.clone(),
            max_bitrate: total(self.context.max_bitrate),
            ..defaults
        };
        let first_picture = Arc::new(FirstPicture::new(self.context.observer.clone()));
        let outputs = SessionOutputs {
            display: self.context.display.clone(),
            audio: media.received_audio.clone(),
            observer: first_picture.clone(),
            clock: self.context.clock,
        };
        let (session, peer) = Session::open(id, config, outputs, self.context.notes.clone());
        let name = self.remote_name.clone();
        let remote = Remote { name, microphone_on: true, camera_on: true, ..Remote::default() };
        let (path, figures) = (Path::Unknown, Figures::default());
        self.running = Some(Running { session, peer, first_picture, remote, path, open: false, figures });
    }

    /// The media gate opened: picture and sound flow from now on.
    fn open_media(&mut self, id: &SessionId, media: &LocalMedia) {
        let Some(running) = self.running.as_mut().filter(|running| running.session.id == *id) else { return };
        running.open = true;
        running.session.open_media();
        if let Some(peer) = running.peer.get() {
            media.route.connect(peer);
            media.video.set_bitrate(peer.target_bitrate());
            media.video.set_sending(true);
            media.video.request_keyframe();
        }
    }

    /// Takes what a session says, apart from what is for the machine.
    pub(crate) fn handle_session(&mut self, note: SessionNote, media: &LocalMedia) {
        let Some(running) = &mut self.running else { return };
        match note {
            SessionNote::Call(_) => {}
            // The channel is part of what the machine is told.
            SessionNote::ControlOpen => {}
            SessionNote::RemoteState { microphone_on, camera_on } => {
                running.remote = Remote { microphone_on, camera_on, ..running.remote.clone() };
                running.session.pause_video(!camera_on);
            }
            SessionNote::Stats(stats) => {
                let peer = &stats.peer;
                let rtt = peer.rtt.unwrap_or_default();
                media.audio.on_network(peer.sound_lost_by_peer, rtt, peer.estimate);
                running.figures.take(*stats, media.video.stats());
            }
            SessionNote::Event(event) => match event {
                PeerEvent::Path(path) => running.path = shown(path),
                PeerEvent::KeyframeRequested => media.video.request_keyframe(),
                PeerEvent::RecoveryRequested => match running.peer.get() {
                    Some(peer) => media.video.recover(&|captured_at| peer.is_acknowledged(captured_at)),
                    None => media.video.request_keyframe(),
                },
                PeerEvent::TargetBitrate(target) => media.video.set_bitrate(target),
                PeerEvent::VideoCodec(codec) => media.video.set_codec(codec),
                // The session keeps these for itself or passes them as its own notes.
                PeerEvent::LocalCandidate(_)
                | PeerEvent::CandidatesDone
                | PeerEvent::BetterPath
                | PeerEvent::State(_)
                | PeerEvent::ControlOpen
                | PeerEvent::Proof(_)
                | PeerEvent::Control(_) => {}
            },
        }
    }

    pub(crate) fn look_for_first_picture(&mut self) {
        let Some(running) = &mut self.running else { return };
        if !running.remote.picture
            && let Some(at) = running.first_picture.at()
        {
            running.remote.picture = true;
            running.figures.first_picture(at.saturating_duration_since(self.requested_at));
        }
    }

    /// What is known of the quality now, while the call runs.
    pub(crate) fn quality(&self, now: Instant) -> Option<Sample> {
        let (State::InCall(in_call), Some(running)) = (self.call.state(), &self.running) else { return None };
        running.figures.measured().then(|| Sample {
            call_since_ms: self.unix_ms(self.since.unwrap_or(in_call.since)),
            at_ms: self.unix_ms(now),
            outage_since_ms: in_call.outage_since.map(|since| self.unix_ms(since)),
            path: running.path,
            stats: running.figures.stats().clone(),
        })
    }

    fn unix_ms(&self, at: Instant) -> i64 {
        self.context.clock.unix_us(at) / 1_000
    }

    /// The call as the user sees it.
    pub(crate) fn phase(&self, identity: RemoteIdentity) -> Phase {
        // A ring's room is for that ring only.
        let link = if self.terms.kind == CallKind::Ring { String::new() } else { self.link.to_string() };
        match (self.call.state(), &self.running) {
            (State::Ringing, _) => Phase::Idle,
            (State::Joining, _) if self.ring.is_none() => Phase::Joining { link },
            (State::Joining | State::Waiting, _) => Phase::Waiting {
                link,
                code: self.code.as_ref().map(|code| code.shown(&self.context.clock)),
                ringing: self.ring.as_ref().map(Ringing::shown),
            },
            (State::Connecting, _) | (State::InCall(_), None) => Phase::Connecting { link },
            (State::InCall(in_call), Some(running)) => Phase::InCall {
                link,
                since_unix_ms: self.unix_ms(self.since.unwrap_or(in_call.since)),
                connection: match in_call.outage_since {
                    None => Connection::Connected,
                    Some(_) => Connection::Reconnecting,
                },
                outage_since_unix_ms: in_call.outage_since.map(|since| self.unix_ms(since)),
                path: running.path,
                signaling: self.call.signaling_online(),
                remote: running.remote.clone(),
                identity,
                relay_only: self.terms.relay_only,
                stats: Box::new(running.figures.stats().clone()),
            },
            (State::Ended(_), _) => Phase::Ended {
                reason: self.phase_reason(),
                duration_ms: self.duration_ms(),
                remote_name: self.remote_name.clone(),
                link,
            },
        }
    }

    /// Ends what still runs and waits, a little, for the goodbyes to leave.
    pub(crate) async fn finish(mut self) {
        if !self.over() {
            self.call.handle(Instant::now(), Input::HangUp);
            while let Some(output) = self.call.poll_output() {
                match output {
                    Output::Socket(command @ SocketCommand::Send(_)) => {
                        // A socket that is gone is what we want anyway.
                        let _closed = self.wire.apply(command);
                    }
                    Output::Rtc { command: RtcCommand::Close, .. } => {
                        if let Some(running) = self.running.take() {
                            running.session.command(RtcCommand::Close);
                            self.closing.push(running.session);
                        }
                    }
                    Output::Socket(_)
                    | Output::Rtc { .. }
                    | Output::OpenMedia { .. }
                    | Output::Contact(_)
                    | Output::Refused(_)
                    | Output::Changed => {}
                }
            }
        }
        let now = Instant::now();
        self.withdraw_code(now);
        if let Some(mut ring) = self.ring.take() {
            ring.cancel(now);
        }
        let goodbyes = async {
            self.wire.finish().await;
            for session in self.closing.drain(..) {
                // A task that panicked has nothing left to say.
                let _ended = session.task.await;
            }
        };
        if tokio::time::timeout(FINISH_TIMEOUT, goodbyes).await.is_err() {
            tracing::debug!("goodbyes took too long");
        }
    }
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::Ringing => "ringing",
        State::Joining => "joining",
        State::Waiting => "waiting",
        State::Connecting => "connecting",
        State::InCall(in_call) if in_call.outage_since.is_some() => "in_call_reconnecting",
        State::InCall(_) => "in_call",
        State::Ended(_) => "ended",
    }
}

/// What the whole connection may send for a ceiling of the picture.
fn total(video: Bitrate) -> Bitrate {
    Bitrate::from_bps(video.bps() + SOUND_SHARE.bps())
}

fn shown(path: PathKind) -> Path {
    match path {
        PathKind::Direct => Path::Direct,
        PathKind::Relayed => Path::Relayed,
        PathKind::RelayedTcp => Path::RelayedTcp,
        PathKind::RelayedTls => Path::RelayedTls,
    }
}

fn end_reason(reason: eyeline_call::EndReason) -> EndReason {
    match reason {
        eyeline_call::EndReason::HungUp => EndReason::HungUp,
        eyeline_call::EndReason::RemoteHungUp => EndReason::RemoteHungUp,
        eyeline_call::EndReason::RemoteVanished => EndReason::RemoteVanished,
        eyeline_call::EndReason::ServerUnreachable => EndReason::ServerUnreachable,
        eyeline_call::EndReason::ServerRefused => EndReason::ServerRefused,
        eyeline_call::EndReason::RoomFull => EndReason::RoomFull,
        eyeline_call::EndReason::NoPath => EndReason::NoPath,
        eyeline_call::EndReason::Incompatible => EndReason::Incompatible,
        eyeline_call::EndReason::Tampered => EndReason::Tampered,
        eyeline_call::EndReason::KeyChanged => EndReason::KeyChanged,
        eyeline_call::EndReason::NoRelay => EndReason::NoRelay,
        eyeline_call::EndReason::Internal => EndReason::Internal,
    }
}
