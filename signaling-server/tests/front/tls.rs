//! A certificate in files.

use std::net::SocketAddr;

use rustls::RootCertStore;
use tempfile::tempdir;
use tokio::net::TcpStream;

use crate::authority::{Authority, DOMAIN, Files};
use crate::client::{Member, Trust, get, shown};
use crate::program::{Program, eventually};

/// A public server on free ports of loopback.
pub(crate) fn start(files: &Files, more: &[&str]) -> Program {
    let (cert, key) = (files.cert.to_str().unwrap(), files.key.to_str().unwrap());
    let args = ["--domain", DOMAIN, "--tls-cert", cert, "--tls-key", key];
    let places = ["--listen", "--listen-http", "--listen-stun", "--listen-stuns"].map(|place| [place, "127.0.0.1:0"]);
    Program::start(args.iter().chain(places.as_flattened()).chain(more))
}

/// Where a public server listens.
pub(crate) struct Doors {
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) stun: SocketAddr,
    pub(crate) stuns: SocketAddr,
}

impl Doors {
    pub(crate) async fn of(server: &mut Program) -> Self {
        Self {
            https: server.address("listening on https://").await,
            http: server.address("redirecting from http://").await,
            stun: server.address("STUN and TURN at ").await,
            stuns: server.address("STUN and TURN over TLS at ").await,
        }
    }
}

/// Waits until the server shows another certificate than this one.
async fn other_than(before: &[u8], roots: &RootCertStore, address: SocketAddr) -> Vec<u8> {
    eventually("another certificate", async || {
        let stream = Trust::new(roots.clone()).connect(address).await.unwrap();
        Some(shown(&stream).to_vec()).filter(|shown| shown != before)
    })
    .await
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_dropping_a_call() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let address = server.address("listening on https://").await;
    let roots = authority.roots();
    let stream = Trust::new(roots.clone()).connect(address).await.unwrap();
    let first = shown(&stream).to_vec();
    let mut member = Member::join(stream, &format!("wss://{DOMAIN}/ws")).await;

    authority.write(folder.path(), 60);
    let second = other_than(&first, &roots, address).await;
    assert!(member.is_alive().await);

    // Half a change: the key is another's. The certificate stays, and the server with it.
    std::fs::write(folder.path().join("key.pem"), authority.issue(DOMAIN, 1, 90).1).unwrap();
    server.signal("-HUP");
    let stream = Trust::new(roots.clone()).connect(address).await.unwrap();
    assert_eq!(shown(&stream).to_vec(), second);

    authority.write(folder.path(), 90);
    server.signal("-HUP");
    other_than(&second, &roots, address).await;
    assert!(member.is_alive().await);
}

#[tokio::test]
async fn both_versions_are_spoken_and_pages_are_for_tls_only() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let address = server.address("listening on https://").await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut trust = Trust::new(authority.roots());
        trust.versions = vec![version];
        let page = get(trust.connect(address).await.unwrap(), "/j").await;
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(body.contains("You are invited"), "{body}");
        for header in [
            "strict-transport-security: max-age=15768000",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'; script-src",
        ] {
            assert!(head.contains(header), "{header} in {head}");
        }
    }
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(get(stream, "/j").await.starts_with("HTTP/1.1 308"));
}
