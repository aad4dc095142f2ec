//! One peer connection with its receiving pipeline, run by a task of its own.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyeline_call::{RtcCommand, RtcInput};
use eyeline_media::audio::{AudioReceiver, JitterStats};
use eyeline_media::frame::VideoFrame;
use eyeline_media::observer::MediaObserver;
use eyeline_media::slot::LatestSlot;
use eyeline_media::sync::SharedLipSync;
use eyeline_media::time::{RemoteClock, WallClock};
use eyeline_media::video::{ReceiverStats, VideoReceiver};
use eyeline_protocol::IceConfig;
use eyeline_protocol::inner::{Bytes32, SessionId};
use eyeline_rtc::{IceServer, Peer, PeerConfig, PeerEvent, PeerEvents, PeerSinks, PeerState, PeerStats};
use tokio::sync::mpsc;

use crate::actor::Note;
use crate::clock::ClockOffset;
use crate::control::Control;
use crate::inlet::Inlet;
use crate::machine::Machine;

/// Commands waiting for a session's task. Candidates come by the dozen; one more than this is dropped and logged, and
/// the next ICE restart makes up for it.
const COMMANDS: usize = 256;
/// How often the other side's clock is asked for, and figures are taken.
const TICK: Duration = Duration::from_secs(1);
/// First pause before our proof is said again; doubles each time. The stack loses a first message that comes in one packet
/// with the end of SCTP's handshake ("data channel not existed"), and the proof is as good the second time.
const BIND_AGAIN: Duration = Duration::from_millis(20);
/// Messages kept that came before the gate opened; one more is dropped, and what it said is said again on its next change.
const EARLY_MESSAGES: usize = 32;

/// Something a session tells the engine.
#[derive(Debug)]
pub(crate) enum SessionNote {
    /// For the call machine.
    Call(RtcInput),
    /// How packets travel, the codec, the target, a wish for a keyframe.
    Event(PeerEvent),
    /// The data channel is open.
    ControlOpen,
    /// What the other side shows of itself.
    RemoteState { microphone_on: bool, camera_on: bool },
    /// Figures of now.
    Stats(Box<SessionStats>),
}

/// Figures of a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionStats {
    pub(crate) at: Instant,
    pub(crate) peer: PeerStats,
    pub(crate) video: ReceiverStats,
    pub(crate) audio: JitterStats,
    pub(crate) machine: Machine,
    /// How much later sound comes than the picture; `None` while one of them is missing.
    pub(crate) lip_sync_ms: Option<f64>,
}

/// What a session's task is asked.
#[derive(Debug)]
enum Request {
    Rtc(RtcCommand),
    Control(Control),
    PauseVideo(bool),
    OpenMedia,
}

/// Where received media goes.
pub(crate) struct SessionOutputs {
    pub(crate) display: Arc<LatestSlot<VideoFrame>>,
    pub(crate) audio: AudioReceiver,
    pub(crate) observer: Arc<dyn MediaObserver>,
    pub(crate) clock: WallClock,
}

/// What a server told of relays, for a connection.
pub(crate) fn ice_servers(ice: IceConfig) -> Vec<IceServer> {
    let server = IceServer { urls: ice.urls, username: ice.user, credential: ice.cred };
    if server.urls.is_empty() { Vec::new() } else { vec![server] }
}

/// The way to a session's task. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    requests: mpsc::Sender<Request>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Session {
    /// Opens a connection; what happens comes as [`Note::Session`].
    pub(crate) fn open(
        id: SessionId,
        config: PeerConfig,
        outputs: SessionOutputs,
        notes: mpsc::Sender<Note>,
    ) -> (Self, PeerHandle) {
        let (requests, inbox) = mpsc::channel(COMMANDS);
        let peer = PeerHandle::default();
        let task = tokio::spawn(run(id.clone(), config, outputs, inbox, notes, peer.clone()));
        (Self { id, requests, task }, peer)
    }

    /// Hands a command to the task.
    pub(crate) fn command(&self, command: RtcCommand) {
        self.request(Request::Rtc(command));
    }

    /// Sends a message over the data channel, if it is open.
    pub(crate) fn control(&self, message: Control) {
        self.request(Request::Control(message));
    }

    /// Says whether the other side sends no picture on purpose, so that its absence is no freeze.
    pub(crate) fn pause_video(&self, paused: bool) {
        self.request(Request::PauseVideo(paused));
    }

    /// Lets received picture and sound through, also what came so far.
    pub(crate) fn open_media(&self) {
        self.request(Request::OpenMedia);
    }

    fn request(&self, request: Request) {
        if self.requests.try_send(request).is_err() {
            tracing::warn!(session = ?self.id, "session takes no more requests");
        }
    }
}

