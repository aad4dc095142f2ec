//! One received video stream.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use eyeline_media::frame::{ReceivedVideo, VideoCodec};

use super::delivered::Delivered;
use super::descriptor::Piece;
use super::missing::{MissingPackets, REORDER_GRACE};
use super::packets::{Held, PacketBuffer, Scan};
use crate::acknowledge::{Acknowledgement, PICTURE_ID_MASK};
use crate::sequence::{extend, wire};

/// How long a missing packet may hold up the picture: four round trips and this, within bounds. Asking once more costs one
/// round trip; a keyframe costs one too, and then takes the place of many pictures.
const PATIENCE_MARGIN: Duration = Duration::from_millis(100);
const PATIENCE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(1_000));
/// How long a stream may begin without a keyframe before one is asked for: its packets may be out of order.
const FIRST_REQUEST_AFTER: Duration = Duration::from_millis(100);
/// Shortest time between two keyframe requests.
const REQUEST_SPACING: Duration = Duration::from_millis(200);
/// While packets of a keyframe keep coming at least this often, none is asked for.
const KEYFRAME_PROGRESS: Duration = Duration::from_millis(200);
/// Time between two acknowledgements of pictures.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_millis(100);
/// A jump of the sequence number beyond this is a new stream, not loss.
const MAX_JUMP: i64 = 3_000;

/// A received packet.
#[derive(Clone, Debug)]
pub(crate) struct VideoPacket {
    pub(crate) sequence: u16,
    /// RTP timestamp, 90 kHz.
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// `None` for padding or an unreadable payload.
    pub(crate) piece: Option<Piece>,
}

/// What the stream wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// A frame whose whole reference chain was delivered before.
    Frame(ReceivedVideo),
    /// Ask for these packets again.
    Nack(Vec<u16>),
    /// Ask for a keyframe.
    KeyframeRequest,
    /// Tell the sender which pictures came.
    Acknowledge(Acknowledgement),
}

/// Counters since the stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) frames: u64,
    pub(crate) recovered: u64,
    pub(crate) lost: u64,
}

/// Where decoding stands.
#[derive(Debug)]
enum Chain {
    /// Everything before `next` was delivered; the next frame must begin there.
    Following { next: i64, codec: VideoCodec },
    /// Nothing can be decoded before a keyframe, or a picture that refers to delivered ones; it is asked for at `request_at`.
    AwaitingKeyframe { request_at: Instant },
}

/// Puts packets in order, asks for missing ones, and delivers frames. Every frame is taken to depend on the one before, unless
/// it names pictures that were delivered.
#[derive(Debug)]
pub(crate) struct VideoReceiver {
    chain: Chain,
    /// Highest extended sequence number so far.
    highest: Option<i64>,
    /// RTP timestamp of the newest packet.
    newest_timestamp: u32,
    /// How long a gap may close by itself before it is asked about.
    grace: Duration,
    packets: PacketBuffer,
    missing: MissingPackets,
    delivered: Delivered,
    acknowledged_at: Option<Instant>,
    outputs: VecDeque<Output>,
    counts: Counts,
}

impl VideoReceiver {
    /// A stream whose first packet is about to be handled.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            chain: Chain::AwaitingKeyframe { request_at: now + FIRST_REQUEST_AFTER },
            highest: None,
            newest_timestamp: 0,
            grace: REORDER_GRACE,
            packets: PacketBuffer::default(),
            missing: MissingPackets::default(),
            delivered: Delivered::default(),
            acknowledged_at: None,
            outputs: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a packet that arrived at `now`, original or retransmitted.
    pub(crate) fn on_packet(&mut self, now: Instant, packet: VideoPacket) {
        let highest = *self.highest.get_or_insert(i64::from(packet.sequence) - 1);
        let sequence = extend(highest, packet.sequence);
        if (sequence - highest).abs() > MAX_JUMP {
            self.start_over(now);
            self.delivered.clear();
            self.highest = Some(sequence);
        } else if sequence > highest {
            self.highest = Some(sequence);
            if packet.timestamp != self.newest_timestamp {
                // What belongs to the frames before this one, parity too, was sent before it.
                self.missing.hasten(sequence, now + REORDER_GRACE, usize::MAX, Duration::ZERO);
                self.newest_timestamp = packet.timestamp;
            }
            if !self.missing.add(highest + 1..sequence, now, self.grace) {
                self.give_up(now);
            }
        } else if matches!(self.chain, Chain::Following { next, .. } if sequence < next) {
            return;
        }
        if self.missing.arrived(sequence) {
            self.counts.recovered += 1;
        }
        if self.packets.is_full() {
            self.start_over(now);
        }
        let VideoPacket { timestamp, marker, piece, .. } = packet;
        let enters = piece.as_ref().is_some_and(|piece| self.enters(piece));
        if self.packets.insert(sequence, Held { timestamp, marker, arrived: now, enters, piece }) {
            self.deliver(now);
        }
    }

