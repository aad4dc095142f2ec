//! What the supervisor says about a camera that comes and goes; no real camera, no waiting.

use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::observer::Unobserved;

fn supervisor() -> (Supervisor, Receiver<CameraEvent>) {
    let (sender, events) = sync_channel(16);
    let supervisor = Supervisor {
        source: CameraSource::Default,
        format: CaptureFormat::default(),
        frames: Arc::default(),
        events: Box::new(move |event| sender.try_send(event).expect("room for all events of a test")),
        observer: Arc::new(Unobserved),
        stop: Arc::default(),
        state: State::Opening,
        label: None,
    };
    (supervisor, events)
}

fn running(supervisor: &mut Supervisor) {
    supervisor.running(Description { label: "C920".to_owned(), width: 1280, height: 720, fps: 30.0 });
}

fn said(events: &Receiver<CameraEvent>) -> Vec<CameraEvent> {
    events.try_iter().collect()
}

fn is_running(event: &CameraEvent) -> bool {
    matches!(event, CameraEvent::Running { .. })
}

#[test]
fn an_unplugged_camera_is_said_once_and_comes_back() {
    let (mut supervisor, events) = supervisor();
    running(&mut supervisor);
    supervisor.lost(CameraError::Unplugged);
    for _ in 0..3 {
        supervisor.lost(CameraError::NotFound);
    }
    running(&mut supervisor);
    let said = said(&events);
    assert_eq!((&said[1], &said[2]), (&CameraEvent::Unplugged, &CameraEvent::Back));
    assert!(is_running(&said[0]) && is_running(&said[3]) && said.len() == 4, "{said:?}");
    assert_eq!(supervisor.label.as_deref(), Some("C920"));
}

#[test]
fn each_reason_is_said_once() {
    let (mut supervisor, events) = supervisor();
    for error in [CameraError::Busy, CameraError::Busy, CameraError::PermissionDenied, CameraError::PermissionDenied] {
        supervisor.lost(error);
    }
    running(&mut supervisor);
    // A stall is no unplug.
    supervisor.lost(CameraError::Failed("the camera delivers no pictures".to_owned()));
    supervisor.lost(CameraError::Unplugged);
    let said = said(&events);
    assert_eq!(
        said[..3],
        [CameraEvent::Failed(CameraError::Busy), CameraEvent::Failed(CameraError::PermissionDenied), CameraEvent::Back]
    );
    assert!(is_running(&said[3]));
    assert!(matches!(said[4..], [CameraEvent::Failed(CameraError::Failed(_)), CameraEvent::Failed(_)]), "{said:?}");
}

#[test]
fn a_reader_that_ends_or_fails_gives_the_reason() {
    let (mut supervisor, events) = supervisor();
    let (sender, readings) = sync_channel(2);
    let thread = std::thread::spawn(move || {
        let failed = Reading::Failed(CameraError::Busy);
        assert!(sender.send(failed).is_ok(), "the test listens");
    });
    let reader = Reader { readings, stop: Arc::default(), thread };
    assert_eq!(supervisor.attend(&reader), Some(CameraError::Busy));
    assert!(matches!(supervisor.attend(&reader), Some(CameraError::Failed(_))), "the thread is gone");
    supervisor.stop.store(true, Ordering::Relaxed);
    assert_eq!(supervisor.attend(&reader), None);
    reader.close();
    assert!(said(&events).is_empty());
}

#[test]
fn a_reader_that_hangs_is_left_behind_and_counted_until_it_returns() {
    let (release, held) = sync_channel::<()>(0);
    let (sender, readings) = sync_channel(2);
    let thread = std::thread::spawn(move || {
        assert!(held.recv().is_err(), "the test only hangs up");
        drop::<SyncSender<Reading>>(sender);
    });
    let before = ABANDONED.load(Ordering::Relaxed);
    Reader { readings, stop: Arc::default(), thread }.close();
    assert_eq!(ABANDONED.load(Ordering::Relaxed), before + 1);
    drop(release);
    let until = Instant::now() + Duration::from_secs(30);
    while ABANDONED.load(Ordering::Relaxed) != before {
        assert!(Instant::now() < until, "never counted down");
        std::thread::yield_now();
    }
}
