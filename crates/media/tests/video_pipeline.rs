//! Camera to display without a network: capture, sender, receiver.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedVideo, I420Buffer, ReceivedVideo, VideoCodec, VideoFrame};
use eyeline_media::observer::{MediaObserver, Unobserved};
use eyeline_media::slot::{LatestSlot, Taken};
use eyeline_media::time::{RemoteClock, RemoteTiming, VIDEO_CLOCK_HZ};
use eyeline_media::units::Bitrate;
use eyeline_media::video::{
    CameraError, CameraEvent, CameraSource, Capture, CaptureFormat, Prediction, TestPattern, VideoReceiver,
    VideoSender, decode_code, draw_code,
};

/// Far longer than anything takes on a busy machine: only a hang runs into it.
const LONG: Duration = Duration::from_secs(30);
const SMALL: CaptureFormat = CaptureFormat { width: 320, height: 180, fps: 60 };

type Slot = Arc<LatestSlot<VideoFrame>>;

fn open(source: CameraSource, frames: &Slot) -> (Capture, Receiver<CameraEvent>) {
    let (sender, events) = sync_channel(64);
    let capture = Capture::open(
        source,
        SMALL,
        Arc::clone(frames),
        move |event| {
            let _ = sender.try_send(event);
        },
        Arc::new(Unobserved),
    );
    (capture, events)
}

fn take(slot: &LatestSlot<VideoFrame>) -> VideoFrame {
    match slot.take(LONG) {
        Taken::Value(frame) => frame,
        other => panic!("no frame: {other:?}"),
    }
}

/// A y4m file of `frames` pictures that carry their number.
fn y4m(dir: &Path, frames: u32) -> PathBuf {
    let mut bytes = b"YUV4MPEG2 W64 H64 F60:1 Ip A1:1 C420jpeg\n".to_vec();
    for index in 0..frames {
        let mut picture = I420Buffer::black(64, 64);
        draw_code(&mut picture, index + 100);
        bytes.extend(b"FRAME\n");
        bytes.extend(picture.data());
    }
    let path = dir.join("clip.y4m");
    std::fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn the_pattern_runs_and_says_so() {
    let frames = Slot::default();
    let (capture, events) = open(CameraSource::TestPattern, &frames);
    let running = events.recv_timeout(LONG).expect("an event");
    assert!(matches!(running, CameraEvent::Running { width: 320, height: 180, .. }), "{running:?}");
    let first = take(&frames);
    let second = take(&frames);
    assert!(second.index > first.index && second.times.captured > first.times.captured);
    assert_eq!(u64::from(decode_code(&second.picture)), second.index);
    drop(capture);
    assert_eq!(events.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected), "its threads are gone");
}

/// Every frame that left the camera, as the measurement tools see it.
struct Log(SyncSender<(u64, u32)>);

impl MediaObserver for Log {
    fn captured(&self, frame: &VideoFrame) {
        let _ = self.0.try_send((frame.index, decode_code(&frame.picture)));
    }
}

#[test]
fn a_file_plays_over_and_over_with_its_own_numbers() {
    let dir = tempfile::tempdir().expect("a folder");
    let (log, seen) = sync_channel(64);
    let source = CameraSource::File(y4m(dir.path(), 3));
    let _capture = Capture::open(source, SMALL, Slot::default(), |_| {}, Arc::new(Log(log)));
    for round in 0..4 {
        for index in 0..3 {
            let entry = seen.recv_timeout(LONG).expect("a frame");
            assert_eq!(entry, (index, u32::try_from(index).expect("small") + 100), "round {round}");
        }
    }
}

#[test]
fn bad_files_are_named_and_a_repaired_one_comes_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("clip.y4m");
    let frames = Slot::default();
    let (_capture, events) = open(CameraSource::File(path.clone()), &frames);
    assert_eq!(events.recv_timeout(LONG), Ok(CameraEvent::Failed(CameraError::NotFound)));
    std::fs::write(&path, b"RIFF but no y4m\n").expect("written");
    let event = events.recv_timeout(LONG).expect("an event");
    assert!(matches!(&event, CameraEvent::Failed(CameraError::Unsupported(why)) if why.contains("y4m")), "{event:?}");
    // Renamed into place, so that no half-written file is seen.
    let whole = dir.path().join("whole");
    std::fs::create_dir(&whole).expect("a folder");
    std::fs::rename(y4m(&whole, 2), &path).expect("moved");
    assert_eq!(events.recv_timeout(LONG), Ok(CameraEvent::Back));
    assert!(matches!(events.recv_timeout(LONG), Ok(CameraEvent::Running { .. })));
    take(&frames);
}

#[test]
fn no_camera_does_nothing_and_an_unknown_one_is_not_found() {
    let (_none, events) = open(CameraSource::None, &Slot::default());
    assert!(events.recv_timeout(Duration::ZERO).is_err());
    let (_device, events) = open(CameraSource::Device("no such camera".to_owned()), &Slot::default());
    assert_eq!(events.recv_timeout(LONG), Ok(CameraEvent::Failed(CameraError::NotFound)));
}

