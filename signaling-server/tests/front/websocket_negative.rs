//! What no WebSocket client may do (RFC 6455): each is answered with the right code, and nobody else notices.

use std::time::Duration;

use eyeline_protocol::limits::FRAME_BYTES_MAX;
use eyeline_server::{ServerConfig, serve};
use tempfile::tempdir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::authority::{Authority, DOMAIN};
use crate::client::{Member, Trust};
use crate::program::Program;
use crate::raw::{BINARY, CLOSE, CONTINUATION, FIN, HANDSHAKE, Heard, PING, PONG, Raw, TEXT, frame, handshake, head};
use crate::tls::start;

/// Something wrong: what it is, its bytes, and the code it is closed with.
type Wrong = (String, Vec<u8>, u16);

const PROTOCOL: u16 = 1002;
const UNSUPPORTED: u16 = 1003;
const NOT_UTF8: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// Frames that are wrong by themselves (sections 5.1, 5.2, 5.5).
fn frames() -> Vec<Wrong> {
    let mut unmasked = head(FIN | TEXT, 2, false);
    unmasked.extend(b"{}");
    let mut wrong = vec![
        ("unmasked text".to_owned(), unmasked, PROTOCOL),
        ("unmasked ping".to_owned(), head(FIN | PING, 0, false), PROTOCOL),
        ("unmasked close".to_owned(), head(FIN | CLOSE, 0, false), PROTOCOL),
        ("binary".to_owned(), frame(FIN | BINARY, b"{}"), UNSUPPORTED),
    ];
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, PING] {
            wrong.push((format!("reserved bits {bit:#x}"), frame(FIN | bit | opcode, b"{}"), PROTOCOL));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        wrong.push((format!("opcode {opcode}"), frame(FIN | opcode, b"{}"), PROTOCOL));
    }
    for opcode in [CLOSE, PING, PONG] {
        wrong.push((format!("control frame {opcode} of 126 bytes"), frame(FIN | opcode, &[b'a'; 126]), PROTOCOL));
        wrong.push((format!("control frame {opcode} in fragments"), frame(opcode, b""), PROTOCOL));
    }
    for len in [u64::try_from(FRAME_BYTES_MAX).unwrap() + 1, 1 << 32, u64::MAX >> 1, u64::MAX] {
        // Only announced: whoever makes room for that much has lost already.
        wrong.push((format!("text of {len} bytes"), head(FIN | TEXT, len, true), TOO_LARGE));
        wrong.push((format!("fragment of {len} bytes"), head(TEXT, len, true), TOO_LARGE));
    }
    wrong
}

/// Messages that are wrong as a whole (section 5.4, 8.1).
fn messages() -> Vec<Wrong> {
    let half = vec![b'a'; FRAME_BYTES_MAX / 2 + 1];
    let mut wrong = vec![
        ("continuation of nothing".to_owned(), frame(FIN | CONTINUATION, b"{}"), PROTOCOL),
        ("first of fragments, twice".to_owned(), [frame(TEXT, b"{"), frame(FIN | TEXT, b"}")].concat(), PROTOCOL),
        ("binary among fragments".to_owned(), [frame(TEXT, b"{"), frame(FIN | BINARY, b"}")].concat(), PROTOCOL),
        (
            "fragments that are too much together".to_owned(),
            [frame(TEXT, &half), frame(CONTINUATION, &half)].concat(),
            TOO_LARGE,
        ),
        (
            "half a character at the end of a fragment, and not the other half".to_owned(),
            [frame(TEXT, b"\xe2\x82"), frame(FIN | CONTINUATION, b"{}")].concat(),
            NOT_UTF8,
        ),
    ];
    for text in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80", b"{\"type\":\"\x80\"}"] {
        wrong.push((format!("text {text:x?}"), frame(FIN | TEXT, text), NOT_UTF8));
    }
    wrong
}

/// Close frames that are wrong (sections 5.5.1, 7.4).
fn closes() -> Vec<Wrong> {
    let mut wrong = vec![
        ("half a close code".to_owned(), frame(FIN | CLOSE, &[3]), PROTOCOL),
        ("a reason that is no text".to_owned(), frame(FIN | CLOSE, b"\x03\xe8\xff"), NOT_UTF8),
    ];
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        wrong.push((format!("close code {code}"), frame(FIN | CLOSE, &code.to_be_bytes()), PROTOCOL));
    }
    wrong
}

async fn refused_each<S: AsyncRead + AsyncWrite + Unpin>(connect: impl AsyncFn() -> S, wrong: Vec<Wrong>, url: &str) {
    let mut honest = Member::join_room(connect().await, url, 7).await;
    for (what, bytes, code) in wrong {
        let mut client = Raw::join(connect().await, 8).await.expect("in the room");
        client.send(&bytes).await.unwrap();
        assert_eq!(client.hear_end().await, Heard::Closed(Some(code)), "{what}");
        assert_eq!(client.hear().await, Heard::Gone, "{what}: nothing after it, and the connection ends");
    }
    assert!(honest.is_alive().await);
}

