//! Which pictures an encoder keeps for later, besides the last one.

use std::time::{Duration, Instant};

/// Age at which a kept picture is replaced: two are kept in turn, so one is always older than a round trip.
const REFRESH_AFTER: Duration = Duration::from_millis(1_000);
/// Pictures back that a reference may lie: P_DIFF has seven bits (RFC 9628 section 4.2).
const MAX_BACK: u64 = 127;

/// One of the two places besides the last picture that hold a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Golden,
    AltRef,
}

/// A kept picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    captured_at: Instant,
    number: u64,
    size: (u32, u32),
}

/// What is in the two places, and the count of pictures.
#[derive(Debug, Default)]
pub(super) struct LongTerm {
    golden: Option<Kept>,
    alt_ref: Option<Kept>,
    /// Pictures that came out so far.
    count: u64,
}

impl LongTerm {
    /// The place that the next picture should go to: the older one, when the newer is old enough.
    pub(super) fn due(&self, captured_at: Instant) -> Option<Slot> {
        let (golden, alt_ref) = (self.golden?, self.alt_ref?);
        let newer = golden.captured_at.max(alt_ref.captured_at);
        let due = captured_at.saturating_duration_since(newer) >= REFRESH_AFTER;
        let older = if golden.number <= alt_ref.number { Slot::Golden } else { Slot::AltRef };
        due.then_some(older)
    }

    /// The place of the newest picture among `acknowledged` that a picture of `size` can be predicted from, and how many
    /// pictures back it is. References may be up to twice as large (VP9 specification section 8.5.2.3) and 16 times smaller.
    pub(super) fn choose(&self, acknowledged: &[Option<Instant>], size: (u32, u32)) -> Option<(Slot, u8)> {
        let usable = |kept: &Kept| {
            acknowledged.contains(&Some(kept.captured_at))
                && self.count - kept.number <= MAX_BACK
                && within(kept.size.0, size.0)
                && within(kept.size.1, size.1)
        };
        let golden = self.golden.filter(usable).map(|kept| (Slot::Golden, kept));
        let alt_ref = self.alt_ref.filter(usable).map(|kept| (Slot::AltRef, kept));
        let (slot, kept) = alt_ref.into_iter().chain(golden).max_by_key(|(_, kept)| kept.number)?;
        Some((slot, u8::try_from(self.count - kept.number).ok()?))
    }

    /// Counts a picture that came out; it went to `slot`, and with `keyframe` to both.
    pub(super) fn came_out(&mut self, captured_at: Instant, size: (u32, u32), keyframe: bool, slot: Option<Slot>) {
        let kept = Some(Kept { captured_at, number: self.count, size });
        if keyframe || slot == Some(Slot::Golden) {
            self.golden = kept;
        }
        if keyframe || slot == Some(Slot::AltRef) {
            self.alt_ref = kept;
        }
        self.count += 1;
    }

    /// When the kept pictures were captured.
    pub(super) fn candidates(&self) -> [Option<Instant>; 2] {
        [self.golden, self.alt_ref].map(|kept| kept.map(|kept| kept.captured_at))
    }
}

fn within(reference: u32, side: u32) -> bool {
    2 * side >= reference && side <= 16 * reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_places_take_turns_and_the_newest_acknowledged_is_chosen() {
        let (mut kept, t0, size) = (LongTerm::default(), Instant::now(), (1280, 720));
        let at = |ms| t0 + Duration::from_millis(ms);
        assert_eq!(kept.due(t0), None, "the keyframe fills both");
        kept.came_out(t0, size, true, None);
        kept.came_out(at(33), size, false, None);
        assert_eq!(kept.due(at(999)), None);
        assert_eq!(kept.due(at(1_000)), Some(Slot::Golden));
        kept.came_out(at(1_000), size, false, Some(Slot::Golden));
        assert_eq!(kept.candidates(), [Some(at(1_000)), Some(t0)]);
        assert_eq!(kept.choose(&[Some(t0)], size), Some((Slot::AltRef, 3)));
        assert_eq!(kept.choose(&[Some(t0), Some(at(1_000))], size), Some((Slot::Golden, 1)));
        assert_eq!(kept.choose(&[None, None], size), None);
        assert_eq!(kept.due(at(2_000)), Some(Slot::AltRef));
    }

    #[test]
    fn references_too_old_or_too_large_are_not_chosen() {
        let (mut kept, t0) = (LongTerm::default(), Instant::now());
        kept.came_out(t0, (1280, 720), true, None);
        assert!(kept.choose(&[Some(t0)], (640, 360)).is_some());
        assert_eq!(kept.choose(&[Some(t0)], (638, 358)), None);
        for _ in 0..126 {
            kept.came_out(t0 + Duration::from_secs(1), (1280, 720), false, None);
        }
        assert_eq!(kept.choose(&[Some(t0)], (1280, 720)), Some((Slot::Golden, 127)));
        kept.came_out(t0 + Duration::from_secs(1), (1280, 720), false, None);
        assert_eq!(kept.choose(&[Some(t0)], (1280, 720)), None);
    }
}