/// What rtc does, minus the network.
fn received(encoded: EncodedVideo, start: Instant) -> ReceivedVideo {
    let since = encoded.captured_at.saturating_duration_since(start).as_micros();
    let ticks = u32::try_from(since * u128::from(VIDEO_CLOCK_HZ) / 1_000_000).expect("a short test");
    let EncodedVideo { codec, data, keyframe, .. } = encoded;
    ReceivedVideo { codec, data, keyframe, rtp_timestamp: ticks, received_at: Instant::now() }
}

struct Shown(SyncSender<(VideoFrame, Instant)>);

impl MediaObserver for Shown {
    fn shown(&self, frame: &VideoFrame, at: Instant) {
        let _ = self.0.try_send((frame.clone(), at));
    }
}

#[test]
fn pictures_arrive_in_order_across_codec_and_size_changes() {
    let start = Instant::now();
    let clock = Arc::new(RemoteClock::default());
    let error = Duration::from_millis(2);
    clock.set(RemoteTiming { rtp_timestamp: 0, captured_at: start, error });
    let (shown, screen) = sync_channel(1_000);
    let (frames, self_view) = (Slot::default(), Slot::default());
    let link: Arc<Mutex<Option<VideoSender>>> = Arc::default();
    let ask = Arc::clone(&link);
    let receiver = VideoReceiver::start(Slot::default(), clock, Arc::new(Shown(shown)), move || {
        if let Some(sender) = ask.lock().expect("not poisoned").as_ref() {
            sender.request_keyframe();
        }
    });
    let receiver = Arc::new(receiver);
    let sink = Arc::clone(&receiver);
    let sender = VideoSender::start(Arc::clone(&frames), Arc::clone(&self_view), move |encoded| {
        sink.push(received(encoded, start))
    });
    sender.set_bitrate(Bitrate::from_kbps(600));
    *link.lock().expect("not poisoned") = Some(sender);
    let sender = || link.lock().expect("not poisoned");

    let (_capture, _events) = open(CameraSource::TestPattern, &frames);
    take(&self_view);
    assert!(screen.try_recv().is_err(), "nothing is sent before sending is on");
    sender().as_ref().expect("there").set_sending(true);

    let mut last = None;
    let mut see = |n: usize| {
        for _ in 0..n {
            let (frame, at) = screen.recv_timeout(LONG).expect("a picture");
            let code = decode_code(&frame.picture);
            assert!(last.is_none_or(|last| code > last), "{code} after {last:?}");
            last = Some(code);
            let times = frame.times;
            let captured = times.captured.expect("the clock is known");
            assert!(captured <= times.received.expect("set") + error && times.received <= times.decoded);
            assert!(times.decoded.expect("set") <= at && times.captured_error == error);
        }
    };
    see(20);
    sender().as_ref().expect("there").set_codec(VideoCodec::Vp8);
    see(20);
    sender().as_ref().expect("there").set_max_size(160, 90);
    see(40);
    sender().as_ref().expect("there").set_sending(false);
    take(&self_view);
    let stats = receiver.stats();
    assert_eq!((stats.codec, stats.width, stats.height), (Some(VideoCodec::Vp8), 160, 90));
    assert_eq!((stats.decode_errors, stats.dropped), (0, 0));
    assert!(stats.latency.is_some_and(|latency| latency.error == error));
    let sent = sender().as_ref().expect("there").stats();
    assert!(sent.encoded >= 80 && sent.errors == 0, "{sent:?}");
    assert!(sent.keyframes >= 3, "one per encoder: {sent:?}");
    let sender = link.lock().expect("not poisoned").take();
    drop(sender);
}

#[test]
fn a_receiver_that_joins_late_asks_for_a_keyframe() {
    let start = Instant::now();
    let pattern = TestPattern::new(320, 180);
    let mut encoder = eyeline_media::video::VideoEncoder::new(VideoCodec::Vp9, 320, 180, 30, Bitrate::from_kbps(300))
        .expect("an encoder");
    let mut encode = |index: u32, key: bool| {
        let at = start + Duration::from_millis(33) * index;
        let encoded = encoder
            .encode(&pattern.draw(index.into()), at, if key { Prediction::Nothing } else { Prediction::Previous })
            .expect("encodes")
            .expect("a frame");
        received(encoded, start)
    };
    encode(0, true);
    let (wanted, asked) = sync_channel(64);
    let (shown, screen) = sync_channel(64);
    let clock = Arc::new(RemoteClock::default());
    let receiver = VideoReceiver::start(Slot::default(), clock, Arc::new(Shown(shown)), move || {
        let _ = wanted.try_send(());
    });
    receiver.push(encode(1, false));
    asked.recv_timeout(LONG).expect("asks");
    // Junk is survived too.
    receiver.push(ReceivedVideo { data: vec![0xaa; 900].into(), ..encode(2, false) });
    receiver.push(encode(3, true));
    let (frame, _) = screen.recv_timeout(LONG).expect("a picture");
    assert_eq!((decode_code(&frame.picture), frame.times.captured), (3, None));
    assert!(receiver.stats().decode_errors >= 1);
}
