//! From the camera's slot to encoded frames, on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::adapt::{Adaptation, Conditions, Content, QualityLimitation};
use super::scale::Scaler;
use super::scale::fit_within;
use super::vpx::{CodecError, EncoderSetup, Prediction, VideoEncoder};
use crate::frame::{EncodedVideo, I420Buffer, MAX_SIDE, VideoCodec, VideoFrame};
use crate::slot::{LatestSlot, Taken};
use crate::units::Bitrate;

/// How often the thread looks whether it should stop while no picture comes.
const SLICE: Duration = Duration::from_millis(100);
/// Frames averaged over before the machine's speed is judged.
const LOAD_WARM_UP: u32 = 30;
/// Rate the encoder is told to expect; it measures the real one.
const NOMINAL_FPS: u32 = 30;
/// A picture may come this much before the least time after the last one is over: cameras are not that regular.
const EARLY: Duration = Duration::from_millis(8);
/// Told to the adaptation as the quantiser of a picture that rate control left out: coarser than any that come out.
const LEFT_OUT: u8 = 60;

/// What the sending side has done so far.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderStats {
    /// Frames encoded and given to the sink.
    pub encoded: u64,
    /// Of these, keyframes.
    pub keyframes: u64,
    /// Frames left out: overwritten because the encoder was busy, or skipped by rate control.
    pub dropped: u64,
    /// Frames lost to an encoder error.
    pub errors: u64,
    /// Encoded width in pixels, 0 before the first frame.
    pub width: u32,
    /// Encoded height in pixels, 0 before the first frame.
    pub height: u32,
    /// Mean time of scaling and encoding a frame, over about the last 16.
    pub encode_avg: Duration,
    /// Codec in use.
    pub codec: VideoCodec,
    /// Why the picture is smaller than its source.
    pub limited_by: QualityLimitation,
}

#[derive(Clone, Copy, Debug)]
struct Controls {
    bitrate: Bitrate,
    codec: VideoCodec,
    max: (u32, u32),
    content: Content,
    sending: bool,
    next: Prediction,
}

#[derive(Debug)]
struct Shared {
    controls: Mutex<Controls>,
    stats: Mutex<SenderStats>,
    /// When the pictures that the encoder has kept were captured.
    kept: Mutex<[Option<Instant>; 2]>,
    stop: AtomicBool,
    frames: Arc<LatestSlot<VideoFrame>>,
}

impl Shared {
    fn controls(&self) -> MutexGuard<'_, Controls> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> MutexGuard<'_, SenderStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, [Option<Instant>; 2]> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes pictures, shows them to the self-view, and encodes them. Dropping it ends its thread.
#[derive(Debug)]
pub struct VideoSender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl VideoSender {
    /// Starts taking pictures from `frames`. Every one is put into `self_view`; once [`set_sending`](Self::set_sending) is on,
    /// encoded ones go to `sink`, on the sender's thread: it must not block. Begins with VP9 at 1 Mbit/s, sending off.
    pub fn start(
        frames: Arc<LatestSlot<VideoFrame>>,
        self_view: Arc<LatestSlot<VideoFrame>>,
        sink: impl FnMut(EncodedVideo) + Send + 'static,
    ) -> Self {
        let controls = Controls {
            bitrate: Bitrate::from_kbps(1_000),
            codec: VideoCodec::Vp9,
            max: (MAX_SIDE, MAX_SIDE),
            content: Content::Motion,
            sending: false,
            next: Prediction::Previous,
        };
        let stats = SenderStats {
            encoded: 0,
            keyframes: 0,
            dropped: 0,
            errors: 0,
            width: 0,
            height: 0,
            encode_avg: Duration::ZERO,
            codec: controls.codec,
            limited_by: QualityLimitation::None,
        };
        let shared = Arc::new(Shared {
            controls: Mutex::new(controls),
            stats: Mutex::new(stats),
            kept: Mutex::default(),
            stop: AtomicBool::new(false),
            frames,
        });
        let mut worker = Worker::new(Arc::clone(&shared), self_view, Box::new(sink));
        let thread = std::thread::Builder::new().name("video-send".to_owned()).spawn(move || worker.run());
        let thread = thread.inspect_err(|error| tracing::error!(%error, "no video sender thread")).ok();
        Self { shared, thread }
    }

