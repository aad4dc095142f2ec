//! One task per socket: frames in, frames out, pings, and the limits that concern one socket alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use eyeline_protocol::{ErrorCode, ServerMessage, wire};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::hub::ToHub;
use crate::metrics::Metrics;
use crate::outbox::{Next, Outbox};
use crate::pace::Pace;
use crate::rate::{Bucket, Rate};
use crate::rooms::{CloseReason, ConnId, Entropy, Origin};

/// What concerns one socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketConfig {
    pub(crate) rate: Rate,
    pub(crate) pace: Pace,
    pub(crate) heartbeat: Duration,
    pub(crate) dead_after: Duration,
    pub(crate) write_stall: Duration,
}

/// Malformed or oversized messages after which a socket is closed. Unknown types do not count: a newer client may
/// speak of things this server does not know.
const ERRORS_MAX: u32 = 16;
/// How long the other side has to answer our close frame.
const LINGER: Duration = Duration::from_secs(1);

/// What the hub is told of a new socket.
pub(crate) struct Arrival {
    pub(crate) conn: ConnId,
    pub(crate) origin: Origin,
    pub(crate) entropy: Entropy,
    /// The `Host` header: how the client reached this server.
    pub(crate) host: Option<String>,
}

/// Serves a socket until it is closed, and tells the hub of its beginning and end.
pub(crate) async fn run(
    socket: WebSocket,
    arrival: Arrival,
    to_hub: mpsc::Sender<ToHub>,
    metrics: Arc<Metrics>,
    config: SocketConfig,
) {
    let Arrival { conn, origin, entropy, host } = arrival;
    let outbox = Arc::new(Outbox::default());
    if to_hub.send(ToHub::Opened { conn, origin, entropy, host, outbox: Arc::clone(&outbox) }).await.is_err() {
        return; // the server has stopped
    }
    tracing::debug!(conn = conn.0, "opened");
    let (sink, stream) = socket.split();
    let mut reader = Reader {
        stream,
        conn,
        to_hub: &to_hub,
        outbox: &outbox,
        metrics: &metrics,
        config,
        bucket: Bucket::new(Instant::now(), config.rate),
        throttled: false,
        errors: 0,
    };
    // The socket is closed by whoever is first: the client (reader) or the server (writer).
    let end = tokio::select! {
        () = reader.run() => End::Broken,
        end = write(sink, &outbox, config) => end,
    };
    if end == End::CloseSent {
        // Reading on until the client has answered keeps the system from resetting the connection, which could
        // destroy what was just sent. It may take no longer than this; either way the socket is dropped.
        timeout(LINGER, reader.discard()).await.ok();
    }
    tracing::debug!(conn = conn.0, "closed");
    // Without a hub there is nobody to tell.
    to_hub.send(ToHub::Closed { conn }).await.ok();
}

struct Reader<'a> {
    stream: SplitStream<WebSocket>,
    conn: ConnId,
    to_hub: &'a mpsc::Sender<ToHub>,
    outbox: &'a Outbox,
    metrics: &'a Metrics,
    config: SocketConfig,
    bucket: Bucket,
    throttled: bool,
    errors: u32,
}

