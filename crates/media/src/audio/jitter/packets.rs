//! Packets that came and wait for their turn.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::delay::DelayEstimator;
use crate::audio::opus::{carries_fec, packet_samples};
use crate::frame::ReceivedAudio;

/// Packets kept: 3 s of 20 ms packets. When full the oldest is dropped: the delay never needs to be that long.
const MAX_PACKETS: usize = 150;

/// Packets remembered to recognise doubles. When full the oldest is forgotten; older doubles count as late.
const REMEMBERED: usize = 128;

/// So many packets in a row off the time line mean that the sender started over; fewer are strays.
const STRANGERS: u32 = 3;

/// A sender's packet up to this size says that silence follows.
const SILENCE_PACKET_BYTES: usize = 2;

/// A packet in the store. Sequence number and media time are unwrapped.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) sequence: i64,
    /// Length in samples.
    pub(super) samples: i64,
    pub(super) data: Bytes,
    /// It came as a copy beside another packet.
    pub(super) redundant: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It waits for its turn.
    Stored,
    /// It waits for its turn, and the oldest packet had to go for it.
    PushedOut,
    /// Its place was played already, or it belongs to no known time line.
    Late,
    /// It came before.
    Duplicate,
    /// It is not Opus.
    Broken,
    /// It begins a new time line; everything of the old one is gone.
    StartedOver,
}

/// Packets by media time, and what it takes to place new ones.
#[derive(Debug, Default)]
pub(super) struct PacketStore {
    waiting: BTreeMap<i64, Stored>,
    /// Newest sequence number and media time: what wrapped numbers are compared to (RFC 3550 section A.1).
    newest: Option<(i64, i64)>,
    recent: VecDeque<(i64, i64)>,
    /// Sequence numbers whose media is available, as a packet or inside another one.
    available: VecDeque<i64>,
    strangers: u32,
    ended_in_silence: bool,
}

impl PacketStore {
    /// Places a packet that came at `now`, unless everything before `played_to` was played and it lies there.
    pub(super) fn accept(
        &mut self,
        packet: ReceivedAudio,
        now: i64,
        played_to: Option<i64>,
        delay: &mut DelayEstimator,
    ) -> Accepted {
        let Some(samples) = packet_samples(&packet.data) else { return Accepted::Broken };
        let samples = i64::try_from(samples).expect("at most 5760");
        let (sequence, ts) = self.unwrapped(&packet);
        if self.recent.contains(&(sequence, ts)) {
            return Accepted::Duplicate;
        }
        let mut accepted = Accepted::Stored;
        if packet.redundant && delay.is_strange(now, ts) {
            return Accepted::Late;
        }
        if delay.is_strange(now, ts) {
            self.strangers += 1;
            if self.strangers < STRANGERS {
                return Accepted::Late;
            }
            (*self, *delay) = (Self::default(), DelayEstimator::default());
            accepted = Accepted::StartedOver;
        }
        self.strangers = 0;
        self.note_available(sequence, now, ts, delay);
        if carries_fec(&packet.data) {
            self.note_available(sequence - 1, now, ts - samples, delay);
        }
        self.remember(sequence, ts);
        if accepted == Accepted::Stored && played_to.is_some_and(|played| ts + samples <= played) {
            return Accepted::Late;
        }
        if self.waiting.len() >= MAX_PACKETS {
            self.waiting.pop_first();
            accepted = Accepted::PushedOut;
        }
        self.waiting.insert(ts, Stored { sequence, samples, data: packet.data, redundant: packet.redundant });
        accepted
    }

    /// Drops what ends before `next`; returns how many packets that were.
    pub(super) fn drop_before(&mut self, next: i64) -> u64 {
        let mut dropped = 0;
        while self.first().is_some_and(|(ts, packet)| ts + packet.samples <= next) {
            self.waiting.pop_first();
            dropped += 1;
        }
        dropped
    }

    /// The packet whose turn is next, and its media time.
    pub(super) fn first(&self) -> Option<(i64, &Stored)> {
        self.waiting.first_key_value().map(|(ts, packet)| (*ts, packet))
    }

    /// Takes the packet whose turn is next.
    pub(super) fn take_first(&mut self) -> Option<(i64, Stored)> {
        let taken = self.waiting.pop_first();
        if let Some((_, packet)) = &taken {
            self.ended_in_silence = packet.data.len() <= SILENCE_PACKET_BYTES;
        }
        taken
    }

    /// Packets waiting.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Media time at which the newest waiting packet ends.
    pub(super) fn end(&self) -> Option<i64> {
        self.waiting.last_key_value().map(|(ts, packet)| ts + packet.samples)
    }

    /// Whether the last packet taken announced silence.
    pub(super) fn ended_in_silence(&self) -> bool {
        self.ended_in_silence
    }

    /// Numbers that do not wrap: the nearest reading to the newest packet.
    fn unwrapped(&self, packet: &ReceivedAudio) -> (i64, i64) {
        let Some((sequence, ts)) = self.newest else {
            return (i64::from(packet.sequence), i64::from(packet.rtp_timestamp));
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo is meant")]
        let (low_sequence, low_ts) = (sequence as u16, ts as u32);
        let steps = packet.sequence.wrapping_sub(low_sequence).cast_signed();
        let samples = packet.rtp_timestamp.wrapping_sub(low_ts).cast_signed();
        (sequence + i64::from(steps), ts + i64::from(samples))
    }

    /// Media counts from when it was first available, once.
    fn note_available(&mut self, sequence: i64, now: i64, ts: i64, delay: &mut DelayEstimator) {
        if self.available.contains(&sequence) {
            return;
        }
        if self.available.len() == REMEMBERED {
            self.available.pop_front();
        }
        self.available.push_back(sequence);
        delay.observe(now, ts);
    }

    fn remember(&mut self, sequence: i64, ts: i64) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((sequence, ts));
        if self.newest.is_none_or(|(_, newest)| ts > newest) {
            self.newest = Some((sequence, ts));
        }
    }
}
