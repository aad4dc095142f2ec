//! A WebSocket client that says what it is told to, be it right or wrong (RFC 6455 section 5).

use std::net::{IpAddr, SocketAddr};

use eyeline_protocol::{ClientMessage, RoomId, wire};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::client::patiently;

/// Frames' first bytes.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A handshake as it should be, without the empty line at its end.
pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: server.example\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: eyeline.v1\r\n";

/// Connects from one of loopback's many addresses, which the server's limits tell apart.
pub(crate) async fn connect_from(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::from(from), 0))?;
    socket.connect(to).await
}

/// A frame's head that announces so many bytes, masked or not.
pub(crate) fn head(first: u8, len: u64, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => bytes.push(mask | len),
        (_, Ok(len)) => {
            bytes.push(mask | 126);
            bytes.extend(len.to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    if masked {
        bytes.extend([0; 4]); // a mask that leaves the payload as it is
    }
    bytes
}

/// A whole frame, masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, u64::try_from(payload.len()).unwrap(), true);
    bytes.extend(payload);
    bytes
}

/// What the server sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Pong(Vec<u8>),
    /// With the code, if there is one.
    Closed(Option<u16>),
    /// The connection ended without a close frame.
    Gone,
}

pub(crate) struct Raw<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Asks for a WebSocket; the status of the answer, and the client if it is one now.
    pub(crate) async fn open(mut stream: S) -> Option<(u16, Self)> {
        stream.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(patiently(stream.read_u8()).await.ok()?);
        }
        let answer = String::from_utf8(answer).unwrap();
        Some((answer.split(' ').nth(1)?.parse().ok()?, Self { stream }))
    }

    /// Greeted and in a room of this number, so that no timeout of the beginning gets in the way.
    pub(crate) async fn join(stream: S, room: u32) -> Option<Self> {
        let (101, mut client) = Self::open(stream).await? else { return None };
        let mut id = [3; 16];
        id[..4].copy_from_slice(&room.to_be_bytes());
        for message in [ClientMessage::Hello { v: 1, resume: None }, ClientMessage::Join { room_id: RoomId(id) }] {
            client.say(&message).await.ok()?;
            let Heard::Text(_) = client.hear().await else { return None };
        }
        Some(client)
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) -> std::io::Result<()> {
        self.send(&frame(FIN | TEXT, wire::encode(message).as_bytes())).await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next frame; pings are passed over.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let Ok((first, payload)) = patiently(self.read_frame()).await else { return Heard::Gone };
            match first & 0x0f {
                TEXT => return Heard::Text(String::from_utf8(payload).unwrap()),
                CLOSE => return Heard::Closed(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
                PONG => return Heard::Pong(payload),
                PING => {}
                other => panic!("an opcode that the server has no use for: {other}"),
            }
        }
    }

    /// What ends the connection.
    pub(crate) async fn hear_end(&mut self) -> Heard {
        loop {
            match self.hear().await {
                Heard::Text(_) | Heard::Pong(_) => {}
                end @ (Heard::Closed(_) | Heard::Gone) => return end,
            }
        }
    }

    async fn read_frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let (first, len) = (self.stream.read_u8().await?, self.stream.read_u8().await?);
        let len = match len {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            len => u64::from(len), // never masked (section 5.1)
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut payload).await?;
        Ok((first, payload))
    }
}

/// A request with other headers than it should have; the status of the answer.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &str) -> Option<u16> {
    // The server may have read enough before the end.
    stream.write_all(request.as_bytes()).await.ok();
    let mut answer = [0; 12];
    patiently(stream.read_exact(&mut answer)).await.ok()?;
    std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
}
