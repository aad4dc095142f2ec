//! The server over real sockets.
#![expect(clippy::unwrap_used, reason = "in a test, also outside its function, a failure is to fail it")]

mod codes;
mod inboxes;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use eyeline_protocol::{ClientMessage, ErrorCode, LeftReason, RoomId, ServerMessage, limits, wire};
use eyeline_server::ServerConfig;
use futures_util::{SinkExt as _, StreamExt as _};
use support::{Client, ROOM, Read, start, try_connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};

/// For tests that say more than a client usually does.
fn unthrottled() -> ServerConfig {
    ServerConfig { rate_per_s: 1_000_000, rate_burst: 1_000_000, ..ServerConfig::default() }
}

#[tokio::test]
async fn two_clients_meet_talk_and_part() {
    let server = start(ServerConfig::default()).await;
    let (mut a, a_id, _) = Client::join(&server, ROOM).await;
    let (mut b, b_id, _) = Client::join(&server, ROOM).await;
    assert_eq!(a.message().await, ServerMessage::PeerJoined { id: b_id.clone() });

    a.send(&b_id, 1, "b2ZmZXI").await;
    assert_eq!(b.message().await, ServerMessage::From { from: a_id.clone(), seq: 1, body: "b2ZmZXI".into() });
    b.say(&ClientMessage::Ack { from: a_id.clone(), seq: 1 }).await;
    b.send(&a_id, 1, "YW5zd2Vy").await;
    assert_eq!(a.message().await, ServerMessage::From { from: b_id.clone(), seq: 1, body: "YW5zd2Vy".into() });

    b.say(&ClientMessage::Bye).await;
    assert_eq!(b.read().await, Read::Closed(Some(1000)));
    assert_eq!(a.message().await, ServerMessage::PeerLeft { id: b_id.clone(), reason: LeftReason::Bye });
    a.send(&b_id, 2, "").await;
    assert_eq!(a.message().await, ServerMessage::Undeliverable { to: b_id, seq: 2 });
    server.shutdown().await;
}

#[tokio::test]
async fn a_broken_socket_resumes_and_gets_what_it_missed() {
    let server = start(ServerConfig::default()).await;
    let (mut a, a_id, _) = Client::join(&server, ROOM).await;
    let (mut b, b_id, token) = Client::join(&server, ROOM).await;
    a.message().await;
    a.send(&b_id, 1, "AAAA").await;
    b.message().await;
    b.send(&a_id, 1, "CCCC").await;
    a.message().await;
    drop(b); // no close frame, no ack
    a.send(&b_id, 2, "BBBB").await;

    // The server may not have noticed yet that the old socket is gone; it must not matter.
    let (mut b, welcome) = Client::hello(&server, Some(token)).await;
    let ServerMessage::Welcome { resumed: Some(resumed), .. } = welcome else { panic!("{welcome:?}") };
    assert_eq!((resumed.me, resumed.members), (b_id.clone(), vec![a_id.clone()]));
    assert_eq!(resumed.received, BTreeMap::from([(a_id.clone(), 1)]));
    for (seq, body) in [(1, "AAAA"), (2, "BBBB")] {
        assert_eq!(b.message().await, ServerMessage::From { from: a_id.clone(), seq, body: body.into() });
    }
    a.send(&b_id, 3, "DDDD").await;
    assert_eq!(b.message().await, ServerMessage::From { from: a_id, seq: 3, body: "DDDD".into() });
}

#[tokio::test]
async fn a_member_that_stays_away_is_gone_after_the_window() {
    let window = Duration::from_millis(200);
    let server = start(ServerConfig { resume_window: window, ..ServerConfig::default() }).await;
    let (mut a, ..) = Client::join(&server, ROOM).await;
    let (b, b_id, token) = Client::join(&server, ROOM).await;
    a.message().await;
    drop(b);
    assert_eq!(a.message().await, ServerMessage::PeerLeft { id: b_id, reason: LeftReason::Gone });
    let (_b, welcome) = Client::hello(&server, Some(token)).await;
    assert!(matches!(welcome, ServerMessage::Welcome { resumed: None, .. }));
}

