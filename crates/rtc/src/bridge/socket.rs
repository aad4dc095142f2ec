//! A UDP socket from which relays are reached by other transports as well.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::outlet::{Outlet, Outside};
use super::{Bridges, framing, relay_at};

/// Messages from streams that wait for the stack, some 100 ms of a good picture. When full the newest is dropped, as the
/// system does with datagrams.
const INBOUND: usize = 256;

/// Passes on as it is what does not concern relays.
#[derive(Debug)]
pub(super) struct BridgedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    same: Arc<UdpSocket>,
    local: SocketAddr,
    bridges: Arc<Bridges>,
    /// By relay; made when the stack first writes to it.
    outlets: Vec<OnceLock<Outlet>>,
    inbound: Mutex<mpsc::Receiver<(SocketAddr, Bytes)>>,
    deliver: mpsc::Sender<(SocketAddr, Bytes)>,
}

impl BridgedSocket {
    /// `same` is the socket of `inner`, not blocking.
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, same: UdpSocket, bridges: Arc<Bridges>) -> io::Result<Self> {
        let local = inner.local_addr()?;
        let outlets = bridges.relays.iter().map(|_| OnceLock::new()).collect();
        let (deliver, inbound) = mpsc::channel(INBOUND);
        Ok(Self { inner, same: Arc::new(same), local, bridges, outlets, inbound: Mutex::new(inbound), deliver })
    }

    /// Must be called inside a tokio runtime, as the stack does.
    fn outlet(&self, relay: usize) -> Option<&Outlet> {
        let outlet = self.outlets.get(relay)?;
        Some(outlet.get_or_init(|| {
            let (udp, same) = (self.inner.clone(), self.same.clone());
            let outside = Outside { udp, same, local: self.local, deliver: self.deliver.clone() };
            Outlet::open(self.bridges.clone(), relay, outside)
        }))
    }

    /// A message that came over a stream.
    fn poll_streams(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbound = self.inbound.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(buffer), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else { return Poll::Pending };
        loop {
            // The sender is ours, so the channel never ends before us.
            let Poll::Ready(Some((from, message))) = inbound.poll_recv(cx) else { return Poll::Pending };
            let Some(room) = buffer.get_mut(..message.len()) else { continue };
            room.copy_from_slice(&message);
            *meta = RecvMeta::default();
            (meta.addr, meta.len, meta.stride) = (from, message.len(), message.len().max(1));
            return Poll::Ready(Ok(1));
        }
    }

    /// Gives what relays sent over UDP the address the stack knows, and takes away what no relay can have sent.
    fn sort(&self, datagrams: &[u8], meta: &mut RecvMeta) {
        if relay_at(meta.addr).is_some() {
            meta.len = 0;
            return;
        }
        let first = datagrams.get(..meta.stride.min(meta.len)).unwrap_or_default();
        for outlet in self.outlets.iter().filter_map(OnceLock::get) {
            let Some(way) = outlet.way_at(meta.addr).filter(|_| framing::is_turn(first)) else { continue };
            if outlet.answered(way) {
                meta.addr = outlet.address();
            } else {
                meta.len = 0;
            }
            return;
        }
    }
}

impl AsyncUdpSocket for BridgedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        match relay_at(transmit.destination).and_then(|relay| self.outlet(relay)) {
            Some(outlet) => outlet.poll_send(cx, transmit),
            None => self.inner.poll_send(cx, transmit),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(received) = self.poll_streams(cx, bufs, meta) {
            return Poll::Ready(received);
        }
        let received = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in bufs.iter().zip(meta.iter_mut()).take(count) {
                self.sort(buffer, meta);
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
