//! An open speaker, or what stands in for one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::attempts::{Attempts, DEVICE_NAP, RETRY};
use super::pace::Pacer;
use super::resample::StreamResampler;
use super::stream::{Playback, open_playback};
use super::wav::WavSink;
use super::worker::{Stop, Worker};
use super::{AudioError, AudioEvent, BLOCK_SAMPLES, Block, EchoReference, SAMPLE_RATE_HZ, SILENCE, SpeakerSink};
use crate::observer::MediaObserver;

/// Most sound queued ahead of a device that keeps running dry, in blocks.
const MAX_AHEAD_BLOCKS: usize = 8;

/// Gives the sound to be played.
pub trait PlayoutSource: Send + 'static {
    /// Fills `block` with the next 10 ms. Called on the speaker's worker thread, on average every 10 ms; must not block for
    /// long.
    fn pull(&mut self, now: Instant, block: &mut Block);
}

/// Plays sound on its own thread. Dropping it closes the device or completes the file.
#[derive(Debug)]
pub struct Speaker {
    _worker: Worker,
}

/// Where a worker's sound comes from and who else hears it.
struct Inlet {
    source: Box<dyn PlayoutSource>,
    reference: EchoReference,
    /// What is played goes to `reference`.
    audible: bool,
    events: Box<dyn FnMut(AudioEvent) + Send>,
    observer: Arc<dyn MediaObserver>,
}

impl Speaker {
    /// Opens `sink` and returns at once; what happens is told to `events`. `source` is pulled on the speaker's own thread, as
    /// the device needs it. What is played also goes to `reference`, dated with the moment it should leave the device; but for
    /// [`SpeakerSink::Null`], which nobody hears.
    ///
    /// While a device cannot be opened or is gone, the source is pulled in real time all the same and the device, then also
    /// the default one, is tried every second.
    pub fn open(
        sink: SpeakerSink,
        source: impl PlayoutSource,
        reference: EchoReference,
        events: impl FnMut(AudioEvent) + Send + 'static,
        observer: Arc<dyn MediaObserver>,
    ) -> Self {
        let (source, events) = (Box::new(source), Box::new(events));
        let mut inlet = Inlet { source, reference, audible: true, events, observer };
        Self { _worker: Worker::spawn("speaker", move |stop| inlet.run(&sink, stop)) }
    }
}

impl Inlet {
    fn run(&mut self, sink: &SpeakerSink, stop: &Stop) {
        match sink {
            SpeakerSink::Default => self.run_device(None, stop),
            SpeakerSink::Device(id) => self.run_device(Some(id), stop),
            SpeakerSink::Null => {
                (self.events)(AudioEvent::Running { label: "null".into() });
                // Nobody hears it, so there is no echo to cancel.
                self.audible = false;
                self.run_paced(stop, |_| true);
            }
            SpeakerSink::File(path) => match WavSink::create(path) {
                Ok(wav) => {
                    let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    (self.events)(AudioEvent::Running { label });
                    self.run_file(wav, stop);
                }
                Err(error) => {
                    (self.events)(AudioEvent::Failed(error));
                    self.run_paced(stop, |_| true);
                }
            },
        }
    }

    /// Takes the next 10 ms, which leave the device `ahead` from now.
    fn pull(&mut self, ahead: Duration) -> Block {
        let now = Instant::now();
        let mut block = SILENCE;
        self.source.pull(now, &mut block);
        self.observer.speaker(&block, now + ahead);
        if self.audible {
            self.reference.push(&block, now + ahead);
        }
        block
    }

    /// The device played `frames` of silence, since nothing was there.
    fn note_missed(&mut self, frames: u64, rate_hz: u32) {
        let samples = frames.saturating_mul(u64::from(SAMPLE_RATE_HZ)) / u64::from(rate_hz.max(1));
        if self.audible && samples > 0 {
            self.reference.push_gap(usize::try_from(samples).unwrap_or(usize::MAX));
        }
    }

    /// Pulls in real time until told to stop or `each` has enough.
    fn run_paced(&mut self, stop: &Stop, mut each: impl FnMut(&Block) -> bool) {
        let mut pacer = Pacer::new(Instant::now());
        while pacer.tick(stop).is_some() {
            let block = self.pull(Duration::ZERO);
            if !each(&block) {
                return;
            }
        }
    }