/// The connection once it is made, for the threads that send.
#[derive(Clone, Default)]
pub(crate) struct PeerHandle(Arc<OnceLock<Peer>>);

impl PeerHandle {
    pub(crate) fn get(&self) -> Option<&Peer> {
        self.0.get()
    }
}

/// A running session.
struct Run {
    id: SessionId,
    peer: Peer,
    notes: mpsc::Sender<Note>,
    video: Arc<VideoReceiver>,
    audio: AudioReceiver,
    remote_clock: Arc<RemoteClock>,
    clock: WallClock,
    offset: ClockOffset,
    /// The other side's newest tie of RTP time to its clock.
    timing: Option<(u32, i64)>,
    sync: SharedLipSync,
    control_open: bool,
    media: Arc<Inlet>,
    binding: Option<Binding>,
    early: Vec<Bytes>,
}

/// Our proof, until the other side shows that it has it.
struct Binding {
    proof: Bytes32,
    again_at: Instant,
    pause: Duration,
}

async fn run(
    id: SessionId,
    config: PeerConfig,
    outputs: SessionOutputs,
    mut inbox: mpsc::Receiver<Request>,
    notes: mpsc::Sender<Note>,
    handle: PeerHandle,
) {
    let remote_clock = Arc::new(RemoteClock::default());
    let for_keyframes = handle.clone();
    let need_keyframe = move || {
        if let Some(peer) = for_keyframes.get() {
            peer.request_keyframe();
        }
    };
    let video = Arc::new(VideoReceiver::start(outputs.display, remote_clock.clone(), outputs.observer, need_keyframe));
    let sync = SharedLipSync::default();
    video.sync_with(sync.clone());
    outputs.audio.sync_with(sync.clone());
    let media = Arc::new(Inlet::new(video.clone(), outputs.audio.clone()));
    let (for_video, for_audio) = (media.clone(), media.clone());
    let sinks = PeerSinks {
        video: Box::new(move |frame| for_video.video(frame)),
        audio: Box::new(move |packet| for_audio.audio(packet)),
    };
    let note = |note| Note::Session { session: id.clone(), note };
    let (peer, mut events) = match Peer::new(config, sinks).await {
        Ok(made) => made,
        Err(error) => {
            tracing::error!(%error, "peer connection");
            let _engine_gone = notes.send(note(SessionNote::Call(RtcInput::Error))).await;
            return;
        }
    };
    let _first = handle.0.set(peer.clone());
    outputs.audio.reset();
    let mut run = Run {
        id,
        peer,
        notes,
        video,
        audio: outputs.audio,
        remote_clock,
        clock: outputs.clock,
        offset: ClockOffset::default(),
        timing: None,
        sync,
        control_open: false,
        media,
        binding: None,
        early: Vec::new(),
    };
    run.work(&mut inbox, &mut events).await;
    run.peer.close().await;
    // Stopping the decoder thread waits for it.
    let (video, media) = (run.video, run.media);
    let _stopped = tokio::task::spawn_blocking(move || drop((media, video))).await;
}

