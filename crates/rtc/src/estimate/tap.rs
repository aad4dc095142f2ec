//! The interceptor that feeds an [`Estimator`] and publishes its advice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket, convert_twcc};
use rtc::rtcp;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtp;
use rtc::rtp::extension::transport_cc_extension::TransportCcExtension;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtc::shared::marshal::{MarshalSize, Unmarshal};

use super::history::{SentPackets, Status};
use super::{Estimator, Fate, TIMER};
use crate::link::Link;

/// Name of the header extension that numbers packets.
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Next to the wire, below everything that makes packets, so that it sees each as it leaves. The stack's own interceptor
/// for this cannot tell lost feedback from lost media, forgets packets after two seconds, and does not know what is in flight.
pub(crate) struct FeedbackTap<E> {
    estimator: E,
    link: Arc<Link>,
    sent: SentPackets,
    /// Identifier of the header extension, the same for all streams (RFC 9143 section 9).
    extension: Option<u8>,
    next_timer: Option<Instant>,
    /// The first packet left.
    begun: bool,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl<E: Estimator> FeedbackTap<E> {
    pub(crate) fn new(estimator: E, link: Arc<Link>) -> Self {
        Self {
            estimator,
            link,
            sent: SentPackets::default(),
            extension: None,
            next_timer: None,
            begun: false,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    fn note_sent(&mut self, now: Instant, packet: &rtp::Packet) {
        let extension = self.extension.and_then(|id| packet.header.get_extension(id));
        let Some(number) = extension.and_then(|mut bytes| TransportCcExtension::unmarshal(&mut bytes).ok()) else {
            return;
        };
        if !std::mem::replace(&mut self.begun, true) {
            self.estimator.begin_at(self.link.start());
        }
        self.sent.sent(number.transport_sequence, packet.marshal_size(), now);
        self.next_timer.get_or_insert(now + TIMER);
    }

    fn read_feedback(&mut self, now: Instant, packet: &dyn rtcp::Packet) {
        let Some(feedback) = packet.as_any().downcast_ref::<TransportLayerCc>() else { return };
        let statuses: Vec<Status> = convert_twcc(feedback)
            .iter()
            .map(|status| Status {
                sequence: status.sequence_number,
                arrival: status.arrival.filter(|_| status.arrived),
            })
            .collect();
        let reports = self.sent.on_feedback(&statuses);
        self.link.note_losses(reports.iter().filter_map(|report| match report.fate {
            Fate::Arrived(_) => Some(false),
            Fate::Lost => Some(true),
            Fate::Late(_) | Fate::Unknown => None,
        }));
        self.estimator.on_reports(now, &reports, self.sent.flight());
        self.publish();
    }

    fn publish(&mut self) {
        self.link.set_advice(self.estimator.advice());
        if let Some(probe) = self.estimator.take_probe() {
            self.link.set_probe(probe);
        }
    }
}

impl<E: Estimator> Protocol<TaggedPacket, TaggedPacket, ()> for FeedbackTap<E> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &tagged.message.packet {
            packets.iter().for_each(|packet| self.read_feedback(tagged.now, &**packet));
        }
        self.reads.push_back(tagged);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, tagged: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &tagged.message.packet {
            self.note_sent(tagged.now, packet);
        }
        self.writes.push_back(tagged);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.next_timer.is_some_and(|at| at <= now) {
            let flight = self.sent.flight();
            self.next_timer = flight.oldest.map(|_| now + TIMER);
            self.estimator.on_timer(now, flight);
            self.publish();
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.next_timer
    }
}

impl<E: Estimator> Interceptor for FeedbackTap<E> {
    fn bind_local_stream(&mut self, stream: &StreamInfo) {
        let extension = stream.rtp_header_extensions.iter().find(|extension| extension.uri == TRANSPORT_CC);
        self.extension = extension.and_then(|extension| u8::try_from(extension.id).ok()).or(self.extension);
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
