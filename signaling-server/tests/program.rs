//! The program as scripts use it.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use eyeline_protocol::{ClientMessage, RoomId, ServerMessage, wire};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

#[tokio::test]
async fn it_says_where_it_listens_logs_nothing_personal_and_ends_on_sigterm() {
    let port_file = std::env::temp_dir().join(format!("eyeline-server-port-{}", std::process::id()));
    let mut server = Command::new(env!("CARGO_BIN_EXE_eyeline-server"))
        .args(["--listen", "127.0.0.1:0", "--log", "trace", "--port-file"])
        .arg(&port_file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first_line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    let port = std::fs::read_to_string(&port_file).unwrap();
    std::fs::remove_file(&port_file).unwrap();
    assert_eq!(first_line, format!("listening on http://127.0.0.1:{port}"));

    let mut request = format!("ws://127.0.0.1:{}/ws", port.trim()).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "eyeline.v1".parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let room_id = RoomId([0x5a; 16]);
    for message in [ClientMessage::Hello { v: 1, resume: None }, ClientMessage::Join { room_id }] {
        socket.send(Message::text(wire::encode(&message))).await.unwrap();
        socket.next().await.unwrap().unwrap();
    }

    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let farewell = socket.next().await.unwrap().unwrap();
    let farewell = wire::decode_server(farewell.to_text().unwrap()).unwrap();
    assert!(matches!(farewell, ServerMessage::GoingAway { .. }), "{farewell:?}");
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(Some(_))))));
    // Answers the close frame, as every client does.
    assert!(socket.next().await.is_none());

    assert!(server.wait().unwrap().success());
    let mut log = String::new();
    server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("draining"), "{log}");
    assert!(log.contains("handled"), "{log}");
    // The WebSocket library writes payloads in hexadecimal and as lists of numbers.
    let id = room_id.to_string();
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    for told in ["127.0.0.1", id.as_str(), hex.as_str(), "payload", "tungstenite", "hyper"] {
        assert!(!log.contains(told), "{told} in {log}");
    }
}

#[test]
fn it_says_why_it_cannot_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = Command::new(env!("CARGO_BIN_EXE_eyeline-server")).args(["--listen", &address]).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.starts_with(&format!("eyeline-server: cannot listen {address}: ")), "{said}");
}
