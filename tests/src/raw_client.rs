//! A client of the signaling server that says what it is told to, right or wrong.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::{Failure, Outcome};

/// A socket of the test's own.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Opens a signaling socket.
///
/// # Errors
/// When the server refuses.
pub async fn connect(url: &str) -> Outcome<Socket> {
    Ok(connect_async(request(url)?).await?.0)
}

fn request(url: &str) -> Outcome<Request> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(eyeline_protocol::SUBPROTOCOL));
    Ok(request)
}

fn url(address: &str) -> String {
    format!("ws://{address}{}", eyeline_protocol::SOCKET_PATH)
}

/// A client that reads and writes JSON text, not messages.
pub struct RawClient {
    socket: Socket,
}

impl RawClient {
    /// Opens a socket on the server of this address.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(address: &str) -> Outcome<Self> {
        Ok(Self { socket: connect(&url(address)).await? })
    }

    /// The same from an IPv4 address of this machine's choice, as another client's (127.0.0.2, say).
    ///
    /// # Errors
    /// When the server refuses, or the address is not this machine's.
    pub async fn connect_from(address: &str, own: IpAddr) -> Outcome<Self> {
        let tcp = TcpSocket::new_v4()?;
        tcp.bind(SocketAddr::new(own, 0))?;
        let stream = MaybeTlsStream::Plain(tcp.connect(address.parse()?).await?);
        Ok(Self { socket: client_async(request(&url(address))?, stream).await?.0 })
    }

    /// Sends a text frame. A server that has closed the socket already is no failure: what it said is still to be read.
    pub async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.ok();
    }

    /// Sends any frame.
    pub async fn send(&mut self, message: Message) {
        self.socket.send(message).await.ok();
    }

    /// The next message; `None` when the server has closed the socket.
    ///
    /// # Errors
    /// When nothing comes in time or it is not JSON.
    pub async fn hear(&mut self) -> Outcome<Option<Value>> {
        loop {
            let next = timeout(ANSWER_LIMIT, self.socket.next()).await;
            let next = next.map_err(|_| Failure::new(format!("the server said nothing for {ANSWER_LIMIT:?}")))?;
            match next {
                None | Some(Err(_) | Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Text(text))) => return Ok(Some(serde_json::from_str(&text)?)),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next message of this type; others are passed over.
    ///
    /// # Errors
    /// When the socket closes or nothing comes in time.
    pub async fn hear_type(&mut self, wanted: &str) -> Outcome<Value> {
        while let Some(message) = self.hear().await? {
            if message["type"] == wanted {
                return Ok(message);
            }
        }
        Err(Failure::new(format!("the server closed the socket instead of saying {wanted}")))
    }

    /// Waits until the server closes the socket, and returns the code of its last error.
    ///
    /// # Errors
    /// When it does not close it.
    pub async fn hear_close(&mut self) -> Outcome<String> {
        let mut last_code = String::new();
        while let Some(message) = self.hear().await? {
            if let Some(code) = message["code"].as_str() {
                last_code = code.into();
            }
        }
        Ok(last_code)
    }
}
