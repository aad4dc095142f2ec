//! Real devices through `cpal`: a private PulseAudio daemon with null sinks.

#![cfg(target_os = "linux")]

mod pulse_lab;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use eyeline_media::audio::{
    AudioEvent, EchoReference, Microphone, MicrophoneSource, PlayoutSource, Speaker, SpeakerSink, list_microphones,
    list_speakers,
};
use eyeline_media::observer::Unobserved;
use pulse_lab::{Daemon, PATIENCE, in_child, pactl};

const DEVICES: &str = "load-module module-null-sink sink_name=speaker rate=48000 sink_properties=device.description=Speaker\n\
     load-module module-null-sink sink_name=feed rate=44100 sink_properties=device.description=Feed\n\
     load-module module-remap-source master=feed.monitor source_name=microphone \
     source_properties=device.description=Microphone\n\
     set-default-sink speaker\nset-default-source microphone";

#[test]
fn real_devices_record_and_play() {
    in_child("real_devices_record_and_play", check_all);
}

fn check_all() {
    let daemon = Daemon::start(DEVICES);
    devices_are_listed();
    played_sound_is_recorded();
    default_microphone_hears_what_is_fed();
    an_unplugged_speaker_is_replaced();
    a_sound_system_that_dies_is_waited_for(daemon);
}

fn devices_are_listed() {
    let ids = |devices: Vec<eyeline_media::audio::AudioDevice>| -> Vec<(String, String)> {
        devices.into_iter().map(|d| (d.id, d.label)).collect()
    };
    assert_eq!(ids(list_microphones()), [("pulseaudio:microphone".into(), "Microphone".into())]);
    let speakers = ids(list_speakers());
    assert!(speakers.contains(&("pulseaudio:speaker".into(), "Speaker".into())), "{speakers:?}");
}

/// 440 Hz from `at` on, silence before.
struct ToneFrom {
    at: Instant,
    position: u32,
}

impl PlayoutSource for ToneFrom {
    fn pull(&mut self, now: Instant, block: &mut [i16; 480]) {
        block.fill(0);
        if now < self.at {
            return;
        }
        for sample in block {
            *sample = sine(self.position);
            self.position += 1;
        }
    }
}

/// 440 Hz, at a quarter of full scale.
#[expect(clippy::cast_possible_truncation, reason = "far below full scale")]
fn sine(position: u32) -> i16 {
    ((f64::from(position) / 48_000.0 * 440.0 * TAU).sin() * 8_000.0) as i16
}

fn tone_now() -> ToneFrom {
    ToneFrom { at: Instant::now(), position: 0 }
}

/// Share of the power that lies at 440 Hz; 0 for silence.
fn tone_share(samples: &[i16]) -> f64 {
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let (x, angle) = (f64::from(sample), TAU * 440.0 / 48_000.0 * i as f64);
        re += x * angle.cos();
        im += x * angle.sin();
        power += x * x;
    }
    if power < 480.0 * 1_000_000.0 { 0.0 } else { 2.0 * (re * re + im * im) / (power * samples.len() as f64) }
}

type Recorded = Receiver<([i16; 480], Instant)>;

fn record(source: &str) -> (Microphone, Recorded, Receiver<AudioEvent>) {
    let (blocks, recorded) = sync_channel(10_000);
    let (events, told) = sync_channel(64);
    let microphone = Microphone::open(
        source.parse::<MicrophoneSource>().expect("infallible"),
        move |block, at| _ = blocks.try_send((*block, at)),
        move |event| _ = events.try_send(event),
        Arc::new(Unobserved),
    );
    (microphone, recorded, told)
}

fn play(sink: &str, source: impl PlayoutSource) -> (Speaker, Receiver<AudioEvent>) {
    let (events, told) = sync_channel(64);
    let sink = sink.parse::<SpeakerSink>().expect("infallible");
    let tell = move |event| _ = events.try_send(event);
    (Speaker::open(sink, source, EchoReference::default(), tell, Arc::new(Unobserved)), told)
}

fn next(told: &Receiver<AudioEvent>) -> AudioEvent {
    told.recv_timeout(PATIENCE).expect("an event")
}

fn running(label: &str) -> AudioEvent {
    AudioEvent::Running { label: label.into() }
}

/// Waits for `count` blocks of clear tone and returns when they were captured.
fn hear(recorded: &Recorded, count: usize) -> Vec<Instant> {
    let mut heard = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while heard.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} blocks with the tone", heard.len());
        let (block, at) = recorded.recv_timeout(PATIENCE).expect("sound");
        if tone_share(&block) > 0.95 {
            heard.push(at);
        }
    }
    heard
}

fn played_sound_is_recorded() {
    let (_microphone, recorded, told) = record("pulseaudio:speaker.monitor");
    assert!(matches!(next(&told), AudioEvent::Running { .. }));
    recorded.recv_timeout(PATIENCE).expect("the monitor runs");
    let at = Instant::now() + Duration::from_millis(500);
    let (_speaker, speaker_told) = play("default", ToneFrom { at, position: 0 });
    assert_eq!(next(&speaker_told), running("Speaker"));
    let heard = hear(&recorded, 200);
    eprintln!("from pull to captured: {} ms", heard[0].saturating_duration_since(at).as_millis());
    let taken = heard[heard.len() - 1] - heard[0];
    assert!(taken >= Duration::from_millis(1_800), "200 blocks cannot take {taken:?}");
    assert!(heard.windows(2).all(|w| w[1] > w[0]), "captured moments go on");
}

fn default_microphone_hears_what_is_fed() {
    let (_microphone, recorded, told) = record("default");
    assert_eq!(next(&told), running("Microphone"));
    let (_speaker, speaker_told) = play("pulseaudio:feed", tone_now());
    assert_eq!(next(&speaker_told), running("Feed"));
    hear(&recorded, 100);
}

/// PulseAudio moves the streams of a device that goes to another one; nothing stops.
fn an_unplugged_speaker_is_replaced() {
    let module = pactl(&["load-module", "module-null-sink", "sink_name=usb", "sink_properties=device.description=Usb"]);
    let (_microphone, recorded, _told) = record("pulseaudio:usb.monitor");
    let (_speaker, told) = play("pulseaudio:usb", tone_now());
    assert_eq!(next(&told), running("Usb"));
    hear(&recorded, 20);
    pactl(&["unload-module", &module]);
    let (_monitor, monitored, _) = record("pulseaudio:speaker.monitor");
    hear(&monitored, 20);
}

fn a_sound_system_that_dies_is_waited_for(daemon: Daemon) {
    let (_microphone, recorded, told) = record("pulseaudio:speaker.monitor");
    assert!(matches!(next(&told), AudioEvent::Running { .. }));
    let (_speaker, speaker_told) = play("default", tone_now());
    assert_eq!(next(&speaker_told), running("Speaker"));
    hear(&recorded, 20);

    drop(daemon);
    assert_eq!(next(&told), AudioEvent::Unplugged);
    assert_eq!(next(&speaker_told), AudioEvent::Unplugged);
    assert_eq!((list_microphones(), list_speakers()), Default::default(), "nothing is left to list");

    let _daemon = Daemon::start(DEVICES);
    assert_eq!(next(&told), AudioEvent::Back);
    assert!(matches!(next(&told), AudioEvent::Running { .. }));
    assert_eq!(next(&speaker_told), AudioEvent::Back);
    assert_eq!(next(&speaker_told), running("Speaker"));
    while recorded.try_recv().is_ok() {}
    hear(&recorded, 20);
}
