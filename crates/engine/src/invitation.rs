//! Ways in which somebody is asked into a call that waits: a spoken code, a ring.

use std::time::Instant;

use eyeline_call::{CodeClaim, CodeOffer, OfferState, RingOut, RingOutState, SocketInput};
use eyeline_media::time::WallClock;
use eyeline_seal::RingAnswer;

use crate::view::{CodeState, OutgoingRing, RingState};
use crate::wire::Wire;

/// A code that is shown.
pub(crate) struct Offering {
    machine: CodeOffer,
    wire: Wire,
}

/// A ring under way.
pub(crate) struct Ringing {
    machine: RingOut,
    wire: Wire,
    contact: String,
    name: String,
}

/// Somebody's code that is being checked.
pub(crate) struct Claiming {
    pub(crate) machine: CodeClaim,
    wire: Wire,
    /// As it is written.
    pub(crate) code: String,
    pub(crate) relay_only: bool,
}

/// The part that the three share: a machine and its socket.
macro_rules! wired {
    ($name:ident) => {
        impl $name {
            pub(crate) fn owns(&self, attempt: u64) -> bool {
                self.wire.is(attempt)
            }

            pub(crate) fn poll_timeout(&self) -> Option<Instant> {
                self.machine.poll_timeout()
            }

            pub(crate) fn handle_timeout(&mut self, now: Instant) {
                self.machine.handle_timeout(now);
                self.drain(now);
            }

            pub(crate) fn handle_socket(&mut self, now: Instant, input: SocketInput) {
                self.machine.handle_socket(now, input);
                self.drain(now);
            }

            pub(crate) fn network_changed(&mut self, now: Instant) {
                let input = self.wire.network_changed();
                self.handle_socket(now, input);
            }

            fn drain(&mut self, now: Instant) {
                while let Some(command) = self.machine.poll_command() {
                    if let Some(input) = self.wire.apply(command) {
                        self.machine.handle_socket(now, input);
                    }
                }
            }
        }
    };
}

wired!(Offering);
wired!(Ringing);
wired!(Claiming);

impl Offering {
    pub(crate) fn new(now: Instant, machine: CodeOffer, wire: Wire) -> Self {
        let mut offering = Self { machine, wire };
        offering.drain(now);
        offering
    }

    /// The code no longer works.
    pub(crate) fn withdraw(&mut self, now: Instant) {
        if *self.machine.state() != OfferState::Taken {
            self.machine.withdraw();
            self.drain(now);
        }
    }

    pub(crate) fn shown(&self, clock: &WallClock) -> CodeState {
        let wrong_tries = self.machine.wrong_tries();
        match self.machine.state() {
            OfferState::Asking => CodeState::Asking,
            OfferState::Shown { code, expires } => CodeState::Shown {
                code: code.to_string(),
                expires_unix_ms: clock.unix_us(*expires) / 1_000,
                wrong_tries,
            },
            OfferState::Checking | OfferState::Taken => CodeState::Taken,
            OfferState::Burned => CodeState::Burned { wrong_tries },
            OfferState::Expired => CodeState::Expired,
            OfferState::Unavailable => CodeState::Unavailable,
        }
    }
}

impl Ringing {
    pub(crate) fn new(now: Instant, machine: RingOut, wire: Wire, contact: String, name: String) -> Self {
        let mut ringing = Self { machine, wire, contact, name };
        ringing.drain(now);
        ringing
    }

    pub(crate) fn state(&self) -> &RingOutState {
        self.machine.state()
    }

    pub(crate) fn cancel(&mut self, now: Instant) {
        self.machine.cancel();
        self.drain(now);
    }

    pub(crate) fn shown(&self) -> OutgoingRing {
        let state = match self.machine.state() {
            RingOutState::Calling => RingState::Calling,
            RingOutState::Answered(RingAnswer::Accepted, _) => RingState::Accepted,
            // The rest ends the call at once.
            RingOutState::Ringing
            | RingOutState::Answered(RingAnswer::Declined | RingAnswer::Busy, _)
            | RingOutState::NoAnswer
            | RingOutState::NotReachable
            | RingOutState::Unreachable => RingState::Ringing,
        };
        OutgoingRing { contact: self.contact.clone(), name: self.name.clone(), state }
    }
}

impl Claiming {
    pub(crate) fn new(now: Instant, machine: CodeClaim, wire: Wire, code: String, relay_only: bool) -> Self {
        let mut claiming = Self { machine, wire, code, relay_only };
        claiming.drain(now);
        claiming
    }

    pub(crate) fn cancel(&mut self, now: Instant) {
        self.machine.cancel();
        self.drain(now);
    }
}
