//! Which of the formats a camera offers to ask for.

use crate::video::CaptureFormat;
use crate::video::convert::RawFormat;

/// Rates above this are misread fractions (30000/1001 listed as 30000).
const MAX_FPS: u32 = 240;

/// One thing a camera can deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) format: RawFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) fps: u32,
}

/// The usable offers, best first: the size nearest to the wanted one that reaches the wanted rate; at equal size
/// uncompressed before JPEG; no faster than needed.
pub(super) fn ranked(offers: &[Offer], wanted: CaptureFormat) -> Vec<Offer> {
    let mut usable: Vec<Offer> =
        offers.iter().filter(|o| (1..=MAX_FPS).contains(&o.fps) && o.width >= 2 && o.height >= 2).copied().collect();
    usable.sort_by(|a, b| {
        cost(a, wanted)
            .total_cmp(&cost(b, wanted))
            .then(a.format.cmp(&b.format))
            .then(a.fps.abs_diff(wanted.fps).cmp(&b.fps.abs_diff(wanted.fps)))
    });
    usable.dedup();
    usable
}

/// How far an offer is from what is wanted. A missing rate weighs more than a missing size: half the rate is as bad as a
/// third of the pixels.
fn cost(offer: &Offer, wanted: CaptureFormat) -> f64 {
    let ratio = |a: u32, b: u32| (f64::from(a.max(1)) / f64::from(b.max(1))).ln().abs();
    let size = ratio(offer.width, wanted.width) + ratio(offer.height, wanted.height);
    let shortfall = (1.0 - f64::from(offer.fps) / f64::from(wanted.fps.max(1))).max(0.0);
    size + 2.0 * shortfall
}

#[cfg(test)]
mod tests {
    use super::*;
    use RawFormat::{Mjpeg, Nv12, Yuyv};

    fn best(offers: &[(RawFormat, u32, u32, u32)]) -> Offer {
        let offers: Vec<Offer> =
            offers.iter().map(|&(format, width, height, fps)| Offer { format, width, height, fps }).collect();
        ranked(&offers, CaptureFormat::default())[0]
    }

    #[test]
    fn jpeg_only_where_the_bus_is_too_slow_for_raw() {
        let webcam = [(Yuyv, 640, 480, 30), (Yuyv, 1280, 720, 10), (Mjpeg, 640, 480, 30), (Mjpeg, 1280, 720, 30)];
        assert_eq!(best(&webcam), Offer { format: Mjpeg, width: 1280, height: 720, fps: 30 });
        let fast = [(Mjpeg, 1280, 720, 30), (Yuyv, 1280, 720, 30), (Nv12, 1280, 720, 30), (Nv12, 1280, 720, 60)];
        assert_eq!(best(&fast), Offer { format: Nv12, width: 1280, height: 720, fps: 30 });
    }

    #[test]
    fn rate_matters_more_than_size_and_nonsense_is_left_out() {
        let slow = [(Yuyv, 1280, 720, 5), (Yuyv, 640, 480, 30), (Yuyv, 320, 180, 1), (Yuyv, 1280, 720, 30_000)];
        assert_eq!(best(&slow), Offer { format: Yuyv, width: 640, height: 480, fps: 30 });
        let large = [(Mjpeg, 1920, 1080, 30), (Mjpeg, 320, 240, 30)];
        assert_eq!(best(&large).width, 1920);
        assert!(ranked(&[], CaptureFormat::default()).is_empty());
    }
}
