//! What voice processing does to recorded speech in simulated rooms. With `-- --nocapture` the figures are shown that
//! `docs/decisions/0015-voice.md` quotes.

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "samples and their numbers")]
#[allow(dead_code, reason = "measuring by hand uses the rest")]
mod voice_lab;

use eyeline_media::audio::{VoiceProcessing, VoiceProcessor};
use voice_lab::chain::{CANCEL, CLEAN, LEVEL, SUPPRESS, erle_db, part, processed, run};
use voice_lab::figures::{kept, pause_level_db, power_db, speech_level_db};
use voice_lab::scene::Setting;
use voice_lab::{noise, speech};

#[test]
fn echo_is_cancelled_and_again_after_the_room_changed() {
    for rt60_s in [0.2, 0.4, 0.7] {
        let scene = Setting { moved_at_s: Some(12.0), ..Setting::far_only(rt60_s, 18.0) }.play();
        let out = processed(CANCEL, &scene);
        let erle = |from, to| erle_db(&scene, &out, from, to);
        let (soon, late, moved) = (erle(3.0, 5.0), erle(8.0, 12.0), erle(15.0, 18.0));
        eprintln!("RT60 {rt60_s} s: ERLE {soon:.1} dB after 3 s, {late:.1} after 8 s, {moved:.1} 3 s after the change");
        assert!(soon > 35.0 && late > 38.0 && moved > 35.0);
    }
}

#[test]
fn devices_may_take_a_quarter_second() {
    for delay_ms in [10, 120, 250] {
        let scene = Setting { delay_ms, ..Setting::far_only(0.4, 10.0) }.play();
        let erle = erle_db(&scene, &processed(CANCEL, &scene), 4.0, 10.0);
        eprintln!("{delay_ms} ms from speaker to microphone: ERLE {erle:.1} dB");
        assert!(erle > 35.0);
    }
}

#[test]
fn a_voice_comes_through_while_the_other_side_talks() {
    for echo_db in [-12.0, -6.0, 0.0] {
        let setting = Setting { near: (8.0, 18.0), echo_db, ..Setting::far_only(0.4, 18.0) };
        let scene = setting.play();
        let alone = processed(CANCEL, &scene.near_only());
        let both = processed(CANCEL, &scene);
        let (alone, both) = (part(&alone, 8.0, 18.0), part(&both, 8.0, 18.0));
        let voice = kept(alone, both);
        eprintln!("echo {echo_db} dB: {voice:.1?}");
        assert!(voice.level_db > -2.5, "the voice is lost");
        assert!(voice.segmental_db > 8.0, "the voice is distorted, or the echo is back");
    }
}

#[test]
fn headphones_are_not_harmed() {
    // The other side talks all the time, and nothing of it reaches the microphone.
    let setting = Setting { near: (0.0, 14.0), echo_db: -90.0, ..Setting::far_only(0.4, 14.0) };
    let scene = setting.play();
    let (alone, both) = (processed(CANCEL, &scene.near_only()), processed(CANCEL, &scene));
    let voice = kept(part(&alone, 2.0, 14.0), part(&both, 2.0, 14.0));
    eprintln!("{voice:.1?}");
    assert!(voice.level_db > -1.2 && voice.segmental_db > 14.0);
}

#[test]
fn clocks_that_drift_apart_do_not_bring_the_echo_back() {
    for drift_ppm in [-100.0, 100.0] {
        let scene = Setting { drift_ppm, ..Setting::far_only(0.4, 30.0) }.play();
        let out = processed(CANCEL, &scene);
        let (soon, late) = (erle_db(&scene, &out, 3.0, 5.0), erle_db(&scene, &out, 20.0, 30.0));
        eprintln!("{drift_ppm} ppm: ERLE {soon:.1} dB after 3 s, {late:.1} after 20 s");
        assert!(soon > 35.0 && late > 38.0);
    }
}

#[test]
fn noise_goes_and_speech_stays() {
    let clean = speech::talker(14.0);
    for (name, noise, less_db) in [
        ("fan", noise::fan(14.0), 12.0),
        ("babble", noise::babble(14.0), 4.0),
        ("keyboard", noise::keyboard(14.0), 6.0),
    ] {
        let noise = voice_lab::at_power(noise, -26.0 - 15.0);
        let noisy: Vec<f32> = clean.iter().zip(&noise).map(|(c, n)| c + n).collect();
        let silence = vec![0.0; noisy.len()];
        let out = run(&mut VoiceProcessor::new(SUPPRESS), &noisy, &silence);
        let alone = run(&mut VoiceProcessor::new(SUPPRESS), &clean, &silence);
        let seconds = |s| part(s, 4.0, 14.0).to_vec();
        let (clean, noisy, out, alone) = (seconds(&clean), seconds(&noisy), seconds(&out), seconds(&alone));
        let less = pause_level_db(&noisy, &clean) - pause_level_db(&out, &clean);
        let speech_lost = speech_level_db(&clean) - speech_level_db(&alone);
        eprintln!("{name}: {less:.1} dB less in the pauses, {speech_lost:.1} dB less of clean speech");
        assert!(less > less_db, "{name} is still there");
        assert!(speech_lost.abs() < 1.0, "speech got lost");
    }
}

