//! Two who meet at a nameplate.
//!
//! ```text
//! open --code_claim--> claimed: the nameplate is used up, whatever becomes of it
//!   `-- code_close, bye, gone; 10 min: code_failed
//! ```
//!
//! An unknown nameplate, a used one and a claim too many are one answer: there is nothing to be learnt from asking.

use std::time::Instant;

use eyeline_protocol::{LeftReason, MemberId, ServerMessage};

use super::members::Presence;
use super::{ConnId, Place, RoomKey, Rooms, Timer};
use crate::codes::{Claim, Claimant, NoneFree, RendezvousId};

pub(super) struct Rendezvous {
    host: MemberId,
    state: State,
}

enum State {
    Open { nameplate: u32, until: Instant },
    Claimed { guest: MemberId, claim: Claim },
}

impl Rooms {
    pub(super) fn code_open(&mut self, now: Instant, conn: ConnId) {
        if self.is_full() {
            return self.full(conn);
        }
        let Some(codes_left) = self.conns.get_mut(&conn).map(|conn| &mut conn.codes_left) else { return };
        if *codes_left == 0 {
            return self.say(conn, ServerMessage::CodeFailed);
        }
        *codes_left -= 1;
        let id = RendezvousId(self.next_rendezvous);
        let nameplate = match self.nameplates.take(now, &mut self.dice, id) {
            Ok(nameplate) => nameplate,
            Err(NoneFree) => return self.full(conn),
        };
        self.next_rendezvous += 1;
        let until = now + self.config.code_ttl;
        self.timers.set(until, Timer::Rendezvous(id));
        let Some(host) = self.enter(conn, RoomKey::Rendezvous(id)) else { return };
        self.rendezvous.insert(id, Rendezvous { host: host.member, state: State::Open { nameplate, until } });
        self.say_code(now, conn, nameplate, until);
    }

    pub(super) fn code_claim(&mut self, now: Instant, conn: ConnId, nameplate: u32) {
        if self.is_full() {
            return self.full(conn);
        }
        let Some(origin) = self.conns.get(&conn).map(|conn| conn.origin) else { return };
        let claim = self.claims.count(now, Claimant::new(origin, conn));
        let found = claim.and_then(|claim| Some((claim, self.nameplates.find(nameplate)?)));
        let Some((claim, id)) = found else { return self.say(conn, ServerMessage::CodeFailed) };
        self.end_waiting(now, id);
        let Some(guest) = self.enter(conn, RoomKey::Rendezvous(id)) else { return };
        let Some(rendezvous) = self.rendezvous.get_mut(&id) else { return };
        rendezvous.state = State::Claimed { guest: guest.member.clone(), claim };
        let host = Place { room: guest.room, member: rendezvous.host.clone() };
        self.say(conn, claimed(&guest, &host.member));
        if let Some(to) = self.attached(&host) {
            self.say(to, claimed(&host, &guest.member));
        }
    }

    pub(super) fn code_close(&mut self, now: Instant, conn: ConnId, place: &Place, met: bool) {
        let RoomKey::Rendezvous(id) = place.room else { return self.already_joined(conn) };
        if let Some(Rendezvous { host, state: State::Claimed { claim, .. } }) = self.rendezvous.get(&id)
            && met
            && *host == place.member
        {
            self.claims.forgive(*claim);
        }
        self.unplace(now, conn);
        self.remove(now, place, LeftReason::Bye);
    }

    /// Nobody came.
    pub(super) fn code_expired(&mut self, now: Instant, id: RendezvousId) {
        let Some(Rendezvous { host, state: State::Open { .. } }) = self.rendezvous.get(&id) else { return };
        let place = Place { room: RoomKey::Rendezvous(id), member: host.clone() };
        if let Some(conn) = self.attached(&place) {
            self.say(conn, ServerMessage::CodeFailed);
            self.unplace(now, conn);
        }
        self.remove(now, &place, LeftReason::Gone);
    }

    /// Says again where things stand, as it may have been lost with the old socket.
    pub(super) fn repeat_code(&mut self, now: Instant, conn: ConnId, place: &Place) {
        let RoomKey::Rendezvous(id) = place.room else { return };
        match self.rendezvous.get(&id) {
            Some(Rendezvous { state: State::Open { nameplate, until }, .. }) => {
                self.say_code(now, conn, *nameplate, *until);
            }
            Some(Rendezvous { host, state: State::Claimed { guest, .. } }) => {
                let peer = if *host == place.member { guest } else { host };
                let message = claimed(place, peer);
                self.say(conn, message);
            }
            None => {}
        }
    }

    /// Says again that the other left: without that, nobody but the host would know that its code was guessed at.
    pub(super) fn repeat_left(&mut self, conn: ConnId, place: &Place) {
        let RoomKey::Rendezvous(id) = place.room else { return };
        let Some(Rendezvous { host, state: State::Claimed { guest, .. } }) = self.rendezvous.get(&id) else { return };
        let peer = if *host == place.member { guest.clone() } else { host.clone() };
        if self.member_mut(&Place { room: place.room, member: peer.clone() }).is_none() {
            self.say(conn, ServerMessage::PeerLeft { id: peer, reason: LeftReason::Gone });
        }
    }

    /// A member has left.
    pub(super) fn left_rendezvous(&mut self, now: Instant, place: &Place) {
        let RoomKey::Rendezvous(id) = place.room else { return };
        // Before a claim the host is alone there.
        self.end_waiting(now, id);
        if !self.rooms.contains_key(&place.room) {
            self.rendezvous.remove(&id);
        }
    }

    /// The nameplate is used up, if it was not before.
    fn end_waiting(&mut self, now: Instant, id: RendezvousId) {
        if let Some(Rendezvous { state: State::Open { nameplate, until }, .. }) = self.rendezvous.get(&id) {
            self.nameplates.release(now, *nameplate);
            self.timers.cancel(*until, Timer::Rendezvous(id));
        }
    }

    fn say_code(&mut self, now: Instant, conn: ConnId, nameplate: u32, until: Instant) {
        let left_s = until.saturating_duration_since(now).as_secs();
        let ttl_s = u32::try_from(left_s).unwrap_or(u32::MAX);
        self.say(conn, ServerMessage::Code { nameplate, ttl_s });
    }

    fn attached(&mut self, place: &Place) -> Option<ConnId> {
        match self.member_mut(place)?.presence {
            Presence::Attached(conn) => Some(conn),
            Presence::Detached { .. } => None,
        }
    }
}

fn claimed(me: &Place, peer: &MemberId) -> ServerMessage {
    ServerMessage::CodeClaimed { me: me.member.clone(), peer: peer.clone() }
}
