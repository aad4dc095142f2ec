//! Takes received media out of the packet chain, before the stack's own queues, and asks for what is missing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use eyeline_media::frame::{ReceivedAudio, ReceivedVideo};
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::raw_packet::RawPacket;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

use crate::fec::Protected;
use crate::link::Link;
use crate::receive::{Arrived, Output, VideoStream};
use crate::red::{self, RedBlock};
use crate::sdp::PayloadTypes;

/// Where received media goes.
///
/// Both are called on the network task and must return at once: put the unit into a queue of yours and wake its reader. If
/// that queue drops a frame, everything up to the next keyframe is undecodable: call
/// [`Peer::request_keyframe`](crate::Peer::request_keyframe).
pub struct PeerSinks {
    /// Gets whole frames in decode order.
    pub video: Box<dyn FnMut(ReceivedVideo) + Send>,
    /// Gets Opus packets in order of arrival, copies of earlier ones (RFC 2198) before the packet they came with.
    pub audio: Box<dyn FnMut(ReceivedAudio) + Send>,
}

impl fmt::Debug for PeerSinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerSinks")
    }
}

struct Remote {
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    /// What a retransmission repairs if its payload type does not tell.
    payload_type: u8,
    stream: VideoStream,
}

/// See the module.
pub(crate) struct MediaTap {
    link: Arc<Link>,
    /// A mutex only because the chain must be `Sync`; never contended.
    sinks: Mutex<PeerSinks>,
    video: Option<Remote>,
    audio_ssrc: Option<u32>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl MediaTap {
    pub(crate) fn new(link: Arc<Link>, sinks: PeerSinks) -> Self {
        Self {
            link,
            sinks: Mutex::new(sinks),
            video: None,
            audio_ssrc: None,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    fn read_rtp(&mut self, now: Instant, packet: rtp::Packet) {
        let ssrc = packet.header.ssrc;
        if self.audio_ssrc == Some(ssrc) {
            return self.read_audio(now, packet);
        }
        let Some(video) = &mut self.video else { return };
        let (types, rtt) = (self.link.receiving(), self.link.rtt());
        if types.parity == Some(packet.header.payload_type) {
            video.stream.on_parity(now, rtt, &packet.payload, &types);
        } else if let Some(packet) = original(&types, video, packet) {
            let rtp::Header { sequence_number, timestamp, marker, payload_type, .. } = packet.header;
            let content = Protected { timestamp, payload_type, marker, payload: packet.payload };
            video.stream.on_media(now, rtt, Arrived { sequence: sequence_number, content }, &types);
        }
        self.drain(now);
    }

    fn read_audio(&mut self, now: Instant, packet: rtp::Packet) {
        let receiving = self.link.receiving();
        let Some(opus) = receiving.opus else { return };
        let blocks = if packet.header.payload_type == opus {
            vec![RedBlock { packets_before: 0, samples_before: 0, data: packet.payload }]
        } else if receiving.red == Some(packet.header.payload_type) {
            red::read(&packet.payload, opus).unwrap_or_default()
        } else {
            return;
        };
        let sinks = self.sinks.get_mut().unwrap_or_else(PoisonError::into_inner);
        for block in blocks.into_iter().filter(|block| !block.data.is_empty()) {
            (sinks.audio)(ReceivedAudio {
                data: block.data,
                sequence: packet.header.sequence_number.wrapping_sub(block.packets_before),
                rtp_timestamp: packet.header.timestamp.wrapping_sub(block.samples_before),
                received_at: now,
                redundant: block.packets_before > 0,
            });
        }
    }

    fn drain(&mut self, now: Instant) {
        let Some(video) = &mut self.video else { return };
        let mut requests: Vec<Box<dyn rtcp::Packet>> = Vec::new();
        let (sender_ssrc, media_ssrc) = (self.link.ssrcs.video, video.ssrc);
        while let Some(output) = video.stream.poll_output() {
            match output {
                Output::Frame(frame) => (self.sinks.get_mut().unwrap_or_else(PoisonError::into_inner).video)(frame),
                Output::Nack(sequences) => {
                    let nacks = nack_pairs_from_sequence_numbers(&sequences);
                    requests.push(Box::new(TransportLayerNack { sender_ssrc, media_ssrc, nacks }));
                }
                Output::Acknowledge(told) => {
                    // Only a peer like us knows what to do with it.
                    if self.link.receiving().parity.is_some() {
                        requests.push(Box::new(RawPacket(told.write(sender_ssrc))));
                    }
                }
                Output::KeyframeRequest => {
                    if self.link.may_request_keyframe(now) {
                        requests.push(Box::new(PictureLossIndication { sender_ssrc, media_ssrc }));
                    }
                }
            }
        }
        let (counts, restored) = (video.stream.counts(), video.stream.restored());
        self.link.count(|stats| {
            stats.frames_received = counts.frames;
            stats.packets_recovered = counts.recovered;
            stats.packets_restored = restored;
            stats.packets_lost = counts.lost;
        });
        for request in requests {
            let message = AttributedPacket::new(Packet::Rtcp(vec![request]));
            self.writes.push_back(TaggedPacket { now, transport: TransportContext::default(), message });
        }
    }
}

/// The packet itself, or the one a retransmission carries (RFC 4588 section 4); `None` for other streams and for
/// retransmission padding.
fn original(types: &PayloadTypes, video: &Remote, mut packet: rtp::Packet) -> Option<rtp::Packet> {
    if packet.header.ssrc == video.ssrc {
        return Some(packet);
    }
    if video.rtx_ssrc != Some(packet.header.ssrc) {
        return None;
    }
    let number: [u8; 2] = packet.payload.get(..2)?.try_into().ok()?;
    packet.header.sequence_number = u16::from_be_bytes(number);
    packet.header.payload_type = types.repaired_by(packet.header.payload_type).unwrap_or(video.payload_type);
    packet.payload = Bytes::slice(&packet.payload, 2..);
    Some(packet)
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for MediaTap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        let TaggedPacket { now, transport, message } = tagged;
        let AttributedPacket { attributes, packet } = message;
        match packet {
            // Media ends here: the stack's own track queues would drop it under load.
            Packet::Rtp(packet) => self.read_rtp(now, packet),
            packet => {
                self.reads.push_back(TaggedPacket { now, transport, message: AttributedPacket { attributes, packet } });
            }
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, mut tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &mut tagged.message.packet {
            self.link.own_ssrc(&mut packet.header);
        }
        self.writes.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let rtt = self.link.rtt();
        if let Some(video) = &mut self.video
            && video.stream.poll_timeout(rtt).is_some_and(|at| at <= now)
        {
            video.stream.handle_timeout(now, rtt);
            self.drain(now);
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.video.as_ref()?.stream.poll_timeout(self.link.rtt())
    }
}

impl Interceptor for MediaTap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    /// Called before the first packet of a stream, and again after each negotiation. The retransmission stream is announced
    /// like a stream of its own, after the one it repairs.
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if info.mime_type.to_ascii_lowercase().starts_with("audio/") {
            self.audio_ssrc = Some(info.ssrc);
            self.link.remote_audio_ssrc.store(info.ssrc, Relaxed);
            return;
        }
        match &mut self.video {
            Some(video) if video.rtx_ssrc == Some(info.ssrc) => {}
            Some(video) if video.ssrc == info.ssrc => {
                video.rtx_ssrc = info.ssrc_rtx;
                video.payload_type = info.payload_type;
            }
            _ => {
                self.link.remote_video_ssrc.store(info.ssrc, Relaxed);
                self.video = Some(Remote {
                    ssrc: info.ssrc,
                    rtx_ssrc: info.ssrc_rtx,
                    payload_type: info.payload_type,
                    stream: VideoStream::new(Instant::now()),
                });
            }
        }
    }

    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
