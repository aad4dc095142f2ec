//! From encoded pictures and sound to RTP packets on their way.
//!
//! Encoder and sound threads hand frames to bounded queues and never wait; one task per connection cuts, paces and writes
//! them. Sound passes everything.

mod budget;
mod pacer;
mod packetize;
mod pictures;
mod resend;
mod task;
mod video;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedAudio, EncodedVideo};
use eyeline_media::time::VIDEO_CLOCK_HZ;
use tokio::sync::Notify;

use crate::link::Link;

pub(crate) use budget::Shares;
#[cfg(test)]
pub(crate) use pacer::Pacer;
pub(crate) use pictures::SentPictures;
pub(crate) use task::{Seed, Tracks, run};
#[cfg(test)]
pub(crate) use video::{PathState, VideoOut};

/// Encoded frames that wait for the sending task, normally none. When full, the frame is dropped and a keyframe is asked for.
const VIDEO_QUEUE: usize = 4;
/// Frames of the encoder that are remembered; P_DIFF reaches no further back (RFC 9628 section 4.2).
const ENCODED: usize = 127;
/// Encoded sound that waits for the sending task, normally none; 200 ms. When full, the oldest packet is dropped.
const AUDIO_QUEUE: usize = 10;

/// Hands encoded pictures to the connection. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct VideoSender(pub(crate) Arc<SendQueue>);

impl VideoSender {
    /// Queues a frame and returns at once. False if it was not taken: the connection is not up, the codec is not the one
    /// negotiated, or the path cannot take so much. Once a frame was refused or dropped later on, only a keyframe is taken,
    /// or one that refers to an acknowledged picture, and [`RecoveryRequested`](crate::PeerEvent::RecoveryRequested) asks for it.
    pub fn send(&self, frame: EncodedVideo) -> bool {
        self.0.push_video(frame)
    }

    /// The RTP timestamp of a frame captured at `captured_at`: 90 kHz, linear, from a random base.
    pub fn rtp_timestamp(&self, captured_at: Instant) -> u32 {
        self.0.clock.timestamp(captured_at)
    }
}

/// Hands encoded sound to the connection. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct AudioSender(pub(crate) Arc<SendQueue>);

impl AudioSender {
    /// Queues a packet and returns at once; the oldest one waiting is dropped if there are too many. Nothing is sent before
    /// the connection is up.
    pub fn send(&self, packet: EncodedAudio) {
        self.0.push_audio(packet);
    }

    /// The RTP timestamp (48 kHz) of the newest packet that left and when its first sample was captured; `None` before the
    /// first.
    pub fn rtp_time(&self) -> Option<(u32, Instant)> {
        self.0.lock().audio_time
    }
}

/// Where a moment falls on the 90 kHz clock of our video.
#[derive(Debug)]
pub(crate) struct VideoClock {
    pub(crate) epoch: Instant,
    pub(crate) base: u32,
}

impl VideoClock {
    fn timestamp(&self, at: Instant) -> u32 {
        match at.checked_duration_since(self.epoch) {
            Some(after) => self.base.wrapping_add(ticks(after)),
            None => self.base.wrapping_sub(ticks(self.epoch.duration_since(at))),
        }
    }
}

fn ticks(span: Duration) -> u32 {
    let ticks = span.as_micros() * u128::from(VIDEO_CLOCK_HZ) / 1_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).expect("masked to 32 bits")
}

/// Between the media threads and the sending task.
#[derive(Debug)]
pub(crate) struct SendQueue {
    pub(crate) link: Arc<Link>,
    pub(crate) clock: VideoClock,
    pub(crate) waiting: Mutex<Waiting>,
    pub(crate) filled: Notify,
}

/// A frame that waits for the sending task.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) frame: EncodedVideo,
    /// When the picture that it refers to was captured, unless that is the one before.
    pub(crate) reference: Option<Instant>,
}

