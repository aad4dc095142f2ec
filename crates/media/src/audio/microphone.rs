//! An open microphone, or what stands in for one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::attempts::{Attempts, DEVICE_NAP, RETRY};
use super::pace::Pacer;
use super::resample::{StreamResampler, to_i16};
use super::stream::{Capture, Stamp, open_capture};
use super::timeline::Timeline;
use super::tone::Tone;
use super::wav::WavLoop;
use super::worker::{Stop, Worker};
use super::{AudioError, AudioEvent, BLOCK_SAMPLES, BLOCK_TIME, Block, MicrophoneSource, SAMPLE_RATE_HZ};
use crate::observer::MediaObserver;

/// More captured sound than this waiting means that the worker stood still: the oldest is dropped.
const MAX_BACKLOG: Duration = Duration::from_millis(200);

/// Stamps over which the way of the sound to us is averaged, at most: 80 s at 10 ms each.
const WAY_STAMPS: f64 = 8_000.0;

/// Captures sound on its own thread. Dropping it closes the device.
#[derive(Debug)]
pub struct Microphone {
    _worker: Worker,
}

type TakeBlock = Box<dyn FnMut(&Block, Instant) + Send>;

/// Where a worker's sound and news go.
struct Outlet {
    blocks: TakeBlock,
    events: Box<dyn FnMut(AudioEvent) + Send>,
    observer: Arc<dyn MediaObserver>,
}

impl Microphone {
    /// Opens `source` and returns at once; what happens is told to `events`. `blocks` is given every 10 ms with the moment
    /// of its first sample. Both are called on the microphone's own thread, never on a device callback.
    ///
    /// A device that cannot be opened or goes away is tried again every second, then also the default one in its place.
    pub fn open(
        source: MicrophoneSource,
        blocks: impl FnMut(&Block, Instant) + Send + 'static,
        events: impl FnMut(AudioEvent) + Send + 'static,
        observer: Arc<dyn MediaObserver>,
    ) -> Self {
        let mut outlet = Outlet { blocks: Box::new(blocks), events: Box::new(events), observer };
        Self { _worker: Worker::spawn("microphone", move |stop| outlet.run(&source, stop)) }
    }
}

impl Outlet {
    fn run(&mut self, source: &MicrophoneSource, stop: &Stop) {
        match source {
            MicrophoneSource::Default => self.run_device(None, stop),
            MicrophoneSource::Device(id) => self.run_device(Some(id), stop),
            MicrophoneSource::Tone => {
                self.tell_running("test tone");
                let mut tone = Tone::default();
                self.run_paced(|| tone.next_block(), stop);
            }
            MicrophoneSource::File(path) => match WavLoop::open(path) {
                Ok(mut wav) => {
                    self.tell_running(&path.file_name().unwrap_or_default().to_string_lossy());
                    self.run_paced(|| wav.next_block(), stop);
                }
                Err(error) => (self.events)(AudioEvent::Failed(error)),
            },
            MicrophoneSource::None => self.tell_running("none"),
        }
    }

    fn tell_running(&mut self, label: &str) {
        (self.events)(AudioEvent::Running { label: label.to_owned() });
    }

    fn give(&mut self, block: &Block, captured_at: Instant) {
        self.observer.microphone(block, captured_at);
        (self.blocks)(block, captured_at);
    }

    /// A block is there once its last sample is, 10 ms after its first.
    fn run_paced(&mut self, mut next: impl FnMut() -> Block, stop: &Stop) {
        let mut pacer = Pacer::new(Instant::now() + BLOCK_TIME);
        while let Some(due) = pacer.tick(stop) {
            let block = next();
            self.give(&block, due.checked_sub(BLOCK_TIME).unwrap_or(due));
        }
    }

    fn run_device(&mut self, id: Option<&str>, stop: &Stop) {
        let mut attempts = Attempts::default();
        while !stop.is_set() {
            match attempts.open(id, |id| open_capture(id, thread::current())) {
                Ok(mut capture) => {
                    attempts.opened(&capture.label, &mut self.events);
                    let Err(error) = self.pump(&mut capture, stop) else { return };
                    attempts.lost(&error, &mut self.events);
                }
                Err(error) => attempts.failed(error, &mut self.events),
            }
            stop.wait(RETRY);
        }
    }

    /// Moves samples from the device to the outlet until told to stop.
    ///
    /// # Errors
    /// Why the device ended.
    fn pump(&mut self, capture: &mut Capture, stop: &Stop) -> Result<(), AudioError> {
        let mut assembly = Assembly::new(capture.rate_hz)?;
        while !stop.is_set() {
            capture.health.check(Instant::now())?;
            while let Ok(stamp) = capture.stamps.pop() {
                assembly.note(stamp);
            }
            if let Ok(chunk) = capture.samples.read_chunk(capture.samples.slots()) {
                let (front, back) = chunk.as_slices();
                assembly.push(front)?;
                assembly.push(back)?;
                chunk.commit_all();
            }
            while let Some((block, at)) = assembly.next_block() {
                self.give(&block, at);
            }
            thread::park_timeout(DEVICE_NAP);
        }
        Ok(())
    }
}

