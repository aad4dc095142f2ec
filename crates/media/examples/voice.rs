//! Prints what voice processing does to recorded speech in simulated rooms, and what it costs; with a folder as argument it
//! writes what it heard there as wav files. The figures of `docs/decisions/0015-voice.md` are from here.

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "samples and their numbers")]
#[path = "../tests/voice_lab/mod.rs"]
mod voice_lab;

use std::path::Path;
use std::time::Instant;

use eyeline_media::audio::{BLOCK_SAMPLES, CaptureProcessor, VoiceProcessing, VoiceProcessor};
use voice_lab::chain::{CANCEL, CLEAN, LEVEL, SUPPRESS, erle_db, part, processed, run, to_block};
use voice_lab::figures::{kept, lag, pause_level_db, power_db, speech_level_db};
use voice_lab::scene::{Scene, Setting};
use voice_lab::{RATE, at_power, noise, speech};

fn main() {
    let folder = std::env::args().nth(1);
    let folder = folder.as_ref().map(Path::new);
    single_talk();
    double_talk(folder);
    drift();
    noises(folder);
    levels();
    cost();
}

fn single_talk() {
    println!("\nERLE, dB: RT60 | 1-2 s | 3-5 s | 8-12 s | moved, 1-2 s after | 3-6 s after");
    for rt60_s in [0.2, 0.4, 0.7] {
        let scene = Setting { moved_at_s: Some(12.0), ..Setting::far_only(rt60_s, 18.0) }.play();
        for (name, processing) in [("cancel", CANCEL), ("and suppress", CLEAN)] {
            let out = processed(processing, &scene);
            let of = |from, to| erle_db(&scene, &out, from, to);
            let (soon, late) = (of(3.0, 5.0), of(8.0, 12.0));
            let (first, changed, learnt) = (of(1.0, 2.0), of(13.0, 14.0), of(15.0, 18.0));
            println!("{rt60_s} s, {name} | {first:.0} | {soon:.0} | {late:.0} | {changed:.0} | {learnt:.0}");
        }
    }
}

fn double_talk(folder: Option<&Path>) {
    println!("\nNear end while both talk: RT60, echo to voice | level, dB | segmental SNR, dB | not processed, dB");
    for (rt60_s, echo_db) in [(0.2, -6.0), (0.4, -12.0), (0.4, -6.0), (0.4, 0.0), (0.7, -6.0), (0.4, -90.0)] {
        let setting = Setting { near: (8.0, 18.0), echo_db, ..Setting::far_only(rt60_s, 18.0) };
        let scene = setting.play();
        let (alone, both) = (processed(CANCEL, &scene.near_only()), processed(CANCEL, &scene));
        let voice = kept(part(&alone, 8.0, 18.0), part(&both, 8.0, 18.0));
        let raw = kept(part(&scene.near, 8.0, 18.0), part(&scene.mic, 8.0, 18.0));
        println!(
            "{rt60_s} s, {echo_db} dB | {:.1} | {:.1} | {:.1}",
            voice.level_db, voice.segmental_db, raw.segmental_db
        );
        if let Some(folder) = folder.filter(|_| echo_db > -90.0) {
            let name = |what: &str| folder.join(format!("double_{rt60_s}_{echo_db}_{what}.wav"));
            write(&name("near"), &scene.near);
            write(&name("mic"), &scene.mic);
            write(&name("out"), &both);
        }
    }
}

fn drift() {
    println!("\nERLE with drifting clocks, dB: ppm | 3-5 s | 20-30 s");
    for drift_ppm in [-100.0, 0.0, 100.0] {
        let scene = Setting { drift_ppm, ..Setting::far_only(0.4, 30.0) }.play();
        let out = processed(CANCEL, &scene);
        let (soon, late) = (erle_db(&scene, &out, 3.0, 5.0), erle_db(&scene, &out, 20.0, 30.0));
        println!("{drift_ppm} | {soon:.0} | {late:.0}");
    }
}

