//! One port for everything, and what is turned away there.

use std::net::SocketAddr;

use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::authority::{Authority, DOMAIN};
use crate::client::{Member, Trust, get, get_plain, open, to_end};
use crate::program::Program;
use crate::tls::start;

/// What comes back for these bytes, until the server closes.
async fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    to_end(stream).await
}

/// A ClientHello of an old version (RFC 2246 section 7.4.1.2, RFC 4346 section 7.4.1.2).
fn old_hello(minor: u8) -> Vec<u8> {
    let suites = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f];
    let mut hello = vec![3, minor];
    hello.extend([7; 32]); // random
    hello.extend([0, 0, 6]); // no session; length of the suites
    hello.extend(suites);
    hello.extend([1, 0]); // no compression
    let len = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, len + 4, 1, 0, 0, len];
    record.extend(hello);
    record
}

#[tokio::test]
async fn with_tls_one_port_takes_calls_and_pages_and_points_the_rest_there() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let https = server.address("listening on https://").await;
    let http = server.address("redirecting from http://").await;
    let trust = Trust::new(authority.roots());
    let page = trust.clone().alpn(&[b"http/1.1"]).connect(https).await.unwrap();
    assert!(get(page, "/healthz").await.ends_with("ok\n"));
    let unnamed = trust.clone().connect(https).await.unwrap();
    assert!(get(unnamed, "/healthz").await.ends_with("ok\n"));
    let call = trust.clone().alpn(&[b"http/1.1"]).connect(https).await.unwrap();
    assert!(Member::join(call, &format!("wss://{DOMAIN}/ws")).await.is_alive().await);

    assert!(trust.clone().alpn(&[b"h2"]).connect(https).await.is_err(), "a protocol that is not spoken");
    assert!(trust.clone().alpn(&[b"acme-tls/1"]).connect(https).await.is_err(), "nobody asked the authority");
    let mut junk = trust.connect(https).await.unwrap();
    junk.write_all(b"\x00\x01\x02\x03\x04\x05\x06\x07").await.unwrap();
    assert_eq!(to_end(junk).await, b"");

    for address in [https, http] {
        for path in ["/j", "/ws?x=1", "/healthz", "/%0d%0aevil:1"] {
            let redirected = get_plain(address, path).await;
            assert!(redirected.starts_with("HTTP/1.1 308"), "{redirected}");
            let location = format!("location: https://{DOMAIN}:{}{path}\r\n", https.port());
            assert!(redirected.contains(&location), "{location} in {redirected}");
            assert!(!redirected.contains("strict-transport-security"), "only TLS may ask for TLS");
        }
        let elsewhere = answer(address, b"GET http://evil.example/a HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
        let elsewhere = String::from_utf8(elsewhere).unwrap();
        assert!(elsewhere.contains(&format!("location: https://{DOMAIN}:{}/a\r\n", https.port())), "{elsewhere}");
    }
}

#[tokio::test]
async fn what_nobody_speaks_is_closed() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let https = server.address("listening on https://").await;
    let http = server.address("redirecting from http://").await;
    for bytes in
        [&b"\x80\x80\x01\x03"[..], b"SSH-2.0-x\r\n\r\n", b"\x00\x01\x00\x00abcd", b"\x16\x04\x01\x00\x00", b"\xff"]
    {
        for address in [https, http] {
            let said = answer(address, bytes).await;
            assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400"), "{bytes:x?}: {said:x?}");
        }
    }
    // TLS where there is none.
    assert_eq!(answer(http, &old_hello(3)).await, b"");
    for minor in [1, 2] {
        let said = answer(https, &old_hello(minor)).await;
        // A fatal alert and nothing else: handshake_failure or protocol_version (RFC 8446 section 6).
        let [21, _, _, 0, 2, 2, alert] = said[..] else { panic!("TLS 1.{}: {said:x?}", minor - 1) };
        assert!([40, 70].contains(&alert), "TLS 1.{}: {alert}", minor - 1);
    }
    let page = Trust::new(authority.roots()).connect(https).await.unwrap();
    assert!(get(page, "/healthz").await.ends_with("ok\n"), "the server goes on");
}

#[tokio::test]
async fn without_tls_it_speaks_plainly_and_takes_no_tls() {
    let mut server = Program::start(["--listen", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let page = get_plain(address, "/readyz").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(!page.contains("strict-transport-security"), "{page}");
    assert_eq!(answer(address, &old_hello(3)).await, b"");
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(Member::join(stream, &format!("ws://{address}/ws")).await.is_alive().await);
}

#[tokio::test]
async fn pages_of_other_sites_open_no_calls() {
    let mut server = Program::start(["--listen", "127.0.0.1:0", "--origins", "https://friend.example"]);
    let address = server.address("listening on http://").await;
    let url = format!("ws://{address}/ws");
    let own = format!("http://{address}");
    for (origin, allowed) in [
        (None, true),
        (Some(own.as_str()), true),
        (Some("https://friend.example"), true),
        (Some("https://evil.example"), false),
        (Some("null"), false),
    ] {
        let opened = open(TcpStream::connect(address).await.unwrap(), &url, origin).await;
        match opened {
            Ok(_) => assert!(allowed, "{origin:?}"),
            Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => {
                assert!(!allowed && refused.status() == 403, "{origin:?}: {refused:?}");
            }
            Err(error) => panic!("{origin:?}: {error}"),
        }
    }
}
