//! A call in a room: what plays, what the microphone hears, what comes out of a processor.

use super::room::{Room, convolve};
use super::{RATE, Seeded, figures, speech};

/// What the two ends of a canceller get, and of what it is made.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// What the speaker plays.
    pub(crate) far: Vec<f32>,
    /// Of it, what the microphone hears.
    pub(crate) echo: Vec<f32>,
    /// What is said at the microphone.
    pub(crate) near: Vec<f32>,
    /// All that the microphone hears, with a little noise of its own.
    pub(crate) mic: Vec<f32>,
}

impl Scene {
    /// The same without the far end.
    pub(crate) fn near_only(&self) -> Self {
        let silence = vec![0.0; self.far.len()];
        let mic = self.mic.iter().zip(&self.echo).map(|(m, e)| m - e).collect();
        Self { far: silence.clone(), echo: silence, near: self.near.clone(), mic }
    }
}

/// How a scene is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) room: Room,
    /// From when on the microphone stands elsewhere.
    pub(crate) moved_at_s: Option<f64>,
    /// Echo at the microphone, against the level at which the other side talks (-26 dBFS).
    pub(crate) echo_db: f64,
    /// When the near end talks, in seconds.
    pub(crate) near: (f64, f64),
    /// When the far end talks, in seconds.
    pub(crate) far: (f64, f64),
    pub(crate) seconds: f64,
    /// By how many millionths the microphone's clock runs faster than the speaker's.
    pub(crate) drift_ppm: f64,
    /// The loudspeaker is driven beyond what it can do.
    pub(crate) clipping: bool,
    /// From speaker to microphone, devices included.
    pub(crate) delay_ms: usize,
}

impl Setting {
    /// The far end talks all the time, nobody else does.
    pub(crate) fn far_only(rt60_s: f64, seconds: f64) -> Self {
        Self {
            room: Room::office(rt60_s),
            moved_at_s: None,
            echo_db: -6.0,
            near: (0.0, 0.0),
            far: (0.0, seconds),
            seconds,
            drift_ppm: 0.0,
            clipping: true,
            delay_ms: 40,
        }
    }

    /// Plays it.
    pub(crate) fn play(&self) -> Scene {
        let far = only(speech::reader(self.seconds), self.far);
        let near = only(speech::talker(self.seconds), self.near);
        let played = if self.clipping { far.iter().map(|s| loudspeaker(*s)).collect() } else { far.clone() };
        let mut echo = convolve(&played, &self.room.impulse_response());
        if let Some(at) = self.moved_at_s {
            let at = (at * RATE as f64) as usize;
            let moved = convolve(&played, &self.room.moved().impulse_response());
            echo[at..].copy_from_slice(&moved[at..]);
        }
        let gain = 10_f64.powf((-26.0 + self.echo_db - figures::speech_level_db(&echo)) / 20.0) as f32;
        let echo: Vec<f32> = delayed(&echo, self.delay_ms).iter().map(|s| s * gain).collect();
        let echo = drifted(&echo, self.drift_ppm);
        let mut random = Seeded(5);
        let mic = echo.iter().zip(&near).map(|(e, n)| e + n + 2e-4 * random.normal() as f32).collect();
        Scene { far, echo, near, mic }
    }
}

/// A cheap loudspeaker: compresses and adds a little of the even harmonics.
fn loudspeaker(sample: f32) -> f32 {
    let driven = 3.0 * sample;
    (driven.tanh() + 0.03 * driven * driven) / 3.0
}

fn only(mut samples: Vec<f32>, (from, to): (f64, f64)) -> Vec<f32> {
    for (n, sample) in samples.iter_mut().enumerate() {
        let t = n as f64 / RATE as f64;
        if t < from || t >= to {
            *sample = 0.0;
        }
    }
    samples
}

fn delayed(samples: &[f32], ms: usize) -> Vec<f32> {
    let silence = ms * RATE / 1_000;
    std::iter::repeat_n(0.0, silence).chain(samples.iter().copied()).take(samples.len()).collect()
}

/// The same sound, sampled by a clock that runs `ppm` millionths faster.
pub(crate) fn drifted(samples: &[f32], ppm: f64) -> Vec<f32> {
    if ppm == 0.0 {
        return samples.to_vec();
    }
    (0..samples.len())
        .map(|n| {
            let at = n as f64 / (1.0 + ppm * 1e-6);
            let (i, f) = (at.floor() as isize, at.fract());
            (i - 15..=i + 16)
                .filter_map(|k| {
                    let sample = samples.get(usize::try_from(k).ok()?)?;
                    let t = (i - k) as f64 + f;
                    let sinc = if t.abs() < 1e-9 {
                        1.0
                    } else {
                        (std::f64::consts::PI * t).sin() / (std::f64::consts::PI * t)
                    };
                    Some(f64::from(*sample) * sinc * (0.5 + 0.5 * (std::f64::consts::PI * t / 17.0).cos()))
                })
                .sum::<f64>() as f32
        })
        .collect()
}