impl Queued {
    /// Whether it can follow a frame that was dropped.
    fn is_entry(&self) -> bool {
        self.frame.keyframe || self.reference.is_some()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    video: VecDeque<Queued>,
    /// When the newest frames that the encoder made were captured, taken or not: what its references are counted in.
    encoded: VecDeque<Instant>,
    audio: VecDeque<EncodedAudio>,
    /// RTP timestamp of the newest sound and when it was captured.
    audio_time: Option<(u32, Instant)>,
    /// A frame of the chain was dropped: only a keyframe may follow, or one predicted from what the other side has.
    needs_keyframe: bool,
    keyframe_from_peer: bool,
    /// The encoder is to be asked for a frame to go on from, once what waits has left: asked at once, it would make one that
    /// finds no room either.
    recovery_due: bool,
}

impl Waiting {
    /// Notes a frame of the encoder and finds the moment of its reference.
    fn place(&mut self, frame: EncodedVideo) -> Queued {
        let back = frame.reference.filter(|back| *back > 1).map(usize::from);
        let reference = back.and_then(|back| self.encoded.len().checked_sub(back)).map(|at| self.encoded[at]);
        if self.encoded.len() >= ENCODED {
            self.encoded.pop_front();
        }
        self.encoded.push_back(frame.captured_at);
        Queued { frame, reference }
    }
}

impl SendQueue {
    pub(crate) fn new(link: Arc<Link>, clock: VideoClock) -> Self {
        Self { link, clock, waiting: Mutex::default(), filled: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push_video(&self, frame: EncodedVideo) -> bool {
        let negotiated = self.link.sending().is_some_and(|sending| sending.codec == frame.codec);
        if !negotiated || !self.link.open.load(Relaxed) {
            let mut waiting = self.lock();
            waiting.needs_keyframe = true;
            waiting.encoded.clear();
            return false;
        }
        {
            let mut waiting = self.lock();
            let frame = waiting.place(frame);
            if waiting.needs_keyframe && !frame.is_entry() {
                return false;
            }
            if waiting.video.len() >= VIDEO_QUEUE {
                waiting.needs_keyframe = true;
                drop(waiting);
                self.report_drop();
                return false;
            }
            waiting.needs_keyframe = false;
            waiting.video.push_back(frame);
        }
        self.filled.notify_one();
        true
    }

    fn push_audio(&self, packet: EncodedAudio) {
        if !self.link.open.load(Relaxed) {
            return;
        }
        {
            let mut waiting = self.lock();
            if waiting.audio.len() >= AUDIO_QUEUE {
                waiting.audio.pop_front();
            }
            waiting.audio.push_back(packet);
        }
        self.filled.notify_one();
    }

    /// A frame that was taken from the queue cannot be sent: only one that the other side can decode without it may follow.
    fn break_chain(&self) {
        {
            let mut waiting = self.lock();
            let entry = waiting.video.iter().position(Queued::is_entry);
            let useless = entry.unwrap_or(waiting.video.len());
            waiting.video.drain(..useless);
            // With such a one among those that wait, what is pushed next follows that.
            waiting.needs_keyframe |= entry.is_none();
        }
        self.report_drop();
    }

    fn report_drop(&self) {
        self.link.count(|stats| stats.frames_dropped += 1);
        self.lock().recovery_due = true;
        self.filled.notify_one();
    }

    /// Asks the other side for a keyframe, soon.
    pub(crate) fn want_keyframe(&self) {
        self.lock().keyframe_from_peer = true;
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use eyeline_media::frame::VideoCodec;

    use super::*;
    use crate::config::PeerConfig;
    use crate::link::{Sending, Ssrcs};

    fn queue() -> SendQueue {
        let link = Link::new(&PeerConfig::default(), Arc::default(), Ssrcs { video: 1, rtx: 2, parity: 4, audio: 3 });
        SendQueue::new(Arc::new(link), VideoClock { epoch: Instant::now(), base: 0 })
    }

    fn frame(keyframe: bool) -> EncodedVideo {
        let (codec, data) = (VideoCodec::Vp8, Bytes::from_static(&[1]));
        EncodedVideo { codec, data, keyframe, reference: None, captured_at: Instant::now(), width: 2, height: 2 }
    }

    #[test]
    fn nothing_but_a_keyframe_follows_a_refused_frame() {
        let queue = queue();
        assert!(!queue.push_video(frame(true)), "nothing negotiated");
        queue.link.set_sending(Sending { codec: VideoCodec::Vp8, video: 96, audio: 111, rtx: None, parity: None });
        assert!(!queue.push_video(frame(true)), "not connected");
        queue.link.open.store(true, Relaxed);
        assert!(!queue.push_video(frame(false)));
        assert!(queue.push_video(frame(true)));
        for _ in 1..VIDEO_QUEUE {
            assert!(queue.push_video(frame(false)));
        }
        assert!(!queue.push_video(frame(true)), "full");
        queue.lock().video.clear();
        assert!(!queue.push_video(frame(false)));
        assert!(queue.push_video(frame(true)) && queue.push_video(frame(false)));
        queue.break_chain();
        assert_eq!(queue.lock().video.len(), 2, "a keyframe that waits stays with what follows it");
        queue.lock().video.pop_front();
        queue.break_chain();
        assert!(queue.lock().video.is_empty() && !queue.push_video(frame(false)));
        assert_eq!(queue.link.snapshot().frames_dropped, 3);
    }

    #[test]
    fn timestamps_are_linear_around_the_epoch_and_wrap() {
        let epoch = Instant::now() + Duration::from_secs(100);
        let clock = VideoClock { epoch, base: u32::MAX - 44_999 };
        assert_eq!(clock.timestamp(epoch), u32::MAX - 44_999);
        assert_eq!(clock.timestamp(epoch + Duration::from_secs(1)), 45_000);
        assert_eq!(clock.timestamp(epoch - Duration::from_secs(1)), u32::MAX - 134_999);
        let day = Duration::from_secs(86_400);
        assert_eq!(clock.timestamp(epoch + day).wrapping_sub(clock.timestamp(epoch)), ticks(day));
    }
}
