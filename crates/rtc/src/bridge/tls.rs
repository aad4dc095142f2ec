//! TLS to relays.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// What the stream is for (RFC 7443): servers that offer more than TURN on a port tell by it.
const ALPN: &[u8] = b"stun.turn";

/// Made at its first use: reading the system's certificates takes tens of milliseconds.
pub(super) struct Tls {
    extra: Vec<Vec<u8>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts `extra` certificates, DER-encoded, beside the system's.
    pub(super) fn new(extra: Vec<Vec<u8>>) -> Self {
        Self { extra, config: OnceCell::new() }
    }

    pub(super) async fn connector(&self) -> TlsConnector {
        let extra = self.extra.clone();
        let make = || async {
            let made = tokio::task::spawn_blocking(|| config(extra)).await;
            Arc::new(made.unwrap_or_else(|_| config(Vec::new())))
        };
        TlsConnector::from(self.config.get_or_init(make).await.clone())
    }
}

fn config(extra: Vec<Vec<u8>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    if system.certs.is_empty() {
        tracing::warn!("the system trusts no certificates, so no relay over TLS can be trusted");
    }
    roots.add_parsable_certificates(system.certs);
    roots.add_parsable_certificates(extra.into_iter().map(CertificateDer::from));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the suites of both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// The name that a relay's certificate must be for.
pub(super) fn name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use rustls::ServerConfig;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server for `localhost` that tells what was negotiated by ALPN, and the certificate that it is signed by.
    async fn server() -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec(), ALPN.to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let client = TlsAcceptor::from(Arc::new(config)).accept(client).await;
            client.map_or_else(|_| Vec::new(), |client| client.get_ref().1.alpn_protocol().unwrap_or_default().to_vec())
        });
        (address, task, made.cert.der().to_vec())
    }

    async fn connects(tls: &Tls, address: SocketAddr, host: &str) -> bool {
        let tcp = TcpStream::connect(address).await.unwrap();
        tls.connector().await.connect(name(host).unwrap(), tcp).await.is_ok()
    }

    #[tokio::test]
    async fn says_what_it_is_for_and_to_whom_it_speaks() {
        let (address, task, root) = server().await;
        assert!(connects(&Tls::new(vec![root]), address, "localhost").await);
        assert_eq!(task.await.unwrap(), ALPN);
        assert!(name("not a host").is_err());
    }

    #[tokio::test]
    async fn refuses_who_is_not_vouched_for_and_who_is_somebody_else() {
        let (address, _task, _) = server().await;
        assert!(!connects(&Tls::new(Vec::new()), address, "localhost").await);
        let (address, _task, root) = server().await;
        assert!(!connects(&Tls::new(vec![root]), address, "relay.example").await);
    }
}
