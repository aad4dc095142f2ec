//! Inboxes, rings and presence, without sockets and without a clock, like [`crate::rooms`].
//!
//! ```text
//! inbox:  open --socket closes--> held --60 s--> gone (watchers: offline, its rings fail)
//!           ^---inbox_open (proof)--'
//!           `-- bye: gone at once
//!
//! ring:   waiting --ring_reply--> answered, over as soon as the caller has it
//!           `-- ring_cancel, caller or inbox gone, 60 s: over
//! ```
//!
//! All of it is soft state: the owner says again who may ring, and nothing is left when it is gone.
//!
//! A stranger learns nothing here. Whether an inbox does not exist, is closed, or does not know the token: the server
//! hashes the token and looks for the pair of inbox and hash in one table. There is one answer, and up to it one way. What
//! is compared are hashes, whose bytes nobody can steer, so that the time of the comparison says nothing either.

mod presence;
mod rings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use eyeline_protocol::{Grant, InboxId, InboxSecret, RingToken, ServerMessage, TokenHash, limits};
use sha2::{Digest as _, Sha256};

pub(crate) use self::rings::NewRing;
use self::rings::{Caller, Ring, RingKey};
use crate::dice::{Dice, Seed};
use crate::rate::{Bucket, Rate};
use crate::rooms::{ConnId, Output};
use crate::timers::Timers;

/// What goes before the secret in the hash that is an inbox's id.
const INBOX_LABEL: &[u8] = b"eyeline/1 inbox";

#[derive(Debug, Clone)]
pub(crate) struct InboxesConfig {
    /// How long an inbox stays open without a socket.
    pub(crate) hold: Duration,
    /// How long a ring waits for its answer.
    pub(crate) ring_ttl: Duration,
    /// Inboxes and tokens together; a list that does not fit is refused.
    pub(crate) grants_max: usize,
    /// What all sockets watch together; a list that does not fit is refused.
    pub(crate) watched_max: usize,
}

/// Why an inbox was not opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The secret is that of another inbox.
    BadProof,
    /// This socket has another inbox.
    HasAnother,
    /// There are as many as there may be.
    Full,
}

/// There are as many as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

pub(crate) struct Inboxes {
    config: InboxesConfig,
    dice: Dice,
    inboxes: HashMap<InboxId, Inbox>,
    /// Whoever has said anything about inboxes.
    conns: HashMap<ConnId, Conn>,
    /// Every token of every open inbox, and whether it may see that the inbox is open.
    grants: HashMap<Ticket, bool>,
    watchers: HashMap<Ticket, BTreeSet<ConnId>>,
    watched: usize,
    rings: HashMap<RingKey, Ring>,
    by_caller: HashMap<Caller, BTreeMap<eyeline_protocol::RingId, RingKey>>,
    next_ring: u64,
    timers: Timers<Due>,
    outputs: VecDeque<Output>,
}

/// A token at an inbox.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Ticket {
    inbox: InboxId,
    hash: TokenHash,
}

impl Ticket {
    fn new(inbox: InboxId, token: &RingToken) -> Self {
        Self { inbox, hash: TokenHash(Sha256::digest(token.0).into()) }
    }
}

struct Inbox {
    holder: Holder,
    hashes: BTreeSet<TokenHash>,
    bucket: Bucket,
    /// Those that wait for an answer, at most [`limits::INBOX_RINGS_OPEN_MAX`].
    waiting: Vec<RingKey>,
}

#[derive(Clone, Copy)]
enum Holder {
    Open(ConnId),
    Held { until: Instant },
}

struct Conn {
    inbox: Option<InboxId>,
    watching: BTreeSet<Ticket>,
    bucket: Bucket,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ring(RingKey),
    Inbox(InboxId),
}

