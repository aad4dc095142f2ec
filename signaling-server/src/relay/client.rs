//! Who talks to the relay.

use std::net::{IpAddr, SocketAddr};

/// What RFC 8656 section 2.2 calls the 5-tuple: one client by one transport. It has no `Debug`: it holds an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ClientId {
    /// By UDP: on which of our sockets, and from where.
    Datagram { socket: u64, from: SocketAddr },
    /// By TCP or TLS: on which connection.
    Stream(u64),
}

impl ClientId {
    /// Bytes that are different for different clients.
    pub(crate) fn feed(&self, mut feed: impl FnMut(&[u8])) {
        match self {
            Self::Datagram { socket, from } => {
                feed(&[0]);
                feed(&socket.to_be_bytes());
                match from.ip() {
                    IpAddr::V4(v4) => feed(&v4.octets()),
                    IpAddr::V6(v6) => feed(&v6.octets()),
                }
                feed(&from.port().to_be_bytes());
            }
            Self::Stream(number) => {
                feed(&[1]);
                feed(&number.to_be_bytes());
            }
        }
    }

    /// Whether what it sends has no message borders of its own.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

/// A client, and the address that it is seen with.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) address: SocketAddr,
}

impl Client {
    pub(crate) fn datagram(socket: u64, from: SocketAddr) -> Self {
        Self { id: ClientId::Datagram { socket, from }, address: canonical(from) }
    }

    pub(crate) fn stream(number: u64, from: SocketAddr) -> Self {
        Self { id: ClientId::Stream(number), address: canonical(from) }
    }
}

/// On a socket for both families, IPv4 addresses come as IPv6 ones that mean them.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
