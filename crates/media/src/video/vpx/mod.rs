//! VP8 and VP9 through libvpx. All `unsafe` of the video path is in this folder.
//!
//! Both directions are one frame in, one frame out, on the caller's thread: no lookahead, no worker threads (with two
//! libvpx spin-waits, which costs 79 ms a frame on two busy cores).

mod decoder;
mod encoder;
mod fineness;
mod floor;
mod image;
mod long_term;
mod settings;
mod vp9_header;

use std::ffi::CStr;

use vpx_sys as sys;

pub use decoder::VideoDecoder;
pub use encoder::{EncoderSetup, Prediction, VideoEncoder};

use crate::frame::VideoCodec;

/// Why a picture could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The stream needs a keyframe before this frame can be decoded.
    #[error("no keyframe to start from")]
    NoKeyframe,
    /// The frame is damaged or not of this codec.
    #[error("damaged frame")]
    Corrupt,
    /// The picture is larger than is ever accepted, or has no size.
    #[error("picture size {width}x{height} out of bounds")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A pixel format other than 8 bit 4:2:0.
    #[error("pixel format not supported")]
    PixelFormat,
    /// The library refused; its own words.
    #[error("codec failed: {0}")]
    Failed(&'static str),
}

/// Turns a libvpx status into a result.
fn check(status: sys::vpx_codec_err_t) -> Result<(), CodecError> {
    match status {
        sys::vpx_codec_err_t::VPX_CODEC_OK => Ok(()),
        sys::vpx_codec_err_t::VPX_CODEC_CORRUPT_FRAME
        | sys::vpx_codec_err_t::VPX_CODEC_UNSUP_BITSTREAM
        | sys::vpx_codec_err_t::VPX_CODEC_UNSUP_FEATURE => Err(CodecError::Corrupt),
        other => {
            // SAFETY: the function returns a pointer to a static, NUL-terminated string for every status.
            let words = unsafe { CStr::from_ptr(sys::vpx_codec_err_to_string(other)) };
            Err(CodecError::Failed(words.to_str().unwrap_or("unknown")))
        }
    }
}

fn encoder_interface(codec: VideoCodec) -> *mut sys::vpx_codec_iface_t {
    // SAFETY: both functions only return the address of a static.
    unsafe {
        match codec {
            VideoCodec::Vp8 => sys::vpx_codec_vp8_cx().cast_mut(),
            VideoCodec::Vp9 => sys::vpx_codec_vp9_cx().cast_mut(),
        }
    }
}

fn decoder_interface(codec: VideoCodec) -> *mut sys::vpx_codec_iface_t {
    // SAFETY: both functions only return the address of a static.
    unsafe {
        match codec {
            VideoCodec::Vp8 => sys::vpx_codec_vp8_dx().cast_mut(),
            VideoCodec::Vp9 => sys::vpx_codec_vp9_dx().cast_mut(),
        }
    }
}
