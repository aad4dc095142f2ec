//! TLS 1.2 and 1.3 at the front door, with a certificate from files or from an ACME authority; either is exchanged while
//! connections go on.

mod acme;
mod cache;
mod expiry;
mod files;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{Acceptor, NoServerSessionStorage, ResolvesServerCert};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::acme::AcmeSettings;
use self::expiry::Expiry;
use self::files::Files;

const ALPN_HTTP: &[u8] = b"http/1.1";
/// RFC 7443.
const ALPN_TURN: &[u8] = b"stun.turn";

/// Why there is no certificate to begin with.
#[derive(Debug)]
pub enum TlsError {
    /// A file or folder cannot be read or written.
    Io {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    Content {
        /// Which.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Nothing on this machine says whom to trust.
    NoRoots,
    /// The TLS library refuses.
    Library(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(f, "cannot use {}: {error}", path.display()),
            Self::Content { path, what } => write!(f, "{}: {what}", path.display()),
            Self::NoRoots => f.write_str("this machine trusts no certificates: install ca-certificates or set acme-ca"),
            Self::Library(error) => write!(f, "TLS: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// What a client named to speak inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alpn {
    Http,
    Turn,
    Unnamed,
}

/// A certificate, and how clients are received with it.
pub struct Tls {
    config: Arc<ServerConfig>,
    /// For the authority's checks (RFC 8737).
    challenge: Option<Arc<ServerConfig>>,
    expiry: Arc<Expiry>,
    files: Option<Arc<Files>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl Tls {
    /// With a certificate chain and its key in PEM files, which are read again when they change. To be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the files cannot be read, hold nothing of use, or do not belong together.
    pub fn from_files(cert: &std::path::Path, key: &std::path::Path) -> Result<Self, TlsError> {
        let expiry = Arc::new(Expiry::default());
        let files = Arc::new(Files::load(cert, key, Arc::clone(&expiry))?);
        let config = server_config(Arc::clone(&files) as Arc<dyn ResolvesServerCert>)?;
        files::watch(&files);
        Ok(Self { config: Arc::new(config), challenge: None, expiry, files: Some(files) })
    }

    /// With a certificate that is got, and renewed, from an ACME authority. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the folder cannot be used or nothing says whom to trust. That the authority cannot be reached is none: it is
    /// tried again.
    pub fn from_acme(settings: AcmeSettings) -> Result<Self, TlsError> {
        let expiry = Arc::new(Expiry::default());
        let acme = acme::start(settings, Arc::clone(&expiry))?;
        let config = server_config(acme.resolver)?;
        Ok(Self { config: Arc::new(config), challenge: Some(acme.challenge), expiry, files: None })
    }

    /// Reads the files again, if it is files.
    ///
    /// # Errors
    /// As [`Tls::from_files`]; then the certificate stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.files.as_ref().map_or(Ok(()), |files| files.reload())
    }

    /// Whether there is a certificate, and it has not expired.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.expiry.left(SystemTime::now()).is_some_and(|left| left > 0.0)
    }

    /// How long the certificate is good, in days; below 0 once it has expired, `None` as long as there is none.
    #[must_use]
    pub fn days_left(&self) -> Option<f64> {
        self.expiry.left(SystemTime::now())
    }

    /// Shakes hands. `None`: it was the authority, which has seen what it wanted.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<Option<(Alpn, TlsStream<S>)>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(challenge) = &self.challenge
            && rustls_acme::is_tls_alpn_challenge(&hello.client_hello())
        {
            let mut stream = hello.into_stream(Arc::clone(challenge)).await?;
            tracing::info!("certificate authority checked the domain");
            stream.shutdown().await?;
            return Ok(None);
        }
        let stream = hello.into_stream(Arc::clone(&self.config)).await?;
        let alpn = match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_HTTP) => Alpn::Http,
            Some(ALPN_TURN) => Alpn::Turn,
            // Others were refused by the handshake.
            Some(_) | None => Alpn::Unnamed,
        };
        Ok(Some((alpn, stream)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server_config(certificate: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Library)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN_HTTP.to_vec(), ALPN_TURN.to_vec()];
    // Sessions are with the clients, sealed: nothing of those who left stays here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Library)?;
    Ok(config)
}