#[test]
fn quiet_and_loud_talkers_come_to_one_level_without_pumping() {
    let level_of = |dbfs: f64| {
        let speech = speech::at_level(speech::talker(30.0), dbfs);
        let out = run(&mut VoiceProcessor::new(LEVEL), &speech, &vec![0.0; speech.len()]);
        // The high-pass filter alone: it takes out more of deep sounds, and that is not the gain's doing.
        let filter = VoiceProcessing { echo_cancellation: true, ..VoiceProcessing::OFF };
        let filtered = run(&mut VoiceProcessor::new(filter), &speech, &vec![0.0; speech.len()]);
        // The gain of every fifth of a second of the last ten, where there is speech.
        let gains: Vec<f64> = (100..150)
            .map(|n| f64::from(n) / 5.0)
            .map(|s| (power_db(part(&filtered, s, s + 0.2)), power_db(part(&out, s, s + 0.2))))
            .filter(|(said, _)| *said > dbfs - 3.0)
            .map(|(said, sent)| sent - said)
            .collect();
        let (low, high) =
            (gains.iter().copied().fold(f64::MAX, f64::min), gains.iter().copied().fold(f64::MIN, f64::max));
        let level = speech_level_db(part(&out, 20.0, 30.0));
        let peak = part(&out, 20.0, 30.0).iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        eprintln!("{dbfs} dBFS: comes out at {level:.1}, gain {low:.1} to {high:.1} dB, peak {peak:.2}");
        assert!(high - low < 2.0, "the gain pumps");
        assert!(peak < 0.999, "it clips");
        level
    };
    let levels = [-44.0, -32.0, -24.0, -14.0].map(level_of);
    let (low, high) =
        (levels.iter().copied().fold(f64::MAX, f64::min), levels.iter().copied().fold(f64::MIN, f64::max));
    assert!(high - low < 5.0, "{levels:.1?}");
}

#[test]
fn the_whole_chain_leaves_no_echo_and_a_voice() {
    let scene = Setting { near: (8.0, 18.0), ..Setting::far_only(0.4, 18.0) }.play();
    let out = processed(CLEAN, &scene);
    let erle = erle_db(&scene, &out, 4.0, 8.0);
    let alone = processed(CLEAN, &scene.near_only());
    let voice = kept(part(&alone, 8.0, 18.0), part(&out, 8.0, 18.0));
    eprintln!("ERLE {erle:.1} dB, {voice:.1?}");
    assert!(erle > 40.0 && voice.level_db > -2.5 && voice.segmental_db > 6.0);
    // Gain control learns nothing from the echo: it is no louder for it.
    let all = processed(VoiceProcessing::ON, &scene);
    let echo_left = power_db(part(&all, 4.0, 8.0));
    eprintln!("with gain control {echo_left:.1} dBFS of echo are left");
    assert!(echo_left < -65.0);
}

#[test]
fn switched_off_it_does_nothing_and_switching_never_breaks_it() {
    let scene = Setting { near: (0.0, 6.0), ..Setting::far_only(0.2, 6.0) }.play();
    let mut processor = VoiceProcessor::new(VoiceProcessing::OFF);
    let switch = processor.switch();
    let out = run(&mut processor, &scene.mic, &scene.far);
    assert!(out.iter().zip(&scene.mic).all(|(o, m)| (o - m).abs() <= 0.5 / 32_768.0 + 1e-6));
    for bits in 0..24_u32 {
        let [echo_cancellation, noise_suppression, gain_control] = [1, 2, 4].map(|bit| bits & bit != 0);
        let wanted = VoiceProcessing { echo_cancellation, noise_suppression, gain_control };
        switch.set(wanted);
        assert_eq!(switch.get(), wanted);
        let from = f64::from(bits) * 0.25;
        let out = run(&mut processor, part(&scene.mic, from, from + 0.25), part(&scene.far, from, from + 0.25));
        assert!(power_db(&out) < -10.0);
    }
}
