//! The relay over real sockets.
#![expect(clippy::unwrap_used, reason = "in a test, also outside its function, a failure is to fail it")]

mod client;
mod drain;
mod messages;
mod signaling;
mod ssrf;
#[cfg(target_os = "linux")]
mod tripwire;

use std::net::SocketAddr;
use std::time::Duration;

use eyeline_server::relay::{Relay, RelayConfig, RelayRefusal};

use client::{Client, ROOM, join, serve};
use messages::{Ask, Said};

fn relay() -> Relay {
    Relay::new(RelayConfig::default()).unwrap()
}

#[tokio::test]
async fn relay_tells_by_every_transport_where_a_client_is() {
    for ip in ["127.0.0.1", "::1"] {
        let served = serve(relay(), ip).await;
        for mut client in [Client::udp(served.udp).await, Client::tcp(served.tcp).await] {
            client.send(&messages::binding()).await;
            let mapped = client.read().await.success().mapped.unwrap();
            assert_eq!(mapped.ip().to_string(), ip);
        }
    }
}

#[tokio::test]
async fn relay_carries_data_both_ways_between_all_transports() {
    let served = serve(relay(), "127.0.0.1").await;
    for (a, b) in [("udp", "udp"), ("udp", "tcp"), ("tcp", "udp"), ("tcp", "tcp")] {
        let mut a = connect(&served, a).await;
        let mut b = connect(&served, b).await;
        let [a_address, b_address] = join(&served, &mut a, &mut b).await;
        for size in [0, 1, 2, 3, 4, 1200, 1500] {
            let data = vec![u8::try_from(size % 251).unwrap(); size];
            a.send_on_channel(0x4001, &data).await;
            assert_eq!(b.read().await, Said::Channel { number: 0x4001, data: data.clone() });
            a.send(&messages::send_indication(b_address, &data)).await;
            assert_eq!(b.read().await, Said::Channel { number: 0x4001, data: data.clone() });
            b.send_on_channel(0x4001, &data).await;
            assert_eq!(a.read().await, Said::Channel { number: 0x4001, data });
        }
        assert_ne!(a_address, b_address);
        for client in [&mut a, &mut b] {
            client.ask(&Ask::Refresh(Some(0))).await.success();
        }
    }
    let stats = served.relay.stats();
    assert_eq!((stats.allocations_total, stats.allocations_live), (8, 0));
    assert_eq!(stats.relayed_packets, 4 * 7 * 3);
    assert_eq!(stats.relayed_bytes, 4 * 3 * (1 + 2 + 3 + 4 + 1200 + 1500));
}

async fn connect(served: &client::Served, transport: &str) -> Client {
    match transport {
        "udp" => Client::udp(served.udp).await,
        _ => Client::tcp(served.tcp).await,
    }
}

#[tokio::test]
async fn relay_reaches_from_ipv4_to_ipv6() {
    let relay = relay();
    let v4 = serve(relay.clone(), "127.0.0.1").await;
    let v6 = serve(relay, "::1").await;
    let (mut a, mut b) = (Client::udp(v4.udp).await, Client::udp(v6.udp).await);
    join(&v4, &mut a, &mut b).await;
    a.send_on_channel(0x4001, b"over").await;
    assert_eq!(b.read().await, Said::Channel { number: 0x4001, data: b"over".to_vec() });
}

#[tokio::test]
async fn relay_puts_a_stream_together_however_it_is_cut() {
    let served = serve(relay(), "127.0.0.1").await;
    let (mut a, mut b) = (Client::tcp(served.tcp).await, Client::udp(served.udp).await);
    join(&served, &mut a, &mut b).await;
    let messages: Vec<u8> =
        (0..50_u8).flat_map(|nth| messages::channel_data(0x4001, &vec![nth; usize::from(nth)], true)).collect();
    for piece in messages.chunks(7) {
        a.send(piece).await;
    }
    for nth in 0..50_u8 {
        assert_eq!(b.read().await, Said::Channel { number: 0x4001, data: vec![nth; usize::from(nth)] });
    }
}

#[tokio::test]
async fn relay_closes_a_connection_that_speaks_something_else() {
    let served = serve(relay(), "127.0.0.1").await;
    for junk in [&b"\xff\xff\xff\xff"[..], b"\x00\x01\xff\xfc", b"\x40\x00\xff\xff"] {
        let mut client = Client::tcp(served.tcp).await;
        client.send(junk).await;
        assert!(client.is_closed().await, "{junk:?}");
    }
}

