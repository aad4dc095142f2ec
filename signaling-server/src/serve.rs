//! From listening sockets to a running server, and its end.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::ServerConfig;
use crate::admission::Admission;
use crate::front::{Door, Front, Opened, Opening, Openings, Stream};
use crate::hub::{self, ToHub};
use crate::metrics::Metrics;
use crate::relay::Relay;
use crate::rooms::Seed;
use crate::router::{self, App, Live};
#[cfg(feature = "public")]
use crate::tls::Tls;

/// Connections that have not (or not yet) become sockets or relayed streams; when all are taken, new ones wait in the
/// system's queue. Each has little time, so none is taken for long. At most 40 KiB each, with TLS.
const HTTP_OPEN_MAX: usize = 1024;
const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From connecting to the end of the answer (or to the upgrade).
const HTTP_TIMEOUT: Duration = Duration::from_secs(15);
const HTTP_BUFFER_BYTES_MAX: usize = 16 * 1024;
/// How often a server that is to end looks whether calls are still relayed.
const LOOK_AT_RELAY: Duration = Duration::from_millis(200);
/// How long to wait when the system has no more sockets to give.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// A server that is being put together.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    doors: Vec<(TcpListener, Door)>,
    figures: Vec<TcpListener>,
    datagrams: Vec<UdpSocket>,
    #[cfg(feature = "public")]
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// One that listens nowhere yet.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            doors: Vec::new(),
            figures: Vec::new(),
            datagrams: Vec::new(),
            #[cfg(feature = "public")]
            tls: None,
        }
    }

    /// It listens here too.
    #[must_use]
    pub fn door(mut self, listener: TcpListener, door: Door) -> Self {
        self.doors.push((listener, door));
        self
    }

    /// STUN and TURN by UDP are served here, if [`ServerConfig::ice`] has a relay of ours. It also takes streams at every
    /// door that lets them in.
    #[must_use]
    pub fn datagrams(mut self, socket: UdpSocket) -> Self {
        self.datagrams.push(socket);
        self
    }

    /// Figures for Prometheus are served here, to whoever reaches it.
    #[must_use]
    pub fn figures(mut self, listener: TcpListener) -> Self {
        self.figures.push(listener);
        self
    }

    /// It speaks TLS, and plain requests are redirected to it.
    #[cfg(feature = "public")]
    #[must_use]
    pub fn tls(mut self, tls: Arc<Tls>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves until the handle is shut down or dropped. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When there is no door, the system does not tell a listener's address, or gives no randomness.
    pub fn start(self) -> io::Result<ServerHandle> {
        let addresses = self.doors.iter().map(|(listener, door)| Ok((*door, listener.local_addr()?)));
        let addresses: Vec<_> = addresses.collect::<io::Result<_>>()?;
        let figures = self.figures.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let first = addresses.first().ok_or_else(|| io::Error::other("a server has to listen somewhere"))?.1;
        let mut seed: Seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let metrics = Arc::<Metrics>::default();
        let config = &self.config;
        let app = Arc::new(App {
            admission: Mutex::new(Admission::new(config.admission())),
            to_hub: hub::spawn(config.rooms(), config.ice.clone(), seed, Arc::clone(&metrics)),
            live: RwLock::new(config.live()),
            metrics,
            front: Front {
                #[cfg(feature = "public")]
                tls: self.tls.clone(),
            },
            relay: config.ice.relay().cloned(),
            open: watch::Sender::new(0),
            draining: AtomicBool::new(false),
            next_conn: AtomicU64::new(1),
        });
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(run(self, Arc::clone(&app), stopped));
        Ok(ServerHandle { first, addresses, figures, app, stop, running })
    }
}

