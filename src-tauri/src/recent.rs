//! Calls of the past. They stay on this machine, readable by this user only: a link is all it takes to enter a room.

use eyeline_engine::view::Phase;

use crate::ipc::RecentCall;

/// Calls that are kept; older ones are forgotten.
const RECENT_MAX: usize = 20;

/// Puts `call` first. An older call by the same link gives way.
pub(crate) fn remember(recent: &mut Vec<RecentCall>, call: RecentCall) {
    recent.retain(|other| other.link != call.link);
    recent.insert(0, call);
    recent.truncate(RECENT_MAX);
}

/// Watches the engine's phases for calls that end.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// When the room was reached, unix milliseconds.
    began_unix_ms: Option<i64>,
}

impl Tracker {
    /// Takes a phase as of `now_unix_ms`; the call that ended by it, if it had reached its room.
    pub(crate) fn see(&mut self, phase: &Phase, now_unix_ms: i64) -> Option<RecentCall> {
        match phase {
            Phase::Idle => self.began_unix_ms = None,
            Phase::Claiming { .. } | Phase::Joining { .. } => {}
            Phase::Waiting { .. } | Phase::Connecting { .. } | Phase::InCall { .. } => {
                self.began_unix_ms.get_or_insert(now_unix_ms);
            }
            Phase::Ended { duration_ms, remote_name, link, reason: _ } => {
                let at_unix_ms = self.began_unix_ms.take().filter(|_| !link.is_empty())?;
                return Some(RecentCall {
                    link: link.clone(),
                    name: remote_name.clone(),
                    at_unix_ms,
                    duration_ms: *duration_ms,
                });
            }
        }
        None
    }

    /// The call that the engine's end cut off in `phase`, if it had reached its room.
    pub(crate) fn cut_off(&mut self, phase: &Phase, now_unix_ms: i64) -> Option<RecentCall> {
        let (link, name, duration_ms) = match phase {
            Phase::Idle | Phase::Claiming { .. } | Phase::Joining { .. } | Phase::Ended { .. } => return None,
            Phase::Waiting { link, .. } | Phase::Connecting { link } => (link, String::new(), 0),
            Phase::InCall { link, since_unix_ms, remote, .. } => {
                (link, remote.name.clone(), now_unix_ms.saturating_sub(*since_unix_ms).max(0))
            }
        };
        // A ring has no link to come back by.
        if link.is_empty() {
            return None;
        }
        Some(RecentCall { link: link.clone(), name, at_unix_ms: self.began_unix_ms.take()?, duration_ms })
    }
}

#[cfg(test)]
mod tests {
    use eyeline_engine::view::EndReason;

    use super::*;

    fn call(link: &str, at_unix_ms: i64) -> RecentCall {
        RecentCall { link: link.into(), name: "Bo".into(), at_unix_ms, duration_ms: 0 }
    }

    fn ended(link: &str) -> Phase {
        Phase::Ended { reason: EndReason::HungUp, duration_ms: 5, remote_name: "Bo".into(), link: link.into() }
    }

    fn waiting(link: &str) -> Phase {
        Phase::Waiting { link: link.into(), code: None, ringing: None }
    }

    #[test]
    fn a_call_is_told_once_with_the_time_it_began() {
        let mut tracker = Tracker::default();
        let link = || "L".to_owned();
        assert_eq!(tracker.see(&Phase::Joining { link: link() }, 1), None);
        assert_eq!(tracker.see(&waiting(&link()), 2), None);
        assert_eq!(tracker.see(&Phase::Connecting { link: link() }, 3), None);
        let told = RecentCall { duration_ms: 5, ..call("L", 2) };
        assert_eq!(tracker.see(&ended("L"), 9), Some(told));
        assert_eq!(tracker.see(&ended("L"), 10), None);
    }

    #[test]
    fn a_call_that_is_cut_off_is_kept_too() {
        let mut tracker = Tracker::default();
        let waiting = waiting("L");
        tracker.see(&waiting, 2);
        let told = RecentCall { name: String::new(), ..call("L", 2) };
        assert_eq!(tracker.cut_off(&waiting, 9), Some(told));
        assert_eq!(tracker.cut_off(&waiting, 10), None);
    }

    #[test]
    fn a_call_that_never_reached_its_room_is_not_told() {
        let mut tracker = Tracker::default();
        tracker.see(&Phase::Joining { link: "L".into() }, 1);
        assert_eq!(tracker.see(&ended("L"), 2), None);
        tracker.see(&waiting("L"), 3);
        tracker.see(&Phase::Idle, 4);
        assert_eq!(tracker.see(&ended("L"), 5), None);
    }

    #[test]
    fn the_newest_comes_first_and_a_link_comes_once() {
        let mut recent = Vec::new();
        for at in 0..30 {
            remember(&mut recent, call(&format!("L{at}"), at));
        }
        remember(&mut recent, call("L20", 99));
        assert_eq!(recent.len(), RECENT_MAX);
        assert_eq!(recent[0], call("L20", 99));
        assert_eq!(recent.iter().filter(|call| call.link == "L20").count(), 1);
    }
}
