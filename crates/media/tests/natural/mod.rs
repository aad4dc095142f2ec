//! A made-up person in front of a made-up room: detail of every size, a head that sways and talks, a hand-held camera, grain.
#![expect(clippy::cast_possible_truncation, reason = "made-up pixels")]

use eyeline_media::frame::I420Buffer;

/// How hard a film is to encode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hardness {
    /// Standard deviation of the grain, in steps of luma.
    pub(crate) grain: f32,
    /// How far everything moves, 1 is somebody who sits and talks.
    pub(crate) motion: f32,
    /// Strength of fine detail, 1 is a plain room.
    pub(crate) detail: f32,
}

/// A webcam, a plain wall.
#[allow(dead_code, reason = "not every user of this module takes every film")]
pub(crate) const EASY: Hardness = Hardness { grain: 1.5, motion: 1.0, detail: 0.7 };
/// A webcam, a room full of things.
#[allow(dead_code, reason = "not every user of this module takes every film")]
pub(crate) const NATURAL: Hardness = Hardness { grain: 2.2, motion: 1.3, detail: 2.0 };
/// A phone in a hand.
#[allow(dead_code, reason = "not every user of this module takes every film")]
pub(crate) const HARD: Hardness = Hardness { grain: 2.5, motion: 3.0, detail: 2.5 };

/// Draws the frames of one film at one size. Frame `n` is always the same.
pub(crate) struct Film {
    width: usize,
    height: usize,
    hardness: Hardness,
    room: Texture,
    skin: Texture,
}

const ROOM: [(f32, f32); 6] = [(160.0, 40.0), (64.0, 22.0), (24.0, 12.0), (10.0, 7.0), (5.0, 5.0), (2.5, 3.0)];
const SKIN: [(f32, f32); 4] = [(60.0, 18.0), (22.0, 10.0), (8.0, 6.0), (3.0, 5.0)];
/// Sizes are in pixels of a picture this high.
const HEIGHT: f32 = 720.0;

impl Film {
    pub(crate) fn new(width: u32, height: u32, hardness: Hardness) -> Self {
        let mut room = Texture::new(1_344, 784, &ROOM, hardness.detail);
        room.shelves();
        let skin = Texture::new(512, 512, &SKIN, hardness.detail);
        Self { width: width as usize, height: height as usize, hardness, room, skin }
    }

    pub(crate) fn frame(&self, number: u32) -> I420Buffer {
        let scene = Scene::at(number as f32 / 30.0, self.hardness.motion);
        let mut picture = I420Buffer::black(self.width as u32, self.height as u32);
        let scale = HEIGHT / self.height as f32;
        let mut grain = Grain(number.wrapping_mul(2_654_435_761) | 1);
        let (y, u, v) = picture.planes_mut();
        for (row, line) in y.chunks_exact_mut(self.width).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                let luma = self.luma(&scene, column as f32 * scale, row as f32 * scale);
                *pixel = (luma + self.hardness.grain * grain.next()).clamp(16.0, 235.0) as u8;
            }
        }
        let half = self.width.div_ceil(2);
        for (row, (u, v)) in u.chunks_exact_mut(half).zip(v.chunks_exact_mut(half)).enumerate() {
            for (column, (u, v)) in u.iter_mut().zip(v).enumerate() {
                let (x, y) = (column as f32 * 2.0 * scale, row as f32 * 2.0 * scale);
                let (base_u, base_v) = if scene.in_head(x, y) {
                    (112.0, 150.0)
                } else {
                    let (x, y) = (x + scene.shake.0, y + scene.shake.1);
                    (124.0 + 8.0 * noise(x / 200.0, y / 200.0, 31), 132.0 + 9.0 * noise(x / 170.0, y / 170.0, 32))
                };
                *u = (base_u + 0.4 * self.hardness.grain * grain.next()) as u8;
                *v = (base_v + 0.4 * self.hardness.grain * grain.next()) as u8;
            }
        }
        picture
    }

    fn luma(&self, scene: &Scene, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - scene.head.0, y - scene.head.1);
        let (u, w) = (dx * scene.turn.cos() + dy * scene.turn.sin(), dy * scene.turn.cos() - dx * scene.turn.sin());
        let from_centre = (u / 125.0).powi(2) + (w / 170.0).powi(2);
        if from_centre < 1.0 {
            return self.face(scene, u, w, from_centre);
        }
        let (sx, sy) = (x - scene.head.0 * 0.6 - 256.0, y - scene.head.1 * 0.3 - 245.0);
        let shoulder = (sx / 330.0).powi(2) + ((sy - 430.0) / 260.0).powi(2);
        if shoulder < 1.0 {
            let stripe = if ((sx + 2_000.0) / 24.0) as i32 % 2 == 0 { -9.0 } else { 9.0 };
            return 14.0
                + 0.35 * self.skin.at((sx + 1_280.0) % 500.0, (sy + 700.0) % 500.0)
                + 20.0 * (1.0 - shoulder)
                + stripe;
        }
        self.room.at(x + scene.shake.0, y + scene.shake.1)
    }

    fn face(&self, scene: &Scene, u: f32, w: f32, from_centre: f32) -> f32 {
        if (u / 42.0).powi(2) + ((w - 75.0) / (6.0 + 18.0 * scene.mouth)).powi(2) < 1.0 {
            return 60.0;
        }
        let (ex, ey) = (u.abs() - 45.0, w + 25.0);
        let lid = if scene.blink { 3.0 } else { 10.0 };
        if (ex / 20.0).powi(2) + (ey / lid).powi(2) < 1.0 {
            return if ex * ex + ey * ey < 49.0 { 25.0 } else { 215.0 };
        }
        if w < -95.0 + 10.0 * (u * 0.06).sin() {
            return 0.8 * self.skin.at(u * 2.0 + 256.0 + w, w * 0.7 + 256.0) - 78.0;
        }
        self.skin.at(u * 1.2 + 256.0, w * 1.2 + 256.0) - 25.0 * from_centre - u * 0.12
    }
}

