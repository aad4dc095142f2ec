//! The task that owns everything: it takes commands and notes one by one, and publishes a snapshot after each.

mod people;

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_call::{Input, LocalPeer, SocketInput};
use eyeline_media::audio::{AudioDevice, MicrophoneSource, SpeakerSink, list_microphones, list_speakers};
use eyeline_media::frame::VideoCodec;
use eyeline_media::time::WallClock;
use eyeline_media::units::Bitrate;
use eyeline_media::video::{CameraInfo, CameraSource, CaptureFormat, list_cameras};
use eyeline_people::{CallKind, Direction, People, PeopleError};
use eyeline_protocol::inner::SessionId;
use eyeline_seal::{Identity, Link, LocalCard, Server};
use tokio::sync::{mpsc, oneshot, watch};

use crate::active_call::{ActiveCall, CallContext, Terms};
use crate::contacts::Contacts;
use crate::control::Control;
use crate::devices::{LocalMedia, LocalMediaError};
use crate::history::History;
use crate::invitation::Claiming;
use crate::network::Network;
use crate::reaching::Reaching;
use crate::session::SessionNote;
use crate::view::{
    Device, DeviceState, Devices, EndReason, Levels, Local, Phase, QualityReport, RemoteIdentity, Snapshot,
    VideoQuality,
};
use crate::{Command, EngineConfig, Slots};

/// Notes waiting for the engine. Session tasks wait when it is full, device threads skip theirs.
pub(crate) const NOTES: usize = 256;
/// How often levels are shown and small changes looked for.
const LEVEL_TICK: Duration = Duration::from_millis(100);
/// How long a goodbye to a server may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What the engine's own tasks and threads tell it.
#[derive(Debug)]
pub(crate) enum Note {
    /// The signaling socket of an attempt.
    Socket { attempt: u64, input: SocketInput },
    /// A session.
    Session { session: SessionId, note: SessionNote },
    /// A device's state changed.
    DeviceChanged,
    /// The devices of the machine.
    DeviceList { cameras: Vec<CameraInfo>, microphones: Vec<AudioDevice>, speakers: Vec<AudioDevice> },
    /// The machine's addresses changed.
    NetworkChanged,
}

/// What is published.
pub(crate) struct Published {
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) levels: watch::Sender<Levels>,
}

/// The engine.
pub(crate) struct Actor {
    config: EngineConfig,
    media: LocalMedia,
    slots: Slots,
    clock: WallClock,
    notes: mpsc::Sender<Note>,
    published: Published,
    call: Option<ActiveCall>,
    /// The last call's end, until dismissed.
    ended: Option<Phase>,
    microphone_on: bool,
    camera_on: bool,
    preview: bool,
    devices: Devices,
    said: Option<Control>,
    contacts: Contacts,
    reaching: Vec<Reaching>,
    claim: Option<Claiming>,
    incoming: Option<people::Incoming>,
    acquaintance: people::Acquaintance,
    /// Figures of the call, or of the last one.
    history: History,
}

/// What asks a running engine for something that is not shown in a snapshot.
#[derive(Debug)]
pub(crate) enum Question {
    /// Hang up and end.
    Stop(oneshot::Sender<()>),
    /// Everything known about people.
    Export(oneshot::Sender<serde_json::Value>),
    /// How good the call is, or the last one was.
    Quality(oneshot::Sender<Option<QualityReport>>),
}

