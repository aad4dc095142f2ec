//! What a server is set up with.

use std::time::Duration;

use eyeline_protocol::{Limits, limits};

use crate::admission::AdmissionConfig;
use crate::pace::Pace;
use crate::rate::Rate;
use crate::relay::IceSource;
use crate::rooms::RoomsConfig;
use crate::socket::SocketConfig;

/// What a message has in the long run, in bytes: the largest step but one that bodies are padded to. Descriptions have less.
const BYTES_PER_MESSAGE: u64 = 16 * 1024;
/// What each message of a burst may have: as much as it can, and its frame's head.
const BURST_BYTES_PER_MESSAGE: u64 = limits::FRAME_BYTES_MAX as u64 + 14;

/// A server's settings; the default is what `docs/protocol.md` says.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Members per room; values over [`limits::ROOM_MEMBERS_MAX`] count as that.
    pub room_members: usize,
    /// Members in all rooms together.
    pub members_max: usize,
    /// Messages a connection may send in the long run, per second.
    pub rate_per_s: u32,
    /// Messages a connection may send at once.
    pub rate_burst: u32,
    /// New sockets from one address (IPv6: one /64), per minute.
    pub connections_per_min: u32,
    /// Open sockets from one address (IPv6: one /64).
    pub connections_open_max: u32,
    /// Open sockets in all.
    pub connections_total_max: u32,
    /// Whether loopback addresses are exempt from the limits per address. Behind a reverse proxy on the same machine
    /// everyone comes from there: then the proxy has to limit.
    pub loopback_exempt: bool,
    /// From an open socket to `hello`.
    pub hello_timeout: Duration,
    /// From `welcome` to `join`.
    pub join_timeout: Duration,
    /// How long a member without a socket keeps its place, and an inbox without one stays open.
    pub resume_window: Duration,
    /// How long a nameplate waits to be claimed.
    pub code_ttl: Duration,
    /// Claims of nameplates that one address (IPv6: one /64) may make in vain per [`ServerConfig::claim_window`]. An
    /// address that is exempt counts per socket.
    pub claims_max: usize,
    /// How long a claim in vain counts.
    pub claim_window: Duration,
    /// How long a ring waits for its answer.
    pub ring_ttl: Duration,
    /// Between pings; whole seconds.
    pub heartbeat: Duration,
    /// Silence after which a socket is taken for dead.
    pub dead_after: Duration,
    /// The longest one write may take.
    pub write_stall: Duration,
    /// What clients are told to wait when the server stops; spread over up to twice as long.
    pub retry_after: Duration,
    /// How long a stopping server waits for its sockets to close.
    pub drain_within: Duration,
    /// The name, with the port if it is not 443, under which a server with TLS is reached: where plain requests are
    /// redirected to, and whose pages may open sockets. `None`: pages of whatever name the browser asked for may.
    pub site: Option<String>,
    /// Other sites whose pages may open sockets, as browsers name them (`https://example.org`).
    pub origins: Vec<String>,
    /// What members are told of servers for connectivity checks and relaying. A relay of ours takes streams where HTTP comes
    /// in; for UDP it needs sockets of its own ([`Server::datagrams`](crate::Server::datagrams)).
    pub ice: IceSource,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            room_members: limits::ROOM_MEMBERS,
            members_max: 10_000,
            rate_per_s: limits::RATE_PER_S,
            rate_burst: limits::RATE_BURST,
            connections_per_min: limits::CONNECTIONS_PER_MIN,
            connections_open_max: limits::CONNECTIONS_OPEN_MAX,
            connections_total_max: 10_000,
            loopback_exempt: true,
            hello_timeout: limits::HELLO_TIMEOUT,
            join_timeout: limits::JOIN_TIMEOUT,
            resume_window: limits::RESUME_WINDOW,
            code_ttl: limits::CODE_TTL,
            claims_max: limits::CLAIMS_MAX,
            claim_window: limits::CLAIM_WINDOW,
            ring_ttl: limits::RING_TTL,
            heartbeat: limits::HEARTBEAT,
            dead_after: limits::DEAD_AFTER,
            write_stall: limits::WRITE_STALL,
            retry_after: Duration::from_secs(1),
            drain_within: Duration::from_secs(5),
            site: None,
            origins: Vec::new(),
            ice: IceSource::None,
        }
    }
}

impl ServerConfig {
    pub(crate) fn rooms(&self) -> RoomsConfig {
        let room_members = self.room_members.clamp(1, limits::ROOM_MEMBERS_MAX);
        RoomsConfig {
            room_members,
            members_max: self.members_max,
            resume_window: self.resume_window,
            hello_timeout: self.hello_timeout,
            join_timeout: self.join_timeout,
            code_ttl: self.code_ttl,
            claims_max: self.claims_max,
            claim_window: self.claim_window,
            ring_ttl: self.ring_ttl,
            heartbeat_s: u32::try_from(self.heartbeat.as_secs()).unwrap_or(u32::MAX),
            limits: Limits {
                rate_per_s: self.rate_per_s,
                rate_burst: self.rate_burst,
                room_members_max: room_members,
                resume_s: self.resume_window.as_secs(),
                ..Limits::default()
            },
        }
    }

    pub(crate) fn socket(&self) -> SocketConfig {
        SocketConfig {
            rate: Rate { burst: self.rate_burst.max(1), every: Duration::from_secs(1) / self.rate_per_s.max(1) },
            pace: Pace {
                burst: u64::from(self.rate_burst.max(1)) * BURST_BYTES_PER_MESSAGE,
                per_s: u64::from(self.rate_per_s.max(1)) * BYTES_PER_MESSAGE,
            },
            heartbeat: self.heartbeat.max(Duration::from_secs(1)),
            dead_after: self.dead_after,
            write_stall: self.write_stall,
        }
    }

    pub(crate) fn admission(&self) -> AdmissionConfig {
        AdmissionConfig {
            per_min: self.connections_per_min,
            open_max: self.connections_open_max,
            total_max: self.connections_total_max,
            loopback_exempt: self.loopback_exempt,
        }
    }
}
