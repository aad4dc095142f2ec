//! What members are told of servers for connectivity checks and relaying.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eyeline_protocol::{IceConfig, MemberId, limits};

use super::Relay;
use super::credentials::{Secret, Username};

/// Where the relay is reached, as members are told.
#[derive(Debug, Clone, Default)]
pub struct Advertised {
    /// The host's name or address; `None`: the one that the member reached the signaling server by.
    pub host: Option<String>,
    /// Ports, in the order in which they are told.
    pub transports: Vec<RelayTransport>,
}

/// One way to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayTransport {
    /// STUN alone, by UDP, at this port.
    Stun(u16),
    /// TURN by UDP at this port.
    Udp(u16),
    /// TURN by TCP at this port.
    Tcp(u16),
    /// TURN by TLS at this port.
    Tls(u16),
}

impl RelayTransport {
    /// RFC 7064 and RFC 7065.
    fn url(self, host: &str) -> String {
        match self {
            Self::Stun(port) => format!("stun:{host}:{port}"),
            Self::Udp(port) => format!("turn:{host}:{port}?transport=udp"),
            Self::Tcp(port) => format!("turn:{host}:{port}?transport=tcp"),
            Self::Tls(port) => format!("turns:{host}:{port}?transport=tcp"),
        }
    }
}

/// Another relay than our own: coturn with `use-auth-secret`, or one that understands the same credentials.
#[derive(Clone)]
pub struct ExternalRelay {
    /// `stun:`, `turn:` and `turns:` URLs, as members are to use them.
    pub urls: Vec<String>,
    /// The secret it shares with us (`static-auth-secret`).
    pub secret: String,
    /// How long credentials are good.
    pub credential_ttl: Duration,
}

impl ExternalRelay {
    /// One with credentials that are good as long as those of our own relay.
    #[must_use]
    pub fn new(urls: Vec<String>, secret: String) -> Self {
        Self { urls, secret, credential_ttl: limits::RELAY_CREDENTIAL_TTL }
    }
}

impl fmt::Debug for ExternalRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalRelay").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Where members' `ice` comes from.
#[derive(Debug, Clone, Default)]
pub enum IceSource {
    /// There is no relay.
    #[default]
    None,
    /// Our own.
    Own(Relay, Advertised),
    /// Somebody else's.
    External(ExternalRelay),
}

impl IceSource {
    /// Our own relay, if it is that.
    #[must_use]
    pub fn relay(&self) -> Option<&Relay> {
        match self {
            Self::Own(relay, _) => Some(relay),
            Self::None | Self::External(_) => None,
        }
    }

    /// What a member of a room is told; `reached` is the `Host` header it came with.
    #[must_use]
    pub fn config(&self, room: &[u8], member: &MemberId, reached: Option<&str>) -> IceConfig {
        match self {
            Self::None => IceConfig::default(),
            Self::Own(relay, advertised) => {
                let host = advertised.host.clone().or_else(|| reached.and_then(host_of));
                let Some(host) = host else { return IceConfig::default() };
                let urls = advertised.transports.iter().map(|transport| transport.url(&host)).collect();
                let (user, cred) = relay.credentials(room, member);
                IceConfig { urls, user, cred, ttl_s: seconds(relay.credential_ttl()) }
            }
            Self::External(external) => {
                let secret = Secret::new(external.secret.clone());
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let expires_unix_s = (now + external.credential_ttl).as_secs();
                let (group, user) = (secret.group(room), secret.user(member.as_str()));
                let user = Username { expires_unix_s, group, user }.text();
                let cred = secret.password(&user);
                IceConfig { urls: external.urls.clone(), user, cred, ttl_s: seconds(external.credential_ttl) }
            }
        }
    }

    /// A member left its room.
    pub fn left(&self, member: &MemberId) {
        match self {
            Self::Own(relay, _) => relay.left(member),
            Self::None | Self::External(_) => {}
        }
    }
}

fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}

/// The host of a `Host` header, without its port. What a client says it reached is told to that client only, but it is
/// checked all the same: it becomes part of a URL.
fn host_of(header: &str) -> Option<String> {
    let host = match header.strip_prefix('[') {
        Some(rest) => {
            let address = rest.split(']').next()?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            format!("[{address}]")
        }
        None => header.split(':').next()?.to_owned(),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    ((1..=255).contains(&host.len()) && host.bytes().all(allowed)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_the_client_reached() {
        for (header, host) in [
            ("call.example.org", Some("call.example.org")),
            ("call.example.org:7420", Some("call.example.org")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("[2001:db8::1]")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (":80", None),
            ("[junk]:80", None),
            ("a b", None),
            ("a?transport=tcp", None),
        ] {
            assert_eq!(host_of(header).as_deref(), host, "{header}");
        }
    }

    #[test]
    fn an_external_relay_gets_credentials_of_its_secret() {
        let external = ExternalRelay::new(vec!["turn:relay.example.org:3478".to_owned()], "north".to_owned());
        let member = MemberId::from_random([7; 12]);
        let ice = IceSource::External(external.clone()).config(b"room", &member, None);
        assert_eq!(ice.urls, external.urls);
        assert_eq!(ice.cred, Secret::new("north".to_owned()).password(&ice.user));
        assert_eq!(ice.ttl_s, 300);
        assert!(!format!("{external:?}").contains("north"));
    }

    #[test]
    fn ways_to_the_relay_are_urls() {
        let relay = Relay::new(super::super::RelayConfig::default()).unwrap();
        let transports = vec![
            RelayTransport::Stun(7420),
            RelayTransport::Udp(7420),
            RelayTransport::Tcp(443),
            RelayTransport::Tls(443),
        ];
        let source = IceSource::Own(relay, Advertised { host: None, transports });
        let member = MemberId::from_random([7; 12]);
        assert_eq!(source.config(b"room", &member, None), IceConfig::default());
        let ice = source.config(b"room", &member, Some("call.example.org:7420"));
        assert_eq!(
            ice.urls,
            [
                "stun:call.example.org:7420",
                "turn:call.example.org:7420?transport=udp",
                "turn:call.example.org:443?transport=tcp",
                "turns:call.example.org:443?transport=tcp",
            ]
        );
        assert!(!ice.user.is_empty() && !ice.cred.is_empty());
    }
}
