//! The sealed sessions with the members of our place, one per pair.
//!
//! ```text
//!                       meet                     their message 2
//! (nobody) ------------------> Initiating ----------------------------> Open
//!     |    their message 1                          their message 3      ^
//!     +-----------------------> Responding ------------------------------+
//! ```
//!
//! What is to be said before a session is open waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use eyeline_protocol::MemberId;
use eyeline_protocol::inner::Inner;
use eyeline_seal::{DeviceId, Identity, Initiator, Kind, LocalCard, PairIds, PeerCard, Responder, RoomKeys, Session};

use crate::entropy::Entropy;
use crate::place::Place;
use crate::refusal::Refusal;

/// Messages that wait for one session. An offer and its candidates are far fewer; the oldest goes when full.
const WAITING_MAX: usize = 128;
/// Members with a session or half of one. A room has 16 members at most; a server that makes up more is refused.
const MEMBERS_MAX: usize = 32;

/// Who we are in every session.
#[derive(Clone)]
pub struct LocalPeer {
    /// Our keys.
    pub identity: Arc<Identity>,
    /// What we say about ourselves.
    pub card: LocalCard,
}

impl fmt::Debug for LocalPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalPeer(..)")
    }
}

enum Half {
    Initiating(Box<Initiator>),
    Responding(Box<Responder>),
    Open(Box<Session>),
    /// Authentic, but not who we came for: nothing is said to it.
    Shunned,
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiating(_) => "Initiating",
            Self::Responding(_) => "Responding",
            Self::Open(_) => "Open",
            Self::Shunned => "Shunned",
        })
    }
}

/// What a body led to.
pub(crate) enum Received {
    /// A step of the handshake.
    Step,
    /// The session with this member is open.
    Opened,
    /// A message.
    Message(Inner),
}

pub(crate) struct Pairs {
    keys: RoomKeys,
    local: LocalPeer,
    /// The only device we talk to, if it matters.
    pinned: Option<DeviceId>,
    entropy: Entropy,
    halves: BTreeMap<MemberId, Half>,
    waiting: BTreeMap<MemberId, VecDeque<Inner>>,
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.halves).finish()
    }
}

