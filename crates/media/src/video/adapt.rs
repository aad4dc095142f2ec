//! Which picture size suits a bitrate and this machine.

use std::time::{Duration, Instant};

use super::scale::fit_within;
use crate::frame::VideoCodec;
use crate::units::Bitrate;

/// Heights of a landscape picture (shorter sides), and the VP9 rate from which each is worth its bits.
const RUNGS: [(u32, u64); 6] = [(1080, 2_200), (720, 450), (540, 260), (360, 130), (270, 70), (180, 0)];
/// VP8 needs about this many percent of VP9's rate for the same picture (720p talking head, VMAF).
const VP8_PERCENT: u64 = 180;
/// Going up again needs this many percent of a rung's rate, so that a rate at the edge does not flap.
const UP_PERCENT: u64 = 125;
/// Time at one size before a larger one is tried: each change costs a keyframe.
const UP_AFTER: Duration = Duration::from_secs(3);
/// Share of the frame interval that encoding may take before something is done about it.
const BUSY_SHARE: f32 = 0.85;
/// The next size up costs about 1.8 times as much, so it will be below the first when this one is below the second.
const IDLE_SHARE: f32 = 0.47;
/// The smallest size a slow machine goes down to (360 lines): below it fewer pictures a second are the lesser evil.
const MACHINE_LOWEST: usize = 3;
/// Time the encoder must have been idle before a size it was too slow for is tried again.
const COOL_DOWN: Duration = Duration::from_secs(8);

/// Why the picture is smaller than its source (`RTCQualityLimitationReason` of the W3C's webrtc-stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QualityLimitation {
    /// It is not.
    #[default]
    None,
    /// The machine cannot encode a larger one in time.
    Cpu,
    /// The path does not carry a larger one.
    Bandwidth,
}

/// Decides the size of the encoded picture, and whether the encoder must hurry. Told the time.
#[derive(Debug, Default)]
pub struct Adaptation {
    /// Index into [`RUNGS`] that the rate allows.
    rung: usize,
    changed_at: Option<Instant>,
    /// The encoder's fastest settings are needed. They cost some sharpness, a smaller picture would cost more.
    hurry: bool,
    /// Highest rung that the machine is fast enough for, and when that was last in question.
    machine: usize,
    machine_at: Option<Instant>,
}

impl Adaptation {
    /// The size to encode a `source` picture at, within `max`; both sides even, aspect ratio kept.
    pub fn size(
        &mut self,
        now: Instant,
        codec: VideoCodec,
        bitrate: Bitrate,
        source: (u32, u32),
        max: (u32, u32),
    ) -> (u32, u32) {
        let lowest = RUNGS.len() - 1;
        let fits = |percent: u64| {
            RUNGS.iter().position(|&(_, kbps)| bitrate.kbps() * 100 >= needed(codec, kbps) * percent).unwrap_or(lowest)
        };
        let (down, up) = (fits(100), fits(UP_PERCENT));
        match self.changed_at {
            None => self.change(now, down),
            Some(_) if down > self.rung => self.change(now, down),
            Some(at) if up < self.rung && now.saturating_duration_since(at) >= UP_AFTER => self.change(now, up),
            Some(_) => {}
        }
        let short = RUNGS[self.rung.max(self.machine)].0;
        let (width, height) = fit_within(source.0, source.1, max);
        scale_to_short_side(width, height, short)
    }

    fn change(&mut self, now: Instant, rung: usize) {
        self.rung = rung;
        self.changed_at = Some(now);
    }

    /// Whether the encoder should run at its fastest settings.
    #[must_use]
    pub fn hurry(&self) -> bool {
        self.hurry
    }

    /// What kept the last [`size`](Self::size) below the source's.
    #[must_use]
    pub fn limited_by(&self, source: (u32, u32), encoded: (u32, u32)) -> QualityLimitation {
        if source.0.min(source.1) <= encoded.0.min(encoded.1) {
            QualityLimitation::None
        } else if self.machine > self.rung {
            QualityLimitation::Cpu
        } else {
            QualityLimitation::Bandwidth
        }
    }

