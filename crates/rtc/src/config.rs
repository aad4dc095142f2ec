//! What a [`Peer`](crate::Peer) is told at its start.

use std::fmt;

use eyeline_media::frame::VideoCodec;
use eyeline_media::units::Bitrate;

/// A STUN or TURN server.
#[derive(Clone, Default)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URLs (RFC 7064, RFC 7065). Those that name the same host are ways to one relay: it is
    /// reached over UDP if it answers there, else over TCP, else over TLS. What cannot be read or used is skipped.
    pub urls: Vec<String>,
    /// User name for TURN; empty for STUN.
    pub username: String,
    /// Password for TURN; empty for STUN.
    pub credential: String,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceServer({} urls, redacted)", self.urls.len())
    }
}

/// How a connection is to be made and how fast it may send.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Servers that help finding a path.
    pub ice_servers: Vec<IceServer>,
    /// Certificates, DER-encoded, that a relay over TLS may be signed by, beside those that the system trusts.
    pub extra_roots: Vec<Vec<u8>>,
    /// Use relayed paths only, so that the other side never learns our address.
    pub relay_only: bool,
    /// Offer 127.0.0.1 too: for tests and for two peers on one machine.
    pub include_loopback: bool,
    /// Video codecs we can send and receive, best first.
    pub codecs: Vec<VideoCodec>,
    /// Estimate to begin with; up to 800 kbit/s if the handshake shows that the path takes more.
    pub start_bitrate: Bitrate,
    /// The estimate never rises above this.
    pub max_bitrate: Bitrate,
    /// The estimate never falls below this.
    pub min_bitrate: Bitrate,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            extra_roots: Vec::new(),
            relay_only: false,
            include_loopback: false,
            codecs: vec![VideoCodec::Vp9, VideoCodec::Vp8],
            start_bitrate: Bitrate::from_kbps(300),
            max_bitrate: Bitrate::from_kbps(3_000),
            min_bitrate: Bitrate::from_kbps(60),
        }
    }
}
