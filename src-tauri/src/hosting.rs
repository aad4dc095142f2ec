//! A call without a server of one's own: this app hosts it, and the link carries the machine's address on the local network.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use eyeline_server::{ServerConfig, ServerHandle};
use tokio::net::TcpListener;

/// Where people's firewalls may be opened for Eyeline; any free port is taken when it is in use.
const PORT: u16 = 7_420;

/// A signaling server inside the app.
pub(crate) struct Hosted {
    server: ServerHandle,
    port: u16,
}

impl Hosted {
    /// Starts it on all IPv4 addresses.
    ///
    /// # Errors
    /// When no port can be opened.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?,
        };
        let port = listener.local_addr()?.port();
        let server = eyeline_server::serve(listener, ServerConfig::default())?;
        tracing::info!(port, "hosting calls");
        Ok(Self { server, port })
    }

    /// Base address for links, by the machine's address of this moment.
    pub(crate) fn base(&self) -> String {
        let addresses = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
        format!("http://{}:{}", lan_address(route_address().into_iter().chain(addresses)), self.port)
    }

    /// Tells everybody and stops.
    pub(crate) async fn stop(self) {
        self.server.shutdown().await;
    }
}

/// The address that packets to the outside leave from: on a machine with bridges for containers the one that others know.
/// Nothing is sent: connecting a UDP socket only asks the routing table (192.0.2.1 is kept for documentation, RFC 5737).
fn route_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The first private address, else the first that is neither loopback nor link-local; loopback where the machine has none,
/// so that a call on the machine itself still works.
fn lan_address(addresses: impl Iterator<Item = IpAddr>) -> Ipv4Addr {
    let usable = |address| match address {
        IpAddr::V4(address) if !(address.is_loopback() || address.is_link_local() || address.is_unspecified()) => {
            Some(address)
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    let usable: Vec<Ipv4Addr> = addresses.filter_map(usable).collect();
    usable.iter().find(|address| address.is_private()).or(usable.first()).copied().unwrap_or(Ipv4Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_carries_a_private_address() {
        let pick = |addresses: &[&str]| lan_address(addresses.iter().map(|text| text.parse().unwrap())).to_string();
        assert_eq!(pick(&["127.0.0.1", "::1", "8.8.8.8", "192.168.1.20", "10.0.0.1"]), "192.168.1.20");
        assert_eq!(pick(&["127.0.0.1", "169.254.1.1", "fe80::1"]), "127.0.0.1");
        assert_eq!(pick(&["127.0.0.1", "203.0.113.7"]), "203.0.113.7");
        assert_eq!(pick(&[]), "127.0.0.1");
    }

    #[tokio::test]
    async fn two_apps_host_side_by_side_and_their_addresses_make_links() {
        let (first, second) = (Hosted::start().await.unwrap(), Hosted::start().await.unwrap());
        assert_ne!(first.port, second.port);
        for hosted in [first, second] {
            let link = eyeline_seal::Link::new(&hosted.base(), [7; 16]).unwrap();
            assert_eq!(link.server().port(), Some(hosted.port));
            tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, hosted.port)).await.unwrap();
            hosted.stop().await;
        }
    }
}