    /// Told how much of the time between two frames encoding took, on average; 1 means that it never rests.
    pub fn load(&mut self, now: Instant, share: f32, encoded: (u32, u32)) {
        let since = self.machine_at.map(|at| now.saturating_duration_since(at));
        let rested = |pause| since.is_none_or(|since| since >= pause);
        if share > BUSY_SHARE && rested(UP_AFTER) {
            if self.hurry {
                let short = encoded.0.min(encoded.1);
                let current = RUNGS.iter().position(|&(rung, _)| rung <= short).unwrap_or(RUNGS.len() - 1);
                self.machine = (current + 1).min(MACHINE_LOWEST);
            }
            self.hurry = true;
            self.machine_at = Some(now);
        } else if share < IDLE_SHARE && rested(COOL_DOWN) && (self.hurry || self.machine > 0) {
            // Sharpness comes back last: at the fastest settings the larger picture is the better one.
            if self.machine > 0 {
                self.machine -= 1;
            } else {
                self.hurry = false;
            }
            self.machine_at = Some(now);
        }
    }
}

fn needed(codec: VideoCodec, vp9_kbps: u64) -> u64 {
    match codec {
        VideoCodec::Vp9 => vp9_kbps,
        VideoCodec::Vp8 => vp9_kbps * VP8_PERCENT / 100,
    }
}

fn scale_to_short_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    if width.min(height) <= short {
        return (width, height);
    }
    if width >= height {
        fit_within(width, height, (u32::MAX, short))
    } else {
        fit_within(width, height, (short, u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: (u32, u32) = (1280, 720);

    fn size(a: &mut Adaptation, now: Instant, kbps: u64) -> (u32, u32) {
        a.size(now, VideoCodec::Vp9, Bitrate::from_kbps(kbps), HD, HD)
    }

    #[test]
    fn size_follows_the_rate_down_at_once_and_up_with_patience() {
        let (mut a, t0) = (Adaptation::default(), Instant::now());
        assert_eq!(size(&mut a, t0, 1_000), HD);
        assert_eq!(size(&mut a, t0, 300), (960, 540));
        assert_eq!(size(&mut a, t0, 60), (320, 180));
        let later = t0 + UP_AFTER;
        assert_eq!(size(&mut a, later, 460), (960, 540));
        assert_eq!(size(&mut a, later + Duration::from_secs(1), 700), (960, 540));
        assert_eq!(size(&mut a, later + UP_AFTER, 700), HD);
        assert_eq!(size(&mut a, later + UP_AFTER, 451), HD);
    }

    #[test]
    fn vp8_needs_more_and_portrait_is_measured_by_its_short_side() {
        let mut a = Adaptation::default();
        let rate = Bitrate::from_kbps(600);
        assert_eq!(a.size(Instant::now(), VideoCodec::Vp8, rate, HD, HD), (960, 540));
        let mut a = Adaptation::default();
        let rate = Bitrate::from_kbps(150);
        assert_eq!(a.size(Instant::now(), VideoCodec::Vp9, rate, (720, 1280), (1280, 1280)), (360, 640));
    }

    #[test]
    fn a_slow_machine_hurries_first_and_then_gets_smaller_pictures() {
        let (mut a, t0) = (Adaptation::default(), Instant::now());
        assert_eq!(size(&mut a, t0, 2_000), HD);
        a.load(t0, 0.95, HD);
        assert!(a.hurry());
        assert_eq!(size(&mut a, t0, 2_000), HD);
        assert_eq!(a.limited_by(HD, HD), QualityLimitation::None);
        a.load(t0 + Duration::from_secs(1), 0.95, HD);
        assert_eq!(size(&mut a, t0, 2_000), HD, "the faster settings had no time to help");
        for second in 1..9 {
            a.load(t0 + Duration::from_secs(10 * second), 0.95, (320, 180));
        }
        assert_eq!(size(&mut a, t0, 2_000), (640, 360), "no smaller than 360 lines");
        assert_eq!(a.limited_by(HD, (640, 360)), QualityLimitation::Cpu);
        let mut t = t0 + Duration::from_secs(80);
        for (encoded, next, hurry) in
            [((640, 360), (960, 540), true), ((960, 540), HD, true), (HD, HD, true), (HD, HD, false)]
        {
            t += COOL_DOWN;
            a.load(t, 0.2, encoded);
            assert_eq!((size(&mut a, t, 2_000), a.hurry()), (next, hurry));
        }
    }

    #[test]
    fn a_thin_path_is_told_from_a_slow_machine() {
        let mut a = Adaptation::default();
        let small = size(&mut a, Instant::now(), 300);
        assert_eq!(a.limited_by(HD, small), QualityLimitation::Bandwidth);
    }

    #[test]
    fn the_ceiling_holds() {
        let mut a = Adaptation::default();
        let rate = Bitrate::from_kbps(5_000);
        assert_eq!(a.size(Instant::now(), VideoCodec::Vp9, rate, (1920, 1080), (640, 360)), (640, 360));
    }
}
