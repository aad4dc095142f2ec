//! One peer connection from the point of view of its negotiation.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use eyeline_protocol::MemberId;
use eyeline_protocol::inner::SessionId;

use crate::assurance::Assurance;

/// Candidates kept that came before the offer they belong to. More than any machine has; the oldest goes when full.
const EARLY_CANDIDATES_MAX: usize = 64;

/// Offers whose answers are being made. A peer that offers faster than answers are made is hostile; the oldest goes when
/// full, and its answer comes with a wrong generation.
const ANSWERING_MAX: usize = 32;

/// Who offers in a session, for its whole life. Only the offerer restarts ICE; the answerer asks it to. So two offers never
/// cross within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The newcomer to the room.
    Offerer,
    /// The one who was there.
    Answerer,
}

/// Whom a session is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum With {
    /// Offered to everybody who was in the room; the first who answers is the peer. A member that crashed a moment ago is
    /// still listed, so one address alone could be a ghost.
    Invited(Vec<MemberId>),
    /// The other end.
    Peer(MemberId),
    /// The other end lost its place in the room (its socket is gone, or the server forgot both of us).
    Nobody,
}

/// One peer connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) role: Role,
    pub(crate) with: With,
    /// ICE generation of the newest offer we made or took.
    pub(crate) epoch: u32,
    /// ICE generation of our newest description: what our candidates belong to. Behind `epoch` while an answer is made.
    pub(crate) local_epoch: u32,
    /// Generations of offers taken whose answers are being made, oldest first. As long as the offers that pile up
    /// while the server is away, at most one every few seconds.
    pub(crate) answering: VecDeque<u32>,
    /// When its offerer last restarted ICE.
    pub(crate) restarted_at: Option<Instant>,
    /// A restart of ICE is due as soon as the other side can be told.
    pub(crate) restart_due: bool,
    /// What ties the connection to the people.
    pub(crate) assurance: Assurance,
}

impl Session {
    pub(crate) fn offerer(id: SessionId, invited: Vec<MemberId>) -> Self {
        let with = With::Invited(invited);
        Self {
            id,
            role: Role::Offerer,
            with,
            epoch: 0,
            local_epoch: 0,
            answering: VecDeque::new(),
            restarted_at: None,
            restart_due: false,
            assurance: Assurance::default(),
        }
    }

    pub(crate) fn answerer(id: SessionId, epoch: u32, peer: MemberId) -> Self {
        let with = With::Peer(peer);
        let answering = VecDeque::from([epoch]);
        Self {
            id,
            role: Role::Answerer,
            with,
            epoch,
            local_epoch: epoch,
            answering,
            restarted_at: None,
            restart_due: false,
            assurance: Assurance::default(),
        }
    }

    /// A newer offer of this session is taken.
    pub(crate) fn take_offer(&mut self, epoch: u32) {
        self.epoch = epoch;
        if self.answering.len() == ANSWERING_MAX {
            self.answering.pop_front();
        }
        self.answering.push_back(epoch);
    }

    /// Whether messages of `member` may belong to this session.
    pub(crate) fn concerns(&self, member: &MemberId) -> bool {
        match &self.with {
            With::Invited(members) => members.contains(member),
            With::Peer(peer) => peer == member,
            With::Nobody => false,
        }
    }

    /// Who gets our messages.
    pub(crate) fn recipients(&self) -> Vec<MemberId> {
        match &self.with {
            With::Invited(members) => members.clone(),
            With::Peer(peer) => vec![peer.clone()],
            With::Nobody => Vec::new(),
        }
    }
}

/// Candidates that overtook their offer.
#[derive(Default)]
pub(crate) struct EarlyCandidates(VecDeque<Early>);

impl fmt::Debug for EarlyCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EarlyCandidates({})", self.0.len())
    }
}

struct Early {
    from: MemberId,
    session: SessionId,
    epoch: u32,
    candidate: String,
}

impl EarlyCandidates {
    pub(crate) fn keep(&mut self, from: MemberId, session: SessionId, epoch: u32, candidate: String) {
        if self.0.len() == EARLY_CANDIDATES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Early { from, session, epoch, candidate });
    }

    /// Takes the candidates of one ICE generation of a session; those of older generations are dropped with them.
    pub(crate) fn take(&mut self, from: &MemberId, session: &SessionId, epoch: u32) -> Vec<String> {
        let mut taken = Vec::new();
        for early in std::mem::take(&mut self.0) {
            let ours = early.from == *from && early.session == *session;
            match (ours, early.epoch.cmp(&epoch)) {
                (true, std::cmp::Ordering::Equal) => taken.push(early.candidate),
                (true, std::cmp::Ordering::Less) => {}
                (true, std::cmp::Ordering::Greater) | (false, _) => self.0.push_back(early),
            }
        }
        taken
    }
}

/// An outage of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// When packets stopped.
    pub(crate) since: Instant,
    /// When to try (or ask for) the next ICE restart.
    pub(crate) retry_at: Instant,
}

impl Outage {
    /// How long after one ICE restart the next is tried. A restart over a path that works takes about two round trips.
    pub(crate) const RETRY: Duration = Duration::from_secs(3);
    /// How long the answerer waits for the offerer to notice by itself before it asks. One that still receives does not.
    pub(crate) const ASK_AFTER: Duration = Duration::from_millis(500);
    /// A restart that is this young is not started anew because the answerer asks for one.
    pub(crate) const RESTART_MIN: Duration = Duration::from_secs(1);
    /// How long an outage may last before the other side counts as gone.
    pub(crate) const GIVE_UP: Duration = Duration::from_secs(60);

    pub(crate) fn new(now: Instant, role: Role) -> Self {
        let first = match role {
            Role::Offerer => Duration::ZERO,
            Role::Answerer => Self::ASK_AFTER,
        };
        Self { since: now, retry_at: now + first }
    }
}
