//! From microphone blocks to Opus packets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::level::LevelMeter;
use super::opus::{OpusApplication, OpusEncoder};
use super::plan::Planner;
use super::{AudioError, BLOCK_SAMPLES, BLOCK_TIME, Block, CaptureProcessor, EchoReference, SAMPLE_RATE_HZ, SILENCE};
use crate::frame::{AudioCopies, EncodedAudio};
use crate::units::Bitrate;

/// A pause between blocks longer than this is a gap in the capture (device changed, machine asleep), not jitter.
const GAP: Duration = Duration::from_millis(100);

/// Packets up to this size only say "silence" (discontinuous transmission).
const SILENCE_PACKET_BYTES: usize = 2;

/// Blocks in the longest packet.
const MAX_BLOCKS: usize = 6;

/// How sound is encoded.
#[derive(Clone, Copy, Debug)]
pub struct AudioSenderConfig {
    /// Bitrate until the first report about the path.
    pub bitrate: Bitrate,
    /// What the encoder is tuned for.
    pub application: OpusApplication,
    /// Share of packets expected to be lost before anything was measured, 0 to 1.
    pub expected_loss: f32,
    /// Send next to nothing during silence.
    pub dtx: bool,
}

impl Default for AudioSenderConfig {
    fn default() -> Self {
        Self { bitrate: Bitrate::from_kbps(32), application: OpusApplication::Voip, expected_loss: 0.05, dtx: true }
    }
}

/// Turns microphone blocks into Opus packets: [`CaptureProcessor`], level meter, mute gate, encoder, in this order.
///
/// A cheap handle; clones share one stream, which goes on when the microphone behind it is exchanged. The work is done in
/// [`block`](Self::block), on the caller's (the microphone worker's) thread.
#[derive(Clone)]
pub struct AudioSender(Arc<Shared>);

struct Shared {
    muted: AtomicBool,
    level: LevelMeter,
    stream: Mutex<Stream>,
}

/// What it takes to make the next packet.
struct Stream {
    processor: Box<dyn CaptureProcessor>,
    reference: EchoReference,
    encoder: OpusEncoder,
    sink: Box<dyn FnMut(EncodedAudio) + Send>,
    planner: Planner,
    /// Samples of the next packet so far, and when the first was captured.
    pending: Vec<i16>,
    began_at: Instant,
    /// Position of the next packet's first sample.
    next_sample: u64,
    /// When the last block began.
    last_block_at: Option<Instant>,
    /// The last packet said "silence".
    silent: bool,
}

impl std::fmt::Debug for AudioSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioSender").field("muted", &self.muted()).finish_non_exhaustive()
    }
}

impl AudioSender {
    /// A new stream beginning at sample 0. `sink` is given every packet, on the thread that calls [`block`](Self::block).
    ///
    /// # Errors
    /// [`AudioError::Failed`] when libopus refuses the settings.
    pub fn start(
        config: &AudioSenderConfig,
        processor: Box<dyn CaptureProcessor>,
        reference: EchoReference,
        sink: impl FnMut(EncodedAudio) + Send + 'static,
    ) -> Result<Self, AudioError> {
        let mut encoder = OpusEncoder::new(config.application, config.bitrate, config.dtx)?;
        encoder.set_loss(config.expected_loss)?;
        let planner = Planner::new(config.bitrate, config.expected_loss);
        let stream = Stream {
            processor,
            reference,
            encoder,
            sink: Box::new(sink),
            planner,
            pending: Vec::with_capacity(MAX_BLOCKS * BLOCK_SAMPLES),
            began_at: Instant::now(),
            next_sample: 0,
            last_block_at: None,
            silent: false,
        };
        Ok(Self(Arc::new(Shared {
            muted: AtomicBool::new(false),
            level: LevelMeter::default(),
            stream: Mutex::new(stream),
        })))
    }

