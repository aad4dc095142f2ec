//! From whole encoded frames to the display, on a thread of its own: decode on arrival, show when due.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::playout::PlayoutTimeline;
use super::vpx::{CodecError, VideoDecoder};
use crate::frame::{FrameTimes, I420Buffer, ReceivedVideo, VideoFrame};
use crate::observer::MediaObserver;
use crate::slot::LatestSlot;
use crate::sync::SharedLipSync;
use crate::time::RemoteClock;

use super::receiver_stats::Tally;
pub use super::receiver_stats::{LatencyStats, ReceiverStats};

/// Encoded frames waiting for the decoder: a second at 30 fps. When full all of them are dropped, together with everything up
/// to the next keyframe, which is asked for: a decoder that far behind never catches up.
const MAX_QUEUED: usize = 30;
/// Decoded pictures waiting for their moment: 150 ms at 100 fps. When full the oldest is shown at once.
const MAX_PENDING: usize = 16;
/// Keyframes are asked for at most this often.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(200);
/// Longest sleep: how late a lost wake-up could be noticed.
const SLICE: Duration = Duration::from_millis(500);

/// Decodes and shows the remote picture. Dropping it ends its thread.
#[derive(Debug)]
pub struct VideoReceiver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    input: Mutex<Input>,
    changed: Condvar,
    tally: Mutex<Tally>,
    sync: Mutex<SharedLipSync>,
}

#[derive(Debug, Default)]
struct Input {
    queue: VecDeque<ReceivedVideo>,
    /// The queue ran over: nothing but a keyframe is taken.
    overrun: bool,
    /// The worker shall ask for a keyframe.
    keyframe_wanted: bool,
    stop: bool,
}

impl Shared {
    fn input(&self) -> MutexGuard<'_, Input> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self) -> SharedLipSync {
        self.sync.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VideoReceiver {
    /// Starts with nothing to show. Pictures go to `display` with their times filled in, `clock` translating the sender's
    /// timestamps where it can; `observer` sees each one shown. `need_keyframe` is called on the receiver's thread, at most
    /// five times a second, while nothing can be decoded without one.
    pub fn start(
        display: Arc<LatestSlot<VideoFrame>>,
        clock: Arc<RemoteClock>,
        observer: Arc<dyn MediaObserver>,
        need_keyframe: impl FnMut() + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            input: Mutex::default(),
            changed: Condvar::new(),
            tally: Mutex::default(),
            sync: Mutex::default(),
        });
        let mut worker = Worker {
            shared: Arc::clone(&shared),
            display,
            clock,
            observer,
            need_keyframe: Box::new(need_keyframe),
            asked_at: None,
            decoder: None,
            timeline: PlayoutTimeline::default(),
            pending: VecDeque::with_capacity(MAX_PENDING),
            decoded: 0,
        };
        let thread = std::thread::Builder::new().name("video-receive".to_owned()).spawn(move || worker.run());
        let thread = thread.inspect_err(|error| tracing::error!(%error, "no video receiver thread")).ok();
        Self { shared, thread }
    }

    /// Takes one frame, in decode order. Never blocks; a frame for which there is no room is dropped.
    pub fn push(&self, frame: ReceivedVideo) {
        let mut input = self.shared.input();
        let mut dropped = 0;
        if frame.keyframe && input.overrun {
            input.overrun = false;
        }
        if input.overrun {
            dropped = 1;
        } else if input.queue.len() >= MAX_QUEUED {
            dropped = u64::try_from(input.queue.len()).unwrap_or(u64::MAX);
            input.queue.clear();
            if frame.keyframe {
                input.queue.push_back(frame);
            } else {
                input.overrun = true;
                dropped += 1;
            }
        } else {
            input.queue.push_back(frame);
        }
        input.keyframe_wanted |= input.overrun;
        drop(input);
        self.shared.changed.notify_one();
        if dropped > 0 {
            self.shared.tally().dropped(dropped);
        }
    }

    /// Keeps step with the sound that `sync` also hears of, from now on.
    pub fn sync_with(&self, sync: SharedLipSync) {
        *self.shared.sync.lock().unwrap_or_else(PoisonError::into_inner) = sync;
    }

    /// Says that the remote camera is off, or on again: while it is off, no freeze is counted.
    pub fn set_paused(&self, paused: bool) {
        self.shared.tally().set_paused(paused);
    }

    /// What was shown so far and how the last seconds went.
    pub fn stats(&self) -> ReceiverStats {
        self.shared.tally().stats(Instant::now())
    }
}

