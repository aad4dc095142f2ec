//! Asks whether UDP passes (again).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const REQUEST: [u8; 2] = [0x00, 0x01];
const RESPONSE: [u8; 2] = [0x01, 0x01];

/// Whether one of `servers` answers a binding request (RFC 8489) from a socket that no firewall knows yet.
pub(super) async fn answers(servers: &[SocketAddr]) -> bool {
    for server in servers {
        if let Ok(Some(true)) = tokio::time::timeout(PATIENCE, ask(*server)).await {
            return true;
        }
    }
    false
}

async fn ask(server: SocketAddr) -> Option<bool> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(server).await.ok()?;
    let mut transaction = [0; 12];
    getrandom::fill(&mut transaction).ok()?;
    let request = [&REQUEST[..], &[0, 0], &MAGIC, &transaction].concat();
    socket.send(&request).await.ok()?;
    let mut buffer = [0; 1_500];
    let read = socket.recv(&mut buffer).await.ok()?;
    let answer = buffer.get(..read)?;
    Some(answer.starts_with(&RESPONSE) && answer.get(8..20) == Some(&transaction))
}
