//! Sound from one end to the other without hardware: source, sender, receiver, sink.

use std::f64::consts::TAU;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use eyeline_media::audio::{
    AudioError, AudioEvent, AudioReceiver, AudioSender, AudioSenderConfig, CaptureProcessor, EchoReference, Microphone,
    MicrophoneSource, PassThrough, Speaker, SpeakerSink,
};
use eyeline_media::frame::{EncodedAudio, ReceivedAudio};
use eyeline_media::observer::{MediaObserver, Unobserved};

/// Longest a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Passes on what the speaker plays.
struct Listener(SyncSender<(Vec<i16>, Instant)>);

impl MediaObserver for Listener {
    fn speaker(&self, samples: &[i16], at: Instant) {
        let _ = self.0.send((samples.to_vec(), at));
    }
}

fn listener() -> (Arc<Listener>, Receiver<(Vec<i16>, Instant)>) {
    let (sender, heard) = sync_channel(10_000);
    (Arc::new(Listener(sender)), heard)
}

fn events() -> (impl FnMut(AudioEvent) + Send + 'static, Receiver<AudioEvent>) {
    let (sender, told) = sync_channel(16);
    (move |event| sender.send(event).expect("the test listens"), told)
}

/// A network that loses nothing and takes no time.
fn network(to: AudioReceiver) -> impl FnMut(EncodedAudio) + Send + 'static {
    let mut sequence = 0_u16;
    move |packet| {
        sequence = sequence.wrapping_add(1);
        let rtp_timestamp = u32::try_from(packet.first_sample).expect("a short test");
        to.push(ReceivedAudio {
            data: packet.data,
            sequence,
            rtp_timestamp,
            received_at: Instant::now(),
            redundant: false,
        });
    }
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum()
}

/// Share of the power that lies at 440 Hz.
fn tone_share(samples: &[i16]) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let angle = TAU * 440.0 / 48_000.0 * i as f64;
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
    }
    2.0 * (re * re + im * im) / (energy(samples) * samples.len() as f64)
}

/// Whether there is sound at all.
fn sounds(samples: &[i16]) -> bool {
    (energy(samples) / samples.len() as f64).sqrt() > 1_000.0
}

#[test]
fn a_tone_crosses_from_microphone_to_speaker() {
    let reference = EchoReference::default();
    let receiver = AudioReceiver::new().unwrap();
    let sink = network(receiver.clone());
    let sender =
        AudioSender::start(&AudioSenderConfig::default(), Box::new(PassThrough), reference.clone(), sink).unwrap();
    let (tell_speaker, speaker_told) = events();
    let (observer, heard) = listener();
    let speaker = Speaker::open(SpeakerSink::Null, receiver.clone(), reference, tell_speaker, observer);
    let (tell_microphone, microphone_told) = events();
    let input = sender.clone();
    let microphone = Microphone::open(
        MicrophoneSource::Tone,
        move |block, at| input.block(block, at),
        tell_microphone,
        Arc::new(Unobserved),
    );
    let label = |told: &Receiver<AudioEvent>| match told.recv_timeout(PATIENCE) {
        Ok(AudioEvent::Running { label }) => label,
        other => panic!("{other:?}"),
    };
    assert_eq!(label(&speaker_told), "null");
    assert_eq!(label(&microphone_told), "test tone");

    let mut tones = 0;
    let mut last_at = None;
    while tones < 150 {
        let (block, at) = heard.recv_timeout(PATIENCE).unwrap();
        assert!(last_at.replace(at).is_none_or(|last| at >= last), "time goes on");
        if sounds(&block) && tone_share(&block) > 0.9 {
            tones += 1;
        }
    }
    let stats = receiver.stats();
    assert!(stats.concealed_share() < 0.2, "{stats:?}");
    assert!(stats.decoded_samples > 100 * 480, "{stats:?}");
    assert!(sender.level() > 0.1 && receiver.level() > 0.1);

    sender.set_muted(true);
    let mut quiet = 0;
    while quiet < 100 {
        let (block, _) = heard.recv_timeout(PATIENCE).unwrap();
        quiet = if sounds(&block) { 0 } else { quiet + 1 };
    }
    drop(microphone);
    drop(speaker);
}

/// Notes what it is given as reference.
struct Spy(SyncSender<i16>);

impl CaptureProcessor for Spy {
    fn process(&mut self, mic: &mut [i16; 480], reference: &[i16; 480]) {
        mic.fill(0);
        let loudest = reference.iter().copied().max().unwrap_or(0);
        let _ = self.0.try_send(loudest);
    }
}

