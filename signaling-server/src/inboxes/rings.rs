//! Rings: from a caller into an inbox, and the answer back.

use std::time::Instant;

use eyeline_protocol::{InboxId, RingId, RingRef, RingToken, ServerMessage, limits};

use super::{ConnId, Due, Inboxes, Ticket};

/// In the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RingKey(u64);

/// Whose a ring is: of the inbox that the caller's socket had, so that it outlives the socket as the inbox does, or of a
/// socket without one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    Conn(ConnId),
    Inbox(InboxId),
}

pub(super) struct Ring {
    caller: Caller,
    ring_id: RingId,
    callee: InboxId,
    until: Instant,
    stage: RingStage,
}

enum RingStage {
    Waiting {
        ring_ref: RingRef,
        body: String,
    },
    /// The caller's inbox is held, and gets this when it is opened again.
    Answered {
        body: String,
    },
}

/// What a caller says.
pub(crate) struct NewRing {
    pub(crate) ring_id: RingId,
    pub(crate) inbox_id: InboxId,
    pub(crate) token: RingToken,
    pub(crate) body: String,
}

impl Inboxes {
    /// Rings, or says that it failed; to the caller all failures are alike.
    pub(crate) fn ring(&mut self, now: Instant, conn: ConnId, ring: NewRing) {
        let NewRing { ring_id, inbox_id, token, body } = ring;
        let ticket = Ticket::new(inbox_id, &token);
        let caller = self.caller(conn);
        let allowed = self.conn_mut(now, conn).bucket.take(now).is_ok();
        let known = self.grants.contains_key(&ticket);
        let repeated = self.by_caller.get(&caller).is_some_and(|rings| rings.contains_key(&ring_id));
        if !allowed || !known || repeated || !self.has_room(now, inbox_id) {
            return self.say(conn, ServerMessage::RingFailed { ring_id });
        }
        let key = RingKey(self.next_ring);
        self.next_ring += 1;
        let ring_ref = RingRef::from_random(self.dice.bytes());
        let until = now + self.config.ring_ttl;
        self.timers.set(until, Due::Ring(key));
        self.by_caller.entry(caller).or_default().insert(ring_id.clone(), key);
        if let Some(inbox) = self.inboxes.get_mut(&inbox_id) {
            inbox.waiting.push(key);
        }
        if let Some(callee) = self.holder(inbox_id) {
            self.say(callee, ServerMessage::Ring { ring_ref: ring_ref.clone(), body: body.clone() });
        }
        self.say(conn, ServerMessage::Ringing { ring_id: ring_id.clone() });
        let stage = RingStage::Waiting { ring_ref, body };
        self.rings.insert(key, Ring { caller, ring_id, callee: inbox_id, until, stage });
    }

    /// Counts a ring against the inbox: only those that it allows come here, so that no stranger can use this up.
    fn has_room(&mut self, now: Instant, id: InboxId) -> bool {
        let Some(inbox) = self.inboxes.get_mut(&id) else { return false };
        inbox.waiting.len() < limits::INBOX_RINGS_OPEN_MAX && inbox.bucket.take(now).is_ok()
    }

    /// The answer of the one who is rung; a reference that is not known is ignored, as the ring may just have ended.
    pub(crate) fn reply(&mut self, conn: ConnId, ring_ref: &RingRef, body: String) {
        let Some(inbox) = self.inbox_of_conn(conn).and_then(|id| self.inboxes.get(&id)) else { return };
        let Some(key) = inbox.waiting.iter().copied().find(|key| self.waits_as(*key, ring_ref)) else { return };
        let Some(caller) = self.rings.get(&key).map(|ring| ring.caller) else { return };
        if let Some(to) = self.conn_of(caller) {
            if let Some(ring) = self.take_ring(key) {
                self.say(to, ServerMessage::RingReply { ring_id: ring.ring_id, body });
            }
            return;
        }
        self.stop_waiting(key);
        if let Some(ring) = self.rings.get_mut(&key) {
            ring.stage = RingStage::Answered { body };
        }
    }

