//! Two peers over a path that loses packets, with real sockets and the real stack.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedVideo, ReceivedVideo, VideoCodec};
use eyeline_rtc::{Peer, PeerConfig, PeerEvent, PeerEvents, PeerSinks, PeerState};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

/// Nothing here takes this long.
const LIMIT: Duration = Duration::from_secs(20);
/// One way.
const DELAY: Duration = Duration::from_millis(25);
/// One packet in so many is lost once that begins.
const LOSE_ONE_IN: u64 = 8;
const FRAME_INTERVAL: Duration = Duration::from_millis(33);

/// Packets from the first peer to the second are lost now and then, everything is late.
struct Relay {
    /// What each peer takes for the other.
    faces: [SocketAddr; 2],
    /// Where each peer really is, once its candidate is known.
    peers: [mpsc::Sender<SocketAddr>; 2],
    lossy: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
}

impl Relay {
    async fn start() -> Self {
        let sockets = [bind().await, bind().await];
        let faces = [sockets[0].local_addr().expect("bound"), sockets[1].local_addr().expect("bound")];
        let (lossy, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let ((first, first_known), (second, second_known)) = (mpsc::channel(8), mpsc::channel(8));
        // What the first peer sends comes to its face, and leaves for the second from that one's face.
        let flags = Some((lossy.clone(), lost.clone()));
        tokio::spawn(carry(sockets[0].clone(), sockets[1].clone(), second_known, flags));
        tokio::spawn(carry(sockets[1].clone(), sockets[0].clone(), first_known, None));
        Self { faces, peers: [first, second], lossy, lost }
    }

    /// The candidate of peer `from` as the other is to see it; `None` if it is not on the loopback interface.
    async fn rewrite(&self, from: usize, candidate: &str) -> Option<String> {
        let (before, after) = candidate.split_once(" 127.0.0.1 ")?;
        let (port, after) = after.split_once(' ')?;
        let address = SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?));
        self.peers[from].send(address).await.ok()?;
        Some(format!("{before} 127.0.0.1 {} {after}", self.faces[1 - from].port()))
    }
}

async fn bind() -> Arc<UdpSocket> {
    Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port is free"))
}

async fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    mut known: mpsc::Receiver<SocketAddr>,
    lossy: Option<(Arc<AtomicBool>, Arc<AtomicU64>)>,
) {
    let Some(peer) = known.recv().await else { return };
    let (underway, mut due) = mpsc::channel::<(TokioInstant, Vec<u8>)>(1_024);
    tokio::spawn(async move {
        while let Some((at, packet)) = due.recv().await {
            sleep_until(at).await;
            to.send_to(&packet, peer).await.ok();
        }
    });
    let mut buffer = vec![0; 2_000];
    let mut seed = 1_u64;
    while let Ok((len, _)) = from.recv_from(&mut buffer).await {
        // Media (RFC 7983), but not RTCP (RFC 5761).
        let is_rtp = len > 12 && (128..192).contains(&buffer[0]) && !(192..224).contains(&buffer[1]);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if let Some((lossy, lost)) = &lossy
            && is_rtp
            && lossy.load(Relaxed)
            && (seed >> 33).is_multiple_of(LOSE_ONE_IN)
        {
            lost.fetch_add(1, Relaxed);
            continue;
        }
        if underway.send((TokioInstant::now() + DELAY, buffer[..len].to_vec())).await.is_err() {
            return;
        }
    }
}

/// A peer, its events and its pictures.
async fn peer() -> (Peer, PeerEvents, mpsc::Receiver<ReceivedVideo>) {
    let (video_in, video) = mpsc::channel(1_024);
    let sinks =
        PeerSinks { video: Box::new(move |frame| video_in.try_send(frame).expect("room")), audio: Box::new(|_| {}) };
    let config = PeerConfig { include_loopback: true, ..PeerConfig::default() };
    let (peer, events) = Peer::new(config, sinks).await.expect("set up");
    (peer, events, video)
}

/// Passes candidates on; tells of connections and of keyframes wanted.
fn pump(mut events: PeerEvents, from: usize, relay: Arc<Relay>, other: Peer) -> mpsc::Receiver<PeerEvent> {
    let (tell, told) = mpsc::channel(256);
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let PeerEvent::LocalCandidate(json) = event {
                if let Some(seen) = relay.rewrite(from, &json).await {
                    other.add_candidate(&seen).await.ok();
                }
            } else if tell.send(event).await.is_err() {
                return;
            }
        }
    });
    told
}

fn frame(keyframe: bool) -> EncodedVideo {
    let mut data = vec![if keyframe { 0x82 } else { 0x86 }];
    data.resize(5_000, 7);
    let (codec, captured_at) = (VideoCodec::Vp9, Instant::now());
    EncodedVideo {
        codec,
        data: data.into(),
        keyframe,
        reference: (!keyframe).then_some(1),
        captured_at,
        width: 640,
        height: 360,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_restored_or_sent_again() {
    let relay = Arc::new(Relay::start().await);
    let (first, first_events, _) = peer().await;
    let (second, second_events, mut video) = peer().await;
    let mut told = pump(first_events, 0, relay.clone(), second.clone());
    let mut told_too = pump(second_events, 1, relay.clone(), first.clone());
    // Without candidates in them: those go by the relay.
    let offer = first.create_offer(false).await.expect("offer");
    let answer = second.accept_offer(&offer).await.expect("answer");
    first.accept_answer(&answer).await.expect("answer applies");
    for told in [&mut told, &mut told_too] {
        let connected =
            async { while told.recv().await.expect("goes on") != PeerEvent::State(PeerState::Connected) {} };
        timeout(LIMIT, connected).await.expect("connects");
    }
    relay.lossy.store(true, Relaxed);

    let mut clock = tokio::time::interval(FRAME_INTERVAL);
    let (mut sent, mut keyframe) = (0_u32, true);
    let mut captured = Vec::new();
    while sent < 120 {
        clock.tick().await;
        while let Ok(event) = told.try_recv() {
            keyframe |= event == PeerEvent::KeyframeRequested;
        }
        let frame = frame(keyframe);
        captured.push(frame.captured_at);
        sent += u32::from(first.video().send(frame));
        keyframe = false;
    }
    let mut received = 0;
    // Until the last one, or as good as.
    while received < sent
        && let Ok(Some(frame)) = timeout(Duration::from_secs(1), video.recv()).await
    {
        assert_eq!(frame.data.len(), 5_000);
        assert!(frame.data[1..].iter().all(|byte| *byte == 7));
        received += 1;
    }
    let (sender, receiver) = (first.stats().await, second.stats().await);
    assert!(relay.lost.load(Relaxed) > 30, "{}", relay.lost.load(Relaxed));
    assert!(received * 100 >= sent * 90, "{received} of {sent} frames, {receiver:?}");
    assert!(sender.parity_sent > 20, "{sender:?}");
    assert!(receiver.packets_restored > 10, "{receiver:?}");
    assert!(receiver.packets_recovered > 0 && sender.packets_resent > 0, "{receiver:?}");
    let acknowledged = captured.iter().filter(|at| first.is_acknowledged(**at)).count();
    assert!(acknowledged * 2 > captured.len(), "{acknowledged} of {}", captured.len());
    assert!(!first.is_acknowledged(Instant::now()));
    assert!(sender.video_budget < sender.estimate, "{sender:?}");
}
