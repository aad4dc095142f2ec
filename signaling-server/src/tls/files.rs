//! A certificate in files, exchanged when they are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::expiry::Expiry;
use super::{TlsError, provider};

/// How often the files are looked at. A renewed certificate has weeks of time, but whoever exchanges one by hand watches.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files, and what was last read from them.
#[derive(Debug)]
pub(super) struct Files {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    expiry: Arc<Expiry>,
}

impl Files {
    pub(super) fn load(cert: &Path, key: &Path, expiry: Arc<Expiry>) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(read(cert, key, &expiry)?));
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current, expiry })
    }

    pub(super) fn reload(&self) -> Result<(), TlsError> {
        let read = Arc::new(read(&self.cert, &self.key, &self.expiry)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        tracing::info!("certificate read");
        Ok(())
    }

    /// What changes when a file is written anew; links are followed.
    fn signature(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.cert, &self.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        })
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Reads the files again whenever they change, as long as they are in use.
pub(super) fn watch(files: &Arc<Files>) {
    let mut seen = files.signature();
    let files: Weak<Files> = Arc::downgrade(files);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(files) = files.upgrade() else { return };
            let signature = files.signature();
            if signature == seen {
                continue;
            }
            seen = signature;
            // Half of it may be written yet; the other half is another change.
            if let Err(error) = files.reload() {
                tracing::warn!(%error, "certificate not exchanged");
            }
        }
    });
}

fn read(cert: &Path, key: &Path, expiry: &Expiry) -> Result<CertifiedKey, TlsError> {
    let content = |path: &Path, what: &str| TlsError::Content { path: path.to_owned(), what: what.to_owned() };
    let chain = certificates(cert)?;
    let end = chain.first().cloned().ok_or_else(|| content(cert, "there is no certificate in it (PEM)"))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| pem_error(key, error))?;
    let certified = CertifiedKey::from_der(chain, key_der, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => content(key, "the key does not belong to the certificate"),
        error => content(key, &error.to_string()),
    })?;
    expiry.note(&end).map_err(|what| TlsError::Content { path: cert.to_owned(), what })?;
    Ok(certified)
}

/// All certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| pem_error(path, error))?;
    read.collect::<Result<_, _>>().map_err(|error| pem_error(path, error))
}

fn pem_error(path: &Path, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) => TlsError::Io { path, error },
        pem::Error::NoItemsFound => TlsError::Content { path, what: "there is no private key in it (PEM)".to_owned() },
        error => TlsError::Io { path, error: io::Error::new(io::ErrorKind::InvalidData, error.to_string()) },
    }
}
