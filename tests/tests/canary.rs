//! What nobody but the two may learn is nowhere but in the two: not in the server's memory, not in a log, not on the wire.

use std::collections::BTreeSet;
use std::time::Duration;

use eyeline_seal::{Link, RoomKeys};
use eyeline_tests::capture::Capture;
use eyeline_tests::lan::{Lan, lan_or_skip};
use eyeline_tests::memory::Memory;
use eyeline_tests::needles::{Found, Needles};
use eyeline_tests::peer::{Peer, PeerSetup};
use eyeline_tests::report::say;
use eyeline_tests::server::Server;
use eyeline_tests::turn::Turn;
use eyeline_tests::wire::{self, Packet};
use eyeline_tests::{Outcome, Scene, ensure, ice_proxy};

const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Of each side, from the other.
const PICTURES: usize = 30;
const FINGERPRINT_CHARS: usize = 32 * 3 - 1;
/// RFC 8839, section 5.4: no password is shorter.
const ICE_PASSWORD_CHARS_MIN: usize = 22;
/// Enough of a user fragment to know it by.
const ICE_USER_CHARS: usize = 8;
/// Name of the one that must be found.
const ROOM: &str = "room";
/// Of the two in [`Lan`].
const ADDRESSES: [&str; 2] = ["10.77.0.2", "10.77.0.3"];
const NAMES: [&str; 2] = ["Eleonora-Quittenbaum", "Bartholomew-Zwetschge"];
/// The most that we log. Libraries name addresses at their finer levels, so nobody is told to ask for those.
const ALL_OUR_LOGS: &str = "trace";

/// The network, with a server that logs all it can and somebody who listens at its cable.
struct Stage {
    capture: Capture,
    server: Server,
    port: u16,
    // Dropped after those who are in it.
    lan: Lan,
}

impl Stage {
    fn build_or_skip(scene: &Scene) -> Outcome<Option<Self>> {
        let Some(lan) = lan_or_skip(scene)? else { return Ok(None) };
        let capture = Capture::start(&lan.server)?;
        let place = (Lan::SERVER_ADDRESS, 0);
        // A relay passes connectivity checks on, in which the ICE user names are readable: what is promised of signaling is
        // looked for without one.
        let server = Server::start_with(scene, "server", &lan.server, place, &["--log", "trace", "--no-relay"])?;
        let port = server.port();
        Ok(Some(Self { capture, server, port, lan }))
    }

    fn setups(&self) -> [PeerSetup; 2] {
        [(&self.lan.a, NAMES[0]), (&self.lan.b, NAMES[1])].map(|(host, name)| PeerSetup {
            environment: vec![("EYELINE_LOG".into(), ALL_OUR_LOGS.into())],
            more: vec!["--name".into(), name.into()],
            ..PeerSetup::on(host)
        })
    }
}

/// What only the two may know.
#[derive(Default)]
struct Secrets {
    all: Needles,
    /// Those that connectivity checks carry in the clear (RFC 8445, section 7.1): on the way between the two, and nowhere
    /// else.
    in_checks: Needles,
}

impl Secrets {
    /// From the link and from the memory of both.
    fn gather(link: &Link, peers: [&Peer; 2]) -> Outcome<Self> {
        let mut secrets = Self::default();
        for name in NAMES {
            secrets.all.add(name, name.as_bytes());
        }
        secrets.all.add("secret", &link.secret().0);
        for peer in peers {
            let found = Memory::of(peer.process.id()).find(&secrets.all)?;
            let missing = found.missing(&secrets.all);
            ensure!(missing.is_empty(), "{missing:?} is not even in the memory of a peer");
        }
        for peer in peers {
            secrets.gather_descriptions(&Memory::of(peer.process.id()))?;
        }
        for (peer, address) in peers.into_iter().zip(ADDRESSES) {
            secrets.gather_places(address, peer.process.id())?;
        }
        secrets.all.add("pre-shared key", &RoomKeys::derive(link.secret()).psk);
        Ok(secrets)
    }

    /// What the session descriptions in the memory of a peer say.
    fn gather_descriptions(&mut self, memory: &Memory) -> Outcome {
        for fingerprint in values(memory, "fingerprint:sha-256 ", FINGERPRINT_CHARS)? {
            self.all.add(&format!("fingerprint {fingerprint}"), fingerprint.as_bytes());
            let bytes: Result<Vec<u8>, _> = fingerprint.split(':').map(|hex| u8::from_str_radix(hex, 16)).collect();
            self.all.add(&format!("bytes of fingerprint {fingerprint}"), &bytes?);
        }
        for password in values(memory, "a=ice-pwd:", ICE_PASSWORD_CHARS_MIN)? {
            self.all.add(&format!("ICE password {password}"), password.as_bytes());
        }
        for user in values(memory, "a=ice-ufrag:", ICE_USER_CHARS)? {
            self.in_checks.add(&format!("ICE user {user}"), user.as_bytes());
        }
        Ok(())
    }

