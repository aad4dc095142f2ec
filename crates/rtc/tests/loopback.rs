//! Two peers over real loopback sockets.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyeline_media::frame::{AudioCopies, EncodedAudio, EncodedVideo, ReceivedAudio, ReceivedVideo, VideoCodec};
use eyeline_rtc::{PathKind, Peer, PeerConfig, PeerEvent, PeerSinks, PeerState, RtcError};
use tokio::sync::mpsc;

/// Nothing here takes this long.
const LIMIT: Duration = Duration::from_secs(10);

/// One end: the peer, and what came out of it.
struct Side {
    peer: Peer,
    events: mpsc::Receiver<PeerEvent>,
    passed_over: Vec<PeerEvent>,
    candidates: Arc<Mutex<Vec<String>>>,
    video: mpsc::Receiver<ReceivedVideo>,
    audio: mpsc::Receiver<ReceivedAudio>,
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("too slow: {what}"))
}

impl Side {
    /// Waits for `event`; events that come before it are kept for later waits.
    async fn wait_for(&mut self, event: PeerEvent) {
        if let Some(at) = self.passed_over.iter().position(|seen| *seen == event) {
            self.passed_over.remove(at);
            return;
        }
        within(&format!("{event:?}"), async {
            loop {
                let seen = self.events.recv().await.expect("events go on");
                if seen == event {
                    return;
                }
                self.passed_over.push(seen);
            }
        })
        .await;
    }

    async fn frame(&mut self) -> ReceivedVideo {
        within("frame", self.video.recv()).await.expect("sink lives")
    }
}

fn config(codecs: &[VideoCodec]) -> PeerConfig {
    PeerConfig { include_loopback: true, codecs: codecs.to_vec(), ..PeerConfig::default() }
}