/// Plainly and over TLS.
async fn refused(wrong: fn() -> Vec<Wrong>) {
    let mut server = Program::start(["--listen", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    refused_each(async || TcpStream::connect(address).await.unwrap(), wrong(), &format!("ws://{address}/ws")).await;

    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let mut server = start(&authority.write(folder.path(), 30), &[]);
    let address = server.address("listening on https://").await;
    let connect = async || Trust::new(authority.roots()).connect(address).await.unwrap();
    refused_each(connect, wrong(), &format!("wss://{DOMAIN}/ws")).await;
}

#[tokio::test]
async fn websocket_negative_frames() {
    refused(frames).await;
}

#[tokio::test]
async fn websocket_negative_messages() {
    refused(messages).await;
}

#[tokio::test]
async fn websocket_negative_closes() {
    refused(closes).await;
}

/// What is right must not be refused with it.
#[tokio::test]
async fn websocket_negative_leaves_what_is_right() {
    let mut server = Program::start(["--listen", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let connect = async || TcpStream::connect(address).await.unwrap();
    for code in [1000_u16, 1001, 1011, 3000, 4999] {
        let mut client = Raw::join(connect().await, 1).await.unwrap();
        client.send(&frame(FIN | CLOSE, &code.to_be_bytes())).await.unwrap();
        assert_eq!(client.hear_end().await, Heard::Closed(Some(code)));
    }
    let mut client = Raw::join(connect().await, 1).await.unwrap();
    client.send(&frame(FIN | CLOSE, b"")).await.unwrap();
    assert_eq!(client.hear_end().await, Heard::Closed(None));

    let mut client = Raw::join(connect().await, 1).await.unwrap();
    client.send(&frame(FIN | PING, &[7; 125])).await.unwrap();
    assert_eq!(client.hear().await, Heard::Pong(vec![7; 125]));
    // In fragments, with a ping between them and a character across two of them.
    for part in
        [frame(TEXT, b"\"\xe2"), frame(FIN | PING, b"?"), frame(CONTINUATION, b""), frame(CONTINUATION, b"\x82")]
    {
        client.send(&part).await.unwrap();
    }
    client.send(&frame(FIN | CONTINUATION, b"\xac\"")).await.unwrap();
    assert_eq!(client.hear().await, Heard::Pong(b"?".to_vec()));
    let Heard::Text(answer) = client.hear().await else { panic!("no answer") };
    assert!(answer.contains("\"malformed\""), "a text that is no message: {answer}");
}

#[tokio::test]
async fn websocket_negative_handshakes() {
    let mut server = Program::start(["--listen", "127.0.0.1:0"]);
    let address = server.address("listening on http://").await;
    let right = format!("{HANDSHAKE}\r\n");
    let many = format!("{HANDSHAKE}{}\r\n", "x: y\r\n".repeat(200));
    for (what, request, status) in [
        ("as it should be", right.clone(), 101),
        ("POST", right.replacen("GET", "POST", 1), 405),
        ("HTTP/1.0", right.replacen("HTTP/1.1", "HTTP/1.0", 1), 426),
        ("an old version", right.replace("version: 13", "version: 8"), 400),
        ("no version", right.replace("sec-websocket-version: 13\r\n", ""), 400),
        ("no key", right.replace("sec-websocket-key", "x-key"), 400),
        ("no upgrade", right.replace("upgrade: websocket\r\n", ""), 400),
        ("another upgrade", right.replace("upgrade: websocket", "upgrade: h2c"), 400),
        ("no subprotocol", right.replace("sec-websocket-protocol", "x-protocol"), 400),
        ("another subprotocol", right.replace("eyeline.v1", "eyeline.v9"), 400),
        ("a page's", right.replace("\r\n\r\n", "\r\norigin: https://evil.example\r\n\r\n"), 403),
        ("elsewhere", right.replacen("/ws", "/nothing", 1), 404),
        ("more headers than anybody needs", many, 431),
    ] {
        let stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(handshake(stream, &request).await, Some(status), "{what}");
    }
    // Here the answer may be lost: the server closes while more comes.
    let long = format!("{HANDSHAKE}x: {}\r\n\r\n", "y".repeat(64 * 1024));
    let status = handshake(TcpStream::connect(address).await.unwrap(), &long).await;
    assert!(matches!(status, None | Some(431)), "{status:?}");
    assert!(Raw::join(TcpStream::connect(address).await.unwrap(), 1).await.is_some());
}

/// A message that never ends is not waited for longer than silence is.
#[tokio::test]
async fn websocket_negative_fragments_without_end() {
    let config = ServerConfig { dead_after: Duration::from_millis(500), ..ServerConfig::default() };
    let server = serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), config).unwrap();
    let connect = async || TcpStream::connect(server.local_addr()).await.unwrap();
    let mut stopped = Raw::join(connect().await, 1).await.unwrap();
    stopped.send(&frame(TEXT, b"{")).await.unwrap();
    assert_eq!(stopped.hear_end().await, Heard::Gone);

    let mut endless = Raw::join(connect().await, 1).await.unwrap();
    endless.send(&frame(TEXT, b"{")).await.unwrap();
    // Fails once the server has had enough.
    while endless.send(&frame(CONTINUATION, b"")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
