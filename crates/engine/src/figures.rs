//! From counters to the figures of the last second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eyeline_media::audio::JitterStats;
use eyeline_media::frame::VideoFrame;
use eyeline_media::observer::MediaObserver;
use eyeline_media::video::{QualityLimitation, SenderStats};

use crate::machine::Machine;
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
    measured: bool,
}

impl Figures {
    /// The figures of the last whole second.
    pub(crate) fn stats(&self) -> &CallStats {
        &self.stats
    }

    /// Whether there was a whole second yet.
    pub(crate) fn measured(&self) -> bool {
        self.measured
    }

    /// When the first picture came, counted from the request for the call.
    pub(crate) fn first_picture(&mut self, after: Duration) {
        self.stats.first_picture_ms.get_or_insert(ms(after));
    }

    /// Takes the counters of now.
    pub(crate) fn take(&mut self, session: SessionStats, sender: SenderStats) {
        if let Some(last) = &self.last {
            self.stats = figures(last, &session, &sender, self.stats.first_picture_ms);
            self.measured = true;
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
    let latency = now.video.latency;
    let sending = sender.encoded > last.sender.encoded;
    let stretched = Stretched::between(&last.session.audio, &now.audio);
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
        received_codec: now.video.codec.map(|codec| codec.name().into()).unwrap_or_default(),
        received_dropped: whole(now.video.dropped + now.video.decode_errors),
        sent_dropped: whole(sender.dropped + sender.errors + peer.frames_dropped),
        keyframes_sent: whole(sender.keyframes),
        plis_sent: whole(peer.plis_sent),
        plis_received: whole(peer.plis_received),
        playout_delay_ms: ms(now.video.playout_delay),
        received_kbps: kbps(peer.bytes_received, before.bytes_received),
        sent_kbps: kbps(peer.bytes_sent, before.bytes_sent),
        estimate_kbps: share(peer.estimate.bps(), 1_000),
        sent_loss: f64::from(peer.fraction_lost_by_peer),
        received_loss: if lost + came > 0.0 { lost / (lost + came) } else { 0.0 },
        rtt_ms: peer.rtt.map(ms),
        jitter_ms: ms(now.video.jitter),
        nacks_sent: whole(peer.nacks_sent),
        nacks_received: whole(peer.nacks_received),
        packets_resent: whole(peer.packets_resent),
        packets_recovered: whole(peer.packets_recovered),
        fec_recovered: whole(peer.packets_restored),
        concealed: stretched.concealed,
        audio_repaired: stretched.repaired,
        audio_accelerated: stretched.accelerated,
        audio_expanded: stretched.expanded,
        audio_delay_ms: ms(now.audio.current_delay),
        audio_target_delay_ms: ms(now.audio.target_delay),
        audio_jitter_ms: ms(peer.audio_jitter),
        lip_sync_ms: now.lip_sync_ms,
        freezes: whole(now.video.freezes),
        frozen_ms: ms(now.video.frozen),
        pictures_shown: whole(now.video.shown),
        cpu: cpu(&last.session.machine, &now.machine, seconds),
        machine_busy: busy(&last.session.machine, &now.machine),
        processors: now.machine.processors,
        memory_mib: now.machine.memory.map(|bytes| share(bytes, 1_024 * 1_024)),
    }
}

/// What was done to received sound, as shares of it, 0 to 1.
struct Stretched {
    concealed: f64,
    repaired: f64,
    accelerated: f64,
    expanded: f64,
}

impl Stretched {
    fn between(last: &JitterStats, now: &JitterStats) -> Self {
        let heard = |stats: &JitterStats| stats.decoded_samples + stats.fec_samples + stats.concealed_samples;
        let played = count(heard(now), heard(last));
        let part = |samples: fn(&JitterStats) -> u64| {
            if played > 0.0 { (count(samples(now), samples(last)) / played).min(1.0) } else { 0.0 }
        };
        Self {
            concealed: part(|stats| stats.concealed_samples),
            repaired: part(|stats| stats.fec_samples),
            accelerated: part(|stats| stats.removed_samples),
            expanded: part(|stats| stats.inserted_samples),
        }
    }
}

/// Processor time of this program per second.
fn cpu(last: &Machine, now: &Machine, seconds: f64) -> Option<f64> {
    Some(now.process_time?.saturating_sub(last.process_time?).as_secs_f64() / seconds)
}

/// Share of all processors that was in use.
fn busy(last: &Machine, now: &Machine) -> Option<f64> {
    let (last, now) = (last.load?, now.load?);
    let (busy, idle) = (count(now.busy, last.busy), count(now.idle, last.idle));
    (busy + idle > 0.0).then(|| busy / (busy + idle))
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

/// A counter for the page, whose numbers are floats.
fn whole(counter: u64) -> u32 {
    u32::try_from(counter).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Load;

    #[test]
    fn processor_time_is_per_second_and_of_all_processors() {
        let at = |ms: u64, busy: u64, idle: u64| Machine {
            process_time: Some(Duration::from_millis(ms)),
            load: Some(Load { busy, idle }),
            ..Machine::default()
        };
        let (last, now) = (at(5_000, 1_000, 1_000), at(6_500, 1_150, 1_050));
        assert_eq!(cpu(&last, &now, 2.0), Some(0.75));
        assert_eq!(busy(&last, &now), Some(0.75));
        assert_eq!(busy(&now, &now), None);
        assert_eq!(cpu(&Machine::default(), &now, 1.0), None);
    }

    #[test]
    fn sound_is_counted_in_shares_of_what_was_heard() {
        let last = JitterStats { decoded_samples: 48_000, silent_samples: 960, ..JitterStats::default() };
        let now = JitterStats {
            decoded_samples: 48_000 + 36_000,
            fec_samples: 2_400,
            concealed_samples: 9_600,
            removed_samples: 480,
            silent_samples: 48_000,
            ..last
        };
        let shares = Stretched::between(&last, &now);
        assert_eq!((shares.concealed, shares.repaired), (0.2, 0.05));
        assert_eq!((shares.accelerated, shares.expanded), (0.01, 0.0));
        assert_eq!(Stretched::between(&now, &now).concealed, 0.0);
    }
}
