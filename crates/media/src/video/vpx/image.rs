//! Pictures as libvpx sees them.

use std::mem::MaybeUninit;

use vpx_sys as sys;

use super::CodecError;
use super::settings::abi;
use crate::frame::I420Buffer;

/// Describes `picture` to libvpx without copying it.
pub(super) fn wrap(picture: &I420Buffer) -> Result<sys::vpx_image_t, CodecError> {
    let mut image = MaybeUninit::<sys::vpx_image_t>::zeroed();
    let (y, u, v) = picture.planes();
    // SAFETY: fills the structure with pointers computed from the picture's first byte; nothing is read or written there.
    let wrapped = unsafe {
        sys::vpx_img_wrap(
            image.as_mut_ptr(),
            sys::vpx_img_fmt::VPX_IMG_FMT_I420,
            picture.width(),
            picture.height(),
            1,
            y.as_ptr().cast_mut(),
        )
    };
    if wrapped.is_null() {
        return Err(CodecError::Size { width: picture.width(), height: picture.height() });
    }
    // SAFETY: the call succeeded and so filled the structure.
    let mut image = unsafe { image.assume_init() };
    // Our planes are exact for odd sides too, where libvpx would have padded.
    let (luma, chroma) = (abi(picture.luma_stride()), abi(picture.chroma_stride()));
    image.planes = [y.as_ptr().cast_mut(), u.as_ptr().cast_mut(), v.as_ptr().cast_mut(), std::ptr::null_mut()];
    image.stride = [luma, chroma, chroma, 0];
    Ok(image)
}
