//! A picture made ready for cairo: scaled, cut and turned as its rectangle wants, in device pixels.

use std::sync::{Arc, Mutex, PoisonError};

use eyeline_media::frame::I420Buffer;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

use super::layout::Placement;

/// Buffers kept for the next picture: one on the screen, one on its way there, one being written. More are freed.
const POOLED_MAX: usize = 3;

/// Bytes of a pixel: blue, green, red, unused.
const PIXEL_BYTES: usize = 4;

/// Pixels in the layout cairo calls `Rgb24` on little-endian machines, rows without padding. Its memory goes back to the
/// [`Painter`] that made it.
pub(crate) struct Pixels {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
    pool: Pool,
}

type Pool = Arc<Mutex<Vec<Vec<u8>>>>;

impl Pixels {
    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }
}

impl std::fmt::Debug for Pixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({}x{})", self.width, self.height)
    }
}

impl AsMut<[u8]> for Pixels {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOLED_MAX {
            pool.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Makes [`Pixels`] of pictures; keeps its working memory.
#[derive(Default)]
pub(crate) struct Painter {
    resizer: Resizer,
    scaled: Vec<u8>,
    pool: Pool,
}

/// A picture that cannot be made ready. It cannot happen for pictures that keep [`I420Buffer`]'s promises.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PaintError {
    /// The part of the picture that is wanted lies outside of it.
    #[error("cannot scale: {0}")]
    Scale(#[from] fast_image_resize::ResizeError),
    /// A plane is shorter than its size says.
    #[error("cannot scale: {0}")]
    Plane(#[from] fast_image_resize::ImageBufferError),
    /// Sizes do not fit each other.
    #[error("cannot convert: {0}")]
    Convert(#[from] yuv::YuvError),
}

impl Painter {
    /// Cuts, scales and converts `picture` as `placement` says.
    ///
    /// # Errors
    /// See [`PaintError`].
    pub(crate) fn paint(
        &mut self,
        picture: &I420Buffer,
        placement: &Placement,
        mirror: bool,
    ) -> Result<Pixels, PaintError> {
        let (width, height) = (placement.target.width, placement.target.height);
        let mut pixels = self.buffer(width, height);
        let whole = [0.0, 0.0, f64::from(picture.width()), f64::from(picture.height())];
        if (picture.width(), picture.height()) == (width, height) && placement.source == whole {
            convert(picture.planes(), width, height, &mut pixels.bytes)?;
        } else {
            self.scale(picture, placement)?;
            let (luma, chroma) = self.scaled.split_at(area(width, height));
            let (u, v) = chroma.split_at(area(width.div_ceil(2), height.div_ceil(2)));
            convert((luma, u, v), width, height, &mut pixels.bytes)?;
        }
        if mirror {
            for row in pixels.bytes.chunks_exact_mut(width as usize * PIXEL_BYTES) {
                row.as_chunks_mut::<PIXEL_BYTES>().0.reverse();
            }
        }
        Ok(pixels)
    }

    fn scale(&mut self, picture: &I420Buffer, placement: &Placement) -> Result<(), PaintError> {
        let target = (placement.target.width, placement.target.height);
        let chroma_target = (target.0.div_ceil(2), target.1.div_ceil(2));
        let chroma_area = area(chroma_target.0, chroma_target.1);
        self.scaled.resize(area(target.0, target.1) + 2 * chroma_area, 0);
        let (luma, chroma) = self.scaled.split_at_mut(area(target.0, target.1));
        let (to_u, to_v) = chroma.split_at_mut(chroma_area);
        let from = (picture.width(), picture.height());
        let chroma_from = (from.0.div_ceil(2), from.1.div_ceil(2));
        let (y, u, v) = picture.planes();
        let halved = placement.source.map(|pixels| pixels / 2.0);
        plane(&mut self.resizer, (y, from), placement.source, (luma, target))?;
        plane(&mut self.resizer, (u, chroma_from), halved, (to_u, chroma_target))?;
        plane(&mut self.resizer, (v, chroma_from), halved, (to_v, chroma_target))
    }

    fn buffer(&self, width: u32, height: u32) -> Pixels {
        let mut bytes = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        bytes.resize(area(width, height) * PIXEL_BYTES, 0);
        Pixels { width, height, bytes, pool: self.pool.clone() }
    }
}

fn area(width: u32, height: u32) -> usize {
    width as usize * height as usize
}

fn plane(
    resizer: &mut Resizer,
    (bytes, from): (&[u8], (u32, u32)),
    [left, top, width, height]: [f64; 4],
    (target, to): (&mut [u8], (u32, u32)),
) -> Result<(), PaintError> {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false)
        .crop(left, top, width, height);
    let source = TypedImageRef::<U8>::from_buffer(from.0, from.1, bytes)?;
    let mut target = TypedImage::<U8>::from_buffer(to.0, to.1, target)?;
    Ok(resizer.resize_typed(&source, &mut target, &options)?)
}

fn convert((y, u, v): (&[u8], &[u8], &[u8]), width: u32, height: u32, bgrx: &mut [u8]) -> Result<(), PaintError> {
    let planes = YuvPlanarImage {
        y_plane: y,
        y_stride: width,
        u_plane: u,
        u_stride: width.div_ceil(2),
        v_plane: v,
        v_stride: width.div_ceil(2),
        width,
        height,
    };
    let stride = width * 4;
    Ok(yuv::yuv420_to_bgra(&planes, bgrx, stride, YuvRange::Limited, YuvStandardMatrix::Bt601)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::{Fit, TileLayout, TileName};
    use crate::video::layout::place;

    /// Left half white, right half black.
    fn halves(width: u32, height: u32) -> I420Buffer {
        let mut picture = I420Buffer::black(width, height);
        for row in picture.planes_mut().0.chunks_exact_mut(width as usize) {
            row[..width as usize / 2].fill(235);
        }
        picture
    }

    fn painted(painter: &mut Painter, picture: &I420Buffer, width: f64, height: f64, fit: Fit, mirror: bool) -> Pixels {
        let tile = TileLayout { tile: TileName::Remote, x: 0.0, y: 0.0, width, height, fit, mirror, radius: 0.0 };
        let placement = place(picture.width(), picture.height(), &tile, 1.0).unwrap();
        painter.paint(picture, &placement, mirror).unwrap()
    }

    fn pixel(pixels: &Pixels, x: u32, y: u32) -> [u8; 3] {
        let at = (y as usize * pixels.width as usize + x as usize) * PIXEL_BYTES;
        pixels.bytes[at..at + 3].try_into().unwrap()
    }

    #[test]
    fn colours_survive_at_every_size_and_mirrored() {
        let mut painter = Painter::default();
        for (width, height) in [(64.0, 36.0), (21.0, 13.0), (200.0, 100.0)] {
            for mirror in [false, true] {
                let pixels = painted(&mut painter, &halves(64, 36), width, height, Fit::Cover, mirror);
                let (left, right) = (pixel(&pixels, 1, 1), pixel(&pixels, pixels.width - 2, pixels.height - 2));
                let (white, black) = if mirror { (right, left) } else { (left, right) };
                assert!(
                    white.iter().all(|&c| c > 250) && black.iter().all(|&c| c < 5),
                    "{pixels:?} {white:?} {black:?}"
                );
            }
        }
    }

    #[test]
    fn blue_comes_first() {
        let mut picture = I420Buffer::black(16, 16);
        let (y, u, v) = picture.planes_mut();
        y.fill(41);
        u.fill(240);
        v.fill(110); // BT.601 blue
        let pixels = painted(&mut Painter::default(), &picture, 16.0, 16.0, Fit::Contain, false);
        let [blue, green, red] = pixel(&pixels, 8, 8);
        assert!(blue > 245 && green < 10 && red < 10, "{blue} {green} {red}");
    }

    #[test]
    fn odd_and_tiny_sizes_are_fine() {
        let mut painter = Painter::default();
        for (w, h) in [(2, 2), (3, 3), (641, 361), (2, 99)] {
            for (width, height) in [(1.0, 1.0), (3.0, 5.0), (101.0, 7.0)] {
                for fit in [Fit::Cover, Fit::Contain] {
                    painted(&mut painter, &I420Buffer::black(w, h), width, height, fit, true);
                }
            }
        }
    }

    #[test]
    fn memory_is_used_again() {
        let mut painter = Painter::default();
        let first = painted(&mut painter, &halves(64, 36), 32.0, 18.0, Fit::Cover, false);
        let address = first.bytes.as_ptr();
        drop(first);
        let second = painted(&mut painter, &halves(64, 36), 32.0, 18.0, Fit::Cover, false);
        assert_eq!(second.bytes.as_ptr(), address);
        let many: Vec<_> =
            (0..10).map(|_| painted(&mut painter, &halves(64, 36), 32.0, 18.0, Fit::Cover, false)).collect();
        drop(many);
        assert_eq!(painter.pool.lock().unwrap().len(), POOLED_MAX);
    }
}