    /// Target rate of the encoder, from the next frame on. Size and number of the pictures follow from it and the content.
    pub fn set_bitrate(&self, bitrate: Bitrate) {
        self.shared.controls().bitrate = bitrate;
    }

    /// Codec from the next frame on, which then is a keyframe.
    pub fn set_codec(&self, codec: VideoCodec) {
        self.shared.controls().codec = codec;
    }

    /// Makes the next encoded frame a keyframe.
    pub fn request_keyframe(&self) {
        self.shared.controls().next = Prediction::Nothing;
    }

    /// Makes the next encoded frame one that the other side can decode: predicted from the newest picture that it has of those
    /// the encoder kept, else a keyframe. `is_acknowledged` is asked about at most two moments of capture, before this returns.
    pub fn recover(&self, is_acknowledged: &dyn Fn(Instant) -> bool) {
        let kept = *self.shared.kept();
        let acknowledged = kept.map(|captured_at| captured_at.filter(|&at| is_acknowledged(at)));
        let mut controls = self.shared.controls();
        if controls.next != Prediction::Nothing {
            controls.next = Prediction::Acknowledged(acknowledged);
        }
    }

    /// What the pictures show, from the next frame on, which is a keyframe when that changed.
    pub fn set_content(&self, content: Content) {
        self.shared.controls().content = content;
    }

    /// Whether to encode at all. The self-view goes on either way; sending begins with a keyframe.
    pub fn set_sending(&self, sending: bool) {
        self.shared.controls().sending = sending;
    }

    /// Largest picture to send; larger ones are scaled down with their aspect ratio kept.
    pub fn set_max_size(&self, width: u32, height: u32) {
        self.shared.controls().max = (width, height);
    }

    /// What was done so far.
    pub fn stats(&self) -> SenderStats {
        let mut stats = self.shared.stats().clone();
        stats.dropped += self.shared.frames.replaced();
        stats
    }
}

impl Drop for VideoSender {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Ends within SLICE and one encode; fails only by a panic in the sink.
            drop(thread.join());
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    self_view: Arc<LatestSlot<VideoFrame>>,
    sink: Box<dyn FnMut(EncodedVideo) + Send>,
    encoder: Option<VideoEncoder>,
    /// What the encoder was set up for.
    content: Content,
    /// When the last picture that was encoded was captured.
    last: Option<Instant>,
    adaptation: Adaptation,
    scaler: Scaler,
    /// Where scaled pictures go, kept for the next one.
    scaled: Option<I420Buffer>,
    load: Load,
}

impl Worker {
    fn new(
        shared: Arc<Shared>,
        self_view: Arc<LatestSlot<VideoFrame>>,
        sink: Box<dyn FnMut(EncodedVideo) + Send>,
    ) -> Self {
        Self {
            shared,
            self_view,
            sink,
            encoder: None,
            content: Content::Motion,
            last: None,
            adaptation: Adaptation::default(),
            scaler: Scaler::default(),
            scaled: None,
            load: Load::default(),
        }
    }

    fn run(&mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.shared.frames.take(SLICE) {
                Taken::Value(frame) => self.take(&frame),
                Taken::TimedOut => {}
                Taken::Closed => return,
            }
        }
    }

