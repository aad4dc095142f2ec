//! Deciding what is heard next.

use super::stretch::{self, Need};
use super::{AudioJitterBuffer, BlockKind, MS};
use crate::audio::opus::{MAX_PACKET_SAMPLES, carries_fec};

/// 10 ms of samples.
const BLOCK: i64 = 480;

/// Opus makes up sound in steps of 2.5 ms.
const CONCEAL_STEP: usize = 120;

/// Delay over the target that makes playout run faster, and under it that makes it run slower.
const SHORTEN_OVER: f64 = 10.0 * MS as f64;
const LENGTHEN_UNDER: f64 = -2.0 * MS as f64;

/// Beyond this error every packet is stretched, alike or not; below, at most every third.
const URGENT: f64 = 50.0 * MS as f64;
const PACKETS_BETWEEN_STRETCHES: u32 = 3;

/// Samples that must be left when playout runs faster.
const KEEP: i64 = 20 * MS;

/// Delay over the target at which whole packets are thrown away, provided enough wait behind them.
const SKIP_OVER: i64 = 200 * MS;

/// The error is smoothed over about this many blocks, so that the 10 ms grid does not look like an error.
const SMOOTHING: f64 = 8.0;

/// Where playout is.
///
/// ```text
/// Waiting --first packet is due--> Playing --no packet there--> Starved
///    ^                              ^  |                           |
///    |                              |  +---------------------------+
///    +--time line started over--    +-- packet there (after silence: and due)
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Playout {
    /// Nothing was played yet.
    Waiting,
    /// Sound flows.
    Playing(Cursor),
    /// There is nothing to play: sound is made up and the media time stands still, so that a late packet is still good.
    Starved {
        /// Where to go on.
        cursor: Cursor,
        /// Samples made up so far.
        made_up: i64,
        /// How many of them were counted as concealed.
        concealed: i64,
        /// The sender has nothing to say.
        silent: bool,
    },
}

/// A place in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// Media time of the next sample to be decoded.
    pub(super) next: i64,
    /// Sequence number of the last packet played.
    sequence: i64,
    /// Length of the last packet played, in samples.
    samples: i64,
}

impl AudioJitterBuffer {
    /// Media time of the next sample to be heard.
    pub(super) fn playing(&self, cursor: Cursor) -> i64 {
        cursor.next - i64::try_from(self.queue.len()).expect("a few thousand at most")
    }

    /// Keeps the smoothed distance from the target up to date; called once for each block.
    pub(super) fn track_error(&mut self, now: i64) {
        if let Playout::Playing(cursor) = self.playout {
            let error = self.delay.error(now, self.playing(cursor)) as f64;
            self.error += (error - self.error) / SMOOTHING;
        }
    }

    /// Adds something to the queue.
    pub(super) fn produce(&mut self, now: i64) {
        match self.playout {
            Playout::Waiting => match self.packets.first() {
                Some((ts, packet)) if self.delay.error(now, ts) >= 0 => {
                    let cursor = Cursor { next: ts, sequence: packet.sequence - 1, samples: packet.samples };
                    self.go_on(cursor, now);
                }
                _ => self.play(&[0; 480], BlockKind::Silence),
            },
            Playout::Playing(cursor) => {
                self.stats.late += self.packets.drop_before(cursor.next);
                match self.packets.first().map(|(ts, _)| ts) {
                    Some(ts) if ts <= cursor.next => self.play_first(cursor, now),
                    // So far behind was nobody who listened: the machine slept. What was missed is not made up for.
                    Some(ts) if self.delay.error(now, self.playing(cursor)) > SKIP_OVER => {
                        self.go_on(Cursor { next: ts, ..cursor }, now);
                    }
                    Some(ts) => self.bridge(cursor, ts - cursor.next),
                    None => self.starve(cursor, 0, 0, self.packets.ended_in_silence()),
                }
            }
            Playout::Starved { cursor, made_up, concealed, silent } => {
                match self.packets.first().map(|(ts, packet)| (ts, packet.sequence)) {
                    Some((ts, sequence)) if ts > cursor.next => {
                        self.resume(cursor, (made_up, concealed), (ts, sequence), now);
                    }
                    Some(_) => self.go_on(cursor, now),
                    None => self.starve(cursor, made_up, concealed, silent),
                }
            }
        }
    }

    fn go_on(&mut self, cursor: Cursor, now: i64) {
        self.playout = Playout::Playing(cursor);
        self.error = self.delay.error(now, self.playing(cursor)) as f64;
    }

    /// Nothing is there: makes up 10 ms while media time stands still.
    fn starve(&mut self, cursor: Cursor, made_up: i64, concealed: i64, silent: bool) {
        let (kind, counted) = if silent { (BlockKind::Silence, 0) } else { (BlockKind::Concealed, BLOCK) };
        self.playout = Playout::Starved { cursor, made_up: made_up + BLOCK, concealed: concealed + counted, silent };
        self.make_up(BLOCK, kind);
    }

