//! A bound on how fine the next few pictures may be, where rate control would send too much.
//!
//! libvpx chooses the quantiser of a picture by those before it. After a step (rate cut, larger picture, keyframe) those say too
//! little, and it sends several pictures' worth of bits at once: measured 39,581 bytes for one picture at 1 Mbit/s after a step
//! from 360 to 720 lines, 10,827 with this bound.

use std::ffi::c_uint;

use super::settings::FINEST;
use crate::video::quantizer::Operating;

/// Pictures after a step that the bound holds for.
const PICTURES: u32 = 3;
/// How far below the expected quantiser the bound lies after a change of rate or size, and how much further with each
/// picture: what is expected may be off, and then rate control finds the rest of the way in steps.
const SLACK: f32 = 3.0;
const MORE_SLACK: f32 = 3.0;
/// How far above the expected quantiser it lies after a step to a larger picture, which has much to say that the smaller one could
/// not; a third of that less with each picture.
const GROWN_ABOVE: f32 = 9.0;
/// How far above the usual quantiser a keyframe's lies: it has everything to say at once. The two after it refine it
/// by a third of that each: libvpx would send the rest at once (measured: 14 KB, then 19 KB, at 1 Mbit/s).
const KEYFRAME_ABOVE: f32 = 12.0;

/// The same for one that is predicted from a kept picture: what changed since then.
const RECOVERY_ABOVE: f32 = 4.0;

/// What the next picture is predicted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ordinary,
    Recovery,
    Keyframe,
}

/// A step, after which the bound holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Cut,
    Growth,
    Keyframe,
}

/// The bound.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// Where the encoder was when rate control last chose freely, and what it chose.
    settled: Option<(f32, Option<Operating>)>,
    /// Pictures that it still holds for.
    left: u32,
    /// What the last step was.
    step: Step,
}

impl Floor {
    /// Whether the last picture was under the bound.
    pub(super) fn holds(&self) -> bool {
        self.left > 0
    }

    /// The encoder was at `from` and is asked for `to` now.
    pub(super) fn moved(&mut self, from: Operating, to: Operating) {
        if let Some((_, at)) = &mut self.settled {
            at.get_or_insert(from);
        }
        self.step = if to.short > from.short { Step::Growth } else { Step::Cut };
        self.left = PICTURES + 1;
    }

    /// Rate control chose this quantiser freely.
    pub(super) fn settled(&mut self, quantizer: u8) {
        self.settled = Some((f32::from(quantizer), None));
    }

    /// The finest quantiser for the next picture.
    pub(super) fn next(&mut self, now: Operating, kind: Kind, coarsest: c_uint) -> c_uint {
        self.left = self.left.saturating_sub(1);
        let expected = match self.settled {
            Some((quantizer, Some(from))) => from.expect(quantizer, now),
            Some((quantizer, None)) => quantizer,
            None => now.typical(),
        };
        let above = match kind {
            Kind::Keyframe => Some(KEYFRAME_ABOVE),
            Kind::Recovery => Some(RECOVERY_ABOVE),
            Kind::Ordinary => None,
        };
        if let Some(above) = above {
            if kind == Kind::Keyframe {
                (self.step, self.left) = (Step::Keyframe, PICTURES);
            } else {
                self.left = self.left.max(1);
            }
            return whole(expected + above, coarsest);
        }
        let from_expected = match (self.left, self.step) {
            (0, _) => return FINEST,
            (1, Step::Keyframe) => KEYFRAME_ABOVE / 3.0,
            (_, Step::Keyframe) => KEYFRAME_ABOVE * 2.0 / 3.0,
            (1, Step::Growth) => GROWN_ABOVE / 3.0,
            (2, Step::Growth) => GROWN_ABOVE * 2.0 / 3.0,
            (_, Step::Growth) => GROWN_ABOVE,
            (1, Step::Cut) => -SLACK - 2.0 * MORE_SLACK,
            (2, Step::Cut) => -SLACK - MORE_SLACK,
            (_, Step::Cut) => -SLACK,
        };
        whole(expected + from_expected, coarsest)
    }
}

fn whole(quantizer: f32, coarsest: c_uint) -> c_uint {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 2..=63")]
    let whole = quantizer.round().clamp(2.0, 63.0) as c_uint;
    whole.clamp(FINEST, coarsest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bitrate;

    fn at(kbps: u64, short: u32) -> Operating {
        Operating { bitrate: Bitrate::from_kbps(kbps), short }
    }

    #[test]
    fn a_cut_bounds_three_pictures() {
        let mut floor = Floor::default();
        floor.settled(24);
        assert_eq!(floor.next(at(3_000, 720), Kind::Ordinary, 54), FINEST);
        floor.moved(at(3_000, 720), at(400, 720));
        floor.moved(at(400, 720), at(400, 540));
        for bound in [33, 30, 27] {
            assert_eq!(
                floor.next(at(400, 540), Kind::Ordinary, 54),
                bound,
                "both moves count, from where it was settled"
            );
            assert!(floor.holds());
        }
        assert_eq!(floor.next(at(400, 540), Kind::Ordinary, 54), FINEST);
        assert!(!floor.holds());
    }

    #[test]
    fn a_larger_picture_says_the_new_in_three_steps() {
        let mut floor = Floor::default();
        floor.settled(24);
        floor.moved(at(1_000, 540), at(1_000, 720));
        let bounds = [(); 4].map(|()| floor.next(at(1_000, 720), Kind::Ordinary, 54));
        assert_eq!(bounds, [44, 41, 38, FINEST]);
    }

    #[test]
    fn a_keyframe_is_coarser_than_usual_and_the_coarsest_is_never_passed() {
        let mut floor = Floor::default();
        assert!((37..=43).contains(&floor.next(at(300, 360), Kind::Keyframe, 54)));
        floor.settled(30);
        let kinds = [Kind::Keyframe, Kind::Ordinary, Kind::Ordinary, Kind::Ordinary];
        assert_eq!(kinds.map(|kind| floor.next(at(300, 360), kind, 54)), [42, 38, 34, FINEST]);
        floor.settled(50);
        assert_eq!(floor.next(at(300, 360), Kind::Keyframe, 54), 54);
    }
}
