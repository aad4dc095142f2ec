//! Smaller and larger pictures.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::frame::I420Buffer;

/// Scales I420 pictures, keeping its working memory between them.
pub struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
}

impl std::fmt::Debug for Scaler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scaler")
    }
}

impl Default for Scaler {
    fn default() -> Self {
        // The triangle filter over the source area: no aliasing when shrinking, and the cheapest that has none.
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
        Self { resizer: Resizer::new(), options }
    }
}

impl Scaler {
    /// `picture` at `width` x `height` (sides clamped as by [`I420Buffer::black`]). The aspect ratio is the caller's affair:
    /// see [`fit_within`].
    pub fn scale(&mut self, picture: &I420Buffer, width: u32, height: u32) -> I420Buffer {
        let mut scaled = I420Buffer::black(width, height);
        self.scale_into(picture, &mut scaled);
        scaled
    }

    /// Like [`scale`](Self::scale), into a picture that exists.
    pub fn scale_into(&mut self, picture: &I420Buffer, target: &mut I420Buffer) {
        let (from, to) = ((picture.width(), picture.height()), (target.width(), target.height()));
        let (y, u, v) = picture.planes();
        let (to_y, to_u, to_v) = target.planes_mut();
        self.plane(y, from, to_y, to);
        self.plane(u, halved(from), to_u, halved(to));
        self.plane(v, halved(from), to_v, halved(to));
    }

    fn plane(&mut self, source: &[u8], from: (u32, u32), target: &mut [u8], to: (u32, u32)) {
        let source =
            TypedImageRef::<U8>::from_buffer(from.0, from.1, source).expect("a plane holds width * height bytes");
        let mut target = TypedImage::<U8>::from_buffer(to.0, to.1, target).expect("a plane holds width * height bytes");
        self.resizer.resize_typed(&source, &mut target, &self.options).expect("no crop box that could lie outside");
    }
}

fn halved((width, height): (u32, u32)) -> (u32, u32) {
    (width.div_ceil(2), height.div_ceil(2))
}

/// The largest size with the aspect ratio of `width` x `height`, both sides even, that is within `max` both ways and not
/// larger than the original. Never below 2 x 2.
pub fn fit_within(width: u32, height: u32, max: (u32, u32)) -> (u32, u32) {
    let (w, h) = (u64::from(width.max(2)), u64::from(height.max(2)));
    let (max_w, max_h) = (u64::from(max.0.max(2)), u64::from(max.1.max(2)));
    let (fit_w, fit_h) = if w <= max_w && h <= max_h {
        (w, h)
    } else if max_w * h <= max_h * w {
        (max_w, (h * max_w + w / 2) / w)
    } else {
        ((w * max_h + h / 2) / h, max_h)
    };
    let even = |side: u64| u32::try_from(side & !1).unwrap_or(u32::MAX - 1).max(2);
    (even(fit_w), even(fit_h))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::code::{decode_code, draw_code};

    #[test]
    fn sizes_keep_their_shape_and_are_even() {
        assert_eq!(fit_within(1280, 720, (1280, 720)), (1280, 720));
        assert_eq!(fit_within(1920, 1080, (1280, 720)), (1280, 720));
        assert_eq!(fit_within(640, 480, (1280, 720)), (640, 480));
        assert_eq!(fit_within(1600, 1200, (1280, 720)), (960, 720));
        assert_eq!(fit_within(720, 1280, (1280, 720)), (404, 720));
        assert_eq!(fit_within(641, 361, (1280, 720)), (640, 360));
        assert_eq!(fit_within(8192, 2, (64, 64)), (64, 2));
    }

    #[test]
    fn flat_colours_stay_and_codes_survive() {
        let mut picture = I420Buffer::black(1280, 720);
        let (y, u, v) = picture.planes_mut();
        y.fill(200);
        u.fill(90);
        v.fill(30);
        draw_code(&mut picture, 0x1234_5678);
        let small = Scaler::default().scale(&picture, 480, 270);
        assert_eq!(decode_code(&small), 0x1234_5678);
        let (y, u, v) = small.planes();
        assert_eq!((y[y.len() - 1], u[u.len() - 1], v[v.len() - 1]), (200, 90, 30));
    }

    #[test]
    fn odd_sizes_scale() {
        let picture = I420Buffer::black(333, 221);
        let scaled = Scaler::default().scale(&picture, 101, 77);
        assert_eq!((scaled.width(), scaled.height()), (101, 77));
        assert!(scaled.planes().0.iter().all(|&y| y == 16));
    }
}
