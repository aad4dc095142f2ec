//! What the speaker plays, for the capture side; and the seam where echo cancellation plugs in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::timeline::{Timeline, seconds_between};
use super::{BLOCK_SAMPLES, BLOCK_TIME, Block, SAMPLE_RATE_HZ, SILENCE};

/// Samples of playout kept for the capture side: 200 ms. When full the oldest are dropped, because an echo canceller wants
/// what is being played now.
const REFERENCE_SAMPLES: usize = 9_600;

/// How far ahead of the microphone the reference is read, where that much was pushed. An echo canceller copes with a
/// reference that comes early, by hundreds of milliseconds; one that comes after its echo is of no use. 20 ms.
const LEAD_SAMPLES: f64 = 960.0;

/// And how far at least: what is not there by then was played too late, and silence was heard. 10 ms.
const LEAST_LEAD_SAMPLES: f64 = 480.0;

/// Nothing is heard of what was played this long ago: playing has ended.
const ENDED: Duration = Duration::from_millis(40);

/// When the two clocks are apart by more samples than this from what they were (2 ms), sound was lost on the way: what was
/// aligned is aligned anew at once. Less is drift of the clocks, which is followed by one sample per block.
const JUMP_SAMPLES: f64 = 96.0;

/// Error that is not corrected: half a millisecond.
const TOLERATED_SAMPLES: f64 = 24.0;

/// What the speaker plays, offered to the capture side. Clones share one stream: the [`Speaker`](super::Speaker) fills it,
/// the [`AudioSender`](super::AudioSender) reads it, both on worker threads.
///
/// Reading goes on sample by sample, in step with the microphone, so that the delay between reference and echo stays what
/// it was; the moments only say where to begin, how the two clocks drift apart, and when one of them lost sound.
#[derive(Clone, Default)]
pub struct EchoReference(Arc<Mutex<Stream>>);

#[derive(Default)]
struct Stream {
    /// The newest samples, at most [`REFERENCE_SAMPLES`].
    samples: VecDeque<i16>,
    /// Samples pushed so far.
    end: u64,
    /// When blocks play.
    timeline: Timeline,
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
}

impl std::fmt::Debug for EchoReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EchoReference({} samples)", self.stream().samples.len())
    }
}

impl EchoReference {
    /// Adds a block whose first sample leaves the speaker at about `playing_at`, or somewhat earlier.
    pub fn push(&self, block: &Block, playing_at: Instant) {
        self.stream().push(block, playing_at);
    }

    /// The speaker had to play `samples` of silence because there was nothing else.
    pub fn push_gap(&self, samples: usize) {
        self.stream().push_gap(samples);
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
        self.plays_until = Some(self.timeline.date(playing_at) + BLOCK_TIME);
        self.extend(block.iter().copied(), block.len());
    }

    fn push_gap(&mut self, samples: usize) {
        let samples = samples.min(REFERENCE_SAMPLES);
        let seconds = samples as f64 / f64::from(SAMPLE_RATE_HZ);
        self.timeline.skip(seconds);
        self.plays_until = self.plays_until.map(|until| until + Duration::from_secs_f64(seconds));
        self.extend(std::iter::repeat_n(0, samples), samples);
    }

    fn extend(&mut self, samples: impl Iterator<Item = i16>, count: usize) {
        self.samples.extend(samples);
        self.end += count as u64;
        let excess = self.samples.len().saturating_sub(REFERENCE_SAMPLES);
        self.samples.drain(..excess);
    }

    fn next(&mut self, captured_at: Instant) -> Block {
        let Some(plays_until) = self.plays_until else { return SILENCE };
        let to_play = seconds_between(captured_at, plays_until);
        if to_play < -ENDED.as_secs_f64() {
            // Everything was played, and nothing follows. What was aligned stays, for when something does.
            return SILENCE;
        }
        // Where in the stream the microphone is; a position is below 2^52 for three thousand years.
        let heard = self.end as f64 - to_play * f64::from(SAMPLE_RATE_HZ);
        let mut reader = self.reader.take().unwrap_or_else(|| self.begin(heard, LEAD_SAMPLES));
        let error = reader.position as f64 - heard - reader.lead;
        if error.abs() > JUMP_SAMPLES {
            reader = self.begin(heard, reader.lead);
        } else if error > TOLERATED_SAMPLES {
            reader.position = reader.position.saturating_sub(1);
        } else if error < -TOLERATED_SAMPLES {
            reader.position += 1;
        }
        let block = self.read(&mut reader);
        self.reader = Some(reader);
        block
    }

    /// Begins `lead` samples ahead of the microphone, or as far as there is sound, if that is enough.
    fn begin(&self, heard: f64, lead: f64) -> Reader {
        let there = self.end.saturating_sub(BLOCK_SAMPLES as u64) as f64 - heard;
        let wanted = heard + lead.min(there.max(LEAST_LEAD_SAMPLES));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to integer casts saturate")]
        let position = wanted.round().max(0.0) as u64;
        Reader { position, lead: position as f64 - heard }
    }

    /// Ten milliseconds from the reader's place on. When they are not there yet, the reader steps back to where they are and
    /// stays in that relation, as far as it may; what is still missing is silence.
    fn read(&self, reader: &mut Reader) -> Block {
        let newest = self.end.saturating_sub(BLOCK_SAMPLES as u64);
        let missing = reader.position.saturating_sub(newest);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float to integer casts saturate")]
        let spare = (reader.lead - LEAST_LEAD_SAMPLES).max(0.0) as u64;
        let back = missing.min(spare);
        reader.position -= back;
        reader.lead -= back as f64;
        let oldest = self.end - self.samples.len() as u64;
        let mut block = SILENCE;
        for (to, position) in block.iter_mut().zip(reader.position..) {
            let place = position.checked_sub(oldest).and_then(|place| usize::try_from(place).ok());
            *to = place.and_then(|place| self.samples.get(place)).copied().unwrap_or(0);
        }
        reader.position += BLOCK_SAMPLES as u64;
        block
    }
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
