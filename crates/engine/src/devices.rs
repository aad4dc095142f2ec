//! Our own camera, microphone and speaker with their sending pipelines, opened and closed as the engine wants them.

use std::sync::{Arc, Mutex, PoisonError};

use eyeline_media::audio::{
    AudioError, AudioEvent, AudioReceiver, AudioSender, AudioSenderConfig, EchoReference, Microphone, MicrophoneSource,
    Speaker, SpeakerSink, VoiceProcessing, VoiceProcessor, VoiceSwitch,
};
use eyeline_media::frame::VideoFrame;
use eyeline_media::observer::MediaObserver;
use eyeline_media::slot::LatestSlot;
use eyeline_media::video::{CameraError, CameraEvent, CameraSource, Capture, CaptureFormat, VideoSender};
use tokio::sync::mpsc;

use crate::actor::Note;
use crate::view::{DeviceProblem, DeviceState};

/// Where encoded media goes: the current connection's senders, or nowhere.
#[derive(Clone, Default)]
pub(crate) struct MediaRoute(Arc<Mutex<Option<Senders>>>);

#[derive(Clone)]
struct Senders {
    video: eyeline_rtc::VideoSender,
    audio: eyeline_rtc::AudioSender,
}

impl MediaRoute {
    /// Sends over `peer` from now on.
    pub(crate) fn connect(&self, peer: &eyeline_rtc::Peer) {
        *self.lock() = Some(Senders { video: peer.video(), audio: peer.audio() });
    }

    /// Sends nowhere.
    pub(crate) fn disconnect(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Senders>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// State of one device, written by its thread. Only the newest opening may write.
struct DeviceCell {
    state: Mutex<(u64, DeviceState)>,
    notes: mpsc::Sender<Note>,
}

impl DeviceCell {
    fn new(notes: mpsc::Sender<Note>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new((0, DeviceState::Off)), notes })
    }

    /// Starts another opening: what earlier ones still say is ignored.
    fn renew(&self, state: DeviceState) -> u64 {
        let mut cell = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *cell = (cell.0 + 1, state);
        cell.0
    }

    fn set(&self, opening: u64, state: DeviceState) {
        let mut cell = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.0 == opening {
            cell.1 = state;
            drop(cell);
            // When the engine's queue is full it looks at the cell within a tenth of a second anyway.
            let _woken = self.notes.try_send(Note::DeviceChanged);
        }
    }

    fn get(&self) -> DeviceState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// Opening orders waiting for a device's thread. Each is one click of the user.
const ORDERS: usize = 32;

/// Holds one open device on a thread of its own: closing may take a moment, and the old one must be closed before the new
/// one opens, or it finds itself busy.
struct Holder<T>(std::sync::mpsc::SyncSender<Order<T>>);

type Order<T> = Box<dyn FnOnce() -> Option<T> + Send>;

impl<T: 'static> Holder<T> {
    fn start(name: &str) -> std::io::Result<Self> {
        let (orders, inbox) = std::sync::mpsc::sync_channel::<Order<T>>(ORDERS);
        std::thread::Builder::new().name(name.into()).spawn(move || {
            let mut held = None;
            while let Ok(mut order) = inbox.recv() {
                // Only the newest wish counts.
                while let Ok(newer) = inbox.try_recv() {
                    order = newer;
                }
                drop(held.take());
                held = order();
            }
        })?;
        Ok(Self(orders))
    }

    fn replace(&self, order: impl FnOnce() -> Option<T> + Send + 'static) {
        if self.0.try_send(Box::new(order)).is_err() {
            tracing::warn!("device thread takes no more orders");
        }
    }
}

/// Our devices and what they feed.
pub(crate) struct LocalMedia {
    pub(crate) video: VideoSender,
    pub(crate) audio: AudioSender,
    pub(crate) voice: VoiceSwitch,
    pub(crate) received_audio: AudioReceiver,
    pub(crate) route: MediaRoute,
    frames: Arc<LatestSlot<VideoFrame>>,
    reference: EchoReference,
    observer: Arc<dyn MediaObserver>,
    camera: Device<Capture, (CameraSource, CaptureFormat)>,
    microphone: Device<Microphone, MicrophoneSource>,
    speaker: Device<Speaker, SpeakerSink>,
}

/// One kind of device: what is wanted of it, and how it is.
struct Device<T, W> {
    wanted: Option<W>,
    cell: Arc<DeviceCell>,
    holder: Holder<T>,
}

impl<T: 'static, W: PartialEq + Clone> Device<T, W> {
    fn start(name: &str, notes: mpsc::Sender<Note>) -> std::io::Result<Self> {
        Ok(Self { wanted: None, cell: DeviceCell::new(notes), holder: Holder::start(name)? })
    }

    /// Opens what is wanted, unless it is open; closes it for `None`.
    fn want(&mut self, wanted: Option<W>, open: impl FnOnce(W, Arc<DeviceCell>, u64) -> T + Send + 'static)
    where
        W: Send + 'static,
    {
        if self.wanted == wanted {
            return;
        }
        self.wanted.clone_from(&wanted);
        let state = if wanted.is_some() { DeviceState::Opening } else { DeviceState::Off };
        let (opening, cell) = (self.cell.renew(state), self.cell.clone());
        self.holder.replace(move || wanted.map(|wanted| open(wanted, cell, opening)));
    }
}