/// Why an engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A codec or a thread could not be made.
    #[error(transparent)]
    Media(#[from] LocalMediaError),
    /// Not even a store in memory could be made.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl Actor {
    pub(crate) fn new(
        mut config: EngineConfig,
        slots: Slots,
        notes: mpsc::Sender<Note>,
        published: Published,
    ) -> Result<Self, EngineError> {
        let media = LocalMedia::start(slots.self_view.clone(), config.observer.clone(), config.voice.into(), &notes)?;
        let devices = Devices {
            camera: config.camera.clone(),
            microphone: config.microphone.clone(),
            speaker: config.speaker.clone(),
            ..Devices::default()
        };
        let (microphone_on, camera_on) = (true, true);
        let identity = match config.identity.take() {
            Some(identity) => identity,
            None => {
                let random = random().ok_or(EngineError::Randomness)?;
                Arc::new(Identity::generate(random, crate::reaching::unix_s()))
            }
        };
        let store = config.people.take().map_or_else(People::in_memory, Ok)?;
        let mut contacts = Contacts::new(store, identity);
        contacts.home = config.home_server.take().and_then(|server| Server::parse(&server).ok());
        Ok(Self {
            config,
            media,
            slots,
            clock: WallClock::now(),
            notes,
            published,
            call: None,
            ended: None,
            microphone_on,
            camera_on,
            preview: false,
            devices,
            said: None,
            contacts,
            reaching: Vec::new(),
            claim: None,
            incoming: None,
            acquaintance: people::Acquaintance::default(),
            history: History::default(),
        })
    }

    /// Works until `commands` is closed; hangs up then.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut notes: mpsc::Receiver<Note>,
        mut questions: mpsc::Receiver<Question>,
    ) {
        self.refresh_devices();
        self.reach();
        let mut levels = tokio::time::interval(LEVEL_TICK);
        let _network = Network::watch(self.notes.clone());
        let done = loop {
            let deadline = self.poll_timeout();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => break None,
                },
                Some(note) = notes.recv() => self.handle_note(note),
                _ = levels.tick() => self.tick(),
                () = wait_until(deadline) => self.handle_timeout(),
                Some(question) = questions.recv() => match question {
                    Question::Stop(done) => break Some(done),
                    // Whoever asked may have stopped waiting.
                    Question::Export(answer) => drop(answer.send(self.contacts.export())),
                    Question::Quality(answer) => drop(answer.send(self.history.report())),
                },
            }
            self.settle();
        };
        if let Some(call) = self.call.take() {
            self.remember_call(&call);
            call.finish().await;
        }
        for reaching in self.reaching.drain(..) {
            let _took_too_long = tokio::time::timeout(GOODBYE, reaching.finish()).await;
        }
        if let Some(done) = done {
            // Whoever asked may have stopped waiting.
            let _nobody_waits = done.send(());
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::StartCall { server, code, relay_only } => self.start_call(&server, code, relay_only),
            Command::JoinCall { link, relay_only } => self.join_call(&link, relay_only),
            Command::JoinByCode { server, code, relay_only } => self.join_by_code(&server, &code, relay_only),
            Command::NewCode => self.new_code(),
            Command::WithdrawCode => {
                if let Some(call) = &mut self.call {
                    call.withdraw_code(Instant::now());
                }
            }
            Command::RingContact { contact } => self.ring_contact(&contact),
            Command::AcceptRing { camera } => self.accept_ring(camera),
            Command::DeclineRing => self.decline_ring(),
            Command::ConfirmSas(same) => self.confirm_sas(same),
            Command::RequestContact => self.request_contact(),
            Command::AnswerContact(accept) => self.answer_contact(accept),
            Command::Contact { contact, change } => {
                self.contacts.change_contact(&contact, change);
                self.reach();
            }
            Command::MissedSeen => self.contacts.missed_seen(),
            Command::ForgetPastCall(id) => self.contacts.forget_past(id),
            Command::ClearHistory => self.contacts.clear_history(),
            Command::WipePeople { identity } => {
                self.incoming = None;
                self.contacts.wipe(identity);
                self.reach_anew();
            }
            Command::SetDoNotDisturb(on) => self.config.do_not_disturb = on,
            Command::SetRelayOnly(on) => self.config.relay_only = on,
            Command::SetHomeServer(server) => {
                self.contacts.home = server.and_then(|server| Server::parse(&server).ok());
                self.reach();
            }
            Command::HangUp => self.hang_up(),
            Command::Dismiss => self.ended = None,
            Command::Preview(on) => self.preview = on,
            Command::SetMicrophone(on) => self.microphone_on = on,
            Command::SetCamera(on) => self.camera_on = on,
            Command::SelectCamera(id) => self.devices.camera = id,
            Command::SelectMicrophone(id) => self.devices.microphone = id,
            Command::SelectSpeaker(id) => self.devices.speaker = id,
            Command::RefreshDevices => self.refresh_devices(),
            // Lines that are open go on under the old name; it is shown by the card of the next call.
            Command::SetName(name) => self.config.name = name,
            Command::SetVideoQuality(quality) => self.set_video_quality(quality),
            Command::SetVoice(voice) => {
                self.config.voice = voice;
                self.media.voice.set(voice.into());
            }
            Command::SetCodecs(codecs) => self.config.codecs = codecs,
        }
    }

    fn handle_note(&mut self, note: Note) {
        match note {
            Note::Socket { attempt, input } => self.handle_socket(attempt, input),
            Note::Session { session, note } => self.handle_session(session, note),
            Note::DeviceChanged => {}
            Note::DeviceList { cameras, microphones, speakers } => self.list_devices(cameras, microphones, speakers),
            Note::NetworkChanged => self.network_changed(),
        }
    }

    fn handle_session(&mut self, session: SessionId, note: SessionNote) {
        let Some(call) = &mut self.call else { return };
        match note {
            SessionNote::Call(input) => self.feed(Input::Rtc { session, input }),
            other => {
                if call.is_current(&session) {
                    if matches!(other, SessionNote::ControlOpen) {
                        self.said = None;
                    }
                    let figures = matches!(other, SessionNote::Stats(_));
                    call.handle_session(other, &self.media);
                    if let Some(sample) = call.quality(Instant::now()).filter(|_| figures) {
                        self.history.record(sample);
                    }
                }
            }
        }
    }

    // ---- calls

    fn start_call(&mut self, server: &str, code: bool, relay_only: bool) {
        match random().map(|secret| Link::new(server, secret)) {
            Some(Ok(link)) => {
                let relay_only = relay_only || self.config.relay_only;
                let free = self.call.is_none();
                self.begin(&link, Terms { relay_only, ..self.terms(Direction::Out, CallKind::Link) });
                if code && free {
                    self.new_code();
                }
            }
            Some(Err(_)) => self.refuse(EndReason::ServerUnreachable),
            None => self.refuse(EndReason::Internal),
        }
    }

    fn join_call(&mut self, text: &str, relay_only: bool) {
        match Link::parse(text) {
            Ok(link) => {
                let relay_only = relay_only || self.config.relay_only;
                self.begin(&link, Terms { relay_only, ..self.terms(Direction::Out, CallKind::Link) });
            }
            Err(error) => {
                tracing::info!(%error, "bad link");
                self.refuse(EndReason::BadLink);
            }
        }
    }

    /// Of a call that the user wants, with whoever has the link.
    fn terms(&self, direction: Direction, kind: CallKind) -> Terms {
        Terms { direction, kind, with: None, accepted: true, relay_only: self.config.relay_only }
    }

    fn begin(&mut self, link: &Link, terms: Terms) {
        if self.call.is_some() || self.claim.is_some() {
            tracing::info!("already in a call");
            return;
        }
        let Some(random) = random() else { return self.refuse(EndReason::Internal) };
        self.ended = None;
        self.begin_acquaintance();
        self.call = Some(ActiveCall::new(link, random, terms, self.context(), &self.media));
    }

    fn context(&self) -> CallContext {
        CallContext {
            notes: self.notes.clone(),
            display: self.slots.remote.clone(),
            observer: self.config.observer.clone(),
            clock: self.clock,
            codecs: self.config.codecs.clone(),
            max_bitrate: ceiling(self.config.video_quality).1,
            local: self.local(),
        }
    }

    /// Who we are to others.
    fn local(&self) -> LocalPeer {
        let card = LocalCard::new(&self.config.name, self.config.client, ["sas", "contacts"]);
        LocalPeer { identity: self.contacts.identity.clone(), card }
    }

    /// A call that ended before it began.
    fn refuse(&mut self, reason: EndReason) {
        if self.call.is_none() {
            let (remote_name, link) = (String::new(), String::new());
            self.ended = Some(Phase::Ended { reason, duration_ms: 0, remote_name, link });
        }
    }

    fn hang_up(&mut self) {
        if let Some(mut claim) = self.claim.take() {
            claim.cancel(Instant::now());
        } else if self.call.is_some() {
            self.feed(Input::HangUp);
        } else {
            self.ended = None;
        }
    }

    fn feed(&mut self, input: Input) {
        if let Some(call) = &mut self.call {
            call.feed(Instant::now(), input, &self.media);
        }
    }

    fn handle_socket(&mut self, attempt: u64, input: SocketInput) {
        let now = Instant::now();
        if let Some(claim) = self.claim.as_mut().filter(|claim| claim.owns(attempt)) {
            claim.handle_socket(now, input);
        } else if let Some(reaching) = self.reaching.iter_mut().find(|reaching| reaching.owns(attempt)) {
            reaching.handle_socket(now, input);
        } else if let Some(call) = &mut self.call {
            call.handle_socket_note(now, attempt, input, &self.media);
        }
    }

    fn network_changed(&mut self) {
        let now = Instant::now();
        if let Some(claim) = &mut self.claim {
            claim.network_changed(now);
        }
        for reaching in &mut self.reaching {
            reaching.network_changed(now);
        }
        if let Some(call) = &mut self.call {
            call.network_changed(now, &self.media);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let call = self.call.as_ref().and_then(ActiveCall::poll_timeout);
        let claim = self.claim.as_ref().and_then(Claiming::poll_timeout);
        self.reaching.iter().filter_map(Reaching::poll_timeout).chain(call).chain(claim).min()
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        if let Some(call) = &mut self.call {
            call.handle_timeout(now, &self.media);
        }
        if let Some(claim) = &mut self.claim {
            claim.handle_timeout(now);
        }
        for reaching in &mut self.reaching {
            reaching.handle_timeout(now);
        }
    }

    // ---- after every step

    /// Makes devices, the other side's knowledge of us and the snapshot follow the state.
    fn settle(&mut self) {
        self.settle_reaching();
        self.settle_claim();
        self.settle_acquaintance();
        if let Some(call) = self.call.take_if(|call| call.over()) {
            self.remember_call(&call);
            self.ended = Some(call.phase(RemoteIdentity::default()));
            self.preview = false;
            self.said = None;
            tokio::spawn(call.finish());
        }
        self.want_devices();
        self.say_state();
        let snapshot = self.snapshot();
        self.published.snapshots.send_if_modified(|published| {
            let changed = **published != snapshot;
            if changed {
                *published = Arc::new(snapshot);
            }
            changed
        });
    }

    fn want_devices(&mut self) {
        let in_use = self.call.as_ref().is_some_and(ActiveCall::devices_wanted) || self.preview;
        let talking = self.call.as_ref().is_some_and(ActiveCall::needs_speaker);
        let ((width, height), bitrate) = ceiling(self.config.video_quality);
        let format = CaptureFormat { width, height, fps: 30 };
        let camera = parsed::<CameraSource>(&self.devices.camera);
        self.media.want_camera((in_use && self.camera_on).then_some((camera, format)));
        self.media.want_microphone(in_use.then(|| parsed::<MicrophoneSource>(&self.devices.microphone)));
        self.media.want_speaker(talking.then(|| parsed::<SpeakerSink>(&self.devices.speaker)));
        self.media.audio.set_muted(!self.microphone_on);
        if let Some(call) = &mut self.call {
            call.set_max_bitrate(bitrate);
        }
    }

    /// Tells the other side what we show, when it changed.
    fn say_state(&mut self) {
        let (camera, _, _) = self.media.states();
        let Some(call) = &self.call else { return };
        let state = Control::State {
            microphone_on: self.microphone_on,
            // A camera that does not run shows as off, whatever the user wants.
            camera_on: self.camera_on && matches!(camera, DeviceState::Running { .. } | DeviceState::Opening),
        };
        if self.said.as_ref() != Some(&state) && call.media_open() {
            call.control(state.clone());
            self.said = Some(state);
        }
    }

    fn snapshot(&self) -> Snapshot {
        let (camera, microphone, speaker) = self.media.states();
        let phase = match (&self.call, &self.claim, &self.ended) {
            (Some(call), _, _) => call.phase(self.identity()),
            (None, Some(claim), _) => Phase::Claiming { code: claim.code.clone() },
            (None, None, Some(ended)) => ended.clone(),
            (None, None, None) => Phase::Idle,
        };
        let local = Local {
            name: self.config.name.clone(),
            microphone_on: self.microphone_on,
            camera_on: self.camera_on,
            camera,
            microphone,
            speaker,
            preview: self.preview,
            video_quality: self.config.video_quality,
            voice: self.config.voice,
        };
        Snapshot { phase, local, devices: self.devices.clone(), people: self.people() }
    }

    fn tick(&mut self) {
        if let Some(call) = &mut self.call {
            call.look_for_first_picture();
        }
        let levels = Levels {
            microphone: if self.call.is_some() || self.preview { self.media.audio.level() } else { 0.0 },
            remote: if self.call.is_some() { self.media.received_audio.level() } else { 0.0 },
        };
        self.published.levels.send_if_modified(|shown| std::mem::replace(shown, levels) != levels);
    }

    // ---- devices

    fn set_video_quality(&mut self, quality: VideoQuality) {
        self.config.video_quality = quality;
        let ((width, height), _) = ceiling(quality);
        self.media.video.set_max_size(width, height);
    }

    fn refresh_devices(&self) {
        let notes = self.notes.clone();
        tokio::task::spawn_blocking(move || {
            let cameras = list_cameras().unwrap_or_else(|error| {
                tracing::warn!(%error, "cameras cannot be listed");
                Vec::new()
            });
            let (microphones, speakers) = (list_microphones(), list_speakers());
            // The engine may be gone by now.
            let _gone = notes.blocking_send(Note::DeviceList { cameras, microphones, speakers });
        });
    }

    fn list_devices(&mut self, cameras: Vec<CameraInfo>, microphones: Vec<AudioDevice>, speakers: Vec<AudioDevice>) {
        let device = |id: &str, label: &str| Device { id: id.into(), label: label.into() };
        let sound = |devices: Vec<AudioDevice>| devices.into_iter().map(|d| Device { id: d.id, label: d.label });
        let pictures = cameras.into_iter().map(|camera| Device { id: camera.id, label: camera.label });
        self.devices.cameras = pictures.chain([device("test-pattern", "Test pattern")]).collect();
        self.devices.microphones = sound(microphones).chain([device("tone", "Test tone")]).collect();
        self.devices.speakers = sound(speakers).chain([device("null", "Silent")]).collect();
    }
}

/// Fresh random bytes; `None` if the system has none.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Picture size and video bitrate of a quality.
fn ceiling(quality: VideoQuality) -> ((u32, u32), Bitrate) {
    match quality {
        VideoQuality::Low => ((640, 360), Bitrate::from_kbps(800)),
        VideoQuality::Standard => ((1280, 720), Bitrate::from_kbps(2_500)),
        VideoQuality::High => ((1920, 1080), Bitrate::from_kbps(5_000)),
    }
}

fn parsed<T: FromStr<Err = Infallible>>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

pub(crate) async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Codecs offered unless something else is asked for, best first.
pub(crate) const CODECS: [VideoCodec; 2] = [VideoCodec::Vp9, VideoCodec::Vp8];
