//! The sound of a ring: two soft notes, twice, and a pause; over and over until dropped.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Instant;

use eyeline_media::audio::{
    AudioEvent, BLOCK_SAMPLES, Block, EchoReference, PlayoutSource, SAMPLE_RATE_HZ, Speaker, SpeakerSink,
};
use eyeline_media::observer::Unobserved;

/// Loudest moment, as a share of full scale: -14 dBFS.
const PEAK: f64 = 0.2;

/// How long one round lasts, in samples: three seconds.
const ROUND: usize = 3 * SAMPLE_RATE_HZ as usize;

/// Every note of a round: when it begins, seconds, and its pitch, Hz (E5 and C sharp 5).
const NOTES: [(f64, f64); 4] = [(0.0, 659.26), (0.22, 554.37), (0.8, 659.26), (1.02, 554.37)];

/// A note comes up in this time, seconds, so that it does not click.
const ATTACK_S: f64 = 0.008;

/// A note falls to 37 % in this time, seconds.
const DECAY_S: f64 = 0.16;

/// A ring that can be heard. Dropping it ends it.
pub(crate) struct RingSound(Option<Speaker>);

impl RingSound {
    /// Starts it and returns at once. Where nothing can be played, it is silent.
    pub(crate) fn start(sink: SpeakerSink) -> Self {
        let source = Rounds { round: round().into(), position: 0 };
        let events = |event| match event {
            AudioEvent::Failed(error) => tracing::warn!(%error, "the ring is silent"),
            AudioEvent::Running { .. } | AudioEvent::Unplugged | AudioEvent::Back => {}
        };
        Self(Some(Speaker::open(sink, source, EchoReference::default(), events, Arc::new(Unobserved))))
    }
}

impl Drop for RingSound {
    /// Closing a device may take a moment, and whoever drops this has no time.
    fn drop(&mut self) {
        if let Some(speaker) = self.0.take() {
            let _closes = std::thread::Builder::new().name("ring ends".into()).spawn(move || drop(speaker));
        }
    }
}

struct Rounds {
    round: Box<[i16]>,
    position: usize,
}

impl PlayoutSource for Rounds {
    fn pull(&mut self, _now: Instant, block: &mut Block) {
        // A round is a whole number of blocks.
        block.copy_from_slice(&self.round[self.position..self.position + BLOCK_SAMPLES]);
        self.position = (self.position + BLOCK_SAMPLES) % self.round.len();
    }
}

fn round() -> Vec<i16> {
    let mut sound = vec![0.0; ROUND];
    for (begin_s, hz) in NOTES {
        let samples = sound.iter_mut().enumerate();
        for (time_s, sample) in samples.map(|(i, sample)| (i as f64 / f64::from(SAMPLE_RATE_HZ) - begin_s, sample)) {
            if time_s >= 0.0 {
                *sample += note(time_s, hz);
            }
        }
    }
    let loudest = sound.iter().fold(f64::MIN_POSITIVE, |loudest: f64, sample| loudest.max(sample.abs()));
    sound.iter().map(|sample| quantised(sample / loudest * PEAK)).collect()
}

/// A note `time_s` after it was struck: its tone with a little of the two above, which makes it sound like a bell.
fn note(time_s: f64, hz: f64) -> f64 {
    let envelope = (time_s / ATTACK_S).min(1.0) * (-time_s / DECAY_S).exp();
    let partial = |multiple: f64, share: f64| share * (TAU * hz * multiple * time_s).sin();
    envelope * (partial(1.0, 1.0) + partial(2.0, 0.25) + partial(3.0, 0.08))
}

fn quantised(sample: f64) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "at most PEAK of full scale")]
    let sample = (sample * f64::from(i16::MAX)).round() as i16;
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loudness(sound: &[i16]) -> f64 {
        (sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len() as f64).sqrt()
    }

    /// Share of the power of `sound` that is at `hz` (Goertzel).
    fn share(sound: &[i16], hz: f64) -> f64 {
        let turn = |i: usize| TAU * hz * i as f64 / f64::from(SAMPLE_RATE_HZ);
        let (mut re, mut im) = (0.0, 0.0);
        for (i, sample) in sound.iter().enumerate() {
            re += f64::from(*sample) * turn(i).cos();
            im += f64::from(*sample) * turn(i).sin();
        }
        2.0 * re.hypot(im).powi(2) / (sound.len() as f64).powi(2) / loudness(sound).powi(2)
    }

    #[test]
    fn two_notes_and_a_pause() {
        let round = round();
        assert_eq!(round.len() % BLOCK_SAMPLES, 0);
        let part = |from_ms: usize, to_ms: usize| &round[from_ms * 48..to_ms * 48];
        assert!(share(part(20, 200), NOTES[0].1) > 0.5, "{}", share(part(20, 200), NOTES[0].1));
        assert!(share(part(320, 600), NOTES[1].1) > 0.5, "{}", share(part(320, 600), NOTES[1].1));
        assert!(loudness(part(2_200, 3_000)) < 20.0, "silence after the notes");
        let steps = round.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
        assert!(steps < Some(1_500), "no click: {steps:?}");
        let peak = round.iter().map(|sample| sample.unsigned_abs()).max();
        assert_eq!(peak, Some(6_553));
    }

    #[test]
    fn it_goes_round_without_a_gap() {
        let mut rounds = Rounds { round: round().into(), position: 0 };
        let mut played = Vec::new();
        for _ in 0..2 * ROUND / BLOCK_SAMPLES {
            let mut block = [0; BLOCK_SAMPLES];
            rounds.pull(Instant::now(), &mut block);
            played.extend(block);
        }
        assert_eq!(played[..ROUND], played[ROUND..]);
    }
}
