//! The relay: STUN (RFC 8489) and TURN (RFC 8656) for calls that find no direct path, over UDP, TCP and TLS.
//!
//! It is **closed**: an allocation reaches other live allocations of the same room, and nothing else. A relayed address is
//! a name in this process, not a socket; what one client sends to it is handed to the other inside. So there is no address,
//! inside or outside of the operator's network, that the relay could be made to send to, and no port to open besides the
//! one that clients come in by (`docs/decisions/0022-closed-relay.md`).
//!
//! ```text
//! UDP socket --serve_udp----.                                .--> UDP socket
//!                            >-- Relay: lock, Core::handle --<
//! TCP or TLS --serve_stream-'    (pure, told the time)       '--> queue of a connection
//! ```
//!
//! ```no_run
//! # async fn relay() -> std::io::Result<()> {
//! use eyeline_server::relay::{Relay, RelayConfig};
//!
//! let relay = Relay::new(RelayConfig::default())?;
//! let socket = tokio::net::UdpSocket::bind("0.0.0.0:3478").await?;
//! relay.serve_udp(socket).await
//! # }
//! ```

mod caps;
mod client;
mod config;
mod core;
mod credentials;
mod ice;
mod nonce;
mod stats;
mod stream;
mod udp;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eyeline_protocol::MemberId;
use tokio::net::UdpSocket;

pub use self::config::RelayConfig;
pub use self::ice::{Advertised, ExternalRelay, IceSource, RelayTransport};
pub use self::stats::{RelayRefusal, RelayStats};

use self::client::{Client, ClientId};
use self::core::{Core, Now};
use self::stream::Outgoing;

/// A relay; clones are the same one. It serves whatever sockets and connections it is given and starts nothing itself.
///
/// All clients meet under one lock: a packet concerns two of them, and takes a few microseconds. Sockets are written to
/// outside of it.
#[derive(Clone)]
pub struct Relay {
    state: Arc<Mutex<State>>,
    streams_max: usize,
    credential_ttl: Duration,
}

struct State {
    core: Core,
    sockets: HashMap<u64, Arc<UdpSocket>>,
    streams: HashMap<u64, Arc<Outgoing>>,
    /// Numbers sockets and connections; none is used twice.
    next: u64,
}

/// How to reach a client.
enum Route {
    Datagram(Arc<UdpSocket>, SocketAddr),
    Stream(Arc<Outgoing>),
}

impl Relay {
    /// A relay without clients.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(config: RelayConfig) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let (streams_max, credential_ttl) = (config.streams_max, config.credential_ttl);
        let core = Core::new(Instant::now(), config, seed);
        let state = State { core, sockets: HashMap::new(), streams: HashMap::new(), next: 0 };
        Ok(Self { state: Arc::new(Mutex::new(state)), streams_max, credential_ttl })
    }

    /// User name and password with which a member of a room may allocate, good for
    /// [`RelayConfig::credential_ttl`]. For a member that has some already these are renewed ones: they also keep alive
    /// what was allocated with those before. `room` tells rooms apart; only members of the same one reach each other.
    #[must_use]
    pub fn credentials(&self, room: &[u8], member: &MemberId) -> (String, String) {
        self.lock().core.issue(now(), room, member.as_str())
    }

    /// How long credentials are good.
    #[must_use]
    pub fn credential_ttl(&self) -> Duration {
        self.credential_ttl
    }

    /// A member left its room: its credentials are not renewed any more, and its allocations end with them.
    pub fn left(&self, member: &MemberId) {
        self.lock().core.left(member.as_str());
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> RelayStats {
        let mut state = self.lock();
        let streams_live = u64::try_from(state.streams.len()).unwrap_or(u64::MAX);
        RelayStats { streams_live, ..state.core.stats(Instant::now()) }
    }

    /// Takes a message; `out` is overwritten with what is to be sent to the client returned.
    fn handle(&self, client: &Client, bytes: &[u8], out: &mut Vec<u8>) -> Option<Route> {
        out.clear();
        let mut state = self.lock();
        match state.core.handle(now(), client, bytes, out)? {
            ClientId::Datagram { socket, from } => {
                state.sockets.get(&socket).map(|socket| Route::Datagram(Arc::clone(socket), from))
            }
            ClientId::Stream(number) => state.streams.get(&number).map(|stream| Route::Stream(Arc::clone(stream))),
        }
    }

    /// Sends without waiting: whoever does not take a packet now loses it, as on any network.
    fn send(&self, route: &Route, bytes: &[u8]) {
        let sent = match route {
            Route::Datagram(socket, to) => socket.try_send_to(bytes, *to).is_ok(),
            Route::Stream(outgoing) => outgoing.push(bytes),
        };
        if !sent {
            self.lock().core.stats.dropped_by_slow_reader += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No section panics half-way through a change, so a poisoned lock still guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

fn now() -> Now {
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Now { at: Instant::now(), unix_s }
}
