//! What cameras deliver, turned into I420: one pass from the driver's buffer to the picture.

use yuv::{BufferStoreMut, YuvPackedImage, YuvPlanarImageMut};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::frame::{I420Buffer, MAX_SIDE};

/// Pixel formats a camera may deliver, in the order they are preferred in at the same size and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RawFormat {
    /// Luma plane, then one plane of U and V in turns, 4:2:0.
    Nv12,
    /// Y0 U Y1 V, 4:2:2.
    Yuyv,
    /// A JPEG per frame, full range.
    Mjpeg,
}

/// A frame that cannot be turned into a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// Fewer bytes than the size needs.
    #[error("frame is cut short")]
    Short,
    /// Not a JPEG, or a damaged one, or one of another size than announced.
    #[error("damaged jpeg")]
    Jpeg,
    /// No picture of this size can be held.
    #[error("picture size out of bounds")]
    Size,
}

/// Turns the camera's `data` into a picture of `width` x `height`. `data` may be longer than the frame (drivers hand out the
/// whole mapped buffer).
///
/// # Errors
/// See [`ConvertError`]; the frame is then to be skipped.
pub fn to_i420(format: RawFormat, width: u32, height: u32, data: &[u8]) -> Result<I420Buffer, ConvertError> {
    if !(2..=MAX_SIDE).contains(&width) || !(2..=MAX_SIDE).contains(&height) {
        return Err(ConvertError::Size);
    }
    match format {
        RawFormat::Nv12 => nv12(width, height, data),
        RawFormat::Yuyv => yuyv(width, height, data),
        RawFormat::Mjpeg => mjpeg(width, height, data),
    }
}

fn nv12(width: u32, height: u32, data: &[u8]) -> Result<I420Buffer, ConvertError> {
    let data = data.get(..I420Buffer::len_of(width, height)).ok_or(ConvertError::Short)?;
    let (luma, chroma) = data.split_at(width as usize * height as usize);
    let mut picture = I420Buffer::black(width, height);
    let (y, u, v) = picture.planes_mut();
    y.copy_from_slice(luma);
    for ((pair, u), v) in chroma.chunks_exact(2).zip(u).zip(v) {
        *u = pair[0];
        *v = pair[1];
    }
    Ok(picture)
}

fn yuyv(width: u32, height: u32, data: &[u8]) -> Result<I420Buffer, ConvertError> {
    let stride = width.div_ceil(2) * 4;
    let data = data.get(..stride as usize * height as usize).ok_or(ConvertError::Short)?;
    let mut picture = I420Buffer::black(width, height);
    let (luma_stride, chroma_stride) = (picture.luma_stride(), picture.chroma_stride());
    let (y, u, v) = picture.planes_mut();
    let mut planar = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: luma_stride,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: chroma_stride,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: chroma_stride,
        width,
        height,
    };
    let packed = YuvPackedImage { yuy: data, yuy_stride: stride, width, height };
    yuv::yuyv422_to_yuv420(&mut planar, &packed).map_err(|_| ConvertError::Size)?;
    Ok(picture)
}

fn mjpeg(width: u32, height: u32, data: &[u8]) -> Result<I420Buffer, ConvertError> {
    let options = DecoderOptions::default()
        .set_max_width(width as usize)
        .set_max_height(height as usize)
        .set_strict_mode(false)
        .jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    decoder.decode_headers().map_err(|_| ConvertError::Jpeg)?;
    let info = decoder.info().ok_or(ConvertError::Jpeg)?;
    if (u32::from(info.width), u32::from(info.height)) != (width, height) {
        return Err(ConvertError::Jpeg);
    }
    let pixels = decoder.decode().map_err(|_| ConvertError::Jpeg)?;
    if decoder.output_colorspace() != Some(ColorSpace::YCbCr)
        || pixels.len() != 3 * width as usize * height as usize
        || !data.windows(2).rev().any(|marker| marker == [0xff, 0xd9])
    {
        return Err(ConvertError::Jpeg);
    }
    Ok(full_range_444(width, height, &pixels))
}

/// Interleaved full-range YCbCr 4:4:4 (JFIF) to limited-range 4:2:0: chroma is the mean of two by two.
fn full_range_444(width: u32, height: u32, pixels: &[u8]) -> I420Buffer {
    let luma_of = limited(219, 16, 0);
    let chroma_of = limited(224, 128, 128);
    let mut picture = I420Buffer::black(width, height);
    let (columns, chroma_columns) = (width as usize, picture.chroma_stride() as usize);
    let (y, u, v) = picture.planes_mut();
    for (target, pixel) in y.iter_mut().zip(pixels.chunks_exact(3)) {
        *target = luma_of[usize::from(pixel[0])];
    }
    for (pair, (u, v)) in
        pixels.chunks(6 * columns).zip(u.chunks_exact_mut(chroma_columns).zip(v.chunks_exact_mut(chroma_columns)))
    {
        let (top, bottom) = pair.split_at(3 * columns);
        let bottom = if bottom.is_empty() { top } else { bottom };
        for (x, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let (left, right) = (6 * x, if 2 * x + 1 < columns { 6 * x + 3 } else { 6 * x });
            let mean = |c: usize| {
                let sum = [top[left + c], top[right + c], bottom[left + c], bottom[right + c]]
                    .iter()
                    .map(|&p| usize::from(p))
                    .sum::<usize>();
                chroma_of[(sum + 2) / 4]
            };
            *u = mean(1);
            *v = mean(2);
        }
    }
    picture
}