#[test]
fn what_is_played_is_offered_to_the_capture_side() {
    let reference = EchoReference::default();
    let (spy, seen) = sync_channel(1_000);
    let sender =
        AudioSender::start(&AudioSenderConfig::default(), Box::new(Spy(spy)), reference.clone(), |_| ()).unwrap();
    let loud = |_: Instant, block: &mut [i16; 480]| block.fill(12_345);
    let dir = tempfile::tempdir().unwrap();
    let sink = SpeakerSink::File(dir.path().join("played.wav"));
    let _speaker = Speaker::open(sink, Pull(loud), reference, |_| (), Arc::new(Unobserved));
    let input = sender.clone();
    let _microphone =
        Microphone::open(MicrophoneSource::Tone, move |block, at| input.block(block, at), |_| (), Arc::new(Unobserved));
    while seen.recv_timeout(PATIENCE).unwrap() != 12_345 {}
    assert_eq!(sender.level(), 0.0, "the processor silenced the microphone before it was measured");
}

struct Pull<F>(F);

impl<F: FnMut(Instant, &mut [i16; 480]) + Send + 'static> eyeline_media::audio::PlayoutSource for Pull<F> {
    fn pull(&mut self, now: Instant, block: &mut [i16; 480]) {
        (self.0)(now, block);
    }
}

/// 440 Hz, at a quarter of full scale.
#[expect(clippy::cast_possible_truncation, reason = "far below full scale")]
fn sine(position: u32) -> i16 {
    ((f64::from(position) / 48_000.0 * 440.0 * TAU).sin() * 8_000.0) as i16
}

fn record_to(path: &Path, blocks: usize) {
    let mut position = 0_u32;
    let tone = move |_: Instant, block: &mut [i16; 480]| {
        for sample in block {
            *sample = sine(position);
            position += 1;
        }
    };
    let (observer, heard) = listener();
    let speaker = Speaker::open(SpeakerSink::File(path.into()), Pull(tone), EchoReference::default(), |_| (), observer);
    for _ in 0..blocks {
        heard.recv_timeout(PATIENCE).expect("playout");
    }
    drop(speaker);
}

#[test]
fn a_file_is_written_and_read_back_as_a_microphone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.wav");
    record_to(&path, 30);
    let recorded = hound::WavReader::open(&path).unwrap();
    assert!(recorded.duration() >= 30 * 480, "{}", recorded.duration());
    assert_eq!(recorded.spec().sample_rate, 48_000);

    let (blocks, captured) = sync_channel(1_000);
    let source: MicrophoneSource = path.to_str().unwrap().parse().unwrap();
    let started = Instant::now();
    let _microphone =
        Microphone::open(source, move |block, at| _ = blocks.try_send((*block, at)), |_| (), Arc::new(Unobserved));
    let got: Vec<_> = (0..60).map(|_| captured.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(got[..28].iter().all(|(block, _)| tone_share(block) > 0.9), "the file sounds as it was written");
    assert!(sounds(&got[59].0), "it plays over and over");
    assert!(got.windows(2).all(|w| w[1].1 - w[0].1 == Duration::from_millis(10)), "even moments");
    assert!(got[0].1 >= started);
}

#[test]
fn bad_files_are_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let fake = dir.path().join("fake.wav");
    std::fs::write(&fake, "this is not sound").unwrap();
    let failure = |source| {
        let (tell, told) = events();
        let _microphone = Microphone::open(source, |_, _| (), tell, Arc::new(Unobserved));
        told.recv_timeout(PATIENCE).unwrap()
    };
    assert!(matches!(failure(MicrophoneSource::File(fake)), AudioEvent::Failed(AudioError::Unsupported(_))));
    assert_eq!(failure(MicrophoneSource::File("/no/such.wav".into())), AudioEvent::Failed(AudioError::NotFound));

    let (tell, told) = events();
    let (observer, heard) = listener();
    let receiver = AudioReceiver::new().unwrap();
    let sink = SpeakerSink::File(dir.path().join("missing/out.wav"));
    let _speaker = Speaker::open(sink, receiver, EchoReference::default(), tell, observer);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(AudioEvent::Failed(AudioError::NotFound)));
    assert!(heard.recv_timeout(PATIENCE).is_ok(), "playout goes on without the file");
}

#[test]
fn a_missing_device_fails_but_playout_goes_on() {
    let (tell, told) = events();
    let (observer, heard) = listener();
    let sink = SpeakerSink::Device("alsa:no_such_device".into());
    let speaker = Speaker::open(sink, AudioReceiver::new().unwrap(), EchoReference::default(), tell, observer);
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(AudioEvent::Failed(_))));
    for _ in 0..150 {
        heard.recv_timeout(PATIENCE).unwrap();
    }
    assert!(told.try_recv().is_err(), "the same failure is told once");
    drop(speaker);
    let (tell, told) = events();
    let source = MicrophoneSource::Device("nonsense".into());
    let _microphone = Microphone::open(source, |_, _| (), tell, Arc::new(Unobserved));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(AudioEvent::Failed(AudioError::NotFound)));
}
