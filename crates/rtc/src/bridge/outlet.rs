//! One socket's way to one relay: which transport carries it.
//!
//! ```text
//! Racing (what is said goes every way that is open) --a way answers--> settled on it (the others close)
//!   ^------------------------------------------------ its stream breaks ------'
//! ```
//!
//! What is said while racing are requests to begin, which the relay answers by asking for a password; so nothing is left
//! behind on the ways that lost.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use std::{fmt, io};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use webrtc::runtime::{AsyncUdpSocket, Transmit};

use super::queue::Queue;
use super::{Bridges, Relay, Transport, Way, address_of, framing, race};

/// What an outlet is given by its socket.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) udp: Arc<dyn AsyncUdpSocket>,
    /// The socket below `udp`, for what is sent while racing. `udp` itself belongs to the stack's task alone: it remembers one
    /// task to wake, so a second one that waits for it leaves the first asleep for ever.
    pub(super) same: Arc<UdpSocket>,
    /// The socket's address; streams leave from the same interface.
    pub(super) local: SocketAddr,
    /// Takes what comes over streams, with the address under which the stack knows the relay.
    pub(super) deliver: mpsc::Sender<(SocketAddr, Bytes)>,
}

/// A way with what it needs to be used.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) way: Way,
    /// Where UDP goes, once the relay's name was looked up.
    pub(super) target: OnceLock<SocketAddr>,
    /// What waits for a stream.
    queue: Mutex<Queue>,
    pub(super) filled: Notify,
}

impl Open {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shared by the socket and the tasks of its streams.
pub(super) struct Shared {
    pub(super) bridges: Arc<Bridges>,
    relay: usize,
    pub(super) outside: Outside,
    pub(super) ways: Vec<Open>,
    state: Mutex<State>,
    /// Something was settled, or the outlet closed.
    pub(super) changed: Notify,
    /// The stack wants to begin.
    pub(super) asked: Notify,
    closed: AtomicBool,
}

#[derive(Default)]
struct State {
    settled: Option<usize>,
    /// What was said last while racing: said again on ways that open later.
    pending: Option<Bytes>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outlet({} ways, settled: {:?})", self.ways.len(), self.settled())
    }
}

impl Shared {
    pub(super) fn relay(&self) -> &Relay {
        &self.bridges.relays[self.relay]
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Whether what came by this way counts; the first that comes decides.
    pub(super) fn answered(&self, way: usize) -> bool {
        let mut state = self.lock();
        if state.settled.is_none() {
            state.settled = Some(way);
            state.pending = None;
            let transport = self.ways[way].way.transport;
            tracing::debug!(?transport, "relay answers");
            self.bridges.lock().reached.insert(self.outside.local, transport);
            self.changed.notify_one();
            for open in &self.ways {
                open.filled.notify_one();
            }
        }
        state.settled == Some(way)
    }

    /// What a stream that just opened is to say.
    pub(super) fn begin_stream(&self, way: usize) {
        let pending = self.pending();
        let mut queue = self.ways[way].queue();
        queue.restart();
        if let Some(pending) = pending {
            queue.push(Instant::now(), &pending);
        }
    }

    /// What the stack said last and nobody answered.
    pub(super) fn pending(&self) -> Option<Bytes> {
        self.lock().pending.clone()
    }

    /// Another way carries everything.
    pub(super) fn is_lost(&self, way: usize) -> bool {
        self.settled().is_some_and(|settled| settled != way)
    }

    /// Whether a stream is not worth opening: the relay, or another one, was reached by a better way.
    pub(super) fn is_needless(&self, way: usize) -> bool {
        let reached = self.bridges.transport_of(self.outside.local);
        self.is_lost(way) || self.is_closed() || reached.is_some_and(|reached| reached < self.ways[way].way.transport)
    }

    /// The address under which the stack knows the relay.
    pub(super) fn address(&self) -> SocketAddr {
        address_of(self.relay, self.outside.local)
    }

    pub(super) fn settled(&self) -> Option<usize> {
        self.lock().settled
    }

    pub(super) fn is_settled_on_udp(&self) -> bool {
        self.settled().is_some_and(|way| self.ways[way].way.transport == Transport::Udp)
    }

    /// The stream that carried everything broke.
    pub(super) fn unsettle(&self, stream: usize) {
        let mut state = self.lock();
        if state.settled == Some(stream) {
            state.settled = None;
            self.bridges.lock().reached.remove(&self.outside.local);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While racing. A way that fails now may work when the stack says it again; another may answer first.
    pub(super) fn try_way(&self, open: &Open, request: &[u8]) {
        match (open.way.transport, open.target.get()) {
            (Transport::Udp, Some(target)) => {
                let _tried = self.outside.same.send_to(request, target);
            }
            (Transport::Udp, None) => {}
            (Transport::Tcp | Transport::Tls, _) => {
                open.queue().push(Instant::now(), request);
                open.filled.notify_one();
            }
        }
    }

    fn poll_send_by(&self, way: usize, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let open = &self.ways[way];
        match (open.way.transport, open.target.get()) {
            (Transport::Udp, Some(target)) => {
                let Transmit { ecn, contents, segment_size, .. } = *transmit;
                self.outside
                    .udp
                    .poll_send(cx, &Transmit { destination: *target, ecn, contents, segment_size, src_ip: None })
            }
            (Transport::Udp, None) => Poll::Ready(Ok(transmit.contents.len())),
            (Transport::Tcp | Transport::Tls, _) => {
                let step = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
                let now = Instant::now();
                for datagram in transmit.contents.chunks(step) {
                    open.queue().push(now, datagram);
                }
                open.filled.notify_one();
                Poll::Ready(Ok(transmit.contents.len()))
            }
        }
    }
}

/// Closes when dropped, after what is queued has left.
#[derive(Debug)]
pub(super) struct Outlet(Arc<Shared>);

impl Outlet {
    /// Starts to look for a way. Must be called inside a tokio runtime.
    pub(super) fn open(bridges: Arc<Bridges>, relay: usize, outside: Outside) -> Self {
        let open =
            |way: &Way| Open { way: *way, target: OnceLock::new(), queue: Mutex::default(), filled: Notify::new() };
        let ways = bridges.relays[relay].ways.iter().map(open).collect();
        let shared = Arc::new(Shared {
            bridges,
            relay,
            outside,
            ways,
            state: Mutex::default(),
            changed: Notify::new(),
            asked: Notify::new(),
            closed: AtomicBool::new(false),
        });
        tokio::spawn(race::run(shared.clone()));
        Self(shared)
    }

    /// The address under which the stack knows the relay.
    pub(super) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The way over UDP to this address.
    pub(super) fn way_at(&self, address: SocketAddr) -> Option<usize> {
        self.0.ways.iter().position(|open| open.target.get() == Some(&address))
    }

    /// Whether what came by this way counts.
    pub(super) fn answered(&self, way: usize) -> bool {
        self.0.answered(way)
    }

    pub(super) fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if let Some(way) = self.0.settled() {
            return self.0.poll_send_by(way, cx, transmit);
        }
        if framing::request(transmit.contents).is_none() {
            // Data for what was held behind a stream that broke. Nobody would take it.
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        self.0.lock().pending = Some(Bytes::copy_from_slice(transmit.contents));
        self.0.asked.notify_one();
        for open in &self.0.ways {
            self.0.try_way(open, transmit.contents);
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.closed.store(true, Relaxed);
        self.0.bridges.lock().reached.remove(&self.0.outside.local);
        self.0.changed.notify_one();
        for open in &self.0.ways {
            open.filled.notify_one();
        }
    }
}
