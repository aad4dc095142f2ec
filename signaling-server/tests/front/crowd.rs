//! Many at once.

use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::authority::{Authority, DOMAIN};
use crate::client::{Member, Trust, get_plain, to_end};
use crate::program::{Program, eventually};
use crate::tls::start;

/// Enough for the growth of the allocator's pages not to count.
const CONNECTIONS: u32 = 200;

/// Members of a room each, all idle.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_connection_is_small() {
    let mut server = Program::start(["--listen", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let url = format!("ws://{address}/ws");
    let connect = async || TcpStream::connect(address).await.unwrap();
    let mut members = vec![Member::join_room(connect().await, &url, 0).await];
    let before = server.resident_kib();
    for room in 1..=CONNECTIONS {
        members.push(Member::join_room(connect().await, &url, room).await);
    }
    let each = (server.resident_kib() - before) / CONNECTIONS;
    assert!(each <= 16, "{each} KiB for a plain connection");

    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let address = server.address("listening on https://").await;
    let url = format!("wss://{DOMAIN}/ws");
    let connect = async || Trust::new(authority.roots()).connect(address).await.unwrap();
    let mut members = vec![Member::join_room(connect().await, &url, 0).await];
    let before = server.resident_kib();
    for room in 1..=CONNECTIONS {
        members.push(Member::join_room(connect().await, &url, room).await);
    }
    let each = (server.resident_kib() - before) / CONNECTIONS;
    assert!(each <= 48, "{each} KiB for a connection over TLS");
}

/// One address that opens connections and says nothing has its own places only, and none of them for long.
#[tokio::test]
async fn one_who_says_nothing_is_cut_off() {
    let mut server = Program::start(["--listen", "127.0.0.1:0", "--limit-loopback", "--metrics", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let figures = server.address("figures for Prometheus at http://").await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /ws HTTP/1.1\r\n").await.unwrap();
        silent.push(stream);
    }
    // All have arrived once one more is refused.
    eventually("a refusal", async || {
        let one_more = TcpStream::connect(address).await.unwrap();
        to_end(one_more).await;
        let metrics = get_plain(figures, "/metrics").await;
        metrics.contains("eyeline_rejects_total{reason=\"opening\"}").then_some(())
    })
    .await;
    for stream in silent {
        to_end(stream).await;
    }
    assert!(get_plain(address, "/healthz").await.ends_with("ok\n"), "the places are free again");
}
