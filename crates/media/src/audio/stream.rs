//! Device streams: a callback that only moves samples, and a lock-free ring to a worker thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::Thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, Device, FromSample, Sample, SampleFormat, SizedSample, StreamConfig, SupportedStreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};

use super::devices::{Direction, find, label, quiet};
use super::{AudioError, SAMPLE_RATE_HZ};

/// Room in a ring: 500 ms. When the microphone's is full the newest samples are dropped (its worker stands still); the
/// speaker's is never filled so far.
const RING_PER_SECOND: u32 = 2;

/// Moments kept until the worker reads them. When full, newer ones are dropped: they are only needed now and then.
const STAMPS: usize = 64;

/// Errors kept until the worker reads them. When full, newer ones are dropped: the first one ends the stream.
const ERRORS: usize = 4;

/// A device that does not call back for this long is gone, whatever it says.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// How long a sound system may take to make a stream.
const BUILD_PATIENCE: Duration = Duration::from_secs(3);

/// When a frame came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// Number of the frame among those that went into the ring.
    pub(super) frame: u64,
    /// When it would have been captured had it come at once.
    pub(super) at: Instant,
    /// How much earlier the system says that it was.
    pub(super) way: Duration,
}

/// An open microphone.
pub(super) struct Capture {
    /// Mono at `rate_hz`.
    pub(super) samples: Consumer<f32>,
    pub(super) stamps: Consumer<Stamp>,
    pub(super) rate_hz: u32,
    pub(super) label: String,
    pub(super) health: Health,
    _stream: cpal::Stream,
}

/// An open speaker.
pub(super) struct Playback {
    /// Mono at `rate_hz`.
    pub(super) samples: Producer<f32>,
    pub(super) demand: Arc<Demand>,
    pub(super) rate_hz: u32,
    pub(super) label: String,
    pub(super) health: Health,
    _stream: cpal::Stream,
}

/// What the speaker's callback tells its worker.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// Most frames asked for at once.
    pub(super) frames: AtomicUsize,
    /// Frames that were asked for in vain.
    pub(super) missed: AtomicU64,
}

/// Whether a stream still lives.
pub(super) struct Health {
    errors: Receiver<AudioError>,
    callbacks: Arc<AtomicU64>,
    seen: u64,
    seen_at: Instant,
}

impl Health {
    /// # Errors
    /// Why the stream ended; [`AudioError::Unplugged`] when it just fell silent.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), AudioError> {
        match self.errors.try_recv() {
            Ok(error) => return Err(error),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        let callbacks = self.callbacks.load(Ordering::Relaxed);
        if callbacks != self.seen {
            (self.seen, self.seen_at) = (callbacks, now);
        }
        if now.saturating_duration_since(self.seen_at) > DEAD_AFTER { Err(AudioError::Unplugged) } else { Ok(()) }
    }

    fn new() -> (Self, SyncSender<AudioError>, Arc<AtomicU64>) {
        let (sender, errors) = sync_channel(ERRORS);
        let callbacks = Arc::new(AtomicU64::new(0));
        (Self { errors, callbacks: callbacks.clone(), seen: 0, seen_at: Instant::now() }, sender, callbacks)
    }
}

/// Opens and starts the microphone of this id, or the default one. `worker` is woken whenever samples came.
pub(super) fn open_capture(id: Option<&str>, worker: Thread) -> Result<Capture, AudioError> {
    let _quiet = quiet::alsa_messages();
    let device = find(id, Direction::Capture)?;
    let (config, format) = choose(&device, Direction::Capture)?;
    let (ring, samples) = RingBuffer::new((config.sample_rate / RING_PER_SECOND) as usize);
    let (stamps_in, stamps) = RingBuffer::new(STAMPS);
    let (health, errors, callbacks) = Health::new();
    let to = CaptureCallback { ring, stamps: stamps_in, frame: 0, config, callbacks, worker };
    let stream = match format {
        SampleFormat::F32 => build_capture::<f32>(&device, to, errors),
        SampleFormat::I16 => build_capture::<i16>(&device, to, errors),
        SampleFormat::I32 => build_capture::<i32>(&device, to, errors),
        SampleFormat::U16 => build_capture::<u16>(&device, to, errors),
        SampleFormat::U8 => build_capture::<u8>(&device, to, errors),
        other => Err(AudioError::Unsupported(format!("samples of format {other}"))),
    }?;
    stream.play()?;
    Ok(Capture { samples, stamps, rate_hz: config.sample_rate, label: label(&device), health, _stream: stream })
}

