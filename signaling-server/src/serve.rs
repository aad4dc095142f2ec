//! From a listening socket to a running server, and its end.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::ServerConfig;
use crate::admission::Admission;
use crate::hub::{self, ToHub};
use crate::rooms::Seed;
use crate::router::{App, router};

/// Connections that have not (or not yet) become WebSockets; when all are taken, new ones wait in the system's queue.
/// Each has little time, so none is taken for long.
const HTTP_OPEN_MAX: usize = 256;
const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From connecting to the end of the answer (or to the upgrade).
const HTTP_TIMEOUT: Duration = Duration::from_secs(15);
const HTTP_BUFFER_BYTES_MAX: usize = 16 * 1024;
/// How long to wait when the system has no more sockets to give.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// A running server. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct ServerHandle {
    local_addr: SocketAddr,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl ServerHandle {
    /// Where it listens, with the port the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops: no new connections, `going_away` to every client, then closes; at most [`ServerConfig::drain_within`].
    pub async fn shutdown(self) {
        let Self { stop, accepting, .. } = self;
        drop(stop);
        if let Err(error) = accepting.await
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
    let local_addr = listener.local_addr()?;
    let mut seed: Seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let (stop, stopped) = oneshot::channel();
    let accepting = tokio::spawn(run(listener, config, seed, stopped));
    Ok(ServerHandle { local_addr, stop, accepting })
}

async fn run(listener: TcpListener, config: ServerConfig, seed: Seed, stopped: oneshot::Receiver<()>) {
    let to_hub = hub::spawn(config.rooms(), config.ice.clone(), seed);
    let (alive, mut all_closed) = mpsc::channel(1);
    let app = App {
        admission: Mutex::new(Admission::new(config.admission())),
        to_hub: to_hub.clone(),
        socket: config.socket(),
        alive,
        next_conn: AtomicU64::new(1),
    };
    tokio::select! {
        () = accept(&listener, router(Arc::new(app))) => {}
        // An error means the handle was dropped, which stops the server as well.
        _ = stopped => {}
    }
    drop(listener);
    tracing::info!("draining");
    if to_hub.send(ToHub::Drain { retry_after: config.retry_after }).await.is_err() {
        return; // no hub, no sockets
    }
    // Ends with `None` when the last socket's task (and the last handler) is gone.
    if timeout(config.drain_within, all_closed.recv()).await.is_err() {
        tracing::info!("sockets left open");
    }
    tracing::info!("stopped");
}

async fn accept(listener: &TcpListener, router: Router) {
    let slots = Arc::new(Semaphore::new(HTTP_OPEN_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    // A connection that takes longer is dropped; one that failed has nobody to tell.
                    timeout(HTTP_TIMEOUT, serve_http(stream, peer, router)).await.ok();
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "accept failed");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Requests until the time is over; a WebSocket lives on in a task of its own. Not `axum::serve`, which has no time limits.
async fn serve_http(stream: TcpStream, peer: SocketAddr, router: Router) {
    // Messages are small and someone waits for each.
    stream.set_nodelay(true).ok();
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