    /// Takes the next 10 ms of the microphone; `captured_at` is the moment of their first sample. Every so many
    /// calls make a packet, unless there is only silence to tell.
    pub fn block(&self, samples: &Block, captured_at: Instant) {
        let mut stream = self.stream();
        stream.note_gap(captured_at);
        let mut block = *samples;
        let reference = stream.reference.next(captured_at);
        stream.processor.process(&mut block, &reference);
        self.0.level.measure(&block);
        // Silence instead of nothing: the encoder fades out by itself, then sends next to nothing.
        stream.encode(captured_at, if self.muted() { SILENCE } else { block });
    }

    /// While muted the other side hears silence; the level still shows what the microphone hears.
    pub fn set_muted(&self, muted: bool) {
        self.0.muted.store(muted, Ordering::Relaxed);
    }

    /// Whether the gate is closed.
    pub fn muted(&self) -> bool {
        self.0.muted.load(Ordering::Relaxed)
    }

    /// Takes a report about the path, about one a second: share of our packets that the other side misses (0 to 1), round
    /// trip, and what the path carries for picture, sound and repair together. Length of packets, bitrate and protection
    /// follow. Returns the bitrate of packets and copies, without headers.
    pub fn on_network(&self, loss: f32, rtt: Duration, budget: Bitrate) -> Bitrate {
        let mut stream = self.stream();
        let before = stream.planner.plan();
        let plan = stream.planner.report(loss, rtt, budget);
        let loss = stream.planner.loss();
        if plan != before {
            tracing::info!(kbps = plan.bitrate.kbps(), packet_ms = plan.packet_time().as_millis(), copies = ?plan.copies, "sound");
        }
        if let Err(error) = stream.encoder.follow(plan, loss) {
            tracing::warn!(%error, "opus refused the plan");
        }
        plan.total()
    }

    /// Loudness of the microphone, muted or not: 0 at -60 dBFS, 1 at 0 dBFS.
    pub fn level(&self) -> f32 {
        self.0.level.level()
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.0.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Sample positions follow the samples; only where capture itself paused they follow the clock, so that the other side
    /// sees a silence and not a delay.
    fn note_gap(&mut self, at: Instant) {
        let expected = self.last_block_at.replace(at).map(|last| last + BLOCK_TIME);
        let Some(gap) = expected.and_then(|e| at.checked_duration_since(e)).filter(|gap| *gap > GAP) else { return };
        self.pending.clear();
        let samples = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX).saturating_mul(48) / 1_000;
        let block = BLOCK_SAMPLES as u64;
        self.next_sample = self.next_sample.saturating_add(samples / block * block);
        tracing::debug!(gap_ms = gap.as_millis(), "capture paused");
    }

    fn encode(&mut self, captured_at: Instant, block: Block) {
        if self.pending.is_empty() {
            self.began_at = captured_at;
        }
        self.pending.extend_from_slice(&block);
        let plan = self.planner.plan();
        if self.pending.len() < plan.blocks * BLOCK_SAMPLES {
            return;
        }
        // The plan may have become shorter meanwhile: any number of blocks up to six is a packet, or several.
        let samples = std::mem::take(&mut self.pending);
        let mut rest = &samples[..];
        while !rest.is_empty() {
            let (packet, after) = rest.split_at(packet_samples(rest.len()));
            let skipped = BLOCK_TIME * u32::try_from((samples.len() - rest.len()) / BLOCK_SAMPLES).unwrap_or(0);
            self.encode_packet(packet, self.began_at + skipped, plan.copies);
            rest = after;
        }
        self.pending = samples;
        self.pending.clear();
    }

