//! Sound that is decoded but not yet played.

use std::collections::VecDeque;

use super::BlockKind;
use super::stretch::HISTORY;
use crate::audio::{BLOCK_SAMPLES, Block};

/// Blocks of made-up sound at full loudness before it fades.
const LOUD_BLOCKS: f32 = 5.0;
/// Blocks of made-up sound after which it is silent: what is made up becomes a buzz.
const SILENT_BLOCKS: f32 = 20.0;
/// Gain regained per sample when real sound comes back: from nothing to all in 5 ms.
const FADE_IN_STEP: f32 = 1.0 / 240.0;

/// A queue of samples that knows where they came from. It never holds more than two decoded packets and a block.
#[derive(Debug)]
pub(super) struct PlayoutQueue {
    samples: VecDeque<i16>,
    /// The last samples that came in, played or not; at most twice [`HISTORY`].
    history: Vec<i16>,
    runs: VecDeque<(BlockKind, usize)>,
    /// Loudness of made-up sound that was reached.
    gain: f32,
    /// Made-up samples in a row.
    made_up: usize,
}

impl Default for PlayoutQueue {
    fn default() -> Self {
        Self { samples: VecDeque::new(), history: Vec::new(), runs: VecDeque::new(), gain: 1.0, made_up: 0 }
    }
}

impl PlayoutQueue {
    /// Samples waiting.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// What came in last: [`HISTORY`] samples, fewer at the beginning.
    pub(super) fn history(&self) -> &[i16] {
        &self.history[self.history.len().saturating_sub(HISTORY)..]
    }

    /// Adds `samples` of one kind. What is made up for a loss fades out over 200 ms; everything else fades in again.
    pub(super) fn push(&mut self, samples: &[i16], kind: BlockKind) {
        if samples.is_empty() {
            return;
        }
        self.made_up = if kind == BlockKind::Concealed { self.made_up + samples.len() } else { 0 };
        let blocks = self.made_up as f32 / BLOCK_SAMPLES as f32;
        let goal = ((SILENT_BLOCKS - blocks) / (SILENT_BLOCKS - LOUD_BLOCKS)).clamp(0.0, 1.0);
        let step = if goal < self.gain { (goal - self.gain) / samples.len() as f32 } else { FADE_IN_STEP };
        for &sample in samples {
            self.gain = (self.gain + step).clamp(goal.min(self.gain), 1.0);
            let sample = scale(sample, self.gain);
            self.samples.push_back(sample);
            self.history.push(sample);
        }
        if self.history.len() >= 2 * HISTORY {
            self.history.drain(..self.history.len() - HISTORY);
        }
        match self.runs.back_mut() {
            Some((last, len)) if *last == kind => *len += samples.len(),
            _ => self.runs.push_back((kind, samples.len())),
        }
    }

    /// Takes 10 ms; silence where there is not enough. The kind is that of the first sample.
    pub(super) fn pop(&mut self) -> (Block, BlockKind) {
        let kind = self.runs.front().map_or(BlockKind::Silence, |(kind, _)| *kind);
        let mut block = [0; BLOCK_SAMPLES];
        let count = self.samples.len().min(BLOCK_SAMPLES);
        for (to, from) in block.iter_mut().zip(self.samples.drain(..count)) {
            *to = from;
        }
        let mut left = count;
        while let Some((_, len)) = self.runs.front_mut().filter(|_| left > 0) {
            let taken = left.min(*len);
            *len -= taken;
            left -= taken;
            if *len == 0 {
                self.runs.pop_front();
            }
        }
        (block, kind)
    }
}

fn scale(sample: i16, gain: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "the gain is at most 1")]
    let scaled = (f32::from(sample) * gain) as i16;
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_sound_fades_and_real_sound_returns_quickly() {
        let mut queue = PlayoutQueue::default();
        let mut play = |kind| {
            queue.push(&[10_000; 480], kind);
            let (block, got) = queue.pop();
            assert_eq!(got, kind);
            block[479]
        };
        assert_eq!(play(BlockKind::Decoded), 10_000);
        for _ in 0..5 {
            assert_eq!(play(BlockKind::Concealed), 10_000);
        }
        let fading: Vec<i16> = (0..15).map(|_| play(BlockKind::Concealed)).collect();
        assert!(fading.windows(2).all(|w| w[1] < w[0]), "{fading:?}");
        assert!(fading[14] < 10);
        assert_eq!(play(BlockKind::Decoded), 10_000);
        assert_eq!(queue.pop(), ([0; 480], BlockKind::Silence));
    }
}