impl Run {
    async fn work(&mut self, inbox: &mut mpsc::Receiver<Request>, events: &mut PeerEvents) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let again = self.binding.as_ref().map(|binding| binding.again_at);
            tokio::select! {
                () = crate::actor::wait_until(again) => self.bind_again().await,
                request = inbox.recv() => match request {
                    Some(Request::Rtc(RtcCommand::Close)) => {
                        self.send_control(&Control::Bye).await;
                        // The goodbye leaves with the next packets of the data channel.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        return;
                    }
                    Some(Request::Rtc(command)) => self.handle_command(command).await,
                    Some(Request::Control(message)) => self.send_control(&message).await,
                    Some(Request::PauseVideo(paused)) => self.video.set_paused(paused),
                    Some(Request::OpenMedia) => self.open_media().await,
                    None => return,
                },
                event = events.recv() => match event {
                    Some(event) => self.handle_event(event).await,
                    None => return,
                },
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    async fn tell(&self, note: SessionNote) {
        if self.notes.send(Note::Session { session: self.id.clone(), note }).await.is_err() {
            tracing::debug!("the engine is gone");
        }
    }

    async fn handle_command(&mut self, command: RtcCommand) {
        let done = match command {
            RtcCommand::Open { .. } | RtcCommand::Close => return,
            RtcCommand::Bind(proof) => {
                let proof = Bytes32(proof);
                self.binding = Some(Binding { proof, again_at: Instant::now() + BIND_AGAIN, pause: BIND_AGAIN });
                return self.say_proof(proof).await;
            }
            RtcCommand::Renew(ice) => {
                if let Err(error) = self.peer.renew_credentials(&ice_servers(ice)).await {
                    // The paths there are do not need them.
                    tracing::debug!(%error, "relay not renewed");
                }
                return;
            }
            RtcCommand::Offer { restart } => {
                self.peer.create_offer(restart).await.map(|sdp| Some(RtcInput::Offer(sdp)))
            }
            RtcCommand::AcceptOffer(sdp) => self.peer.accept_offer(&sdp).await.map(|sdp| Some(RtcInput::Answer(sdp))),
            RtcCommand::AcceptAnswer(sdp) => self.peer.accept_answer(&sdp).await.map(|()| None),
            RtcCommand::AddCandidate(candidate) => {
                if let Err(error) = self.peer.add_candidate(&candidate).await {
                    // One bad address of many must not cost the call.
                    tracing::debug!(%error, "candidate refused");
                }
                return;
            }
        };
        match done {
            Ok(Some(input)) => self.tell(SessionNote::Call(input)).await,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(session = ?self.id, %error, "negotiation");
                self.tell(SessionNote::Call(RtcInput::Error)).await;
            }
        }
    }

    async fn handle_event(&mut self, event: PeerEvent) {
        let note = match event {
            PeerEvent::LocalCandidate(candidate) => SessionNote::Call(RtcInput::Candidate(candidate)),
            PeerEvent::CandidatesDone => SessionNote::Call(RtcInput::CandidatesDone),
            PeerEvent::State(PeerState::Connected) => {
                let certificate = self.peer.remote_certificate().await;
                SessionNote::Call(RtcInput::Connected { certificate })
            }
            PeerEvent::State(PeerState::Disconnected) => SessionNote::Call(RtcInput::Disconnected),
            PeerEvent::BetterPath => SessionNote::Call(RtcInput::BetterPath),
            PeerEvent::State(PeerState::Failed) => SessionNote::Call(RtcInput::Failed),
            PeerEvent::State(PeerState::Connecting | PeerState::Closed) => return,
            PeerEvent::Proof(proof) => SessionNote::Call(RtcInput::Bind(proof)),
            PeerEvent::ControlOpen => {
                self.control_open = true;
                if let Some(Binding { proof, .. }) = self.binding {
                    self.send_control(&Control::Bind { proof }).await;
                }
                self.tell(SessionNote::ControlOpen).await;
                SessionNote::Call(RtcInput::ControlOpen)
            }
            PeerEvent::Control(bytes) => return self.handle_control(&bytes).await,
            other @ (PeerEvent::Path(_)
            | PeerEvent::KeyframeRequested
            | PeerEvent::RecoveryRequested
            | PeerEvent::TargetBitrate(_)
            | PeerEvent::VideoCodec(_)) => SessionNote::Event(other),
        };
        self.tell(note).await;
    }

    async fn bind_again(&mut self) {
        let Some(binding) = &mut self.binding else { return };
        binding.pause *= 2;
        binding.again_at = Instant::now() + binding.pause;
        let proof = binding.proof;
        self.say_proof(proof).await;
    }

    /// Beside the media it arrives two round trips sooner, which is how long the control channel needs to open; over the
    /// channel it reaches whoever knows no other way, a browser.
    async fn say_proof(&self, proof: Bytes32) {
        self.peer.send_proof(&proof.0).await;
        self.send_control(&Control::Bind { proof }).await;
    }

    /// The gate is open: what came so far counts now.
    async fn open_media(&mut self) {
        self.media.open();
        self.compare_clocks().await;
        for bytes in std::mem::take(&mut self.early) {
            self.handle_control(&bytes).await;
        }
    }

