//! Echo over a real sound system: what the speaker plays comes back into the microphone, in real time, on whatever machine
//! this is. With `-- --nocapture` every second's figures are shown that `docs/decisions/0015-voice.md` quotes.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "other tests use the rest")]
mod pulse_lab;
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "samples and their numbers")]
#[allow(dead_code, reason = "the tests of voice processing use the rest")]
mod voice_lab;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use eyeline_media::audio::{
    AudioEvent, AudioSender, AudioSenderConfig, Block, CaptureProcessor, EchoReference, Microphone, MicrophoneSource,
    PlayoutSource, Speaker, SpeakerSink, VoiceProcessor,
};
use eyeline_media::observer::Unobserved;
use pulse_lab::{Daemon, PATIENCE, in_child, pactl};
use voice_lab::chain::{CANCEL, to_block};
use voice_lab::figures::power_db;
use voice_lab::{RATE, speech};

const SECONDS: usize = 16;
/// Until then the canceller learns.
const LEARNING: usize = 4;

const SINKS: &str = "load-module module-null-sink sink_name=speaker rate=48000\nset-default-sink speaker";

#[test]
fn echo_over_a_sound_system_is_cancelled() {
    in_child("echo_over_a_sound_system_is_cancelled", || {
        let daemon = Daemon::start(SINKS);
        // Volumes are cubic: 79 % are -6 dB.
        hear("speaker.monitor");
        pactl(&["set-source-volume", "microphone", "79%"]);
        check("the speaker itself");
        drop(daemon);
    });
}

fn hear(monitor: &str) {
    pactl(&["load-module", "module-remap-source", &format!("master={monitor}"), "source_name=microphone"]);
    pactl(&["set-default-source", "microphone"]);
}

fn check(label: &str) {
    let watched = record();
    let part = |samples: &[f32], second: usize| power_db(&samples[second * RATE..(second + 1) * RATE]);
    let mut erle: Vec<f64> =
        (0..SECONDS).map(|second| part(&watched.before, second) - part(&watched.after, second)).collect();
    eprintln!("{label}: ERLE of every second {erle:.0?}");
    assert!(power_db(&watched.before) > -45.0, "there is no echo");
    // A machine that stood still loses sound, and a second of learning with it: most seconds must be good, not all.
    erle.drain(..LEARNING);
    erle.sort_by(f64::total_cmp);
    assert!(erle[erle.len() / 2] > 20.0, "the echo came back");
}

/// Speech over and over.
struct Reading {
    speech: Vec<f32>,
    at: usize,
}

impl PlayoutSource for Reading {
    fn pull(&mut self, _now: Instant, block: &mut Block) {
        *block = to_block(&self.speech[self.at..]);
        self.at = (self.at + block.len()) % (self.speech.len() - block.len());
    }
}

/// What went into the canceller and what came out.
struct Watched {
    before: Vec<f32>,
    after: Vec<f32>,
}

struct Watcher {
    processor: VoiceProcessor,
    to: SyncSender<[Block; 2]>,
}

impl CaptureProcessor for Watcher {
    fn process(&mut self, mic: &mut Block, reference: &Block) {
        let before = *mic;
        self.processor.process(mic, reference);
        let _ = self.to.try_send([before, *mic]);
    }
}

fn record() -> Watched {
    let (to, watched) = sync_channel(SECONDS * 100);
    let reference = EchoReference::default();
    let watcher = Watcher { processor: VoiceProcessor::new(CANCEL), to };
    let sender = AudioSender::start(&AudioSenderConfig::default(), Box::new(watcher), reference.clone(), |_| {})
        .expect("libopus takes the default");
    let (events, told) = sync_channel(64);
    let also = events.clone();
    let reading = Reading { speech: speech::at_level(speech::reader(20.0), -26.0), at: 0 };
    let tell = move |event| _ = events.try_send(event);
    let _speaker = Speaker::open(SpeakerSink::Default, reading, reference, tell, Arc::new(Unobserved));
    let take = move |block: &Block, at| sender.block(block, at);
    let tell = move |event| _ = also.try_send(event);
    let _microphone = Microphone::open(MicrophoneSource::Default, take, tell, Arc::new(Unobserved));
    for _ in 0..2 {
        assert!(matches!(told.recv_timeout(PATIENCE).expect("an event"), AudioEvent::Running { .. }));
    }
    collect(&watched)
}

fn collect(watched: &Receiver<[Block; 2]>) -> Watched {
    let mut all = Watched { before: Vec::new(), after: Vec::new() };
    while all.before.len() < SECONDS * RATE {
        let [before, after] = watched.recv_timeout(PATIENCE).expect("the microphone goes on");
        all.before.extend(before.map(|s| f32::from(s) / 32_768.0));
        all.after.extend(after.map(|s| f32::from(s) / 32_768.0));
    }
    all
}