/// Opens and starts the speaker of this id, or the default one. `worker` is woken whenever samples were taken.
pub(super) fn open_playback(id: Option<&str>, worker: Thread) -> Result<Playback, AudioError> {
    let _quiet = quiet::alsa_messages();
    let device = find(id, Direction::Playback)?;
    let (config, format) = choose(&device, Direction::Playback)?;
    let (samples, ring) = RingBuffer::new((config.sample_rate / RING_PER_SECOND) as usize);
    let demand = Arc::new(Demand::default());
    let (health, errors, callbacks) = Health::new();
    let from = PlaybackCallback { ring, demand: demand.clone(), config, callbacks, worker };
    let stream = match format {
        SampleFormat::F32 => build_playback::<f32>(&device, from, errors),
        SampleFormat::I16 => build_playback::<i16>(&device, from, errors),
        SampleFormat::I32 => build_playback::<i32>(&device, from, errors),
        SampleFormat::U16 => build_playback::<u16>(&device, from, errors),
        SampleFormat::U8 => build_playback::<u8>(&device, from, errors),
        other => Err(AudioError::Unsupported(format!("samples of format {other}"))),
    }?;
    stream.play()?;
    Ok(Playback { samples, demand, rate_hz: config.sample_rate, label: label(&device), health, _stream: stream })
}

/// PulseAudio converts whatever it is given, so it gets what we work in, in small pieces. Elsewhere the device decides; only
/// the rate is asked for where it is offered.
fn choose(device: &Device, direction: Direction) -> Result<(StreamConfig, SampleFormat), AudioError> {
    if device.id().is_ok_and(|id| id.host().name().eq_ignore_ascii_case("pulseaudio")) {
        let config = StreamConfig { channels: 1, sample_rate: SAMPLE_RATE_HZ, buffer_size: BufferSize::Fixed(480) };
        return Ok((config, SampleFormat::F32));
    }
    let preferred = match direction {
        Direction::Capture => device.default_input_config()?,
        Direction::Playback => device.default_output_config()?,
    };
    let at_48k =
        if preferred.sample_rate() == SAMPLE_RATE_HZ { None } else { offered_at_48k(device, direction, &preferred) };
    let chosen = at_48k.unwrap_or(preferred);
    // The buffer size is left to the system: a fixed one breaks ALSA's plugins.
    let config = StreamConfig {
        channels: chosen.channels(),
        sample_rate: chosen.sample_rate(),
        buffer_size: BufferSize::Default,
    };
    Ok((config, chosen.sample_format()))
}

fn offered_at_48k(
    device: &Device,
    direction: Direction,
    preferred: &SupportedStreamConfig,
) -> Option<SupportedStreamConfig> {
    let ranges: Vec<_> = match direction {
        Direction::Capture => device.supported_input_configs().ok()?.collect(),
        Direction::Playback => device.supported_output_configs().ok()?.collect(),
    };
    ranges
        .into_iter()
        .filter(|r| r.channels() == preferred.channels() && r.sample_format() == preferred.sample_format())
        .find_map(|r| r.try_with_sample_rate(SAMPLE_RATE_HZ))
}

struct CaptureCallback {
    ring: Producer<f32>,
    stamps: Producer<Stamp>,
    frame: u64,
    config: StreamConfig,
    callbacks: Arc<AtomicU64>,
    worker: Thread,
}

