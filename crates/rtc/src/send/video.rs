//! The video we send: cut, numbered, paced, and repaired.
//!
//! Sans-IO: told the time; what may leave is taken from [`VideoOut::pop`].

use std::time::{Duration, Instant};

use eyeline_media::frame::EncodedVideo;
use eyeline_media::units::Bitrate;
use rtc::rtp;

use super::budget::{Purpose, Shares, Spending};
use super::pacer::Pacer;
use super::packetize::Packetizer;
use super::resend::{RTX_HEADER, SentPackets, retransmission};
use crate::estimate::Probe;
use crate::fec::{Encoder, LossModel, MAX_COVERED, Protected, Redundancy};
use crate::link::{Sending, Ssrcs};

/// Retransmissions that wait for the pacer. More are not sent: the path cannot take them, and they will be asked for again.
const MAX_RESENDS: usize = 256;

/// From this loss on, resent packets are lost too often to go alone.
const MUCH_LOSS: f64 = 0.08;
/// Bytes of the RTP header with its extension, which the estimate counts like the payload.
const HEADERS: usize = 20;

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameRefused {
    #[error("too much is waiting to be sent")]
    Full,
    #[error("the frame is empty or absurdly large")]
    Size,
}

#[derive(Debug)]
enum Outgoing {
    Media(rtp::Packet),
    /// The packet of this number again, because it was asked for or as padding.
    Again(u16, Purpose),
    /// Its sequence number comes when it leaves.
    Parity(rtp::Packet),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct VideoOut {
    ssrcs: Ssrcs,
    packetizer: Packetizer,
    pacer: Pacer<Outgoing>,
    sent: SentPackets,
    /// Of the newest packet.
    sequence: u16,
    rtx_sequence: u16,
    encoder: Encoder,
    redundancy: Redundancy,
    parity_sequence: u16,
    spending: Spending,
}

/// What is known of the path when a frame is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct PathState {
    pub(crate) target: Bitrate,
    pub(crate) rtt: Duration,
    pub(crate) losses: LossModel,
}

impl VideoOut {
    /// Sequence numbers go on from `sequence`, picture ids from `picture_id`.
    pub(crate) fn new(ssrcs: Ssrcs, sequence: u16, picture_id: u16) -> Self {
        Self {
            ssrcs,
            packetizer: Packetizer::new(picture_id),
            pacer: Pacer::default(),
            sent: SentPackets::default(),
            sequence,
            rtx_sequence: sequence,
            encoder: Encoder::default(),
            redundancy: Redundancy::default(),
            parity_sequence: sequence,
            spending: Spending::default(),
        }
    }

    /// Id of the picture that is pushed next.
    pub(crate) fn next_picture(&self) -> u16 {
        self.packetizer.next_picture()
    }

