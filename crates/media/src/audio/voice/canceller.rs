//! Echo cancellation: AEC3 of libwebrtc, in its Rust port `sonora-aec3`, over the whole band.

use sonora::three_band_filter_bank::ThreeBandFilterBank;
use sonora_aec3::block::Block;
use sonora_aec3::block_processor::BlockProcessor;
use sonora_aec3::config::EchoCanceller3Config;

use super::Frame;
use crate::audio::SAMPLE_RATE_HZ;

/// Bands of 8 kHz each. The adaptive filter works on the lowest, what is left of the echo is suppressed in all.
const BANDS: usize = 3;

/// Samples of 10 ms in one band.
const BAND_SAMPLES: usize = 160;

/// Samples of one band that AEC3 works on at once: 4 ms.
const BLOCK: usize = 64;

/// What waits in [`Pending`] at most: two whole blocks go in every 10 ms, or three, so less than one stays.
const PENDING: usize = BAND_SAMPLES + BLOCK;

/// Samples between what goes in and what comes out: 160 is two blocks and a half.
const LAG: usize = BLOCK / 2;

type Bands = [[f32; BAND_SAMPLES]; BANDS];

/// Removes the echo of what the speaker plays.
pub(super) struct EchoCanceller {
    played: Split,
    heard: Split,
    processor: BlockProcessor,
    played_block: Block,
    heard_block: Block,
    /// The last two blocks heard, older first, and whether AEC3 has not seen them: it gives back every block one later, so
    /// the older of them comes out next.
    recent: [Block; 2],
    idle: bool,
    cleaned: Pending,
}

/// One stream on its way into bands and blocks.
struct Split {
    bank: ThreeBandFilterBank,
    bands: Bands,
    pending: Pending,
}

/// Samples of every band that did not fill a block, or a frame, yet.
struct Pending {
    samples: [[f32; PENDING]; BANDS],
    len: usize,
}

impl Pending {
    fn new(len: usize) -> Self {
        Self { samples: [[0.0; PENDING]; BANDS], len }
    }

    fn push<'a>(&mut self, count: usize, band: impl Fn(usize) -> &'a [f32]) {
        for (i, samples) in self.samples.iter_mut().enumerate() {
            samples[self.len..self.len + count].copy_from_slice(band(i));
        }
        self.len += count;
    }

    fn take(&mut self, count: usize, mut give: impl FnMut(usize, &[f32])) {
        for (i, samples) in self.samples.iter_mut().enumerate() {
            give(i, &samples[..count]);
            samples.copy_within(count..self.len, 0);
        }
        self.len -= count;
    }
}

impl Split {
    fn new() -> Self {
        Self { bank: ThreeBandFilterBank::new(), bands: [[0.0; BAND_SAMPLES]; BANDS], pending: Pending::new(0) }
    }

    fn push(&mut self, frame: &Frame) {
        self.bank.analysis(frame, &mut self.bands);
        self.pending.push(BAND_SAMPLES, |i| &self.bands[i]);
    }

    /// As [`push`](Self::push) of a frame of nothing, after which nothing was pushed for long.
    fn push_silence(&mut self) {
        self.pending.push(BAND_SAMPLES, |_| &[0.0; BAND_SAMPLES]);
    }

    fn take(&mut self, block: &mut Block) {
        self.pending.take(BLOCK, |i, samples| block.view_mut(i, 0).copy_from_slice(samples));
    }
}

impl EchoCanceller {
    /// A canceller that knows nothing of the room yet.
    pub(super) fn new() -> Self {
        Self::with(&tuning())
    }

    /// As [`new`](Self::new), with another tuning.
    pub(super) fn with(config: &EchoCanceller3Config) -> Self {
        Self {
            played: Split::new(),
            heard: Split::new(),
            processor: BlockProcessor::new(config, SAMPLE_RATE_HZ as usize, 1, 1),
            played_block: Block::new(BANDS, 1),
            heard_block: Block::new(BANDS, 1),
            recent: [Block::new(BANDS, 1), Block::new(BANDS, 1)],
            idle: false,
            cleaned: Pending::new(LAG),
        }
    }

    /// Takes the echo of `played` out of `mic`, which comes out a few milliseconds later. `clipped`: the microphone was
    /// driven too hard, so that its echo is no echo that a filter could model.
    pub(super) fn process(&mut self, mic: &mut Frame, played: &Frame, clipped: bool) {
        if std::mem::take(&mut self.idle) {
            self.wake();
        }
        self.played.push(played);
        self.run(mic, |canceller| {
            canceller.processor.buffer_render(&canceller.played_block);
            canceller.processor.process_capture(false, clipped, None, &mut canceller.heard_block);
        });
    }

    /// Only delays `mic` as [`process`](Self::process) does: for when nothing was played for long. What was learnt of the
    /// room stays.
    pub(super) fn idle(&mut self, mic: &mut Frame) {
        self.idle = true;
        self.played.push_silence();
        self.run(mic, |canceller| copy(&canceller.recent[0], &mut canceller.heard_block));
    }

    /// Shows AEC3 the last blocks before it goes on, or what it kept of the time before would be heard.
    fn wake(&mut self) {
        let silence = Block::new(BANDS, 1);
        for block in &self.recent {
            copy(block, &mut self.heard_block);
            self.processor.buffer_render(&silence);
            self.processor.process_capture(false, false, None, &mut self.heard_block);
        }
    }

    fn run(&mut self, mic: &mut Frame, clean_block: impl Fn(&mut Self)) {
        self.heard.push(mic);
        while self.heard.pending.len >= BLOCK {
            self.played.take(&mut self.played_block);
            self.heard.take(&mut self.heard_block);
            self.recent.swap(0, 1);
            copy(&self.heard_block, &mut self.recent[1]);
            clean_block(self);
            self.cleaned.push(BLOCK, |i| self.heard_block.view(i, 0));
        }
        let bands = &mut self.heard.bands;
        self.cleaned.take(BAND_SAMPLES, |i, samples| bands[i].copy_from_slice(samples));
        self.heard.bank.synthesis(&self.heard.bands, mic);
    }
}

fn copy(from: &Block, to: &mut Block) {
    for band in 0..BANDS {
        to.view_mut(band, 0).copy_from_slice(from.view(band, 0));
    }
}

/// How AEC3 is set: as in libwebrtc, but for what keeps more of a voice in double talk at the same cancellation.
pub(super) fn tuning() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    // 96 ms of room in the filter, for 52: what the filter takes away need not be suppressed.
    config.filter.refined.length_blocks = 24;
    config.filter.coarse.length_blocks = 24;
    config.filter.refined_initial.length_blocks = 20;
    config.filter.coarse_initial.length_blocks = 20;
    // Rooms ring shorter than the default believes while the near end talks, and fewer loud bands are a near end.
    config.ep_strength.nearend_len = 0.5;
    config.ep_strength.use_conservative_tail_frequency_response = false;
    config.suppressor.dominant_nearend_detection.enr_threshold = 0.5;
    config.suppressor.dominant_nearend_detection.snr_threshold = 20.0;
    config.suppressor.dominant_nearend_detection.trigger_threshold = 6;
    config
}
