//! The encoder side of libvpx, set up for one low-delay stream at a constant bitrate.

use std::ffi::{c_int, c_uint, c_ulong};
use std::mem::MaybeUninit;
use std::time::Instant;

use bytes::Bytes;
use vpx_sys as sys;

use super::fineness::Fineness;
use super::floor::{Floor, Kind};
use super::image::wrap;
use super::long_term::{LongTerm, Slot};
use super::settings::{
    DROP_BELOW, FINEST, abi, coarsest, configure, controls, loses_nothing_by_hurry, speed, target_kbps,
};
use super::{CodecError, check, encoder_interface};
use crate::frame::{EncodedVideo, I420Buffer, MAX_SIDE, VideoCodec};
use crate::time::VIDEO_CLOCK_HZ;
use crate::units::Bitrate;
use crate::video::Content;
use crate::video::quantizer::Operating;

/// Pictures that rate control may leave out in a row (67 ms at 30 fps); the next one comes out over the rate.
const MAX_LEFT_OUT: u32 = 2;
/// Speed for the one picture that is predicted from a kept one: the faster ones look at the last picture only (libvpx 1.12).
const RECOVERY_SPEED: c_int = 4;

/// What an encoder is made for.
#[derive(Clone, Copy, Debug)]
pub struct EncoderSetup {
    /// Codec.
    pub codec: VideoCodec,
    /// Size of the first pictures.
    pub size: (u32, u32),
    /// Largest size to come: VP9 changes up to it without a keyframe.
    pub room: (u32, u32),
    /// Pictures a second, about.
    pub fps: u32,
    /// Target rate.
    pub bitrate: Bitrate,
    /// What the pictures show.
    pub content: Content,
}

/// What a picture may be predicted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The picture before it.
    Previous,
    /// The newest kept picture among these (by [`EncodedVideo::captured_at`]); without one it is a keyframe.
    Acknowledged([Option<Instant>; 2]),
    /// Nothing: a keyframe.
    Nothing,
}

