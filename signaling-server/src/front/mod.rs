//! From an accepted connection to whom it is for. One port serves everything: the first byte tells TLS from STUN from HTTP,
//! and inside TLS the protocol that the client named (ALPN), or else its first byte again.
//!
//! ```text
//! TCP -> 0x16 0x03 -> TLS -> ALPN acme-tls/1 -> the authority's check, closed
//!     |                   -> ALPN stun.turn  -> STUN
//!     |                   -> ALPN http/1.1   -> HTTP
//!     |                   -> none            -> first byte
//!     -> cookie  -> STUN
//!     -> A to Z  -> HTTP, or a redirect to HTTPS where there is TLS
//!     -> junk    -> closed
//! ```

mod first;
mod openings;

use std::io;
#[cfg(feature = "public")]
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use self::first::{First, Prefixed, first};
pub(crate) use self::openings::{Opening, Openings};
#[cfg(feature = "public")]
use crate::tls::{Alpn, Tls};

/// What may come in at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Everything. Without TLS pages and calls come in plainly; with TLS plain requests are redirected.
    Main,
    /// Plain requests, which are redirected to HTTPS; nothing else.
    Redirect,
    /// STUN and TURN, plainly.
    Stun,
    /// STUN and TURN over TLS.
    Stuns,
}

/// A connection's bytes, below which TLS may be.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Whom a connection is for.
pub(crate) enum Opened {
    /// Pages and calls.
    Http {
        stream: Box<dyn Stream>,
        /// Whether over TLS.
        secure: bool,
    },
    /// One who has to be pointed to HTTPS.
    Redirect(Box<dyn Stream>),
    /// STUN and TURN.
    Stun(Box<dyn Stream>),
}

/// What connections are opened with.
#[derive(Default)]
pub(crate) struct Front {
    #[cfg(feature = "public")]
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Front {
    /// Whether people come in over TLS.
    fn has_tls(&self) -> bool {
        #[cfg(feature = "public")]
        return self.tls.is_some();
        #[cfg(not(feature = "public"))]
        false
    }

    /// Whether those who come can be received: with TLS there has to be a certificate.
    pub(crate) fn is_ready(&self) -> bool {
        #[cfg(feature = "public")]
        return self.tls.as_ref().is_none_or(|tls| tls.is_ready());
        #[cfg(not(feature = "public"))]
        true
    }

    /// How long the certificate is good, if there is one.
    pub(crate) fn certificate_days(&self) -> Option<f64> {
        #[cfg(feature = "public")]
        return self.tls.as_ref()?.days_left();
        #[cfg(not(feature = "public"))]
        None
    }

    /// Finds out whom the connection is for; `None` is nobody, and it is to be closed. May take as long as the client likes.
    ///
    /// # Errors
    /// When the connection fails or what it speaks is broken.
    pub(crate) async fn open(&self, stream: TcpStream, door: Door) -> io::Result<Option<Opened>> {
        let (first, stream) = first(stream).await?;
        match (first, door) {
            (First::Tls, Door::Main | Door::Stuns) => self.open_tls(stream, door).await,
            (First::Stun, Door::Main | Door::Stun) => Ok(Some(Opened::Stun(Box::new(stream)))),
            (First::Http, Door::Main) if !self.has_tls() => {
                Ok(Some(Opened::Http { stream: Box::new(stream), secure: false }))
            }
            (First::Http, Door::Main | Door::Redirect) => Ok(Some(Opened::Redirect(Box::new(stream)))),
            (First::Tls, Door::Redirect | Door::Stun)
            | (First::Stun, Door::Redirect | Door::Stuns)
            | (First::Http, Door::Stun | Door::Stuns)
            | (First::Junk, _) => Ok(None),
        }
    }

    #[cfg(feature = "public")]
    async fn open_tls(&self, stream: Prefixed<TcpStream>, door: Door) -> io::Result<Option<Opened>> {
        let Some(tls) = &self.tls else { return Ok(None) };
        let Some((alpn, stream)) = tls.accept(stream).await? else { return Ok(None) };
        let http = |stream| Opened::Http { stream, secure: true };
        match alpn {
            Alpn::Http if door == Door::Main => Ok(Some(http(Box::new(stream)))),
            Alpn::Http => Ok(None),
            Alpn::Turn => Ok(Some(Opened::Stun(Box::new(stream)))),
            Alpn::Unnamed => {
                let (first, stream) = first(stream).await?;
                match first {
                    First::Stun => Ok(Some(Opened::Stun(Box::new(stream)))),
                    First::Http if door == Door::Main => Ok(Some(http(Box::new(stream)))),
                    First::Http | First::Tls | First::Junk => Ok(None),
                }
            }
        }
    }

    #[cfg(not(feature = "public"))]
    #[expect(clippy::unused_async, reason = "as it is with TLS")]
    async fn open_tls(&self, _stream: Prefixed<TcpStream>, _door: Door) -> io::Result<Option<Opened>> {
        Ok(None)
    }
}
