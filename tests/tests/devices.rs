//! Real sound devices: a private PulseAudio whose devices lead nowhere. Real cameras where there is one.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use eyeline_tests::binaries::Binary;
use eyeline_tests::logs::{Recording, SoundMark, percentile};
use eyeline_tests::peer::{Peer, PeerSetup, unix_us};
use eyeline_tests::process::run;
use eyeline_tests::pulse::Pulse;
use eyeline_tests::report::{Table, skipped};
use eyeline_tests::server::Server;
use eyeline_tests::{Outcome, Scene, ensure, sound};

const LIMIT: Duration = Duration::from_secs(30);

fn pulse_or_skip(scene: &Scene) -> Outcome<Option<Pulse>> {
    if let Some(lack) = Pulse::lacks() {
        skipped(scene.name(), lack);
        return Ok(None);
    }
    Pulse::start(scene).map(Some)
}

fn with_real_sound(pulse: &Pulse) -> PeerSetup {
    let environment = pulse.environment();
    // What these tests say is made up, and noise suppression is for voices.
    let more = vec!["--voice".into(), "off".into()];
    PeerSetup { microphone: "default".into(), speaker: "default".into(), environment, more, ..PeerSetup::default() }
}

/// What one side's real microphone hears comes out of the other side's real speaker.
#[test]
fn devices_speech_goes_from_microphone_to_speaker() -> Outcome {
    let scene = Scene::open("devices_speech_goes_from_microphone_to_speaker")?;
    let Some(pulse) = pulse_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start(&scene)?;
    // One sound system serves both sides, so only one of them listens: the other would hear itself.
    let listening = PeerSetup { microphone: "none".into(), ..with_real_sound(&pulse) };
    let speaking = PeerSetup { speaker: "null".into(), ..with_real_sound(&pulse) };
    let (mut a, link) = Peer::host(&scene, "a", &listening, &server.url())?;
    let mut b = Peer::join(&scene, "b", &speaking, &link)?;
    a.wait_pictures(1, LIMIT)?;
    b.wait_pictures(1, LIMIT)?;

    let (speech, recorded) = (scene.scratch("speech.wav"), scene.scratch("speaker.raw"));
    sound::write_wav(&speech, &sound::speech(12))?;
    let recording_since = unix_us();
    let recorder = pulse.record_speaker(&scene, &recorded)?;
    let mut player = pulse.say(&scene, &speech)?;
    ensure!(player.wait_end(LIMIT)?.success(), "the speech could not be played\n{}", player.tail());
    let spoken = unix_us();
    a.wait_stats("a second after the speech", spoken + 1_000_000, LIMIT, |_| true)?;
    drop(recorder);
    b.end()?;

    // Once by the peers' own logs, once by what PulseAudio itself played.
    let (said, played) = (b.microphone()?, a.speaker()?);
    let by_logs = sound::heard(&said, &played);
    // When the recorder began is known to half a second; its sound must not seem earlier than what was said.
    let begin = SoundMark { unix_us: recording_since + 500_000, first_sample: 0 };
    let by_pulse = sound::heard(&said, &Recording { samples: read_raw(&recorded)?, marks: vec![begin] });
    // PulseAudio's delay would be off by as much as its beginning, so none is shown.
    let mut table = Table::new(&["seconds compared", "likeness p50", "delay p50, ms"]);
    for (label, found) in [("by the peers' logs", &by_logs), ("by PulseAudio", &by_pulse)] {
        let of = |figure: fn(&sound::Heard) -> f64| percentile(&found.iter().map(figure).collect::<Vec<_>>(), 0.5);
        let delay = if label == "by PulseAudio" { "-".into() } else { format!("{:.0}", of(|found| found.delay_ms)) };
        table.row(label, &[found.len().to_string(), format!("{:.2}", of(|found| found.likeness)), delay]);
    }
    table.publish(&scene)?;
    for (label, found) in [("the speaker's log", by_logs), ("PulseAudio's recording", by_pulse)] {
        let alike = found.iter().filter(|found| found.likeness > 0.5).count();
        ensure!(alike >= 2, "{label} holds the speech in {alike} of {} places: {found:?}", found.len());
    }
    Ok(())
}

fn read_raw(path: &Path) -> Outcome<Vec<i16>> {
    Ok(std::fs::read(path)?.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// The microphone's plug is pulled in a call: the call goes on, and sound is back when the plug is.
#[test]
fn devices_microphone_unplugged_and_back() -> Outcome {
    let scene = Scene::open("devices_microphone_unplugged_and_back")?;
    let Some(pulse) = pulse_or_skip(&scene)? else { return Ok(()) };
    let server = Server::start(&scene)?;
    let speaking = PeerSetup { speaker: "null".into(), ..with_real_sound(&pulse) };
    let (mut a, link) = Peer::host(&scene, "a", &PeerSetup::default(), &server.url())?;
    let mut b = Peer::join(&scene, "b", &speaking, &link)?;
    a.wait_pictures(1, LIMIT)?;
    let speech = scene.scratch("speech.wav");
    sound::write_wav(&speech, &sound::speech(120))?;
    let _player = pulse.say(&scene, &speech)?;
    a.wait_stats("speech", 0, LIMIT, |line| line.levels.remote > 0.2)?;

    pulse.unplug_microphone()?;
    let unplugged = unix_us();
    a.wait_stats("silence", unplugged + 1_000_000, LIMIT, |line| line.levels.remote < 0.05)?;
    a.wait_pictures(30, LIMIT)?;
    b.wait_pictures(30, LIMIT)?;

    pulse.plug_in_microphone()?;
    let plugged_in = unix_us();
    a.wait_stats("speech again", plugged_in, LIMIT, |line| line.levels.remote > 0.2)?;
    Ok(())
}

/// Devices are listed as JSON lines, the sound system's own among them.
#[test]
fn devices_are_listed() -> Outcome {
    let scene = Scene::open("devices_are_listed")?;
    let Some(pulse) = pulse_or_skip(&scene)? else { return Ok(()) };
    let text = run(Command::new(Binary::Peer.path()?).arg("--list-devices").envs(pulse.environment()))?;
    let mut labels = Vec::new();
    for line in text.lines() {
        let device: serde_json::Value = serde_json::from_str(line)?;
        let [kind, id, label] = ["kind", "id", "label"].map(|field| device[field].as_str().unwrap_or("").to_owned());
        ensure!(["camera", "microphone", "speaker"].contains(&kind.as_str()) && !id.is_empty(), "not a device: {line}");
        labels.push((kind, label));
    }
    for (kind, name) in [("microphone", "Microphone"), ("speaker", "Speaker")] {
        ensure!(
            labels.iter().any(|(of, label)| of == kind && label.contains(name)),
            "PulseAudio's {name} is not among the devices: {labels:?}"
        );
    }
    Ok(())
}

/// A real camera's picture arrives. Only where there is one.
#[test]
fn devices_camera() -> Outcome {
    let scene = Scene::open("devices_camera")?;
    if !Path::new("/dev/video0").exists() {
        skipped(scene.name(), "there is no /dev/video0");
        return Ok(());
    }
    let server = Server::start(&scene)?;
    let (mut a, link) = Peer::host(&scene, "a", &PeerSetup::default(), &server.url())?;
    let camera = PeerSetup { camera: "default".into(), ..PeerSetup::default() };
    let mut b = Peer::join(&scene, "b", &camera, &link)?;
    a.wait_pictures(60, LIMIT)?;
    b.wait_pictures(60, LIMIT)
}
