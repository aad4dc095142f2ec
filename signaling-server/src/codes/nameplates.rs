//! The numbers in front of spoken codes: which is taken by whom, and which comes next.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::dice::Dice;

/// Nameplates that are taken or rest; with one more nobody gets one until others are free again.
const NAMEPLATES_MAX: usize = 100_000;

/// Two who meet at a nameplate; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RendezvousId(pub(crate) u64);

/// All nameplates are in use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoneFree;

/// ```text
/// free --take--> waiting --release (claimed, given up, expired)--> resting --rest is over--> free
/// ```
pub(crate) struct Nameplates {
    rest: Duration,
    plates: HashMap<u32, Plate>,
    /// In the order in which their rest is over.
    resting: VecDeque<(Instant, u32)>,
}

enum Plate {
    Waiting(RendezvousId),
    Resting,
}

impl Nameplates {
    pub(crate) fn new(rest: Duration) -> Self {
        Self { rest, plates: HashMap::new(), resting: VecDeque::new() }
    }

    /// A free number: one digit as long as at most half of those are in use, else two, and so on. Which one is left to
    /// chance, so that nobody who counts up finds those who came last.
    pub(crate) fn take(&mut self, now: Instant, dice: &mut Dice, whose: RendezvousId) -> Result<u32, NoneFree> {
        self.wake(now);
        if self.plates.len() >= NAMEPLATES_MAX {
            return Err(NoneFree);
        }
        let mut last: u32 = 9;
        while self.used_up_to(last) > last / 2 {
            last = last * 10 + 9;
        }
        let start = dice.below(last);
        let nameplate =
            (0..last).map(|step| 1 + (start + step) % last).find(|number| !self.plates.contains_key(number));
        let nameplate = nameplate.expect("half of them are free");
        self.plates.insert(nameplate, Plate::Waiting(whose));
        Ok(nameplate)
    }

    /// Who waits there.
    pub(crate) fn find(&self, nameplate: u32) -> Option<RendezvousId> {
        match self.plates.get(&nameplate) {
            Some(Plate::Waiting(whose)) => Some(*whose),
            Some(Plate::Resting) | None => None,
        }
    }

    /// Nobody waits there any more.
    pub(crate) fn release(&mut self, now: Instant, nameplate: u32) {
        if let Some(plate @ Plate::Waiting(_)) = self.plates.get_mut(&nameplate) {
            *plate = Plate::Resting;
            self.resting.push_back((now + self.rest, nameplate));
        }
    }

    fn wake(&mut self, now: Instant) {
        while self.resting.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, nameplate)) = self.resting.pop_front() {
                self.plates.remove(&nameplate);
            }
        }
    }

    fn used_up_to(&self, last: u32) -> u32 {
        let used = if self.plates.len() < usize::try_from(last).unwrap_or(usize::MAX) {
            self.plates.keys().filter(|number| **number <= last).count()
        } else {
            (1..=last).filter(|number| self.plates.contains_key(number)).count()
        };
        u32::try_from(used).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(60);

    fn take(nameplates: &mut Nameplates, now: Instant, dice: &mut Dice) -> u32 {
        nameplates.take(now, dice, RendezvousId(1)).unwrap()
    }

    #[test]
    fn numbers_stay_short_and_come_in_no_order() {
        let (now, mut dice) = (Instant::now(), Dice::new([5; 32]));
        let mut nameplates = Nameplates::new(REST);
        let taken: Vec<u32> = (0..60).map(|_| take(&mut nameplates, now, &mut dice)).collect();
        assert!(taken[..5].iter().all(|number| (1..=9).contains(number)), "{taken:?}");
        assert!(taken[5..50].iter().all(|number| (1..=99).contains(number)), "{taken:?}");
        assert!(taken[55..].iter().all(|number| (1..=999).contains(number)), "{taken:?}");
        let mut different = taken.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), taken.len());
        let next_door = taken.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(next_door < 10, "{taken:?}");
    }

    #[test]
    fn a_released_number_rests() {
        let (now, mut dice) = (Instant::now(), Dice::new([5; 32]));
        let mut nameplates = Nameplates::new(REST);
        let all: Vec<u32> = (0..5).map(|_| take(&mut nameplates, now, &mut dice)).collect();
        assert_eq!(nameplates.find(all[0]), Some(RendezvousId(1)));
        for number in &all {
            nameplates.release(now, *number);
            nameplates.release(now, *number);
            assert_eq!(nameplates.find(*number), None);
        }
        let almost = now + REST - Duration::from_millis(1);
        let other = take(&mut nameplates, almost, &mut dice);
        assert!(!all.contains(&other), "{other}");
        assert!(take(&mut nameplates, now + REST, &mut dice) <= 9);
        assert_eq!(nameplates.plates.len(), 2);
    }

    #[test]
    fn they_are_bounded() {
        let (now, mut dice) = (Instant::now(), Dice::new([5; 32]));
        let mut nameplates = Nameplates::new(REST);
        for number in 1..=u32::try_from(NAMEPLATES_MAX).unwrap() {
            nameplates.plates.insert(number, Plate::Resting);
        }
        assert_eq!(nameplates.take(now, &mut dice, RendezvousId(1)), Err(NoneFree));
    }
}
