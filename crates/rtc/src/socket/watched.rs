//! A UDP socket whose datagrams are looked at on their way.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::Watch;
use super::handshake::Way;

/// Passes everything on as it is.
pub(super) struct WatchedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    /// The socket of `inner`, kept open for repeats.
    _same: Arc<UdpSocket>,
    watch: Arc<Watch>,
    number: usize,
}

/// Without addresses.
impl fmt::Debug for WatchedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedSocket").field("number", &self.number).finish_non_exhaustive()
    }
}

impl WatchedSocket {
    /// `same` is the socket of `inner`, which has made it non-blocking.
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, same: Arc<UdpSocket>, watch: Arc<Watch>) -> Self {
        let number = watch.add(&same);
        Self { inner, _same: same, watch, number }
    }

    fn way(&self, remote: SocketAddr) -> Way {
        Way { socket: self.number, remote }
    }
}

impl AsyncUdpSocket for WatchedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let sent = self.inner.poll_send(cx, transmit);
        if matches!(sent, Poll::Ready(Ok(_))) {
            let now = Instant::now();
            let step = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
            for datagram in transmit.contents.chunks(step) {
                self.watch.on_sent(now, self.way(transmit.destination), datagram);
            }
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            let now = Instant::now();
            for (buffer, meta) in bufs.iter().zip(meta.iter()).take(count) {
                let filled = buffer.get(..meta.len).unwrap_or_default();
                for datagram in filled.chunks(meta.stride.max(1)) {
                    self.watch.on_received(now, self.way(meta.addr), datagram);
                }
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