impl Pairs {
    pub(crate) fn new(keys: RoomKeys, local: LocalPeer, pinned: Option<DeviceId>, entropy: Entropy) -> Self {
        Self { keys, local, pinned, entropy, halves: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    /// Forgets every session: the server that gave the members their ids is not the same any more.
    pub(crate) fn clear(&mut self) {
        self.halves.clear();
        self.waiting.clear();
    }

    pub(crate) fn forget(&mut self, member: &MemberId) {
        self.halves.remove(member);
        self.waiting.remove(member);
    }

    /// The open session with a member.
    pub(crate) fn session(&self, member: &MemberId) -> Option<&Session> {
        match self.halves.get(member) {
            Some(Half::Open(session)) => Some(session),
            Some(Half::Initiating(_) | Half::Responding(_) | Half::Shunned) | None => None,
        }
    }

    pub(crate) fn peer(&self, member: &MemberId) -> Option<&PeerCard> {
        self.session(member).map(Session::peer)
    }

    /// Begins a session with somebody who was here before us.
    pub(crate) fn meet(&mut self, place: &mut Place, member: &MemberId) -> Result<(), Refusal> {
        let ids = PairIds { initiator: our_id(place, member)?, responder: member.clone() };
        if self.halves.contains_key(member) {
            return Err(Refusal::HandshakeNotDue);
        }
        self.make_room_for(member)?;
        let random = self.entropy.take();
        let (initiator, first) = Initiator::start(&self.keys, &ids, &self.local.identity, &self.local.card, random);
        self.halves.insert(member.clone(), Half::Initiating(Box::new(initiator)));
        place.send(member, first);
        Ok(())
    }

    /// Seals a message for a member; it waits until there is a session.
    pub(crate) fn send(&mut self, place: &mut Place, member: &MemberId, inner: &Inner) {
        match self.halves.get_mut(member) {
            Some(Half::Open(session)) => {
                // Only a message beyond 47 KiB cannot be sealed, and descriptions are bounded below that.
                if let Ok(body) = session.seal(place.next_seq(member), &inner.encode()) {
                    place.send(member, body);
                }
            }
            Some(Half::Shunned) => {}
            Some(Half::Initiating(_) | Half::Responding(_)) | None => {
                if self.waiting.len() >= MEMBERS_MAX && !self.waiting.contains_key(member) {
                    return;
                }
                let waiting = self.waiting.entry(member.clone()).or_default();
                if waiting.len() == WAITING_MAX {
                    waiting.pop_front();
                }
                waiting.push_back(inner.clone());
            }
        }
    }

    /// Takes a body that the server says is of `from`.
    pub(crate) fn receive(
        &mut self,
        place: &mut Place,
        from: &MemberId,
        seq: u64,
        body: &str,
    ) -> Result<Received, Refusal> {
        match eyeline_seal::kind(body).ok_or(Refusal::NotABody)? {
            Kind::PairFirst => self.respond(place, from, body),
            Kind::PairSecond => {
                let Some(Half::Initiating(initiator)) = self.halves.get_mut(from) else {
                    return Err(Refusal::HandshakeNotDue);
                };
                let (third, session) = initiator.read(body)?;
                place.send(from, third);
                self.open(place, from, session)
            }
            Kind::PairThird => {
                let Some(Half::Responding(responder)) = self.halves.get_mut(from) else {
                    return Err(Refusal::HandshakeNotDue);
                };
                let session = responder.finish(body)?;
                self.open(place, from, session)
            }
            Kind::Sealed => {
                let Some(Half::Open(session)) = self.halves.get_mut(from) else { return Err(Refusal::NoSession) };
                let plain = session.open(seq, body)?;
                Ok(Received::Message(Inner::decode(&plain)?))
            }
            Kind::CodeHello | Kind::CodeProof | Kind::CodeLink | Kind::Ring | Kind::RingReply => Err(Refusal::NotABody),
        }
    }

    fn respond(&mut self, place: &mut Place, from: &MemberId, first: &str) -> Result<Received, Refusal> {
        let me = our_id(place, from)?;
        match self.halves.get(from) {
            // A confused server made both of us newcomers: the smaller id begins.
            Some(Half::Initiating(_)) if me < *from => return Err(Refusal::HandshakeNotDue),
            // Nobody begins twice under one id, so this is a copy.
            Some(Half::Responding(_) | Half::Open(_) | Half::Shunned) => return Err(Refusal::HandshakeNotDue),
            Some(Half::Initiating(_)) | None => {}
        }
        self.make_room_for(from)?;
        let ids = PairIds { initiator: from.clone(), responder: me };
        let random = self.entropy.take();
        let (responder, second) =
            Responder::accept(&self.keys, &ids, &self.local.identity, &self.local.card, random, first)?;
        self.halves.insert(from.clone(), Half::Responding(Box::new(responder)));
        place.send(from, second);
        Ok(Received::Step)
    }

    fn open(&mut self, place: &mut Place, member: &MemberId, session: Session) -> Result<Received, Refusal> {
        if self.pinned.is_some_and(|pinned| pinned != session.peer().device) {
            self.halves.insert(member.clone(), Half::Shunned);
            self.waiting.remove(member);
            return Err(Refusal::WrongDevice);
        }
        self.halves.insert(member.clone(), Half::Open(Box::new(session)));
        for inner in self.waiting.remove(member).into_iter().flatten() {
            self.send(place, member, &inner);
        }
        Ok(Received::Opened)
    }

    fn make_room_for(&self, member: &MemberId) -> Result<(), Refusal> {
        if self.halves.len() >= MEMBERS_MAX && !self.halves.contains_key(member) {
            return Err(Refusal::TooManyMembers);
        }
        Ok(())
    }
}

/// Our id, which must not be the other's: a session with oneself would let the server reflect our own messages.
fn our_id(place: &Place, member: &MemberId) -> Result<MemberId, Refusal> {
    match place.me() {
        Some(me) if me != member => Ok(me.clone()),
        Some(_) | None => Err(Refusal::Ourselves),
    }
}
