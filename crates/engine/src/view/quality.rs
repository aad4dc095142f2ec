//! How good a call is: figures of the last second, and a ring of those of the last minutes.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Connection, Path};

/// Figures of the last second of a call. Counts run from the beginning of the connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export)]
pub struct CallStats {
    /// From asking for the call to the first picture of the other side, milliseconds.
    pub first_picture_ms: Option<f64>,
    /// Capture-to-display latency of received pictures, median, milliseconds.
    pub latency_ms_p50: Option<f64>,
    /// The same, 95th percentile.
    pub latency_ms_p95: Option<f64>,
    /// The latency figures may be off by this much either way, milliseconds.
    pub latency_error_ms: Option<f64>,
    /// Received pictures shown per second.
    pub received_fps: f64,
    /// Pictures sent per second.
    pub sent_fps: f64,
    /// Size of the received picture.
    pub received_width: u32,
    /// Size of the received picture.
    pub received_height: u32,
    /// Size of the sent picture.
    pub sent_width: u32,
    /// Size of the sent picture.
    pub sent_height: u32,
    /// Why the sent picture is smaller than its source: `none`, `cpu` or `bandwidth`.
    pub sent_limited_by: String,
    /// Time to encode a picture, average, milliseconds.
    pub encode_ms: f64,
    /// Time to decode a picture, average, milliseconds.
    pub decode_ms: f64,
    /// Codec we send, as in SDP; empty while none.
    pub codec: String,
    /// Codec we receive, as in SDP; empty before the first picture.
    pub received_codec: String,
    /// Received pictures that were not shown: the decoder was behind, or could not read them.
    pub received_dropped: u32,
    /// Pictures of the camera that were not sent: the encoder was busy, or the rate did not allow them.
    pub sent_dropped: u32,
    /// Keyframes sent.
    pub keyframes_sent: u32,
    /// Keyframes asked of the other side.
    pub plis_sent: u32,
    /// Keyframes asked of us.
    pub plis_received: u32,
    /// Delay added to received pictures so that they run smoothly, milliseconds.
    pub playout_delay_ms: f64,
    /// Received media, kbit/s.
    pub received_kbps: f64,
    /// Sent media, kbit/s.
    pub sent_kbps: f64,
    /// Estimate of what the path carries, kbit/s.
    pub estimate_kbps: f64,
    /// Packets of ours that the other side reported lost, 0 to 1.
    pub sent_loss: f64,
    /// Packets of theirs that never arrived, 0 to 1.
    pub received_loss: f64,
    /// Round trip, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Interarrival jitter of received pictures, milliseconds.
    pub jitter_ms: f64,
    /// Retransmission requests sent; each may be for many packets.
    pub nacks_sent: u32,
    /// Retransmission requests received.
    pub nacks_received: u32,
    /// Packets we sent again.
    pub packets_resent: u32,
    /// Missing packets that came in time by retransmission.
    pub packets_recovered: u32,
    /// Missing packets made again from others (forward error correction). 0 until `eyeline-rtc` counts them.
    pub fec_recovered: u32,
    /// Share of received sound that had to be concealed, 0 to 1.
    pub concealed: f64,
    /// Share of received sound that was played from a copy in a later packet, 0 to 1.
    pub audio_repaired: f64,
    /// Share of received sound that was cut to lower its delay, 0 to 1.
    pub audio_accelerated: f64,
    /// Share of played sound that was stretched out to raise its delay, 0 to 1.
    pub audio_expanded: f64,
    /// Delay that the jitter buffer adds to received sound, milliseconds; 0 while nothing plays.
    pub audio_delay_ms: f64,
    /// Delay that the measured jitter asks for, milliseconds.
    pub audio_target_delay_ms: f64,
    /// Interarrival jitter of received sound, milliseconds.
    pub audio_jitter_ms: f64,
    /// How much later than the picture its sound comes, milliseconds. `None` until the receiving side of `eyeline-media`
    /// compares the two.
    pub lip_sync_ms: Option<f64>,
    /// Gaps of more than 200 ms between two shown pictures since the call began.
    pub freezes: u32,
    /// Sum of these gaps, milliseconds.
    pub frozen_ms: f64,
    /// Pictures of the other side shown since the call began.
    pub pictures_shown: u32,
    /// Processor time of this program: 1 is one processor all the time. The page's webview is a program of its own on
    /// some systems and then not counted. `None` where the system does not say.
    pub cpu: Option<f64>,
    /// Share of all processors that anything used, 0 to 1. `None` where the system does not say.
    pub machine_busy: Option<f64>,
    /// Processors of this machine.
    pub processors: u32,
    /// Memory of this program in use, MiB. `None` where the system does not say.
    pub memory_mib: Option<f64>,
}

/// How good the call is, or the last one was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct QualityReport {
    /// Age of the call at its last figures, milliseconds.
    #[ts(type = "number")]
    pub duration_ms: i64,
    /// State of the connection at that time.
    pub connection: Connection,
    /// While reconnecting: for how long, milliseconds.
    #[ts(type = "number | null")]
    pub outage_ms: Option<i64>,
    /// How packets travelled.
    pub path: Path,
    /// The last figures.
    pub stats: CallStats,
    /// Those of the last minutes.
    pub history: QualityHistory,
}

/// Figures of the last minutes, a sample a second, oldest first; every list has the same length. They are rounded to what a
/// plot can show, so that asking for them each second costs little.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct QualityHistory {
    /// Packets did not flow.
    pub reconnecting: Vec<bool>,
    /// [`CallStats::latency_ms_p50`].
    pub latency_ms_p50: Vec<Option<f32>>,
    /// [`CallStats::latency_ms_p95`].
    pub latency_ms_p95: Vec<Option<f32>>,
    /// [`CallStats::received_kbps`].
    pub received_kbps: Vec<f32>,
    /// [`CallStats::sent_kbps`].
    pub sent_kbps: Vec<f32>,
    /// [`CallStats::estimate_kbps`].
    pub estimate_kbps: Vec<f32>,
    /// [`CallStats::received_loss`].
    pub received_loss: Vec<f32>,
    /// [`CallStats::sent_loss`].
    pub sent_loss: Vec<f32>,
    /// [`CallStats::rtt_ms`].
    pub rtt_ms: Vec<Option<f32>>,
    /// [`CallStats::jitter_ms`].
    pub jitter_ms: Vec<f32>,
    /// [`CallStats::received_fps`].
    pub received_fps: Vec<f32>,
    /// [`CallStats::sent_fps`].
    pub sent_fps: Vec<f32>,
    /// [`CallStats::received_height`].
    pub received_height: Vec<u32>,
    /// [`CallStats::sent_height`].
    pub sent_height: Vec<u32>,
    /// [`CallStats::audio_delay_ms`].
    pub audio_delay_ms: Vec<f32>,
    /// [`CallStats::concealed`].
    pub concealed: Vec<f32>,
    /// [`CallStats::lip_sync_ms`].
    pub lip_sync_ms: Vec<Option<f32>>,
    /// [`CallStats::cpu`].
    pub cpu: Vec<Option<f32>>,
}