    /// Cuts a frame, whose reference is counted in pictures that were pushed, and queues its packets, and parity after them if the
    /// other side takes it. Returns the picture's id.
    ///
    /// # Errors
    /// [`FrameRefused`]; then nothing of it is sent.
    pub(crate) fn push(
        &mut self,
        frame: &EncodedVideo,
        timestamp: u32,
        sending: Sending,
        path: &PathState,
    ) -> Result<u16, FrameRefused> {
        if !self.pacer.has_room(frame.data.len(), path.target) {
            return Err(FrameRefused::Full);
        }
        if frame.keyframe || frame.reference.is_some_and(|back| back > 1) {
            // Nothing from before it is needed any more.
            self.pacer.clear_urgent();
        }
        let payloads = self.packetizer.cut(frame);
        let last = payloads.len().checked_sub(1).ok_or(FrameRefused::Size)?;
        let mut parity = Vec::new();
        // A frame of very many packets is protected in parts of about the same size.
        let part = payloads.len().div_ceil(payloads.len().div_ceil(MAX_COVERED));
        for (n, payload) in payloads.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let header = rtp::Header {
                version: 2,
                marker: n == last,
                payload_type: sending.video,
                sequence_number: self.sequence,
                timestamp,
                ssrc: self.ssrcs.video,
                ..Default::default()
            };
            if sending.parity.is_some() {
                let packet =
                    Protected { timestamp, payload_type: sending.video, marker: n == last, payload: payload.clone() };
                self.encoder.add(self.sequence, packet);
                if (n + 1) % part == 0 || n == last {
                    let plan = self.redundancy.plan(n % part + 1, frame.keyframe, path.rtt, &path.losses);
                    parity.extend(self.encoder.parity(plan.covered, plan.parity));
                }
            }
            self.pacer.push(payload.len(), Outgoing::Media(rtp::Packet { header, payload }));
        }
        if let Some(payload_type) = sending.parity {
            for parity in parity {
                let (ssrc, payload) = (self.ssrcs.parity, parity.write());
                let header = rtp::Header { version: 2, payload_type, timestamp, ssrc, ..Default::default() };
                self.pacer.push(payload.len(), Outgoing::Parity(rtp::Packet { header, payload }));
            }
        }
        Ok(self.packetizer.picture_id())
    }

    /// The other side asks for packets again. Where much is lost each goes twice: another round trip would be dearer.
    pub(crate) fn request(&mut self, now: Instant, rtt: Duration, sequences: &[u16], losses: &LossModel) {
        let copies = if losses.share() > MUCH_LOSS { 2 } else { 1 };
        for sequence in sequences {
            let Some(size) = self.sent.request(now, rtt, *sequence) else { continue };
            for _ in 0..copies {
                if self.pacer.urgent() < MAX_RESENDS {
                    self.again(now, *sequence, size, Purpose::Resend);
                }
            }
        }
    }

    /// Whether nothing waits to leave.
    pub(crate) fn is_idle(&self) -> bool {
        self.pacer.is_empty()
    }

    /// How fast video may leave while little waits.
    pub(crate) fn set_pace(&mut self, pace: Bitrate) {
        self.pacer.set_pace(pace);
    }

    /// Sends what comes next at the rate of `probe`, filled up with what was sent of late.
    pub(crate) fn start_probe(&mut self, now: Instant, probe: Probe) {
        self.pacer.start_probe(now, probe);
    }

    /// Queues about `bytes` of what was sent of late, for nothing but to see how fast the path takes it.
    fn pad(&mut self, now: Instant, bytes: usize) {
        for sequence in self.sent.padding(now, bytes) {
            if self.pacer.urgent() >= MAX_RESENDS {
                return;
            }
            let size = self.sent.get(sequence).map_or(0, |packet| packet.payload.len());
            self.again(now, sequence, size, Purpose::Padding);
        }
    }

    fn again(&mut self, now: Instant, sequence: u16, size: usize, purpose: Purpose) {
        self.pacer.push_urgent(now, size + RTX_HEADER, Outgoing::Again(sequence, purpose));
    }

    /// The next packet that may leave at `now`.
    pub(crate) fn pop(&mut self, now: Instant, sending: Sending, target: Bitrate) -> Option<rtp::Packet> {
        if let Some(bytes) = self.pacer.padding(now) {
            // Without a stream of their own, copies would be thrown away unseen.
            if sending.rtx.is_some() {
                self.pad(now, bytes);
            }
            if self.pacer.urgent() == 0 {
                // Nothing was sent of late, or the other side takes no copies: the probe ends early.
                self.pacer.padded(now, 0);
            }
        }
        loop {
            let (packet, purpose) = match self.pacer.pop(now, target)? {
                Outgoing::Media(packet) => {
                    self.sent.add(now, &packet);
                    (packet, Purpose::Picture)
                }
                Outgoing::Again(sequence, purpose) => {
                    let Some(packet) = self.sent.get(sequence) else { continue };
                    let packet = match sending.rtx {
                        None => packet.clone(),
                        Some(payload_type) => {
                            self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
                            retransmission(packet, payload_type, self.ssrcs.rtx, self.rtx_sequence)
                        }
                    };
                    (packet, purpose)
                }
                Outgoing::Parity(mut packet) => {
                    self.parity_sequence = self.parity_sequence.wrapping_add(1);
                    packet.header.sequence_number = self.parity_sequence;
                    (packet, Purpose::Parity)
                }
            };
            self.spending.add(purpose, HEADERS, packet.payload.len());
            return Some(packet);
        }
    }

    /// A sound packet left, whose payload has `payload` bytes.
    pub(crate) fn note_sound(&mut self, payload: usize) {
        self.spending.add(Purpose::Sound, HEADERS, payload);
    }

    /// How a target is to be divided from `now` on; `None` if nothing new is known.
    pub(crate) fn shares(&mut self, now: Instant) -> Option<Shares> {
        self.spending.update(now).then(|| self.spending.shares(self.redundancy.share()))
    }

    /// When [`pop`](Self::pop) will have something; `None` while nothing waits.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.pacer.next()
    }
}