    fn take(&mut self, frame: &VideoFrame) {
        self.self_view.put(frame.clone());
        let controls = *self.shared.controls();
        if !controls.sending {
            // The next encoder begins with a keyframe.
            self.encoder = None;
            self.load = Load::default();
            return;
        }
        let began = Instant::now();
        let captured_at = frame.times.captured.unwrap_or(began);
        if self.too_soon(captured_at, controls) {
            return;
        }
        self.shared.controls().next = Prediction::Previous;
        let encoded = self.encode(frame, controls, began);
        let took = began.elapsed();
        self.account(&encoded, took);
        if let Some(share) = self.load.note(began, took) {
            let size = self.encoder.as_ref().map_or((0, 0), VideoEncoder::size);
            self.adaptation.load(began, share, size);
        }
        match encoded {
            Ok(Some(encoded)) => (self.sink)(encoded),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "encoder failed");
                self.encoder = None;
            }
        }
    }

    /// Whether fewer pictures are sent than come in, and this is one to leave out.
    fn too_soon(&mut self, captured_at: Instant, controls: Controls) -> bool {
        let pause = self.adaptation.pause(controls.content);
        let since = self.last.map(|last| captured_at.saturating_duration_since(last));
        let soon = self.encoder.is_some() && since.is_some_and(|since| since + EARLY < pause);
        if !soon {
            self.last = Some(captured_at);
        }
        soon
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        controls: Controls,
        now: Instant,
    ) -> Result<Option<EncodedVideo>, CodecError> {
        let Controls { bitrate, codec, max, content, next, .. } = controls;
        let source = (frame.picture.width(), frame.picture.height());
        let size = self.adaptation.size(now, &Conditions { codec, bitrate, source, max, content });
        let encoder = match self.encoder.take() {
            Some(encoder) if encoder.codec() == codec && self.content == content && encoder.takes(size) => {
                self.encoder.insert(encoder)
            }
            _ => {
                tracing::info!(?codec, width = size.0, height = size.1, %bitrate, "encoder starts");
                self.content = content;
                let room = fit_within(source.0, source.1, max);
                let setup = EncoderSetup { codec, size, room, fps: NOMINAL_FPS, bitrate, content };
                self.encoder.insert(VideoEncoder::open(&setup)?)
            }
        };
        // The rate before the size: each step is judged from where the encoder was.
        encoder.set_bitrate(bitrate)?;
        encoder.set_size(size)?;
        encoder.set_hurry(self.adaptation.hurry())?;
        self.shared.stats().limited_by = self.adaptation.limited_by(source, size);
        let captured_at = frame.times.captured.unwrap_or(now);
        let picture = if size == source {
            &*frame.picture
        } else {
            let reusable = self.scaled.take().filter(|scaled| (scaled.width(), scaled.height()) == size);
            let scaled = self.scaled.insert(reusable.unwrap_or_else(|| I420Buffer::black(size.0, size.1)));
            self.scaler.scale_into(&frame.picture, scaled);
            scaled
        };
        let encoded = encoder.encode(picture, captured_at, next)?;
        let quantizer = if encoded.is_some() { encoder.quantizer() } else { Some(LEFT_OUT) };
        if let Some(quantizer) = quantizer {
            self.adaptation.encoded(quantizer, bitrate, size);
        }
        *self.shared.kept() = encoder.kept();
        Ok(encoded)
    }

    fn account(&self, encoded: &Result<Option<EncodedVideo>, CodecError>, took: Duration) {
        let mut stats = self.shared.stats();
        match encoded {
            Ok(Some(frame)) => {
                stats.encoded += 1;
                stats.keyframes += u64::from(frame.keyframe);
                (stats.width, stats.height, stats.codec) = (frame.width, frame.height, frame.codec);
            }
            Ok(None) => stats.dropped += 1,
            Err(_) => stats.errors += 1,
        }
        stats.encode_avg = smooth(stats.encode_avg, took);
    }
}

/// How much of the time encoding takes.
#[derive(Debug, Default)]
struct Load {
    last: Option<Instant>,
    busy: Duration,
    interval: Duration,
    frames: u32,
}

impl Load {
    /// Notes one frame; the busy share once there were enough.
    fn note(&mut self, began: Instant, took: Duration) -> Option<f32> {
        if let Some(last) = self.last.replace(began) {
            self.interval = smooth(self.interval, began.saturating_duration_since(last));
            self.busy = smooth(self.busy, took);
            self.frames = self.frames.saturating_add(1);
        }
        (self.frames >= LOAD_WARM_UP).then(|| self.busy.as_secs_f32() / self.interval.as_secs_f32().max(1e-3))
    }
}

/// Moving average over about 16 values; the first one counts whole.
pub(super) fn smooth(average: Duration, value: Duration) -> Duration {
    if average.is_zero() { value } else { (average * 15 + value) / 16 }
}
