//! The address of a signaling server, as people write it: scheme, host, port.

use std::fmt;
use std::net::Ipv6Addr;

use eyeline_protocol::SOCKET_PATH;

use crate::LinkError;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS: for a server on the local network or the same machine.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A signaling server's base address. `Debug` does not show the host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Server {
    scheme: Scheme,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

/// The longest host name DNS allows (RFC 1035 section 2.3.4).
const HOST_CHARS_MAX: usize = 253;

impl Server {
    /// Reads `https://HOST[:PORT]`, `http://HOST[:PORT]` or `HOST[:PORT]` (then `https`); one `/` may follow.
    ///
    /// # Errors
    /// [`LinkError::Empty`] if there is nothing, [`LinkError::BadServer`] for anything else that is not an address.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LinkError::Empty);
        }
        let (scheme, rest) = match split_scheme(text) {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(LinkError::BadServer),
            None => (Scheme::Https, text),
        };
        Self::from_authority(scheme, rest.strip_suffix('/').unwrap_or(rest))
    }

    /// `HOST[:PORT]`, the host a DNS name, an IPv4 address or an IPv6 address in brackets.
    pub(crate) fn from_authority(scheme: Scheme, authority: &str) -> Result<Self, LinkError> {
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inner, after)) => {
                inner.parse::<Ipv6Addr>().map_err(|_| LinkError::BadServer)?;
                let port =
                    if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(LinkError::BadServer)?) };
                (format!("[{inner}]"), port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (checked_name(host)?, Some(port)),
                None => (checked_name(authority)?, None),
            },
        };
        let port = port.map(parse_port).transpose()?;
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// How it is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its name or address; IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port, if it is not the scheme's own.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `ws://HOST[:PORT]/ws` or `wss://HOST[:PORT]/ws`; the subprotocol is [`eyeline_protocol::SUBPROTOCOL`].
    #[must_use]
    pub fn websocket_url(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "ws",
            Scheme::Https => "wss",
        };
        format!("{scheme}://{}{SOCKET_PATH}", self.authority())
    }

    /// `HOST[:PORT]`.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}://..)", self.scheme.as_str())
    }
}

/// Splits `scheme://rest`; the scheme in lower case as far as it is one of ours.
pub(crate) fn split_scheme(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let known = ["https", "http", "eyeline"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
    Some((known.unwrap_or("other"), rest))
}

fn checked_name(host: &str) -> Result<String, LinkError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let fits = (1..=HOST_CHARS_MAX).contains(&host.len()) && host.bytes().all(allowed);
    let labelled = !host.starts_with(['.', '-']) && !host.contains("..");
    if fits && labelled { Ok(host.to_owned()) } else { Err(LinkError::BadServer) }
}

fn parse_port(text: &str) -> Result<u16, LinkError> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(LinkError::BadServer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_people_write_are_read() {
        for (text, shown, socket) in [
            ("https://Calls.Example.org", "https://calls.example.org", "wss://calls.example.org/ws"),
            ("calls.example.org/", "https://calls.example.org", "wss://calls.example.org/ws"),
            (" http://192.168.1.5:7420 ", "http://192.168.1.5:7420", "ws://192.168.1.5:7420/ws"),
            ("HTTP://[fe80::1]:80", "http://[fe80::1]:80", "ws://[fe80::1]:80/ws"),
            ("http://[::1]", "http://[::1]", "ws://[::1]/ws"),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!((server.to_string().as_str(), server.websocket_url().as_str()), (shown, socket));
        }
    }

    #[test]
    fn other_things_are_not() {
        for bad in [
            "https://",
            "ftp://host",
            "host:0",
            "host:65536",
            "host:+80",
            "host:",
            "a b",
            "user@host",
            "host/path",
            "http://[::1",
            "http://[zz]",
            "http://[::1]80",
            "..",
            "-a",
            "ex..ample",
            "https://höst",
            "host?x",
            "host#x",
        ] {
            assert_eq!(Server::parse(bad), Err(LinkError::BadServer), "{bad}");
        }
        assert_eq!(Server::parse("  "), Err(LinkError::Empty));
    }
}