    /// A packet of the future came after nothing: were packets lost before it, or was the sender silent?
    fn resume(&mut self, cursor: Cursor, (made_up, concealed): (i64, i64), (ts, sequence): (i64, i64), now: i64) {
        let gap = ts - cursor.next;
        if gap <= (sequence - cursor.sequence - 1) * cursor.samples {
            // What was made up meanwhile stands for what was lost, so the delay stays what it was.
            return self.go_on(Cursor { next: cursor.next + made_up.min(gap), ..cursor }, now);
        }
        // The announcement of the silence was lost or never made: what was made up was no concealment.
        let miscounted = u64::try_from(concealed).unwrap_or(0);
        self.stats.concealed_samples = self.stats.concealed_samples.saturating_sub(miscounted);
        self.stats.silent_samples += miscounted;
        if self.delay.error(now, ts) < 0 {
            self.starve(cursor, made_up, 0, true);
        } else {
            self.go_on(Cursor { next: ts, ..cursor }, now);
        }
    }

    /// Fills a hole of `gap` samples before the first waiting packet, or a part of it.
    fn bridge(&mut self, cursor: Cursor, gap: i64) {
        let Some((_, packet)) = self.packets.first() else { return };
        let missing = packet.sequence - cursor.sequence - 1;
        let copy = if missing > 0 && carries_fec(&packet.data) { packet.samples } else { 0 };
        let filled = if gap <= copy {
            let data = packet.data.clone();
            self.recover(&data, copy, gap);
            gap
        } else {
            let part = (gap - copy).min(BLOCK);
            self.make_up(part, if missing > 0 { BlockKind::Concealed } else { BlockKind::Silence });
            part
        };
        self.playout = Playout::Playing(Cursor { next: cursor.next + filled, ..cursor });
    }

    /// Decodes the copy of a lost packet; only its last `wanted` samples are still to be played.
    fn recover(&mut self, next_packet: &[u8], samples: i64, wanted: i64) {
        let mut out = [0; MAX_PACKET_SAMPLES];
        let len = usize::try_from(samples).unwrap_or(0).min(MAX_PACKET_SAMPLES);
        let skipped = len - usize::try_from(wanted).unwrap_or(0).min(len);
        match self.decoder.decode_fec(next_packet, &mut out[..len]) {
            Ok(_) => self.play(&out[skipped..len], BlockKind::Fec),
            Err(_) => self.make_up(wanted, BlockKind::Concealed),
        }
    }

    /// Plays the first waiting packet, which begins at or before the cursor.
    fn play_first(&mut self, cursor: Cursor, now: i64) {
        let Some((ts, packet)) = self.packets.take_first() else { return };
        let missing = packet.sequence - cursor.sequence - 1;
        self.stats.lost += u64::try_from(missing).unwrap_or(0);
        self.delay.note_played(missing == 1 && carries_fec(&packet.data));
        let after = Cursor { next: ts + packet.samples, sequence: packet.sequence, samples: packet.samples };
        self.playout = Playout::Playing(after);
        let waiting = self.packets.end().map_or(0, |end| end - after.next);
        if self.delay.error(now, self.playing(after)) > SKIP_OVER && waiting > self.delay.target() {
            self.stats.skipped += 1;
            self.error -= packet.samples as f64;
            return;
        }
        let mut out = [0; MAX_PACKET_SAMPLES];
        match self.decoder.decode(&packet.data, &mut out) {
            Ok(len) => {
                let played = usize::try_from(cursor.next - ts).unwrap_or(0).min(len);
                self.stretch_and_push(out[played..len].to_vec(), waiting);
            }
            Err(_) => {
                self.stats.broken += 1;
                self.make_up(after.next - cursor.next, BlockKind::Concealed);
            }
        }
    }

    fn stretch_and_push(&mut self, mut samples: Vec<i16>, waiting: i64) {
        self.packets_since_stretch += 1;
        let urgent = self.error.abs() > URGENT;
        let need = if urgent { Need::Urgent } else { Need::Gentle };
        if urgent || self.packets_since_stretch >= PACKETS_BETWEEN_STRETCHES {
            let left = waiting + i64::try_from(self.queue.len() + samples.len()).unwrap_or(i64::MAX / 2);
            if self.error > SHORTEN_OVER && left > 2 * KEEP {
                let removed = stretch::shorten(&mut samples, need);
                self.note_stretch(removed);
                self.error -= removed as f64;
                self.stats.removed_samples += removed as u64;
            } else if self.error < LENGTHEN_UNDER {
                let inserted = stretch::lengthen(&mut samples, need);
                self.note_stretch(inserted);
                self.error += inserted as f64;
                self.stats.inserted_samples += inserted as u64;
            }
        }
        self.play(&samples, BlockKind::Decoded);
    }

    fn note_stretch(&mut self, samples: usize) {
        if samples > 0 {
            self.packets_since_stretch = 0;
        }
    }

    /// Lets the decoder make up `samples`: a continuation after sound, comfort noise after silence.
    fn make_up(&mut self, samples: i64, kind: BlockKind) {
        let mut out = [0; MAX_PACKET_SAMPLES];
        let wanted = usize::try_from(samples).unwrap_or(0).min(MAX_PACKET_SAMPLES);
        let made = wanted.next_multiple_of(CONCEAL_STEP);
        if self.decoder.conceal(&mut out[..made]).is_err() {
            out.fill(0);
        }
        self.play(&out[..wanted], kind);
    }

    fn play(&mut self, samples: &[i16], kind: BlockKind) {
        let count = samples.len() as u64;
        match kind {
            BlockKind::Decoded => self.stats.decoded_samples += count,
            BlockKind::Fec => self.stats.fec_samples += count,
            BlockKind::Concealed => self.stats.concealed_samples += count,
            BlockKind::Silence => self.stats.silent_samples += count,
        }
        self.queue.push(samples, kind);
    }
}