impl CaptureCallback {
    /// Runs on the device's thread: no allocation, no lock, no log.
    fn take<T: Sample>(&mut self, data: &[T], info: &cpal::InputCallbackInfo)
    where
        f32: FromSample<T>,
    {
        let channels = usize::from(self.config.channels.max(1));
        let frames = data.len() / channels;
        let length = Duration::from_secs_f64(frames as f64 / f64::from(self.config.sample_rate));
        let stamp = info.timestamp();
        let age = stamp.callback.saturating_duration_since(stamp.capture).clamp(length, Duration::from_millis(500));
        let now = Instant::now();
        let at = now.checked_sub(length).unwrap_or(now);
        let _ = self.stamps.push(Stamp { frame: self.frame, at, way: age.saturating_sub(length) });
        if let Ok(room) = self.ring.write_chunk_uninit(frames.min(self.ring.slots())) {
            let scale = 1.0 / channels as f32;
            let mono = data.chunks_exact(channels).map(|f| f.iter().map(|s| s.to_sample::<f32>()).sum::<f32>() * scale);
            self.frame += room.fill_from_iter(mono) as u64;
        }
        self.callbacks.fetch_add(1, Ordering::Relaxed);
        self.worker.unpark();
    }
}

fn build_capture<T: SizedSample>(
    device: &Device,
    mut to: CaptureCallback,
    errors: SyncSender<AudioError>,
) -> Result<cpal::Stream, AudioError>
where
    f32: FromSample<T>,
{
    let config = to.config;
    let take = move |data: &[T], info: &cpal::InputCallbackInfo| to.take(data, info);
    Ok(device.build_input_stream(config, take, move |error| report(&errors, error), Some(BUILD_PATIENCE))?)
}

struct PlaybackCallback {
    ring: Consumer<f32>,
    demand: Arc<Demand>,
    config: StreamConfig,
    callbacks: Arc<AtomicU64>,
    worker: Thread,
}

impl PlaybackCallback {
    /// Runs on the device's thread: no allocation, no lock, no log. Silence where the ring is empty.
    fn give<T: Sample + FromSample<f32>>(&mut self, data: &mut [T]) {
        let channels = usize::from(self.config.channels.max(1));
        let frames = data.len() / channels;
        let ready = frames.min(self.ring.slots());
        let mut out = data.chunks_exact_mut(channels);
        if let Ok(chunk) = self.ring.read_chunk(ready) {
            for (frame, sample) in out.by_ref().zip(chunk) {
                frame.fill(sample.to_sample::<T>());
            }
        }
        out.for_each(|frame| frame.fill(T::EQUILIBRIUM));
        self.demand.frames.fetch_max(frames, Ordering::Relaxed);
        self.demand.missed.fetch_add((frames - ready) as u64, Ordering::Relaxed);
        self.callbacks.fetch_add(1, Ordering::Relaxed);
        self.worker.unpark();
    }
}

fn build_playback<T: SizedSample + FromSample<f32>>(
    device: &Device,
    mut from: PlaybackCallback,
    errors: SyncSender<AudioError>,
) -> Result<cpal::Stream, AudioError> {
    let config = from.config;
    let give = move |data: &mut [T], _: &cpal::OutputCallbackInfo| from.give(data);
    Ok(device.build_output_stream(config, give, move |error| report(&errors, error), Some(BUILD_PATIENCE))?)
}

/// Called by the system when something happens to a stream; most of it is no reason to end it.
fn report(errors: &SyncSender<AudioError>, error: cpal::Error) {
    use cpal::ErrorKind as Kind;
    let fatal = match error.kind() {
        Kind::Xrun | Kind::DeviceChanged | Kind::RealtimeDenied => return,
        Kind::DeviceNotAvailable | Kind::StreamInvalidated | Kind::HostUnavailable => AudioError::Unplugged,
        _ => error.into(),
    };
    let _ = errors.try_send(fatal);
}