    /// How a candidate of this peer names its place: the text itself does not stay in its memory.
    fn gather_places(&mut self, address: &str, process: u32) -> Outcome {
        let ports = udp_ports(process)?;
        ensure!(!ports.is_empty(), "a peer in a call has no UDP socket");
        for port in ports {
            let place = format!("{address} {port}");
            self.all.add(&format!("place {place}"), place.as_bytes());
        }
        Ok(())
    }

    fn in_memory<'n>(&'n self, process: u32) -> Outcome<Found<'n>> {
        let memory = Memory::of(process);
        let mut found = memory.find(&self.all)?;
        found.join(memory.find(&self.in_checks)?);
        Ok(found)
    }

    fn in_text(&self, text: &[u8]) -> Found<'_> {
        let mut found = self.all.find(text);
        found.join(self.in_checks.find(text));
        found
    }
}

/// What follows `mark` in a memory: so many characters, all such as fingerprints and ICE use. What comes after them may be
/// something else that lies beside it.
fn values(memory: &Memory, mark: &str, chars: usize) -> Outcome<BTreeSet<String>> {
    let texts = memory.texts(mark)?;
    let is_one = |value: &&str| value.chars().all(|c| c.is_ascii_alphanumeric() || ":+/".contains(c));
    let values = texts.iter().filter_map(|text| text[mark.len()..].get(..chars)).filter(is_one);
    let values: BTreeSet<String> = values.map(Into::into).collect();
    ensure!(!values.is_empty(), "nothing follows {mark} in the memory of a peer");
    Ok(values)
}

/// Ports of all UDP sockets in the namespace of a process (proc(5), `net/udp`).
fn udp_ports(process: u32) -> Outcome<Vec<u16>> {
    let table = std::fs::read_to_string(format!("/proc/{process}/net/udp"))?;
    let local =
        |line: &str| line.split_whitespace().nth(1).and_then(|local| local.rsplit(':').next().map(str::to_owned));
    Ok(table.lines().skip(1).filter_map(local).filter_map(|port| u16::from_str_radix(&port, 16).ok()).collect())
}

/// What only the server and the two know, as a proof that what is there is found.
fn control(link: &Link) -> Needles {
    let mut control = Needles::default();
    control.add(ROOM, &RoomKeys::derive(link.secret()).room_id.0);
    control
}

/// Looks everywhere while a call goes on, ends it, and looks everywhere again. `more` is what else only the two may know.
fn search(mut stage: Stage, link: &Link, mut peers: [Peer; 2], more: &[(&str, String)]) -> Outcome {
    for peer in &mut peers {
        peer.wait_pictures(PICTURES, CALL_LIMIT)?;
        peer.wait_event("the emoji to compare", CALL_LIMIT, |event| event.name == "sas")?;
    }
    let mut secrets = Secrets::gather(link, [&peers[0], &peers[1]])?;
    for (name, text) in more {
        secrets.all.add(name, text.as_bytes());
    }
    let control = control(link);
    let server = stage.server.process().id();
    let found = secrets.in_memory(server)?;
    ensure!(found.is_empty(), "during the call the server has in its memory: {found:?}");
    ensure!(Memory::of(server).find(&control)?.has(ROOM), "the room is not found where it is: in the server's memory");
    for peer in peers.iter_mut().rev() {
        peer.process.end(CALL_LIMIT)?;
    }
    let found = secrets.in_memory(server)?;
    ensure!(found.is_empty(), "after the call the server has in its memory: {found:?}");

    search_wire(&stage.capture.end()?, stage.port, &secrets, &control)?;
    search_logs(&stage.server.process().stderr(), &peers, secrets)
}

/// Looks at all that passed the cable.
fn search_wire(frames: &[Vec<u8>], port: u16, secrets: &Secrets, control: &Needles) -> Outcome {
    let (mut signaling, mut said) = (Vec::new(), 0);
    for stream in wire::streams(frames, port)? {
        let unmasked = stream.unmasked()?;
        said += unmasked.len();
        signaling.extend(unmasked);
        signaling.extend(stream.bytes);
    }
    ensure!(control.find(&signaling).has(ROOM), "the room is not found where it is: in what the two tell the server");
    let found = secrets.in_text(&signaling);
    ensure!(found.is_empty(), "what the two tell the server has {found:?}");
    let mut direct = 0;
    for frame in frames {
        let found = secrets.all.find(frame);
        ensure!(found.is_empty(), "on the wire is {found:?}");
        direct += usize::from(Packet::of(frame).is_some_and(|packet| packet.protocol == wire::UDP));
    }
    ensure!(direct > PICTURES, "only {direct} packets of the call passed the one who listens");
    say(&format!("searched {} frames, {said} bytes of signaling among them", frames.len()));
    Ok(())
}

fn search_logs(server: &str, peers: &[Peer; 2], mut secrets: Secrets) -> Outcome {
    ensure!(server.contains("DEBUG") || server.contains("TRACE"), "the server's finest log says little:\n{server}");
    let found = secrets.in_text(server.as_bytes());
    ensure!(found.is_empty(), "the server's log has {found:?}");
    for address in ADDRESSES {
        secrets.all.add(address, address.as_bytes());
    }
    for peer in peers {
        let found = secrets.in_text(peer.logged().as_bytes());
        ensure!(found.is_empty(), "the logs of a peer have {found:?}");
    }
    Ok(())
}

