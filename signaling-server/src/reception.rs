//! From an accepted connection to its end: it is opened, served and dropped, each within its time.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::front::{Door, Opened, Opening, Openings, Stream};
use crate::metrics::Metrics;
use crate::pace::{Pace, Paced};
use crate::relay::Relay;
use crate::router::{self, App};

/// Connections that have not (or not yet) become sockets or relayed streams; when all are taken, new ones wait in the
/// system's queue. Each has little time, so none is taken for long. At most 40 KiB each, with TLS.
const HTTP_OPEN_MAX: usize = 1024;
const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From connecting to the end of the answer (or to the upgrade).
const HTTP_TIMEOUT: Duration = Duration::from_secs(15);
const HTTP_BUFFER_BYTES_MAX: usize = 16 * 1024;
/// One request is all that whoever asks for figures has to say.
const FIGURES_PACE: Pace = Pace { burst: 64 * 1024, per_s: 16 * 1024 };
/// How long to wait when the system has no more sockets to give.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Takes connections, and hands each to a task of its own with its slot.
pub(crate) async fn accept<F, R>(listener: TcpListener, receive: F)
where
    F: Fn(TcpStream, SocketAddr, OwnedSemaphorePermit) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(HTTP_OPEN_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Messages are small and someone waits for each.
                stream.set_nodelay(true).ok();
                tokio::spawn(receive(stream, peer, slot));
            }
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "accept failed");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// What connections are received with.
pub(crate) struct Reception {
    app: Arc<App>,
    openings: Arc<Openings>,
    plain: Router,
    secure: Router,
    redirect: Router,
}

impl Reception {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self {
            app: Arc::clone(app),
            openings: Arc::default(),
            plain: router::pages(Arc::clone(app), false),
            secure: router::pages(Arc::clone(app), true),
            redirect: router::redirect(Arc::clone(app)),
        }
    }

    /// Sees a connection through its opening. What takes longer is dropped; what failed has nobody to tell.
    pub(crate) async fn receive(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        door: Door,
        slot: OwnedSemaphorePermit,
    ) {
        let deadline = Instant::now() + HTTP_TIMEOUT;
        let exempt = self.app.admission.lock().unwrap_or_else(PoisonError::into_inner).is_exempt(peer.ip());
        let opening: Option<Opening> = match exempt {
            true => None,
            false => match self.openings.enter(peer.ip()) {
                Some(opening) => Some(opening),
                None => return self.app.metrics.rejected("opening"),
            },
        };
        let pace = self.app.live().socket.pace;
        let opened = timeout_at(deadline, self.app.front.open(stream, door)).await;
        match opened {
            Ok(Ok(Some(Opened::Http { stream, secure }))) => {
                let router = if secure { &self.secure } else { &self.plain };
                timeout_at(deadline, serve_http(stream, peer, router.clone(), pace)).await.ok();
            }
            Ok(Ok(Some(Opened::Redirect(stream)))) => {
                timeout_at(deadline, serve_http(stream, peer, self.redirect.clone(), pace)).await.ok();
            }
            Ok(Ok(Some(Opened::Stun(stream)))) => {
                // The relay has a limit of its own for all together; the address keeps its place for as long as it takes
                // to get an allocation, or one address could take what there is for all.
                drop(slot);
                let Some(relay) = &self.app.relay else { return };
                if !relay.serve_stream_in(stream, peer, opening).await {
                    self.app.metrics.rejected("relay_streams");
                }
            }
            Ok(Ok(None) | Err(_)) | Err(_) => Metrics::add(&self.app.metrics.opening_failures, 1),
        }
    }
}

/// Figures for Prometheus.
pub(crate) async fn show_figures(stream: TcpStream, peer: SocketAddr, router: Router, slot: OwnedSemaphorePermit) {
    timeout(HTTP_TIMEOUT, serve_http(Box::new(stream), peer, router, FIGURES_PACE)).await.ok();
    drop(slot);
}

/// Requests until the time is over; a WebSocket lives on in a task of its own. Not `axum::serve`, which has no time limits.
async fn serve_http(stream: Box<dyn Stream>, peer: SocketAddr, router: Router, pace: Pace) {
    let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(peer))));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEAD_TIMEOUT)
        .max_buf_size(HTTP_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(Paced::new(stream, pace)), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::trace!(timeout = error.is_timeout(), parse = error.is_parse(), "request failed");
    }
}

/// STUN and TURN by UDP, until reading fails.
pub(crate) async fn serve_datagrams(relay: Relay, socket: UdpSocket) {
    if let Err(error) = relay.serve_udp(socket).await {
        tracing::error!(kind = ?error.kind(), "the relay has stopped");
    }
}
