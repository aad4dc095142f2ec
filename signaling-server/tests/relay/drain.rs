//! A server that is to end, while it relays.

use std::net::SocketAddr;
use std::time::Duration;

use eyeline_server::relay::{Advertised, IceSource, Relay, RelayConfig};
use eyeline_server::{Door, Server, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

use crate::client::{Client, PATIENCE, ROOM};
use crate::messages::Ask;

async fn is_ready(server: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn relayed_calls_go_on_until_their_people_leave() {
    let relay = Relay::new(RelayConfig::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (http, udp) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
    let ice = IceSource::Own(relay.clone(), Advertised::default());
    let config = ServerConfig { ice, drain_within: Duration::from_secs(600), ..ServerConfig::default() };
    let server = Server::new(config).door(listener, Door::Main).datagrams(socket).start().unwrap();
    let mut client = Client::udp(udp).await;
    client.log_in(&relay, ROOM, 1).await;
    client.allocate().await;
    assert!(is_ready(http).await);

    let ending = tokio::spawn(server.shutdown());
    let drains = async {
        while is_ready(http).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, drains).await.expect("the server says that it is about to end");
    client.ask(&Ask::Refresh(None)).await.success();
    assert!(!ending.is_finished(), "a call is being relayed");
    client.ask(&Ask::Refresh(Some(0))).await.success();
    timeout(PATIENCE, ending).await.expect("the server ends").unwrap();
    assert!(TcpStream::connect(http).await.is_err());
}
