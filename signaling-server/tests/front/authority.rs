//! A certificate authority of the tests' own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::RootCertStore;
use time::{Duration, OffsetDateTime};

pub(crate) const DOMAIN: &str = "server.example";

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in files.
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()).unwrap())
    }

    /// Certificate and key in PEM, good for so many days from now on and issued so many days ago.
    pub(crate) fn issue(&self, domain: &str, days_old: i64, days_left: i64) -> (String, String) {
        let mut params = CertificateParams::new(vec![domain.to_owned()]).unwrap();
        params.not_before = days_from_now(-days_old);
        params.not_after = days_from_now(days_left);
        self.sign(&params)
    }

    /// Certificate and key in PEM, for all these names.
    pub(crate) fn issue_for(&self, names: Vec<String>) -> (String, String) {
        self.sign(&CertificateParams::new(names).unwrap())
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a new certificate, one file after the other as people do.
    pub(crate) fn write(&self, folder: &Path, days_left: i64) -> Files {
        let (cert, key) = self.issue(DOMAIN, 1, days_left);
        let files = Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.cert, cert).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }

    pub(crate) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).unwrap();
        roots
    }
}

fn days_from_now(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days)
}
