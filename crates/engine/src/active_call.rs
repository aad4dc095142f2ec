//! A call that is going on: the sans-IO machine, and the socket and session it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_call::{Call, CallConfig, Input, Output, RtcCommand, RtcInput, SocketCommand, SocketInput, State};
use eyeline_media::frame::{VideoCodec, VideoFrame};
use eyeline_media::observer::MediaObserver;
use eyeline_media::slot::LatestSlot;
use eyeline_media::time::WallClock;
use eyeline_media::units::Bitrate;
use eyeline_protocol::IceConfig;
use eyeline_protocol::inner::SessionId;
use eyeline_rtc::{IceServer, PathKind, PeerConfig, PeerEvent};
use eyeline_seal::{Link, RoomKeys};
use tokio::sync::mpsc;

use crate::actor::Note;
use crate::control::Control;
use crate::devices::LocalMedia;
use crate::figures::{Figures, FirstPicture};
use crate::session::{PeerHandle, Session, SessionNote, SessionOutputs};
use crate::socket::Socket;
use crate::view::{Connection, EndReason, Path, Phase, Remote};

/// What sound, its packet headers and repair may take beside the picture.
const SOUND_SHARE: Bitrate = Bitrate::from_kbps(64);
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
}

/// A peer connection with what is known of its other end.
struct Running {
    session: Session,
    peer: PeerHandle,
    first_picture: Arc<FirstPicture>,
    remote: Remote,
    path: Path,
    control_open: bool,
    figures: Figures,
}

/// A call that is going on.
pub(crate) struct ActiveCall {
    call: Call,
    context: CallContext,
    link: String,
    websocket_url: String,
    /// The server is on this machine, so the other side may be too.
    loopback: bool,
    requested_at: Instant,
    socket: Option<Socket>,
    attempts: u64,
    running: Option<Running>,
    /// Sessions that say goodbye.
    closing: Vec<Session>,
    since: Option<Instant>,
    remote_name: String,
}

impl ActiveCall {
    pub(crate) fn new(link: &Link, random: [u8; 32], context: CallContext, media: &LocalMedia) -> Self {
        let now = Instant::now();
        let config = CallConfig { keys: RoomKeys::derive(link.secret()), random };
        let mut active = Self {
            call: Call::new(now, &config),
            context,
            link: link.to_string(),
            websocket_url: link.websocket_url(),
            loopback: matches!(link.server().host(), "localhost" | "127.0.0.1" | "[::1]" | "::1"),
            requested_at: now,
            socket: None,
            attempts: 0,
            running: None,
            closing: Vec::new(),
            since: None,
            remote_name: String::new(),
        };
        active.drain(now, media);
        active
    }

    /// Which connection attempt's notes are current.
    pub(crate) fn socket_attempt(&self) -> u64 {
        self.socket.as_ref().map_or(0, |socket| socket.attempt)
    }

    pub(crate) fn is_current(&self, session: &SessionId) -> bool {
        self.running.as_ref().is_some_and(|running| running.session.id == *session)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.call.poll_timeout()
    }

    pub(crate) fn over(&self) -> bool {
        matches!(self.call.state(), State::Ended(_))
    }

    /// Whether somebody could be heard.
    pub(crate) fn needs_speaker(&self) -> bool {
        matches!(self.call.state(), State::Connecting | State::InCall(_))
    }

