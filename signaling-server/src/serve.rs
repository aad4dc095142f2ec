//! From listening sockets to a running server, and its end.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::ServerConfig;
use crate::admission::Admission;
use crate::front::{Door, Front};
use crate::hub::{self, ToHub};
use crate::metrics::Metrics;
use crate::reception::{Reception, accept, serve_datagrams, show_figures};
use crate::relay::Relay;
use crate::rooms::Seed;
use crate::router::{self, App, Live};
#[cfg(feature = "public")]
use crate::tls::Tls;

/// When nothing was relayed for so long, no call is: sound, feedback and consent checks pass several times a second.
/// Allocations do not tell, since clients keep one while they talk directly.
const RELAY_QUIET: Duration = Duration::from_secs(2);

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
        if let Some(relay) = &app.relay {
            relays_nothing(relay).await;
        }
    };
    if timeout(config.drain_within, left).await.is_err() {
        tracing::info!("sockets or relayed calls left open");
    }
}

async fn relays_nothing(relay: &Relay) {
    let mut before = relay.stats();
    while before.allocations_live > 0 {
        sleep(RELAY_QUIET).await;
        let now = relay.stats();
        if now.relayed_packets == before.relayed_packets {
            return;
        }
        before = now;
    }
}
