//! Finding each other by a code that one said aloud.
//!
//! Both ends have a socket of their own for this; the call itself goes over another, once the guest has the link.

use std::time::{Duration, Instant};

use eyeline_protocol::MemberId;
use eyeline_seal::{CodeError, CodeGuest, CodeHost, GuestStep, Link, SpokenCode};

use crate::entropy::Entropy;
use crate::output::{SocketCommand, SocketInput};
use crate::place::{Entry, Place, PlaceEvent};

/// Codes that may be burned before the user is asked whether to go on: each is one guess for whoever guesses.
const WRONG_TRIES_MAX: u32 = 3;
/// How long the two ends may take from the claim to the link.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// What a [`CodeOffer`] shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferState {
    /// The server is asked for a nameplate.
    Asking,
    /// To be said to the other person.
    Shown {
        /// The code.
        code: SpokenCode,
        /// When the server forgets it.
        expires: Instant,
    },
    /// Somebody claimed it; whether they know the words is being found out.
    Checking,
    /// They knew it, and have the link.
    Taken,
    /// Too many wrong tries.
    Burned,
    /// Nobody came in time.
    Expired,
    /// The server has no codes, or is out of reach.
    Unavailable,
}

/// The host's end: shows a code, hands the link to whoever knows it.
///
/// ```text
/// Asking --nameplate--> Shown --claimed--> Checking --right--> Taken
///   ^                     |  time             | wrong, or gone without a try
///   +---------------------|-------------------+--third time--> Burned
///                         v
///                      Expired                (any, server away) -> Unavailable
/// ```
#[derive(Debug)]
pub struct CodeOffer {
    link: Link,
    entropy: Entropy,
    place: Place,
    state: OfferState,
    host: Option<(MemberId, CodeHost)>,
    spoken: Option<SpokenCode>,
    deadline: Option<Instant>,
    wrong_tries: u32,
    commands: Vec<SocketCommand>,
}

impl CodeOffer {
    /// Asks for a nameplate. `random` is 32 fresh random bytes.
    #[must_use]
    pub fn new(now: Instant, link: Link, random: [u8; 32]) -> Self {
        let mut place = Place::new(now, Entry::CodeOpen);
        place.start(now);
        let mut offer = Self {
            link,
            entropy: Entropy::new(random),
            place,
            state: OfferState::Asking,
            host: None,
            spoken: None,
            deadline: None,
            wrong_tries: 0,
            commands: Vec::new(),
        };
        offer.drain(now);
        offer
    }

    /// What to show.
    #[must_use]
    pub fn state(&self) -> &OfferState {
        &self.state
    }

    /// Codes that somebody claimed without knowing the words.
    #[must_use]
    pub fn wrong_tries(&self) -> u32 {
        self.wrong_tries
    }

    /// Takes what the socket did.
    pub fn handle_socket(&mut self, now: Instant, input: SocketInput) {
        self.place.handle(now, input);
        self.drain(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.place.poll_timeout()).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.place.handle_timeout(now);
        if self.deadline.is_some_and(|at| now >= at) {
            self.deadline = None;
            match self.state {
                OfferState::Shown { .. } => self.finish(OfferState::Expired),
                OfferState::Checking => self.burn(now),
                _ => {}
            }
        }
        self.drain(now);
    }

    /// Next thing for the socket.
    pub fn poll_command(&mut self) -> Option<SocketCommand> {
        if self.commands.is_empty() { self.place.poll_command() } else { Some(self.commands.remove(0)) }
    }

    /// Lets the code no longer work.
    pub fn withdraw(&mut self) {
        self.deadline = None;
        self.place.leave();
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.place.poll_event() {
            match event {
                PlaceEvent::Code { nameplate, ttl } => self.show(now, nameplate, ttl),
                PlaceEvent::Claimed { peer } => self.begin(now, peer),
                PlaceEvent::Message { from, body, .. } => self.read(now, &from, &body),
                PlaceEvent::PeerLeft(_) if self.state == OfferState::Checking => self.burn(now),
                PlaceEvent::CodeFailed => self.finish(OfferState::Expired),
                PlaceEvent::Unreachable | PlaceEvent::Refused(_) => self.finish(OfferState::Unavailable),
                PlaceEvent::PeerLeft(_)
                | PlaceEvent::Joined { .. }
                | PlaceEvent::Ice(_)
                | PlaceEvent::Resumed { .. }
                | PlaceEvent::PeerJoined
                | PlaceEvent::Offline => {}
            }
        }
    }

    fn show(&mut self, now: Instant, nameplate: u32, ttl: Duration) {
        if matches!(self.state, OfferState::Taken | OfferState::Burned | OfferState::Expired) {
            return;
        }
        // The server says the nameplate again after a resume; the words stay then.
        let code = match self.spoken {
            Some(spoken) if spoken.nameplate == nameplate => spoken,
            Some(_) | None => SpokenCode::new(nameplate, self.entropy.take()),
        };
        self.spoken = Some(code);
        self.host = None;
        let expires = now + ttl;
        self.deadline = Some(expires);
        self.state = OfferState::Shown { code, expires };
    }