    pub(crate) fn control_open(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.control_open)
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
        if let Input::Rtc { session, input: RtcInput::Connected } = &input
            && self.is_current(session)
        {
            self.connected(media);
        }
        self.call.handle(now, input);
        self.drain(now, media);
    }

    fn drain(&mut self, now: Instant, media: &LocalMedia) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Socket(command) => self.handle_socket(now, command),
                Output::Rtc { session, command } => self.handle_rtc(session, command, media),
                Output::Changed => self.note_state(),
            }
        }
    }

    fn note_state(&mut self) {
        let state = self.call.state();
        tracing::info!(state = state_name(&state), "call");
        if let State::InCall(in_call) = state {
            self.since.get_or_insert(in_call.since);
        }
    }

    fn handle_socket(&mut self, now: Instant, command: SocketCommand) {
        match command {
            SocketCommand::Connect => {
                self.attempts += 1;
                let (url, notes) = (self.websocket_url.clone(), self.context.notes.clone());
                self.socket = Some(Socket::connect(url, self.attempts, notes));
            }
            SocketCommand::Send(frame) => {
                let sent = self.socket.as_ref().is_some_and(|socket| socket.send(frame));
                if !sent && self.socket.take().is_some() {
                    self.call.handle(now, Input::Socket(SocketInput::Closed));
                }
            }
            // The task sends what is queued and closes by itself.
            SocketCommand::Close => drop(self.socket.take()),
        }
    }

    fn handle_rtc(&mut self, id: SessionId, command: RtcCommand, media: &LocalMedia) {
        match command {
            RtcCommand::Open { ice } => self.open_session(id, ice, media),
            RtcCommand::Close => {
                if let Some(running) = self.running.take_if(|running| running.session.id == id) {
                    media.video.set_sending(false);
                    media.route.disconnect();
                    running.session.command(RtcCommand::Close);
                    self.closing.retain(|session| !session.task.is_finished());
                    self.closing.push(running.session);
                }
            }
            other @ (RtcCommand::Offer { .. }
            | RtcCommand::AcceptOffer(_)
            | RtcCommand::AcceptAnswer(_)
            | RtcCommand::AddCandidate(_)) => {
                if let Some(running) = self.running.as_ref().filter(|running| running.session.id == id) {
                    running.session.command(other);
                }
            }
        }
    }

    fn open_session(&mut self, id: SessionId, ice: IceConfig, media: &LocalMedia) {
        let defaults = PeerConfig::default();
        let server = IceServer { urls: ice.urls, username: ice.user, credential: ice.cred };
        let config = PeerConfig {
            ice_servers: if server.urls.is_empty() { Vec::new() } else { vec![server] },
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
        let remote = Remote { microphone_on: true, camera_on: true, ..Remote::default() };
        let (path, figures) = (Path::Unknown, Figures::default());
        self.running = Some(Running { session, peer, first_picture, remote, path, control_open: false, figures });
    }

    fn connected(&mut self, media: &LocalMedia) {
        let Some(running) = &self.running else { return };
        if let Some(peer) = running.peer.get() {
            media.route.connect(peer);
            media.video.set_bitrate(video_share(peer.target_bitrate()));
            media.video.set_sending(true);
            media.video.request_keyframe();
        }
    }

    /// Takes what a session says, apart from what is for the machine.
    pub(crate) fn handle_session(&mut self, note: SessionNote, media: &LocalMedia) {
        let Some(running) = &mut self.running else { return };
        match note {
            SessionNote::Call(_) => {}
            SessionNote::ControlOpen => running.control_open = true,
            SessionNote::RemoteState { name, microphone_on, camera_on } => {
                self.remote_name.clone_from(&name);
                running.remote = Remote { name, microphone_on, camera_on, ..running.remote.clone() };
                running.session.pause_video(!camera_on);
            }
            SessionNote::Stats(stats) => {
                media.audio.set_loss(stats.peer.fraction_lost_by_peer);
                running.figures.take(*stats, media.video.stats());
            }
            SessionNote::Event(event) => match event {
                PeerEvent::Path(PathKind::Direct) => running.path = Path::Direct,
                PeerEvent::Path(PathKind::Relayed) => running.path = Path::Relayed,
                PeerEvent::KeyframeRequested => media.video.request_keyframe(),
                PeerEvent::TargetBitrate(target) => media.video.set_bitrate(video_share(target)),
                PeerEvent::VideoCodec(codec) => media.video.set_codec(codec),
                // The session keeps these for itself or passes them as its own notes.
                PeerEvent::LocalCandidate(_)
                | PeerEvent::CandidatesDone
                | PeerEvent::State(_)
                | PeerEvent::ControlOpen
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

    /// The call as the user sees it.
    pub(crate) fn phase(&self) -> Phase {
        let link = self.link.clone();
        match (self.call.state(), &self.running) {
            (State::Joining, _) => Phase::Joining { link },
            (State::Waiting, _) => Phase::Waiting { link },
            (State::Connecting, _) | (State::InCall(_), None) => Phase::Connecting { link },
            (State::InCall(in_call), Some(running)) => Phase::InCall {
                link,
                since_unix_ms: self.context.clock.unix_us(self.since.unwrap_or(in_call.since)) / 1_000,
                connection: match in_call.outage_since {
                    None => Connection::Connected,
                    Some(_) => Connection::Reconnecting,
                },
                path: running.path,
                signaling: self.call.signaling_online(),
                remote: running.remote.clone(),
                stats: Box::new(running.figures.stats().clone()),
            },
            (State::Ended(reason), _) => {
                let duration = self.since.map_or(Duration::ZERO, |since| since.elapsed());
                Phase::Ended {
                    reason: end_reason(reason),
                    duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
                    remote_name: self.remote_name.clone(),
                    link,
                }
            }
        }
    }

    /// Ends what still runs and waits, a little, for the goodbyes to leave.
    pub(crate) async fn finish(mut self) {
        if !self.over() {
            self.call.handle(Instant::now(), Input::HangUp);
            while let Some(output) = self.call.poll_output() {
                match output {
                    Output::Socket(SocketCommand::Send(frame)) => {
                        let _socket_may_be_gone = self.socket.as_ref().is_some_and(|socket| socket.send(frame));
                    }
                    Output::Rtc { command: RtcCommand::Close, .. } => {
                        if let Some(running) = self.running.take() {
                            running.session.command(RtcCommand::Close);
                            self.closing.push(running.session);
                        }
                    }
                    Output::Socket(_) | Output::Rtc { .. } | Output::Changed => {}
                }
            }
        }
        let goodbyes = async {
            if let Some(socket) = self.socket.take() {
                socket.close().await;
            }
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

/// What is left of a target for the picture. Sound keeps its share down to the last bit.
fn video_share(target: Bitrate) -> Bitrate {
    Bitrate::from_bps(target.bps().saturating_sub(SOUND_SHARE.bps()).max(30_000))
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
        eyeline_call::EndReason::Internal => EndReason::Internal,
    }
}
