//! Pictures as the tests see them: frame numbers, and how like its source a received picture is (SSIM).

use std::path::Path;

use crate::logs::count;
use crate::{Failure, Outcome, ensure};

/// Blocks of the code across the top of a picture.
pub const CODE_BLOCKS: usize = 32;
/// The part of a picture's height that carries the code.
pub const CODE_HEIGHT_DIVISOR: usize = 15;

/// What the top of a picture spells: the luma of each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code([u8; CODE_BLOCKS]);

impl Code {
    /// The code of a number as it is drawn, most significant bit first.
    pub fn of(number: u32) -> Self {
        Self(std::array::from_fn(|block| if number >> (CODE_BLOCKS - 1 - block) & 1 == 1 { 235 } else { 16 }))
    }

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut lumas = [0; CODE_BLOCKS];
        if text.len() != 2 * CODE_BLOCKS || !text.is_ascii() {
            return None;
        }
        for (block, luma) in lumas.iter_mut().enumerate() {
            *luma = u8::from_str_radix(&text[2 * block..2 * block + 2], 16).ok()?;
        }
        Some(Self(lumas))
    }

    /// Writes 64 hex digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|luma| format!("{luma:02x}")).collect()
    }

    /// The number drawn, unless a block is too grey to be sure of.
    pub fn number(self) -> Option<u32> {
        self.0.iter().try_fold(0, |number, luma| match luma {
            0..96 => Some(number << 1),
            160.. => Some(number << 1 | 1),
            _ => None,
        })
    }

    /// Luma of each block.
    pub fn lumas(self) -> [u8; CODE_BLOCKS] {
        self.0
    }
}

/// The luma plane of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Luma {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Rows from the top, without padding.
    pub pixels: Vec<u8>,
}

impl Luma {
    /// Reads a picture of `--dump-dir`: `UNIX_US_WxH.yuv`, I420.
    ///
    /// # Errors
    /// When the name or the size of the file does not fit.
    pub fn of_dump(path: &Path) -> Outcome<Self> {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        let size = name.rsplit_once('_').and_then(|(_, size)| size.split_once('x'));
        let size = size.and_then(|(width, height)| Some((width.parse::<usize>().ok()?, height.parse::<usize>().ok()?)));
        let (width, height) = size.ok_or_else(|| Failure::new(format!("{name} does not end in _WIDTHxHEIGHT")))?;
        let mut pixels = std::fs::read(path)?;
        let i420 = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
        ensure!(pixels.len() == i420, "{name} has {} bytes, I420 of its size has {i420}", pixels.len());
        pixels.truncate(width * height);
        Ok(Self { width, height, pixels })
    }

    /// What the top of the picture spells.
    pub fn code(&self) -> Code {
        let rows = (self.height / CODE_HEIGHT_DIVISOR).max(4);
        Code(std::array::from_fn(|block| {
            let (left, right) = (self.width * block / CODE_BLOCKS, self.width * (block + 1) / CODE_BLOCKS);
            let quarter = (right - left) / 4;
            let (columns, lines) = (left + quarter..right - quarter, rows / 4..rows - rows / 4);
            let sum: usize = lines
                .clone()
                .map(|line| {
                    self.pixels[line * self.width..][columns.clone()].iter().map(|p| usize::from(*p)).sum::<usize>()
                })
                .sum();
            u8::try_from(sum / (columns.len() * lines.len()).max(1)).unwrap_or(u8::MAX)
        }))
    }

    /// The picture at another size, linear between pixels, as a screen would stretch it.
    #[must_use]
    pub fn scaled_to(&self, width: usize, height: usize) -> Self {
        let (across, down) = (steps(self.width, width), steps(self.height, height));
        let mut pixels = Vec::with_capacity(width * height);
        for (row, below, part_down) in &down {
            for (column, next, part_across) in &across {
                let at = |row: usize, column: usize| usize::from(self.pixels[row * self.width + column]);
                let blend = |row: usize| at(row, *column) * (UNIT - part_across) + at(row, *next) * part_across;
                let value =
                    (blend(*row) * (UNIT - part_down) + blend(*below) * part_down + UNIT * UNIT / 2) / (UNIT * UNIT);
                pixels.push(u8::try_from(value).unwrap_or(u8::MAX));
            }
        }
        Self { width, height, pixels }
    }

