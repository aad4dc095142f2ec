//! The built-in test tone.

use super::{BLOCK_SAMPLES, Block};

/// Frequency of the tone.
const HZ: f64 = 440.0;
/// Peak of a sine at -20 dBFS.
const PEAK: f64 = 32_767.0 * 0.1;
/// One beat of the rhythm: 0.8 s of tone, 0.2 s of silence, in samples.
const BEAT: u64 = 48_000;
const SOUNDING: u64 = 38_400;
/// The tone fades in and out over this many samples, so that it does not click.
const FADE: u64 = 240;

/// 440 Hz at -20 dBFS, 0.8 s on, 0.2 s off.
#[derive(Debug, Default)]
pub(super) struct Tone {
    position: u64,
}

impl Tone {
    /// The next 10 ms.
    pub(super) fn next_block(&mut self) -> Block {
        let mut block = [0; BLOCK_SAMPLES];
        for sample in &mut block {
            *sample = self.next_sample();
        }
        block
    }

    fn next_sample(&mut self) -> i16 {
        let in_beat = self.position % BEAT;
        self.position += 1;
        let gain = match in_beat {
            n if n >= SOUNDING => return 0,
            n if n < FADE => n as f64 / FADE as f64,
            n if n > SOUNDING - FADE => (SOUNDING - n) as f64 / FADE as f64,
            _ => 1.0,
        };
        // A beat holds whole periods, so the phase within it is enough and never loses precision.
        let phase = in_beat as f64 / 48_000.0 * HZ * std::f64::consts::TAU;
        #[expect(clippy::cast_possible_truncation, reason = "at most PEAK")]
        let sample = (phase.sin() * PEAK * gain).round() as i16;
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tone_has_its_rhythm_and_level() {
        let mut tone = Tone::default();
        let blocks: Vec<Block> = (0..200).map(|_| tone.next_block()).collect();
        for (i, block) in blocks.iter().enumerate() {
            let peak = block.iter().map(|s| s.abs()).max().unwrap();
            match i % 100 {
                0..80 => assert!((3_000..=3_277).contains(&peak), "block {i}: {peak}"),
                _ => assert_eq!(peak, 0, "block {i}"),
            }
        }
        assert_eq!(blocks[..100], blocks[100..], "every beat is the same");
    }
}
