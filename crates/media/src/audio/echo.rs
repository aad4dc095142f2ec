//! What the speaker plays, for the capture side; and the seam where echo cancellation plugs in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{BLOCK_SAMPLES, BLOCK_TIME, Block, SAMPLE_RATE_HZ, SILENCE};

/// Samples of playout kept for the capture side: 200 ms. When full the oldest are dropped, because an echo canceller wants
/// what is being played now.
const REFERENCE_SAMPLES: usize = 9_600;

/// How far ahead of the microphone the reference is read, where that much was pushed. An echo canceller copes with a
/// reference that comes early, by hundreds of milliseconds; one that comes after its echo is of no use.
const LEAD: Duration = Duration::from_millis(20);

/// When the two clocks are apart by more than this from what they were, a device paused or was exchanged: what was aligned
/// is aligned anew. Less is jitter, or drift of the clocks, which is followed smoothly.
const CLOCK_JUMP: Duration = Duration::from_millis(40);

/// Share of a block's error that moves the measured error: an average over about 2.5 s, so that jitter vanishes in it.
const ERROR_SHARE: f64 = 1.0 / 256.0;

/// Averaged error that is corrected, by one sample per block: 24 samples are half a millisecond, and one sample in 480
/// follows drift of two in a thousand, twenty times what sound cards have.
const TOLERATED_SAMPLES: f64 = 24.0;

/// What the speaker plays, offered to the capture side. Clones share one stream: the [`Speaker`](super::Speaker) fills it,
/// the [`AudioSender`](super::AudioSender) reads it, both on worker threads.
///
/// Reading goes on sample by sample, in step with the microphone, so that the delay between reference and echo stays what
/// it was; the moments only say where to begin, and how the two clocks drift apart.
#[derive(Clone, Default)]
pub struct EchoReference(Arc<Mutex<Stream>>);

#[derive(Default)]
struct Stream {
    /// The newest samples, at most [`REFERENCE_SAMPLES`].
    samples: VecDeque<i16>,
    /// Samples pushed so far.
    end: u64,
    /// When the sample after the last one should play.
    plays_until: Option<Instant>,
    reader: Option<Reader>,
}

/// How far the capture side has come.
struct Reader {
    /// The next sample to read.
    position: u64,
    /// By how many samples the reference was ahead of the microphone when reading began.
    lead: f64,
    /// By how much more it is now, averaged.
    error: f64,
}

impl std::fmt::Debug for EchoReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EchoReference({} samples)", self.stream().samples.len())
    }
}

impl EchoReference {
    /// Adds a block whose first sample leaves the speaker at about `playing_at`.
    pub fn push(&self, block: &Block, playing_at: Instant) {
        self.stream().push(block, playing_at);
    }

    /// Reads on for microphone samples captured at `captured_at`; silence when nothing is playing then.
    pub fn next(&self, captured_at: Instant) -> Block {
        self.stream().next(captured_at)
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn push(&mut self, block: &Block, playing_at: Instant) {
        let starts = match self.plays_until {
            Some(expected) if seconds_between(expected, playing_at).abs() < CLOCK_JUMP.as_secs_f64() => {
                let late = playing_at.saturating_duration_since(expected);
                let early = expected.saturating_duration_since(playing_at);
                expected + late / 16 - early / 16
            }
            _ => playing_at,
        };
        self.plays_until = Some(starts + BLOCK_TIME);
        self.samples.extend(block);
        self.end += BLOCK_SAMPLES as u64;
        let excess = self.samples.len().saturating_sub(REFERENCE_SAMPLES);
        self.samples.drain(..excess);
    }

    fn next(&mut self, captured_at: Instant) -> Block {
        let Some(plays_until) = self.plays_until else { return SILENCE };
        let to_play = seconds_between(captured_at, plays_until);
        if to_play < -CLOCK_JUMP.as_secs_f64() {
            // Everything was played, and nothing follows.
            self.reader = None;
            return SILENCE;
        }
        // Where in the stream the microphone is; a position is below 2^52 for three thousand years.
        let heard = self.end as f64 - to_play * f64::from(SAMPLE_RATE_HZ);
        let mut reader = self.reader.take().unwrap_or_else(|| self.begin(heard));
        let error = reader.position as f64 - heard - reader.lead;
        if error.abs() > CLOCK_JUMP.as_secs_f64() * f64::from(SAMPLE_RATE_HZ) {
            reader = self.begin(heard);
        } else {
            reader.error += ERROR_SHARE * (error - reader.error);
        }
        let oldest = self.end - self.samples.len() as u64;
        let newest = self.end.saturating_sub(BLOCK_SAMPLES as u64);
        if reader.error > TOLERATED_SAMPLES && reader.position > oldest {
            reader.position -= 1;
            reader.error -= 1.0;
        } else if reader.error < -TOLERATED_SAMPLES && reader.position < newest {
            reader.position += 1;
            reader.error += 1.0;
        }
        let block = self.read(&mut reader, oldest, newest);
        self.reader = Some(reader);
        block
    }

    /// Begins as far ahead of the microphone as wanted, or as there is sound.
    fn begin(&self, heard: f64) -> Reader {
        let wanted = heard + LEAD.as_secs_f64() * f64::from(SAMPLE_RATE_HZ);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what is there")]
        let position = wanted.round().clamp(0.0, self.end as f64) as u64;
        let oldest = self.end - self.samples.len() as u64;
        let position = position.min(self.end.saturating_sub(BLOCK_SAMPLES as u64)).max(oldest);
        Reader { position, lead: position as f64 - heard, error: 0.0 }
    }

    /// Ten milliseconds from the reader's place on. When they are not there yet, or no more, the reader steps to where they
    /// are and stays in that relation.
    fn read(&self, reader: &mut Reader, oldest: u64, newest: u64) -> Block {
        let position = reader.position.min(newest).max(oldest);
        reader.lead += position as f64 - reader.position as f64;
        reader.position = position + BLOCK_SAMPLES as u64;
        let from = usize::try_from(position - oldest).unwrap_or(usize::MAX);
        let mut block = SILENCE;
        for (to, sample) in block.iter_mut().zip(self.samples.iter().skip(from)) {
            *to = *sample;
        }
        block
    }
}

/// From `a` to `b`, negative when `b` is earlier.
fn seconds_between(a: Instant, b: Instant) -> f64 {
    b.saturating_duration_since(a).as_secs_f64() - a.saturating_duration_since(b).as_secs_f64()
}

/// Works on microphone sound before it is measured and encoded: echo cancellation, noise suppression, gain.
pub trait CaptureProcessor: Send {
    /// Changes `mic` in place. `reference` is what the speaker plays at about that time (silence when nothing does); the
    /// delay between the two is constant to within the devices' jitter, but not known.
    fn process(&mut self, mic: &mut Block, reference: &Block);
}

/// Leaves the microphone as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThrough;

impl CaptureProcessor for PassThrough {
    fn process(&mut self, _mic: &mut Block, _reference: &Block) {}
}

#[cfg(test)]
#[path = "echo_tests.rs"]
mod tests;