    fn run_file(&mut self, mut wav: WavSink, stop: &Stop) {
        let mut failure = None;
        self.run_paced(stop, |block| {
            failure = wav.write(block).err();
            failure.is_none()
        });
        if let Some(error) = failure {
            (self.events)(AudioEvent::Failed(error));
            self.run_paced(stop, |_| true);
        } else if let Err(error) = wav.finish() {
            (self.events)(AudioEvent::Failed(error));
        }
    }

    fn run_device(&mut self, id: Option<&str>, stop: &Stop) {
        let mut attempts = Attempts::default();
        while !stop.is_set() {
            match attempts.open(id, |id| open_playback(id, thread::current())) {
                Ok(mut playback) => {
                    attempts.opened(&playback.label, &mut self.events);
                    let Err(error) = self.pump(&mut playback, stop) else { return };
                    attempts.lost(&error, &mut self.events);
                }
                Err(error) => attempts.failed(error, &mut self.events),
            }
            let until = Instant::now() + RETRY;
            self.audible = false;
            self.run_paced(stop, |_| Instant::now() < until);
            self.audible = true;
        }
    }

    /// Keeps the device's ring filled until told to stop: as little ahead as the device asks for at once, more only after
    /// it ran dry.
    ///
    /// # Errors
    /// Why the device ended.
    fn pump(&mut self, playback: &mut Playback, stop: &Stop) -> Result<(), AudioError> {
        let mut resampler = StreamResampler::new(SAMPLE_RATE_HZ, playback.rate_hz)?;
        let mut ahead = Ahead::new(playback.rate_hz);
        let mut converted = Vec::new();
        let mut floats = [0.0; BLOCK_SAMPLES];
        let mut missed_before = 0;
        while !stop.is_set() {
            playback.health.check(Instant::now())?;
            let missed = playback.demand.missed.load(Ordering::Relaxed);
            self.note_missed(missed - std::mem::replace(&mut missed_before, missed), playback.rate_hz);
            let wanted = ahead.wanted(playback.demand.frames.load(Ordering::Relaxed), missed);
            loop {
                let queued = playback.samples.buffer().capacity() - playback.samples.slots();
                if queued >= wanted {
                    break;
                }
                let delay = Duration::from_secs_f64(queued as f64 / f64::from(playback.rate_hz));
                for (to, from) in floats.iter_mut().zip(self.pull(delay)) {
                    *to = f32::from(from) / 32_768.0;
                }
                converted.clear();
                resampler.push(&floats, &mut converted)?;
                // It fits: `wanted` is far below the ring's size.
                let _ = playback.samples.push_partial_slice(&converted);
            }
            thread::park_timeout(DEVICE_NAP);
        }
        Ok(())
    }
}

/// How much sound to keep queued for a device.
#[derive(Debug)]
struct Ahead {
    block_frames: usize,
    extra_blocks: usize,
    missed: u64,
    /// Misses before the first fill do not count.
    primed: bool,
}

impl Ahead {
    fn new(rate_hz: u32) -> Self {
        Self { block_frames: (rate_hz / 100) as usize, extra_blocks: 0, missed: 0, primed: false }
    }

    /// Frames to have in the ring, given the most the device asked for at once and how many it asked for in vain so far.
    fn wanted(&mut self, asked: usize, missed: u64) -> usize {
        if missed > std::mem::replace(&mut self.missed, missed) && std::mem::replace(&mut self.primed, true) {
            self.extra_blocks = (self.extra_blocks + 1).min(MAX_AHEAD_BLOCKS);
        }
        self.primed |= asked > 0;
        let most = 40 * self.block_frames;
        (asked.max(self.block_frames) + self.extra_blocks * self.block_frames).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_grows_only_when_the_device_ran_dry() {
        let mut ahead = Ahead::new(48_000);
        assert_eq!(ahead.wanted(0, 0), 480);
        assert_eq!(ahead.wanted(480, 480), 480, "the first request finds nothing, that is no fault");
        assert_eq!(ahead.wanted(512, 480), 512);
        assert_eq!(ahead.wanted(512, 500), 992);
        assert_eq!(ahead.wanted(512, 500), 992);
        for missed in 501..600 {
            ahead.wanted(512, missed);
        }
        assert_eq!(ahead.wanted(512, 600), 512 + 8 * 480);
        assert_eq!(ahead.wanted(1_000_000, 600), 19_200, "never more than the ring holds");
    }
}