    /// How like another picture of the same size this one is: 1 when equal, about 0 when unrelated.
    ///
    /// Mean structural similarity (Wang et al., "Image quality assessment: from error visibility to structural similarity",
    /// IEEE TIP 2004, equation 13) with K1 = 0.01, K2 = 0.03, over square windows of 8 pixels that overlap by half.
    ///
    /// # Errors
    /// When the sizes differ.
    pub fn ssim(&self, other: &Self) -> Outcome<f64> {
        let (ours, theirs) = ((self.width, self.height), (other.width, other.height));
        ensure!(ours == theirs, "pictures of {ours:?} and {theirs:?} cannot be compared");
        let (mut sum, mut windows) = (0.0, 0);
        for top in (0..=self.height.saturating_sub(WINDOW)).step_by(WINDOW / 2) {
            for left in (0..=self.width.saturating_sub(WINDOW)).step_by(WINDOW / 2) {
                sum += self.window_ssim(other, left, top);
                windows += 1;
            }
        }
        Ok(sum / count(windows))
    }

    fn window_ssim(&self, other: &Self, left: usize, top: usize) -> f64 {
        let (mut sum_a, mut sum_b, mut sum_aa, mut sum_bb, mut sum_ab) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
        for row in top..top + WINDOW {
            let at = row * self.width + left;
            for (a, b) in self.pixels[at..at + WINDOW].iter().zip(&other.pixels[at..at + WINDOW]) {
                let (a, b) = (u32::from(*a), u32::from(*b));
                sum_a += a;
                sum_b += b;
                sum_aa += a * a;
                sum_bb += b * b;
                sum_ab += a * b;
            }
        }
        let pixels = count(WINDOW * WINDOW);
        let (mean_a, mean_b) = (f64::from(sum_a) / pixels, f64::from(sum_b) / pixels);
        let variance_a = f64::from(sum_aa) / pixels - mean_a * mean_a;
        let variance_b = f64::from(sum_bb) / pixels - mean_b * mean_b;
        let covariance = f64::from(sum_ab) / pixels - mean_a * mean_b;
        let (c1, c2) = ((0.01 * 255.0_f64).powi(2), (0.03 * 255.0_f64).powi(2));
        (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
            / ((mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2))
    }
}

/// Parts of the way from one pixel to the next.
const UNIT: usize = 256;

/// For every pixel of a scaled row: the two source pixels around its centre, and how far it is towards the second.
fn steps(from: usize, to: usize) -> Vec<(usize, usize, usize)> {
    let step = |at: usize| {
        let centre = ((2 * at + 1) * from * UNIT / (2 * to)).saturating_sub(UNIT / 2);
        let left = (centre / UNIT).min(from - 1);
        (left, (left + 1).min(from - 1), centre % UNIT)
    };
    (0..to).map(step).collect()
}

/// Side of an SSIM window.
const WINDOW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::Clip;

    fn noisy(picture: &Luma, amplitude: i32) -> Luma {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i32::try_from(state >> 16).unwrap() % (2 * amplitude + 1) - amplitude
        };
        let pixels = picture.pixels.iter().map(|p| u8::try_from((i32::from(*p) + noise()).clamp(0, 255)).unwrap());
        Luma { pixels: pixels.collect(), ..picture.clone() }
    }

    #[test]
    fn ssim_is_one_for_equal_pictures_and_falls_with_noise() {
        let clip = Clip { width: 320, height: 180, frames: 10, fps: 30 };
        let picture = clip.luma(3);
        assert!((picture.ssim(&picture).unwrap() - 1.0).abs() < 1e-9);
        let (little, much) = (picture.ssim(&noisy(&picture, 6)).unwrap(), picture.ssim(&noisy(&picture, 60)).unwrap());
        assert!(little > much && little < 0.999 && much < 0.7, "{little} {much}");
        let other = picture.ssim(&clip.luma(8)).unwrap();
        assert!(other < 0.9, "another frame of the clip must not pass for this one: {other}");
        assert!(picture.ssim(&Clip { width: 160, ..clip }.luma(3)).is_err());
    }

    #[test]
    fn scaling_keeps_the_picture() {
        let picture = Clip { width: 320, height: 180, frames: 10, fps: 30 }.luma(3);
        assert_eq!(picture.scaled_to(320, 180), picture);
        let there_and_back = picture.scaled_to(640, 360).scaled_to(320, 180);
        assert!(picture.ssim(&there_and_back).unwrap() > 0.95);
        assert_eq!(picture.scaled_to(640, 360).code(), picture.code());
    }

    #[test]
    fn a_code_is_read_from_hex_and_from_pictures() {
        let clip = Clip { width: 320, height: 180, frames: 10, fps: 30 };
        assert_eq!(clip.luma(7).code().number(), Some(7));
        for number in [0, 1, 0xdead_beef, u32::MAX] {
            assert_eq!(Code::from_hex(&Code::of(number).to_hex()).unwrap().number(), Some(number));
        }
        assert_eq!(Code([128; CODE_BLOCKS]).number(), None);
        assert_eq!(Code::from_hex("00"), None);
        assert_eq!(Code::from_hex(&"zz".repeat(32)), None);
    }
}