    /// The caller takes a ring back; an id that is not known is ignored, as the ring may just have ended.
    pub(crate) fn cancel(&mut self, conn: ConnId, ring_id: &RingId) {
        // One that was made before the socket had an inbox is still the socket's.
        for caller in [self.caller(conn), Caller::Conn(conn)] {
            if let Some(key) = self.by_caller.get(&caller).and_then(|rings| rings.get(ring_id)).copied() {
                return self.cancel_ring(key);
            }
        }
    }

    /// Tells a socket that opened an inbox of what waits there.
    pub(super) fn repeat_rings(&mut self, conn: ConnId, id: InboxId) {
        let waiting = self.inboxes.get(&id).map(|inbox| inbox.waiting.clone()).unwrap_or_default();
        for ring in waiting.iter().filter_map(|key| self.rings.get(key)) {
            if let RingStage::Waiting { ring_ref, body } = &ring.stage {
                let message = ServerMessage::Ring { ring_ref: ring_ref.clone(), body: body.clone() };
                self.outputs.push_back(super::Output::Send { conn, message, replay: false });
            }
        }
        for key in self.rings_of(&Caller::Inbox(id)) {
            if let Some(RingStage::Answered { body }) = self.rings.get(&key).map(|ring| &ring.stage) {
                let body = body.clone();
                if let Some(ring) = self.take_ring(key) {
                    self.say(conn, ServerMessage::RingReply { ring_id: ring.ring_id, body });
                }
            }
        }
    }

    pub(super) fn cancel_rings_of(&mut self, caller: &Caller) {
        for key in self.rings_of(caller) {
            self.cancel_ring(key);
        }
    }

    /// Over without an answer: the caller hears of it.
    pub(super) fn fail_ring(&mut self, key: RingKey) {
        if let Some(ring) = self.take_ring(key)
            && let Some(caller) = self.conn_of(ring.caller)
        {
            self.say(caller, ServerMessage::RingFailed { ring_id: ring.ring_id });
        }
    }

    /// The time is over: both hear of it.
    pub(super) fn expire_ring(&mut self, key: RingKey) {
        self.tell_cancelled(key);
        self.fail_ring(key);
    }

    fn cancel_ring(&mut self, key: RingKey) {
        self.tell_cancelled(key);
        self.take_ring(key);
    }

    fn tell_cancelled(&mut self, key: RingKey) {
        let Some(ring) = self.rings.get(&key) else { return };
        match (&ring.stage, self.holder(ring.callee)) {
            (RingStage::Waiting { ring_ref, .. }, Some(callee)) => {
                let ring_ref = ring_ref.clone();
                self.say(callee, ServerMessage::RingCancelled { ring_ref });
            }
            (RingStage::Waiting { .. }, None) | (RingStage::Answered { .. }, _) => {}
        }
    }

    fn take_ring(&mut self, key: RingKey) -> Option<Ring> {
        self.stop_waiting(key);
        let ring = self.rings.remove(&key)?;
        self.timers.cancel(ring.until, Due::Ring(key));
        if let Some(rings) = self.by_caller.get_mut(&ring.caller) {
            rings.remove(&ring.ring_id);
            if rings.is_empty() {
                self.by_caller.remove(&ring.caller);
            }
        }
        Some(ring)
    }

    fn stop_waiting(&mut self, key: RingKey) {
        let callee = self.rings.get(&key).map(|ring| ring.callee);
        if let Some(inbox) = callee.and_then(|id| self.inboxes.get_mut(&id)) {
            inbox.waiting.retain(|waiting| *waiting != key);
        }
    }

    fn waits_as(&self, key: RingKey, wanted: &RingRef) -> bool {
        match self.rings.get(&key).map(|ring| &ring.stage) {
            Some(RingStage::Waiting { ring_ref, .. }) => ring_ref == wanted,
            Some(RingStage::Answered { .. }) | None => false,
        }
    }

    fn rings_of(&self, caller: &Caller) -> Vec<RingKey> {
        self.by_caller.get(caller).into_iter().flatten().map(|(_, key)| *key).collect()
    }

    fn caller(&self, conn: ConnId) -> Caller {
        self.inbox_of_conn(conn).map_or(Caller::Conn(conn), Caller::Inbox)
    }

    fn conn_of(&self, caller: Caller) -> Option<ConnId> {
        match caller {
            Caller::Conn(conn) => Some(conn),
            Caller::Inbox(id) => self.holder(id),
        }
    }
}