    /// From now on gaps are asked about after `grace`: parity may close them before.
    pub(crate) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace.max(REORDER_GRACE);
    }

    /// The extended number of `sequence`, which is near the newest packet; `None` if it is not, or before the first packet.
    pub(crate) fn extend(&self, sequence: u16) -> Option<i64> {
        let highest = self.highest?;
        Some(extend(highest, sequence)).filter(|extended| (extended - highest).abs() <= MAX_JUMP)
    }

    /// All packets before `end` were sent, so what did not come of them is missing.
    pub(crate) fn on_sent_before(&mut self, now: Instant, end: i64) {
        if let Some(highest) = self.highest.filter(|highest| (highest + 1..highest + MAX_JUMP).contains(&(end - 1))) {
            self.highest = Some(end - 1);
            if !self.missing.add(highest + 1..end, now, self.grace) {
                self.give_up(now);
            }
        }
    }

    /// No more parity for the packets before `end` will come; with `deficit` of the missing ones it could restore the rest.
    pub(crate) fn on_parity_over(&mut self, now: Instant, rtt: Duration, end: i64, deficit: usize) {
        self.missing.hasten(end, now, deficit, rtt);
    }

    /// Where the first packet that is not delivered yet stands; `None` while a keyframe is awaited.
    pub(crate) fn next(&self) -> Option<i64> {
        match self.chain {
            Chain::Following { next, .. } => Some(next),
            Chain::AwaitingKeyframe { .. } => None,
        }
    }

    /// Does what is due at `now`, given the round trip time.
    pub(crate) fn handle_timeout(&mut self, now: Instant, rtt: Duration) {
        match self.chain {
            Chain::Following { .. } => {
                if self.missing.first_since().is_some_and(|since| since + patience(rtt) <= now) {
                    self.give_up(now);
                    self.deliver(now);
                }
            }
            Chain::AwaitingKeyframe { request_at } => {
                if let Some(limit) = now.checked_sub(patience(rtt)) {
                    self.count_lost(|missing| missing.forget_since(limit));
                }
                if request_at <= now {
                    self.request_keyframe(now, rtt);
                }
            }
        }
        let due = self.missing.take_due(now, rtt, patience(rtt));
        if !due.is_empty() {
            self.outputs.push_back(Output::Nack(due.into_iter().map(wire).collect()));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next needed.
    pub(crate) fn poll_timeout(&self, rtt: Duration) -> Option<Instant> {
        let chain = match self.chain {
            Chain::Following { .. } => self.missing.first_since().map(|since| since + patience(rtt)),
            Chain::AwaitingKeyframe { request_at } => Some(request_at),
        };
        chain.into_iter().chain(self.missing.next_due()).min()
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Delivers every frame that can be.
    fn deliver(&mut self, now: Instant) {
        loop {
            let (last, codec) = match self.chain {
                Chain::Following { next, codec } => match self.packets.scan(next) {
                    Scan::Complete(last) => match self.packets.frame_start(next) {
                        Some((codec_here, keyframe)) if keyframe || codec_here == codec => (last, codec_here),
                        _ => return self.break_chain(now),
                    },
                    // A whole keyframe beyond a gap makes the frames in the gap pointless.
                    Scan::Incomplete => match self.packets.whole_entry(next) {
                        Some((first, last)) => {
                            let Some((codec, _)) = self.skip_to(first) else { return };
                            (last, codec)
                        }
                        None => return,
                    },
                    Scan::Broken => return self.break_chain(now),
                },
                Chain::AwaitingKeyframe { .. } => {
                    let Some((first, last)) = self.packets.whole_entry(i64::MIN) else { return };
                    let Some((codec, _)) = self.skip_to(first) else { return };
                    self.note_gaps_after(last, now);
                    (last, codec)
                }
            };
            let picture = self.packets.picture(i64::MIN);
            self.missing.forget_before(last + 1);
            self.chain = Chain::Following { next: last + 1, codec };
            if let Some(frame) = self.packets.take_frame(last) {
                self.counts.frames += 1;
                self.outputs.push_back(Output::Frame(frame));
                if let Some(picture) = picture {
                    self.delivered.add(picture);
                    self.acknowledge(now, ACKNOWLEDGE_EVERY);
                }
            }
        }
    }

    /// While an entry was awaited nobody waited for what came after it, and it was forgotten; now it holds up the picture.
    fn note_gaps_after(&mut self, last: i64, now: Instant) {
        for sequence in last + 1..=self.highest.unwrap_or(last) {
            if !self.packets.has(sequence) && !self.missing.note(sequence, now, self.grace) {
                return;
            }
        }
    }

    /// Whether the picture of this piece begins with it and can be decoded though those just before are not there: a
    /// keyframe, or one whose references were delivered. One that refers to the picture before may need others too.
    fn enters(&self, piece: &Piece) -> bool {
        let refers = |back: u8| back > 1 && piece.picture.is_some_and(|id| self.delivered.has(before(id, back)));
        let mut references = piece.references.into_iter().filter(|back| *back != 0).peekable();
        piece.keyframe || piece.start && references.peek().is_some() && references.all(refers)
    }

    /// Tells the sender which pictures came, unless it was told within `spacing`.
    fn acknowledge(&mut self, now: Instant, spacing: Duration) {
        if self.acknowledged_at.is_none_or(|at| at + spacing <= now)
            && let Some(told) = self.delivered.acknowledgement()
        {
            self.acknowledged_at = Some(now);
            self.outputs.push_back(Output::Acknowledge(told));
        }
    }

    fn skip_to(&mut self, first: i64) -> Option<(VideoCodec, bool)> {
        self.count_lost(|missing| missing.forget_before(first));
        self.packets.drop_before(first);
        self.packets.frame_start(first)
    }

    /// What stands at the next place continues nothing: only a keyframe helps.
    fn break_chain(&mut self, now: Instant) {
        if let Chain::Following { next, .. } = self.chain {
            self.packets.drop_before(next + 1);
        }
        self.give_up(now);
    }

    /// Stops waiting for what is missing. A keyframe on its way is kept, otherwise one is asked for.
    fn give_up(&mut self, now: Instant) {
        if let Some(first) = self.packets.newest_entry_start() {
            self.count_lost(|missing| missing.forget_before(first));
            self.packets.drop_before(first);
            self.chain = Chain::AwaitingKeyframe { request_at: now + KEYFRAME_PROGRESS };
        } else {
            self.start_over(now);
        }
    }

    fn start_over(&mut self, now: Instant) {
        // The sender may know a picture to go on from that was delivered.
        self.acknowledge(now, Duration::ZERO);
        self.count_lost(MissingPackets::clear);
        self.packets.clear();
        self.outputs.push_back(Output::KeyframeRequest);
        self.chain = Chain::AwaitingKeyframe { request_at: now + REQUEST_SPACING };
    }

    fn request_keyframe(&mut self, now: Instant, rtt: Duration) {
        // Of the picture itself: that others arrive does not make it whole.
        let progress = self.packets.newest_entry_start().and_then(|first| self.packets.progress(first));
        let coming = progress.is_some_and(|at| now < at + KEYFRAME_PROGRESS);
        let spacing = if coming {
            KEYFRAME_PROGRESS
        } else {
            self.outputs.push_back(Output::KeyframeRequest);
            REQUEST_SPACING.max(rtt)
        };
        self.chain = Chain::AwaitingKeyframe { request_at: now + spacing };
    }

    fn count_lost(&mut self, forget: impl FnOnce(&mut MissingPackets) -> usize) {
        self.counts.lost += u64::try_from(forget(&mut self.missing)).unwrap_or(u64::MAX);
    }
}

/// The id of the picture `back` before `picture`.
fn before(picture: u16, back: u8) -> u16 {
    picture.wrapping_sub(back.into()) & PICTURE_ID_MASK
}

fn patience(rtt: Duration) -> Duration {
    (rtt * 4 + PATIENCE_MARGIN).clamp(PATIENCE.0, PATIENCE.1)
}

#[cfg(test)]
#[path = "video_tests.rs"]
mod tests;