fn noises(folder: Option<&Path>) {
    println!("\nNoise: what, SNR | less in pauses, dB | segmental SNR before, dB | after, dB | clean speech, dB");
    let clean = speech::talker(14.0);
    let silence = vec![0.0; clean.len()];
    let alone = run(&mut VoiceProcessor::new(SUPPRESS), &clean, &silence);
    let late = |samples: &[f32]| part(samples, 4.0, 14.0).to_vec();
    let behind = lag(&clean[4 * RATE..12 * RATE], &alone[4 * RATE..]);
    let lost = speech_level_db(&late(&alone)) - speech_level_db(&late(&clean));
    for (name, noise) in
        [("fan", noise::fan(14.0)), ("babble", noise::babble(14.0)), ("keyboard", noise::keyboard(14.0))]
    {
        for snr_db in [15.0, 5.0] {
            let noise = at_power(noise.clone(), -26.0 - snr_db);
            let noisy: Vec<f32> = clean.iter().zip(&noise).map(|(c, n)| c + n).collect();
            let out = run(&mut VoiceProcessor::new(SUPPRESS), &noisy, &silence);
            let less = pause_level_db(&late(&noisy), &late(&clean)) - pause_level_db(&late(&out), &late(&clean));
            let before = kept(part(&clean, 4.0, 13.0), part(&noisy, 4.0, 13.0)).segmental_db;
            let after = kept(part(&clean, 4.0, 13.0), &out[4 * RATE + behind..13 * RATE + behind]).segmental_db;
            println!("{name}, {snr_db} dB | {less:.1} | {before:.1} | {after:.1} | {lost:.1}");
            if let Some(folder) = folder {
                write(&folder.join(format!("noise_{name}_{snr_db}_in.wav")), &noisy);
                write(&folder.join(format!("noise_{name}_{snr_db}_out.wav")), &out[behind..]);
                write(&folder.join("noise_clean.wav"), &clean);
            }
        }
    }
}

fn levels() {
    println!("\nGain control: level in, dBFS | out after 3 s | out after 20 s");
    for dbfs in [-44.0, -38.0, -32.0, -26.0, -20.0, -14.0] {
        let speech = speech::at_level(speech::talker(30.0), dbfs);
        let out = run(&mut VoiceProcessor::new(LEVEL), &speech, &vec![0.0; speech.len()]);
        let level = |from, to| speech_level_db(part(&out, from, to));
        println!("{dbfs} | {:.1} | {:.1}", level(3.0, 6.0), level(20.0, 30.0));
    }
}

/// The median is of the blocks of 20 s, with everything else of the machine in it.
fn cost() {
    println!("\nCost of 10 ms, microseconds (median): what | speaker plays | it does not");
    let scene = Setting { near: (6.0, 20.0), ..Setting::far_only(0.4, 20.0) }.play();
    for (name, processing) in
        [("cancel", CANCEL), ("suppress", SUPPRESS), ("gain", LEVEL), ("all", VoiceProcessing::ON)]
    {
        let (playing, quiet) = (median_us(processing, &scene), median_us(processing, &scene.near_only()));
        println!("{name} | {playing:.0} | {quiet:.0}");
    }
    println!("\npower of what is left of the echo: {:.0} dBFS", {
        let out = processed(VoiceProcessing::ON, &scene);
        power_db(part(&out, 3.0, 6.0))
    });
}

fn median_us(processing: VoiceProcessing, scene: &Scene) -> f64 {
    let mut processor = VoiceProcessor::new(processing);
    let mut taken = Vec::new();
    for (mic, far) in scene.mic.chunks_exact(BLOCK_SAMPLES).zip(scene.far.chunks_exact(BLOCK_SAMPLES)) {
        let (mut block, far) = (to_block(mic), to_block(far));
        let began = Instant::now();
        processor.process(&mut block, &far);
        taken.push(began.elapsed().as_secs_f64() * 1e6);
    }
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}

#[expect(clippy::cast_possible_truncation, reason = "samples; casts saturate")]
fn write(path: &Path, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let written = hound::WavWriter::create(path, spec).and_then(|mut wav| {
        for sample in samples {
            wav.write_sample((sample * 32_767.0).round() as i16)?;
        }
        wav.finalize()
    });
    if let Err(error) = written {
        eprintln!("{}: {error}", path.display());
    }
}
