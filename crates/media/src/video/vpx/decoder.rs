//! The decoder side of libvpx, made for bytes from a stranger.

use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;

use vpx_sys as sys;

use super::vp9_header::for_each_size;
use super::{CodecError, check, decoder_interface};
use crate::frame::{I420Buffer, MAX_SIDE, VideoCodec};

/// Most pixels a received picture may have: 3840 x 2160. A sender cannot make us allocate for more.
const MAX_DECODED_PIXELS: u64 = 3_840 * 2_160;

/// A VP8 or VP9 decoder.
///
/// After an error it holds on to no picture: it asks for a keyframe before it decodes anything else.
pub struct VideoDecoder {
    context: sys::vpx_codec_ctx_t,
    codec: VideoCodec,
    state: State,
}

/// Where a decoder stands.
///
/// ```text
/// Fresh --data--> Tried --decoded--> Started
///   ^----any error--/-----------------/
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// libvpx has seen nothing yet.
    Fresh,
    /// libvpx was given a keyframe. When it fails on that, VP8 may stay unable to decode anything.
    Tried,
    /// Decoding.
    Started,
}

impl std::fmt::Debug for VideoDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoDecoder({:?})", self.codec)
    }
}

// SAFETY: a libvpx context has no tie to the thread that made it, and `&mut self` keeps two threads from using it at once.
unsafe impl Send for VideoDecoder {}

impl VideoDecoder {
    /// A decoder that waits for its first keyframe.
    ///
    /// # Errors
    /// [`CodecError::Failed`] when libvpx refuses, for want of memory.
    pub fn new(codec: VideoCodec) -> Result<Self, CodecError> {
        Ok(Self { context: open(codec)?, codec, state: State::Fresh })
    }

    /// Codec it decodes.
    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Decodes one frame, whose size may differ from the one before. `None` when the frame only updates references and shows nothing.
    ///
    /// # Errors
    /// [`CodecError::NoKeyframe`] when the stream cannot start with this frame; [`CodecError::Corrupt`],
    /// [`CodecError::Size`], [`CodecError::PixelFormat`] or [`CodecError::Failed`] when it cannot be used. After any of them
    /// only a keyframe goes on.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<I420Buffer>, CodecError> {
        let picture = self.decode_frame(data);
        if let Err(error) = &picture
            && self.state != State::Fresh
        {
            tracing::debug!(%error, "decoder starts over");
            self.restart();
        }
        picture
    }

    fn decode_frame(&mut self, data: &[u8]) -> Result<Option<I420Buffer>, CodecError> {
        let length = c_uint::try_from(data.len()).map_err(|_| CodecError::Corrupt)?;
        // libvpx takes no data as "a frame was lost" and would invent a picture.
        if length == 0 {
            return Err(CodecError::Corrupt);
        }
        self.inspect(data, length)?;
        if self.state == State::Fresh {
            self.state = State::Tried;
        }
        // SAFETY: the context is initialised and `data` is readable for `length` bytes during the call.
        check(unsafe { sys::vpx_codec_decode(&raw mut self.context, data.as_ptr(), length, std::ptr::null_mut(), 0) })?;
        self.state = State::Started;
        self.take_picture()
    }

    /// Reads the frame's header before anything is allocated for it.
    fn inspect(&self, data: &[u8], length: c_uint) -> Result<(), CodecError> {
        let mut info = sys::vpx_codec_stream_info_t {
            sz: c_uint::try_from(size_of::<sys::vpx_codec_stream_info_t>()).expect("a few bytes"),
            w: 0,
            h: 0,
            is_kf: 0,
        };
        // SAFETY: `data` is readable for `length` bytes and `info` says its own size.
        let status = unsafe {
            sys::vpx_codec_peek_stream_info(decoder_interface(self.codec), data.as_ptr(), length, &raw mut info)
        };
        if info.is_kf != 0 {
            check(status)?;
            return check_size(info.w, info.h);
        }
        if self.state != State::Started {
            return Err(CodecError::NoKeyframe);
        }
        if self.codec == VideoCodec::Vp9 { for_each_size(data, check_size) } else { Ok(()) }
    }

    fn take_picture(&mut self) -> Result<Option<I420Buffer>, CodecError> {
        let mut corrupted: c_int = 0;
        let id = sys::vp8_dec_control_id::VP8D_GET_FRAME_CORRUPTED as c_int;
        // SAFETY: the context is initialised and this control writes one `int` through the pointer.
        let status = unsafe { sys::vpx_codec_control_(&raw mut self.context, id, &raw mut corrupted) };
        if status == sys::vpx_codec_err_t::VPX_CODEC_OK && corrupted != 0 {
            return Err(CodecError::Corrupt);
        }
        let mut iterator = std::ptr::null();
        // SAFETY: the context is initialised; the iterator starts as null.
        let image = unsafe { sys::vpx_codec_get_frame(&raw mut self.context, &raw mut iterator) };
        // SAFETY: an image that is not null stays valid until the next call of the decoder.
        match unsafe { image.as_ref() } {
            None => Ok(None),
            Some(image) => copy_out(image).map(Some),
        }
    }

    /// Puts a fresh context in place of one whose references can no longer be trusted.
    fn restart(&mut self) {
        self.state = State::Fresh;
        if let Ok(fresh) = open(self.codec) {
            // SAFETY: the old context is initialised, destroyed once, and replaced before anything can use it again.
            unsafe { sys::vpx_codec_destroy(&raw mut self.context) };
            self.context = fresh;
        }
    }
}