    fn begin(&mut self, now: Instant, peer: MemberId) {
        let OfferState::Shown { code, .. } = self.state else { return };
        let (host, hello) = CodeHost::start(&code, self.entropy.take());
        self.place.send(&peer, hello);
        self.host = Some((peer, host));
        self.deadline = Some(now + EXCHANGE_TIMEOUT);
        self.state = OfferState::Checking;
    }

    fn read(&mut self, now: Instant, from: &MemberId, body: &str) {
        let Some((peer, host)) = &mut self.host else { return };
        if peer != from || self.state != OfferState::Checking {
            return;
        }
        match host.read(body, &self.link) {
            Ok(link) => {
                let to = peer.clone();
                self.place.send(&to, link);
                self.place.close_code(true);
                self.deadline = None;
                self.state = OfferState::Taken;
            }
            Err(CodeError::WrongGuess) => self.burn(now),
            Err(CodeError::Malformed | CodeError::Used) => {}
        }
    }

    /// Somebody had their one guess.
    fn burn(&mut self, now: Instant) {
        self.wrong_tries += 1;
        self.host = None;
        self.spoken = None;
        if self.wrong_tries >= WRONG_TRIES_MAX {
            return self.finish(OfferState::Burned);
        }
        self.place.close_code(false);
        while let Some(command) = self.place.poll_command() {
            self.commands.push(command);
        }
        self.place = Place::new(now, Entry::CodeOpen);
        self.place.start(now);
        self.deadline = None;
        self.state = OfferState::Asking;
    }

    fn finish(&mut self, state: OfferState) {
        self.deadline = None;
        self.place.close_code(false);
        self.state = state;
    }
}

/// How far a [`CodeClaim`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// The host is being found, and convinced.
    Claiming,
    /// The link.
    Done(Link),
    /// Nobody waits with this nameplate, or too many were tried from here.
    Unknown,
    /// The words are not the host's; the code is burned.
    Wrong,
    /// The server is out of reach, or has no codes.
    Unreachable,
}

/// The guest's end: knows a code, wants the link.
#[derive(Debug)]
pub struct CodeClaim {
    place: Place,
    guest: CodeGuest,
    peer: Option<MemberId>,
    state: ClaimState,
    until: Instant,
}

impl CodeClaim {
    /// Goes to the code's nameplate. `random` is 32 fresh random bytes.
    #[must_use]
    pub fn new(now: Instant, code: &SpokenCode, random: [u8; 32]) -> Self {
        let mut place = Place::new(now, Entry::CodeClaim(code.nameplate));
        place.start(now);
        let guest = CodeGuest::start(code, Entropy::new(random).take());
        Self { place, guest, peer: None, state: ClaimState::Claiming, until: now + EXCHANGE_TIMEOUT }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> &ClaimState {
        &self.state
    }

    /// Takes what the socket did.
    pub fn handle_socket(&mut self, now: Instant, input: SocketInput) {
        self.place.handle(now, input);
        self.drain();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let claiming = self.state == ClaimState::Claiming;
        claiming.then_some(self.until).into_iter().chain(self.place.poll_timeout()).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.place.handle_timeout(now);
        self.drain();
        if now >= self.until && self.state == ClaimState::Claiming {
            self.finish(ClaimState::Unreachable);
        }
    }

    /// Next thing for the socket.
    pub fn poll_command(&mut self) -> Option<SocketCommand> {
        self.place.poll_command()
    }

    /// Gives up.
    pub fn cancel(&mut self) {
        self.place.leave();
    }

    fn drain(&mut self) {
        while let Some(event) = self.place.poll_event() {
            if self.state != ClaimState::Claiming {
                continue;
            }
            match event {
                PlaceEvent::Claimed { peer } => self.peer = Some(peer),
                PlaceEvent::Message { from, body, .. } if self.peer.as_ref() == Some(&from) => {
                    match self.guest.read(&body) {
                        Ok(GuestStep::Reply(proof)) => self.place.send(&from, proof),
                        Ok(GuestStep::Done(link)) => self.finish(ClaimState::Done(link)),
                        Err(CodeError::Malformed) => {}
                        Err(CodeError::WrongGuess | CodeError::Used) => self.finish(ClaimState::Wrong),
                    }
                }
                PlaceEvent::PeerLeft(_) if self.peer.is_some() => self.finish(ClaimState::Wrong),
                PlaceEvent::CodeFailed => self.finish(ClaimState::Unknown),
                PlaceEvent::Unreachable | PlaceEvent::Refused(_) => self.finish(ClaimState::Unreachable),
                PlaceEvent::PeerLeft(_)
                | PlaceEvent::Message { .. }
                | PlaceEvent::Code { .. }
                | PlaceEvent::Joined { .. }
                | PlaceEvent::Ice(_)
                | PlaceEvent::Resumed { .. }
                | PlaceEvent::PeerJoined
                | PlaceEvent::Offline => {}
            }
        }
    }

    fn finish(&mut self, state: ClaimState) {
        self.place.leave();
        self.state = state;
    }
}
