//! Input that is wrong on purpose: a clear error each, nothing crashes, memory stays bounded.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use eyeline_protocol::ClientMessage;
use eyeline_protocol::inner::{Inner, SessionId};
use eyeline_protocol::wire::encode;
use eyeline_seal::{Link, RoomKeys};
use eyeline_tests::peer::{Peer, PeerSetup};
use eyeline_tests::raw_client::RawClient;
use eyeline_tests::report::say;
use eyeline_tests::room::RoomClient;
use eyeline_tests::server::Server;
use eyeline_tests::{Failure, Outcome, Scene, ensure};
use tokio_tungstenite::tungstenite::Message;

const LIMIT: Duration = Duration::from_secs(30);
/// What a program may use at its worst beyond what it used before.
const MORE_MEMORY_KIB: u64 = 64 * 1024;

const HELLO: &str = r#"{"type":"hello","v":1}"#;

fn join() -> Outcome<String> {
    let link = Link::parse(&RoomClient::new_link("http://127.0.0.1:1")?)?;
    Ok(encode(&ClientMessage::Join { room_id: RoomKeys::derive(link.secret()).room_id }))
}

/// What the server answers to one text, after a greeting.
async fn answer(address: &str, text: &str) -> Outcome<String> {
    let mut client = RawClient::connect(address).await?;
    client.say(HELLO).await;
    client.hear_type("welcome").await?;
    client.say(text).await;
    let code = client.hear_type("error").await?["code"].clone();
    Ok(code.as_str().unwrap_or("").to_owned())
}