    fn encode_packet(&mut self, samples: &[i16], began_at: Instant, copies: AudioCopies) {
        let first_sample = self.next_sample;
        self.next_sample += samples.len() as u64;
        let data = match self.encoder.encode(samples) {
            Ok(data) => data,
            Err(error) => return tracing::warn!(%error, "opus encoder failed"),
        };
        // The first "silence" packet tells the other side that the gap to come is no loss; the rest need not be sent.
        let was_silent = std::mem::replace(&mut self.silent, data.len() <= SILENCE_PACKET_BYTES);
        if !(was_silent && self.silent) {
            (self.sink)(EncodedAudio { data, captured_at: began_at, first_sample, copies });
        }
    }
}

/// The longest packet Opus makes of at most `samples`.
fn packet_samples(samples: usize) -> usize {
    [6, 4, 2, 1].map(|blocks| blocks * BLOCK_SAMPLES).into_iter().find(|&len| len <= samples).unwrap_or(samples)
}

const _: () = assert!(SAMPLE_RATE_HZ == 48_000 && BLOCK_SAMPLES == 480);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::PassThrough;

    fn sender() -> (AudioSender, Arc<Mutex<Vec<EncodedAudio>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let sink = sent.clone();
        let sender = AudioSender::start(
            &AudioSenderConfig::default(),
            Box::new(PassThrough),
            EchoReference::default(),
            move |packet| sink.lock().unwrap().push(packet),
        )
        .unwrap();
        (sender, sent)
    }

    fn feed(sender: &AudioSender, at: &mut Instant, blocks: usize) {
        let mut tone = super::super::tone::Tone::default();
        for _ in 0..blocks {
            sender.block(&tone.next_block(), *at);
            *at += BLOCK_TIME;
        }
    }

    #[test]
    fn packets_follow_the_samples_and_silence_is_hardly_sent() {
        let (sender, sent) = sender();
        let mut at = Instant::now();
        feed(&sender, &mut at, 60);
        {
            let sent = sent.lock().unwrap();
            assert_eq!(sent.len(), 30);
            assert!(sent.windows(2).all(|w| w[1].first_sample - w[0].first_sample == 960));
            assert!(sent.windows(2).all(|w| w[1].captured_at - w[0].captured_at == 2 * BLOCK_TIME));
        }
        sender.set_muted(true);
        feed(&sender, &mut at, 380);
        let muted = sent.lock().unwrap().len() - 30;
        assert!(muted < 60, "{muted} packets in 3.8 s of silence");
        assert!(sender.level() > 0.5, "the meter shows the microphone while muted");
        sender.set_muted(false);
        feed(&sender, &mut at, 2);
        let last = sent.lock().unwrap().last().unwrap().clone();
        assert_eq!(last.first_sample, 960 * 220, "positions went on during silence");
    }

    #[test]
    fn packets_become_shorter_and_longer_without_a_gap() {
        let (sender, sent) = sender();
        let mut at = Instant::now();
        let rtt = Duration::from_millis(30);
        for (kbps, samples) in [(5_000, 480), (40, 2_880), (5_000, 480)] {
            (0..30).for_each(|_| _ = sender.on_network(0.0, rtt, Bitrate::from_kbps(kbps)));
            feed(&sender, &mut at, 62);
            let last = sent.lock().unwrap().last().unwrap().clone();
            assert_eq!(super::super::opus::packet_samples(&last.data), Some(samples));
        }
        let sent = sent.lock().unwrap();
        for pair in sent.windows(2) {
            let samples = super::super::opus::packet_samples(&pair[0].data).unwrap() as u64;
            assert_eq!(pair[1].first_sample - pair[0].first_sample, samples);
            assert_eq!(pair[1].captured_at - pair[0].captured_at, Duration::from_micros(samples * 1_000 / 48));
        }
    }

    #[test]
    fn a_pause_of_the_capture_moves_the_position_with_the_clock() {
        let (sender, sent) = sender();
        let mut at = Instant::now();
        feed(&sender, &mut at, 4);
        at += Duration::from_secs(2);
        feed(&sender, &mut at, 2);
        let sent = sent.lock().unwrap();
        assert_eq!(sent[2].first_sample - sent[1].first_sample, 960 + 96_000);
    }
}
