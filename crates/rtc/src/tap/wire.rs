//! Counts what crosses the wire and reads the RTCP that concerns us.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::raw_packet::RawPacket;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::marshal::MarshalSize;

use crate::acknowledge::Acknowledgement;
use crate::events::PeerEvent;
use crate::link::Link;
use crate::proof;
use crate::stats::SenderTime;

/// Sender reports remembered for the round trip time; one a second and stream leaves.
const REMEMBERED_REPORTS: usize = 16;
/// A round trip above this is a wrong report.
const MAX_RTT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct WireTap {
    link: Arc<Link>,
    /// Sender reports sent: the middle 32 bits of their NTP time, and when.
    sent_reports: VecDeque<(u32, Instant)>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl WireTap {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, sent_reports: VecDeque::new(), reads: VecDeque::new(), writes: VecDeque::new() }
    }

    fn read_rtcp(&self, now: Instant, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(report) = packet.downcast_ref::<SenderReport>() {
            let time = SenderTime { ntp: report.ntp_time, rtp_timestamp: report.rtp_time, received_at: now };
            let is_video = report.ssrc == self.link.remote_video_ssrc.load(Relaxed);
            self.link.count(|stats| {
                *(if is_video { &mut stats.remote_video } else { &mut stats.remote_audio }) = Some(time)
            });
            report.reports.iter().for_each(|report| self.read_reception(now, report));
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            report.reports.iter().for_each(|report| self.read_reception(now, report));
        } else if let Some(RawPacket(bytes)) = packet.downcast_ref() {
            if let Some(proof) = proof::read(bytes) {
                self.link.mailbox.post(PeerEvent::Proof(proof));
            } else if let Some(told) = Acknowledgement::read(bytes) {
                self.link.acknowledge(told);
            }
        } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
            self.link.count(|stats| stats.nacks_received += 1);
            if nack.media_ssrc == self.link.ssrcs.video {
                self.link.request_resend(nack.nacks.iter().flat_map(|entry| entry.into_iter()));
            }
        } else if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
            self.link.count(|stats| stats.plis_received += 1);
            self.link.on_keyframe_request(now);
        }
    }

    /// RFC 3550 section 6.4.1: the round trip is the time since the report the other side names, less the time it kept it.
    fn read_reception(&self, now: Instant, report: &ReceptionReport) {
        if report.ssrc == self.link.ssrcs.video {
            self.link.count(|stats| stats.fraction_lost_by_peer = f32::from(report.fraction_lost) / 256.0);
        } else if report.ssrc != self.link.ssrcs.audio {
            return;
        }
        if report.ssrc == self.link.ssrcs.audio {
            self.link.count(|stats| stats.sound_lost_by_peer = f32::from(report.fraction_lost) / 256.0);
        }
        let named = self.sent_reports.iter().find(|(ntp, _)| *ntp == report.last_sender_report && *ntp != 0);
        let Some((_, sent)) = named else { return };
        let kept = Duration::from_secs_f64(f64::from(report.delay) / 65_536.0);
        if let Some(rtt) = now.saturating_duration_since(*sent).checked_sub(kept).filter(|rtt| *rtt <= MAX_RTT) {
            self.link.set_rtt(rtt);
        }
    }

    fn note_written_rtcp(&mut self, now: Instant, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(report) = packet.downcast_ref::<SenderReport>() {
            if self.sent_reports.len() >= REMEMBERED_REPORTS {
                self.sent_reports.pop_front();
            }
            let middle = report.ntp_time >> 16 & u64::from(u32::MAX);
            self.sent_reports.push_back((u32::try_from(middle).expect("masked to 32 bits"), now));
            report.reports.iter().for_each(|report| self.note_jitter(report));
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            report.reports.iter().for_each(|report| self.note_jitter(report));
        } else if packet.is::<TransportLayerNack>() {
            self.link.count(|stats| stats.nacks_sent += 1);
        } else if packet.is::<PictureLossIndication>() {
            self.link.count(|stats| stats.plis_sent += 1);
        }
    }

    fn note_jitter(&self, report: &ReceptionReport) {
        let ticks = f64::from(report.jitter);
        if report.ssrc == self.link.remote_video_ssrc.load(Relaxed) {
            self.link.count(|stats| stats.video_jitter = Duration::from_secs_f64(ticks / 90_000.0));
        } else if report.ssrc == self.link.remote_audio_ssrc.load(Relaxed) {
            self.link.count(|stats| stats.audio_jitter = Duration::from_secs_f64(ticks / 48_000.0));
        }
    }
}

fn size(packet: &rtc::rtp::Packet) -> u64 {
    u64::try_from(packet.marshal_size()).unwrap_or(0)
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for WireTap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        match &tagged.message.packet {
            Packet::Rtp(packet) => self.link.count(|stats| {
                stats.packets_received += 1;
                stats.bytes_received += size(packet);
            }),
            Packet::Rtcp(packets) => packets.iter().for_each(|packet| self.read_rtcp(tagged.now, &**packet)),
            _ => {}
        }
        self.reads.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        match &tagged.message.packet {
            Packet::Rtp(packet) => {
                let is = |ssrc: u32| u64::from(packet.header.ssrc == ssrc);
                let (resent, parity) = (is(self.link.ssrcs.rtx), is(self.link.ssrcs.parity));
                self.link.count(|stats| {
                    stats.packets_sent += 1;
                    stats.bytes_sent += size(packet);
                    stats.packets_resent += resent;
                    stats.parity_sent += parity;
                });
            }
            Packet::Rtcp(packets) => {
                for packet in packets {
                    self.note_written_rtcp(tagged.now, &**packet);
                }
            }
            _ => {}
        }
        self.writes.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for WireTap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
