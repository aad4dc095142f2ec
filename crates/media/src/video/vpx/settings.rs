//! What libvpx is told, and why: each figure is measured in `docs/decisions/0014-pictures-that-fit.md`.

use std::ffi::{c_int, c_uint};

use vpx_sys as sys;

use crate::frame::VideoCodec;
use crate::time::VIDEO_CLOCK_HZ;
use crate::units::Bitrate;
use crate::video::Content;

/// Lowest and highest rate libvpx is asked for, whatever the caller says: below, its rate control divides by nothing.
const MIN_KBPS: u64 = 20;
const MAX_KBPS: u64 = 50_000;
/// Finest quantiser (of 0..=63) ever used: nothing is seen of what is finer.
pub(super) const FINEST: c_uint = 2;
/// Share of the buffer, in percent, below which pictures are left out rather than sent over the rate.
pub(super) const DROP_BELOW: c_uint = 20;
/// Pictures of so many lines are coded at speed 5, of so many at 7, larger ones at 8: sharper where there is the time for it.
const SPEED_5_UP_TO_LINES: u32 = 360;
const SPEED_7_UP_TO_LINES: u32 = 540;

/// Coarsest quantiser used.
pub(super) fn coarsest(codec: VideoCodec) -> c_uint {
    match codec {
        VideoCodec::Vp9 => 54,
        VideoCodec::Vp8 => 58,
    }
}

/// Fills in everything but what libvpx has good defaults for.
pub(super) fn configure(
    c: &mut sys::vpx_codec_enc_cfg_t,
    codec: VideoCodec,
    (width, height): (u32, u32),
    bitrate: Bitrate,
) {
    let vp9 = codec == VideoCodec::Vp9;
    c.g_w = width;
    c.g_h = height;
    c.g_threads = 1;
    c.g_timebase.num = 1;
    c.g_timebase.den = abi(VIDEO_CLOCK_HZ);
    c.g_lag_in_frames = 0;
    c.g_pass = sys::vpx_enc_pass::VPX_RC_ONE_PASS;
    c.g_error_resilient = 0;
    c.kf_mode = sys::vpx_kf_mode::VPX_KF_DISABLED;
    c.rc_end_usage = sys::vpx_rc_mode::VPX_CBR;
    c.rc_target_bitrate = target_kbps(bitrate);
    c.rc_undershoot_pct = if vp9 { 50 } else { 100 };
    c.rc_overshoot_pct = if vp9 { 50 } else { 15 };
    // Milliseconds at the target: before the first picture, aimed at, at most. VP9's are half of what browsers use: the quantiser
    // follows a cut twice as fast, at no loss of quality.
    (c.rc_buf_initial_sz, c.rc_buf_optimal_sz, c.rc_buf_sz) = if vp9 { (250, 300, 500) } else { (500, 600, 1_000) };
    c.rc_min_quantizer = FINEST;
    c.rc_max_quantizer = coarsest(codec);
    c.rc_dropframe_thresh = DROP_BELOW;
    c.rc_resize_allowed = 0;
}

/// The controls beside the configuration, all of which take one `int`.
pub(super) fn controls(codec: VideoCodec, content: Content) -> Vec<(sys::vp8e_enc_control_id, c_int)> {
    use sys::vp8e_enc_control_id as id;
    let screen = content == Content::Screen;
    let mut controls = vec![
        (id::VP8E_SET_STATIC_THRESHOLD, 1),
        // A keyframe may take this much of one frame's share: 450 % of it is 150 ms worth at 30 fps.
        (id::VP8E_SET_MAX_INTRA_BITRATE_PCT, 450),
    ];
    match codec {
        VideoCodec::Vp8 => controls.extend([
            (id::VP8E_SET_TOKEN_PARTITIONS, 0),
            (id::VP8E_SET_NOISE_SENSITIVITY, 0),
            (id::VP8E_SET_SCREEN_CONTENT_MODE, c_int::from(screen)),
        ]),
        VideoCodec::Vp9 => controls.extend([
            (id::VP9E_SET_AQ_MODE, sys::AQ_MODE::CYCLIC_REFRESH_AQ as c_int),
            (id::VP9E_SET_TILE_COLUMNS, 0),
            (id::VP9E_SET_ROW_MT, 0),
            (id::VP9E_SET_FRAME_PARALLEL_DECODING, 0),
            (id::VP9E_SET_NOISE_SENSITIVITY, 0),
            (id::VP9E_SET_FRAME_PERIODIC_BOOST, 0),
            (id::VP9E_SET_TUNE_CONTENT, c_int::from(screen)),
        ]),
    }
    controls
}

/// `VP8E_SET_CPUUSED` for a picture of this many lines.
pub(super) fn speed(codec: VideoCodec, lines: u32, hurry: bool) -> c_int {
    match (codec, hurry) {
        (VideoCodec::Vp8, true) => -10,
        (VideoCodec::Vp8, false) if lines > 270 => -6,
        (VideoCodec::Vp8, false) => -4,
        (VideoCodec::Vp9, true) => 9,
        (VideoCodec::Vp9, false) if lines > SPEED_7_UP_TO_LINES => 8,
        (VideoCodec::Vp9, false) if lines > SPEED_5_UP_TO_LINES => 7,
        (VideoCodec::Vp9, false) => 5,
    }
}

/// Whether a picture of this many lines is as good at the fastest settings once the quantiser is fine: measured for the sizes that
/// are near to them anyway.
pub(super) fn loses_nothing_by_hurry(codec: VideoCodec, lines: u32) -> bool {
    codec == VideoCodec::Vp9 && lines > SPEED_7_UP_TO_LINES
}

/// Kilobits per second as libvpx takes them.
pub(super) fn target_kbps(bitrate: Bitrate) -> c_uint {
    c_uint::try_from(bitrate.kbps().clamp(MIN_KBPS, MAX_KBPS)).expect("clamped to a small number")
}

/// libvpx mixes signed and unsigned for its small constants.
pub(super) fn abi(constant: u32) -> c_int {
    c_int::try_from(constant).expect("libvpx constants are small")
}
