//! Where a certificate, its key and the account with the authority are kept: files that their owner alone may read.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_acme::{AccountCache, CertCache};
use sha2::{Digest as _, Sha256};

use super::TlsError;
use super::expiry::Expiry;

pub(super) struct Cache {
    folder: PathBuf,
    expiry: Arc<Expiry>,
}

impl Cache {
    /// Makes the folder if it is not there, and tries whether it can be written to: that fails better now than after
    /// the authority has done its work.
    pub(super) fn open(folder: PathBuf, expiry: Arc<Expiry>) -> Result<Self, TlsError> {
        let cache = Self { folder, expiry };
        cache.write("writable", b"").map_err(|error| TlsError::Io { path: cache.folder.clone(), error })?;
        Ok(cache)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whole or not at all.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(name);
        let half = path.with_added_extension("new");
        // What an interrupted write left may have other permissions.
        fs::remove_file(&half).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut file = create_private(&half)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&half, &path)
    }

    /// The certificate comes after its key.
    fn note(&self, pem: &[u8]) {
        let noted = match CertificateDer::from_pem_slice(pem) {
            Ok(certificate) => self.expiry.note(&certificate),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "certificate without an end");
        }
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)
}

/// One name per authority and purpose, so that what one signed is never shown to another.
fn name(kind: &str, parts: &[String], directory: &str) -> String {
    let mut hash = Sha256::new_with_prefix(directory);
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    let hash: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}-{hash}")
}

#[async_trait]
impl CertCache for Cache {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        let read = self.read(&name("certificate", domains, directory))?;
        if let Some(pem) = &read {
            self.note(pem);
        }
        Ok(read)
    }

    async fn store_cert(&self, domains: &[String], directory: &str, pem: &[u8]) -> io::Result<()> {
        self.note(pem);
        self.write(&name("certificate", domains, directory), pem)
    }
}

#[async_trait]
impl AccountCache for Cache {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.read(&name("account", contact, directory))
    }

    async fn store_account(&self, contact: &[String], directory: &str, key: &[u8]) -> io::Result<()> {
        self.write(&name("account", contact, directory), key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path) -> Cache {
        Cache::open(folder.join("made"), Arc::default()).unwrap()
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_kept_comes_back_and_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path());
        let (domains, directory) = (["a.example".to_owned()], "https://ca.example/dir");
        assert!(cache.load_cert(&domains, directory).await.unwrap().is_none());
        cache.store_cert(&domains, directory, b"first").await.unwrap();
        cache.store_cert(&domains, directory, b"second").await.unwrap();
        assert_eq!(cache.load_cert(&domains, directory).await.unwrap().unwrap(), b"second");
        assert!(cache.load_cert(&domains, "https://other.example").await.unwrap().is_none());
        for file in fs::read_dir(&cache.folder).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_is_refused_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(Cache::open(file.path().join("below"), Arc::default()), Err(TlsError::Io { .. })));
    }
}
