//! A frame number that a program can read back from the picture after coding, scaling and loss.
//!
//! Across the top 1/15 of the picture lie 32 equal blocks. Block `i` is white (luma 235) when bit `31 - i` of the number is
//! set, else black (luma 16). Reading averages the luma of the centre half of each block, so that blocks keep their value
//! when their edges smear.

use std::ops::Range;

use crate::frame::I420Buffer;

/// Blocks across the picture, one per bit.
pub const CODE_BLOCKS: usize = 32;

const BLACK: u8 = 16;
const WHITE: u8 = 235;
const THRESHOLD: u8 = 128;
const NEUTRAL: u8 = 128;

/// Rows of a picture of this `height` that carry the code.
pub fn code_rows(height: u32) -> u32 {
    (height / 15).max(1)
}

/// Pixels of `side` that part `index` of `parts` covers.
fn part(side: usize, index: usize, parts: usize) -> Range<usize> {
    side * index / parts..side * (index + 1) / parts
}

/// The middle half of a range, at least one pixel of it.
fn centre(range: Range<usize>) -> Range<usize> {
    let quarter = range.len() / 4;
    let start = range.start + quarter;
    start..(range.end - quarter).max(start + 1)
}

/// Draws `code` across the top of `picture`.
pub fn draw_code(picture: &mut I420Buffer, code: u32) {
    let (width, rows) = (picture.width() as usize, code_rows(picture.height()) as usize);
    let chroma_width = width.div_ceil(2);
    let (y, u, v) = picture.planes_mut();
    let mut row = vec![BLACK; width];
    for block in 0..CODE_BLOCKS {
        let bit = code >> (CODE_BLOCKS - 1 - block) & 1;
        row[part(width, block, CODE_BLOCKS)].fill(if bit == 1 { WHITE } else { BLACK });
    }
    y.chunks_exact_mut(width).take(rows).for_each(|line| line.copy_from_slice(&row));
    for plane in [u, v] {
        let end = (rows.div_ceil(2) * chroma_width).min(plane.len());
        plane[..end].fill(NEUTRAL);
    }
}

/// Mean luma of the centre half of each block, left to right.
pub fn block_lumas(picture: &I420Buffer) -> [u8; CODE_BLOCKS] {
    let (width, rows) = (picture.width() as usize, code_rows(picture.height()) as usize);
    let luma = picture.planes().0;
    std::array::from_fn(|block| {
        // Pictures narrower than 32 pixels have empty blocks: those read the pixel they would start at.
        let columns = centre(part(width, block, CODE_BLOCKS));
        let columns = columns.start.min(width - 1)..columns.end.min(width);
        let lines = centre(0..rows);
        let count = (columns.len() * lines.len()).max(1);
        let sum: usize = lines
            .map(|line| luma[line * width..][columns.clone()].iter().map(|&p| usize::from(p)).sum::<usize>())
            .sum();
        u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX)
    })
}

/// The number drawn by [`draw_code`]; for a picture without one, whatever its top happens to spell.
pub fn decode_code(picture: &I420Buffer) -> u32 {
    block_lumas(picture).iter().fold(0, |code, &luma| code << 1 | u32::from(luma >= THRESHOLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_at_every_size() {
        for (width, height) in [(1280, 720), (640, 360), (322, 182), (64, 48), (1919, 1081)] {
            let mut picture = I420Buffer::black(width, height);
            for code in [0, 1, 0x8000_0000, 0xdead_beef, u32::MAX] {
                draw_code(&mut picture, code);
                assert_eq!(decode_code(&picture), code, "{width}x{height}");
            }
        }
    }

    #[test]
    fn most_significant_bit_is_leftmost() {
        let mut picture = I420Buffer::black(320, 240);
        draw_code(&mut picture, 0x8000_0001);
        let lumas = block_lumas(&picture);
        assert_eq!((lumas[0], lumas[1], lumas[30], lumas[31]), (235, 16, 16, 235));
    }

    #[test]
    fn tiny_pictures_do_not_panic() {
        for (width, height) in [(2, 2), (3, 5), (31, 14), (33, 16)] {
            decode_code(&I420Buffer::black(width, height));
        }
    }
}
