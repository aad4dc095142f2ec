//! What is served over HTTP: `/ws`, `/j`, `/healthz`, `/readyz`; and, where figures are, `/metrics`.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use eyeline_protocol::limits::FRAME_BYTES_MAX;
use eyeline_protocol::{LINK_PATH, SOCKET_PATH, SUBPROTOCOL};
use tokio::sync::{mpsc, watch};

use crate::admission::{Admission, Refusal};
use crate::front::Front;
use crate::hub::ToHub;
use crate::metrics::Metrics;
use crate::origin;
use crate::page;
use crate::relay::Relay;
use crate::rooms::{ConnId, Entropy, Origin};
use crate::socket::{self, Arrival, SocketConfig};

/// An idle socket keeps its read buffer for as long as it lives. With the library's 128 KiB an idle socket costs 135 KB,
/// with this 6.7 KB.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Frames are flushed one by one, so a larger write buffer would only sit there.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// One frame that is being written, and a pong.
const WRITE_BUFFER_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Half a year: a browser that was here once asks over TLS only (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=15768000");
/// For what is no page: nothing of it runs or shows.
const NO_CONTENT_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What the handlers share.
pub(crate) struct App {
    pub(crate) admission: Mutex<Admission>,
    pub(crate) to_hub: mpsc::Sender<ToHub>,
    pub(crate) live: RwLock<Live>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) front: Front,
    pub(crate) relay: Option<Relay>,
    /// How many sockets' tasks there are.
    pub(crate) open: watch::Sender<usize>,
    pub(crate) draining: AtomicBool,
    pub(crate) next_conn: AtomicU64,
}

/// What can be changed while the server runs; sockets that are open keep what they began with.
pub(crate) struct Live {
    pub(crate) socket: SocketConfig,
    pub(crate) site: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) retry_after: Duration,
}

impl App {
    /// Whether those who come are served.
    pub(crate) fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.front.is_ready()
    }

    pub(crate) fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For people's programs and browsers.
pub(crate) fn pages(app: Arc<App>, secure: bool) -> Router {
    Router::new()
        .route(SOCKET_PATH, get(open_socket))
        .route(LINK_PATH, get(|| async { page::link() }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(app)
        .layer(map_response(move |response: Response| async move { with_security(response, secure) }))
}

/// For plain requests where there is TLS.
pub(crate) fn redirect(app: Arc<App>) -> Router {
    Router::new()
        .fallback(to_https)
        .with_state(app)
        .layer(map_response(|response: Response| async { with_security(response, false) }))
}

/// For whoever runs the server.
pub(crate) fn figures(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(app)
}

/// What every answer says to browsers, unless a page says it better.
fn with_security(mut response: Response, secure: bool) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NO_CONTENT_POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

/// The server's own name counts, not the one that was asked for: nobody is sent elsewhere by this server.
async fn to_https(State(app): State<Arc<App>>, uri: Uri) -> Response {
    let Some(site) = app.live().site.clone() else { return StatusCode::NOT_FOUND.into_response() };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let location = format!("https://{site}{}", if path.starts_with('/') { path } else { "/" });
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_ready() {
        return "ready\n".into_response();
    }
    let why = if app.draining.load(Ordering::Relaxed) { "draining\n" } else { "no certificate\n" };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.text(app.front.certificate_days(), app.relay.as_ref().map(Relay::stats).as_ref());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
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
        app.metrics.rejected("subprotocol");
        return (StatusCode::BAD_REQUEST, "the subprotocol eyeline.v1 is required\n").into_response();
    }
    if app.draining.load(Ordering::Relaxed) {
        app.metrics.rejected("draining");
        return retry(StatusCode::SERVICE_UNAVAILABLE, app.live().retry_after, "the server is about to end\n");
    }
    let config = {
        let live = app.live();
        if !origin::is_allowed(&headers, live.site.as_deref(), &live.origins) {
            app.metrics.rejected("origin");
            return (StatusCode::FORBIDDEN, "pages of this origin may not open calls here\n").into_response();
        }
        live.socket
    };
    let mut entropy: Entropy = [0; 32];
    if getrandom::fill(&mut entropy).is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the system gives no randomness\n").into_response();
    }
    let seat = match Seat::take(&app, peer.ip()) {
        Ok(seat) => seat,
        Err(refusal) => return refuse(&app, refusal),
    };
    let conn = ConnId(app.next_conn.fetch_add(1, Ordering::Relaxed));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let arrival = Arrival { conn, origin: seat.origin, entropy, host };
    let (to_hub, metrics) = (app.to_hub.clone(), Arc::clone(&app.metrics));
    upgrade.on_upgrade(move |socket| async move {
        socket::run(socket, arrival, to_hub, metrics, config).await;
        drop(seat);
    })
}

fn refuse(app: &App, refusal: Refusal) -> Response {
    let (status, retry_after, reason) = match refusal {
        Refusal::Address { retry_after } => (StatusCode::TOO_MANY_REQUESTS, retry_after, "address"),
        Refusal::Total { retry_after } => (StatusCode::SERVICE_UNAVAILABLE, retry_after, "total"),
    };
    app.metrics.rejected(reason);
    retry(status, retry_after, "too many connections\n")
}

fn retry(status: StatusCode, retry_after: Duration, text: &'static str) -> Response {
    let whole_s = (retry_after + Duration::from_millis(999)).as_secs();
    (status, [(header::RETRY_AFTER, whole_s.to_string())], text).into_response()
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
        Metrics::add(&app.metrics.connections_total, 1);
        app.count(|open| open + 1);
        Ok(Self { app: Arc::clone(app), address, origin })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.app.admission.lock().unwrap_or_else(PoisonError::into_inner).leave(self.address);
        self.app.count(|open| open - 1);
    }
}

impl App {
    fn count(&self, change: impl FnOnce(usize) -> usize) {
        self.open.send_modify(|open| {
            *open = change(*open);
            Metrics::set(&self.metrics.connections, *open);
        });
    }
}
