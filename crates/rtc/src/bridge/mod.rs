//! Relays (TURN, RFC 8656) over UDP, TCP and TLS, whichever answers first.
//!
//! The stack speaks TURN over UDP alone. Its messages are the same over every transport, so it is given one address per relay
//! that belongs to nobody, and its sockets are [`BridgedSocket`]s: what goes to such an address leaves by the best way that
//! the relay answers on. UDP begins; TCP and TLS join [`HEAD_START`] later each, if nothing answered before. No port is
//! opened for it, so no other program of this machine can get in.
//!
//! ```text
//! stack -> BridgedSocket -- to anybody else ---------------------------> UDP
//!                        `- to a relay -> Outlet -- UDP answered first -> UDP
//!                                               `- a stream did --------> Queue -> framing -> TCP, TLS
//! ```

mod framing;
mod outlet;
mod probe;
mod queue;
mod race;
mod runtime;
mod socket;
mod stream;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtc::ice::url::{ProtoType, SchemeType, Url};
use webrtc::peer_connection::RTCIceServer;

use crate::config::{IceServer, PeerConfig};

pub(crate) use self::runtime::BridgeRuntime;
use self::tls::Tls;

/// Where relays are, as the stack sees it: addresses that no packet can come from (RFC 7600 section 6, RFC 6666). The port
/// says which relay.
const NOWHERE: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(192, 0, 0, 8), Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1));
/// How long a better transport may answer before the next is tried as well. Less than two round trips of a long path: then
/// both are tried, which costs a connection and no time.
const HEAD_START: Duration = Duration::from_millis(150);
/// Relays used. More are left out: a server names two or three addresses of itself.
const MAX_RELAYS: usize = 8;

/// What carries TURN to a relay, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// A transport and the port it is offered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    transport: Transport,
    port: u16,
}

/// A relay and how to reach it, best way first.
#[derive(Debug, PartialEq, Eq)]
struct Relay {
    host: String,
    ways: Vec<Way>,
}

/// The relays of one connection, and what is known about them.
pub(crate) struct Bridges {
    relays: Vec<Relay>,
    servers: Vec<RTCIceServer>,
    tls: Tls,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How the sockets with these addresses reach their relays.
    reached: BTreeMap<SocketAddr, Transport>,
    /// Where relays listen for UDP.
    udp: BTreeSet<SocketAddr>,
}

impl std::fmt::Debug for Bridges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bridges({} relays)", self.relays.len())
    }
}

impl Bridges {
    /// Reads the servers; addresses that cannot be read or used are left out.
    pub(crate) fn new(config: &PeerConfig) -> Self {
        let (relays, servers) = sort_out(&config.ice_servers);
        Self { relays, servers, tls: Tls::new(config.extra_roots.clone()), state: Mutex::default() }
    }

    /// What the stack is told of the same servers with other credentials; `None` if they are others.
    pub(crate) fn renewed(&self, servers: &[IceServer]) -> Option<Vec<RTCIceServer>> {
        let (relays, servers) = sort_out(servers);
        (relays == self.relays).then_some(servers)
    }

    /// What the stack is told of the servers.
    pub(crate) fn servers(&self) -> Vec<RTCIceServer> {
        self.servers.clone()
    }

    /// How the socket with this address reaches its relay; `None` before the relay answered.
    pub(crate) fn transport_of(&self, local: SocketAddr) -> Option<Transport> {
        self.lock().reached.get(&local).copied()
    }

    /// How many better transports some relay offers.
    fn transports_before(&self, transport: Transport) -> u32 {
        let ways = self.relays.iter().flat_map(|relay| &relay.ways).map(|way| way.transport);
        let better: BTreeSet<Transport> = ways.filter(|other| *other < transport).collect();
        u32::try_from(better.len()).unwrap_or(0)
    }

