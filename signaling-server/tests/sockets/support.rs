//! A client that speaks the protocol over a real socket.

use std::time::Duration;

use eyeline_protocol::{ClientMessage, ErrorCode, MemberId, ResumeToken, RoomId, SUBPROTOCOL, ServerMessage, wire};
use eyeline_server::{ServerConfig, ServerHandle, serve};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Long enough for any answer on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ROOM: RoomId = RoomId([1; 16]);

pub(crate) async fn start(config: ServerConfig) -> ServerHandle {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, config).unwrap()
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What [`Client::read`] found.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    Message(ServerMessage),
    /// With the code of the close frame, or none if the connection just ended.
    Closed(Option<u16>),
}

pub(crate) async fn try_connect(
    server: &ServerHandle,
    subprotocol: Option<&str>,
) -> Result<Client, tungstenite::Error> {
    let mut request = format!("ws://{}/ws", server.local_addr()).into_client_request()?;
    if let Some(name) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", name.parse().unwrap());
    }
    let (socket, response) = connect_async(request).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
    Ok(Client { socket })
}

impl Client {
    pub(crate) async fn connect(server: &ServerHandle) -> Self {
        try_connect(server, Some(SUBPROTOCOL)).await.unwrap()
    }

    /// Connected and welcomed.
    pub(crate) async fn hello(server: &ServerHandle, resume: Option<ResumeToken>) -> (Self, ServerMessage) {
        let mut client = Self::connect(server).await;
        client.say(&ClientMessage::Hello { v: 1, resume }).await;
        let welcome = client.message().await;
        assert!(matches!(welcome, ServerMessage::Welcome { .. }), "{welcome:?}");
        (client, welcome)
    }

    /// In the room; with its id and resume token.
    pub(crate) async fn join(server: &ServerHandle, room_id: RoomId) -> (Self, MemberId, ResumeToken) {
        let (mut client, welcome) = Self::hello(server, None).await;
        let ServerMessage::Welcome { resume_token, .. } = welcome else { unreachable!() };
        client.say(&ClientMessage::Join { room_id }).await;
        match client.message().await {
            ServerMessage::Joined { me, .. } => (client, me, resume_token),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.text(&wire::encode(message)).await;
    }

    pub(crate) async fn send(&mut self, to: &MemberId, seq: u64, body: &str) {
        self.say(&ClientMessage::Send { to: to.clone(), seq, body: body.to_owned() }).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.raw(Message::text(text)).await;
    }

    pub(crate) async fn raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next message or the end; pings are skipped.
    pub(crate) async fn read(&mut self) -> Read {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the server says something");
            match frame {
                Some(Ok(Message::Text(text))) => return Read::Message(wire::decode_server(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Read::Closed(frame.map(|frame| CloseCode::into(frame.code))),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Read::Closed(None),
            }
        }
    }

    pub(crate) async fn message(&mut self) -> ServerMessage {
        match self.read().await {
            Read::Message(message) => message,
            Read::Closed(code) => panic!("closed with {code:?}"),
        }
    }

    pub(crate) async fn error(&mut self) -> ErrorCode {
        match self.message().await {
            ServerMessage::Error { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }
}
