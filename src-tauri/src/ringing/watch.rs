//! From what the engine shows to what is news.

use eyeline_engine::view::{IncomingRing, Outcome, People};

/// What the user is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    /// A ring began.
    Rings {
        /// Who rings.
        name: String,
    },
    /// The ring is over: answered, declined or given up.
    RingOver,
    /// A call was missed.
    Missed {
        /// Who called.
        name: String,
    },
}

/// Remembers what was told already.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The ring that goes on: who, and since when.
    ring: Option<(String, i64)>,
    /// A missed call is news if it began after the last one that was told, unix milliseconds.
    told_unix_ms: i64,
}

impl Watch {
    /// Calls missed before `now_unix_ms` are no news.
    pub(crate) fn new(now_unix_ms: i64) -> Self {
        Self { ring: None, told_unix_ms: now_unix_ms }
    }

    /// What is new in `people`, in the order it is to be told. At most four things.
    pub(crate) fn see(&mut self, people: &People) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let ring = people.incoming.as_ref().map(ring_of);
        if self.ring != ring {
            if self.ring.take().is_some() {
                alerts.push(Alert::RingOver);
            }
            if let Some(incoming) = &people.incoming {
                alerts.push(Alert::Rings { name: incoming.name.clone() });
            }
            self.ring = ring;
        }
        let missed = people.history.iter().find(|call| call.incoming && call.unseen && call.outcome == Outcome::Missed);
        if let Some(call) = missed.filter(|call| call.at_unix_ms > self.told_unix_ms) {
            self.told_unix_ms = call.at_unix_ms;
            if !people.do_not_disturb {
                alerts.push(Alert::Missed { name: call.name.clone() });
            }
        }
        alerts
    }
}

fn ring_of(incoming: &IncomingRing) -> (String, i64) {
    (incoming.contact.clone(), incoming.since_unix_ms)
}

#[cfg(test)]
mod tests {
    use eyeline_engine::view::PastCall;

    use super::*;

    fn ringing(name: &str, since_unix_ms: i64) -> People {
        let incoming = IncomingRing { contact: name.to_lowercase(), name: name.into(), verified: true, since_unix_ms };
        People { incoming: Some(incoming), ..People::default() }
    }

    fn missed(name: &str, at_unix_ms: i64) -> PastCall {
        PastCall {
            id: at_unix_ms,
            contact: None,
            name: name.into(),
            incoming: true,
            outcome: Outcome::Missed,
            at_unix_ms,
            duration_ms: 0,
            unseen: true,
        }
    }

    fn rings(name: &str) -> Alert {
        Alert::Rings { name: name.into() }
    }

    #[test]
    fn a_ring_is_told_once_and_its_end_as_well() {
        let mut watch = Watch::new(0);
        assert_eq!(watch.see(&People::default()), []);
        assert_eq!(watch.see(&ringing("Ada", 5)), [rings("Ada")]);
        assert_eq!(watch.see(&ringing("Ada", 5)), []);
        assert_eq!(watch.see(&ringing("Ada", 9)), [Alert::RingOver, rings("Ada")], "she rings again");
        assert_eq!(watch.see(&ringing("Bo", 9)), [Alert::RingOver, rings("Bo")]);
        assert_eq!(watch.see(&People::default()), [Alert::RingOver]);
        assert_eq!(watch.see(&People::default()), []);
    }

    #[test]
    fn only_new_missed_calls_are_told() {
        let mut watch = Watch::new(100);
        let with = |history: &[PastCall]| People { history: history.to_vec(), ..People::default() };
        assert_eq!(watch.see(&with(&[missed("Ada", 90)])), [], "from before the start");
        let call = missed("Ada", 110);
        assert_eq!(watch.see(&with(&[call.clone(), missed("Ada", 90)])), [Alert::Missed { name: "Ada".into() }]);
        assert_eq!(watch.see(&with(std::slice::from_ref(&call))), []);
        let others = [
            PastCall { unseen: false, ..missed("Bo", 120) },
            PastCall { incoming: false, ..missed("Bo", 120) },
            PastCall { outcome: Outcome::Declined, ..missed("Bo", 120) },
        ];
        assert_eq!(watch.see(&with(&others)), []);

        let quiet = People { do_not_disturb: true, ..with(&[missed("Cy", 130)]) };
        assert_eq!(watch.see(&quiet), []);
        assert_eq!(watch.see(&with(&[missed("Cy", 130)])), [], "nor told late");
    }
}
