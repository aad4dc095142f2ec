//! Numbers about a running connection.

use std::time::{Duration, Instant};

use eyeline_media::frame::VideoCodec;
use eyeline_media::units::Bitrate;

use crate::events::PathKind;

/// A snapshot; counters run from the start of the connection.
#[derive(Clone, Debug, Default)]
pub struct PeerStats {
    /// Round trip time from the newest receiver report (RFC 3550 section 6.4.1).
    pub rtt: Option<Duration>,
    /// RTP bytes sent: headers and payload of video, sound and retransmissions.
    pub bytes_sent: u64,
    /// RTP packets sent, retransmissions included.
    pub packets_sent: u64,
    /// RTP packets of those that were retransmissions.
    pub packets_resent: u64,
    /// RTP packets of those that were parity: forward error correction of video.
    pub parity_sent: u64,
    /// RTP bytes received: headers and payload of video, sound and retransmissions.
    pub bytes_received: u64,
    /// RTP packets received, retransmissions included.
    pub packets_received: u64,
    /// Share of our video packets the other side missed lately, before repair: 0 to 1.
    pub fraction_lost_by_peer: f32,
    /// Share of our sound packets the other side missed lately, before repair: 0 to 1.
    pub sound_lost_by_peer: f32,
    /// Received video packets that were missing and came in time by retransmission.
    pub packets_recovered: u64,
    /// Received video packets that were missing and were restored from parity, without asking for them.
    pub packets_restored: u64,
    /// Video packets that never came, or too late.
    pub packets_lost: u64,
    /// Interarrival jitter of received video (RFC 3550 section 6.4.1).
    pub video_jitter: Duration,
    /// Interarrival jitter of received sound.
    pub audio_jitter: Duration,
    /// Retransmission requests sent (RTCP messages, each for up to many packets).
    pub nacks_sent: u64,
    /// Retransmission requests received.
    pub nacks_received: u64,
    /// Keyframe requests sent.
    pub plis_sent: u64,
    /// Keyframe requests received (PLI and FIR).
    pub plis_received: u64,
    /// Whole frames received and handed on.
    pub frames_received: u64,
    /// Frames that were not sent because the path could not take them in time.
    pub frames_dropped: u64,
    /// What the estimator believes may be sent: video, sound, repair and headers together.
    pub estimate: Bitrate,
    /// What of it the video encoder may make.
    pub video_budget: Bitrate,
    /// The kind of path in use.
    pub path: Option<PathKind>,
    /// The codec we send.
    pub video_codec: Option<VideoCodec>,
    /// The newest sender report about the other side's video.
    pub remote_video: Option<SenderTime>,
    /// The newest sender report about the other side's sound.
    pub remote_audio: Option<SenderTime>,
}

/// What a sender report says about a stream's clock (RFC 3550 section 6.4.1): `rtp_timestamp` and `ntp` are the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderTime {
    /// The sender's wall clock, NTP format: seconds since 1900 in the upper 32 bits. The same clock for picture and sound.
    pub ntp: u64,
    /// The stream's RTP timestamp.
    pub rtp_timestamp: u32,
    /// When the report arrived here.
    pub received_at: Instant,
}