/// A running server. Dropping it stops it too, without waiting.
pub struct ServerHandle {
    first: SocketAddr,
    addresses: Vec<(Door, SocketAddr)>,
    figures: Vec<SocketAddr>,
    app: Arc<App>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl std::fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerHandle").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl ServerHandle {
    /// Where it listens first, with the port the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.first
    }

    /// Everywhere it listens.
    #[must_use]
    pub fn addresses(&self) -> &[(Door, SocketAddr)] {
        &self.addresses
    }

    /// Where figures are.
    #[must_use]
    pub fn figures(&self) -> &[SocketAddr] {
        &self.figures
    }

    /// Other limits and origins from now on; sockets that are open keep the rate they began with. What a server is built
    /// with, such as where it listens, stays.
    pub async fn reconfigure(&self, config: &ServerConfig) {
        self.app.admission.lock().unwrap_or_else(PoisonError::into_inner).reconfigure(config.admission());
        *self.app.live.write().unwrap_or_else(PoisonError::into_inner) = config.live();
        // Without a hub the server has stopped.
        self.app.to_hub.send(ToHub::Configure(Box::new(config.rooms()))).await.ok();
    }

    /// Stops: no new calls, `going_away` to every client, then closes; at most [`ServerConfig::drain_within`].
    pub async fn shutdown(self) {
        let Self { app, stop, running, .. } = self;
        drop((app, stop));
        if let Err(error) = running.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Serves on `listener` until the handle is shut down or dropped. To be called inside a tokio runtime.
///
/// # Errors
/// When the system does not tell the listener's address, or gives no randomness.
pub fn serve(listener: TcpListener, config: ServerConfig) -> io::Result<ServerHandle> {
    Server::new(config).door(listener, Door::Main).start()
}

impl ServerConfig {
    fn live(&self) -> Live {
        Live {
            socket: self.socket(),
            site: self.site.clone(),
            origins: self.origins.clone(),
            retry_after: self.retry_after,
        }
    }
}

async fn run(server: Server, app: Arc<App>, stopped: oneshot::Receiver<()>) {
    let Server { config, doors, figures, datagrams, .. } = server;
    let reception = Arc::new(Reception::new(&app));
    let mut accepting = JoinSet::new();
    for socket in datagrams {
        if let Some(relay) = &app.relay {
            accepting.spawn(serve_datagrams(relay.clone(), socket));
        }
    }
    for (listener, door) in doors {
        let reception = Arc::clone(&reception);
        accepting
            .spawn(accept(listener, move |stream, peer, slot| reception.clone().receive(stream, peer, door, slot)));
    }
    for listener in figures {
        let router = router::figures(Arc::clone(&app));
        accepting.spawn(accept(listener, move |stream, peer, slot| show_figures(stream, peer, router.clone(), slot)));
    }
    // An error means the handle was dropped, which stops the server as well.
    stopped.await.ok();
    drain(&app, &config).await;
    accepting.shutdown().await;
    tracing::info!("stopped");
}

async fn serve_datagrams(relay: Relay, socket: UdpSocket) {
    if let Err(error) = relay.serve_udp(socket).await {
        tracing::error!(kind = ?error.kind(), "the relay has stopped");
    }
}

/// Listeners stay open meanwhile: who asks is told that this server is about to end, and calls that it relays go on until
/// their people hang up.
async fn drain(app: &App, config: &ServerConfig) {
    tracing::info!("draining");
    app.draining.store(true, Ordering::Relaxed);
    Metrics::set(&app.metrics.draining, 1);
    if app.to_hub.send(ToHub::Drain { retry_after: config.retry_after }).await.is_err() {
        return; // no hub, no sockets
    }
    let left = async {
        // Fails when the count is gone, which the app holds.
        app.open.subscribe().wait_for(|open| *open == 0).await.ok();
        while app.relay.as_ref().is_some_and(|relay| relay.stats().allocations_live > 0) {
            sleep(LOOK_AT_RELAY).await;
        }
    };
    if timeout(config.drain_within, left).await.is_err() {
        tracing::info!("sockets or relayed calls left open");
    }
}

/// Takes connections, and hands each to a task of its own with its slot.
async fn accept<F, R>(listener: TcpListener, receive: F)
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
struct Reception {
    app: Arc<App>,
    openings: Arc<Openings>,
    plain: Router,
    secure: Router,
    redirect: Router,
}

impl Reception {
    fn new(app: &Arc<App>) -> Self {
        Self {
            app: Arc::clone(app),
            openings: Arc::default(),
            plain: router::pages(Arc::clone(app), false),
            secure: router::pages(Arc::clone(app), true),
            redirect: router::redirect(Arc::clone(app)),
        }
    }

    /// Sees a connection through its opening. What takes longer is dropped; what failed has nobody to tell.
    async fn receive(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, door: Door, slot: OwnedSemaphorePermit) {
        let deadline = Instant::now() + HTTP_TIMEOUT;
        let exempt = self.app.admission.lock().unwrap_or_else(PoisonError::into_inner).is_exempt(peer.ip());
        let opening: Option<Opening> = match exempt {
            true => None,
            false => match self.openings.enter(peer.ip()) {
                Some(opening) => Some(opening),
                None => return self.app.metrics.rejected("opening"),
            },
        };
        let opened = timeout_at(deadline, self.app.front.open(stream, door)).await;
        match opened {
            Ok(Ok(Some(Opened::Http { stream, secure }))) => {
                let router = if secure { &self.secure } else { &self.plain };
                timeout_at(deadline, serve_http(stream, peer, router.clone())).await.ok();
            }
            Ok(Ok(Some(Opened::Redirect(stream)))) => {
                timeout_at(deadline, serve_http(stream, peer, self.redirect.clone())).await.ok();
            }
            Ok(Ok(Some(Opened::Stun(stream)))) => {
                // The relay has limits of its own for these.
                drop((opening, slot));
                let Some(relay) = &self.app.relay else { return };
                if !relay.serve_stream(stream, peer).await {
                    self.app.metrics.rejected("relay_streams");
                }
            }
            Ok(Ok(None) | Err(_)) | Err(_) => Metrics::add(&self.app.metrics.opening_failures, 1),
        }
    }
}

async fn show_figures(stream: TcpStream, peer: SocketAddr, router: Router, slot: OwnedSemaphorePermit) {
    timeout(HTTP_TIMEOUT, serve_http(Box::new(stream), peer, router)).await.ok();
    drop(slot);
}

/// Requests until the time is over; a WebSocket lives on in a task of its own. Not `axum::serve`, which has no time limits.
async fn serve_http(stream: Box<dyn Stream>, peer: SocketAddr, router: Router) {
    let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(peer))));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEAD_TIMEOUT)
        .max_buf_size(HTTP_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::trace!(timeout = error.is_timeout(), parse = error.is_parse(), "request failed");
    }
}
