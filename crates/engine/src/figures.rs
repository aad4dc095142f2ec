//! From counters to the figures of the last second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eyeline_media::audio::JitterStats;
use eyeline_media::frame::VideoFrame;
use eyeline_media::observer::MediaObserver;
use eyeline_media::video::{QualityLimitation, SenderStats};

use crate::session::SessionStats;
use crate::view::CallStats;

/// Passes everything on to the configured observer and notes the first picture of a session.
pub(crate) struct FirstPicture {
    observer: std::sync::Arc<dyn MediaObserver>,
    at: Mutex<Option<Instant>>,
}

impl FirstPicture {
    pub(crate) fn new(observer: std::sync::Arc<dyn MediaObserver>) -> Self {
        Self { observer, at: Mutex::new(None) }
    }

    /// When the first picture was handed to the display.
    pub(crate) fn at(&self) -> Option<Instant> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediaObserver for FirstPicture {
    fn shown(&self, frame: &VideoFrame, at: Instant) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(at);
        self.observer.shown(frame, at);
    }
}

/// Counters at the end of the last second.
#[derive(Debug)]
struct Counters {
    session: SessionStats,
    sender: SenderStats,
}

/// Turns counters into figures.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    last: Option<Counters>,
    stats: CallStats,
}

impl Figures {
    /// The figures of the last whole second.
    pub(crate) fn stats(&self) -> &CallStats {
        &self.stats
    }

    /// When the first picture came, counted from the request for the call.
    pub(crate) fn first_picture(&mut self, after: Duration) {
        self.stats.first_picture_ms.get_or_insert(ms(after));
    }

    /// Takes the counters of now.
    pub(crate) fn take(&mut self, session: SessionStats, sender: SenderStats) {
        if let Some(last) = &self.last {
            self.stats = figures(last, &session, &sender, self.stats.first_picture_ms);
        }
        self.last = Some(Counters { session, sender });
    }
}

fn figures(last: &Counters, now: &SessionStats, sender: &SenderStats, first_picture_ms: Option<f64>) -> CallStats {
    let seconds = now.at.saturating_duration_since(last.session.at).as_secs_f64().max(0.001);
    let (before, peer) = (&last.session.peer, &now.peer);
    let kbps = |now: u64, before: u64| count(now, before) * 8.0 / 1_000.0 / seconds;
    let (lost, came) =
        (count(peer.packets_lost, before.packets_lost), count(peer.packets_received, before.packets_received));
    let concealed = count(now.audio.concealed_samples, last.session.audio.concealed_samples);
    let heard = |stats: &JitterStats| stats.decoded_samples + stats.fec_samples + stats.concealed_samples;
    let played = count(heard(&now.audio), heard(&last.session.audio));
    let latency = now.video.latency;
    let sending = sender.encoded > last.sender.encoded;
    CallStats {
        first_picture_ms,
        latency_ms_p50: latency.map(|latency| ms(latency.p50)),
        latency_ms_p95: latency.map(|latency| ms(latency.p95)),
        latency_error_ms: latency.map(|latency| ms(latency.error)),
        received_fps: count(now.video.shown, last.session.video.shown) / seconds,
        sent_fps: count(sender.encoded, last.sender.encoded) / seconds,
        received_width: now.video.width,
        received_height: now.video.height,
        sent_width: sender.width,
        sent_height: sender.height,
        sent_limited_by: limitation(sender.limited_by).into(),
        encode_ms: ms(sender.encode_avg),
        decode_ms: ms(now.video.decode_avg),
        codec: if sending { sender.codec.name().into() } else { String::new() },
        received_kbps: kbps(peer.bytes_received, before.bytes_received),
        sent_kbps: kbps(peer.bytes_sent, before.bytes_sent),
        estimate_kbps: share(peer.estimate.bps(), 1_000),
        sent_loss: f64::from(peer.fraction_lost_by_peer),
        received_loss: if lost + came > 0.0 { lost / (lost + came) } else { 0.0 },
        rtt_ms: peer.rtt.map(ms),
        jitter_ms: ms(now.video.jitter),
        concealed: if played > 0.0 { (concealed / played).min(1.0) } else { 0.0 },
        freezes: u32::try_from(now.video.freezes).unwrap_or(u32::MAX),
        pictures_shown: u32::try_from(now.video.shown).unwrap_or(u32::MAX),
    }
}

/// The name webrtc-stats gives it.
fn limitation(reason: QualityLimitation) -> &'static str {
    match reason {
        QualityLimitation::None => "none",
        QualityLimitation::Cpu => "cpu",
        QualityLimitation::Bandwidth => "bandwidth",
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Growth of a counter.
fn count(now: u64, before: u64) -> f64 {
    share(now.saturating_sub(before), 1)
}

/// `n / unit`, exact for all counts that occur (below 2^53).
#[expect(clippy::cast_precision_loss, reason = "counters of a call stay far below 2^53")]
fn share(n: u64, unit: u64) -> f64 {
    n as f64 / unit as f64
}
