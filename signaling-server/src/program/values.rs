//! What values may look like. Each is checked where it is read, whatever it comes from.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use clap::ValueEnum;
use tracing_subscriber::filter::EnvFilter;

/// A public DNS name, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain(String);

impl Domain {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.contains("://") || name.contains('/') || name.contains(':') {
            return Err("a bare name is needed, without https:// and without a port");
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err("certificates are for names: an address will not do");
        }
        if !name.contains('.') {
            return Err("a full name is needed, with a dot in it, such as call.example.org");
        }
        let sound = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(sound) {
            return Err("this is not a name that DNS could know");
        }
        Ok(Self(name))
    }
}

/// Where to listen, or that nothing listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Off,
    At(SocketAddr),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let hint = "an IP address and a port are needed, such as 0.0.0.0:7420 or [::]:7420; or off";
        text.parse().map(Self::At).map_err(|_| hint)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// An address that only this machine reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loopback(pub(crate) SocketAddr);

impl FromStr for Loopback {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self(address)),
            Ok(_) => Err("figures are for this machine only: a loopback address is needed, such as 127.0.0.1:9420"),
            Err(_) => Err("an IP address and a port are needed, such as 127.0.0.1:9420"),
        }
    }
}

/// What a browser calls a site: scheme, host, port if it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebOrigin(String);

impl WebOrigin {
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for WebOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "scheme and host are needed and nothing after them, such as https://example.org";
        let (scheme, host) = text.split_once("://").ok_or(hint)?;
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if !matches!(scheme, "http" | "https") || host.is_empty() || !host.bytes().all(sound) {
            return Err(hint);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contact(String);

impl Contact {
    /// As ACME wants it (RFC 8555 section 7.3).
    pub(crate) fn url(&self) -> String {
        format!("mailto:{}", self.0)
    }
}

impl FromStr for Contact {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.strip_prefix("mailto:").unwrap_or(text);
        match address.split_once('@') {
            Some((name, host)) if !name.is_empty() && host.contains('.') && !address.contains(char::is_whitespace) => {
                Ok(Self(address.to_owned()))
            }
            _ => Err("a mail address is needed, such as admin@example.org"),
        }
    }
}

/// A STUN or TURN server (RFC 7064, RFC 7065).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TurnUrl(String);

impl TurnUrl {
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for TurnUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("stun" | "stuns" | "turn" | "turns", host)) if !host.is_empty() && !host.starts_with('/') => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("a STUN or TURN server is needed, such as turn:relay.example.org:3478?transport=udp"),
        }
    }
}

/// What nobody is to read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() < SECRET_CHARS_MIN {
            return Err("a secret has at least 16 characters, drawn at random");
        }
        Ok(Self(text.to_owned()))
    }
}

/// Shorter ones can be guessed: who has one credential can try secrets offline.
const SECRET_CHARS_MIN: usize = 16;

/// A level, or what [`EnvFilter`] takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLevel(String);

impl LogLevel {
    pub(crate) fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EnvFilter::try_new(text).map(|_| Self(text.to_owned()))
    }
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_full_name() {
        assert_eq!("Call.Example.org.".parse::<Domain>().unwrap().as_str(), "call.example.org");
        for wrong in
            ["localhost", "https://a.b", "a.b:443", "a.b/c", "192.0.2.1", "[::1]", "a..b", "-a.b", "a_b.c", "", "."]
        {
            assert!(wrong.parse::<Domain>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        for right in ["https://example.org", "http://192.0.2.1:8080", "https://[2001:db8::1]:8443"] {
            assert_eq!(right.parse::<WebOrigin>().unwrap().into_string(), right);
        }
        for wrong in ["example.org", "https://example.org/", "ftp://example.org", "https://", "*", "null"] {
            assert!(wrong.parse::<WebOrigin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_long_and_do_not_show() {
        assert!("short".parse::<Secret>().is_err());
        let secret: Secret = "north-north-north".parse().unwrap();
        assert!(!format!("{secret:?}").contains("north"));
    }

    #[test]
    fn figures_stay_on_this_machine() {
        assert!("127.0.0.1:9420".parse::<Loopback>().is_ok());
        assert!("[::1]:9420".parse::<Loopback>().is_ok());
        assert!("0.0.0.0:9420".parse::<Loopback>().is_err());
        assert!("9420".parse::<Loopback>().is_err());
    }
}