impl LocalMedia {
    /// Starts the pipelines; opens no device.
    pub(crate) fn start(
        self_view: Arc<LatestSlot<VideoFrame>>,
        observer: Arc<dyn MediaObserver>,
        voice: VoiceProcessing,
        notes: &mpsc::Sender<Note>,
    ) -> Result<Self, LocalMediaError> {
        let route = MediaRoute::default();
        let frames = Arc::new(LatestSlot::default());
        let to_video = route.clone();
        let video = VideoSender::start(frames.clone(), self_view, move |frame| {
            if let Some(senders) = to_video.lock().as_ref() {
                // What is not taken is asked for again as a keyframe by the connection itself.
                let _taken = senders.video.send(frame);
            }
        });
        let (to_audio, reference) = (route.clone(), EchoReference::default());
        let processor = VoiceProcessor::new(voice);
        let voice = processor.switch();
        let audio =
            AudioSender::start(&AudioSenderConfig::default(), Box::new(processor), reference.clone(), move |packet| {
                if let Some(senders) = to_audio.lock().as_ref() {
                    senders.audio.send(packet);
                }
            })?;
        Ok(Self {
            video,
            audio,
            voice,
            received_audio: AudioReceiver::new()?,
            route,
            frames,
            reference,
            observer,
            camera: Device::start("camera-holder", notes.clone())?,
            microphone: Device::start("microphone-holder", notes.clone())?,
            speaker: Device::start("speaker-holder", notes.clone())?,
        })
    }

    /// How camera, microphone and speaker are.
    pub(crate) fn states(&self) -> (DeviceState, DeviceState, DeviceState) {
        (self.camera.cell.get(), self.microphone.cell.get(), self.speaker.cell.get())
    }

    /// Opens this camera, or closes it.
    pub(crate) fn want_camera(&mut self, wanted: Option<(CameraSource, CaptureFormat)>) {
        let (frames, observer) = (self.frames.clone(), self.observer.clone());
        let wanted = wanted.filter(|(source, _)| *source != CameraSource::None);
        self.camera.want(wanted, move |(source, format), cell, opening| {
            let events = move |event| cell.set(opening, camera_state(event));
            Capture::open(source, format, frames, events, observer)
        });
    }

    /// Opens this microphone, or closes it.
    pub(crate) fn want_microphone(&mut self, wanted: Option<MicrophoneSource>) {
        let (sender, observer) = (self.audio.clone(), self.observer.clone());
        let wanted = wanted.filter(|source| *source != MicrophoneSource::None);
        self.microphone.want(wanted, move |source, cell, opening| {
            let events = move |event| cell.set(opening, audio_state(event));
            Microphone::open(source, move |block, at| sender.block(block, at), events, observer)
        });
    }

    /// Opens this speaker, or closes it.
    pub(crate) fn want_speaker(&mut self, wanted: Option<SpeakerSink>) {
        let (receiver, reference, observer) =
            (self.received_audio.clone(), self.reference.clone(), self.observer.clone());
        self.speaker.want(wanted, move |sink, cell, opening| {
            let events = move |event| cell.set(opening, audio_state(event));
            Speaker::open(sink, receiver, reference, events, observer)
        });
    }
}

/// Why the pipelines did not start.
#[derive(Debug, thiserror::Error)]
pub enum LocalMediaError {
    /// No codec.
    #[error("sound codec: {0}")]
    Audio(#[from] AudioError),
    /// No thread.
    #[error("thread: {0}")]
    Thread(#[from] std::io::Error),
}

fn camera_state(event: CameraEvent) -> DeviceState {
    match event {
        CameraEvent::Running { label, .. } => DeviceState::Running { label },
        CameraEvent::Failed(error) => DeviceState::Failed { problem: camera_problem(&error) },
        CameraEvent::Unplugged => DeviceState::Failed { problem: DeviceProblem::Unplugged },
        CameraEvent::Back => DeviceState::Opening,
    }
}

fn camera_problem(error: &CameraError) -> DeviceProblem {
    tracing::warn!(%error, "camera");
    match error {
        CameraError::NotFound => DeviceProblem::NotFound,
        CameraError::Busy => DeviceProblem::Busy,
        CameraError::PermissionDenied => DeviceProblem::PermissionDenied,
        CameraError::Unplugged => DeviceProblem::Unplugged,
        CameraError::Unsupported(_) => DeviceProblem::Unsupported,
        CameraError::Failed(_) => DeviceProblem::Failed,
    }
}

fn audio_state(event: AudioEvent) -> DeviceState {
    match event {
        AudioEvent::Running { label } => DeviceState::Running { label },
        AudioEvent::Failed(error) => DeviceState::Failed { problem: audio_problem(&error) },
        AudioEvent::Unplugged => DeviceState::Failed { problem: DeviceProblem::Unplugged },
        AudioEvent::Back => DeviceState::Opening,
    }
}

fn audio_problem(error: &AudioError) -> DeviceProblem {
    tracing::warn!(%error, "sound device");
    match error {
        AudioError::NotFound => DeviceProblem::NotFound,
        AudioError::Busy => DeviceProblem::Busy,
        AudioError::PermissionDenied => DeviceProblem::PermissionDenied,
        AudioError::Unplugged => DeviceProblem::Unplugged,
        AudioError::Unsupported(_) => DeviceProblem::Unsupported,
        AudioError::Failed(_) => DeviceProblem::Failed,
    }
}
