//! A server that is to end, while it relays.

use std::net::SocketAddr;
use std::time::Duration;

use eyeline_server::relay::{Advertised, IceSource, Relay, RelayConfig};
use eyeline_server::{Door, Server, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use crate::client::{Client, PATIENCE, Served, join};
use crate::messages::Said;

async fn is_ready(server: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn relayed_calls_go_on_until_they_fall_silent() {
    let relay = Relay::new(RelayConfig::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (http, udp) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
    let ice = IceSource::Own(relay.clone(), Advertised::default());
    let config = ServerConfig { ice, drain_within: Duration::from_secs(600), ..ServerConfig::default() };
    let server = Server::new(config).door(listener, Door::Main).datagrams(socket).start().unwrap();
    let served = Served { relay, udp, tcp: http };
    let (mut a, mut b) = (Client::udp(udp).await, Client::tcp(http).await);
    join(&served, &mut a, &mut b).await;
    assert!(is_ready(http).await);

    let ending = tokio::spawn(server.shutdown());
    let drains = async {
        while is_ready(http).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, drains).await.expect("the server says that it is about to end");
    // For longer than a call that says nothing would last.
    for _ in 0..50 {
        a.send_on_channel(0x4001, b"sound").await;
        assert!(matches!(b.read().await, Said::Channel { .. }));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(!ending.is_finished(), "a call is being relayed");
    timeout(PATIENCE, ending).await.expect("the server ends").unwrap();
    assert_eq!(served.relay.stats().allocations_total, 2);
    assert!(TcpStream::connect(http).await.is_err());
}
