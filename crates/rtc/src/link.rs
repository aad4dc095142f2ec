//! What the parts of one connection share: numbers, negotiated facts, and the way to tell the engine something.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eyeline_media::frame::VideoCodec;
use eyeline_media::units::Bitrate;

use tokio::sync::Notify;

use crate::acknowledge::Acknowledgement;
use crate::config::PeerConfig;
use crate::estimate::{Advice, Probe};
use crate::events::{Mailbox, PeerEvent};
use crate::fec::LossModel;
use crate::sdp::PayloadTypes;
use crate::send::{SentPictures, Shares};
use crate::stats::PeerStats;

/// Round trip time assumed until one was measured.
pub(crate) const ASSUMED_RTT: Duration = Duration::from_millis(100);

/// Where the estimate begins at most, however wide the path seemed while the connection was set up.
const FAST_START: Bitrate = Bitrate::from_kbps(800);

/// Changes of the encoder's budget by less than this part of it are not worth telling.
const BUDGET_STEP: u64 = 50;

/// What the encoder may make, and what it was told last.
#[derive(Debug, Default)]
struct Budget {
    shares: Shares,
    published: Bitrate,
}

/// What negotiation settled for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) codec: VideoCodec,
    pub(crate) video: u8,
    pub(crate) audio: u8,
    /// Payload type of retransmissions of `video`; without one the packets themselves are sent again.
    pub(crate) rtx: Option<u8>,
    /// Payload type of parity, if the other side takes it.
    pub(crate) parity: Option<u8>,
}

/// The numbers of the streams we send (RFC 3550 section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ssrcs {
    pub(crate) video: u32,
    /// Retransmissions of video.
    pub(crate) rtx: u32,
    pub(crate) parity: u32,
    pub(crate) audio: u32,
}

/// Requested packets that wait for the sending task. More are dropped: their number says that something else is wrong.
const MAX_REQUESTED: usize = 1_024;

/// Shared by the peer, its interceptors and its tasks. Every lock is held for a few instructions only.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) limits: Arc<RateLimits>,
    pub(crate) ssrcs: Ssrcs,
    /// SSRC of the video we receive; 0 before its first packet.
    pub(crate) remote_video_ssrc: AtomicU32,
    /// SSRC of the sound we receive; 0 before its first packet.
    pub(crate) remote_audio_ssrc: AtomicU32,
    /// Media may be sent: the connection was up at least once and is not closed.
    pub(crate) open: AtomicBool,
    pub(crate) closed: AtomicBool,
    /// Payload type under which the other side takes sound with copies; 0 if it does not.
    pub(crate) audio_red: AtomicU8,
    /// Wakes the task that finds out which path is in use.
    pub(crate) path_changed: Notify,
    /// Wakes the sending task: packets were asked for again.
    pub(crate) resend_due: Notify,
    requested: Mutex<Vec<u16>>,
    losses: Mutex<LossModel>,
    pictures: Mutex<SentPictures>,
    budget: Mutex<Budget>,
    target_bps: AtomicU64,
    start_bps: AtomicU64,
    pace_bps: AtomicU64,
    firs: AtomicU8,
    probe: Mutex<Option<Probe>>,
    rtt_us: AtomicU64,
    supposed_rtt_us: AtomicU64,
    stats: Mutex<PeerStats>,
    receiving: Mutex<Arc<PayloadTypes>>,
    sending: Mutex<Option<Sending>>,
    keyframes: Mutex<KeyframeGate>,
}

