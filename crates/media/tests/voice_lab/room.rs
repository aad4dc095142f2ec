//! Sound in a shoebox room, by the image-source method (Allen and Berkley 1979).

use std::f64::consts::PI;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::RATE;

const SOUND_M_PER_S: f64 = 343.0;

/// A room with a loudspeaker and a microphone, lengths in metres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) size: [f64; 3],
    pub(crate) speaker: [f64; 3],
    pub(crate) microphone: [f64; 3],
    /// Time in which sound decays by 60 dB.
    pub(crate) rt60_s: f64,
}

impl Room {
    /// A laptop on a desk in an office: speaker and microphone 40 cm apart.
    pub(crate) fn office(rt60_s: f64) -> Self {
        Self { size: [5.1, 3.9, 2.6], speaker: [2.0, 1.4, 0.9], microphone: [2.31, 1.62, 1.02], rt60_s }
    }

    /// The same room after somebody moved the microphone.
    pub(crate) fn moved(self) -> Self {
        Self { microphone: [1.72, 1.85, 1.1], ..self }
    }

    /// What the microphone hears of one click. The strongest path is 1; sound before it is cut except for 2 ms.
    pub(crate) fn impulse_response(&self) -> Vec<f32> {
        let volume: f64 = self.size.iter().product();
        let [x, y, z] = self.size;
        let surface = 2.0 * (x * y + y * z + z * x);
        // Eyring's formula, solved for the absorption.
        let absorption = 1.0 - (-0.161 * volume / (surface * self.rt60_s)).exp();
        let reflection = (1.0 - absorption).sqrt();
        let length = (self.rt60_s.min(0.5) * RATE as f64) as usize;
        let mut response = vec![0.0; length + 64];
        let reach = length as f64 / RATE as f64 * SOUND_M_PER_S;
        let orders = self.size.map(|s| (reach / (2.0 * s)).ceil() as i32);
        for (ix, rx) in axis(0, orders[0], self) {
            for (iy, ry) in axis(1, orders[1], self) {
                for (iz, rz) in axis(2, orders[2], self) {
                    let distance = (ix * ix + iy * iy + iz * iz).sqrt();
                    let at = distance / SOUND_M_PER_S * RATE as f64;
                    if at < length as f64 {
                        add_click(&mut response, at, reflection.powi(rx + ry + rz) / distance);
                    }
                }
            }
        }
        let loudest = response.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        let first = response.iter().position(|s| s.abs() > 0.3 * loudest).unwrap_or(0);
        response[first.saturating_sub(96)..].iter().map(|s| (s / loudest) as f32).collect()
    }
}

/// Offsets of the images along one axis from the microphone, and how many walls each met.
fn axis(i: usize, order: i32, room: &Room) -> Vec<(f64, i32)> {
    (-order..=order)
        .flat_map(|n| [(n, 0), (n, 1)])
        .map(|(n, mirrored)| {
            let image = f64::from(1 - 2 * mirrored) * room.speaker[i] + 2.0 * f64::from(n) * room.size[i];
            (image - room.microphone[i], (n - mirrored).abs() + n.abs())
        })
        .collect()
}

/// A click between samples: windowed sinc where single reflections stand out, else at the nearest sample.
fn add_click(response: &mut [f64], at: f64, size: f64) {
    let nearest = at.round() as usize;
    if at > 0.06 * RATE as f64 {
        response[nearest] += size;
        return;
    }
    let from = nearest.saturating_sub(16);
    for (n, sample) in response[from..nearest + 16].iter_mut().enumerate() {
        let t = (from + n) as f64 - at;
        let sinc = if t.abs() < 1e-9 { 1.0 } else { (PI * t).sin() / (PI * t) };
        *sample += size * sinc * (0.5 + 0.5 * (PI * t / 17.0).cos());
    }
}

/// Plays `signal` in a room with this response.
pub(crate) fn convolve(signal: &[f32], response: &[f32]) -> Vec<f32> {
    let size = (signal.len() + response.len()).next_power_of_two();
    let mut planner = FftPlanner::<f32>::new();
    let (forward, back) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |samples: &[f32]| {
        let mut buffer = vec![Complex::default(); size];
        for (to, from) in buffer.iter_mut().zip(samples) {
            to.re = *from;
        }
        forward.process(&mut buffer);
        buffer
    };
    let mut product = spectrum(signal);
    for (a, b) in product.iter_mut().zip(spectrum(response)) {
        *a *= b;
    }
    back.process(&mut product);
    product[..signal.len()].iter().map(|c| c.re / size as f32).collect()
}