impl Drop for VideoDecoder {
    fn drop(&mut self) {
        // SAFETY: the context is initialised and destroyed exactly once.
        unsafe { sys::vpx_codec_destroy(&raw mut self.context) };
    }
}

fn open(codec: VideoCodec) -> Result<sys::vpx_codec_ctx_t, CodecError> {
    let mut context = MaybeUninit::<sys::vpx_codec_ctx_t>::zeroed();
    let config = sys::vpx_codec_dec_cfg_t { threads: 1, w: 0, h: 0 };
    let version = c_int::try_from(sys::VPX_DECODER_ABI_VERSION).expect("a small constant");
    // SAFETY: the pointers are valid for the call. libvpx keeps the configuration's address only until its private part
    // exists and then points at its own copy; the private part is made here because no fragment or frame-buffer mode is asked.
    check(unsafe {
        sys::vpx_codec_dec_init_ver(context.as_mut_ptr(), decoder_interface(codec), &raw const config, 0, version)
    })?;
    // SAFETY: initialised by the successful call.
    Ok(unsafe { context.assume_init() })
}

fn check_size(width: u32, height: u32) -> Result<(), CodecError> {
    let sides = 2..=MAX_SIDE;
    let fits =
        sides.contains(&width) && sides.contains(&height) && u64::from(width) * u64::from(height) <= MAX_DECODED_PIXELS;
    if fits { Ok(()) } else { Err(CodecError::Size { width, height }) }
}

/// Copies libvpx's padded planes into a picture of ours: the one copy of the receiving path.
fn copy_out(image: &sys::vpx_image_t) -> Result<I420Buffer, CodecError> {
    if image.fmt != sys::vpx_img_fmt::VPX_IMG_FMT_I420 {
        return Err(CodecError::PixelFormat);
    }
    let (width, height) = (image.d_w, image.d_h);
    check_size(width, height)?;
    let mut data = Vec::with_capacity(I420Buffer::len_of(width, height));
    let planes = [(width, height), (width.div_ceil(2), height.div_ceil(2)), (width.div_ceil(2), height.div_ceil(2))];
    for (plane, (columns, rows)) in planes.into_iter().enumerate() {
        let stride = isize::try_from(image.stride[plane]).map_err(|_| CodecError::Corrupt)?;
        for row in 0..rows {
            let offset = isize::try_from(row).map_err(|_| CodecError::Corrupt)? * stride;
            // SAFETY: libvpx hands out planes of at least `d_h` rows (half, rounded up, for chroma) `stride` bytes apart, each
            // with at least as many readable bytes as the shown width; `row` is below that count.
            let line = unsafe { std::slice::from_raw_parts(image.planes[plane].offset(offset), columns as usize) };
            data.extend_from_slice(line);
        }
    }
    I420Buffer::from_vec(width, height, data).ok_or(CodecError::Corrupt)
}
