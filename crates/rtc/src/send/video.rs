//! The video we send: cut, numbered, paced, and repaired.
//!
//! Sans-IO: told the time; what may leave is taken from [`VideoOut::pop`].

use std::time::{Duration, Instant};

use eyeline_media::frame::EncodedVideo;
use eyeline_media::units::Bitrate;
use rtc::rtp;

use super::pacer::Pacer;
use super::packetize::Packetizer;
use super::resend::{RTX_HEADER, SentPackets, retransmission};
use crate::estimate::Probe;
use crate::link::{Sending, Ssrcs};

/// Retransmissions that wait for the pacer. More are not sent: the path cannot take them, and they will be asked for again.
const MAX_RESENDS: usize = 256;

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
    /// The packet of this number again.
    Again(u16),
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
    resends_waiting: usize,
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
            resends_waiting: 0,
        }
    }

    /// Cuts a frame and queues its packets.
    ///
    /// # Errors
    /// [`FrameRefused`]; then nothing of it is sent.
    pub(crate) fn push(
        &mut self,
        frame: &EncodedVideo,
        timestamp: u32,
        sending: Sending,
        target: Bitrate,
    ) -> Result<(), FrameRefused> {
        if !self.pacer.has_room(frame.data.len(), target) {
            return Err(FrameRefused::Full);
        }
        let payloads = self.packetizer.cut(frame);
        let last = payloads.len().checked_sub(1).ok_or(FrameRefused::Size)?;
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
            self.pacer.push(payload.len(), Outgoing::Media(rtp::Packet { header, payload }));
        }
        Ok(())
    }

    /// The other side asks for packets again.
    pub(crate) fn request(&mut self, now: Instant, rtt: Duration, sequences: &[u16]) {
        for sequence in sequences {
            if self.resends_waiting >= MAX_RESENDS {
                return;
            }
            if let Some(size) = self.sent.request(now, rtt, *sequence) {
                self.again(*sequence, size);
            }
        }
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
            if self.resends_waiting >= MAX_RESENDS {
                return;
            }
            let size = self.sent.get(sequence).map_or(0, |packet| packet.payload.len());
            self.again(sequence, size);
        }
    }

    fn again(&mut self, sequence: u16, size: usize) {
        self.resends_waiting += 1;
        self.pacer.push_urgent(size + RTX_HEADER, Outgoing::Again(sequence));
    }

    /// The next packet that may leave at `now`.
    pub(crate) fn pop(&mut self, now: Instant, sending: Sending, target: Bitrate) -> Option<rtp::Packet> {
        if let Some(bytes) = self.pacer.padding(now) {
            // Without a stream of their own, copies would be thrown away unseen.
            if sending.rtx.is_some() {
                self.pad(now, bytes);
            }
            if self.resends_waiting == 0 {
                // Nothing was sent of late, or the other side takes no copies: the probe ends early.
                self.pacer.padded(now, 0);
            }
        }
        loop {
            match self.pacer.pop(now, target)? {
                Outgoing::Media(packet) => {
                    self.sent.add(now, &packet);
                    return Some(packet);
                }
                Outgoing::Again(sequence) => {
                    self.resends_waiting -= 1;
                    let Some(packet) = self.sent.get(sequence) else { continue };
                    let Some(payload_type) = sending.rtx else { return Some(packet.clone()) };
                    let again = retransmission(packet, payload_type, self.ssrcs.rtx, self.rtx_sequence);
                    self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
                    return Some(again);
                }
            }
        }
    }

    /// When [`pop`](Self::pop) will have something; `None` while nothing waits.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.pacer.next()
    }
}
