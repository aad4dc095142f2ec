//! VP8 and VP9 on real pictures: quality, rate control, keyframes, and bytes that are not what they should be.

mod quality;

use std::time::{Duration, Instant};

use eyeline_media::frame::{EncodedVideo, I420Buffer, VideoCodec};
use eyeline_media::units::Bitrate;
use eyeline_media::video::{CodecError, Prediction, TestPattern, VideoDecoder, VideoEncoder, decode_code};

use quality::ssim;

const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::Vp9];
const FRAME: Duration = Duration::from_micros(33_333);

struct Source {
    pattern: TestPattern,
    start: Instant,
}

impl Source {
    fn new(width: u32, height: u32) -> Self {
        Self { pattern: TestPattern::new(width, height), start: Instant::now() }
    }

    fn frame(&self, index: u32) -> (I420Buffer, Instant) {
        (self.pattern.draw(index.into()), self.start + FRAME * index)
    }
}

fn encode(encoder: &mut VideoEncoder, source: &Source, index: u32, key: bool) -> Option<EncodedVideo> {
    let (picture, at) = source.frame(index);
    encoder.encode(&picture, at, if key { Prediction::Nothing } else { Prediction::Previous }).expect("encodes")
}

/// Peak signal-to-noise ratio of the luma, in dB.
fn psnr(a: &I420Buffer, b: &I420Buffer) -> f64 {
    let (a, b) = (a.planes().0, b.planes().0);
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    let mean = sum.max(1) as f64 / a.len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

#[test]
fn pictures_and_codes_survive_720p_at_1_mbit() {
    for codec in CODECS {
        let source = Source::new(1280, 720);
        let mut encoder = VideoEncoder::new(codec, 1280, 720, 30, Bitrate::from_kbps(1_000)).expect("an encoder");
        let mut decoder = VideoDecoder::new(codec).expect("a decoder");
        let (mut bytes, mut shown, mut keyframes) = (0, 0, 0);
        let mut quality = Vec::new();
        for index in 0..90 {
            let Some(encoded) = encode(&mut encoder, &source, index, false) else { continue };
            bytes += encoded.data.len();
            keyframes += u32::from(encoded.keyframe);
            let picture = decoder.decode(&encoded.data).expect("decodes").expect("shows a picture");
            assert_eq!(decode_code(&picture), index, "{codec:?}");
            shown += 1;
            if index >= 60 {
                let original = source.frame(index).0;
                quality.push((psnr(&original, &picture), ssim(&original, &picture)));
            }
        }
        let count = quality.len() as f64;
        let (psnr, ssim) = quality.iter().fold((0.0, 0.0), |(p, s), q| (p + q.0 / count, s + q.1 / count));
        let kbps = bytes * 8 / 3 / 1_000;
        println!("{codec:?}: {kbps} kbit/s, {shown} of 90 frames, psnr {psnr:.1} dB, ssim {ssim:.3}");
        assert_eq!(keyframes, 1, "only the first frame is a keyframe");
        assert!(shown >= 80, "{codec:?} left out {} frames", 90 - shown);
        assert!(psnr > 28.0 && ssim > 0.85, "{codec:?}: psnr {psnr:.1}, ssim {ssim:.3}");
        assert!((500..1_500).contains(&kbps), "{codec:?}: {kbps} kbit/s");
    }
}

#[test]
fn a_new_bitrate_takes_effect() {
    for codec in CODECS {
        let source = Source::new(640, 360);
        let mut encoder = VideoEncoder::new(codec, 640, 360, 30, Bitrate::from_kbps(1_200)).expect("an encoder");
        let mut sizes = Vec::new();
        for index in 0..180 {
            if index == 90 {
                encoder.set_bitrate(Bitrate::from_kbps(300)).expect("accepted");
            }
            sizes.push(encode(&mut encoder, &source, index, false).map_or(0, |encoded| encoded.data.len()));
        }
        let before: usize = sizes[60..90].iter().sum();
        let after: usize = sizes[150..180].iter().sum();
        assert!(after * 2 < before, "{codec:?}: {before} bytes a second before, {after} after");
    }
}

#[test]
fn a_keyframe_comes_on_the_very_frame_and_starts_a_decoder() {
    for codec in CODECS {
        let source = Source::new(320, 180);
        let mut encoder = VideoEncoder::new(codec, 320, 180, 30, Bitrate::from_kbps(300)).expect("an encoder");
        let mut late_joiner = VideoDecoder::new(codec).expect("a decoder");
        for index in 0..30 {
            let wanted = index == 17;
            let Some(encoded) = encode(&mut encoder, &source, index, wanted) else {
                assert!(!wanted, "the keyframe was left out");
                continue;
            };
            assert_eq!(encoded.keyframe, wanted || index == 0, "{codec:?} frame {index}");
            match index {
                0 => {}
                1..17 => assert_eq!(late_joiner.decode(&encoded.data), Err(CodecError::NoKeyframe)),
                _ => {
                    let picture = late_joiner.decode(&encoded.data).expect("decodes").expect("shows a picture");
                    assert_eq!(decode_code(&picture), index);
                }
            }
        }
    }
}

#[test]
fn junk_is_an_error_and_a_keyframe_heals() {
    for codec in CODECS {
        let source = Source::new(320, 180);
        let mut encoder = VideoEncoder::new(codec, 320, 180, 30, Bitrate::from_kbps(300)).expect("an encoder");
        let mut decoder = VideoDecoder::new(codec).expect("a decoder");
        let key = encode(&mut encoder, &source, 0, true).expect("a keyframe");
        let delta = encode(&mut encoder, &source, 1, false).expect("a frame");

        assert!(decoder.decode(&[]).is_err());
        assert!(decoder.decode(&[0x80; 3]).is_err());
        decoder.decode(&key.data).expect("decodes");
        assert!(decoder.decode(&[]).is_err(), "nothing is not a frame");
        assert_eq!(decoder.decode(&delta.data), Err(CodecError::NoKeyframe), "an error asks for a keyframe");

        // Whatever is cut or flipped: an answer, never a panic, and the next keyframe heals it.
        for cut in (0..key.data.len()).step_by(key.data.len() / 40 + 1) {
            drop(decoder.decode(&key.data[..cut]));
        }
        let mut seed = 1_u32;
        for _ in 0..200 {
            let mut broken = key.data.to_vec();
            for _ in 0..4 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = seed as usize % broken.len();
                broken[at] = (seed >> 16).to_le_bytes()[0];
            }
            drop(decoder.decode(&broken));
        }
        let picture = decoder.decode(&key.data).expect("decodes").expect("shows a picture");
        assert_eq!(decode_code(&picture), 0, "{codec:?}");
    }
}

