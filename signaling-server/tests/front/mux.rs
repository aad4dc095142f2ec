//! One port for everything, and what is turned away there.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::tempdir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::authority::{Authority, DOMAIN};
use crate::client::{Member, Trust, get, get_plain, open, patiently, to_end};
use crate::program::{Program, eventually};
use crate::tls::{Doors, start};

/// What comes back for these bytes, until the server closes.
async fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    to_end(stream).await
}

/// A ClientHello of an old version (RFC 2246 section 7.4.1.2, RFC 4346 section 7.4.1.2).
pub(crate) fn old_hello(minor: u8) -> Vec<u8> {
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

/// A binding request (RFC 8489 section 5).
pub(crate) const BINDING: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42twelve bytes";

/// Whether the address in a binding's answer is this one (RFC 8489 section 14.2).
fn is_answer(answer: &[u8], of: SocketAddr) -> bool {
    let SocketAddr::V4(of) = of else { return false };
    let mut mapped = vec![0, 0x20, 0, 8, 0, 1];
    mapped.extend((of.port() ^ 0x2112).to_be_bytes());
    mapped.extend((of.ip().to_bits() ^ 0x2112_a442).to_be_bytes());
    answer.starts_with(&[1, 1]) && answer[4..20] == BINDING[4..] && answer.windows(12).any(|field| field == mapped)
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Vec<u8> {
    stream.write_all(&BINDING).await.unwrap();
    let mut answer = vec![0; 20];
    patiently(stream.read_exact(&mut answer)).await.unwrap();
    let rest = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    answer.resize(20 + rest, 0);
    patiently(stream.read_exact(&mut answer[20..])).await.unwrap();
    answer
}

async fn ask_by_udp(server: SocketAddr) -> (Vec<u8>, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // Lost ones are sent again by every client (RFC 8489 section 6.2.1).
    let answer = eventually("an answer by UDP", async || {
        socket.send_to(&BINDING, server).await.unwrap();
        let mut answer = vec![0; 1500];
        let received = timeout(Duration::from_millis(500), socket.recv_from(&mut answer)).await.ok()?;
        let (len, from) = received.unwrap();
        assert_eq!(from, server);
        answer.truncate(len);
        Some(answer)
    });
    (answer.await, socket.local_addr().unwrap())
}

#[tokio::test]
async fn the_relay_is_behind_every_door_but_that_of_plain_http() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let Doors { https, http, stun, stuns } = Doors::of(&mut server).await;
    let trust = Trust::new(authority.roots());
    for address in [https, stun] {
        let stream = TcpStream::connect(address).await.unwrap();
        let own = stream.local_addr().unwrap();
        assert!(is_answer(&ask(stream).await, own), "TCP");
        let (answer, own) = ask_by_udp(address).await;
        assert!(is_answer(&answer, own), "UDP");
    }
    for address in [https, stuns] {
        for names in [&[][..], &[&b"stun.turn"[..]]] {
            let stream = trust.clone().alpn(names).connect(address).await.unwrap();
            let own = stream.get_ref().0.local_addr().unwrap();
            assert!(is_answer(&ask(stream).await, own), "TLS, {names:?}");
        }
    }
    assert_eq!(answer(http, &BINDING).await, b"");
    assert_eq!(answer(stuns, &BINDING).await, b"", "TLS only");
    assert_eq!(answer(stun, b"GET / HTTP/1.1\r\n\r\n").await, b"");
    assert_eq!(answer(stun, &old_hello(3)).await, b"");
    let page = trust.alpn(&[b"http/1.1"]).connect(stuns).await.unwrap();
    assert_eq!(to_end(page).await, b"", "no pages there");

    let call = Trust::new(authority.roots()).connect(https).await.unwrap();
    let ice = Member::enter(call, &format!("wss://{DOMAIN}/ws")).await.1;
    let (main, own) = (https.port(), stun.port());
    let ways = [
        format!("stun:{DOMAIN}:{own}"),
        format!("turn:{DOMAIN}:{own}?transport=udp"),
        format!("turn:{DOMAIN}:{main}?transport=udp"),
        format!("turns:{DOMAIN}:{main}?transport=tcp"),
    ];
    assert_eq!(ice.urls, ways);
    assert!(!ice.user.is_empty() && !ice.cred.is_empty());
}

#[tokio::test]
async fn a_server_in_the_local_network_relays_too_unless_it_is_told_not_to() {
    let mut server = Program::start(["--listen", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let stream = TcpStream::connect(address).await.unwrap();
    let ice = Member::enter(stream, &format!("ws://{address}/ws")).await.1;
    let ways = ["stun:127.0.0.1:P", "turn:127.0.0.1:P?transport=udp", "turn:127.0.0.1:P?transport=tcp"];
    assert_eq!(ice.urls, ways.map(|way| way.replace('P', &address.port().to_string())));
    let (said, own) = ask_by_udp(address).await;
    assert!(is_answer(&said, own));

    let mut server = Program::start(["--listen", "127.0.0.1:0", "--no-relay"]);
    let address = server.address("listening on http://").await;
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(Member::enter(stream, &format!("ws://{address}/ws")).await.1.urls.is_empty());
    assert_eq!(answer(address, &BINDING).await, b"");

    let urls = "stun:relay.example:3478,turn:relay.example:3478?transport=udp";
    let args = ["--listen", "127.0.0.1:0", "--turn-urls", urls, "--turn-secret", "shared with coturn"];
    let mut server = Program::start(args);
    let address = server.address("listening on http://").await;
    let stream = TcpStream::connect(address).await.unwrap();
    let ice = Member::enter(stream, &format!("ws://{address}/ws")).await.1;
    assert_eq!(ice.urls.join(","), urls);
    assert_eq!(answer(address, &BINDING).await, b"");
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
