//! The signaling socket: one task per connection attempt, text frames in and out.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eyeline_call::SocketInput;
use eyeline_protocol::{SUBPROTOCOL, limits};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::actor::Note;
use crate::network;

/// Frames waiting to be sent. The call sends a few dozen in all; when a stuck server fills it, the socket counts as closed.
pub(crate) const OUTGOING_FRAMES: usize = 128;
/// How long the server may take to answer when it is asked for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long the goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection attempt and what becomes of it. Dropping it sends what is queued and closes.
#[derive(Debug)]
pub(crate) struct Socket {
    frames: mpsc::Sender<String>,
    check: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
    /// Number of the attempt: notes of an older one are stale.
    pub(crate) attempt: u64,
}

impl Socket {
    /// Starts to connect to `url` (`ws://…` or `wss://…`); what happens comes as [`Note::Socket`].
    pub(crate) fn connect(url: String, attempt: u64, notes: mpsc::Sender<Note>) -> Self {
        let (frames, outgoing) = mpsc::channel(OUTGOING_FRAMES);
        let check = Arc::new(Notify::new());
        let asked = check.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = run(&url, attempt, outgoing, &asked, &notes).await {
                tracing::debug!(%error, "signaling socket");
            }
            // The engine may be gone already; then nobody needs to know.
            let _closed = notes.send(Note::Socket { attempt, input: SocketInput::Closed }).await;
        });
        Self { frames, check, task, attempt }
    }

    /// Queues a frame; false when the socket is gone or stuck.
    pub(crate) fn send(&self, frame: String) -> bool {
        self.frames.try_send(frame).is_ok()
    }

    /// The network changed: finds out soon whether the server is still there. If not, the socket closes.
    pub(crate) fn check(&self) {
        self.check.notify_one();
    }

    /// Sends what is queued, closes, and waits until that is done.
    pub(crate) async fn close(self) {
        drop(self.frames);
        // A task that panicked has nothing left to send.
        let _ended = self.task.await;
    }
}

/// Why a socket ended.
#[derive(Debug, thiserror::Error)]
enum SocketError {
    // The library's own words may carry the address, so only the kind is kept.
    #[error("could not connect")]
    Connect,
    #[error("broken")]
    Broken,
    #[error("silent for too long")]
    Silent,
}

async fn run(
    url: &str,
    attempt: u64,
    mut outgoing: mpsc::Receiver<String>,
    check: &Notify,
    notes: &mpsc::Sender<Note>,
) -> Result<(), SocketError> {
    let mut request = url.into_client_request().map_err(|_| SocketError::Connect)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(limits::FRAME_BYTES_MAX);
    config.max_frame_size = Some(limits::FRAME_BYTES_MAX);
    let (stream, _) = tokio_tungstenite::connect_async_with_config(request, Some(config), true)
        .await
        .map_err(|_| SocketError::Connect)?;
    let local = local_address(stream.get_ref());
    let (mut sink, mut stream) = stream.split();
    let mut must_answer_by = None;
    let note = |input| Note::Socket { attempt, input };
    if notes.send(note(SocketInput::Opened)).await.is_err() {
        return Ok(());
    }
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => sink.send(Message::text(frame)).await.map_err(|_| SocketError::Broken)?,
                None => {
                    let goodbye = async { sink.send(Message::Close(None)).await };
                    let _best_effort = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
                    return Ok(());
                }
            },
            () = check.notified() => {
                if local.is_some_and(|local| !is_ours(local)) {
                    return Err(SocketError::Broken);
                }
                sink.send(Message::Ping(Bytes::new())).await.map_err(|_| SocketError::Broken)?;
                must_answer_by = Some(Instant::now() + SIGN_OF_LIFE);
            }
            () = until(must_answer_by) => return Err(SocketError::Silent),
            message = tokio::time::timeout(limits::DEAD_AFTER, stream.next()) => {
                must_answer_by = None;
                match message.map_err(|_| SocketError::Silent)? {
                    Some(Ok(Message::Text(text))) => {
                        if notes.send(note(SocketInput::Frame(text.to_string()))).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    // The library answers pings by itself; binary frames mean nothing here.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                    Some(Err(tungstenite::Error::ConnectionClosed)) => return Ok(()),
                    Some(Err(_)) => return Err(SocketError::Broken),
                }
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

fn local_address(stream: &MaybeTlsStream<TcpStream>) -> Option<IpAddr> {
    let tcp = match stream {
        MaybeTlsStream::Plain(tcp) => tcp,
        MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
        _ => return None,
    };
    tcp.local_addr().ok().as_ref().map(SocketAddr::ip)
}

/// Whether this machine still has the address; taken for granted if that cannot be found out.
fn is_ours(address: IpAddr) -> bool {
    address.is_loopback() || network::addresses().is_none_or(|addresses| addresses.contains(&address))
}
