//! Deciding what is heard next.

use super::packets::Stored;
use super::stretch::{self, Need};
use super::{AudioJitterBuffer, BlockKind, MS};
use crate::audio::opus::{MAX_PACKET_SAMPLES, carries_fec};

/// 10 ms of samples.
const BLOCK: i64 = 480;

/// Opus makes up sound in steps of 2.5 ms.
const CONCEAL_STEP: usize = 120;

/// What must be left over when a whole block less is waited, so that it is not waited for again at once.
const SPARE: i64 = 2 * MS;

/// Beyond this error sound is stretched wherever it is, alike or not.
const URGENT: i64 = 80 * MS;
/// Beyond this one, more often than otherwise.
const PRESSING: i64 = 20 * MS;
/// Sound between two stretches, so that they are not heard as a changed voice.
const BETWEEN_STRETCHES: i64 = 60 * MS;
const BETWEEN_PRESSING: i64 = 20 * MS;

/// Delay over the target at which whole packets are thrown away, provided enough wait behind them.
const SKIP_OVER: i64 = 200 * MS;

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

    /// Takes note of the delay of what is played now; called once for each block.
    pub(super) fn track_delay(&mut self, now: i64) {
        if let Playout::Playing(cursor) = self.playout {
            self.pulls.note(self.delay.delay(now, self.playing(cursor)));
        }
    }

    /// Samples of the queue that are left when the next packet is needed: delay that helps against nothing.
    fn left_over(&self) -> i64 {
        i64::try_from(self.queue.len()).expect("a few thousand at most") % BLOCK
    }

    /// By how much media has more delay than it must have when it is needed; negative when it has less.
    fn slack(&self, now: i64, cursor: Cursor) -> i64 {
        let delay = self.pulls.smallest().unwrap_or_else(|| self.delay.delay(now, self.playing(cursor)));
        delay - self.left_over() - self.delay.target()
    }

    /// Whether sound that begins with media time `ts` would begin too soon.
    fn is_early(&self, now: i64, ts: i64) -> bool {
        self.delay.delay(now, ts) < self.delay.target() + self.pulls.spread()
    }

    /// Adds something to the queue.
    pub(super) fn produce(&mut self, now: i64) {
        match self.playout {
            Playout::Waiting => match self.packets.first() {
                Some((ts, packet)) if !self.is_early(now, ts) => {
                    let cursor = Cursor { next: ts, sequence: packet.sequence - 1, samples: packet.samples };
                    self.go_on(cursor);
                }
                _ => self.play(&[0; 480], BlockKind::Silence),
            },
            Playout::Playing(cursor) => {
                self.stats.late += self.packets.drop_before(cursor.next);
                match self.packets.first().map(|(ts, _)| ts) {
                    Some(ts) if ts <= cursor.next => self.play_first(cursor, now),
                    // So far behind was nobody who listened: the machine slept. What was missed is not made up for.
                    Some(ts) if self.delay.delay(now, self.playing(cursor)) - self.delay.target() > SKIP_OVER => {
                        self.go_on(Cursor { next: ts, ..cursor });
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
                    Some(_) => self.go_on(cursor),
                    None => self.starve(cursor, made_up, concealed, silent),
                }
            }
        }
    }

    fn go_on(&mut self, cursor: Cursor) {
        self.playout = Playout::Playing(cursor);
        self.pulls.start_over();
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
            return self.go_on(Cursor { next: cursor.next + made_up.min(gap), ..cursor });
        }
        // The announcement of the silence was lost or never made: what was made up was no concealment.
        let miscounted = u64::try_from(concealed).unwrap_or(0);
        self.stats.concealed_samples = self.stats.concealed_samples.saturating_sub(miscounted);
        self.stats.silent_samples += miscounted;
        if self.is_early(now, ts) {
            self.starve(cursor, made_up, 0, true);
        } else {
            self.go_on(Cursor { next: ts, ..cursor });
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
        let slack = self.slack(now, cursor);
        let after = self.pass(cursor, ts, &packet);
        let waiting = self.packets.end().map_or(0, |end| end - after.next);
        if slack > SKIP_OVER && waiting > self.delay.target() {
            self.stats.skipped += 1;
            self.pulls.shift(packet.samples);
            return;
        }
        let mut samples = Vec::with_capacity(MAX_PACKET_SAMPLES);
        self.decode(&packet, cursor.next - ts, &mut samples);
        self.stretch(slack, after, &mut samples);
        self.play(&samples, BlockKind::Decoded);
    }

    /// Moves the cursor behind a packet.
    fn pass(&mut self, cursor: Cursor, ts: i64, packet: &Stored) -> Cursor {
        self.stats.lost += u64::try_from(packet.sequence - cursor.sequence - 1).unwrap_or(0);
        let after = Cursor { next: ts + packet.samples, sequence: packet.sequence, samples: packet.samples };
        self.playout = Playout::Playing(after);
        after
    }

    /// Appends the sound of a packet, without its first `played` samples.
    fn decode(&mut self, packet: &Stored, played: i64, samples: &mut Vec<i16>) {
        let mut out = [0; MAX_PACKET_SAMPLES];
        let len = match self.decoder.decode(&packet.data, &mut out) {
            Ok(len) => len,
            Err(_) => {
                self.stats.broken += 1;
                self.decoder.conceal(&mut out[..usize::try_from(packet.samples).unwrap_or(0)]).unwrap_or(0)
            }
        };
        self.stats.repaired_samples += if packet.redundant { len as u64 } else { 0 };
        samples.extend_from_slice(&out[usize::try_from(played).unwrap_or(0).min(len)..len]);
    }

    /// Brings the delay nearer to its target: `samples`, which end at `cursor`, get shorter or longer. What is left over in
    /// the queue when a packet is needed can go at any time; beyond that only a whole block makes a difference.
    fn stretch(&mut self, slack: i64, cursor: Cursor, samples: &mut Vec<i16>) {
        self.since_stretch += i64::try_from(samples.len()).expect("at most 5760");
        let (need, pause) = match slack.abs() {
            over if over > URGENT => (Need::Urgent, 0),
            over if over > PRESSING => (Need::Pressing, BETWEEN_PRESSING),
            _ => (Need::Gentle, BETWEEN_STRETCHES),
        };
        if self.since_stretch < pause {
            return;
        }
        let room = if slack > BLOCK + SPARE { i64::MAX } else { self.left_over() };
        if slack < 0 {
            let inserted = stretch::lengthen(self.queue.history(), samples, need);
            self.stats.inserted_samples += inserted as u64;
            self.note_stretch(-i64::try_from(inserted).expect("a few hundred"));
        } else if room > SPARE {
            self.take_another(cursor, samples);
            let removed = stretch::shorten(samples, usize::try_from(room).unwrap_or(usize::MAX), need);
            self.stats.removed_samples += removed as u64;
            self.note_stretch(i64::try_from(removed).expect("a few hundred"));
        }
    }

    /// A short packet holds less than two periods of a low voice; the next one, if it is there, helps.
    fn take_another(&mut self, cursor: Cursor, samples: &mut Vec<i16>) {
        if samples.len() < stretch::ENOUGH && self.packets.first().is_some_and(|(ts, _)| ts == cursor.next) {
            let Some((ts, packet)) = self.packets.take_first() else { return };
            self.pass(cursor, ts, &packet);
            self.decode(&packet, 0, samples);
        }
    }

    fn note_stretch(&mut self, removed: i64) {
        if removed != 0 {
            self.since_stretch = 0;
            self.pulls.shift(removed);
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