/// A pair whose candidates reach each other by themselves, not yet negotiated.
async fn pair(first: &[VideoCodec], second: &[VideoCodec]) -> (Side, Side) {
    let mut sides = Vec::new();
    let mut streams = Vec::new();
    for codecs in [first, second] {
        let (video_in, video) = mpsc::channel(1_024);
        let (audio_in, audio) = mpsc::channel(1_024);
        let sinks = PeerSinks {
            video: Box::new(move |frame| video_in.try_send(frame).expect("room")),
            audio: Box::new(move |packet| audio_in.try_send(packet).expect("room")),
        };
        let (peer, stream) = Peer::new(config(codecs), sinks).await.expect("set up");
        let (events_in, events) = mpsc::channel(256);
        streams.push((stream, events_in));
        sides.push(Side { peer, events, passed_over: Vec::new(), candidates: Arc::default(), video, audio });
    }
    let peers = [sides[1].peer.clone(), sides[0].peer.clone()];
    let seen = [sides[0].candidates.clone(), sides[1].candidates.clone()];
    for (((mut stream, events_in), other), seen) in streams.into_iter().zip(peers).zip(seen) {
        tokio::spawn(async move {
            while let Some(event) = stream.recv().await {
                if let PeerEvent::LocalCandidate(json) = event {
                    seen.lock().expect("not poisoned").push(json.clone());
                    other.add_candidate(&json).await.ok();
                } else if events_in.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
    let second = sides.pop().expect("two sides");
    (sides.pop().expect("two sides"), second)
}

async fn negotiate(offerer: &Peer, answerer: &Peer, ice_restart: bool) {
    let offer = offerer.create_offer(ice_restart).await.expect("offer");
    let answer = answerer.accept_offer(&offer).await.expect("answer");
    offerer.accept_answer(&answer).await.expect("answer applies");
}

async fn connected(first: &[VideoCodec], second: &[VideoCodec]) -> (Side, Side) {
    let (mut a, mut b) = pair(first, second).await;
    negotiate(&a.peer, &b.peer, false).await;
    for side in [&mut a, &mut b] {
        side.wait_for(PeerEvent::State(PeerState::Connected)).await;
        side.wait_for(PeerEvent::KeyframeRequested).await;
    }
    (a, b)
}

/// A frame that looks like one where the headers are read, and carries `n`.
fn frame(codec: VideoCodec, n: u8, len: usize) -> EncodedVideo {
    let keyframe = n == 0;
    let mut data = match (codec, keyframe) {
        (VideoCodec::Vp8, true) => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a],
        (VideoCodec::Vp8, false) => vec![0x11],
        (VideoCodec::Vp9, true) => vec![0x82],
        (VideoCodec::Vp9, false) => vec![0x86],
    };
    data.resize(len.max(data.len()), n);
    EncodedVideo {
        codec,
        data: data.into(),
        keyframe,
        reference: None,
        captured_at: Instant::now(),
        width: 640,
        height: 360,
    }
}

/// Sends `count` frames one after the other, each once the one before arrived, and checks them.
async fn check_video(from: &mut Side, to: &mut Side, codec: VideoCodec, count: u8) {
    let sender = from.peer.video();
    for n in 0..count {
        let sent = frame(codec, n, if n == 0 { 9_000 } else { 200 + 700 * usize::from(n) });
        assert!(sender.send(sent.clone()), "frame {n} is taken");
        let received = to.frame().await;
        assert_eq!((received.codec, received.keyframe), (codec, n == 0));
        assert_eq!(received.data, sent.data);
        assert_eq!(received.rtp_timestamp, sender.rtp_timestamp(sent.captured_at));
    }
}

/// Sound with copies of the two packets before arrives as packets, copies first.
async fn check_copies(from: &Side, to: &mut Side) {
    let sound = from.peer.audio();
    for n in 0..4_u8 {
        let (data, first_sample) = (Bytes::from(vec![0xfc, n, n, n]), 96_000 + u64::from(n) * 960);
        sound.send(EncodedAudio { data, captured_at: Instant::now(), first_sample, copies: AudioCopies::LastTwo });
    }
    let mut first = None;
    for (n, redundant) in
        [(0, false), (0, true), (1, false), (0, true), (1, true), (2, false), (1, true), (2, true), (3, false)]
    {
        let packet = within("sound with copies", to.audio.recv()).await.expect("the connection is up");
        assert_eq!((&packet.data[..], packet.redundant), (&[0xfc, n, n, n][..], redundant));
        let (sequence, timestamp) = *first.get_or_insert((packet.sequence, packet.rtp_timestamp));
        assert_eq!(packet.sequence.wrapping_sub(sequence), u16::from(n));
        assert_eq!(packet.rtp_timestamp.wrapping_sub(timestamp), u32::from(n) * 960);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_and_control_flow_both_ways() {
    let both = [VideoCodec::Vp9, VideoCodec::Vp8];
    let (mut a, mut b) = connected(&both, &both).await;
    check_video(&mut a, &mut b, VideoCodec::Vp9, 8).await;
    check_video(&mut b, &mut a, VideoCodec::Vp9, 8).await;
    a.wait_for(PeerEvent::Path(PathKind::Direct)).await;

    let sound = a.peer.audio();
    for n in 0..5_u8 {
        // A gap of 3 packets' time before the last one.
        let position = if n == 4 { 7 } else { u64::from(n) };
        let data = Bytes::from(vec![0xfc, n]);
        sound.send(EncodedAudio {
            data,
            captured_at: Instant::now(),
            first_sample: position * 960,
            copies: AudioCopies::None,
        });
    }
    let mut first = None;
    for n in 0..5_u8 {
        let packet = within("sound", b.audio.recv()).await.unwrap();
        assert_eq!(packet.data[..], [0xfc, n]);
        let (sequence, timestamp) = *first.get_or_insert((packet.sequence, packet.rtp_timestamp));
        assert_eq!(packet.sequence.wrapping_sub(sequence), u16::from(n));
        let position = if n == 4 { 7 } else { u32::from(n) };
        assert_eq!(packet.rtp_timestamp.wrapping_sub(timestamp), position * 960);
    }

    check_copies(&a, &mut b).await;

    b.peer.request_keyframe();
    a.wait_for(PeerEvent::KeyframeRequested).await;

    let peers = (a.peer.clone(), b.peer.clone());
    for (from, to) in [(peers.0, &mut b), (peers.1, &mut a)] {
        while let Err(error) = from.send_control(Bytes::from_static(b"hello")).await {
            assert!(matches!(error, RtcError::ControlUnavailable));
            tokio::task::yield_now().await;
        }
        to.wait_for(PeerEvent::Control(Bytes::from_static(b"hello"))).await;
    }
    let stats = a.peer.stats().await;
    assert_eq!(stats.path, Some(PathKind::Direct));
    assert_eq!((stats.video_codec, stats.frames_received), (Some(VideoCodec::Vp9), 8));
    assert_eq!((stats.packets_lost, stats.plis_received), (0, 1));
    assert!(stats.bytes_sent > 15_000 && stats.packets_received > 15);
    assert!(matches!(a.peer.send_control(Bytes::from(vec![0; 20_000])).await, Err(RtcError::ControlUnavailable)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codecs_are_agreed_on_whoever_offers() {
    let both = [VideoCodec::Vp9, VideoCodec::Vp8];
    let only = [VideoCodec::Vp8];
    for (first, second) in [(&both[..], &only[..]), (&only[..], &both[..])] {
        let (mut a, mut b) = connected(first, second).await;
        assert!(!a.peer.video().send(frame(VideoCodec::Vp9, 0, 100)), "not negotiated");
        check_video(&mut a, &mut b, VideoCodec::Vp8, 4).await;
        check_video(&mut b, &mut a, VideoCodec::Vp8, 4).await;
    }
    let (a, b) = pair(&[VideoCodec::Vp9], &only).await;
    let offer = a.peer.create_offer(false).await.unwrap();
    assert!(matches!(b.peer.accept_offer(&offer).await, Err(RtcError::NoCommonCodec("video"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_from_either_side_keeps_media_flowing() {
    let codecs = [VideoCodec::Vp8];
    let (mut a, mut b) = connected(&codecs, &codecs).await;
    check_video(&mut a, &mut b, VideoCodec::Vp8, 3).await;
    for restarting in 0..2 {
        let before = a.candidates.lock().unwrap().len();
        let (offerer, answerer) = if restarting == 0 { (&a, &b) } else { (&b, &a) };
        negotiate(&offerer.peer, &answerer.peer, true).await;
        for side in [&mut a, &mut b] {
            side.wait_for(PeerEvent::State(PeerState::Connected)).await;
        }
        assert!(a.candidates.lock().unwrap().len() > before, "new sockets were gathered");
        check_video(&mut a, &mut b, VideoCodec::Vp8, 3).await;
        check_video(&mut b, &mut a, VideoCodec::Vp8, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_does_nothing() {
    let codecs = [VideoCodec::Vp8];
    let (mut a, mut b) = pair(&codecs, &codecs).await;
    for junk in ["", "{", "{}", "null", r#"{"candidate":7}"#] {
        assert!(matches!(b.peer.add_candidate(junk).await, Err(RtcError::BadCandidate)), "{junk}");
    }
    for junk in ["", "v=0", "m=video", "\u{0}\u{ffff}"] {
        assert!(b.peer.accept_offer(junk).await.is_err());
        assert!(b.peer.accept_answer(junk).await.is_err());
    }
    negotiate(&a.peer, &b.peer, false).await;
    for side in [&mut a, &mut b] {
        side.wait_for(PeerEvent::State(PeerState::Connected)).await;
    }
    assert!(b.peer.add_candidate(r#"{"candidate":"candidate:junk"}"#).await.is_err());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports: Vec<u16> = b.candidates.lock().unwrap().iter().filter_map(|json| loopback_port(json)).collect();
    assert!(!ports.is_empty());
    for port in ports {
        for first in [0, 1, 20, 22, 64, 127, 128, 144, 191, 192, 200, 255] {
            for len in [0, 1, 2, 4, 11, 12, 13, 20, 40, 200, 1_200] {
                let mut datagram = vec![first; len];
                if len > 8 {
                    datagram[4..8].copy_from_slice(&0x2112_a442_u32.to_be_bytes());
                }
                socket.send_to(&datagram, ("127.0.0.1", port)).unwrap();
            }
        }
    }
    check_video(&mut a, &mut b, VideoCodec::Vp8, 4).await;
}

fn loopback_port(json: &str) -> Option<u16> {
    json.split_once(" 127.0.0.1 ")?.1.split(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_offering_at_once_is_resolved_by_taking_one() {
    let codecs = [VideoCodec::Vp8];
    let (mut a, mut b) = pair(&codecs, &codecs).await;
    let offer = a.peer.create_offer(false).await.unwrap();
    b.peer.create_offer(false).await.unwrap();
    let answer = b.peer.accept_offer(&offer).await.unwrap();
    a.peer.accept_answer(&answer).await.unwrap();
    for side in [&mut a, &mut b] {
        side.wait_for(PeerEvent::State(PeerState::Connected)).await;
    }
    check_video(&mut a, &mut b, VideoCodec::Vp8, 3).await;
    check_video(&mut b, &mut a, VideoCodec::Vp8, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_is_final() {
    let codecs = [VideoCodec::Vp8];
    let (a, mut b) = connected(&codecs, &codecs).await;
    b.peer.close().await;
    b.peer.close().await;
    b.wait_for(PeerEvent::State(PeerState::Closed)).await;
    assert_eq!(within("end of events", b.events.recv()).await, None);
    assert!(!b.peer.video().send(frame(VideoCodec::Vp8, 0, 100)));
    assert!(matches!(b.peer.create_offer(true).await, Err(RtcError::Closed)));
    assert!(matches!(b.peer.send_control(Bytes::new()).await, Err(RtcError::ControlUnavailable)));
    drop(a);
}
