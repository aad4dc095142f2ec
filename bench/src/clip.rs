//! The film that both systems send: a head that talks before a room, as a hand-held camera with a little grain sees it.
//!
//! It is made, never shipped, and the same on every machine. What makes it as hard as real calls are: detail of all sizes in
//! room, hair and clothes; a camera that trembles; a head that sways and a mouth that moves; grain that no codec can foretell. Its
//! frame number stands across the top ([`eyeline_tests::picture::Code`]).

use std::f64::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use eyeline_tests::Outcome;
use eyeline_tests::clip::draw_code;
use eyeline_tests::picture::Luma;

/// Width of the film, pixels.
pub(crate) const WIDTH: usize = 1_280;
/// Height of the film, pixels.
pub(crate) const HEIGHT: usize = 720;
/// Ten seconds: a number does not come again within any delay.
pub(crate) const FRAMES: usize = 300;
const FPS: usize = 30;
const HEADER: &str = "YUV4MPEG2 W1280 H720 F30:1 Ip A1:1 C420jpeg\n";
const MARKER: &[u8] = b"FRAME\n";
const I420_BYTES: usize = WIDTH * HEIGHT * 3 / 2;

/// The most that the camera trembles, pixels.
const TREMBLE: usize = 8;
/// Strength of the grain: each pixel is off by at most this.
const GRAIN: i32 = 3;
const GRAIN_TILE: usize = 64 * 1_031;

/// Size in pixels and strength of the layers of noise that make a surface look natural.
const ROOM: [(usize, i32); 6] = [(2, 6), (4, 9), (8, 14), (20, 22), (64, 34), (220, 44)];
const SKIN: [(usize, i32); 4] = [(2, 4), (5, 6), (14, 10), (60, 16)];
const CLOTH: [(usize, i32); 4] = [(2, 12), (4, 14), (9, 10), (50, 14)];

/// The film on disk.
pub(crate) struct Film {
    path: PathBuf,
}

impl Film {
    /// The film at this place, made if it is not there.
    pub(crate) fn at(path: PathBuf) -> Outcome<Self> {
        let whole = (HEADER.len() + FRAMES * (MARKER.len() + I420_BYTES)) as u64;
        if std::fs::metadata(&path).map_or(0, |data| data.len()) != whole {
            Studio::new().write(&path)?;
        }
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brightness of frame `number`, as it was sent.
    pub(crate) fn luma(&self, number: usize) -> Outcome<Luma> {
        let mut file = File::open(&self.path)?;
        let at = HEADER.len() + (number % FRAMES) * (MARKER.len() + I420_BYTES) + MARKER.len();
        file.seek(SeekFrom::Start(at as u64))?;
        let mut pixels = vec![0; WIDTH * HEIGHT];
        file.read_exact(&mut pixels)?;
        Ok(Luma { width: WIDTH, height: HEIGHT, pixels })
    }
}

/// Everything that stays the same from frame to frame.
struct Studio {
    /// The room, larger than the picture by the tremble.
    room: Vec<i32>,
    skin: Vec<i32>,
    cloth: Vec<i32>,
    grain: Vec<i32>,
}

const ROOM_WIDTH: usize = WIDTH + 2 * TREMBLE;
const ROOM_HEIGHT: usize = HEIGHT + 2 * TREMBLE;

impl Studio {
    fn new() -> Self {
        Self {
            room: surface(&ROOM, 1),
            skin: surface(&SKIN, 2),
            cloth: surface(&CLOTH, 3),
            grain: (0..GRAIN_TILE).map(grain).collect(),
        }
    }

    fn write(&self, path: &Path) -> Outcome {
        println!("making the film {}", path.display());
        let part = path.with_extension("part");
        let mut file = BufWriter::new(File::create(&part)?);
        file.write_all(HEADER.as_bytes())?;
        for number in 0..FRAMES {
            file.write_all(MARKER)?;
            let scene = Pose::of(number);
            file.write_all(&self.luma(number, &scene).pixels)?;
            file.write_all(&chroma(&scene))?;
        }
        file.flush()?;
        Ok(std::fs::rename(part, path)?)
    }

    fn luma(&self, number: usize, pose: &Pose) -> Luma {
        // Another stretch of the tile each frame, so that grain does not stand still.
        let grain = hash(number, 77, 9) % GRAIN_TILE;
        let mut pixels = Vec::with_capacity(WIDTH * HEIGHT);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let grain = self.grain[(grain + y * WIDTH + x) % GRAIN_TILE];
                pixels.push(to_luma(self.brightness(pose, x, y) + grain));
            }
        }
        let mut picture = Luma { width: WIDTH, height: HEIGHT, pixels };
        draw_code(&mut picture, number);
        picture
    }

    /// What the camera sees at a pixel, without grain.
    fn brightness(&self, pose: &Pose, x: usize, y: usize) -> i32 {
        let (dx, dy) = (as_i32(x) - pose.head.0, as_i32(y) - pose.head.1);
        let texture = |surface: &[i32], left: i32, top: i32| {
            let (column, row) = (left.clamp(0, as_i32(ROOM_WIDTH) - 1), top.clamp(0, as_i32(ROOM_HEIGHT) - 1));
            surface[as_usize(row) * ROOM_WIDTH + as_usize(column)]
        };
        if ellipse(dx, dy, 118, 158) {
            let shade = 168 - dx.abs() / 3 - dy / 8;
            let mouth = ellipse(dx, dy - 84, 42, pose.mouth);
            let eyes = ellipse(dx - 44, dy + 22, 16, pose.eyes) || ellipse(dx + 44, dy + 22, 16, pose.eyes);
            let hair = dy < -84 + dx * dx / 260;
            let base = if mouth || eyes {
                52
            } else if hair {
                66 + texture(&self.cloth, dx + 300, dy + 300)
            } else {
                shade
            };
            return base + texture(&self.skin, dx + 300, dy + 300);
        }
        // Shoulders follow the head by half.
        let (sx, sy) = (as_i32(x) - 640 - (pose.head.0 - 640) / 2, as_i32(y) - 760);
        if ellipse(sx, sy, 330, 270) {
            return 92 - sx / 12 + texture(&self.cloth, sx + 500, sy + 400);
        }
        let (left, top) = (as_i32(x + TREMBLE) + pose.camera.0, as_i32(y + TREMBLE) + pose.camera.1);
        122 + texture(&self.room, left, top)
    }
}

