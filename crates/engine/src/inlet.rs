//! Where received picture and sound wait until the media gate is open.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyeline_media::audio::AudioReceiver;
use eyeline_media::frame::{ReceivedAudio, ReceivedVideo};
use eyeline_media::video::VideoReceiver;

/// Frames kept until the gate opens: the other side's may open half a round trip before ours, and its first keyframe must
/// not be lost. Two seconds at 30 a second; what comes after is dropped and asked for again.
const FRAMES_MAX: usize = 64;
/// Packets of sound kept until the gate opens; the newest second, since older sound would only be late.
const PACKETS_MAX: usize = 50;

#[derive(Default)]
enum State {
    #[default]
    Open,
    Closed {
        frames: Vec<ReceivedVideo>,
        packets: VecDeque<ReceivedAudio>,
    },
}

/// The way from the connection to the decoders. Nothing is decoded, shown or played while it is closed.
pub(crate) struct Inlet {
    video: Arc<VideoReceiver>,
    audio: AudioReceiver,
    state: Mutex<State>,
}

impl Inlet {
    /// Closed.
    pub(crate) fn new(video: Arc<VideoReceiver>, audio: AudioReceiver) -> Self {
        let state = State::Closed { frames: Vec::new(), packets: VecDeque::new() };
        Self { video, audio, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.lock(), State::Open)
    }

    /// Lets everything through that came so far, and comes from now on.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        if let State::Closed { frames, packets } = std::mem::take(&mut *state) {
            frames.into_iter().for_each(|frame| self.video.push(frame));
            packets.into_iter().for_each(|packet| self.audio.push(packet));
        }
    }

    pub(crate) fn video(&self, frame: ReceivedVideo) {
        match &mut *self.lock() {
            State::Open => self.video.push(frame),
            State::Closed { frames, .. } if frames.len() < FRAMES_MAX => frames.push(frame),
            State::Closed { .. } => {}
        }
    }

    pub(crate) fn audio(&self, packet: ReceivedAudio) {
        match &mut *self.lock() {
            State::Open => self.audio.push(packet),
            State::Closed { packets, .. } => {
                if packets.len() == PACKETS_MAX {
                    packets.pop_front();
                }
                packets.push_back(packet);
            }
        }
    }
}
