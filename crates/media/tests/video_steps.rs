//! VP9 over a path that changes: sizes without keyframes, cuts of the rate, pictures lost for good.

mod natural;
mod quality;

use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedVideo, I420Buffer, VideoCodec};
use eyeline_media::units::Bitrate;
use eyeline_media::video::{CodecError, Content, EncoderSetup, Prediction, Scaler, VideoDecoder, VideoEncoder};

use natural::{Film, NATURAL};
use quality::ssim;

const FRAME: Duration = Duration::from_micros(33_333);
const ROOM: (u32, u32) = (640, 360);

struct Rig {
    film: Film,
    encoder: VideoEncoder,
    scaler: Scaler,
    start: Instant,
    number: u32,
}

impl Rig {
    fn new(size: (u32, u32), kbps: u64) -> Self {
        let bitrate = Bitrate::from_kbps(kbps);
        let setup =
            EncoderSetup { codec: VideoCodec::Vp9, size, room: ROOM, fps: 30, bitrate, content: Content::Motion };
        Self {
            film: Film::new(ROOM.0, ROOM.1, NATURAL),
            encoder: VideoEncoder::open(&setup).expect("an encoder"),
            scaler: Scaler::default(),
            start: Instant::now(),
            number: 0,
        }
    }

    fn original(&self) -> I420Buffer {
        self.film.frame(self.number)
    }

    /// The next picture; `None` when rate control left it out.
    fn try_next(&mut self, from: Prediction) -> Option<EncodedVideo> {
        self.number += 1;
        let (width, height) = self.encoder.size();
        let picture = self.scaler.scale(&self.original(), width, height);
        self.encoder.encode(&picture, self.start + FRAME * self.number, from).expect("encodes")
    }

    fn next(&mut self, from: Prediction) -> EncodedVideo {
        self.try_next(from).expect("a picture")
    }
}

fn decoded(decoder: &mut VideoDecoder, encoded: &EncodedVideo) -> I420Buffer {
    decoder.decode(&encoded.data).expect("decodes").expect("shows a picture")
}

#[test]
fn sizes_change_without_a_keyframe_and_without_a_burst() {
    let mut rig = Rig::new(ROOM, 500);
    let mut decoder = VideoDecoder::new(VideoCodec::Vp9).expect("a decoder");
    let keyframe = rig.next(Prediction::Previous);
    assert!(keyframe.keyframe && keyframe.reference.is_none());
    decoded(&mut decoder, &keyframe);
    for size in [(480, 270), (320, 180), (640, 360), (480, 270), (640, 360)] {
        for _ in 0..25 {
            decoded(&mut decoder, &rig.next(Prediction::Previous));
        }
        rig.encoder.set_size(size).expect("taken");
        for after in 0..3 {
            let encoded = rig.next(Prediction::Previous);
            let (bytes, whole) = (encoded.data.len(), keyframe.data.len());
            println!("{size:?} + {after}: {bytes} bytes, keyframe {whole}");
            assert!(!encoded.keyframe && encoded.reference == Some(1) && (encoded.width, encoded.height) == size);
            assert!(bytes < whole, "{size:?}: {bytes} bytes, a keyframe has {whole}");
            let picture = decoded(&mut decoder, &encoded);
            assert_eq!((picture.width(), picture.height()), size);
            let shown = rig.scaler.scale(&picture, ROOM.0, ROOM.1);
            let likeness = ssim(&rig.original(), &shown);
            assert!(likeness > 0.8, "{size:?}: {likeness}");
        }
    }
}

#[test]
fn a_stream_begins_small_and_grows_to_its_room() {
    let mut rig = Rig::new((320, 180), 300);
    let mut decoder = VideoDecoder::new(VideoCodec::Vp9).expect("a decoder");
    let first = rig.next(Prediction::Previous);
    assert!(first.keyframe && (first.width, first.height) == (320, 180));
    assert!(first.data.len() < 8_000, "{} bytes take long at 300 kbit/s", first.data.len());
    decoded(&mut decoder, &first);
    for size in [(640, 360), (638, 358), (2, 2), ROOM] {
        assert!(rig.encoder.takes(size));
        rig.encoder.set_size(size).expect("taken");
        for _ in 0..5 {
            if let Some(encoded) = rig.try_next(Prediction::Previous) {
                assert_eq!((encoded.width, encoded.height), size);
                decoded(&mut decoder, &encoded);
            }
        }
    }
    assert!(!rig.encoder.takes((642, 360)));
    let refused = rig.encoder.set_size((642, 360));
    assert_eq!(refused, Err(CodecError::Size { width: 642, height: 360 }));
}