/// Where things are in a frame. Everything comes back to its place when the film begins again.
struct Pose {
    head: (i32, i32),
    mouth: i32,
    eyes: i32,
    camera: (i32, i32),
}

impl Pose {
    fn of(number: usize) -> Self {
        let phase = number as f64 / FRAMES as f64 * TAU;
        let wave = |times: f64, shift: f64| (phase * times + shift).sin();
        let tremble = |a: f64, b: f64| rounded(1.4 * wave(a, 0.3) + 0.9 * wave(b, 1.1));
        // It talks in sentences: the mouth moves fast, and rests now and then.
        let speaks = (wave(3.0, 0.0) + 0.6).max(0.0);
        let blinks = number % 100 < 4;
        let camera = (tremble(11.0, 23.0), tremble(13.0, 19.0));
        Self {
            head: (
                640 + rounded(34.0 * wave(2.0, 0.0) + 12.0 * wave(7.0, 0.5)) - camera.0,
                350 + rounded(9.0 * wave(5.0, 0.2) + 5.0 * wave(9.0, 0.9)) - camera.1,
            ),
            mouth: 5 + rounded(13.0 * speaks * wave(38.0, 0.0).abs()),
            eyes: if blinks { 2 } else { 9 },
            camera,
        }
    }
}

/// Colours: warm skin and blue cloth before a room between green and grey, without detail, as 4:2:0 hardly has any.
fn chroma(pose: &Pose) -> Vec<u8> {
    let mut planes = Vec::with_capacity(WIDTH * HEIGHT / 2);
    for plane in 0..2 {
        for y in 0..HEIGHT / 2 {
            for x in 0..WIDTH / 2 {
                let (px, py) = (as_i32(2 * x), as_i32(2 * y));
                let head = ellipse(px - pose.head.0, py - pose.head.1, 118, 158);
                let shoulders = ellipse(px - 640 - (pose.head.0 - 640) / 2, py - 760, 330, 270);
                let [u, v] = if head {
                    [108, 150]
                } else if shoulders {
                    [146, 116]
                } else {
                    [122 + px / 160, 126 - py / 120]
                };
                planes.push(to_luma(if plane == 0 { u } else { v }));
            }
        }
    }
    planes
}

fn ellipse(dx: i32, dy: i32, across: i32, down: i32) -> bool {
    let (dx, dy) = (i64::from(dx), i64::from(dy));
    let (across, down) = (i64::from(across), i64::from(down));
    dx * dx * down * down + dy * dy * across * across < across * across * down * down
}

/// Smooth noise in layers, as large as the room.
fn surface(layers: &[(usize, i32)], seed: usize) -> Vec<i32> {
    let mut values = Vec::with_capacity(ROOM_WIDTH * ROOM_HEIGHT);
    for y in 0..ROOM_HEIGHT {
        for x in 0..ROOM_WIDTH {
            values.push(layers.iter().map(|(cell, gain)| layer(x, y, *cell, *gain, seed)).sum());
        }
    }
    values
}

/// Random values on a grid of `cell` pixels, linear between them, between -`gain` and `gain`.
fn layer(x: usize, y: usize, cell: usize, gain: i32, seed: usize) -> i32 {
    let (column, row) = (x / cell, y / cell);
    let (fx, fy, size) = (as_i32(x % cell), as_i32(y % cell), as_i32(cell));
    let value = |dx: usize, dy: usize| as_i32(hash(column + dx, row + dy, 1_000 * seed + cell) % 201) - 100;
    let top = value(0, 0) * (size - fx) + value(1, 0) * fx;
    let bottom = value(0, 1) * (size - fx) + value(1, 1) * fx;
    (top * (size - fy) + bottom * fy) / (size * size) * gain / 100
}

/// Sum of two uniform values: more often near zero.
fn grain(at: usize) -> i32 {
    let drawn = hash(at, 5, 11);
    let steps = 2 * GRAIN + 1;
    (as_i32(drawn & 0xff) * steps / 256 + as_i32(drawn >> 8) * steps / 256) / 2 - GRAIN
}

/// Sixteen bits that look random but are the same for the same numbers.
fn hash(x: usize, y: usize, seed: usize) -> usize {
    let mut h =
        (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f) ^ seed as u64;
    h = (h ^ (h >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((h >> 40) & 0xffff).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "fewer pixels than a picture has")]
fn rounded(value: f64) -> i32 {
    value.round() as i32
}

fn as_i32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn as_usize(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

fn to_luma(value: i32) -> u8 {
    u8::try_from(value.clamp(16, 235)).unwrap_or(235)
}

const _: () = assert!(FRAMES.is_multiple_of(FPS), "the film is as long as its header says");
