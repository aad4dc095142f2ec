//! Tells an interceptor of the stack about our streams of repair packets.

use std::time::Instant;

use rtc::interceptor::{Interceptor, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use crate::link::Ssrcs;

/// Binds retransmissions and parity to `inner` along with the video they belong to. The stack binds the streams of a track
/// only, and what is not bound gets no transport-wide number: the estimate would not see it.
pub(crate) struct WithRepair<I> {
    inner: I,
    ssrcs: Ssrcs,
}

impl<I> WithRepair<I> {
    pub(crate) fn new(inner: I, ssrcs: Ssrcs) -> Self {
        Self { inner, ssrcs }
    }

    fn streams(&self, info: &StreamInfo) -> Vec<StreamInfo> {
        let repair: &[u32] = if info.ssrc == self.ssrcs.video { &[self.ssrcs.rtx, self.ssrcs.parity] } else { &[] };
        let repair = repair.iter().map(|ssrc| StreamInfo { ssrc: *ssrc, ..info.clone() });
        std::iter::once(info.clone()).chain(repair).collect()
    }
}

impl<I: Interceptor> Protocol<TaggedPacket, TaggedPacket, ()> for WithRepair<I> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.inner.handle_read(packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inner.poll_read()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.inner.handle_write(packet)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.inner.poll_write()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.inner.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.inner.poll_timeout()
    }
}

impl<I: Interceptor> Interceptor for WithRepair<I> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        for stream in self.streams(info) {
            self.inner.bind_local_stream(&stream);
        }
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        for stream in self.streams(info) {
            self.inner.unbind_local_stream(&stream);
        }
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.inner.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.inner.unbind_remote_stream(info);
    }
}
