//! The built-in moving picture.
//!
//! From top to bottom: the frame number as a code (see [`code`](crate::video::code)), colour bars with fine lines in them,
//! the same bars in reverse, a band that slides, and over it all a ball that bounces and the frame number in digits.

use std::sync::Arc;
use std::time::Instant;

use super::{Camera, CameraError, Description, Pace};
use crate::frame::{FrameTimes, I420Buffer, MAX_SIDE, VideoFrame};
use crate::video::CaptureFormat;
use crate::video::code::{code_rows, draw_code};

/// BT.601 limited-range YUV of 75 % grey, yellow, cyan, green, magenta, red and blue.
const BARS: [[u8; 3]; 7] =
    [[180, 128, 128], [162, 44, 142], [131, 156, 44], [112, 72, 58], [84, 184, 198], [65, 100, 212], [35, 212, 114]];
const BALL: [u8; 3] = [210, 90, 160];
/// Rows of the digits 0 to 9, five pixels each, the left one in bit 4.
const DIGITS: [[u8; 7]; 10] = [
    [14, 17, 19, 21, 25, 17, 14],
    [4, 12, 4, 4, 4, 4, 14],
    [14, 17, 1, 2, 4, 8, 31],
    [31, 2, 4, 2, 1, 17, 14],
    [2, 6, 10, 18, 31, 2, 2],
    [31, 16, 30, 1, 1, 17, 14],
    [6, 8, 16, 30, 17, 17, 14],
    [31, 1, 2, 4, 8, 8, 8],
    [14, 17, 17, 14, 17, 17, 14],
    [14, 17, 17, 15, 1, 2, 12],
];
/// Pixels after which the sliding band repeats, and how far it slides per frame.
const BAND_PERIOD: usize = 256;
const BAND_STEP: u64 = 4;

/// The pattern at one size.
#[derive(Clone, Debug)]
pub struct TestPattern {
    background: I420Buffer,
    /// One row of the sliding band, long enough to be read at any offset.
    band: Vec<u8>,
}

impl TestPattern {
    /// A pattern of about this size: sides are brought within 64..=[`MAX_SIDE`] and made even.
    pub fn new(width: u32, height: u32) -> Self {
        let side = |side: u32| (side.clamp(64, MAX_SIDE) + 1) & !1;
        let (width, height) = (side(width), side(height));
        let band = (0..width as usize + BAND_PERIOD).map(band_luma).collect();
        Self { background: background(width, height), band }
    }

    /// The picture of frame `index`, always the same for the same index. Its code is the low 32 bits of the index.
    pub fn draw(&self, index: u64) -> I420Buffer {
        let mut picture = self.background.clone();
        self.draw_band(&mut picture, index);
        draw_ball(&mut picture, index);
        draw_number(&mut picture, index);
        #[expect(clippy::cast_possible_truncation, reason = "the code is the low 32 bits")]
        draw_code(&mut picture, index as u32);
        picture
    }

    fn draw_band(&self, picture: &mut I420Buffer, index: u64) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let shift =
            usize::try_from(index % BAND_PERIOD as u64 * BAND_STEP % BAND_PERIOD as u64).expect("below the period");
        let rows = picture.planes_mut().0.chunks_exact_mut(width).enumerate().skip(band_top(height));
        for (row, line) in rows {
            let offset = (shift + row) % BAND_PERIOD;
            line.copy_from_slice(&self.band[offset..][..width]);
        }
    }
}

/// Draws the pattern in real time.
#[derive(Debug)]
pub(crate) struct PatternCamera {
    pattern: TestPattern,
    index: u64,
    pace: Pace,
}

impl PatternCamera {
    /// A pattern of about this size and rate.
    pub(crate) fn new(format: CaptureFormat) -> Self {
        let pace = Pace::new(f64::from(format.fps.clamp(1, 240)));
        Self { pattern: TestPattern::new(format.width, format.height), index: 0, pace }
    }
}

impl Camera for PatternCamera {
    fn next(&mut self) -> Result<VideoFrame, CameraError> {
        let picture = Arc::new(self.pattern.draw(self.index));
        self.pace.wait();
        let times = FrameTimes { captured: Some(Instant::now()), ..FrameTimes::default() };
        self.index += 1;
        Ok(VideoFrame { picture, index: self.index - 1, times })
    }

    fn description(&self) -> Description {
        let (width, height) = (self.pattern.background.width(), self.pattern.background.height());
        Description { label: "Test pattern".to_owned(), width, height, fps: self.pace.fps }
    }
}

