//! The seam where echo cancellation plugs in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Block, SILENCE};

/// Blocks of playout kept for the capture side: 200 ms. When full the oldest is dropped, because an echo canceller wants
/// what is being played now.
const REFERENCE_BLOCKS: usize = 20;

/// What the speaker plays, offered to the capture side. Clones share one queue: the [`Speaker`](super::Speaker) fills it,
/// the [`AudioSender`](super::AudioSender) empties it, both on worker threads.
#[derive(Clone, Default)]
pub struct EchoReference(Arc<Mutex<VecDeque<(Instant, Block)>>>);

impl std::fmt::Debug for EchoReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EchoReference({} blocks)", self.queue().len())
    }
}

impl EchoReference {
    /// Adds a block whose first sample leaves the speaker at about `playing_at`.
    pub fn push(&self, block: &Block, playing_at: Instant) {
        let mut queue = self.queue();
        if queue.len() == REFERENCE_BLOCKS {
            queue.pop_front();
        }
        queue.push_back((playing_at, *block));
    }

    /// Takes the next block in playing order for microphone samples captured at `captured_at`; silence when nothing
    /// that plays by then is left.
    pub fn next(&self, captured_at: Instant) -> Block {
        let mut queue = self.queue();
        match queue.front() {
            Some((playing_at, _)) if *playing_at <= captured_at + super::BLOCK_TIME => {
                queue.pop_front().map_or(SILENCE, |(_, block)| block)
            }
            _ => SILENCE,
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Block)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reference_comes_in_order_bounded_and_not_before_it_plays() {
        let reference = EchoReference::default();
        let start = Instant::now();
        assert_eq!(reference.next(start), SILENCE);
        for i in 0..25_i16 {
            reference.push(&[i; 480], start + Duration::from_millis(10) * u32::from(i.unsigned_abs()));
        }
        let at = start + Duration::from_millis(60);
        assert_eq!(reference.next(at)[0], 5, "the five oldest were dropped");
        assert_eq!(reference.next(at)[0], 6);
        assert_eq!(reference.next(at)[0], 7);
        assert_eq!(reference.next(at), SILENCE, "block 8 plays only at 80 ms");
    }
}
