//! Invitation links: `https://HOST[:PORT]/j#1.<22 characters>`. The fragment never reaches a server.

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use eyeline_protocol::LINK_PATH;
use thiserror::Error;

use crate::keys::Secret;
use crate::server::{Scheme, Server, split_scheme};

/// Why a text is not a link. Each has its own words in the user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Nothing but blanks.
    #[error("no link given")]
    Empty,
    /// No `https://`, `http://` or `eyeline://` in front, or not the path `/j`.
    #[error("this is not an Eyeline link")]
    NotALink,
    /// The host or port is not one.
    #[error("the server's address is not valid")]
    BadServer,
    /// The part after `#` is missing: some programs cut it off when a link is copied or sent.
    #[error("the link is incomplete: the part after # is missing")]
    NoSecret,
    /// Made by a version of Eyeline that this one does not understand.
    #[error("the link is of a version this program does not know")]
    WrongVersion,
    /// The part after `#1.` is not 22 characters of base64url: cut off or mistyped.
    #[error("the link is damaged: its secret is not complete")]
    BadSecret,
}

/// An invitation: which server to meet at, and the room's secret. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    server: Server,
    secret: Secret,
}

/// In the app's own scheme, says that the server speaks `http`; without it, `https`.
const PLAIN_QUERY: &str = "?http";
const VERSION: &str = "1";

impl Link {
    /// A new invitation at `server` (forms as [`Server::parse`]) with 16 random bytes.
    ///
    /// # Errors
    /// [`LinkError::Empty`] or [`LinkError::BadServer`].
    pub fn new(server: &str, secret: [u8; 16]) -> Result<Self, LinkError> {
        Ok(Self { server: Server::parse(server)?, secret: Secret(secret) })
    }

    /// Reads `https://HOST[:PORT]/j#1.…`, `http://…` or `eyeline://…` (`https` unless `/j?http`). Blanks, quotes and
    /// angle brackets around it are dropped.
    ///
    /// # Errors
    /// [`LinkError`] as its variants say.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || "<>\"'".contains(c));
        if text.is_empty() {
            return Err(LinkError::Empty);
        }
        let (address, fragment) = match text.split_once('#') {
            Some((address, fragment)) => (address, Some(fragment)),
            None => (text, None),
        };
        let (scheme, rest) = split_scheme(address).ok_or(LinkError::NotALink)?;
        let at = rest.find(['/', '?']).ok_or(LinkError::NotALink)?;
        let (authority, path) = rest.split_at(at);
        let scheme = match (scheme, path.strip_prefix(LINK_PATH)) {
            ("https", Some("" | "/")) => Scheme::Https,
            ("http", Some("" | "/")) => Scheme::Http,
            ("eyeline", Some("" | "/")) => Scheme::Https,
            ("eyeline", Some(PLAIN_QUERY)) => Scheme::Http,
            _ => return Err(LinkError::NotALink),
        };
        let server = Server::from_authority(scheme, authority)?;
        Ok(Self { server, secret: parse_fragment(fragment.unwrap_or(""))? })
    }

    /// Where to meet.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What the room's keys come from ([`crate::RoomKeys::derive`]).
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// See [`Server::websocket_url`].
    #[must_use]
    pub fn websocket_url(&self) -> String {
        self.server.websocket_url()
    }

    /// The link in the app's own scheme, which the system hands to the app: `eyeline://HOST[:PORT]/j[?http]#1.…`.
    #[must_use]
    pub fn app_url(&self) -> String {
        let query = match self.server.scheme() {
            Scheme::Http => PLAIN_QUERY,
            Scheme::Https => "",
        };
        format!("eyeline://{}{LINK_PATH}{query}#{}", self.server.authority(), self.fragment())
    }

    fn fragment(&self) -> String {
        format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(self.secret.0))
    }
}

fn parse_fragment(fragment: &str) -> Result<Secret, LinkError> {
    if fragment.is_empty() {
        return Err(LinkError::NoSecret);
    }
    let (version, secret) = fragment.split_once('.').ok_or(LinkError::BadSecret)?;
    if version != VERSION {
        return Err(LinkError::WrongVersion);
    }
    let mut bytes = [0; 16];
    match URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes) {
        Ok(16) => Ok(Secret(bytes)),
        _ => Err(LinkError::BadSecret),
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        Self::parse(text)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{LINK_PATH}#{}", self.server, self.fragment())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODw";

    fn secret() -> Secret {
        Secret(std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    #[test]
    fn a_link_comes_back_in_all_its_forms() {
        for (server, web, app) in [
            ("https://example.org", "https://example.org/j#1.", "eyeline://example.org/j#1."),
            ("example.org:8443", "https://example.org:8443/j#1.", "eyeline://example.org:8443/j#1."),
            ("http://10.0.0.2:7420", "http://10.0.0.2:7420/j#1.", "eyeline://10.0.0.2:7420/j?http#1."),
        ] {
            let link = Link::new(server, secret().0).unwrap();
            assert_eq!(link.to_string(), format!("{web}{SECRET}"));
            assert_eq!(link.app_url(), format!("{app}{SECRET}"));
            assert_eq!(Link::parse(&link.to_string()), Ok(link.clone()));
            assert_eq!(Link::parse(&link.app_url()), Ok(link.clone()));
            assert_eq!(Link::parse(&format!(" \n<{link}> ")), Ok(link));
        }
    }

    #[test]
    fn what_is_wrong_with_a_link_is_said() {
        for (text, error) in [
            ("", LinkError::Empty),
            (" \t\n", LinkError::Empty),
            ("hello", LinkError::NotALink),
            ("example.org/j#1.AAECAwQFBgcICQoLDA0ODw", LinkError::NotALink),
            ("ftp://example.org/j#1.AAECAwQFBgcICQoLDA0ODw", LinkError::NotALink),
            ("https://example.org#1.AAECAwQFBgcICQoLDA0ODw", LinkError::NotALink),
            ("https://example.org/join#1.AAECAwQFBgcICQoLDA0ODw", LinkError::NotALink),
            ("https://example.org/j?http#1.AAECAwQFBgcICQoLDA0ODw", LinkError::NotALink),
            ("https:///j#1.AAECAwQFBgcICQoLDA0ODw", LinkError::BadServer),
            ("https://exa mple.org/j#1.AAECAwQFBgcICQoLDA0ODw", LinkError::BadServer),
            ("https://example.org:99999/j#1.AAECAwQFBgcICQoLDA0ODw", LinkError::BadServer),
            ("https://example.org/j", LinkError::NoSecret),
            ("https://example.org/j#", LinkError::NoSecret),
            ("https://example.org/j#2.AAECAwQFBgcICQoLDA0ODw", LinkError::WrongVersion),
            ("https://example.org/j#1.AAECAwQFBgcICQoLDA0OD", LinkError::BadSecret),
            ("https://example.org/j#1.AAECAwQFBgcICQoLDA0ODwA", LinkError::BadSecret),
            ("https://example.org/j#1.AAECAwQFBgcICQoLDA0O/w", LinkError::BadSecret),
            ("https://example.org/j#AAECAwQFBgcICQoLDA0ODw", LinkError::BadSecret),
        ] {
            assert_eq!(Link::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_shows_neither_host_nor_secret() {
        let link = Link::new("https://example.org", secret().0).unwrap();
        assert_eq!(
            format!("{link:?} {:?} {:?}", link.server(), link.secret()),
            "Link(..) Server(https://..) Secret(..)"
        );
    }
}
