//! Two peers through a real relay (coturn), over each transport.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyeline_media::frame::{EncodedVideo, ReceivedVideo, VideoCodec};
use eyeline_rtc::{IceServer, PathKind, Peer, PeerConfig, PeerEvent, PeerSinks};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Nothing here takes this long.
const LIMIT: Duration = Duration::from_secs(20);

/// A running `turnserver`.
struct Relay {
    process: Child,
    port: u16,
    tls_port: u16,
    /// What its certificate is signed by: itself.
    root: Vec<u8>,
    _folder: TempDir,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Relay {
    /// Starts it on loopback; `None` after saying so where it is not installed.
    fn start(test: &str, more: &[&str]) -> Option<Self> {
        if Command::new("turnserver").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("{test}: skipped, coturn is not installed");
            return None;
        }
        let folder = TempDir::new().expect("set up");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("set up");
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).expect("set up");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("set up");
        let [port, tls_port] = free_ports();
        let mut command = Command::new("turnserver");
        command.args(["-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "--user", "eve:pass", "--realm", "test"]);
        command.args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--allow-loopback-peers"]);
        command.args(["--listening-port", &port.to_string(), "--tls-listening-port", &tls_port.to_string()]);
        command.arg("--cert").arg(&certificate).arg("--pkey").arg(&key).args(more);
        command.args(["--log-file", "stdout", "--pidfile"]).arg(folder.path().join("pid"));
        command.arg("--userdb").arg(folder.path().join("users")).current_dir(folder.path());
        let process = command.stdout(log(folder.path())).stderr(Stdio::null()).spawn().expect("set up");
        let root = made.cert.der().to_vec();
        let mut relay = Self { process, port, tls_port, root, _folder: folder };
        relay.wait_until_there();
        Some(relay)
    }

    fn wait_until_there(&mut self) {
        let started = Instant::now();
        for port in [self.port, self.tls_port] {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                assert!(self.process.try_wait().expect("set up").is_none(), "turnserver ended");
                assert!(started.elapsed() < LIMIT, "turnserver does not listen");
                std::thread::yield_now();
            }
        }
    }

    fn udp(&self) -> String {
        format!("turn:localhost:{}", self.port)
    }

    fn tcp(&self) -> String {
        format!("turn:localhost:{}?transport=tcp", self.port)
    }

    fn tls(&self) -> String {
        format!("turns:localhost:{}", self.tls_port)
    }

    /// A peer that uses nothing but the relay.
    fn config(&self, urls: &[String]) -> PeerConfig {
        let server = IceServer { urls: urls.to_vec(), username: "eve".into(), credential: "pass".into() };
        PeerConfig {
            ice_servers: vec![server],
            extra_roots: vec![self.root.clone()],
            relay_only: true,
            include_loopback: true,
            codecs: vec![VideoCodec::Vp8],
            ..PeerConfig::default()
        }
    }
}

fn log(folder: &Path) -> std::fs::File {
    std::fs::File::create(folder.join("log")).expect("set up")
}

fn free_ports() -> [u16; 2] {
    let open = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("set up"));
    open.map(|listener| listener.local_addr().expect("set up").port())
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("too slow: {what}"))
}

/// One end: the peer, its events but candidates, and the pictures that came.
struct Side {
    peer: Peer,
    events: mpsc::Receiver<PeerEvent>,
    video: mpsc::Receiver<ReceivedVideo>,
}

/// Two peers, negotiated.
async fn pair(config: &PeerConfig) -> [Side; 2] {
    let (mut sides, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (video_in, video) = mpsc::channel(256);
        let sinks = PeerSinks {
            video: Box::new(move |frame| video_in.try_send(frame).expect("room")),
            audio: Box::new(|_| {}),
        };
        let (peer, stream) = Peer::new(config.clone(), sinks).await.expect("set up");
        let (events_in, events) = mpsc::channel(256);
        streams.push((stream, events_in));
        sides.push(Side { peer, events, video });
    }
    let others = [sides[1].peer.clone(), sides[0].peer.clone()];
    for ((mut stream, events), other) in streams.into_iter().zip(others) {
        tokio::spawn(async move {
            while let Some(event) = stream.recv().await {
                if let PeerEvent::LocalCandidate(json) = &event {
                    assert!(!json.contains("192.0.0.8"), "where relays are for the stack is nobody's business: {json}");
                    assert!(json.contains("typ relay"), "{json}");
                    other.add_candidate(json).await.ok();
                }
                events.send(event).await.ok();
            }
        });
    }
    let offer = sides[0].peer.create_offer(false).await.expect("offer");
    let answer = sides[1].peer.accept_offer(&offer).await.expect("answer");
    sides[0].peer.accept_answer(&answer).await.expect("answer applies");
    sides.try_into().unwrap_or_else(|_| panic!("two sides"))
}

/// Connects through the relay, checks which way both took, and that pictures come whole.
async fn check(relay: &Relay, urls: &[String], path: PathKind) {
    let mut sides = pair(&relay.config(urls)).await;
    for side in &mut sides {
        within("a path", async {
            loop {
                if let PeerEvent::Path(found) = side.events.recv().await.expect("events go on") {
                    return assert_eq!(found, path);
                }
            }
        })
        .await;
    }
    let [a, b] = &mut sides;
    for n in 0..20_u8 {
        let mut data = if n == 0 { vec![0x10, 0, 0, 0x9d, 0x01, 0x2a] } else { vec![0x11] };
        data.resize(5_001 + usize::from(n), n);
        let sent = EncodedVideo {
            codec: VideoCodec::Vp8,
            data: Bytes::from(data),
            keyframe: n == 0,
            reference: None,
            captured_at: Instant::now(),
            width: 640,
            height: 360,
        };
        assert!(a.peer.video().send(sent.clone()), "frame {n} is taken");
        let received = within("a picture", b.video.recv()).await.expect("sink lives");
        assert_eq!(received.data, sent.data, "frame {n}");
    }
    for side in &sides {
        side.peer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_relay_over_tcp() {
    let Some(relay) = Relay::start("through_a_relay_over_tcp", &["--no-udp"]) else { return };
    check(&relay, &[relay.udp(), relay.tcp()], PathKind::RelayedTcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_relay_over_tls() {
    let Some(relay) = Relay::start("through_a_relay_over_tls", &["--no-udp"]) else { return };
    check(&relay, &[relay.tls()], PathKind::RelayedTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn udp_is_preferred_where_it_passes() {
    let Some(relay) = Relay::start("udp_is_preferred_where_it_passes", &[]) else { return };
    check(&relay, &[relay.tls(), relay.tcp(), relay.udp()], PathKind::Relayed).await;
    // Also if it looks like several relays.
    check(&relay, &[relay.tls(), relay.udp().replace("localhost", "127.0.0.1")], PathKind::Relayed).await;
}
