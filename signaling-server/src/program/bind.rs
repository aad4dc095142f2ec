//! Listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address. All IPv6 addresses take in those of IPv4 too, unless `others`, where this program listens
/// besides, has all of IPv4's with the same port; and where the system has no IPv6 they mean IPv4's alone.
///
/// # Errors
/// What the system says.
pub(crate) fn tcp(address: SocketAddr, others: &[SocketAddr]) -> io::Result<TcpListener> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
    let everywhere = address.is_ipv6() && address.ip().is_unspecified();
    match listen(address, everywhere && !others.contains(&v4)) {
        Err(error) if everywhere && lacks_ipv6(&error) => listen(v4, false),
        listening => listening,
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

fn listen(address: SocketAddr, dual: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual)?;
    }
    // A restarted server gets its port back at once. On Windows the same option would let two servers share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
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
    async fn both_may_be_named() {
        let v4 = tcp("0.0.0.0:0".parse().unwrap(), &[]).unwrap().local_addr().unwrap();
        let v6 = SocketAddr::new("::".parse().unwrap(), v4.port());
        let first = tcp(v4, &[v4, v6]).unwrap();
        match tcp(v6, &[v4, v6]) {
            Ok(second) => assert_eq!(second.local_addr().unwrap().port(), first.local_addr().unwrap().port()),
            Err(error) => assert!(lacks_ipv6(&error), "{error}"),
        }
    }
}