/// Makes dated blocks of 48 kHz from what a device gives.
struct Assembly {
    resampler: StreamResampler,
    rate_hz: u32,
    pending: Vec<f32>,
    /// Blocks made.
    blocks: u64,
    /// The newest dated frame.
    stamp: Option<Stamp>,
    timeline: Timeline,
    /// Stamps so far, and how long before they were told their sound was captured, on average, in seconds.
    stamps: f64,
    way_s: f64,
}

impl Assembly {
    fn new(rate_hz: u32) -> Result<Self, AudioError> {
        let resampler = StreamResampler::new(rate_hz, SAMPLE_RATE_HZ)?;
        Ok(Self {
            resampler,
            rate_hz,
            pending: Vec::new(),
            blocks: 0,
            stamp: None,
            timeline: Timeline::default(),
            stamps: 0.0,
            way_s: 0.0,
        })
    }

    fn note(&mut self, stamp: Stamp) {
        self.stamps = (self.stamps + 1.0).min(WAY_STAMPS);
        self.way_s += (stamp.way.as_secs_f64() - self.way_s) / self.stamps;
        self.stamp = Some(stamp);
    }

    fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.resampler.push(samples, &mut self.pending)
    }

    fn next_block(&mut self) -> Option<(Block, Instant)> {
        self.drop_backlog();
        if self.pending.len() < BLOCK_SAMPLES {
            return None;
        }
        let mut block = [0; BLOCK_SAMPLES];
        for (to, from) in block.iter_mut().zip(self.pending.drain(..BLOCK_SAMPLES)) {
            *to = to_i16(from);
        }
        let at = self.timeline.date(self.measured());
        let at = at.checked_sub(Duration::from_secs_f64(self.way_s)).unwrap_or(at);
        self.blocks += 1;
        Some((block, at))
    }

    fn drop_backlog(&mut self) {
        let block_nanos = BLOCK_TIME.as_nanos();
        let max = usize::try_from(MAX_BACKLOG.as_nanos() / block_nanos).unwrap_or(usize::MAX) * BLOCK_SAMPLES;
        while self.pending.len() > max {
            self.pending.drain(..BLOCK_SAMPLES);
            self.blocks += 1;
            self.timeline.skip(BLOCK_TIME.as_secs_f64());
        }
    }

    /// When the next block would have begun if the newest stamp's sound had come at once.
    fn measured(&self) -> Instant {
        let Some(stamp) = self.stamp else { return Instant::now() };
        let seconds = |frames: u64| Duration::from_secs_f64(frames as f64 / f64::from(self.rate_hz));
        let block_frame = self.blocks * u64::from(self.rate_hz) / 100;
        match block_frame.checked_sub(stamp.frame) {
            Some(after) => stamp.at + seconds(after),
            None => stamp.at.checked_sub(seconds(stamp.frame - block_frame)).unwrap_or(stamp.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_dated_evenly_though_the_device_stamps_them_roughly() {
        let mut assembly = Assembly::new(44_100).unwrap();
        let start = Instant::now() + Duration::from_secs(10);
        let mut dated = Vec::new();
        for i in 0..200_u64 {
            let jitter = Duration::from_millis(i * 7 % 5);
            let at = start + BLOCK_TIME * u32::try_from(i).unwrap() + jitter;
            assembly.note(Stamp { frame: i * 441, at, way: Duration::ZERO });
            assembly.push(&[0.1; 441]).unwrap();
            while let Some((_, at)) = assembly.next_block() {
                dated.push(at);
            }
        }
        assert!(dated.len() >= 198);
        for pair in dated.windows(2) {
            let step = pair[1] - pair[0];
            assert!((9_600..=10_400).contains(&step.as_micros()), "{step:?}");
        }
        let drift = dated[dated.len() - 1] - start;
        assert!(drift.as_millis().abs_diff(dated.len() as u128 * 10 - 10) <= 5, "{drift:?}");
    }

    #[test]
    fn a_backlog_loses_its_oldest() {
        let mut assembly = Assembly::new(48_000).unwrap();
        let start = Instant::now();
        assembly.note(Stamp { frame: 0, at: start, way: Duration::ZERO });
        assembly.push(&vec![0.1; 48_000]).unwrap();
        let (_, first) = assembly.next_block().unwrap();
        assert_eq!((first - start).as_millis(), 800, "800 of 1000 ms are gone, the rest is dated right");
        assert_eq!(std::iter::from_fn(|| assembly.next_block()).count(), 19);
    }
}
