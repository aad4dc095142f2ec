//! What whoever runs the server sees and asks of it.

use tempfile::tempdir;
use tokio::net::TcpStream;

use eyeline_protocol::{ClientMessage, ServerMessage};

use crate::client::{Member, get_plain, open, patiently};
use crate::program::{Program, eventually};

async fn member(address: std::net::SocketAddr) -> Member<TcpStream> {
    Member::join(TcpStream::connect(address).await.unwrap(), &format!("ws://{address}/ws")).await
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("eyeline_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn figures_count_what_happened_and_name_nobody() {
    let mut server = Program::start(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let figures = server.address("figures for Prometheus at http://").await;
    let mut first = member(address).await;
    let mut second = member(address).await;
    let Some(ServerMessage::PeerJoined { id }) = first.hear().await else { panic!("nobody came") };
    first.say(&ClientMessage::Send { to: id.clone(), seq: 1, body: "QUJD".into() }).await;
    assert!(matches!(second.hear().await, Some(ServerMessage::From { .. })));
    assert!(second.is_alive().await); // a hello too many, which is refused
    let url = format!("ws://{address}/ws");
    assert!(open(TcpStream::connect(address).await.unwrap(), &url, Some("https://evil.example")).await.is_err());

    let metrics = get_plain(figures, "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    for (name, expected) in [
        ("connections", 2.0),
        ("connections_total", 2.0),
        ("rooms", 1.0),
        ("members", 2.0),
        ("join_seconds_count", 2.0),
        ("join_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("frames_relayed_total", 1.0),
        ("frame_bytes_relayed_total", 4.0),
        ("rejects_total{reason=\"hello_repeated\"}", 1.0),
        ("rejects_total{reason=\"origin\"}", 1.0),
        ("draining", 0.0),
    ] {
        assert_eq!(value(&metrics, name), expected, "{name} in {metrics}");
    }
    assert!(value(&metrics, "join_seconds_sum") > 0.0);
    for told in ["127.0.0.1", "QUJD", id.as_str()] {
        let (_, body) = metrics.split_once("\r\n\r\n").unwrap();
        assert!(!body.contains(told), "{told} in {body}");
    }
    drop((first, second));
    eventually("both gone", async || {
        let metrics = get_plain(figures, "/metrics").await;
        (value(&metrics, "connections") == 0.0).then_some(())
    })
    .await;
    assert!(get_plain(address, "/metrics").await.starts_with("HTTP/1.1 404"), "figures are not for everybody");
}

#[tokio::test]
async fn a_server_that_is_to_end_says_so_and_waits_for_those_who_are_slow_to_leave() {
    let args = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--drain-s", "600", "--log-format", "json"];
    let mut server = Program::start(args);
    let address = server.address("listening on http://").await;
    let figures = server.address("figures for Prometheus at http://").await;
    let mut first = member(address).await;
    server.signal("-TERM");
    assert!(matches!(first.hear().await, Some(ServerMessage::GoingAway { .. })));
    assert!(first.hear().await.is_none());
    assert_eq!(server.ended().await, Some(0));
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(figures).await.is_err());
    let log = server.log().await;
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "draining"), "{log}");
    assert!(!log.contains("127.0.0.1"), "{log}");
}

#[tokio::test]
async fn settings_change_without_a_restart() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "origins = []\nroom-members = 2\n").unwrap();
    let mut server = Program::start(["--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    let address = server.address("listening on http://").await;
    let mut in_call = member(address).await;
    let url = format!("ws://{address}/ws");
    let as_page =
        async || open(TcpStream::connect(address).await.unwrap(), &url, Some("https://new.example")).await.ok();
    assert!(as_page().await.is_none());

    std::fs::write(&file, "origins = [\"https://new.example\"]\nroom-members = 3\nlog = \"warn\"\n").unwrap();
    server.signal("-HUP");
    eventually("the new origin", as_page).await;
    let _second = member(address).await;
    let _third = member(address).await;
    assert!(matches!(in_call.hear().await, Some(ServerMessage::PeerJoined { .. })), "the call goes on");

    // What is wrong changes nothing.
    std::fs::write(&file, "room-members = 99").unwrap();
    server.signal("-HUP");
    assert!(patiently(as_page()).await.is_some());
    server.signal("-TERM");
    while in_call.hear().await.is_some() {}
    assert_eq!(server.ended().await, Some(0));
    let log = server.log().await;
    assert!(log.contains("settings stay as they were") && log.contains("99"), "{log}");
    assert!(!log.contains("draining"), "only warnings are logged now: {log}");
}
