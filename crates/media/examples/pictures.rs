//! What sizes, quantisers and steps cost, on made-up films. `cargo run --example pictures [curves|steps|shown]`.

#[path = "../tests/natural/mod.rs"]
mod natural;
#[path = "../tests/quality/mod.rs"]
mod quality;

use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedVideo, I420Buffer, VideoCodec};
use eyeline_media::units::Bitrate;
use eyeline_media::video::{
    Adaptation, Conditions, Content, EncoderSetup, Prediction, Scaler, VideoDecoder, VideoEncoder,
};

use natural::{EASY, Film, HARD, NATURAL};
use quality::ssim;

const HD: (u32, u32) = (1280, 720);
const FRAME: Duration = Duration::from_micros(33_333);
/// Frames of each film; it plays there and back again.
const FRAMES: usize = 60;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_else(|| "shown".to_owned());
    for (name, hardness) in [("easy", EASY), ("natural", NATURAL), ("hard", HARD)] {
        let film = Film::new(HD.0, HD.1, hardness);
        let frames: Vec<I420Buffer> = (0..u32::try_from(FRAMES).expect("few")).map(|n| film.frame(n)).collect();
        match what.as_str() {
            "curves" => curves(name, &frames),
            "steps" => steps(name, &frames),
            _ => shown(name, &frames),
        }
    }
}

/// SSIM at 720 lines, mean quantiser, rate and time, for each size at each rate.
fn curves(name: &str, frames: &[I420Buffer]) {
    for kbps in [100, 150, 300, 500, 800, 1_000, 3_000] {
        for size in [HD, (960, 540), (640, 360), (480, 270)] {
            let mut run = Run::new(frames, size, HD, kbps);
            run.skip(45);
            run.measure(75);
            run.report(&format!("{name} {kbps} kbit/s {} lines", size.1));
        }
    }
}

/// Bytes of the pictures around each step.
fn steps(name: &str, frames: &[I420Buffer]) {
    for (from, to) in [(HD, (960, 540)), (HD, (640, 360)), ((960, 540), HD), ((640, 360), HD)] {
        let mut run = Run::new(frames, from, HD, 1_000);
        run.skip(60);
        run.encoder.set_size(to).expect("taken");
        println!("{name} 1000 kbit/s {} -> {} lines: {:?}", from.1, to.1, run.bytes(8, Prediction::Previous));
    }
    let mut run = Run::new(frames, HD, HD, 3_000);
    run.skip(90);
    run.encoder.set_bitrate(Bitrate::from_kbps(400)).expect("accepted");
    println!("{name} 3000 -> 400 kbit/s at 720 lines: {:?}", run.bytes(12, Prediction::Previous));
    let mut run = Run::new(frames, HD, HD, 1_000);
    println!("{name} 1000 kbit/s, first: {:?}", run.bytes(8, Prediction::Previous));
    let kept = run.encoder.kept();
    println!("{name} 1000 kbit/s, first recovery: {:?}", run.bytes(4, Prediction::Acknowledged(kept)));
    for wait in [15, 45, 75] {
        run.skip(wait);
        let kept = run.encoder.kept();
        println!("{name} recovery from a kept picture: {:?}", run.bytes(4, Prediction::Acknowledged(kept)));
    }
    run.skip(60);
    println!("{name} keyframe: {:?}", run.bytes(4, Prediction::Nothing));
}

/// What comes of it all, with the size chosen as in a call.
fn shown(name: &str, frames: &[I420Buffer]) {
    for kbps in [60, 100, 150, 300, 500, 1_000, 3_000] {
        let bitrate = Bitrate::from_kbps(kbps);
        let asked = Conditions { codec: VideoCodec::Vp9, bitrate, source: HD, max: HD, content: Content::Motion };
        let mut adaptation = Adaptation::default();
        let size = adaptation.size(Instant::now(), &asked);
        let mut run = Run::new(frames, size, HD, kbps);
        for number in 0..240 {
            if number == 120 {
                run.measured = Measured::default();
            }
            let now = run.start + FRAME * run.number;
            run.encoder.set_size(adaptation.size(now, &asked)).expect("taken");
            let halved = !adaptation.pause(Content::Motion).is_zero() && number % 2 == 1;
            let left_out = run.picture(Prediction::Previous, number >= 120, halved).is_none();
            if !halved && let Some(quantizer) = if left_out { Some(60) } else { run.encoder.quantizer() } {
                adaptation.encoded(quantizer, bitrate, run.encoder.size());
            }
        }
        run.report(&format!("{name} {kbps} kbit/s: began with {} lines, {} now", size.1, run.encoder.size().1));
    }
}

