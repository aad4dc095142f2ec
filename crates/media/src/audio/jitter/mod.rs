//! The jitter buffer for sound: packets in as the network brings them, 10 ms blocks out, steadily.
//!
//! It never reads a clock and never waits. Delay is counted from the fastest recent packet; `delay` says how much is
//! needed, `pulls` how much there is at the worst moment, `stretch` moves towards it while sound plays, and silence is where
//! it is corrected for free. A sender's clock that runs faster or slower than ours only moves the fastest packet, so the same
//! means follow it. Copies of lost packets, of whatever kind, are late packets: `delay` weighs whether to wait for them.

mod delay;
mod packets;
mod playout;
mod pulls;
mod queue;
mod stats;
mod stretch;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use self::stats::JitterStats;

use self::delay::DelayEstimator;
use self::packets::{Accepted, PacketStore};
use self::playout::Playout;
use self::pulls::PullDelays;
use self::queue::PlayoutQueue;
use super::opus::OpusDecoder;
use super::{AudioError, BLOCK_SAMPLES, Block};
use crate::frame::ReceivedAudio;

/// One millisecond of samples: all times inside are counted in samples at 48 kHz.
const MS: i64 = 48;

/// The most that sound is held back on purpose.
pub const MAX_HOLD: Duration = Duration::from_millis(80);

/// Where the sound of a block came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// From packets.
    Decoded,
    /// From the copy that the following packet carried (in-band forward error correction).
    Fec,
    /// Made up, because a packet was missing; fades out after 50 ms.
    Concealed,
    /// Silence or comfort noise: the stream has not begun, or the sender has nothing to say.
    Silence,
}

/// Packets in, steady 10 ms blocks out; told the time by its caller.
#[derive(Debug)]
pub struct AudioJitterBuffer {
    decoder: OpusDecoder,
    packets: PacketStore,
    delay: DelayEstimator,
    playout: Playout,
    queue: PlayoutQueue,
    /// The moment that media arithmetic counts from.
    origin: Option<Instant>,
    pulls: PullDelays,
    /// Samples played since the last stretch.
    since_stretch: i64,
    stats: JitterStats,
}

impl AudioJitterBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn new() -> Result<Self, AudioError> {
        Ok(Self {
            decoder: OpusDecoder::new()?,
            packets: PacketStore::default(),
            delay: DelayEstimator::default(),
            playout: Playout::Waiting,
            queue: PlayoutQueue::default(),
            origin: None,
            pulls: PullDelays::default(),
            since_stretch: 0,
            stats: JitterStats::default(),
        })
    }

    /// Takes a packet that came at `now`.
    pub fn push(&mut self, packet: ReceivedAudio, now: Instant) {
        let now = self.media_now(now);
        self.stats.received += u64::from(!packet.redundant);
        let redundant = packet.redundant;
        let played_to = match self.playout {
            Playout::Waiting => None,
            Playout::Playing(cursor) | Playout::Starved { cursor, .. } => Some(cursor.next),
        };
        match self.packets.accept(packet, now, played_to, &mut self.delay) {
            Accepted::Stored => {}
            Accepted::PushedOut => self.stats.lost += 1,
            Accepted::Late => self.stats.late += u64::from(!redundant),
            Accepted::Duplicate => self.stats.duplicates += u64::from(!redundant),
            Accepted::Broken => self.stats.broken += 1,
            Accepted::StartedOver => {
                self.stats.resyncs += 1;
                self.playout = Playout::Waiting;
                self.decoder.reset();
            }
        }
    }

    /// Plays everything this much later than needed, so that a picture that takes longer is not left behind. At most
    /// [`MAX_HOLD`].
    pub fn set_hold(&mut self, hold: Duration) {
        let hold = hold.min(MAX_HOLD);
        self.delay.set_hold(i64::try_from(hold.as_micros()).expect("bounded") * MS / 1_000);
    }

    /// Gives the 10 ms to be played at `now`. To be called every 10 ms.
    pub fn pull(&mut self, now: Instant) -> (Block, BlockKind) {
        let now = self.media_now(now);
        self.track_delay(now);
        while self.queue.len() < BLOCK_SAMPLES {
            self.produce(now);
        }
        self.note_delay(now);
        self.queue.pop()
    }

    /// RTP timestamp of the next sample to be heard; `None` while nothing plays.
    pub fn playing_rtp(&self) -> Option<u32> {
        match self.playout {
            Playout::Playing(cursor) => u32::try_from(self.playing(cursor) & i64::from(u32::MAX)).ok(),
            Playout::Waiting | Playout::Starved { .. } => None,
        }
    }

    /// Counters since the beginning or the last [`reset`](Self::reset), and the delay at the last pull.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// Forgets the stream and the counters.
    pub fn reset(&mut self) {
        self.decoder.reset();
        self.packets = PacketStore::default();
        self.delay = DelayEstimator::default();
        self.playout = Playout::Waiting;
        self.queue = PlayoutQueue::default();
        self.pulls = PullDelays::default();
        self.stats = JitterStats::default();
    }

    fn media_now(&mut self, now: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(now);
        let since = |later: Instant, earlier: Instant| {
            i64::try_from(later.saturating_duration_since(earlier).as_micros()).unwrap_or(i64::MAX / MS) * MS / 1_000
        };
        since(now, origin) - since(origin, now)
    }

    fn note_delay(&mut self, now: i64) {
        let current = match self.playout {
            Playout::Playing(cursor) => self.delay.delay(now, self.playing(cursor)),
            Playout::Waiting | Playout::Starved { .. } => 0,
        };
        let (target, hold) = (self.delay.target(), self.delay.hold());
        self.stats.current_delay = duration(current);
        self.stats.target_delay = duration(target);
        self.stats.held = duration((current + hold - target).clamp(0, hold));
    }
}

fn duration(samples: i64) -> Duration {
    Duration::from_micros(u64::try_from(samples).unwrap_or(0) * 1_000 / 48)
}
