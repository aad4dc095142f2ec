//! Ringing a contact, over a socket of its own to the contact's server.

use std::fmt;
use std::time::{Duration, Instant};

use eyeline_protocol::{ClientMessage, InboxId, RingId, RingToken, ServerMessage};
use eyeline_seal::{Body, PeerCard, RingAnswer, RingCaller, RingOffer, RingTo};

use crate::entropy::Entropy;
use crate::line::{Line, LineEvent, Patience};
use crate::output::{SocketCommand, SocketInput};
use crate::pairs::LocalPeer;
use crate::refusal::Refusal;

/// How long it rings before the caller gives up.
const RING_FOR: Duration = Duration::from_secs(45);

/// How far a [`RingOut`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingOutState {
    /// The contact's server is being reached.
    Calling,
    /// It rings there.
    Ringing,
    /// Answered; with the card that the callee shows now.
    Answered(RingAnswer, Box<PeerCard>),
    /// Nobody answered in time.
    NoAnswer,
    /// The contact is away, or does not let us ring any more: the server does not say which.
    NotReachable,
    /// The server is out of reach.
    Unreachable,
}

/// A ring under way. The caller waits in the room of the ring's link meanwhile.
pub struct RingOut {
    line: Line,
    local: LocalPeer,
    to: RingTo,
    token: RingToken,
    offer: RingOffer,
    entropy: Entropy,
    caller: RingCaller,
    message: Message,
    sent: bool,
    state: RingOutState,
    until: Instant,
    refused: Option<Refusal>,
}

#[derive(Clone)]
struct Message {
    ring_id: RingId,
    inbox_id: InboxId,
    body: Body,
}

fn start(local: &LocalPeer, to: &RingTo, offer: &RingOffer, entropy: &mut Entropy) -> (RingCaller, Message) {
    let (caller, body) = RingCaller::start(&local.identity, &local.card, to, offer, entropy.take());
    let ring_id = RingId::new(format!("{:016x}", u64::from_be_bytes(entropy.take()))).expect("hex is an id");
    (caller, Message { ring_id, inbox_id: InboxId(to.inbox_id), body })
}

impl fmt::Debug for RingOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingOut").field("state", &self.state).finish_non_exhaustive()
    }
}

impl RingOut {
    /// Rings. `random` is 32 fresh random bytes.
    ///
    /// # Panics
    /// Never: hexadecimal digits are an id.
    #[must_use]
    pub fn new(
        now: Instant,
        local: &LocalPeer,
        to: &RingTo,
        token: RingToken,
        offer: &RingOffer,
        random: [u8; 32],
    ) -> Self {
        let mut entropy = Entropy::new(random);
        let (caller, message) = start(local, to, offer, &mut entropy);
        let mut line = Line::new(now, Patience::Short);
        line.start(now);
        Self {
            line,
            local: local.clone(),
            to: *to,
            token,
            offer: offer.clone(),
            entropy,
            caller,
            message,
            sent: false,
            state: RingOutState::Calling,
            until: now + RING_FOR,
            refused: None,
        }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> &RingOutState {
        &self.state
    }

    /// What was refused last, if something was.
    pub fn take_refusal(&mut self) -> Option<Refusal> {
        self.refused.take()
    }

    /// Takes what the socket did.
    pub fn handle_socket(&mut self, now: Instant, input: SocketInput) {
        let event = self.line.handle(now, input);
        self.handle_line(event);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.going_on().then_some(self.until).into_iter().chain(self.line.poll_timeout()).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let event = self.line.handle_timeout(now);
        self.handle_line(event);
        if now >= self.until && self.going_on() {
            self.cancel();
            self.state = RingOutState::NoAnswer;
        }
    }

    /// Next thing for the socket.
    pub fn poll_command(&mut self) -> Option<SocketCommand> {
        self.line.poll_command()
    }

    /// Takes the ring back.
    pub fn cancel(&mut self) {
        if self.line.settled() && self.going_on() {
            self.line.send(&ClientMessage::RingCancel { ring_id: self.message.ring_id.clone() });
        }
        self.line.hang_up();
    }

    fn going_on(&self) -> bool {
        matches!(self.state, RingOutState::Calling | RingOutState::Ringing)
    }

    fn handle_line(&mut self, event: Option<LineEvent>) {
        if !self.going_on() {
            return;
        }
        match event {
            None | Some(LineEvent::Lost) => {}
            Some(LineEvent::Welcome { .. }) => self.send(),
            Some(LineEvent::Unreachable | LineEvent::Refused(_)) => self.finish(RingOutState::Unreachable),
            Some(LineEvent::Message(message)) => self.handle_message(message),
        }
    }

    fn send(&mut self) {
        if std::mem::replace(&mut self.sent, true) {
            // The ring ended with the socket that it was made from, and its body is used up: the callee takes none twice.
            self.offer.call_id = self.entropy.take();
            (self.caller, self.message) = start(&self.local, &self.to, &self.offer, &mut self.entropy);
        }
        let Message { ring_id, inbox_id, body } = self.message.clone();
        self.line.send(&ClientMessage::Ring { ring_id, inbox_id, token: self.token, body });
    }

    fn handle_message(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Ringing { ring_id } if ring_id == self.message.ring_id => {
                self.line.settle();
                self.state = RingOutState::Ringing;
            }
            ServerMessage::RingFailed { ring_id } if ring_id == self.message.ring_id => {
                let state = match self.state {
                    RingOutState::Ringing => RingOutState::NoAnswer,
                    _ => RingOutState::NotReachable,
                };
                self.finish(state);
            }
            ServerMessage::RingReply { ring_id, body } if ring_id == self.message.ring_id => {
                match self.caller.read(&body) {
                    Ok((answer, card)) => self.finish(RingOutState::Answered(answer, Box::new(card))),
                    // The server says that this is the answer, and there will be no other.
                    Err(error) => {
                        self.refused = Some(Refusal::Ring(error));
                        self.finish(RingOutState::NotReachable);
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, state: RingOutState) {
        self.line.hang_up();
        self.state = state;
    }
}