#[test]
fn enormous_pictures_are_refused() {
    // A VP8 keyframe header (RFC 6386 section 9.1) that announces 16383 x 16383 pixels.
    let vp8 = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0, 0, 0, 0, 0];
    let mut decoder = VideoDecoder::new(VideoCodec::Vp8).expect("a decoder");
    assert_eq!(decoder.decode(&vp8), Err(CodecError::Size { width: 16_383, height: 16_383 }));
    // A VP9 keyframe header (VP9 specification section 6.2): profile 0, 65536 x 65536.
    let vp9 = [0x82, 0x49, 0x83, 0x42, 0x20, 0xff, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0, 0, 0];
    let mut decoder = VideoDecoder::new(VideoCodec::Vp9).expect("a decoder");
    assert!(matches!(decoder.decode(&vp9), Err(CodecError::Size { .. })));
}

#[test]
fn odd_sizes_and_wrong_sizes() {
    for codec in CODECS {
        let mut encoder = VideoEncoder::new(codec, 321, 181, 30, Bitrate::from_kbps(300)).expect("an encoder");
        let mut picture = I420Buffer::black(321, 181);
        let (y, u, v) = picture.planes_mut();
        y.fill(120);
        u.fill(60);
        v.fill(200);
        let mut decoder = VideoDecoder::new(codec).expect("a decoder");
        let start = Instant::now();
        let mut decoded = None;
        // A keyframe is coarse; the pictures after it say the rest.
        for number in 0..20 {
            let encoded = encoder.encode(&picture, start + FRAME * number, Prediction::Previous).expect("encodes");
            decoded = encoded.and_then(|encoded| decoder.decode(&encoded.data).expect("decodes")).or(decoded);
        }
        let decoded = decoded.expect("shown");
        assert_eq!((decoded.width(), decoded.height()), (321, 181));
        let (y, u, v) = decoded.planes();
        for (plane, want) in [(y, 120_u8), (u, 60), (v, 200)] {
            assert!(
                plane.iter().all(|p| p.abs_diff(want) <= 4),
                "{codec:?}: {want} became {:?}",
                &plane[plane.len() - 4..]
            );
        }
        let other = I420Buffer::black(320, 180);
        let refused = encoder.encode(&other, Instant::now(), Prediction::Previous);
        assert_eq!(refused.map(|_| ()), Err(CodecError::Size { width: 320, height: 180 }));
        assert!(VideoEncoder::new(codec, 0, 180, 30, Bitrate::from_kbps(300)).is_err());
    }
}
