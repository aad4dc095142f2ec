//! From microphone blocks to Opus packets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::level::LevelMeter;
use super::opus::{OpusApplication, OpusEncoder, PACKET_SAMPLES};
use super::{AudioError, BLOCK_SAMPLES, BLOCK_TIME, Block, CaptureProcessor, EchoReference, SAMPLE_RATE_HZ, SILENCE};
use crate::frame::EncodedAudio;
use crate::units::Bitrate;

/// A pause between blocks longer than this is a gap in the capture (device changed, machine asleep), not jitter.
const GAP: Duration = Duration::from_millis(100);

/// Packets up to this size only say "silence" (discontinuous transmission).
const SILENCE_PACKET_BYTES: usize = 2;

/// How sound is encoded.
#[derive(Clone, Copy, Debug)]
pub struct AudioSenderConfig {
    /// Target bitrate.
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
    /// The first half of a packet and when it was captured.
    first_half: Option<(Instant, Block)>,
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
        let stream = Stream {
            processor,
            reference,
            encoder,
            sink: Box::new(sink),
            first_half: None,
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

    /// Takes the next 10 ms of the microphone; `captured_at` is the moment of their first sample. Every second call makes a
    /// packet, unless there is only silence to tell.
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

    /// Says what share of our packets (0 to 1) the other side loses.
    pub fn set_loss(&self, share: f32) {
        if let Err(error) = self.stream().encoder.set_loss(share) {
            tracing::warn!(%error, "opus refused the loss share");
        }
    }

    /// Changes the target bitrate.
    pub fn set_bitrate(&self, bitrate: Bitrate) {
        if let Err(error) = self.stream().encoder.set_bitrate(bitrate) {
            tracing::warn!(%error, "opus refused the bitrate");
        }
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
        self.first_half = None;
        let samples = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX).saturating_mul(48) / 1_000;
        let packet = PACKET_SAMPLES as u64;
        self.next_sample = self.next_sample.saturating_add(samples / packet * packet);
        tracing::debug!(gap_ms = gap.as_millis(), "capture paused");
    }

    fn encode(&mut self, captured_at: Instant, block: Block) {
        let Some((began_at, first_half)) = self.first_half.take() else {
            self.first_half = Some((captured_at, block));
            return;
        };
        let mut samples = [0; PACKET_SAMPLES];
        samples[..BLOCK_SAMPLES].copy_from_slice(&first_half);
        samples[BLOCK_SAMPLES..].copy_from_slice(&block);
        let first_sample = self.next_sample;
        self.next_sample += PACKET_SAMPLES as u64;
        let data = match self.encoder.encode(&samples) {
            Ok(data) => data,
            Err(error) => return tracing::warn!(%error, "opus encoder failed"),
        };
        // The first "silence" packet tells the other side that the gap to come is no loss; the rest need not be sent.
        let was_silent = std::mem::replace(&mut self.silent, data.len() <= SILENCE_PACKET_BYTES);
        if !(was_silent && self.silent) {
            (self.sink)(EncodedAudio { data, captured_at: began_at, first_sample });
        }
    }
}

const _: () = assert!(SAMPLE_RATE_HZ == 48_000 && PACKET_SAMPLES == 2 * BLOCK_SAMPLES);

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
