//! Gain control: brings quiet and loud talkers to one level. The estimates (voice activity, level of speech, crest, noise)
//! and the limiter are those of AGC2 of libwebrtc, in its Rust port `sonora-agc2`; unlike there, the gain also goes below
//! one, because a shouting microphone is no better than a whispering one.

use sonora_agc2::common::{
    ADJACENT_SPEECH_FRAMES_THRESHOLD, SATURATION_PROTECTOR_INITIAL_HEADROOM_DB, VAD_CONFIDENCE_THRESHOLD,
    VAD_RESET_PERIOD_MS, db_to_ratio, float_s16_to_dbfs,
};
use sonora_agc2::limiter::Limiter;
use sonora_agc2::noise_level_estimator::NoiseLevelEstimator;
use sonora_agc2::saturation_protector::SaturationProtector;
use sonora_agc2::speech_level_estimator::{AdaptiveDigitalConfig, SpeechLevelEstimator};
use sonora_agc2::vad_wrapper::VoiceActivityDetectorWrapper;
use sonora_simd::detect_backend;

use super::Frame;
use crate::audio::{BLOCK_SAMPLES, SAMPLE_RATE_HZ};

/// Where the peaks of speech should lie, in dB below full scale.
const HEADROOM_DB: f32 = 6.0;

/// Most that is added. A talker who needs more sits in another room, and so would the noise be.
const GAIN_MAX_DB: f32 = 24.0;

/// Most that is taken away.
const GAIN_MIN_DB: f32 = -12.0;

/// How fast the gain moves: by this share of what is missing in each block of speech, so that it is right after a few
/// sentences, and then slower than syllables and words, so that nobody hears it move.
const RISE_SHARE: f32 = 0.01;
const FALL_SHARE: f32 = 0.02;

/// The gain moves at least this much in a block, while it moves.
const STEP_MIN_DB: f32 = 0.02;

/// Blocks for which the gain goes on moving after certain speech: the unvoiced sounds and stops within a word.
const HOLD_BLOCKS: u32 = 30;

/// Noise is never raised above this, in dBFS.
const NOISE_MAX_DBFS: f32 = -52.0;

/// A level that is this far from what is wanted is good enough: the gain rests.
const CLOSE_ENOUGH_DB: f32 = 1.0;

/// Brings speech to one level and keeps it from clipping.
pub(super) struct GainControl {
    vad: VoiceActivityDetectorWrapper,
    noise: NoiseLevelEstimator,
    speech: SpeechLevelEstimator,
    crest: SaturationProtector,
    limiter: Limiter,
    gain_db: f32,
    /// Blocks of speech in a row.
    speaking: i32,
    /// Blocks for which the gain may still move.
    hold: u32,
    /// The gain is on its way to what is wanted.
    moving: bool,
}

impl GainControl {
    /// Gain 1, knowing nothing of the talker yet.
    pub(super) fn new() -> Self {
        // The estimator begins where this gain would be right.
        let config = AdaptiveDigitalConfig {
            headroom_db: HEADROOM_DB,
            max_gain_db: GAIN_MAX_DB,
            initial_gain_db: 0.0,
            // Not used: the gain is steered here.
            max_gain_change_db_per_second: 6.0,
            max_output_noise_level_dbfs: NOISE_MAX_DBFS,
        };
        let rate = i32::try_from(SAMPLE_RATE_HZ).expect("48 kHz fit");
        Self {
            vad: VoiceActivityDetectorWrapper::with_reset_period(VAD_RESET_PERIOD_MS, detect_backend(), rate),
            noise: NoiseLevelEstimator::default(),
            speech: SpeechLevelEstimator::new(&config, ADJACENT_SPEECH_FRAMES_THRESHOLD),
            crest: SaturationProtector::new(SATURATION_PROTECTOR_INITIAL_HEADROOM_DB, ADJACENT_SPEECH_FRAMES_THRESHOLD),
            limiter: Limiter::new(BLOCK_SAMPLES),
            gain_db: 0.0,
            speaking: 0,
            hold: 0,
            moving: false,
        }
    }

    /// Works on 10 ms in place. `echo`: what is heard now is mostly the other side, from which nothing is learnt.
    pub(super) fn process(&mut self, frame: &mut Frame, echo: bool) {
        let probability = if echo { 0.0 } else { self.vad.analyze(frame) };
        let noise_dbfs = self.noise.analyze(&[frame]);
        let level = float_s16_to_dbfs((frame.iter().map(|s| s * s).sum::<f32>() / BLOCK_SAMPLES as f32).sqrt());
        let peak = float_s16_to_dbfs(frame.iter().fold(0.0, |peak, s| s.abs().max(peak)));
        self.speech.update(level, probability);
        self.crest.analyze(probability, peak, self.speech.level_dbfs());
        self.speaking = if probability < VAD_CONFIDENCE_THRESHOLD { 0 } else { self.speaking + 1 };

        let from = self.gain_db;
        let certain = self.speaking >= ADJACENT_SPEECH_FRAMES_THRESHOLD && self.speech.is_confident();
        self.hold = if certain { HOLD_BLOCKS } else { self.hold.saturating_sub(1) };
        if self.hold > 0 && !echo {
            self.steer(noise_dbfs);
        }
        apply(frame, db_to_ratio(from), db_to_ratio(self.gain_db));
        self.limiter.process(&mut [frame]);
    }

    /// One step towards the gain that the talker needs.
    fn steer(&mut self, noise_dbfs: f32) {
        let wanted = -HEADROOM_DB - (self.speech.level_dbfs() + self.crest.headroom_db());
        let quiet_noise = (NOISE_MAX_DBFS - noise_dbfs).max(0.0);
        let wanted = wanted.min(quiet_noise).clamp(GAIN_MIN_DB, GAIN_MAX_DB);
        let off = wanted - self.gain_db;
        self.moving = off.abs() > if self.moving { CLOSE_ENOUGH_DB / 4.0 } else { CLOSE_ENOUGH_DB };
        if self.moving {
            let share = if off > 0.0 { RISE_SHARE } else { FALL_SHARE };
            self.gain_db += off.signum() * (off.abs() * share).max(STEP_MIN_DB);
        }
    }
}

/// Multiplies, gliding from one gain to the other.
fn apply(frame: &mut Frame, from: f32, to: f32) {
    let step = (to - from) / BLOCK_SAMPLES as f32;
    let mut gain = from;
    for sample in frame {
        *sample *= gain;
        gain += step;
    }
}
