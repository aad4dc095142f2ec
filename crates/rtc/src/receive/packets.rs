//! Packets that wait for the rest of their frame.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use eyeline_media::frame::{ReceivedVideo, VideoCodec};

use super::descriptor::Piece;

/// Packets kept while a frame is incomplete, about 1.2 MB. When full, all are dropped and a keyframe is asked for.
pub(crate) const MAX_PACKETS: usize = 1_024;

/// A packet in its place.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) arrived: Instant,
    /// A picture that can be decoded without the one before it begins here.
    pub(crate) enters: bool,
    /// `None` for padding and for packets that cannot be read: they fill their place and carry nothing.
    pub(crate) piece: Option<Piece>,
}

/// What stands at a place where a frame should begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A whole frame, up to and including this sequence number.
    Complete(i64),
    /// Some packet of it is not there yet.
    Incomplete,
    /// Packets that are no frame.
    Broken,
}

/// Packets by extended sequence number.
#[derive(Debug, Default)]
pub(crate) struct PacketBuffer(BTreeMap<i64, Held>);

impl PacketBuffer {
    /// Puts a packet in its place; false if the place is taken.
    pub(crate) fn insert(&mut self, sequence: i64, held: Held) -> bool {
        match self.0.entry(sequence) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(held);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    /// Whether the place is taken.
    pub(crate) fn has(&self, sequence: i64) -> bool {
        self.0.contains_key(&sequence)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_PACKETS
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops everything before `sequence`.
    pub(crate) fn drop_before(&mut self, sequence: i64) {
        self.0 = self.0.split_off(&sequence);
    }

    /// Looks for one whole frame from `from` on.
    pub(crate) fn scan(&self, from: i64) -> Scan {
        let mut frame = None;
        for sequence in from.. {
            let Some(held) = self.0.get(&sequence) else { return Scan::Incomplete };
            match (&held.piece, frame) {
                (None, _) => {}
                (Some(piece), None) if !piece.start => return Scan::Broken,
                (Some(_), None) => frame = Some(held.timestamp),
                // The marker was not set, but the next frame begins here.
                (Some(_), Some(timestamp)) if held.timestamp != timestamp => return Scan::Complete(sequence - 1),
                (Some(_), Some(_)) => {}
            }
            if held.marker && frame == Some(held.timestamp) {
                return Scan::Complete(sequence);
            }
        }
        Scan::Incomplete
    }

    /// The first whole picture at or after `from` that needs none of those between: its first and last sequence number.
    pub(crate) fn whole_entry(&self, from: i64) -> Option<(i64, i64)> {
        self.0.range(from..).filter(|(_, held)| held.enters).find_map(|(first, _)| match self.scan(*first) {
            Scan::Complete(last) => Some((*first, last)),
            Scan::Incomplete | Scan::Broken => None,
        })
    }

    /// Where the newest picture begins, whole or not, that needs none of those just before.
    pub(crate) fn newest_entry_start(&self) -> Option<i64> {
        self.0.iter().rev().find(|(_, held)| held.enters).map(|(sequence, _)| *sequence)
    }

    /// When the newest packet of the picture that begins at `first` arrived.
    pub(crate) fn progress(&self, first: i64) -> Option<Instant> {
        let timestamp = self.0.get(&first)?.timestamp;
        let of_picture = self.0.range(first..).take_while(|(_, held)| held.timestamp == timestamp);
        of_picture.map(|(_, held)| held.arrived).max()
    }

    /// Codec and kind of the frame that begins at or after `from`, which must be whole.
    pub(crate) fn frame_start(&self, from: i64) -> Option<(VideoCodec, bool)> {
        let piece = self.0.range(from..).find_map(|(_, held)| held.piece.as_ref())?;
        Some((piece.codec, piece.keyframe))
    }

    /// The picture id at `from`, where a frame begins.
    pub(crate) fn picture(&self, from: i64) -> Option<u16> {
        self.0.range(from..).find_map(|(_, held)| held.piece.as_ref())?.picture
    }

    /// Takes everything up to and including `last` as one frame.
    pub(crate) fn take_frame(&mut self, last: i64) -> Option<ReceivedVideo> {
        let kept = self.0.split_off(&(last + 1));
        let packets = std::mem::replace(&mut self.0, kept);
        let received_at = packets.values().map(|held| held.arrived).max()?;
        let rtp_timestamp = packets.values().rev().find(|held| held.piece.is_some())?.timestamp;
        let pieces: Vec<&Piece> = packets
            .values()
            .filter(|held| held.timestamp == rtp_timestamp)
            .filter_map(|held| held.piece.as_ref())
            .collect();
        let first = pieces.first()?;
        let (codec, keyframe) = (first.codec, first.keyframe);
        Some(ReceivedVideo { codec, data: join(&pieces), keyframe, rtp_timestamp, received_at })
    }
}

fn join(pieces: &[&Piece]) -> Bytes {
    if let [only] = pieces {
        return only.data.clone();
    }
    let mut data = BytesMut::with_capacity(pieces.iter().map(|piece| piece.data.len()).sum());
    for piece in pieces {
        data.extend_from_slice(&piece.data);
    }
    data.freeze()
}