    /// Whether a relay answers over UDP now.
    pub(crate) async fn udp_passes(&self) -> bool {
        let relays: Vec<SocketAddr> = self.lock().udp.iter().copied().collect();
        probe::answers(&relays).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The relays that these servers are, and what the stack is told of them.
fn sort_out(servers: &[IceServer]) -> (Vec<Relay>, Vec<RTCIceServer>) {
    let mut relays: Vec<Relay> = Vec::new();
    let mut told = Vec::new();
    for server in servers {
        let first = relays.len();
        let mut urls = Vec::new();
        for url in &server.urls {
            match read(url) {
                Some(Server::Stun(url)) => urls.push(url),
                // Without a password the stack would refuse all of them.
                Some(Server::Relay(..)) if server.username.is_empty() || server.credential.is_empty() => {
                    tracing::warn!("a relay without a user name and a password is left out");
                }
                Some(Server::Relay(host, way)) => {
                    let known = (first..relays.len()).find(|known| relays[*known].host == host);
                    match known {
                        Some(known) => relays[known].ways.push(way),
                        None if relays.len() < MAX_RELAYS => relays.push(Relay { host, ways: vec![way] }),
                        None => tracing::warn!("too many relays, one is left out"),
                    }
                }
                None => tracing::warn!("an address of a server cannot be used"),
            }
        }
        urls.extend((first..relays.len()).map(|relay| format!("turn:{}:{}?transport=udp", NOWHERE.0, port_of(relay))));
        if !urls.is_empty() {
            let (username, credential) = (server.username.clone(), server.credential.clone());
            told.push(RTCIceServer { urls, username, credential });
        }
    }
    for relay in &mut relays {
        relay.ways.sort_unstable();
        relay.ways.dedup();
    }
    (relays, told)
}

enum Server {
    Stun(String),
    Relay(String, Way),
}

fn read(url: &str) -> Option<Server> {
    // `stun:` has no query (RFC 7064), but it is met with one.
    let stun = url.split('?').next().filter(|url| url.starts_with("stun:"));
    if let Some(url) = stun {
        return Url::parse_url(url).ok().map(|_| Server::Stun(url.to_owned()));
    }
    let url = Url::parse_url(url).ok()?;
    let transport = match (url.scheme, url.proto) {
        (SchemeType::Turn, ProtoType::Udp) => Transport::Udp,
        (SchemeType::Turn, ProtoType::Tcp) => Transport::Tcp,
        (SchemeType::Turns, ProtoType::Tcp) => Transport::Tls,
        // DTLS to the relay: no server that we know of offers it alone.
        _ => return None,
    };
    Some(Server::Relay(url.host, Way { transport, port: url.port }))
}

fn port_of(relay: usize) -> u16 {
    u16::try_from(relay + 1).unwrap_or(u16::MAX)
}

/// The address under which the stack knows a relay, in the family of the socket that reaches it.
fn address_of(relay: usize, local: SocketAddr) -> SocketAddr {
    let ip = if local.is_ipv4() { IpAddr::V4(NOWHERE.0) } else { IpAddr::V6(NOWHERE.1) };
    SocketAddr::new(ip, port_of(relay))
}

/// Which relay such an address means.
fn relay_at(address: SocketAddr) -> Option<usize> {
    let nowhere = address.ip() == IpAddr::V4(NOWHERE.0) || address.ip() == IpAddr::V6(NOWHERE.1);
    nowhere.then(|| usize::from(address.port()).checked_sub(1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(urls: &[&str], credential: &str) -> IceServer {
        let urls = urls.iter().map(|&url| url.to_owned()).collect();
        IceServer { urls, username: "user".into(), credential: credential.into() }
    }

    fn bridges(urls: &[&str]) -> Bridges {
        Bridges::new(&PeerConfig { ice_servers: vec![server(urls, "secret")], ..PeerConfig::default() })
    }

    #[test]
    fn credentials_are_renewed_and_servers_are_not_exchanged() {
        let bridges = bridges(&["turn:a", "turns:a"]);
        let renewed = bridges.renewed(&[server(&["turns:a", "turn:a"], "new")]).expect("the same");
        assert_eq!(renewed[0].urls, bridges.servers()[0].urls);
        assert_eq!(renewed[0].credential, "new");
        assert!(bridges.renewed(&[server(&["turn:b", "turns:a"], "new")]).is_none());
    }

    #[test]
    fn ways_to_one_relay_are_one_relay_best_way_first() {
        let bridges = bridges(&[
            "turns:relay.example:443?transport=tcp",
            "turn:relay.example:3478?transport=tcp",
            "turn:relay.example",
            "turn:[2001:db8::1]:443",
            "turns:relay.example:443",
            "stun:relay.example:3478?transport=udp",
        ]);
        let way = |transport, port| Way { transport, port };
        let (udp, tcp, tls) = (Transport::Udp, Transport::Tcp, Transport::Tls);
        assert_eq!(
            bridges.relays,
            [
                Relay { host: "relay.example".into(), ways: vec![way(udp, 3478), way(tcp, 3478), way(tls, 443)] },
                Relay { host: "2001:db8::1".into(), ways: vec![way(udp, 443)] },
            ]
        );
        let told = bridges.servers();
        let expected = ["stun:relay.example:3478", "turn:192.0.0.8:1?transport=udp", "turn:192.0.0.8:2?transport=udp"];
        assert_eq!(told.len(), 1);
        assert_eq!([udp, tcp, tls].map(|transport| bridges.transports_before(transport)), [0, 1, 2]);
        assert_eq!(told[0].urls, expected);
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_costs_nothing_else() {
        let bridges = bridges(&["turns:relay.example?transport=udp", "http://x", "turn", "stuns:a", "stun:b:1"]);
        assert!(bridges.relays.is_empty());
        assert_eq!(bridges.servers()[0].urls, ["stun:b:1"]);
        let urls = vec!["turn:relay.example".to_owned()];
        let unnamed = IceServer { urls, ..IceServer::default() };
        let config = PeerConfig { ice_servers: vec![unnamed], ..PeerConfig::default() };
        assert!(Bridges::new(&config).servers().is_empty());
    }

    #[test]
    fn addresses_that_lead_nowhere_mean_relays() {
        for local in ["10.0.0.1:5", "[2001:db8::1]:5"] {
            let local = local.parse().expect("an address");
            assert_eq!(relay_at(address_of(3, local)), Some(3));
            assert_eq!(address_of(3, local).is_ipv4(), local.is_ipv4());
            assert_eq!(relay_at(local), None);
        }
    }
}
