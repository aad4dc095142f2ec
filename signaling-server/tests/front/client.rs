//! Clients as they come: over TCP, over TLS, with a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use eyeline_protocol::{ClientMessage, IceConfig, RoomId, ServerMessage, wire};
use futures_util::{SinkExt as _, StreamExt as _};

use crate::authority::DOMAIN;
use crate::program::PATIENCE;

/// A client's TLS settings.
#[derive(Clone)]
pub(crate) struct Trust {
    pub(crate) roots: RootCertStore,
    pub(crate) alpn: Vec<&'static [u8]>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
}

impl Trust {
    pub(crate) fn new(roots: RootCertStore) -> Self {
        Self { roots, alpn: Vec::new(), versions: vec![&rustls::version::TLS13, &rustls::version::TLS12] }
    }

    pub(crate) fn alpn(mut self, names: &[&'static [u8]]) -> Self {
        self.alpn = names.to_vec();
        self
    }

    pub(crate) async fn connect(self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots)
            .with_no_client_auth();
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(DOMAIN).unwrap();
        patiently(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }
}

/// The certificate that the server showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("the server does something")
}

/// Asks for a page and gives the whole answer.
pub(crate) async fn get<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    String::from_utf8(to_end(stream).await).unwrap()
}

/// All that comes until the other side closes, be it rudely.
pub(crate) async fn to_end<S: AsyncRead + Unpin>(mut stream: S) -> Vec<u8> {
    let mut bytes = Vec::new();
    patiently(stream.read_to_end(&mut bytes)).await.ok();
    bytes
}

/// A page over TCP.
pub(crate) async fn get_plain(address: SocketAddr, path: &str) -> String {
    get(TcpStream::connect(address).await.unwrap(), path).await
}

/// A WebSocket that is a member of a room.
pub(crate) struct Member<S> {
    socket: WebSocketStream<S>,
}

/// Opens a WebSocket, as a page of this origin if one is named.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &str,
    origin: Option<&str>,
) -> Result<WebSocketStream<S>, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("eyeline.v1"));
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    Ok(patiently(client_async(request, stream)).await?.0)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Member<S> {
    pub(crate) async fn join(stream: S, url: &str) -> Self {
        Self::enter(stream, url).await.0
    }

    /// As [`Member::join`], with what it was told of relays.
    pub(crate) async fn enter(stream: S, url: &str) -> (Self, IceConfig) {
        Self::enter_room(stream, url, RoomId([1; 16])).await
    }

    /// In a room of this number.
    pub(crate) async fn join_room(stream: S, url: &str, room: u32) -> Self {
        let mut id = [2; 16];
        id[..4].copy_from_slice(&room.to_be_bytes());
        Self::enter_room(stream, url, RoomId(id)).await.0
    }

    async fn enter_room(stream: S, url: &str, room_id: RoomId) -> (Self, IceConfig) {
        let mut member = Self { socket: open(stream, url, None).await.unwrap() };
        member.say(&ClientMessage::Hello { v: 1, resume: None }).await;
        assert!(matches!(member.hear().await, Some(ServerMessage::Welcome { .. })));
        member.say(&ClientMessage::Join { room_id }).await;
        match member.hear().await {
            Some(ServerMessage::Joined { ice, .. }) => (member, ice),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.socket.send(Message::text(wire::encode(message))).await.unwrap();
    }

    /// The next message, or none when the server closed.
    pub(crate) async fn hear(&mut self) -> Option<ServerMessage> {
        loop {
            match patiently(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Some(wire::decode_server(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Whether the server still answers.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.say(&ClientMessage::Hello { v: 1, resume: None }).await;
        matches!(self.hear().await, Some(ServerMessage::Error { .. }))
    }
}