/// Every wrong message has its error code, and the server serves the next client as before.
#[tokio::test]
async fn bad_input_signaling_messages() -> Outcome {
    let scene = Scene::open("bad_input_signaling_messages")?;
    let mut server = Server::start(&scene)?;
    let address = server.address();
    let before = server.process().usage()?.peak_memory_kib;
    let deep = "[".repeat(3_000);
    let long = format!(r#"{{"type":"bye","x":"{}"}}"#, "x".repeat(5_000));
    for (text, code) in [
        ("", "malformed"),
        ("{", "malformed"),
        ("\u{0}\u{7f}", "malformed"),
        (deep.as_str(), "malformed"),
        (r#"{"type":"join"}"#, "malformed"),
        (r#"{"type":"join","room_id":"../../etc/passwd"}"#, "malformed"),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (long.as_str(), "too_large"),
        (r#"{"type":"send","to":"nobody","seq":1,"body":"AAAA"}"#, "not_joined"),
        (r#"{"type":"ack","from":"nobody","seq":1}"#, "not_joined"),
        (HELLO, "hello_repeated"),
    ] {
        let found = answer(&address, text).await?;
        ensure!(found == code, "{:?} is answered by {found:?}, expected {code:?}", &text[..text.len().min(60)]);
    }
    let after = server.process().usage()?.peak_memory_kib;
    ensure!(after < before + MORE_MEMORY_KIB, "the server grew from {before} to {after} KiB");
    Ok(())
}

/// What makes the server close a socket says why first, and the server goes on.
#[tokio::test]
async fn bad_input_signaling_order_and_size() -> Outcome {
    let scene = Scene::open("bad_input_signaling_order_and_size")?;
    let mut server = Server::start(&scene)?;
    let address = server.address();
    let before = server.process().usage()?.peak_memory_kib;

    let mut early = RawClient::connect(&address).await?;
    early.say(&join()?).await;
    expect("joining before hello", &early.hear_close().await?, &["hello_expected"])?;

    let mut silent = RawClient::connect(&address).await?;
    expect("saying nothing", &silent.hear_close().await?, &["hello_timeout"])?;

    let mut old = RawClient::connect(&address).await?;
    old.say(r#"{"type":"hello","v":99}"#).await;
    expect("another version", &old.hear_close().await?, &["bad_version"])?;

    let mut binary = RawClient::connect(&address).await?;
    binary.say(HELLO).await;
    binary.send(Message::binary(vec![0; 100])).await;
    expect("a binary frame", &binary.hear_close().await?, &["binary_frame"])?;

    let mut huge = RawClient::connect(&address).await?;
    huge.say(HELLO).await;
    huge.send(Message::text("x".repeat(1024 * 1024))).await;
    // The socket may be gone before the reason is read.
    expect("a message of 1 MiB", &huge.hear_close().await?, &["too_large", ""])?;

    let room = join()?;
    let mut other = RawClient::connect(&address).await?;
    other.say(HELLO).await;
    other.say(&room).await;
    let to = other.hear_type("joined").await?["me"].clone();
    let mut skipping = RawClient::connect(&address).await?;
    skipping.say(HELLO).await;
    skipping.say(&room).await;
    skipping.hear_type("joined").await?;
    for seq in [5, 0] {
        skipping.say(&format!(r#"{{"type":"send","to":{to},"seq":{seq},"body":"AAAA"}}"#)).await;
        let code = skipping.hear_type("error").await?["code"].clone();
        expect(&format!("number {seq} before 1"), code.as_str().unwrap_or(""), &["bad_sequence"])?;
    }

    let after = server.process().usage()?.peak_memory_kib;
    ensure!(after < before + MORE_MEMORY_KIB, "the server grew from {before} to {after} KiB");
    // And a well-behaved client is served.
    let link = RoomClient::new_link(&server.url())?;
    let member = RoomClient::join(&link).await?;
    ensure!(member.members.is_empty(), "a new room is not empty");
    Ok(())
}

fn expect(what: &str, found: &str, codes: &[&str]) -> Outcome {
    ensure!(codes.contains(&found), "{what} ended with {found:?}, expected one of {codes:?}");
    Ok(())
}

/// A member of the room says nonsense to a peer: the peer stays, and a real call with somebody else works.
#[tokio::test]
async fn bad_input_from_a_member_of_the_room() -> Outcome {
    let scene = Scene::open("bad_input_from_a_member_of_the_room")?;
    let server = Server::start(&scene)?;
    let (mut peer, link) = Peer::host(&scene, "peer", &PeerSetup::default(), &server.url())?;
    let before = peer.process.usage()?.peak_memory_kib;
    let mut member = RoomClient::join(&link).await?;
    let to = member.members.first().cloned().ok_or_else(|| Failure::new("the peer is not in the room"))?;
    let session = SessionId::from_random(7);
    member.say_body(&to, "AAAA").await?;
    for bytes in [&b""[..], b"{", b"\xff\xfe", br#"{"type":"dance"}"#, &[b'['; 40_000]] {
        member.say_bytes(&to, bytes).await?;
    }
    // Well formed, in no order that makes sense.
    for inner in [
        Inner::Answer { session: session.clone(), epoch: 9, sdp: "v=0".into() },
        Inner::Restart { session: session.clone() },
        Inner::Candidate { session: session.clone(), epoch: u32::MAX, candidate: "{}".into() },
        Inner::CandidatesEnd { session: session.clone(), epoch: 3 },
        Inner::Moved { session: session.clone(), reply: true },
        Inner::Busy { session: session.clone() },
        Inner::Offer { session: session.clone(), epoch: 0, sdp: "v=0\r\nm=nonsense\r\n".into() },
        Inner::Candidate { session: session.clone(), epoch: 0, candidate: "not json".into() },
        Inner::Offer { session, epoch: 1, sdp: "v=0\r\nm=".repeat(3_000) },
        // Of a session that never was: the end of one that was offered would be no nonsense.
        Inner::Bye { session: SessionId::from_random(8) },
    ] {
        member.say(&to, &inner).await?;
    }
    drop(member);

    let mut friend = Peer::join(&scene, "friend", &PeerSetup::default(), &link)?;
    friend.wait_pictures(10, LIMIT).map_err(|failure| failure.with(&peer.process.tail()))?;
    peer.wait_pictures(10, LIMIT)?;
    let after = peer.process.usage()?.peak_memory_kib;
    ensure!(after < before + 4 * MORE_MEMORY_KIB, "the peer grew from {before} to {after} KiB");
    Ok(())
}

/// Packets of anybody to the media ports of a running call: the call goes on.
#[test]
fn bad_input_junk_to_the_media_port() -> Outcome {
    let scene = Scene::open("bad_input_junk_to_the_media_port")?;
    let server = Server::start(&scene)?;
    let (mut a, link) = Peer::host(&scene, "a", &PeerSetup::default(), &server.url())?;
    let mut b = Peer::join(&scene, "b", &PeerSetup::default(), &link)?;
    a.wait_pictures(30, LIMIT)?;
    b.wait_pictures(30, LIMIT)?;
    let ports = udp_ports(a.process.id())?;
    ensure!(!ports.is_empty(), "the peer has no UDP socket in a call");
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut sent = 0;
    let mut state = 0x9e37_79b9_u32;
    for round in 0..2_000_usize {
        // First bytes of STUN, DTLS, RTP and RTCP (RFC 7983, section 7), then noise; and packets of nothing but noise.
        let first = [0x00, 0x16, 0x80, 0x81, 0xc8, 0xff, 0x14, 0x90][round % 8];
        let mut packet = vec![first];
        for _ in 0..round % 1_400 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            packet.push(state.to_be_bytes()[0]);
        }
        if round % 16 == 1 {
            // A DTLS client hello's beginning, so that the handshake code gets to see it.
            packet.splice(..packet.len().min(1), [0x16, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        for port in &ports {
            sent += usize::from(socket.send_to(&packet, ("127.0.0.1", *port)).is_ok());
        }
    }
    a.wait_pictures(60, LIMIT)?;
    b.wait_pictures(60, LIMIT)?;
    say(&format!("bad_input_junk_to_the_media_port: {sent} packets to ports {ports:?}"));
    a.end()
}

/// UDP ports a process has open, as /proc/net/udp and the process's own list of files say (proc(5)).
fn udp_ports(process: u32) -> Outcome<Vec<u16>> {
    let mut inodes = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let target = fs::read_link(entry?.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        inodes.extend(target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(ToOwned::to_owned));
    }
    let mut ports = Vec::new();
    for line in fs::read_to_string("/proc/net/udp")?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(local), Some(inode)) = (fields.get(1), fields.get(9)) else { continue };
        if inodes.iter().any(|own| own == inode) {
            ports.extend(local.rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok()));
        }
    }
    Ok(ports)
}

/// Runs a peer that cannot work, and returns what it says.
fn refused(scene: &Scene, name: &str, setup: &PeerSetup, call: &[&str]) -> Outcome<String> {
    let mut peer = Peer::start(scene, name, setup, call)?;
    let status = peer.process.wait_end(LIMIT)?;
    let said = peer.process.stderr();
    ensure!(!status.success(), "{name} succeeded although it cannot\n{}", peer.process.tail());
    ensure!(!said.contains("panicked"), "{name} panicked\n{said}");
    ensure!(!said.trim().is_empty(), "{name} ended with {status} and no word why");
    Ok(said)
}

/// A link that is none is refused with the reason, before anything is opened.
#[test]
fn bad_input_links() -> Outcome {
    let scene = Scene::open("bad_input_links")?;
    let links = ["", "hello", "https://example.org/j", "https://example.org/j#1.short", "https://exa mple.org/j#1.x"];
    for (number, link) in links.into_iter().enumerate() {
        let said = refused(&scene, &format!("link-{number}"), &PeerSetup::default(), &["--join", link])?;
        ensure!(said.contains("link"), "{link:?} is refused by {said:?}, which does not speak of the link");
    }
    Ok(())
}

/// A server that is not there is named as the reason.
#[test]
fn bad_input_no_server() -> Outcome {
    let scene = Scene::open("bad_input_no_server")?;
    let setup = PeerSetup { more: vec!["--seconds".into(), "20".into()], ..PeerSetup::default() };
    // Port 9 is "discard": nobody listens there.
    let said = refused(&scene, "peer", &setup, &["--server", "http://127.0.0.1:9", "--host"])?;
    ensure!(said.contains("server"), "a missing server is not named: {said:?}");
    Ok(())
}

/// Films and sound files that are none: an error in the log, and the call goes on without them.
#[test]
fn bad_input_files() -> Outcome {
    let scene = Scene::open("bad_input_files")?;
    let server = Server::start(&scene)?;
    let (cut, text, empty) = (scene.scratch("cut.y4m"), scene.scratch("text.y4m"), scene.scratch("empty.wav"));
    fs::write(&cut, "YUV4MPEG2 W99999999 H99999999 F30:1\nFRAME\n")?;
    fs::write(&text, "this is not a film")?;
    fs::write(&empty, "RIFF\u{0}\u{0}\u{0}\u{0}WAVE")?;
    let path = |path: &Path| path.display().to_string();
    for (name, camera, microphone) in [
        ("cut", path(&cut), "tone".into()),
        ("text", path(&text), "tone".into()),
        ("sound", "test-pattern".into(), path(&empty)),
    ] {
        let setup = PeerSetup { camera, microphone, ..PeerSetup::default() };
        let (mut a, link) = Peer::host(&scene, name, &setup, &server.url())?;
        let before = a.process.usage()?.peak_memory_kib;
        a.wait_event("an error about the file", LIMIT, |event| event.name == "error" && !event.text.is_empty())?;
        let mut b = Peer::join(&scene, &format!("{name}-friend"), &PeerSetup::default(), &link)?;
        a.wait_pictures(10, LIMIT)?;
        let after = a.process.usage()?.peak_memory_kib;
        ensure!(after < before + 4 * MORE_MEMORY_KIB, "{name}: the peer grew from {before} to {after} KiB");
        ensure!(!a.process.stderr().contains("panicked"), "{name}: {}", a.process.tail());
        b.end()?;
    }
    Ok(())
}