/// Where everything is at one moment.
struct Scene {
    shake: (f32, f32),
    head: (f32, f32),
    turn: f32,
    mouth: f32,
    blink: bool,
}

impl Scene {
    fn at(t: f32, motion: f32) -> Self {
        let wave = |speed: f32, shift: f32, far: f32| (t * speed + shift).sin() * far * motion;
        Self {
            shake: (
                20.0 + wave(5.1, 0.0, 1.2) + wave(11.3, 1.0, 0.8),
                20.0 + wave(4.3, 2.0, 0.9) + wave(13.1, 0.0, 0.5),
            ),
            head: (
                640.0 + wave(0.9, 0.0, 90.0) + wave(3.3, 0.0, 14.0),
                350.0 + wave(1.7, 1.0, 22.0) + wave(5.9, 0.0, 8.0),
            ),
            turn: wave(1.3, 0.0, 0.12),
            mouth: ((t * 9.0).sin() * (t * 2.1).sin() * motion).abs(),
            blink: (t * 1.9).sin() > 0.97,
        }
    }

    fn in_head(&self, x: f32, y: f32) -> bool {
        ((x - self.head.0) / 125.0).powi(2) + ((y - self.head.1) / 170.0).powi(2) < 1.0
    }
}

struct Texture {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Texture {
    /// Noise of several sizes; all but the two coarsest are scaled by `detail`.
    fn new(width: usize, height: usize, octaves: &[(f32, f32)], detail: f32) -> Self {
        let value = |i: usize| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let layer = |(n, &(cell, gain)): (usize, &(f32, f32))| {
                let gain = if n < 2 { gain } else { gain * detail };
                gain * noise(x / cell, y / cell, n as u32 + octaves.len() as u32)
            };
            140.0 + octaves.iter().enumerate().map(layer).sum::<f32>()
        };
        Self { width, height, values: (0..width * height).map(value).collect() }
    }

    /// Straight edges, as furniture has them.
    fn shelves(&mut self) {
        for (i, value) in self.values.iter_mut().enumerate() {
            let (x, y) = (i % self.width, i / self.width);
            if (x / 90 + y / 140 * 3).is_multiple_of(4) {
                *value -= 45.0;
            }
            if y % 140 < 6 {
                *value += 20.0;
            }
        }
    }

    /// Between the pixels too, so that slow movement is smooth.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x.clamp(0.0, self.width as f32 - 2.0), y.clamp(0.0, self.height as f32 - 2.0));
        let (column, row) = (x as usize, y as usize);
        let (fx, fy) = (x - column as f32, y - row as f32);
        let above = &self.values[row * self.width + column..];
        let below = &above[self.width..];
        (above[0] * (1.0 - fx) + above[1] * fx) * (1.0 - fy) + (below[0] * (1.0 - fx) + below[1] * fx) * fy
    }
}

/// About normal, with standard deviation 1.
struct Grain(u32);

impl Grain {
    fn next(&mut self) -> f32 {
        let mut sum = 0;
        for _ in 0..2 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += (self.0 >> 24) + (self.0 >> 16 & 255);
        }
        (sum as f32 - 510.0) / 148.0
    }
}

/// Random values on a grid, smooth between them, -1 to 1.
fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (column, row) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (smooth(x - column), smooth(y - row));
    let value = |dx: f32, dy: f32| {
        let mut h = ((column + dx) as u32).wrapping_mul(374_761_393);
        h = h
            .wrapping_add(((row + dy) as u32).wrapping_mul(668_265_263))
            .wrapping_add(seed.wrapping_mul(2_246_822_519));
        h = (h ^ h >> 13).wrapping_mul(1_274_126_177);
        ((h ^ h >> 16).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let above = value(0.0, 0.0) * (1.0 - fx) + value(1.0, 0.0) * fx;
    let below = value(0.0, 1.0) * (1.0 - fx) + value(1.0, 1.0) * fx;
    above * (1.0 - fy) + below * fy
}
