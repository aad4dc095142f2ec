//! The encoder side of libvpx, set up for one low-delay stream at a constant bitrate.

use std::ffi::{c_int, c_uint, c_ulong};
use std::mem::MaybeUninit;
use std::time::Instant;

use bytes::Bytes;
use vpx_sys as sys;

use super::{CodecError, check, encoder_interface};
use crate::frame::{EncodedVideo, I420Buffer, MAX_SIDE, VideoCodec};
use crate::time::VIDEO_CLOCK_HZ;
use crate::units::Bitrate;

/// Lowest and highest rate libvpx is asked for, whatever the caller says: below, its rate control divides by nothing.
const MIN_KBPS: u64 = 20;
const MAX_KBPS: u64 = 50_000;

/// A VP8 or VP9 encoder for pictures of one size.
///
/// Each frame refers to earlier ones only; there is no keyframe but the first and those asked for.
pub struct VideoEncoder {
    context: sys::vpx_codec_ctx_t,
    config: sys::vpx_codec_enc_cfg_t,
    codec: VideoCodec,
    /// Capture moment that presentation time zero stands for.
    epoch: Option<Instant>,
    /// Presentation time of the last frame, in [`VIDEO_CLOCK_HZ`] ticks.
    last_pts: i64,
    frame_ticks: c_ulong,
    /// A keyframe was asked for and has not come out yet.
    key_wanted: bool,
    hurry: bool,
}

impl std::fmt::Debug for VideoEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoEncoder({:?} {}x{})", self.codec, self.config.g_w, self.config.g_h)
    }
}

// SAFETY: a libvpx context has no tie to the thread that made it, and `&mut self` keeps two threads from using it at once.
unsafe impl Send for VideoEncoder {}

impl VideoEncoder {
    /// An encoder for `width` x `height` pictures at about `fps`.
    ///
    /// # Errors
    /// [`CodecError::Size`] for sides outside 2..=[`MAX_SIDE`]; [`CodecError::Failed`] when libvpx refuses.
    pub fn new(codec: VideoCodec, width: u32, height: u32, fps: u32, bitrate: Bitrate) -> Result<Self, CodecError> {
        if !(2..=MAX_SIDE).contains(&width) || !(2..=MAX_SIDE).contains(&height) {
            return Err(CodecError::Size { width, height });
        }
        let interface = encoder_interface(codec);
        let mut config = MaybeUninit::<sys::vpx_codec_enc_cfg_t>::zeroed();
        // SAFETY: `interface` is libvpx's own static; `config` is a valid place for one configuration.
        check(unsafe { sys::vpx_codec_enc_config_default(interface, config.as_mut_ptr(), 0) })?;
        // SAFETY: the call above succeeded, so it has filled the whole structure.
        let mut config = unsafe { config.assume_init() };
        configure(&mut config, codec, width, height, bitrate);

        let mut context = MaybeUninit::<sys::vpx_codec_ctx_t>::zeroed();
        // SAFETY: the pointers are valid for the call; libvpx copies the configuration.
        check(unsafe {
            let version = abi(sys::VPX_ENCODER_ABI_VERSION);
            sys::vpx_codec_enc_init_ver(context.as_mut_ptr(), interface, &raw const config, 0, version)
        })?;
        let mut encoder = Self {
            // SAFETY: initialised by the successful call above; the context may be moved (libvpx documents it as caller
            // storage, and its private part lives behind a pointer) as long as `config.enc` is not used after the call:
            // libvpx replaces that pointer by its own copy during init.
            context: unsafe { context.assume_init() },
            config,
            codec,
            epoch: None,
            last_pts: -1,
            frame_ticks: c_ulong::from(VIDEO_CLOCK_HZ / fps.clamp(1, 240)),
            key_wanted: true,
            hurry: false,
        };
        encoder.set_controls()?;
        Ok(encoder)
    }

    /// Codec of what comes out.
    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Size of the pictures taken.
    pub fn size(&self) -> (u32, u32) {
        (self.config.g_w, self.config.g_h)
    }

