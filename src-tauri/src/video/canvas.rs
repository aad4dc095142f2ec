//! Pictures for the page's canvases, over a WebSocket on the loopback address.
//!
//! Any program and any web page of this machine could reach the port, so a connection needs the random token of this run in
//! its path and the `Origin` of our own page. A new connection (the page was loaded again) replaces the older one.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use eyeline_media::frame::VideoFrame;
use eyeline_media::slot::{LatestSlot, Taken};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::frames::{ACK_BYTES, AckWindow, decode_ack, encode};
use super::{FrameSlot, TILES};
use crate::ipc::TileName;

/// Origins of our own page.
const ORIGINS: &[&str] = &["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];

/// The dev server's origin, let in by debug builds only.
const DEV_ORIGIN: &str = "http://localhost:5173";

/// How long a connection may take to become a WebSocket.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The newest picture of one tile, `None` before the first.
type Newest = watch::Receiver<Option<VideoFrame>>;

/// Why no canvas can be fed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanvasError {
    /// No port or no thread.
    #[error("cannot listen on the loopback address: {0}")]
    Io(#[from] std::io::Error),
    /// The system has no randomness.
    #[error("no randomness for the token: {0}")]
    Random(#[from] getrandom::Error),
}

/// Starts feeding canvases for as long as the runtime lives; the address for the page, `ws://127.0.0.1:PORT/TOKEN`.
///
/// # Errors
/// [`CanvasError`] when the port, the token or the threads cannot be had.
pub(crate) async fn start(slots: [FrameSlot; 2]) -> Result<String, CanvasError> {
    let token = token()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("ws://{}/{token}", listener.local_addr()?);
    let mut newest = Vec::with_capacity(TILES.len());
    for (tile, slot) in TILES.into_iter().zip(slots) {
        let (put, get) = watch::channel(None);
        let name = format!("feed-{tile:?}").to_lowercase();
        std::thread::Builder::new().name(name).spawn(move || read(&slot, &put))?;
        newest.push(get);
    }
    let newest = <[Newest; 2]>::try_from(newest).expect("one for each tile");
    tokio::spawn(accept(listener, token.into(), newest));
    Ok(url)
}

fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Moves pictures from where one thread may wait for them to where tasks may. Ends with the slot.
fn read(slot: &LatestSlot<VideoFrame>, newest: &watch::Sender<Option<VideoFrame>>) {
    loop {
        match slot.take(Duration::from_secs(1)) {
            Taken::Value(frame) => drop(newest.send_replace(Some(frame))),
            Taken::TimedOut => {}
            Taken::Closed => return,
        }
    }
}

async fn accept(listener: TcpListener, token: Arc<str>, newest: [Newest; 2]) {
    let (connections, _) = watch::channel(0_u64);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await; // out of descriptors: it may pass
            continue;
        };
        let (token, newest, connections) = (token.clone(), newest.clone(), connections.clone());
        tokio::spawn(async move {
            let Ok(Ok(socket)) = tokio::time::timeout(HANDSHAKE_MAX, handshake(stream, &token)).await else {
                tracing::warn!("canvas connection refused");
                return;
            };
            let mut mine = connections.subscribe();
            connections.send_modify(|count| *count += 1);
            let me = *mine.borrow_and_update();
            tokio::select! {
                result = feed(socket, newest) => tracing::info!(?result, "canvas connection over"),
                _ = mine.wait_for(|&newest| newest != me) => tracing::info!("canvas connection replaced"),
            }
        });
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback wants the whole response as its error")]
async fn handshake(stream: TcpStream, token: &str) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    let check = |request: &Request, response: Response| {
        let origin = request.headers().get("origin").and_then(|origin| origin.to_str().ok()).unwrap_or_default();
        let ours = ORIGINS.contains(&origin) || (cfg!(debug_assertions) && origin == DEV_ORIGIN);
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        if ours && same(path.as_bytes(), token.as_bytes()) { Ok(response) } else { Err(forbidden()) }
    };
    stream.set_nodelay(true)?;
    // The page sends nothing but acknowledgements.
    let config = WebSocketConfig::default()
        .max_message_size(Some(ACK_BYTES))
        .max_frame_size(Some(ACK_BYTES))
        .read_buffer_size(4 << 10)
        .write_buffer_size(0);
    tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config)).await
}

fn forbidden() -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// Compares in a time that does not tell how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// Sends the newest pictures until the page goes away or sends anything but acknowledgements.
async fn feed(
    mut socket: WebSocketStream<TcpStream>,
    [mut remote, mut self_view]: [Newest; 2],
) -> Result<(), tungstenite::Error> {
    let mut window = AckWindow::default();
    remote.mark_unchanged(); // a picture of an earlier call must not come back
    self_view.mark_unchanged();
    loop {
        let (tile, frame) = tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Binary(bytes)) => match decode_ack(&bytes) {
                    Some(sequence) => {
                        window.acknowledge(sequence);
                        continue;
                    }
                    None => return Ok(()),
                },
                Some(Message::Ping(_) | Message::Pong(_)) => continue,
                Some(Message::Text(_) | Message::Close(_) | Message::Frame(_)) | None => return Ok(()),
            },
            Ok(()) = remote.changed(), if window.open(TileName::Remote) => {
                (TileName::Remote, remote.borrow_and_update().clone())
            }
            Ok(()) = self_view.changed(), if window.open(TileName::SelfView) => {
                (TileName::SelfView, self_view.borrow_and_update().clone())
            }
        };
        let Some(frame) = frame else { continue };
        let sequence = window.send(tile);
        socket.send(Message::binary(encode(tile, sequence, &frame.picture))).await?;
    }
}

#[cfg(test)]
#[path = "canvas_tests.rs"]
mod tests;