#[test]
fn a_cut_of_the_rate_reaches_the_wire_at_once() {
    let mut rig = Rig::new(ROOM, 2_000);
    for _ in 0..60 {
        rig.try_next(Prediction::Previous);
    }
    rig.encoder.set_bitrate(Bitrate::from_kbps(300)).expect("accepted");
    let sizes: Vec<usize> =
        (0..10).map(|_| rig.try_next(Prediction::Previous).map_or(0, |encoded| encoded.data.len())).collect();
    let share = 300_000 / 8 / 30;
    println!("{sizes:?}, share {share}");
    assert!(sizes[0] < 3 * share && sizes[1] < 2 * share, "{sizes:?}");
    assert!(sizes.iter().sum::<usize>() < 11 * share, "{sizes:?}");
    assert!(sizes.windows(3).all(|three| three.iter().any(|&bytes| bytes > 0)), "100 ms without a picture: {sizes:?}");
}

#[test]
fn no_rate_is_too_low_for_a_picture_in_100_ms() {
    let mut rig = Rig::new(ROOM, 20);
    let came: Vec<bool> = (0..60).map(|_| rig.try_next(Prediction::Previous).is_some()).collect();
    assert!(came.windows(3).all(|three| three.contains(&true)), "{came:?}");
}

#[test]
fn lost_pictures_are_stepped_over_by_a_kept_one() {
    let mut rig = Rig::new(ROOM, 700);
    // `complete` sees everything, `lossy` what the path lets through.
    let mut complete = VideoDecoder::new(VideoCodec::Vp9).expect("a decoder");
    let mut lossy = VideoDecoder::new(VideoCodec::Vp9).expect("a decoder");
    for _ in 0..10 {
        rig.next(Prediction::Previous);
    }
    let kept = rig.encoder.kept();
    let first = rig.next(Prediction::Acknowledged(kept));
    assert!(first.keyframe, "from here on pictures may be missing");
    decoded(&mut complete, &first);
    decoded(&mut lossy, &first);

    let mut acknowledged = vec![first.captured_at];
    let mut lost_from = 20;
    let mut recovered = Vec::new();
    for number in 1..150 {
        let asked = number == lost_from + 6;
        let from = if asked {
            let received = |at: &Option<Instant>| at.filter(|at| acknowledged.contains(at));
            Prediction::Acknowledged([received(&rig.encoder.kept()[0]), received(&rig.encoder.kept()[1])])
        } else {
            Prediction::Previous
        };
        let encoded = rig.next(from);
        assert!(!encoded.keyframe, "{number}");
        let whole = decoded(&mut complete, &encoded);
        if (lost_from..lost_from + 6).contains(&number) {
            continue;
        }
        if asked {
            let back = encoded.reference.expect("not a keyframe");
            println!("{number}: {} bytes, {back} back; keyframe {}", encoded.data.len(), first.data.len());
            assert!(back >= 6 && acknowledged.contains(&(encoded.captured_at - FRAME * u32::from(back))));
            assert!(encoded.data.len() < 4 * 700_000 / 8 / 30, "{number}: {} bytes", encoded.data.len());
            recovered.push(back);
            lost_from += 40;
        } else {
            assert_eq!(encoded.reference, Some(1));
        }
        acknowledged.push(encoded.captured_at);
        assert!(decoded(&mut lossy, &encoded) == whole, "{number}: the loss still shows");
    }
    assert_eq!(recovered.len(), 4);
    assert!(rig.next(Prediction::Acknowledged([None; 2])).keyframe, "nothing acknowledged");
    assert!(rig.next(Prediction::Nothing).keyframe);
}

#[test]
fn screens_are_coded_too() {
    for codec in [VideoCodec::Vp9, VideoCodec::Vp8] {
        let bitrate = Bitrate::from_kbps(500);
        let setup = EncoderSetup { codec, size: ROOM, room: ROOM, fps: 30, bitrate, content: Content::Screen };
        let mut encoder = VideoEncoder::open(&setup).expect("an encoder");
        let mut decoder = VideoDecoder::new(codec).expect("a decoder");
        let mut page = I420Buffer::black(ROOM.0, ROOM.1);
        for (i, luma) in page.planes_mut().0.iter_mut().enumerate() {
            // Rows of marks as small as letters.
            *luma = if i / 640 % 12 < 8 && (i % 640 / 3 * 7 + i / 640 / 12 * 5) % 4 == 0 { 30 } else { 230 };
        }
        let start = Instant::now();
        let mut shown = None;
        for number in 0..15 {
            let encoded = encoder.encode(&page, start + FRAME * number, Prediction::Previous).expect("encodes");
            shown = encoded.map(|encoded| decoded(&mut decoder, &encoded)).or(shown);
        }
        let likeness = ssim(&page, &shown.expect("a picture"));
        assert!(likeness > 0.9, "{codec:?}: {likeness}");
    }
}