impl Drop for VideoReceiver {
    fn drop(&mut self) {
        self.shared.input().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // Ends after the frame in hand; fails only by a panic in a callback.
            drop(thread.join());
        }
    }
}

/// A decoded picture and when to show it.
struct Pending {
    at: Instant,
    /// Part of its wait that is there for the sound's sake.
    held: Duration,
    rtp_timestamp: u32,
    frame: VideoFrame,
}

/// What the worker does next.
enum Step {
    Decode(ReceivedVideo),
    AskForKeyframe,
    Show,
    Stop,
}

struct Worker {
    shared: Arc<Shared>,
    display: Arc<LatestSlot<VideoFrame>>,
    clock: Arc<RemoteClock>,
    observer: Arc<dyn MediaObserver>,
    need_keyframe: Box<dyn FnMut() + Send>,
    asked_at: Option<Instant>,
    decoder: Option<VideoDecoder>,
    timeline: PlayoutTimeline,
    pending: VecDeque<Pending>,
    decoded: u64,
}

impl Worker {
    fn run(&mut self) {
        loop {
            match self.next_step() {
                Step::Stop => return,
                Step::Show => self.show_next(),
                Step::AskForKeyframe => self.ask_for_keyframe(),
                Step::Decode(received) => self.decode(&received),
            }
        }
    }

    /// Waits for something to do. A picture that is due goes before everything else.
    fn next_step(&self) -> Step {
        let mut input = self.shared.input();
        loop {
            let now = Instant::now();
            let due = self.pending.front().map(|pending| pending.at);
            if input.stop {
                return Step::Stop;
            }
            if due.is_some_and(|at| at <= now) || self.pending.len() >= MAX_PENDING {
                return Step::Show;
            }
            if std::mem::take(&mut input.keyframe_wanted) {
                return Step::AskForKeyframe;
            }
            if let Some(received) = input.queue.pop_front() {
                return Step::Decode(received);
            }
            let wait = due.map_or(SLICE, |at| at.saturating_duration_since(now).min(SLICE));
            input = self.shared.changed.wait_timeout(input, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn decode(&mut self, received: &ReceivedVideo) {
        let began = Instant::now();
        let picture = self.decode_picture(received);
        let decoded = Instant::now();
        match picture {
            Ok(Some(picture)) => {
                self.decoded += 1;
                self.shared.tally().decoded(received.codec, decoded - began);
                self.schedule(received, picture, decoded);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, codec = received.codec.name(), "frame not decoded");
                self.shared.tally().decode_error();
                self.ask_for_keyframe();
            }
        }
    }

    fn decode_picture(&mut self, received: &ReceivedVideo) -> Result<Option<I420Buffer>, CodecError> {
        let decoder = match self.decoder.take() {
            Some(decoder) if decoder.codec() == received.codec => self.decoder.insert(decoder),
            _ => self.decoder.insert(VideoDecoder::new(received.codec)?),
        };
        decoder.decode(&received.data)
    }

    fn schedule(&mut self, received: &ReceivedVideo, picture: I420Buffer, decoded: Instant) {
        self.timeline.set_hold(self.shared.sync().lock().picture_hold());
        let at = self.timeline.show_at(received.rtp_timestamp, received.received_at);
        self.shared.tally().link(self.timeline.jitter(), self.timeline.delay());
        let times =
            FrameTimes { received: Some(received.received_at), decoded: Some(decoded), ..FrameTimes::default() };
        let frame = VideoFrame { picture: Arc::new(picture), index: self.decoded - 1, times };
        let held = self.timeline.held();
        self.pending.push_back(Pending { at, held, rtp_timestamp: received.rtp_timestamp, frame });
    }

    fn show_next(&mut self) {
        let Some(Pending { held, rtp_timestamp, mut frame, .. }) = self.pending.pop_front() else { return };
        if let Some((captured, error)) = self.clock.captured_at(rtp_timestamp) {
            frame.times.captured = Some(captured);
            frame.times.captured_error = error;
        }
        self.display.put(frame.clone());
        let at = Instant::now();
        self.observer.shown(&frame, at);
        self.shared.sync().lock().picture_shown(rtp_timestamp, at, held);
        self.shared.tally().shown(&frame, at);
    }

    fn ask_for_keyframe(&mut self) {
        let now = Instant::now();
        if self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= KEYFRAME_INTERVAL) {
            self.asked_at = Some(now);
            (self.need_keyframe)();
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("decoder", &self.decoder).field("decoded", &self.decoded).finish_non_exhaustive()
    }
}
