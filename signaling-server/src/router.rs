//! The server's three addresses: `/ws`, `/j`, `/healthz`.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use eyeline_protocol::limits::FRAME_BYTES_MAX;
use eyeline_protocol::{LINK_PATH, SOCKET_PATH, SUBPROTOCOL};
use tokio::sync::mpsc;

use crate::admission::{Admission, Refusal};
use crate::hub::ToHub;
use crate::page;
use crate::rooms::{ConnId, Entropy, Origin};
use crate::socket::{self, Arrival, SocketConfig};

/// An idle socket keeps its read buffer for as long as it lives. With the library's 128 KiB an idle socket costs 135 KB,
/// with this 6.7 KB.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Frames are flushed one by one, so a larger write buffer would only sit there.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// One frame that is being written, and a pong.
const WRITE_BUFFER_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) admission: Mutex<Admission>,
    pub(crate) to_hub: mpsc::Sender<ToHub>,
    pub(crate) socket: SocketConfig,
    /// Never received from: every socket's task holds one, so the receiver ends when all sockets are closed.
    pub(crate) alive: mpsc::Sender<()>,
    pub(crate) next_conn: AtomicU64,
}

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(SOCKET_PATH, get(open_socket))
        .route(LINK_PATH, get(|| async { page::link() }))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(app)
}

async fn open_socket(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the subprotocol eyeline.v1 is required\n").into_response();
    }
    let mut entropy: Entropy = [0; 32];
    if getrandom::fill(&mut entropy).is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the system gives no randomness\n").into_response();
    }
    let seat = match Seat::take(&app, peer.ip()) {
        Ok(seat) => seat,
        Err(refusal) => return refuse(refusal),
    };
    let conn = ConnId(app.next_conn.fetch_add(1, Ordering::Relaxed));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let arrival = Arrival { conn, origin: seat.origin, entropy, host };
    let (to_hub, alive, config) = (app.to_hub.clone(), app.alive.clone(), app.socket);
    upgrade.on_upgrade(move |socket| async move {
        socket::run(socket, arrival, to_hub, config).await;
        drop((seat, alive));
    })
}

fn refuse(refusal: Refusal) -> Response {
    let (status, retry_after) = match refusal {
        Refusal::Address { retry_after } => (StatusCode::TOO_MANY_REQUESTS, retry_after),
        Refusal::Total { retry_after } => (StatusCode::SERVICE_UNAVAILABLE, retry_after),
    };
    let whole_s = (retry_after + Duration::from_millis(999)).as_secs();
    (status, [(header::RETRY_AFTER, whole_s.to_string())], "too many connections\n").into_response()
}

/// A socket's place in the counts; given back when dropped, also if the upgrade never happens.
struct Seat {
    app: Arc<App>,
    address: IpAddr,
    origin: Origin,
}

impl Seat {
    fn take(app: &Arc<App>, address: IpAddr) -> Result<Self, Refusal> {
        // Sections under this lock do not panic half-way, so a poisoned lock still guards sound counts.
        let mut admission = app.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = admission.enter(Instant::now(), address)?;
        Ok(Self { app: Arc::clone(app), address, origin })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.app.admission.lock().unwrap_or_else(PoisonError::into_inner).leave(self.address);
    }
}
