//! Listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Tries before a port that the system chose for TCP has to be free for UDP as well.
const BOTH_TRIES: u32 = 16;

/// The same port for TCP and UDP; otherwise as [`tcp`].
///
/// # Errors
/// What the system says.
pub(crate) fn both(address: SocketAddr, others: &[SocketAddr]) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = if address.port() == 0 { BOTH_TRIES } else { 1 };
    loop {
        let listener = tcp(address, others)?;
        tries -= 1;
        match udp(SocketAddr::new(address.ip(), listener.local_addr()?.port()), others) {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) if tries == 0 || error.kind() != io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => {}
        }
    }
}

/// Listens on an address. All IPv6 addresses take in those of IPv4 too, unless `others`, where this program listens
/// besides, has all of IPv4's with the same port; and where the system has no IPv6 they mean IPv4's alone.
///
/// # Errors
/// What the system says.
pub(crate) fn tcp(address: SocketAddr, others: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket = bound(address, others, Type::STREAM)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn udp(address: SocketAddr, others: &[SocketAddr]) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bound(address, others, Type::DGRAM)?.into())
}

fn bound(address: SocketAddr, others: &[SocketAddr], kind: Type) -> io::Result<Socket> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
    let everywhere = address.is_ipv6() && address.ip().is_unspecified();
    match bind(address, everywhere && !others.contains(&v4), kind) {
        Err(error) if everywhere && lacks_ipv6(&error) => bind(v4, false, kind),
        bound => bound,
    }
}

/// IPv6 is not built in, or switched off.
fn lacks_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(AF_NOT_SUPPORTED)
}

/// EAFNOSUPPORT, WSAEAFNOSUPPORT.
const AF_NOT_SUPPORTED: i32 = if cfg!(windows) {
    10_047
} else if cfg!(target_os = "macos") {
    47
} else {
    97
};

fn bind(address: SocketAddr, dual: bool, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual)?;
    }
    // A restarted server gets its port back at once. On Windows the same option would let two servers share a port, and with
    // UDP it does so everywhere.
    #[cfg(unix)]
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn all_addresses_are_those_of_both_kinds() {
        let listener = tcp("[::]:0".parse().unwrap(), &[]).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }

    #[tokio::test]
    async fn tcp_and_udp_have_one_port() {
        let (tcp, udp) = both("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
        assert_eq!(tcp.local_addr().unwrap(), udp.local_addr().unwrap());
        let taken = both(udp.local_addr().unwrap(), &[]);
        assert_eq!(taken.map(drop).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn both_families_may_be_named() {
        let v4 = tcp("0.0.0.0:0".parse().unwrap(), &[]).unwrap().local_addr().unwrap();
        let v6 = SocketAddr::new("::".parse().unwrap(), v4.port());
        let first = tcp(v4, &[v4, v6]).unwrap();
        match tcp(v6, &[v4, v6]) {
            Ok(second) => assert_eq!(second.local_addr().unwrap().port(), first.local_addr().unwrap().port()),
            Err(error) => assert!(lacks_ipv6(&error), "{error}"),
        }
    }
}