    /// Changes the target bitrate from the next frame on.
    ///
    /// # Errors
    /// [`CodecError::Failed`] when libvpx refuses; the old rate stays.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), CodecError> {
        let kbps = target_kbps(bitrate);
        if kbps == self.config.rc_target_bitrate {
            return Ok(());
        }
        let mut config = self.config;
        config.rc_target_bitrate = kbps;
        // SAFETY: the context is initialised and the configuration valid; libvpx copies it.
        check(unsafe { sys::vpx_codec_enc_config_set(&raw mut self.context, &raw const config) })?;
        self.config = config;
        Ok(())
    }

    /// Runs at the fastest settings the codec has, or at the usual ones: about a quarter less time for a little sharpness.
    ///
    /// # Errors
    /// [`CodecError::Failed`] when libvpx refuses.
    pub fn set_hurry(&mut self, hurry: bool) -> Result<(), CodecError> {
        if hurry != self.hurry {
            self.hurry = hurry;
            self.set_speed()?;
        }
        Ok(())
    }

    /// Encodes one picture of the encoder's size. `None` when rate control left it out.
    ///
    /// With `force_key` the result is a keyframe, on this very picture; should it come to nothing, the next one is.
    ///
    /// # Errors
    /// [`CodecError::Size`] when the picture has another size; [`CodecError::Failed`] when libvpx refuses.
    pub fn encode(
        &mut self,
        picture: &I420Buffer,
        captured_at: Instant,
        force_key: bool,
    ) -> Result<Option<EncodedVideo>, CodecError> {
        let (width, height) = (picture.width(), picture.height());
        if (width, height) != self.size() {
            return Err(CodecError::Size { width, height });
        }
        self.key_wanted |= force_key;
        let flags = if self.key_wanted { sys::VPX_EFLAG_FORCE_KF } else { 0 };
        let pts = self.next_pts(captured_at);
        let image = wrap(picture)?;
        // SAFETY: `image` points into `picture`, which outlives the call; libvpx copies the pixels before it returns
        // because there is no lookahead that would keep them, and it never writes to a source image.
        check(unsafe {
            sys::vpx_codec_encode(
                &raw mut self.context,
                &raw const image,
                pts,
                self.frame_ticks,
                flags.into(),
                c_ulong::from(sys::VPX_DL_REALTIME),
            )
        })?;
        let Some((data, keyframe)) = self.take_packet() else { return Ok(None) };
        self.key_wanted &= !keyframe;
        Ok(Some(EncodedVideo { codec: self.codec, data, keyframe, captured_at, width, height }))
    }

    /// Capture time in ticks, always later than the last frame's.
    fn next_pts(&mut self, captured_at: Instant) -> i64 {
        let since = captured_at.saturating_duration_since(*self.epoch.get_or_insert(captured_at));
        let ticks = since.as_micros() * u128::from(VIDEO_CLOCK_HZ) / 1_000_000;
        self.last_pts = i64::try_from(ticks).unwrap_or(i64::MAX).max(self.last_pts.saturating_add(1));
        self.last_pts
    }

    fn take_packet(&mut self) -> Option<(Bytes, bool)> {
        let mut iterator = std::ptr::null();
        let mut whole = None;
        loop {
            // SAFETY: the context is initialised; the iterator starts as null and is only passed back.
            let packet = unsafe { sys::vpx_codec_get_cx_data(&raw mut self.context, &raw mut iterator) };
            // SAFETY: a packet that is not null is valid until the next call of the encoder.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return whole };
            if packet.kind != sys::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: the kind says that this member of the union is the one filled.
            let frame = unsafe { &packet.data.frame };
            let length = frame.sz;
            if frame.buf.is_null() || length == 0 {
                continue;
            }
            // SAFETY: libvpx owns `sz` bytes at `buf` until the next call; they are copied here.
            let data = unsafe { std::slice::from_raw_parts(frame.buf.cast::<u8>(), length) };
            whole = Some((Bytes::copy_from_slice(data), frame.flags & sys::VPX_FRAME_IS_KEY != 0));
        }
    }

    fn set_controls(&mut self) -> Result<(), CodecError> {
        use sys::vp8e_enc_control_id as id;
        self.control(id::VP8E_SET_STATIC_THRESHOLD, 1)?;
        // A keyframe may take this much of one frame's share: 450 % of it is 150 ms worth at 30 fps.
        self.control(id::VP8E_SET_MAX_INTRA_BITRATE_PCT, 450)?;
        self.set_speed()?;
        match self.codec {
            VideoCodec::Vp8 => {
                self.control(id::VP8E_SET_TOKEN_PARTITIONS, 0)?;
                self.control(id::VP8E_SET_NOISE_SENSITIVITY, 0)
            }
            VideoCodec::Vp9 => {
                self.control(id::VP9E_SET_AQ_MODE, sys::AQ_MODE::CYCLIC_REFRESH_AQ as c_int)?;
                self.control(id::VP9E_SET_TILE_COLUMNS, 0)?;
                self.control(id::VP9E_SET_ROW_MT, 0)?;
                self.control(id::VP9E_SET_FRAME_PARALLEL_DECODING, 0)?;
                self.control(id::VP9E_SET_NOISE_SENSITIVITY, 0)?;
                self.control(id::VP9E_SET_FRAME_PERIODIC_BOOST, 0)
            }
        }
    }

    fn set_speed(&mut self) -> Result<(), CodecError> {
        let lines = self.config.g_h;
        let speed = match (self.codec, self.hurry) {
            (VideoCodec::Vp8, true) => -10,
            (VideoCodec::Vp8, false) if lines > 270 => -6,
            (VideoCodec::Vp8, false) => -4,
            (VideoCodec::Vp9, true) => 9,
            (VideoCodec::Vp9, false) if lines > 360 => 8,
            (VideoCodec::Vp9, false) => 7,
        };
        self.control(sys::vp8e_enc_control_id::VP8E_SET_CPUUSED, speed)
    }

    fn control(&mut self, id: sys::vp8e_enc_control_id, value: c_int) -> Result<(), CodecError> {
        // SAFETY: the context is initialised and every control used here takes one `int`.
        check(unsafe { sys::vpx_codec_control_(&raw mut self.context, id as c_int, value) })
    }
}