    async fn handle_control(&mut self, bytes: &Bytes) {
        let received_us = self.clock.unix_us(Instant::now());
        let message = Control::decode(bytes);
        if matches!(message, Some(Control::State { .. } | Control::Ping { .. })) {
            // Said only once the other side's gate is open, so it has our proof.
            self.binding = None;
        }
        match message {
            Some(Control::Bind { proof }) => self.tell(SessionNote::Call(RtcInput::Bind(proof.0))).await,
            // Until the gate is open nobody knows whose words these are.
            Some(_) if !self.media.is_open() => {
                if self.early.len() < EARLY_MESSAGES {
                    self.early.push(bytes.clone());
                }
            }
            Some(Control::State { microphone_on, camera_on }) => {
                self.tell(SessionNote::RemoteState { microphone_on, camera_on }).await;
            }
            Some(Control::Ping { sent_us }) => {
                let sent = self.clock.unix_us(Instant::now());
                self.send_control(&Control::Pong { ping_sent_us: sent_us, received_us, sent_us: sent }).await;
            }
            Some(Control::Pong { ping_sent_us, received_us: there, sent_us }) => {
                self.offset.sample(ping_sent_us, there, sent_us, received_us);
                self.align();
            }
            Some(Control::Timing { rtp_timestamp, captured_us, sound_rtp_timestamp, sound_captured_us }) => {
                self.timing = Some((rtp_timestamp, captured_us));
                if let Some((sound, sound_us)) = sound_rtp_timestamp.zip(sound_captured_us) {
                    let mut sync = self.sync.lock();
                    sync.tie_picture(rtp_timestamp, captured_us);
                    sync.tie_sound(sound, sound_us);
                }
                self.align();
            }
            Some(Control::Bye) => self.tell(SessionNote::Call(RtcInput::RemoteBye)).await,
            None => tracing::debug!(session = ?self.id, "control message not understood"),
        }
    }

    /// Gives the decoder what is known of the other side's clock.
    fn align(&self) {
        let timing = self.timing.and_then(|(rtp, captured_us)| self.offset.timing(&self.clock, rtp, captured_us));
        if let Some(timing) = timing {
            self.remote_clock.set(timing);
        }
    }

    async fn compare_clocks(&self) {
        let now = Instant::now();
        let now_us = self.clock.unix_us(now);
        self.send_control(&Control::Ping { sent_us: now_us }).await;
        let sound = self.peer.audio().rtp_time();
        let timing = Control::Timing {
            rtp_timestamp: self.peer.video().rtp_timestamp(now),
            captured_us: now_us,
            sound_rtp_timestamp: sound.map(|(rtp_timestamp, _)| rtp_timestamp),
            sound_captured_us: sound.map(|(_, at)| self.clock.unix_us(at)),
        };
        self.send_control(&timing).await;
    }

    async fn tick(&mut self) {
        if self.control_open && self.media.is_open() {
            self.compare_clocks().await;
        }
        let peer = self.peer.stats().await;
        self.tie_by_reports(&peer);
        let stats = SessionStats {
            at: Instant::now(),
            peer,
            video: self.video.stats(),
            audio: self.audio.stats(),
            machine: Machine::read(),
            lip_sync_ms: self.sync.lock().offset_ms(),
        };
        self.tell(SessionNote::Stats(Box::new(stats))).await;
    }

    /// A browser says when it captured what by its sender reports alone (RFC 3550 section 6.4.1).
    fn tie_by_reports(&self, peer: &PeerStats) {
        if let (None, Some(picture), Some(sound)) = (self.timing, peer.remote_video, peer.remote_audio) {
            let mut sync = self.sync.lock();
            sync.tie_picture(picture.rtp_timestamp, ntp_us(picture.ntp));
            sync.tie_sound(sound.rtp_timestamp, ntp_us(sound.ntp));
        }
    }

    async fn send_control(&self, message: &Control) {
        if !self.control_open {
            return;
        }
        if let Err(error) = self.peer.send_control(Bytes::from(message.encode())).await {
            tracing::debug!(session = ?self.id, %error, "control message not sent");
        }
    }
}

/// Microseconds since 1900 (RFC 5905 section 6).
fn ntp_us(ntp: u64) -> i64 {
    let (seconds, fraction) = (ntp >> 32, ntp & u64::from(u32::MAX));
    i64::try_from(seconds * 1_000_000 + ((fraction * 1_000_000) >> 32)).unwrap_or(i64::MAX)
}