/// A call by a link.
#[test]
fn canary_call_by_link() -> Outcome {
    let scene = Scene::open("canary_call_by_link")?;
    let Some(stage) = Stage::build_or_skip(&scene)? else { return Ok(()) };
    let [a, b] = stage.setups();
    let (a, link) = Peer::host(&scene, "a", &a, &stage.server.url())?;
    let b = Peer::join(&scene, "b", &b, &link)?;
    search(stage, &Link::parse(&link)?, [a, b], &[])
}

/// A call by a code: neither its words nor the link that it leads to are anywhere.
#[test]
fn canary_call_by_code() -> Outcome {
    let scene = Scene::open("canary_call_by_code")?;
    let Some(stage) = Stage::build_or_skip(&scene)? else { return Ok(()) };
    let [mut a, b] = stage.setups();
    a.more.push("--code".into());
    let (mut a, link) = Peer::host(&scene, "a", &a, &stage.server.url())?;
    let code = a.wait_code(0)?;
    let b = Peer::start(&scene, "b", &b, &["--server", &stage.server.url(), "--join-code", &code.to_string()])?;
    let [first, second] = code.word_indices().map(|index| eyeline_seal::words()[usize::from(index)]);
    let words = [("words", format!("{first}-{second}")), ("words in other form", format!("{first} {second}"))];
    search(stage, &Link::parse(&link)?, [a, b], &words)
}

/// Who hides its address and has no relay sends the other side nothing at all, and says why.
#[test]
fn privacy_relay_only_without_a_relay() -> Outcome {
    let scene = Scene::open("privacy_relay_only_without_a_relay")?;
    let Some(stage) = Stage::build_or_skip(&scene)? else { return Ok(()) };
    let [a, mut b] = stage.setups();
    let (mut a, link) = Peer::host(&scene, "a", &a, &stage.server.url())?;
    b.more.push("--relay-only".into());
    let mut b = Peer::join(&scene, "b", &b, &link)?;
    let error = b.wait_event("words about the relay", CALL_LIMIT, |event| event.name == "error")?;
    ensure!(error.text.contains("relay"), "it says {:?}", error.text);
    ensure!(!b.process.wait_end(CALL_LIMIT)?.success(), "it ended as if all were well");
    a.process.end(CALL_LIMIT)?;
    for frame in stage.capture.end()? {
        let Some(packet) = Packet::of(&frame).filter(|packet| packet.protocol == wire::UDP) else { continue };
        let [from, to] = packet.addresses.map(|address| address.to_string());
        ensure!(from != ADDRESSES[1] && to != ADDRESSES[1], "a packet went from {from} to {to}");
    }
    Ok(())
}

/// Who hides its address talks through the relay only, and the other side does not learn the address.
#[test]
fn privacy_relay_only_through_a_relay() -> Outcome {
    let scene = Scene::open("privacy_relay_only_through_a_relay")?;
    let Some(mut stage) = Stage::build_or_skip(&scene)? else { return Ok(()) };
    let own = Lan::SERVER_ADDRESS.parse()?;
    let relay = Turn::start(&stage.lan.server, own)?;
    let proxy = ice_proxy::start(&stage.lan.server, own, stage.server.address().parse()?, &[relay.url()])?;
    let [a, mut b] = stage.setups();
    let (mut a, link) = Peer::host(&scene, "a", &a, &format!("http://{proxy}"))?;
    b.more.push("--relay-only".into());
    let mut b = Peer::join(&scene, "b", &b, &link)?;
    for peer in [&mut a, &mut b] {
        peer.wait_pictures(PICTURES, CALL_LIMIT)?;
        peer.wait_stats("a relayed path", 0, CALL_LIMIT, |line| line.path.as_deref() == Some("relayed"))?;
    }

    let (mut hidden, mut shown) = (Needles::default(), Needles::default());
    hidden.add("address", format!("{} ", ADDRESSES[1]).as_bytes());
    shown.add("address", Lan::SERVER_ADDRESS.as_bytes());
    let memory = Memory::of(a.process.id());
    let found = memory.find(&hidden)?;
    ensure!(found.is_empty(), "the other side's memory has the address that is hidden from it: {found:?}");
    ensure!(memory.find(&shown)?.has("address"), "not even the relay's address is found");
    b.end()?;
    a.process.wait_end(CALL_LIMIT)?;
    drop(relay);
    let frames = stage.capture.end()?;
    let between = frames.iter().filter_map(|frame| Packet::of(frame)).filter(|packet| packet.protocol == wire::UDP);
    let pairs: BTreeSet<[String; 2]> =
        between.map(|packet| packet.addresses.map(|address| address.to_string())).collect();
    let direct = |pair: &[String; 2]| pair.iter().all(|address| ADDRESSES.contains(&address.as_str()));
    ensure!(!pairs.iter().any(direct), "packets went between the two: {pairs:?}");
    ensure!(pairs.iter().any(|pair| pair.contains(&ADDRESSES[1].to_owned())), "nothing went to the relay: {pairs:?}");
    stage.server.process().end(CALL_LIMIT)
}
