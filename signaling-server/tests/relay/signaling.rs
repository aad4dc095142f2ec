//! From joining a room to data through the relay: the program as it is started.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use eyeline_protocol::{ClientMessage, IceConfig, RoomId, ServerMessage, wire};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::Client;
use crate::messages::{Ask, Said};

/// The program, stopped when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) port: u16,
}

impl Program {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_eyeline-server")).args(["--listen", "127.0.0.1:0"]).args(args))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Member {
    pub(crate) async fn join(url: &str, room_id: RoomId) -> (Self, IceConfig) {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "eyeline.v1".parse().unwrap());
        let (socket, _) = connect_async(request).await.unwrap();
        let mut member = Self { socket };
        member.say(&ClientMessage::Hello { v: 1, resume: None }).await;
        member.message().await;
        member.say(&ClientMessage::Join { room_id }).await;
        match member.message().await {
            ServerMessage::Joined { ice, .. } => (member, ice),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, message: &ClientMessage) {
        self.socket.send(Message::text(wire::encode(message))).await.unwrap();
    }

    async fn message(&mut self) -> ServerMessage {
        loop {
            let frame = self.socket.next().await.unwrap().unwrap();
            if let Message::Text(text) = frame {
                return wire::decode_server(&text).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn relay_credentials_come_with_joining_and_are_renewed() {
    let program = Program::start(&[]);
    let port = program.port;
    let room = RoomId([7; 16]);
    let url = format!("ws://localhost:{port}/ws");
    let (mut a, a_ice) = Member::join(&url, room).await;
    let (_b, b_ice) = Member::join(&url, room).await;
    let (_c, c_ice) = Member::join(&url, RoomId([8; 16])).await;
    let ways = ["stun:localhost:P", "turn:localhost:P?transport=udp", "turn:localhost:P?transport=tcp"];
    assert_eq!(a_ice.urls, ways.map(|way| way.replace('P', &port.to_string())));
    assert_eq!(a_ice.ttl_s, 300);

    let server = format!("127.0.0.1:{port}").parse().unwrap();
    let mut clients = Vec::new();
    for ice in [&a_ice, &b_ice, &c_ice] {
        let mut client = Client::udp(server).await;
        client.log_in_with(ice.user.clone(), ice.cred.clone()).await;
        let address = client.allocate().await;
        clients.push((client, address));
    }
    let [(a_turn, a_address), (b_turn, b_address), (_, c_address)] = clients.as_mut_slice() else { unreachable!() };
    assert_eq!(a_turn.ask(&Ask::Permission(vec![*c_address])).await.code(), 403, "another room");
    a_turn.ask(&Ask::Bind(0x4001, *b_address)).await.success();
    b_turn.ask(&Ask::Bind(0x4001, *a_address)).await.success();
    a_turn.send_on_channel(0x4001, b"hello").await;
    assert_eq!(b_turn.read().await, Said::Channel { number: 0x4001, data: b"hello".to_vec() });

    assert!(matches!(a.message().await, ServerMessage::PeerJoined { .. }));
    a.say(&ClientMessage::IceRefresh).await;
    let ServerMessage::Ice { ice } = a.message().await else { panic!("no ice") };
    assert_eq!(ice.urls, a_ice.urls);
    let login = a_turn.login.as_mut().unwrap();
    (login.user, login.password) = (ice.user, ice.cred);
    a_turn.ask(&Ask::Refresh(None)).await.success();
}

#[tokio::test]
async fn relay_can_be_left_out() {
    let program = Program::start(&["--no-relay"]);
    let (_member, ice) = Member::join(&format!("ws://127.0.0.1:{}/ws", program.port), RoomId([7; 16])).await;
    assert_eq!(ice, IceConfig::default());
}
