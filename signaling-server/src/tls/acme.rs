//! A certificate from an authority that speaks ACME (RFC 8555), which checks the domain over the very port that the server
//! listens on (TLS-ALPN-01, RFC 8737): no other port, no other program, no hook.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt as _;
use rustls::server::ResolvesServerCert;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_acme::{AcmeConfig, AcmeState, EventOk};

use super::cache::Cache;
use super::expiry::Expiry;
use super::files::certificates;
use super::{TlsError, provider};

/// Whom to ask for a certificate, and for what.
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// The name it is to be for.
    pub domain: String,
    /// The authority's directory.
    pub directory: String,
    /// `mailto:` addresses for its warnings.
    pub contact: Vec<String>,
    /// A file of certificates (PEM) by which the directory is trusted; `None` is those that the system trusts.
    pub roots: Option<PathBuf>,
    /// Where certificate, key and account are kept.
    pub folder: PathBuf,
}

/// A certificate that is there or on its way.
pub(super) struct Acme {
    pub(super) resolver: Arc<dyn ResolvesServerCert>,
    pub(super) challenge: Arc<ServerConfig>,
}

/// Starts to get the certificate, and to keep it fresh for as long as the runtime lives.
pub(super) fn start(settings: AcmeSettings, expiry: Arc<Expiry>) -> Result<Acme, TlsError> {
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_root_certificates(roots(&settings)?)
        .with_no_client_auth();
    let state = AcmeConfig::new_with_client_config([&settings.domain], Arc::new(client))
        .directory(&settings.directory)
        .contact(settings.contact)
        .cache(Cache::open(settings.folder, expiry)?)
        .state();
    let acme = Acme { resolver: state.resolver(), challenge: state.challenge_rustls_config_with_provider(provider()) };
    tokio::spawn(keep(state));
    Ok(acme)
}

fn roots(settings: &AcmeSettings) -> Result<RootCertStore, TlsError> {
    let trusted = match &settings.roots {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(trusted);
    match (added, &settings.roots) {
        (1.., _) => Ok(roots),
        (0, None) => Err(TlsError::NoRoots),
        (0, Some(path)) => {
            Err(TlsError::Content { path: path.clone(), what: "there is no certificate in it (PEM)".to_owned() })
        }
    }
}

/// Does what is due, and says so. The library tries again by itself, ever more rarely, and renews after two thirds of the
/// certificate's time.
async fn keep(mut state: AcmeState<std::io::Error>) {
    while let Some(event) = state.next().await {
        match event {
            Ok(EventOk::DeployedCachedCert) => tracing::info!("certificate read"),
            Ok(EventOk::DeployedNewCert) => tracing::info!("new certificate"),
            Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore) => tracing::debug!("certificate kept"),
            Err(error) => tracing::warn!(%error, "no certificate yet, or no new one; it is tried again"),
        }
    }
}