/// First row of the sliding band.
fn band_top(height: usize) -> usize {
    height * 3 / 4
}

/// A soft ramp up and down with a fine ripple on it.
fn band_luma(x: usize) -> u8 {
    let phase = x % BAND_PERIOD;
    let ramp = phase.min(BAND_PERIOD - phase);
    let ripple = if (x / 4).is_multiple_of(2) { 6 } else { 0 };
    u8::try_from(40 + ramp + ripple).expect("at most 174")
}

/// All that stays the same: bars, reverse bars, the band's colour.
fn background(width: u32, height: u32) -> I420Buffer {
    let mut picture = I420Buffer::black(width, height);
    let (width, height) = (width as usize, height as usize);
    let colour = |x: usize, y: usize| -> [u8; 3] {
        let bar = x * BARS.len() / width;
        if y < height * 2 / 3 {
            BARS[bar]
        } else if y < band_top(height) {
            if bar.is_multiple_of(2) { BARS[BARS.len() - 1 - bar] } else { [16, 128, 128] }
        } else {
            [0, 150, 112]
        }
    };
    let (luma, u, v) = picture.planes_mut();
    for (i, pixel) in luma.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        // Diagonal hairlines give the coder edges to keep.
        let line = if (x + y) % 24 == 0 || (x + 2 * y) % 56 == 0 { 24 } else { 0 };
        *pixel = colour(x, y)[0].saturating_add(line).min(235);
    }
    for (i, (u, v)) in u.iter_mut().zip(v).enumerate() {
        [_, *u, *v] = colour(i % (width / 2) * 2, i / (width / 2) * 2);
    }
    picture
}

/// Where a ball is that moves `speed` a frame between the ends of `room`.
fn bounce(index: u64, speed: u64, room: usize) -> usize {
    let room = (room as u64).max(1);
    let at = index % (2 * room) * speed % (2 * room);
    usize::try_from(at.min(2 * room - at)).expect("within the room")
}

fn draw_ball(picture: &mut I420Buffer, index: u64) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let top = usize::try_from(code_rows(picture.height())).expect("rows fit") + 1;
    let radius = (height / 9).min(width / 4).max(2);
    let left = bounce(index, 7, width - 2 * radius) & !1;
    let top = (top + bounce(index, 5, height - 2 * radius - top)) & !1;
    let (y, u, v) = picture.planes_mut();
    for row in 0..2 * radius {
        let up = radius.abs_diff(row);
        let half = (radius * radius - up * up).isqrt();
        let (start, end) = (left + radius - half, left + radius + half);
        for (x, pixel) in y[(top + row) * width..][start..end].iter_mut().enumerate() {
            // Shaded towards its right edge.
            *pixel = BALL[0] - u8::try_from(x * 80 / (2 * radius)).unwrap_or(80);
        }
        if row % 2 == 0 {
            let chroma = (top + row) / 2 * (width / 2) + start / 2..(top + row) / 2 * (width / 2) + end / 2;
            u[chroma.clone()].fill(BALL[1]);
            v[chroma].fill(BALL[2]);
        }
    }
}

fn draw_number(picture: &mut I420Buffer, index: u64) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let scale = (height / 90).max(1);
    let (left, top) = (width / 24, height * 4 / 5);
    let luma = picture.planes_mut().0;
    for (place, digit) in index.to_string().bytes().map(|c| usize::from(c - b'0')).enumerate() {
        let x = left + place * 6 * scale;
        if x + 6 * scale > width {
            break;
        }
        for row in 0..7 * scale {
            let line = &mut luma[(top + row) * width + x..][..6 * scale];
            for (column, pixel) in line.iter_mut().enumerate() {
                let lit = DIGITS[digit][row / scale] << (column / scale) & 16 != 0;
                *pixel = if lit { 235 } else { 16 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::code::decode_code;

    #[test]
    fn frames_carry_their_number_and_differ() {
        for (width, height) in [(1280, 720), (64, 64), (641, 361), (90, 1000)] {
            let camera = TestPattern::new(width, height);
            let mut last = camera.draw(0);
            for index in [1, 77, 1_000, 4_294_967_295, 123_456_789_012_345] {
                let picture = camera.draw(index);
                assert_eq!(u64::from(decode_code(&picture)), index & 0xffff_ffff);
                assert_ne!(picture, last);
                last = picture;
            }
        }
    }

    #[test]
    fn the_ball_turns_at_the_walls() {
        assert_eq!([0, 1, 5, 9, 10, 11].map(|i| bounce(i, 10, 50)), [0, 10, 50, 10, 0, 10]);
    }
}