impl Drop for VideoEncoder {
    fn drop(&mut self) {
        // SAFETY: the context is initialised and destroyed exactly once.
        unsafe { sys::vpx_codec_destroy(&raw mut self.context) };
    }
}

fn configure(c: &mut sys::vpx_codec_enc_cfg_t, codec: VideoCodec, width: u32, height: u32, bitrate: Bitrate) {
    let vp9 = codec == VideoCodec::Vp9;
    c.g_w = width;
    c.g_h = height;
    c.g_threads = 1;
    c.g_timebase.num = 1;
    c.g_timebase.den = abi(VIDEO_CLOCK_HZ);
    c.g_lag_in_frames = 0;
    c.g_pass = sys::vpx_enc_pass::VPX_RC_ONE_PASS;
    // Every frame the decoder sees follows all earlier ones, so nothing is gained by independent entropy contexts.
    c.g_error_resilient = 0;
    c.kf_mode = sys::vpx_kf_mode::VPX_KF_DISABLED;
    c.rc_end_usage = sys::vpx_rc_mode::VPX_CBR;
    c.rc_target_bitrate = target_kbps(bitrate);
    c.rc_undershoot_pct = if vp9 { 50 } else { 100 };
    c.rc_overshoot_pct = if vp9 { 50 } else { 15 };
    c.rc_buf_initial_sz = 500;
    c.rc_buf_optimal_sz = 600;
    c.rc_buf_sz = 1_000;
    c.rc_min_quantizer = 2;
    c.rc_max_quantizer = if vp9 { 54 } else { 58 };
    // Below this share of the buffer frames are left out rather than sent over the rate.
    c.rc_dropframe_thresh = 20;
    c.rc_resize_allowed = 0;
}

fn target_kbps(bitrate: Bitrate) -> c_uint {
    c_uint::try_from(bitrate.kbps().clamp(MIN_KBPS, MAX_KBPS)).expect("clamped to a small number")
}

/// libvpx mixes signed and unsigned for its small constants.
fn abi(constant: u32) -> c_int {
    c_int::try_from(constant).expect("libvpx constants are small")
}

/// Describes `picture` to libvpx without copying it.
fn wrap(picture: &I420Buffer) -> Result<sys::vpx_image_t, CodecError> {
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