impl Link {
    pub(crate) fn new(config: &PeerConfig, mailbox: Arc<Mailbox>, ssrcs: Ssrcs) -> Self {
        let start = config.start_bitrate.clamp(config.min_bitrate, config.max_bitrate);
        Self {
            mailbox,
            limits: Arc::new(RateLimits::new(config.min_bitrate, config.max_bitrate)),
            ssrcs,
            remote_video_ssrc: AtomicU32::new(0),
            remote_audio_ssrc: AtomicU32::new(0),
            open: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            audio_red: AtomicU8::new(0),
            path_changed: Notify::new(),
            resend_due: Notify::new(),
            requested: Mutex::default(),
            losses: Mutex::default(),
            pictures: Mutex::default(),
            budget: Mutex::default(),
            target_bps: AtomicU64::new(start.bps()),
            start_bps: AtomicU64::new(start.bps()),
            firs: AtomicU8::new(0),
            pace_bps: AtomicU64::new(start.bps() * 5 / 2),
            probe: Mutex::default(),
            rtt_us: AtomicU64::new(0),
            supposed_rtt_us: AtomicU64::new(0),
            stats: Mutex::default(),
            receiving: Mutex::default(),
            sending: Mutex::default(),
            keyframes: Mutex::default(),
        }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut PeerStats)) {
        change(&mut lock(&self.stats));
    }

    pub(crate) fn snapshot(&self) -> PeerStats {
        let mut stats = lock(&self.stats).clone();
        stats.rtt = self.measured_rtt();
        stats.estimate = self.target();
        stats.video_budget = self.encoder_budget();
        stats.video_codec = self.sending().map(|sending| sending.codec);
        stats
    }

    pub(crate) fn target(&self) -> Bitrate {
        Bitrate::from_bps(self.target_bps.load(Relaxed))
    }

    /// How fast the pacer lets video out.
    pub(crate) fn pace(&self) -> Bitrate {
        Bitrate::from_bps(self.pace_bps.load(Relaxed))
    }

    /// Publishes what the estimator advises.
    pub(crate) fn set_advice(&self, advice: Advice) {
        self.pace_bps.store(advice.pace.bps(), Relaxed);
        self.set_target(advice.target);
    }

    /// Asks the sending task for a probe with what it sends next; replaces one that it did not take.
    pub(crate) fn set_probe(&self, probe: Probe) {
        *lock(&self.probe) = Some(probe);
    }

    pub(crate) fn take_probe(&self) -> Option<Probe> {
        lock(&self.probe).take()
    }

    /// Sets a new estimate, and publishes what the encoder gets of it if that differs.
    pub(crate) fn set_target(&self, target: Bitrate) {
        if self.target_bps.swap(target.bps(), Relaxed) != target.bps() {
            self.publish_budget();
        }
    }

    /// Sets how the target is divided.
    pub(crate) fn set_shares(&self, shares: Shares) {
        lock(&self.budget).shares = shares;
        self.publish_budget();
    }

    /// What the video encoder may make.
    pub(crate) fn encoder_budget(&self) -> Bitrate {
        lock(&self.budget).shares.encoder(self.target())
    }

    fn publish_budget(&self) {
        let rate = {
            let mut budget = lock(&self.budget);
            let rate = budget.shares.encoder(self.target());
            if rate.bps().abs_diff(budget.published.bps()) * BUDGET_STEP < budget.published.bps() {
                return;
            }
            budget.published = rate;
            rate
        };
        self.mailbox.post(PeerEvent::TargetBitrate(rate));
    }

    pub(crate) fn measured_rtt(&self) -> Option<Duration> {
        Some(self.rtt_us.load(Relaxed)).filter(|us| *us > 0).map(Duration::from_micros)
    }

    pub(crate) fn rtt(&self) -> Duration {
        let supposed = Some(self.supposed_rtt_us.load(Relaxed)).filter(|us| *us > 0).map(Duration::from_micros);
        self.measured_rtt().or(supposed).unwrap_or(ASSUMED_RTT)
    }

    pub(crate) fn set_rtt(&self, rtt: Duration) {
        self.rtt_us.store(micros(rtt), Relaxed);
    }

    /// The round trip of connectivity checks, good until media measures it.
    pub(crate) fn suppose_rtt(&self, rtt: Duration) {
        if self.measured_rtt().is_none() {
            self.supposed_rtt_us.store(micros(rtt), Relaxed);
        }
    }

    /// The path seems to take `rate`, by what setting up took on it. Ends with the first media.
    pub(crate) fn suppose_path(&self, rate: Bitrate) {
        let start = self.limits.clamp(rate.bps().min(FAST_START.bps())).max(self.start_bps.load(Relaxed));
        tracing::debug!(%rate, start, "path supposed");
        self.start_bps.store(start, Relaxed);
        if !self.open.load(Relaxed) {
            self.pace_bps.store(start * 5 / 2, Relaxed);
            self.set_target(Bitrate::from_bps(start));
        }
    }

    /// Where the estimate begins.
    pub(crate) fn start(&self) -> Bitrate {
        Bitrate::from_bps(self.start_bps.load(Relaxed))
    }

    pub(crate) fn receiving(&self) -> Arc<PayloadTypes> {
        lock(&self.receiving).clone()
    }

    pub(crate) fn set_receiving(&self, types: PayloadTypes) {
        *lock(&self.receiving) = Arc::new(types);
    }

    pub(crate) fn sending(&self) -> Option<Sending> {
        *lock(&self.sending)
    }

    pub(crate) fn set_sending(&self, sending: Sending) {
        let before = lock(&self.sending).replace(sending);
        if before.map(|before| before.codec) != Some(sending.codec) {
            self.mailbox.post(PeerEvent::VideoCodec(sending.codec));
        }
    }

    /// Gives a packet of ours the number of its stream, by its payload type. The stack takes nothing from a track but the
    /// track's own number, so all video leaves [`send`](crate::send) under that.
    pub(crate) fn own_ssrc(&self, header: &mut rtc::rtp::Header) {
        if header.ssrc != self.ssrcs.video {
            return;
        }
        let Some(sending) = self.sending() else { return };
        if sending.rtx == Some(header.payload_type) {
            header.ssrc = self.ssrcs.rtx;
        } else if sending.parity == Some(header.payload_type) {
            header.ssrc = self.ssrcs.parity;
        }
    }

    /// Feedback says of packets, in the order they were sent, whether they were lost.
    pub(crate) fn note_losses(&self, lost: impl Iterator<Item = bool>) {
        let mut losses = lock(&self.losses);
        lost.for_each(|lost| losses.add(lost));
    }

    pub(crate) fn on_picture_sent(&self, id: u16, captured_at: Instant) {
        lock(&self.pictures).add(id, captured_at);
    }

    /// The other side says which pictures it has.
    pub(crate) fn acknowledge(&self, told: Acknowledgement) {
        lock(&self.pictures).acknowledge(told);
    }

    /// See [`SentPictures::distance`].
    pub(crate) fn distance(&self, id: u16, reference: Instant) -> Option<u8> {
        lock(&self.pictures).distance(id, reference)
    }

    /// Number of the next FIR, one more with each (RFC 5104 section 4.3.1.1).
    pub(crate) fn next_fir(&self) -> u8 {
        self.firs.fetch_add(1, Relaxed)
    }

    pub(crate) fn is_acknowledged(&self, captured_at: Instant) -> bool {
        lock(&self.pictures).is_acknowledged(captured_at)
    }

    /// How the path loses what we send.
    pub(crate) fn losses(&self) -> LossModel {
        lock(&self.losses).clone()
    }

    /// The other side asked for video packets again.
    pub(crate) fn request_resend(&self, sequences: impl Iterator<Item = u16>) {
        let mut requested = lock(&self.requested);
        let room = MAX_REQUESTED - requested.len();
        requested.extend(sequences.take(room));
        drop(requested);
        self.resend_due.notify_one();
    }

    pub(crate) fn take_requested(&self) -> Vec<u16> {
        std::mem::take(&mut lock(&self.requested))
    }

    /// The other side asked for a keyframe ([`PeerEvent::KeyframeRequested`]), or for anything that it can go on from
    /// ([`PeerEvent::RecoveryRequested`]).
    pub(crate) fn on_keyframe_request(&self, now: Instant, request: PeerEvent) {
        if lock(&self.keyframes).honours(now, self.rtt()) {
            self.mailbox.post(request);
        }
    }

    pub(crate) fn on_keyframe_sent(&self, now: Instant) {
        lock(&self.keyframes).sent = Some(now);
    }

    /// Whether a keyframe may be asked of the other side now; counts as asked if so.
    pub(crate) fn may_request_keyframe(&self, now: Instant) -> bool {
        lock(&self.keyframes).may_request(now, self.rtt())
    }
}