#[tokio::test]
async fn relay_ends_the_allocation_of_a_connection_that_is_gone() {
    let served = serve(relay(), "127.0.0.1").await;
    let (mut a, mut b) = (Client::tcp(served.tcp).await, Client::udp(served.udp).await);
    join(&served, &mut a, &mut b).await;
    drop(a);
    while served.relay.stats().allocations_live > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(served.relay.stats().streams_live, 0);
}

#[tokio::test]
async fn relay_refuses_whoever_may_not() {
    let served = serve(relay(), "127.0.0.1").await;
    let mut client = Client::udp(served.udp).await;
    client.log_in_with("1999999999:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA".to_owned(), "guess".to_owned()).await;
    assert_eq!(client.ask(&Ask::Allocate).await.code(), 401);

    let mut members = Vec::new();
    for _ in 0..5 {
        let mut client = Client::udp(served.udp).await;
        client.log_in(&served.relay, ROOM, 9).await;
        members.push(client);
    }
    for client in &mut members[..4] {
        client.allocate().await;
    }
    assert_eq!(members[4].ask(&Ask::Allocate).await.code(), 486);
    assert_eq!(served.relay.stats().refused(RelayRefusal::Quota), 1);
}

#[tokio::test]
async fn relay_ends_allocations_with_their_credentials() {
    let config = RelayConfig { credential_ttl: Duration::from_secs(2), ..RelayConfig::default() };
    let served = serve(Relay::new(config).unwrap(), "127.0.0.1").await;
    let mut client = Client::udp(served.udp).await;
    client.log_in(&served.relay, ROOM, 1).await;
    client.allocate().await;
    assert_eq!(served.relay.stats().allocations_live, 1);
    while served.relay.stats().allocations_live > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.ask(&Ask::Refresh(None)).await.code(), 401);
}

#[tokio::test]
async fn relay_drops_what_is_too_much_and_lives_on() {
    let config = RelayConfig { allocation_bytes_per_s: 20_000, ..RelayConfig::default() };
    let served = serve(Relay::new(config).unwrap(), "127.0.0.1").await;
    let (mut a, mut b) = (Client::udp(served.udp).await, Client::udp(served.udp).await);
    join(&served, &mut a, &mut b).await;
    let mut sent = 0;
    while served.relay.stats().dropped_by_cap == 0 {
        a.send_on_channel(0x4001, &[7; 1000]).await;
        sent += 1;
    }
    assert!(sent > 10, "half a second's worth goes through at once");
    b.send_on_channel(0x4001, b"the other way").await;
    assert_eq!(a.read().await, Said::Channel { number: 0x4001, data: b"the other way".to_vec() });
}

#[tokio::test]
async fn relay_has_room_for_so_many_connections() {
    let config = RelayConfig { streams_max: 1, ..RelayConfig::default() };
    let served = serve(Relay::new(config).unwrap(), "127.0.0.1").await;
    let mut first = Client::tcp(served.tcp).await;
    first.send(&messages::binding()).await;
    first.read().await.success();
    assert!(Client::tcp(served.tcp).await.is_closed().await);
    first.send(&messages::binding()).await;
    first.read().await.success();
}

#[tokio::test]
async fn relay_does_not_wait_for_a_slow_reader() {
    let served = serve(relay(), "127.0.0.1").await;
    let (mut a, mut slow) = (Client::udp(served.udp).await, Client::tcp(served.tcp).await);
    assert!(slow.is_stream());
    join(&served, &mut a, &mut slow).await;
    // It reads nothing from here on; buffers of the system fill up first.
    while served.relay.stats().dropped_by_slow_reader == 0 {
        for _ in 0..20 {
            a.send_on_channel(0x4001, &[7; 1400]).await;
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let (mut c, mut d) = (Client::udp(served.udp).await, Client::udp(served.udp).await);
    let _: [SocketAddr; 2] = join(&served, &mut c, &mut d).await;
    c.send_on_channel(0x4001, b"others go on").await;
    assert_eq!(d.read().await, Said::Channel { number: 0x4001, data: b"others go on".to_vec() });
}
