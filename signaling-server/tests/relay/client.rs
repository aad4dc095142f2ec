//! A TURN client over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use eyeline_protocol::MemberId;
use eyeline_server::relay::Relay;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::messages::{self, Ask, Login, Said};

/// Long enough for any answer on a busy machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ROOM: &[u8] = b"room";

/// A relay on loopback, by UDP and TCP.
pub(crate) struct Served {
    pub(crate) relay: Relay,
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
}

pub(crate) async fn serve(relay: Relay, ip: &str) -> Served {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let (udp, tcp) = (socket.local_addr().unwrap(), listener.local_addr().unwrap());
    let by_udp = relay.clone();
    tokio::spawn(async move { by_udp.serve_udp(socket).await });
    let by_tcp = relay.clone();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let relay = by_tcp.clone();
            tokio::spawn(async move { relay.serve_stream(stream, peer).await });
        }
    });
    Served { relay, udp, tcp }
}

enum Transport {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, buffer: Vec<u8> },
}

pub(crate) struct Client {
    transport: Transport,
    pub(crate) login: Option<Login>,
}

impl Client {
    pub(crate) async fn udp(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).await.unwrap();
        socket.connect(server).await.unwrap();
        Self { transport: Transport::Udp(socket), login: None }
    }

    /// By UDP, from whichever of our addresses the way to the server begins at.
    pub(crate) async fn from_address(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.connect(server).await.unwrap();
        Self { transport: Transport::Udp(socket), login: None }
    }

    pub(crate) async fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { transport: Transport::Tcp { stream, buffer: Vec::new() }, login: None }
    }

    /// With credentials for this member of a room, and the nonce that goes with them.
    pub(crate) async fn log_in(&mut self, relay: &Relay, room: &[u8], member: u8) {
        let (user, password) = relay.credentials(room, &MemberId::from_random([member; 12]));
        self.log_in_with(user, password).await;
    }

    pub(crate) async fn log_in_with(&mut self, user: String, password: String) {
        self.login = None;
        let Said::Refused { code: 401, nonce: Some(nonce), .. } = self.ask(&Ask::Allocate).await else {
            panic!("no nonce")
        };
        self.login = Some(Login { user, password, nonce });
    }

    /// The relayed address.
    pub(crate) async fn allocate(&mut self) -> SocketAddr {
        self.ask(&Ask::Allocate).await.success().relayed.expect("a relayed address")
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) -> Said {
        self.send(&messages::request(ask, self.login.as_ref())).await;
        self.read().await
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        match &mut self.transport {
            Transport::Udp(socket) => assert_eq!(socket.send(message).await.unwrap(), message.len()),
            Transport::Tcp { stream, .. } => stream.write_all(message).await.unwrap(),
        }
    }

    pub(crate) async fn send_on_channel(&mut self, number: u16, data: &[u8]) {
        let padded = matches!(self.transport, Transport::Tcp { .. });
        self.send(&messages::channel_data(number, data, padded)).await;
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        match &self.transport {
            Transport::Udp(socket) => socket.local_addr().unwrap(),
            Transport::Tcp { stream, .. } => stream.local_addr().unwrap(),
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.transport, Transport::Tcp { .. })
    }

    /// The next message.
    pub(crate) async fn read(&mut self) -> Said {
        let message = timeout(PATIENCE, self.next()).await.expect("the relay says something");
        messages::read(&message.expect("the connection is open"))
    }

    /// Whether the relay closes the connection; what it says before is skipped.
    pub(crate) async fn is_closed(&mut self) -> bool {
        timeout(PATIENCE, async { while self.next().await.is_some() {} }).await.is_ok()
    }

    async fn next(&mut self) -> Option<Vec<u8>> {
        match &mut self.transport {
            Transport::Udp(socket) => {
                let mut message = vec![0; 65_536];
                let len = socket.recv(&mut message).await.unwrap();
                message.truncate(len);
                Some(message)
            }
            Transport::Tcp { stream, buffer } => loop {
                if let Some(len) = framed(buffer) {
                    return Some(buffer.drain(..len).collect());
                }
                if matches!(stream.read_buf(buffer).await, Ok(0) | Err(_)) {
                    return None;
                }
            },
        }
    }
}

fn framed(bytes: &[u8]) -> Option<usize> {
    let [first, _, high, low, ..] = bytes else { return None };
    let payload = usize::from(u16::from_be_bytes([*high, *low]));
    let len = if first >> 6 == 0 { 20 + payload } else { 4 + payload.next_multiple_of(4) };
    (bytes.len() >= len).then_some(len)
}

/// Two members of one room with channels to each other, 0x4001 at both ends.
pub(crate) async fn join(served: &Served, a: &mut Client, b: &mut Client) -> [SocketAddr; 2] {
    a.log_in(&served.relay, ROOM, 1).await;
    b.log_in(&served.relay, ROOM, 2).await;
    let addresses = [a.allocate().await, b.allocate().await];
    a.ask(&Ask::Bind(0x4001, addresses[1])).await.success();
    b.ask(&Ask::Bind(0x4001, addresses[0])).await.success();
    addresses
}