/// A VP8 or VP9 encoder.
///
/// Each picture refers to the one before it, except a keyframe and one that was asked to refer to a kept picture instead. About
/// once a second VP9 keeps a picture for that, in two places by turns.
pub struct VideoEncoder {
    context: sys::vpx_codec_ctx_t,
    config: sys::vpx_codec_enc_cfg_t,
    codec: VideoCodec,
    room: (u32, u32),
    /// Capture moment that presentation time zero stands for.
    epoch: Option<Instant>,
    /// Presentation time of the first picture.
    first_pts: i64,
    /// Presentation time of the last frame, in [`VIDEO_CLOCK_HZ`] ticks.
    last_pts: i64,
    frame_ticks: c_ulong,
    /// What was asked for and has not come out yet.
    wanted: Prediction,
    long_term: LongTerm,
    floor: Floor,
    fineness: Fineness,
    left_out: u32,
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
    /// An encoder for `width` x `height` pictures at about `fps`, and for none larger.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(codec: VideoCodec, width: u32, height: u32, fps: u32, bitrate: Bitrate) -> Result<Self, CodecError> {
        let size = (width, height);
        Self::open(&EncoderSetup { codec, size, room: size, fps, bitrate, content: Content::Motion })
    }

    /// An encoder as described.
    ///
    /// # Errors
    /// [`CodecError::Size`] for sides outside 2..=[`MAX_SIDE`]; [`CodecError::Failed`] when libvpx refuses.
    pub fn open(setup: &EncoderSetup) -> Result<Self, CodecError> {
        let &EncoderSetup { codec, size, bitrate, content, .. } = setup;
        let room = if codec == VideoCodec::Vp9 { larger(size, setup.room) } else { size };
        check_size(size)?;
        check_size(room)?;
        let interface = encoder_interface(codec);
        let mut config = MaybeUninit::<sys::vpx_codec_enc_cfg_t>::zeroed();
        // SAFETY: `interface` is libvpx's own static; `config` is a valid place for one configuration.
        check(unsafe { sys::vpx_codec_enc_config_default(interface, config.as_mut_ptr(), 0) })?;
        // SAFETY: the call above succeeded, so it has filled the whole structure.
        let mut config = unsafe { config.assume_init() };
        configure(&mut config, codec, room, bitrate);

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
            room,
            epoch: None,
            first_pts: 0,
            last_pts: -1,
            frame_ticks: c_ulong::from(VIDEO_CLOCK_HZ / setup.fps.clamp(1, 240)),
            wanted: Prediction::Nothing,
            long_term: LongTerm::default(),
            floor: Floor::default(),
            fineness: Fineness::default(),
            left_out: 0,
            hurry: false,
        };
        for (id, value) in controls(codec, content) {
            encoder.control(id, value)?;
        }
        encoder.control(sys::vp8e_enc_control_id::VP8E_SET_CPUUSED, speed(codec, room.1, false))?;
        if room != size {
            encoder.make_room()?;
            encoder.set_size(size)?;
        }
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

    /// Largest size that [`set_size`](Self::set_size) takes.
    pub fn room(&self) -> (u32, u32) {
        self.room
    }

    /// Whether [`set_size`](Self::set_size) would take this size.
    pub fn takes(&self, size: (u32, u32)) -> bool {
        size == self.size() || self.codec == VideoCodec::Vp9 && size.0 <= self.room.0 && size.1 <= self.room.1
    }

    /// Takes pictures of another size from now on. The next one is predicted from the last one, scaled, unless its sides are less
    /// than half as long: then it is a keyframe.
    ///
    /// # Errors
    /// [`CodecError::Size`] unless the encoder [`takes`](Self::takes) it; [`CodecError::Failed`] when libvpx refuses.
    pub fn set_size(&mut self, size: (u32, u32)) -> Result<(), CodecError> {
        if size == self.size() {
            return Ok(());
        }
        check_size(size)?;
        if !self.takes(size) {
            return Err(CodecError::Size { width: size.0, height: size.1 });
        }
        let (before, operating) = (self.size(), self.operating());
        if 2 * size.0 < before.0 || 2 * size.1 < before.1 {
            self.wanted = Prediction::Nothing;
        }
        self.reconfigure(|config| (config.g_w, config.g_h) = size)?;
        self.stepped(operating);
        self.set_speed()
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
        let (before, cut) = (self.operating(), kbps * 4 < self.config.rc_target_bitrate * 3);
        self.reconfigure(|config| config.rc_target_bitrate = kbps)?;
        if cut {
            self.stepped(before);
        }
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

    /// Quantiser of the last picture, 0 (finest) to 63; `None` when that is not what rate control would have chosen.
    pub fn quantizer(&mut self) -> Option<u8> {
        if self.floor.holds() {
            return None;
        }
        let mut quantizer: c_int = 0;
        let id = sys::vp8e_enc_control_id::VP8E_GET_LAST_QUANTIZER_64 as c_int;
        // SAFETY: the context is initialised and this control writes one `int` through the pointer.
        let status = unsafe { sys::vpx_codec_control_(&raw mut self.context, id, &raw mut quantizer) };
        check(status).ok().and_then(|()| u8::try_from(quantizer).ok())
    }

    /// When the pictures that [`Prediction::Acknowledged`] may name were captured.
    pub fn kept(&self) -> [Option<Instant>; 2] {
        self.long_term.candidates()
    }

    /// Encodes one picture of the encoder's size. `None` when rate control left it out.
    ///
    /// What is asked for comes true on this very picture; should it come to nothing, on the next one. The first
    /// [`Prediction::Acknowledged`] of a VP9 encoder, and each of a VP8 one, makes a keyframe: only from there on are pictures
    /// coded so that one may be missing.
    ///
    /// # Errors
    /// [`CodecError::Size`] when the picture has another size; [`CodecError::Failed`] when libvpx refuses.
    pub fn encode(
        &mut self,
        picture: &I420Buffer,
        captured_at: Instant,
        from: Prediction,
    ) -> Result<Option<EncodedVideo>, CodecError> {
        let (width, height) = (picture.width(), picture.height());
        if (width, height) != self.size() {
            return Err(CodecError::Size { width, height });
        }
        if from != Prediction::Previous && self.wanted != Prediction::Nothing {
            self.wanted = from;
        }
        let recovery = self.recovery()?;
        let keep = self.long_term.due(captured_at).filter(|_| self.codec == VideoCodec::Vp9);
        let flags = match (self.wanted, self.codec) {
            (Prediction::Nothing, _) => sys::VPX_EFLAG_FORCE_KF,
            (_, VideoCodec::Vp8) => 0,
            (_, VideoCodec::Vp9) => references(recovery.map(|(slot, _)| slot)) | updates(keep),
        };
        self.prepare(recovery.is_some())?;
        let pts = self.next_pts(captured_at);
        self.run(picture, pts, flags)?;
        let packet = self.take_packet();
        self.finish(recovery.is_some(), packet.is_some())?;
        let Some((data, keyframe)) = packet else { return Ok(None) };
        let back = recovery.map_or(1, |(_, back)| back);
        let reference = (!keyframe).then_some(back);
        self.wanted = Prediction::Previous;
        self.long_term.came_out(captured_at, (width, height), keyframe, keep);
        Ok(Some(EncodedVideo { codec: self.codec, data, keyframe, reference, captured_at, width, height }))
    }

    /// Where to predict from instead of the last picture; turns the wish for it into one for a keyframe where there is no such.
    fn recovery(&mut self) -> Result<Option<(Slot, u8)>, CodecError> {
        let Prediction::Acknowledged(acknowledged) = self.wanted else { return Ok(None) };
        let resilient = self.config.g_error_resilient != 0;
        let chosen = self.long_term.choose(&acknowledged, self.size()).filter(|_| resilient);
        if chosen.is_none() {
            self.wanted = Prediction::Nothing;
            if !resilient && self.codec == VideoCodec::Vp9 {
                // Contexts of entropy coding no longer go from picture to picture. Costs up to 0.004 of SSIM on a thin path, so
                // calls without loss do without; libvpx heeds it at a keyframe only.
                self.reconfigure(|config| config.g_error_resilient = sys::VPX_ERROR_RESILIENT_DEFAULT)?;
            }
        }
        Ok(chosen)
    }

    /// Settings for this one picture.
    fn prepare(&mut self, recovers: bool) -> Result<(), CodecError> {
        let keyframe = self.wanted == Prediction::Nothing;
        let kind = match (keyframe, recovers) {
            (true, _) => Kind::Keyframe,
            (false, true) => Kind::Recovery,
            (false, false) => Kind::Ordinary,
        };
        let finest = match self.codec {
            VideoCodec::Vp9 => {
                let finest = self.floor.next(self.operating(), kind, coarsest(self.codec));
                // libvpx takes a step of size for a change of scene, would code the picture at its coarsest and be slow to
                // recover from that (measured: 181 bytes instead of 1,882, and half the rate for a second).
                let expected = c_int::from(self.floor.holds());
                self.control(sys::vp8e_enc_control_id::VP9E_SET_DISABLE_OVERSHOOT_MAXQ_CBR, expected)?;
                finest
            }
            // Its rate control does not need it, and its quantisers mean something else.
            VideoCodec::Vp8 => FINEST,
        };
        let drop_below = if recovers || self.left_out >= MAX_LEFT_OUT { 0 } else { DROP_BELOW };
        if (finest, drop_below) != (self.config.rc_min_quantizer, self.config.rc_dropframe_thresh) {
            self.reconfigure(|config| (config.rc_min_quantizer, config.rc_dropframe_thresh) = (finest, drop_below))?;
        }
        if recovers { self.control(sys::vp8e_enc_control_id::VP8E_SET_CPUUSED, RECOVERY_SPEED) } else { Ok(()) }
    }

    fn finish(&mut self, recovers: bool, came_out: bool) -> Result<(), CodecError> {
        self.left_out = if came_out { 0 } else { self.left_out + 1 };
        let mut speed_changes = recovers;
        if let Some(quantizer) = self.quantizer() {
            self.floor.settled(quantizer);
            speed_changes |= came_out && self.fineness.chosen(quantizer);
        }
        if speed_changes { self.set_speed() } else { Ok(()) }
    }

    /// What is asked for has changed.
    fn stepped(&mut self, from: Operating) {
        if self.codec == VideoCodec::Vp9 {
            self.floor.moved(from, self.operating());
        }
    }

    fn operating(&self) -> Operating {
        let kbps = u64::from(self.config.rc_target_bitrate);
        Operating { bitrate: Bitrate::from_kbps(kbps), short: self.config.g_w.min(self.config.g_h) }
    }

    /// Makes libvpx allocate for the largest size, which it does on its first picture. 1.12 writes past its buffers when a later
    /// one is larger.
    fn make_room(&mut self) -> Result<(), CodecError> {
        let picture = I420Buffer::black(self.room.0, self.room.1);
        self.run(&picture, 0, sys::VPX_EFLAG_FORCE_KF)?;
        // The next one a picture later, or libvpx takes the stream for one of thousands a second.
        self.first_pts = i64::try_from(self.frame_ticks).expect("at most a second");
        self.take_packet();
        Ok(())
    }

    fn run(&mut self, picture: &I420Buffer, pts: i64, flags: u32) -> Result<(), CodecError> {
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
        })
    }

    /// Capture time in ticks, always later than the last frame's.
    fn next_pts(&mut self, captured_at: Instant) -> i64 {
        let since = captured_at.saturating_duration_since(*self.epoch.get_or_insert(captured_at));
        let ticks = since.as_micros() * u128::from(VIDEO_CLOCK_HZ) / 1_000_000;
        let pts = i64::try_from(ticks).unwrap_or(i64::MAX).saturating_add(self.first_pts);
        self.last_pts = pts.max(self.last_pts.saturating_add(1));
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

    fn set_speed(&mut self) -> Result<(), CodecError> {
        let lines = self.config.g_w.min(self.config.g_h);
        let hurry = self.hurry || self.fineness.is_fine() && loses_nothing_by_hurry(self.codec, lines);
        let speed = speed(self.codec, lines, hurry);
        self.control(sys::vp8e_enc_control_id::VP8E_SET_CPUUSED, speed)
    }

    fn reconfigure(&mut self, change: impl FnOnce(&mut sys::vpx_codec_enc_cfg_t)) -> Result<(), CodecError> {
        let mut config = self.config;
        change(&mut config);
        // SAFETY: the context is initialised and the configuration valid; libvpx copies it.
        check(unsafe { sys::vpx_codec_enc_config_set(&raw mut self.context, &raw const config) })?;
        self.config = config;
        Ok(())
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

/// Flags that leave one reference: the last picture, or the one in `slot`.
fn references(slot: Option<Slot>) -> c_uint {
    let (last, golden, alt_ref) = (sys::VP8_EFLAG_NO_REF_LAST, sys::VP8_EFLAG_NO_REF_GF, sys::VP8_EFLAG_NO_REF_ARF);
    match slot {
        None => golden | alt_ref,
        Some(Slot::Golden) => last | alt_ref,
        Some(Slot::AltRef) => last | golden,
    }
}

/// Flags that let the picture become the last one, and be kept in `slot`.
fn updates(slot: Option<Slot>) -> c_uint {
    let (golden, alt_ref) = (sys::VP8_EFLAG_NO_UPD_GF, sys::VP8_EFLAG_NO_UPD_ARF);
    match slot {
        None => golden | alt_ref,
        Some(Slot::Golden) => alt_ref,
        Some(Slot::AltRef) => golden,
    }
}

fn larger(a: (u32, u32), b: (u32, u32)) -> (u32, u32) {
    (a.0.max(b.0), a.1.max(b.1))
}

fn check_size((width, height): (u32, u32)) -> Result<(), CodecError> {
    let sides = 2..=MAX_SIDE;
    if sides.contains(&width) && sides.contains(&height) { Ok(()) } else { Err(CodecError::Size { width, height }) }
}