struct Run<'a> {
    frames: &'a [I420Buffer],
    encoder: VideoEncoder,
    decoder: VideoDecoder,
    scaler: Scaler,
    shown: Option<I420Buffer>,
    start: Instant,
    number: u32,
    measured: Measured,
}

#[derive(Default)]
struct Measured {
    bytes: usize,
    pictures: u32,
    left_out: u32,
    ssim: f64,
    quantizer: u32,
    times: Vec<Duration>,
}

impl<'a> Run<'a> {
    fn new(frames: &'a [I420Buffer], size: (u32, u32), room: (u32, u32), kbps: u64) -> Self {
        let (codec, bitrate) = (VideoCodec::Vp9, Bitrate::from_kbps(kbps));
        let setup = EncoderSetup { codec, size, room, fps: 30, bitrate, content: Content::Motion };
        Self {
            frames,
            encoder: VideoEncoder::open(&setup).expect("an encoder"),
            decoder: VideoDecoder::new(codec).expect("a decoder"),
            scaler: Scaler::default(),
            shown: None,
            start: Instant::now(),
            number: 0,
            measured: Measured::default(),
        }
    }

    fn skip(&mut self, count: u32) {
        (0..count).for_each(|_| drop(self.picture(Prediction::Previous, false, false)));
    }

    fn measure(&mut self, count: u32) {
        self.measured = Measured::default();
        (0..count).for_each(|_| drop(self.picture(Prediction::Previous, true, false)));
    }

    /// Bytes and quantiser of the next pictures, the first of them predicted like this.
    fn bytes(&mut self, count: usize, from: Prediction) -> Vec<(usize, Option<u8>)> {
        let mut from = Some(from);
        let picture = |_| {
            let encoded = self.picture(from.take().unwrap_or(Prediction::Previous), false, false);
            (encoded.map_or(0, |encoded| encoded.data.len()), self.encoder.quantizer())
        };
        (0..count).map(picture).collect()
    }

    fn picture(&mut self, from: Prediction, measure: bool, leave_out: bool) -> Option<EncodedVideo> {
        let there_and_back = self.number as usize % (2 * FRAMES - 2);
        let original = &self.frames[there_and_back.min(2 * FRAMES - 2 - there_and_back)];
        let at = self.start + FRAME * self.number;
        self.number += 1;
        let (width, height) = self.encoder.size();
        let picture = self.scaler.scale(original, width, height);
        let began = thread_time();
        let encoded = if leave_out { None } else { self.encoder.encode(&picture, at, from).expect("encodes") };
        let took = thread_time().saturating_sub(began);
        if let Some(encoded) = &encoded {
            let picture = self.decoder.decode(&encoded.data).expect("decodes").expect("shown");
            self.shown = Some(self.scaler.scale(&picture, HD.0, HD.1));
            self.measured.bytes += encoded.data.len();
            self.measured.quantizer += self.encoder.quantizer().map_or(0, u32::from);
            self.measured.times.push(took);
        }
        self.measured.pictures += 1;
        self.measured.left_out += u32::from(encoded.is_none());
        if measure && let Some(shown) = &self.shown {
            self.measured.ssim += ssim(original, shown);
        }
        encoded
    }

    fn report(&mut self, title: &str) {
        let m = &mut self.measured;
        m.times.sort_unstable();
        let (pictures, came) = (f64::from(m.pictures), m.pictures - m.left_out);
        println!(
            "{title}: {:.0} kbit/s, ssim {:.4}, quantizer {:.1}, {} of {} left out, {:.1} ms",
            m.bytes as f64 * 8.0 * 30.0 / 1_000.0 / pictures,
            m.ssim / pictures,
            f64::from(m.quantizer) / f64::from(came.max(1)),
            m.left_out,
            m.pictures,
            m.times.get(m.times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3),
        );
    }
}

/// Processor time of this thread: what else the machine does is left out.
#[cfg(unix)]
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn thread_time() -> Duration {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
