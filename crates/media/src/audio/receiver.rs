//! From packets to the blocks a speaker pulls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::jitter::{AudioJitterBuffer, JitterStats};
use super::level::LevelMeter;
use super::speaker::PlayoutSource;
use super::{AudioError, Block};
use crate::frame::ReceivedAudio;
use crate::sync::SharedLipSync;

/// The receiving end of one sound stream: the network pushes packets, a [`Speaker`](super::Speaker) pulls blocks.
///
/// A cheap handle; clones share one stream. Both sides take one short lock (decoding a packet takes about 0.1 ms), neither
/// is a device callback. Memory is bounded by the jitter buffer.
#[derive(Clone)]
pub struct AudioReceiver(Arc<Shared>);

struct Shared {
    buffer: Mutex<AudioJitterBuffer>,
    level: LevelMeter,
    sync: Mutex<SharedLipSync>,
}

impl std::fmt::Debug for AudioReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioReceiver").finish_non_exhaustive()
    }
}

impl AudioReceiver {
    /// A receiver that has heard nothing yet.
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses.
    pub fn new() -> Result<Self, AudioError> {
        let buffer = Mutex::new(AudioJitterBuffer::new()?);
        Ok(Self(Arc::new(Shared { buffer, level: LevelMeter::default(), sync: Mutex::default() })))
    }

    /// Takes a packet as it came: late, doubled, out of order or broken ones are counted and dropped.
    pub fn push(&self, packet: ReceivedAudio) {
        let at = packet.received_at;
        self.buffer().push(packet, at);
    }

    /// Keeps step with the picture that `sync` also hears of, from now on.
    pub fn sync_with(&self, sync: SharedLipSync) {
        *self.0.sync.lock().unwrap_or_else(PoisonError::into_inner) = sync;
    }

    /// Loudness of what is being played: 0 at -60 dBFS, 1 at 0 dBFS.
    pub fn level(&self) -> f32 {
        self.0.level.level()
    }

    /// Counters since the beginning or the last [`reset`](Self::reset), and the delay right now.
    pub fn stats(&self) -> JitterStats {
        self.buffer().stats()
    }

    /// Forgets the stream, for example because another sender takes its place.
    pub fn reset(&self) {
        self.buffer().reset();
        self.0.level.clear();
    }

    fn buffer(&self) -> MutexGuard<'_, AudioJitterBuffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlayoutSource for AudioReceiver {
    fn pull(&mut self, now: Instant, block: &mut Block) {
        let sync = self.0.sync.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut buffer = self.buffer();
        if let Some(rtp_timestamp) = buffer.playing_rtp() {
            let held = buffer.stats().held;
            let mut sync = sync.lock();
            sync.sound_played(rtp_timestamp, now, held);
            buffer.set_hold(sync.sound_hold());
        }
        let (samples, _) = buffer.pull(now);
        drop(buffer);
        *block = samples;
        self.0.level.measure(block);
    }
}