#[tokio::test]
async fn bad_messages_are_answered_and_the_socket_goes_on() {
    let server = start(ServerConfig::default()).await;
    let (mut client, _) = Client::hello(&server, None).await;
    let large = format!(r#"{{"type":"bye","x":"{}"}}"#, "x".repeat(limits::CONTROL_BYTES_MAX));
    for (text, code) in [
        ("", ErrorCode::Malformed),
        ("[]", ErrorCode::Malformed),
        ("{\"type\":\"join\"}", ErrorCode::Malformed),
        ("{\"type\":\"moon\"}", ErrorCode::UnknownType),
        (large.as_str(), ErrorCode::TooLarge),
        ("{\"type\":\"hello\",\"v\":1}", ErrorCode::HelloRepeated),
        ("{\"type\":\"send\",\"to\":\"a\",\"seq\":1,\"body\":\"\"}", ErrorCode::NotJoined),
    ] {
        client.text(text).await;
        assert_eq!(client.error().await, code, "{text:.40}");
    }
    client.say(&ClientMessage::Join { room_id: ROOM }).await;
    assert!(matches!(client.message().await, ServerMessage::Joined { .. }));
    client.say(&ClientMessage::Join { room_id: ROOM }).await;
    assert_eq!(client.error().await, ErrorCode::AlreadyJoined);
}

#[tokio::test]
async fn what_is_no_client_of_ours_is_closed_with_a_reason() {
    let server = start(unthrottled()).await;
    let mut early = Client::connect(&server).await;
    early.say(&ClientMessage::Join { room_id: ROOM }).await;
    assert_eq!(early.error().await, ErrorCode::HelloExpected);
    assert_eq!(early.read().await, Read::Closed(Some(1008)));

    let mut newer = Client::connect(&server).await;
    newer.say(&ClientMessage::Hello { v: 2, resume: None }).await;
    assert_eq!(newer.error().await, ErrorCode::BadVersion);
    assert_eq!(newer.read().await, Read::Closed(Some(1008)));

    let (mut binary, _) = Client::hello(&server, None).await;
    binary.raw(Message::binary(vec![0; 10])).await;
    assert_eq!(binary.error().await, ErrorCode::BinaryFrame);
    assert_eq!(binary.read().await, Read::Closed(Some(1003)));

    let (mut huge, _) = Client::hello(&server, None).await;
    huge.text(&"x".repeat(limits::FRAME_BYTES_MAX + 1)).await;
    assert_eq!(huge.error().await, ErrorCode::TooLarge);
    assert_eq!(huge.read().await, Read::Closed(Some(1009)));

    let (mut babbling, _) = Client::hello(&server, None).await;
    for _ in 0..17 {
        babbling.text("}").await;
        assert_eq!(babbling.error().await, ErrorCode::Malformed);
    }
    assert_eq!(babbling.error().await, ErrorCode::TooManyErrors);
    assert_eq!(babbling.read().await, Read::Closed(Some(1008)));
}

#[tokio::test]
async fn silence_is_closed() {
    let short = Duration::from_millis(100);
    let config = ServerConfig { hello_timeout: short, join_timeout: short, ..ServerConfig::default() };
    let server = start(config).await;
    let mut silent = Client::connect(&server).await;
    assert_eq!(silent.error().await, ErrorCode::HelloTimeout);
    let (mut idle, _) = Client::hello(&server, None).await;
    assert_eq!(idle.error().await, ErrorCode::JoinTimeout);
    assert_eq!(idle.read().await, Read::Closed(Some(1008)));

    let server = start(ServerConfig { dead_after: short, ..ServerConfig::default() }).await;
    let (mut dead, ..) = Client::join(&server, ROOM).await;
    assert_eq!(dead.read().await, Read::Closed(None));
}

#[tokio::test]
async fn pings_keep_a_quiet_client_alive() {
    let beat = Duration::from_secs(1);
    let config = ServerConfig { heartbeat: beat, dead_after: beat * 2, ..ServerConfig::default() };
    let server = start(config).await;
    let (mut client, me, _) = Client::join(&server, ROOM).await;
    for _ in 0..3 {
        let frame = client.socket.next().await.unwrap().unwrap();
        assert!(matches!(frame, Message::Ping(_)), "{frame:?}");
    }
    client.send(&me, 1, "").await;
    assert_eq!(client.message().await, ServerMessage::Undeliverable { to: me, seq: 1 });
}

#[tokio::test]
async fn a_rate_above_the_limit_is_slowed_down_and_nothing_is_lost() {
    let server = start(ServerConfig { rate_per_s: 200, rate_burst: 10, ..ServerConfig::default() }).await;
    let (mut a, a_id, _) = Client::join(&server, ROOM).await;
    let (mut b, b_id, _) = Client::join(&server, ROOM).await;
    a.message().await;
    for seq in 1..=50 {
        a.send(&b_id, seq, "AAAA").await;
    }
    for seq in 1..=50 {
        assert_eq!(b.message().await, ServerMessage::From { from: a_id.clone(), seq, body: "AAAA".into() });
    }
    let ServerMessage::Error { code, retry_after_ms, .. } = a.message().await else { panic!() };
    assert_eq!(code, ErrorCode::RateLimited);
    assert!(retry_after_ms.is_some_and(|wait| wait > 0));
}

#[tokio::test]
async fn a_full_room_takes_no_more() {
    let server = start(ServerConfig { room_members: 2, ..ServerConfig::default() }).await;
    let (_a, ..) = Client::join(&server, ROOM).await;
    let (_b, ..) = Client::join(&server, ROOM).await;
    let (mut c, welcome) = Client::hello(&server, None).await;
    let ServerMessage::Welcome { limits, .. } = welcome else { unreachable!() };
    assert_eq!(limits.room_members_max, 2);
    c.say(&ClientMessage::Join { room_id: ROOM }).await;
    assert_eq!(c.error().await, ErrorCode::RoomFull);
    c.say(&ClientMessage::Join { room_id: RoomId([2; 16]) }).await;
    assert!(matches!(c.message().await, ServerMessage::Joined { .. }));
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let config = ServerConfig { loopback_exempt: false, connections_open_max: 2, ..ServerConfig::default() };
    let server = start(config).await;
    let (_a, _) = Client::hello(&server, None).await;
    let (_b, _) = Client::hello(&server, None).await;
    let Err(tungstenite::Error::Http(refused)) = try_connect(&server, Some("eyeline.v1")).await else {
        panic!("a third connection was let in");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));

    let config = ServerConfig { loopback_exempt: false, connections_per_min: 1, ..ServerConfig::default() };
    let server = start(config).await;
    drop(Client::hello(&server, None).await);
    assert!(try_connect(&server, Some("eyeline.v1")).await.is_err());
}