impl Reader<'_> {
    /// Ends when the client is gone or silent for too long. After a fatal error it waits for the writer to close.
    async fn run(&mut self) {
        loop {
            let Ok(frame) = timeout(self.config.dead_after, self.stream.next()).await else {
                tracing::debug!(conn = self.conn.0, "silent for too long");
                return;
            };
            let Some(frame) = frame else { return };
            let at = Instant::now();
            self.throttle().await;
            match frame {
                Ok(Message::Text(text)) => self.text(at, &text).await,
                Ok(Message::Binary(_)) => {
                    self.error(ErrorCode::BinaryFrame, "the protocol is text", None);
                    return self.closing(CloseReason::Binary).await;
                }
                // The library answers pings; the stream ends by itself after the answer to a close frame.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
                Err(error) => match fault(&error) {
                    Some(why) => return self.fail(why).await,
                    None => return,
                },
            }
            if self.errors > ERRORS_MAX {
                self.error(ErrorCode::TooManyErrors, "too many messages in error", None);
                return self.closing(CloseReason::Policy).await;
            }
        }
    }

    /// Reads to the end and forgets what it read.
    async fn discard(&mut self) {
        while let Some(Ok(_)) = self.stream.next().await {}
    }

    /// The other side broke the rules of WebSockets (RFC 6455 section 7.1.7): nothing more can be read.
    async fn fail(&self, why: CloseReason) {
        if why == CloseReason::TooLarge {
            self.error(ErrorCode::TooLarge, "a frame is at most 64 KiB", None);
        } else {
            self.metrics.rejected("websocket");
        }
        self.closing(why).await;
    }

    /// Leaves the rest to the writer, which sends what is queued and closes.
    async fn closing(&self, why: CloseReason) {
        self.outbox.close(why);
        std::future::pending().await
    }

    async fn text(&mut self, at: Instant, text: &str) {
        match wire::decode_client(text) {
            Ok(message) => {
                // Without a hub the server has stopped, and the writer is about to close.
                self.to_hub.send(ToHub::Message { conn: self.conn, message, at }).await.ok();
            }
            Err(error) => {
                let code = error.code();
                self.errors += u32::from(code != ErrorCode::UnknownType);
                self.error(code, &error.to_string(), None);
            }
        }
    }

    /// Waits until the client may say more; meanwhile TCP makes it wait. Nothing is lost.
    async fn throttle(&mut self) {
        while let Err(wait) = self.bucket.take(Instant::now()) {
            if !self.throttled {
                self.throttled = true;
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
                self.error(ErrorCode::RateLimited, "messages come too fast; reading slows down", Some(wait_ms));
            }
            sleep(wait).await;
        }
        self.throttled = self.throttled && !self.bucket.is_free(Instant::now());
    }

    fn error(&self, code: ErrorCode, message: &str, retry_after_ms: Option<u64>) {
        self.metrics.rejected(code.as_str());
        let message = ServerMessage::Error { code, message: message.to_owned(), retry_after_ms };
        if self.outbox.push(wire::encode(&message), false).is_err() {
            self.outbox.abort(CloseReason::TooSlow);
        }
    }
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Our close frame was sent.
    CloseSent,
    /// There is nobody to say anything to.
    Broken,
}

/// Writes what is queued, and pings, until the outbox says close or a write fails or stalls.
async fn write(mut sink: SplitSink<WebSocket, Message>, outbox: &Outbox, config: SocketConfig) -> End {
    let mut heartbeat = interval(config.heartbeat);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset(); // the first ping one period from now
    loop {
        let (message, end) = tokio::select! {
            next = outbox.next() => match next {
                Next::Frame(text) => (Message::Text(text.into()), None),
                Next::Close(why) => {
                    let frame = CloseFrame { code: why.code(), reason: "".into() };
                    (Message::Close(Some(frame)), Some(End::CloseSent))
                }
            },
            _ = heartbeat.tick() => (Message::Ping(axum::body::Bytes::new()), None),
        };
        let sent = tokio::select! {
            sent = timeout(config.write_stall, sink.send(message)) => matches!(sent, Ok(Ok(()))),
            () = outbox.aborted() => false,
        };
        match (sent, end) {
            (true, None) => {}
            (true, Some(end)) => return end,
            (false, _) => return End::Broken,
        }
    }
}

/// What the other side did wrong; `None` if it is just gone. axum wraps the WebSocket library's error.
fn fault(error: &axum::Error) -> Option<CloseReason> {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError;

    match std::error::Error::source(error).and_then(|source| source.downcast_ref())? {
        Error::Capacity(_) => Some(CloseReason::TooLarge),
        Error::Utf8(_) => Some(CloseReason::NotUtf8),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseReason::Protocol),
        _ => None,
    }
}
