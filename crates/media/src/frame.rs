//! Pictures and encoded units as they pass between the stages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Largest width or height of a picture that any stage accepts.
pub const MAX_SIDE: u32 = 8_192;

/// A planar YUV 4:2:0 picture, 8 bits, BT.601 limited range, in one allocation without padding: `width * height` bytes of
/// luma, then two chroma planes of `width.div_ceil(2) * height.div_ceil(2)` bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct I420Buffer {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl std::fmt::Debug for I420Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "I420Buffer({}x{})", self.width, self.height)
    }
}

impl I420Buffer {
    /// A black picture. Sides are clamped to 2..=[`MAX_SIDE`].
    pub fn black(width: u32, height: u32) -> Self {
        let (width, height) = (width.clamp(2, MAX_SIDE), height.clamp(2, MAX_SIDE));
        let luma = Self::luma_len(width, height);
        let mut data = vec![128; Self::len_of(width, height)];
        data[..luma].fill(16);
        Self { width, height, data }
    }

    /// Takes `data` as a picture; `None` when its length does not fit the size or a side is outside 2..=[`MAX_SIDE`].
    pub fn from_vec(width: u32, height: u32, data: Vec<u8>) -> Option<Self> {
        let sides = 2..=MAX_SIDE;
        (sides.contains(&width) && sides.contains(&height) && data.len() == Self::len_of(width, height))
            .then_some(Self { width, height, data })
    }

    /// Bytes of a picture of this size.
    pub fn len_of(width: u32, height: u32) -> usize {
        Self::luma_len(width, height) + 2 * (width.div_ceil(2) as usize * height.div_ceil(2) as usize)
    }

    fn luma_len(width: u32, height: u32) -> usize {
        width as usize * height as usize
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from one luma row to the next.
    pub fn luma_stride(&self) -> u32 {
        self.width
    }

    /// Bytes from one chroma row to the next.
    pub fn chroma_stride(&self) -> u32 {
        self.width.div_ceil(2)
    }

    /// All three planes, as laid out in the type's documentation.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The Y, U and V planes.
    pub fn planes(&self) -> (&[u8], &[u8], &[u8]) {
        let (y, chroma) = self.data.split_at(Self::luma_len(self.width, self.height));
        let (u, v) = chroma.split_at(chroma.len() / 2);
        (y, u, v)
    }

    /// The Y, U and V planes, to write to.
    pub fn planes_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let (y, chroma) = self.data.split_at_mut(Self::luma_len(self.width, self.height));
        let half = chroma.len() / 2;
        let (u, v) = chroma.split_at_mut(half);
        (y, u, v)
    }
}

/// A picture and when it passed each stage.
#[derive(Clone, Debug)]
pub struct VideoFrame {
    /// The picture itself, shared rather than copied between stages.
    pub picture: Arc<I420Buffer>,
    /// Number of the frame at its source: the file's frame index, the pattern's or camera's running count; for a received
    /// frame the running count of decoded frames.
    pub index: u64,
    /// When it passed each stage.
    pub times: FrameTimes,
}

/// Moments of one frame on this machine's monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameTimes {
    /// When the frame was complete in memory at the camera. For a received frame this is the sender's moment translated to
    /// our clock, absent until the clocks were compared.
    pub captured: Option<Instant>,
    /// How far `captured` may be off either way; zero for our own frames.
    pub captured_error: Duration,
    /// When the last packet of a received frame arrived.
    pub received: Option<Instant>,
    /// When a received frame left the decoder.
    pub decoded: Option<Instant>,
}

/// Video codecs the engine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// VP9 profile 0 (RFC 9628).
    Vp9,
    /// VP8 (RFC 7741).
    Vp8,
}

impl VideoCodec {
    /// Name as in SDP `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp9 => "VP9",
            Self::Vp8 => "VP8",
        }
    }
}

/// One encoded picture, ready to be packetised.
#[derive(Clone, Debug)]
pub struct EncodedVideo {
    /// Codec of `data`.
    pub codec: VideoCodec,
    /// The codec's frame.
    pub data: Bytes,
    /// Decodable without any earlier frame.
    pub keyframe: bool,
    /// How many pictures of the stream back the one lies that this one refers to, 1..=127; `None` for a keyframe. Nothing but
    /// that one is needed to decode it, unless it is the picture before (1), which may need anything.
    pub reference: Option<u8>,
    /// When the picture was captured.
    pub captured_at: Instant,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
}

/// One whole encoded picture as assembled from the network, in decode order: every frame it depends on was delivered before.
#[derive(Clone, Debug)]
pub struct ReceivedVideo {
    /// Codec of `data`.
    pub codec: VideoCodec,
    /// The codec's frame.
    pub data: Bytes,
    /// Decodable without any earlier frame.
    pub keyframe: bool,
    /// RTP timestamp, 90 kHz.
    pub rtp_timestamp: u32,
    /// When its last packet arrived.
    pub received_at: Instant,
}

/// One Opus packet, ready to be sent.
#[derive(Clone, Debug)]
pub struct EncodedAudio {
    /// The Opus packet.
    pub data: Bytes,
    /// When the first sample of the packet was captured.
    pub captured_at: Instant,
    /// Position of the first sample since the stream began, 48 kHz; it advances over DTX silence too.
    pub first_sample: u64,
    /// Which earlier packets shall travel along as copies.
    pub copies: AudioCopies,
}

/// Copies of earlier packets to be sent beside a packet (RFC 2198), where the other side takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AudioCopies {
    /// None.
    #[default]
    None,
    /// Of the packet before the one before; the one before has its copy inside (in-band forward error correction).
    SecondLast,
    /// Of the two packets before.
    LastTwo,
}

/// One Opus packet from the network, in order of arrival: possibly late, doubled or out of order.
#[derive(Clone, Debug)]
pub struct ReceivedAudio {
    /// The Opus packet.
    pub data: Bytes,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub rtp_timestamp: u32,
    /// When it arrived.
    pub received_at: Instant,
    /// It is a copy that came beside another packet (RFC 2198), probably for nothing.
    pub redundant: bool,
}