impl Inboxes {
    pub(crate) fn new(config: InboxesConfig, seed: Seed) -> Self {
        Self {
            config,
            dice: Dice::new(seed),
            inboxes: HashMap::new(),
            conns: HashMap::new(),
            grants: HashMap::new(),
            watchers: HashMap::new(),
            watched: 0,
            rings: HashMap::new(),
            by_caller: HashMap::new(),
            next_ring: 0,
            timers: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Opens an inbox or changes its list. If another socket had it, that one is returned, to be closed; here it is
    /// forgotten already.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        conn: ConnId,
        id: InboxId,
        proof: &InboxSecret,
        tokens: &[Grant],
    ) -> Result<Option<ConnId>, OpenError> {
        if inbox_of(proof) != id {
            return Err(OpenError::BadProof);
        }
        if self.inbox_of_conn(conn).is_some_and(|other| other != id) {
            return Err(OpenError::HasAnother);
        }
        let before = self.inboxes.get(&id).map_or(0, |inbox| 1 + inbox.hashes.len());
        if self.inboxes.len() + self.grants.len() - before + 1 + tokens.len() > self.config.grants_max {
            return Err(OpenError::Full);
        }
        let displaced = self.take_over(now, conn, id);
        self.say(conn, ServerMessage::InboxOpened);
        self.set_grants(id, tokens);
        if self.conn_mut(now, conn).inbox.replace(id).is_none() {
            self.repeat_rings(conn, id);
        }
        Ok(displaced)
    }

    /// Makes a socket the holder of an inbox; the other socket that was.
    fn take_over(&mut self, now: Instant, conn: ConnId, id: InboxId) -> Option<ConnId> {
        let inbox = self.inboxes.entry(id).or_insert_with(|| Inbox {
            holder: Holder::Open(conn),
            hashes: BTreeSet::new(),
            bucket: Bucket::new(now, per_min(limits::INBOX_RINGS_PER_MIN)),
            waiting: Vec::new(),
        });
        match std::mem::replace(&mut inbox.holder, Holder::Open(conn)) {
            Holder::Held { until } => {
                self.timers.cancel(until, Due::Inbox(id));
                None
            }
            Holder::Open(holder) if holder == conn => None,
            Holder::Open(displaced) => {
                self.forget(displaced);
                Some(displaced)
            }
        }
    }

    /// A socket is gone, for whatever reason; its inbox is held for a while.
    pub(crate) fn closed(&mut self, now: Instant, conn: ConnId) {
        if let Some(id) = self.forget(conn)
            && let Some(inbox) = self.inboxes.get_mut(&id)
        {
            let until = now + self.config.hold;
            inbox.holder = Holder::Held { until };
            self.timers.set(until, Due::Inbox(id));
        }
    }

    /// A client has left for good, and its inbox with it.
    pub(crate) fn left(&mut self, conn: ConnId) {
        if let Some(id) = self.forget(conn) {
            self.remove(id);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Ring(key) => self.expire_ring(key),
                Due::Inbox(id) => self.remove(id),
            }
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Everything of a socket but its inbox, which is returned.
    fn forget(&mut self, conn: ConnId) -> Option<InboxId> {
        let Conn { inbox, watching, .. } = self.conns.remove(&conn)?;
        self.unwatch(conn, &watching);
        self.cancel_rings_of(&Caller::Conn(conn));
        inbox
    }

    fn remove(&mut self, id: InboxId) {
        self.set_grants(id, &[]);
        let Some(inbox) = self.inboxes.remove(&id) else { return };
        if let Holder::Held { until } = inbox.holder {
            self.timers.cancel(until, Due::Inbox(id));
        }
        for key in inbox.waiting {
            self.fail_ring(key);
        }
        self.cancel_rings_of(&Caller::Inbox(id));
    }

    /// What is known of a socket; at its first word that is nothing.
    fn conn_mut(&mut self, now: Instant, conn: ConnId) -> &mut Conn {
        self.conns.entry(conn).or_insert_with(|| Conn {
            inbox: None,
            watching: BTreeSet::new(),
            bucket: Bucket::new(now, per_min(limits::RINGS_PER_MIN)),
        })
    }

    fn inbox_of_conn(&self, conn: ConnId) -> Option<InboxId> {
        self.conns.get(&conn)?.inbox
    }

    /// The socket that has the inbox now.
    fn holder(&self, id: InboxId) -> Option<ConnId> {
        match self.inboxes.get(&id)?.holder {
            Holder::Open(conn) => Some(conn),
            Holder::Held { .. } => None,
        }
    }

    fn say(&mut self, conn: ConnId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { conn, message, replay: false });
    }
}

/// The inbox that a secret is the proof for.
fn inbox_of(secret: &InboxSecret) -> InboxId {
    let digest = Sha256::new().chain_update(INBOX_LABEL).chain_update(secret.0).finalize();
    InboxId(std::array::from_fn(|at| digest[at]))
}

fn per_min(count: u32) -> Rate {
    Rate { burst: count, every: Duration::from_secs(60) / count }
}