/// Table from full range to limited range: `offset + (value - centre) * span / 255`, rounded.
fn limited(span: i32, offset: i32, centre: i32) -> [u8; 256] {
    std::array::from_fn(|value| {
        let value = i32::try_from(value).expect("at most 255") - centre;
        let scaled = (2 * value * span + 255 * value.signum()) / 510;
        u8::try_from((offset + scaled).clamp(0, 255)).expect("clamped")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 64 x 48, eight vertical bars (white, yellow, cyan, green, magenta, red, blue, black at 75 %), 4:2:2 as webcams send.
    const BARS: &[u8] = include_bytes!("testdata/bars.jpg");

    /// BT.601 limited-range YUV of 75 % bars (ITU-R BT.801 values, rounded).
    const COLOURS: [[u8; 3]; 8] = [
        [180, 128, 128],
        [162, 44, 142],
        [131, 156, 44],
        [112, 72, 58],
        [84, 184, 198],
        [65, 100, 212],
        [35, 212, 114],
        [16, 128, 128],
    ];

    fn bar(x: usize) -> [u8; 3] {
        COLOURS[x / 8]
    }

    fn assert_bars(picture: &I420Buffer, tolerance: u8) {
        assert_eq!((picture.width(), picture.height()), (64, 48));
        let (y, u, v) = picture.planes();
        for bar_index in 0..8 {
            // The middle of each bar: the edges smear in a JPEG.
            let x = bar_index * 8 + 4;
            for row in [2, 23, 44] {
                let seen = [y[row * 64 + x], u[row / 2 * 32 + x / 2], v[row / 2 * 32 + x / 2]];
                for (seen, want) in seen.into_iter().zip(bar(x)) {
                    assert!(seen.abs_diff(want) <= tolerance, "bar {bar_index}: {seen} instead of {want}");
                }
            }
        }
    }

    #[test]
    fn yuyv_bars() {
        let row: Vec<u8> = (0..64)
            .step_by(2)
            .flat_map(|x| {
                let [y, u, v] = bar(x);
                [y, u, y, v]
            })
            .collect();
        let mut data = row.repeat(48);
        assert_bars(&to_i420(RawFormat::Yuyv, 64, 48, &data).expect("whole"), 0);
        data.extend([7; 100]);
        assert_bars(&to_i420(RawFormat::Yuyv, 64, 48, &data).expect("longer than the frame"), 0);
        assert_eq!(to_i420(RawFormat::Yuyv, 64, 48, &data[..64 * 48 * 2 - 1]), Err(ConvertError::Short));
    }

    #[test]
    fn nv12_bars() {
        let mut data: Vec<u8> = (0..48).flat_map(|_| (0..64).map(|x| bar(x)[0])).collect();
        data.extend((0..24).flat_map(|_| (0..32).flat_map(|x| [bar(2 * x)[1], bar(2 * x)[2]])));
        assert_bars(&to_i420(RawFormat::Nv12, 64, 48, &data).expect("whole"), 0);
        data.pop();
        assert_eq!(to_i420(RawFormat::Nv12, 64, 48, &data), Err(ConvertError::Short));
    }

    #[test]
    fn mjpeg_bars() {
        assert_bars(&to_i420(RawFormat::Mjpeg, 64, 48, BARS).expect("a jpeg"), 4);
        let mut padded = BARS.to_vec();
        padded.resize(64 * 48 * 2, 0);
        assert_bars(&to_i420(RawFormat::Mjpeg, 64, 48, &padded).expect("longer than the frame"), 4);
    }

    #[test]
    fn damaged_jpegs_are_errors() {
        assert_eq!(to_i420(RawFormat::Mjpeg, 64, 48, &BARS[..BARS.len() / 2]), Err(ConvertError::Jpeg));
        assert_eq!(to_i420(RawFormat::Mjpeg, 64, 48, &[]), Err(ConvertError::Jpeg));
        assert_eq!(to_i420(RawFormat::Mjpeg, 64, 48, &[0; 5000]), Err(ConvertError::Jpeg));
        assert_eq!(to_i420(RawFormat::Mjpeg, 32, 48, BARS), Err(ConvertError::Jpeg));
        for at in (0..BARS.len()).step_by(7) {
            let mut broken = BARS.to_vec();
            broken[at] ^= 0xa5;
            // Any answer but a panic.
            drop(to_i420(RawFormat::Mjpeg, 64, 48, &broken));
        }
    }

    #[test]
    fn full_range_maps_to_the_limits() {
        assert_eq!((limited(219, 16, 0)[0], limited(219, 16, 0)[255]), (16, 235));
        let chroma = limited(224, 128, 128);
        assert_eq!((chroma[0], chroma[128], chroma[255]), (16, 128, 240));
    }
}
