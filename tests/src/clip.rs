//! A made-up film to send: detail like a camera's, things that move, and a frame number across the top.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Outcome;
use crate::picture::{CODE_HEIGHT_DIVISOR, Code, Luma};

/// The film's shape. Frame `n` is the same on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// Frames before it repeats.
    pub frames: usize,
    /// Frames per second.
    pub fps: usize,
}

impl Clip {
    /// Writes the film as y4m (yuv4mpeg(5)), 4:2:0.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Outcome {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "YUV4MPEG2 W{} H{} F{}:1 Ip A1:1 C420jpeg", self.width, self.height, self.fps)?;
        let background = self.background();
        for number in 0..self.frames {
            file.write_all(b"FRAME\n")?;
            file.write_all(&self.draw(&background, number).pixels)?;
            self.write_colour(&mut file, number)?;
        }
        file.flush()?;
        Ok(())
    }

    /// Brightness of frame `number`.
    pub fn luma(&self, number: usize) -> Luma {
        self.draw(&self.background(), number)
    }

    /// Noise of many sizes, as in a room behind somebody who talks: the coarser, the stronger. It stands still, as such a room
    /// does.
    fn background(&self) -> Luma {
        let (width, height) = (self.width, self.height);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let value: i32 = OCTAVES.iter().map(|(cell, gain)| octave(x, y, *cell, *gain)).sum();
                pixels.push(to_luma(128 + value));
            }
        }
        Luma { width, height, pixels }
    }

    fn draw(&self, background: &Luma, number: usize) -> Luma {
        let mut picture = background.clone();
        self.draw_shapes(&mut picture, number);
        draw_code(&mut picture, number);
        picture
    }

    /// A head-like disc that goes from side to side and a bar that goes up and down.
    fn draw_shapes(&self, picture: &mut Luma, number: usize) {
        let radius = self.height / 5;
        let centre = (radius + triangle(number, self.frames, self.width - 2 * radius), self.height / 2);
        for y in centre.1 - radius..centre.1 + radius {
            for x in centre.0 - radius..centre.0 + radius {
                let (dx, dy) = (x.abs_diff(centre.0), y.abs_diff(centre.1));
                if dx * dx + dy * dy < radius * radius {
                    let shade = 200 - i32::try_from(dx * 100 / radius).unwrap_or(0) + octave(x, y, 6, 12);
                    picture.pixels[y * self.width + x] = to_luma(shade);
                }
            }
        }
        let top = self.height / 4 + triangle(number, self.frames, self.height / 2);
        for y in top..top + self.height / 40 {
            picture.pixels[y * self.width..][self.width / 20..self.width / 4].fill(60);
        }
    }

    /// Slow colours: a wash over the whole picture that turns with time.
    fn write_colour(&self, file: &mut impl Write, number: usize) -> Outcome {
        let (width, height) = (self.width / 2, self.height / 2);
        let turn = triangle(number, self.frames, 40);
        for plane in 0..2 {
            for y in 0..height {
                let base = 108 + turn * (1 - plane) + y * 40 * plane / height;
                let row: Vec<u8> = (0..width).map(|x| u8::try_from(base + x * 20 / width).unwrap_or(u8::MAX)).collect();
                file.write_all(&row)?;
            }
        }
        Ok(())
    }
}

/// Size in pixels and strength of each layer of the background's noise. The finest is lost when a picture is sent smaller.
const OCTAVES: [(usize, i32); 5] = [(2, 4), (4, 8), (8, 16), (24, 40), (96, 80)];

/// 0 at the start of a loop, `height` in its middle, 0 again at its end.
fn triangle(number: usize, period: usize, height: usize) -> usize {
    let phase = number % period;
    2 * height * phase.min(period - phase) / period
}

/// Smooth noise of about `cell` pixels, between -`gain` and `gain`: random values on a grid, linear between them.
fn octave(x: usize, y: usize, cell: usize, gain: i32) -> i32 {
    let (column, row) = (x / cell, y / cell);
    let (fx, fy, size) = (as_i32(x % cell), as_i32(y % cell), as_i32(cell));
    let value = |dx: usize, dy: usize| as_i32(hash(column + dx, row + dy, cell) % 201) - 100;
    let top = value(0, 0) * (size - fx) + value(1, 0) * fx;
    let bottom = value(0, 1) * (size - fx) + value(1, 1) * fx;
    (top * (size - fy) + bottom * fy) / (size * size) * gain / 100
}

/// A number that looks random but is the same for the same place.
fn hash(x: usize, y: usize, seed: usize) -> usize {
    let mut h =
        (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f) ^ seed as u64;
    h = (h ^ (h >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((h >> 40) & 0xffff).unwrap_or(0)
}

fn as_i32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn to_luma(value: i32) -> u8 {
    u8::try_from(value.clamp(16, 235)).unwrap_or(235)
}

/// Draws the code of a frame's number across the top.
pub fn draw_code(picture: &mut Luma, number: usize) {
    let lumas = Code::of(u32::try_from(number).unwrap_or(u32::MAX)).lumas();
    let blocks = lumas.len();
    let row: Vec<u8> = (0..picture.width).map(|x| lumas[x * blocks / picture.width]).collect();
    for line in picture.pixels.chunks_exact_mut(picture.width).take(picture.height / CODE_HEIGHT_DIVISOR) {
        line.copy_from_slice(&row);
    }
}