#[tokio::test]
async fn a_client_without_the_subprotocol_is_refused() {
    let server = start(ServerConfig::default()).await;
    for offer in [None, Some("eyeline.v9")] {
        let Err(tungstenite::Error::Http(refused)) = try_connect(&server, offer).await else { panic!("{offer:?}") };
        assert_eq!(refused.status(), 400);
    }
}

/// One who acknowledges without reading is cut off, while the one who sends goes on.
#[tokio::test]
async fn a_slow_reader_is_cut_off() {
    let server = start(ServerConfig { resume_window: Duration::from_millis(300), ..unthrottled() }).await;
    let (mut a, a_id, _) = Client::join(&server, ROOM).await;
    let (mut slow, slow_id, _) = Client::join(&server, ROOM).await;
    a.message().await;

    let body = "A".repeat(60_000);
    for seq in 1.. {
        assert!(seq < 1000, "the server takes without end");
        a.send(&slow_id, seq, &body).await;
        for message in [
            ClientMessage::Ack { from: a_id.clone(), seq },
            ClientMessage::Send { to: a_id.clone(), seq, body: String::new() },
        ] {
            // Fails once the server has cut this socket.
            slow.socket.send(Message::text(wire::encode(&message))).await.ok();
        }
        match a.message().await {
            ServerMessage::From { from, .. } => assert_eq!(from, slow_id),
            ServerMessage::PeerLeft { id, reason } => {
                assert_eq!((id, reason), (slow_id, LeftReason::Gone));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let nobody = a_id;
    a.send(&nobody, 1, "").await;
    assert!(matches!(a.message().await, ServerMessage::Undeliverable { .. }));
}

#[tokio::test]
async fn draining_says_goodbye_and_ends() {
    let server = start(ServerConfig::default()).await;
    let address = server.local_addr();
    let (mut a, ..) = Client::join(&server, ROOM).await;
    let (mut greeted, _) = Client::hello(&server, None).await;
    let clients = async {
        for client in [&mut a, &mut greeted] {
            assert!(matches!(client.message().await, ServerMessage::GoingAway { retry_after_ms: 1000.. }));
            assert_eq!(client.read().await, Read::Closed(Some(1001)));
            assert_eq!(client.read().await, Read::Closed(None));
        }
    };
    tokio::join!(server.shutdown(), clients);
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_and_the_link_page_are_served_and_nothing_else() {
    let server = start(ServerConfig::default()).await;
    let health = get(server.local_addr(), "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");

    let page = get(server.local_addr(), "/j").await;
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("default-src 'none'; script-src 'sha256-"), "{head}");
    assert!(head.contains("referrer-policy: no-referrer"), "{head}");
    assert!(body.contains("eyeline://") && !body.contains("http://") && !body.contains("https://"), "{body}");
    assert!(!body.contains("{script}") && !body.contains("{style}"));

    assert!(get(server.local_addr(), "/").await.starts_with("HTTP/1.1 404"));
}

/// Whatever bytes come in, the server answers the next client.
#[tokio::test]
async fn junk_on_the_port_does_no_harm() {
    let server = start(ServerConfig::default()).await;
    let mut junk = vec![0_u8; 100_000];
    let mut state = 1_u32;
    for byte in &mut junk {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    for start in (0..junk.len()).step_by(10_000) {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        // The server may close while this is being written.
        stream.write_all(&junk[start..]).await.ok();
    }
    let (mut client, _) = Client::hello(&server, None).await;
    for chunk in junk.chunks(100).take(10) {
        client.text(&String::from_utf8_lossy(chunk)).await;
        assert_eq!(client.error().await, ErrorCode::Malformed);
    }
    Client::join(&server, ROOM).await;
}