/// At least one, as 0 stands for unknown.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bounds of the estimate, changeable while it runs.
#[derive(Debug)]
pub(crate) struct RateLimits {
    min_bps: AtomicU64,
    max_bps: AtomicU64,
}

impl RateLimits {
    pub(crate) fn new(min: Bitrate, max: Bitrate) -> Self {
        Self { min_bps: AtomicU64::new(min.bps()), max_bps: AtomicU64::new(max.bps().max(min.bps())) }
    }

    pub(crate) fn set_max(&self, max: Bitrate) {
        self.max_bps.store(max.bps().max(self.min_bps.load(Relaxed)), Relaxed);
    }

    pub(crate) fn clamp(&self, bps: u64) -> u64 {
        bps.clamp(self.min_bps.load(Relaxed), self.max_bps.load(Relaxed).max(self.min_bps.load(Relaxed)))
    }
}

/// Shortest time between two keyframe requests we send, and between two we pass on.
const KEYFRAME_SPACING: Duration = Duration::from_millis(200);

/// Keeps keyframe requests from piling up in either direction.
#[derive(Debug, Default)]
struct KeyframeGate {
    sent: Option<Instant>,
    honoured: Option<Instant>,
    requested: Option<Instant>,
}

impl KeyframeGate {
    /// A request that must have left before our newest keyframe arrived there is answered already.
    fn honours(&mut self, now: Instant, rtt: Duration) -> bool {
        let answered = self.sent.is_some_and(|sent| now.saturating_duration_since(sent) < rtt);
        let repeated = self.honoured.is_some_and(|at| now.saturating_duration_since(at) < KEYFRAME_SPACING);
        if answered || repeated {
            return false;
        }
        self.honoured = Some(now);
        true
    }

    fn may_request(&mut self, now: Instant, rtt: Duration) -> bool {
        let spacing = KEYFRAME_SPACING.max(rtt);
        if self.requested.is_some_and(|at| now.saturating_duration_since(at) < spacing) {
            return false;
        }
        self.requested = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(300);

    #[test]
    fn requests_in_flight_with_a_keyframe_are_answered_by_it() {
        let start = Instant::now();
        let mut gate = KeyframeGate::default();
        assert!(gate.honours(start, RTT));
        gate.sent = Some(start);
        assert!(!gate.honours(start + Duration::from_millis(290), RTT));
        assert!(gate.honours(start + Duration::from_millis(310), RTT));
        assert!(!gate.honours(start + Duration::from_millis(320), RTT));
    }

    #[test]
    fn own_requests_keep_a_round_trip_apart() {
        let start = Instant::now();
        let mut gate = KeyframeGate::default();
        assert!(gate.may_request(start, RTT));
        assert!(!gate.may_request(start + Duration::from_millis(299), RTT));
        assert!(gate.may_request(start + RTT, RTT));
    }
}
