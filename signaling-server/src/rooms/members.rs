//! Who is in which room, and the letters between them.

use std::collections::BTreeMap;
use std::time::Instant;

use eyeline_protocol::{ErrorCode, LeftReason, MemberId, ResumeToken, Resumed, RoomId, ServerMessage, limits};

use super::conns::{Stage, TokenHash, hash};
use super::letters::{Letter, Letters, LettersFull, LettersLimit};
use super::{ConnId, IceFor, Output, Place, RoomKey, Rooms, Timer};

const LETTERS_LIMIT: LettersLimit =
    LettersLimit { letters: limits::UNACKED_FRAMES_MAX, body_bytes: limits::UNACKED_BYTES_MAX };

/// What a client with `server_full` waits.
pub(super) const SERVER_FULL_RETRY_MS: u64 = 30_000;

/// Someone in a room.
pub(super) struct Member {
    token: TokenHash,
    pub(super) presence: Presence,
    letters: Letters,
    /// The highest `seq` taken from this member, by recipient (present members only).
    taken: BTreeMap<MemberId, u64>,
}

#[derive(Clone, Copy)]
pub(super) enum Presence {
    Attached(ConnId),
    Detached { until: Instant },
}

impl Rooms {
    pub(super) fn resume(&mut self, now: Instant, conn: ConnId, token: &ResumeToken, place: &Place) {
        let members = self.others(place);
        let Some(member) = self.member_mut(place) else { return };
        let presence = std::mem::replace(&mut member.presence, Presence::Attached(conn));
        let received = member.taken.clone();
        let letters: Vec<Letter> = member.letters.iter().cloned().collect();
        match presence {
            Presence::Detached { until } => self.timers.cancel(until, Timer::Member(place.clone())),
            // The client noticed before the server that its socket broke.
            Presence::Attached(old) => self.refuse(old, ErrorCode::Replaced, "resumed on another socket"),
        }
        let resumed = Resumed { me: place.member.clone(), members, received };
        self.restage(conn, Stage::Placed { place: place.clone() });
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.token = token.clone();
        }
        self.welcome(conn, Some(resumed));
        self.repeat_code(now, conn, place);
        for Letter { from, seq, body } in letters {
            let message = ServerMessage::From { from, seq, body };
            self.outputs.push_back(Output::Send { conn, message, replay: true });
        }
        self.repeat_left(conn, place);
    }

    pub(super) fn is_full(&self) -> bool {
        self.by_token.len() >= self.config.members_max
    }

    pub(super) fn join(&mut self, conn: ConnId, room_id: RoomId) {
        if self.is_full() {
            return self.full(conn);
        }
        let room = RoomKey::Linked(room_id);
        if self.rooms.get(&room).is_some_and(|room| room.len() >= self.config.room_members) {
            return self.error(conn, ErrorCode::RoomFull, "the room is full", None);
        }
        let Some(place) = self.enter(conn, room) else { return };
        let message = IceFor::Joined { members: self.others(&place) };
        self.outputs.push_back(Output::Ice { conn, room: room_id, me: place.member.clone(), message });
        self.say_others(&place, &ServerMessage::PeerJoined { id: place.member.clone() });
    }

    pub(super) fn refresh_ice(&mut self, conn: ConnId, place: &Place) {
        match place.room {
            RoomKey::Linked(room) => {
                let (me, message) = (place.member.clone(), IceFor::Refresh);
                self.outputs.push_back(Output::Ice { conn, room, me, message });
            }
            RoomKey::Rendezvous(_) => self.not_joined(conn),
        }
    }

    /// Makes a socket a member; `None` if it is closed. 96 random bits: a member that joins anew never looks like one
    /// that was there before.
    pub(super) fn enter(&mut self, conn: ConnId, room: RoomKey) -> Option<Place> {
        let token = hash(&self.conns.get(&conn)?.token);
        let place = Place { room, member: MemberId::from_random(self.dice.bytes()) };
        self.restage(conn, Stage::Placed { place: place.clone() });
        let member =
            Member { token, presence: Presence::Attached(conn), letters: Letters::default(), taken: BTreeMap::new() };
        self.by_token.insert(token, place.clone());
        self.rooms.entry(room).or_default().insert(place.member.clone(), member);
        Some(place)
    }

    pub(super) fn send(&mut self, now: Instant, conn: ConnId, place: &Place, to: MemberId, seq: u64, body: String) {
        let there = Place { room: place.room, member: to };
        if there.member == place.member || self.member_mut(&there).is_none() {
            return self.say(conn, ServerMessage::Undeliverable { to: there.member, seq });
        }
        let Some(sender) = self.member_mut(place) else { return };
        let taken = sender.taken.get(&there.member).copied().unwrap_or(0);
        if (1..=taken).contains(&seq) {
            return; // sent again after a resume, but it had arrived
        }
        if seq != taken + 1 || seq > limits::SEQ_MAX {
            return self.error(conn, ErrorCode::BadSequence, "seq counts up by one per recipient", None);
        }
        sender.taken.insert(there.member.clone(), seq);
        self.deliver(now, conn, place, &there, seq, body);
    }

    fn deliver(&mut self, now: Instant, conn: ConnId, place: &Place, there: &Place, seq: u64, body: String) {
        let Some(recipient) = self.member_mut(there) else { return };
        let letter = Letter { from: place.member.clone(), seq, body: body.clone() };
        let presence = recipient.presence;
        match (recipient.letters.push(letter, LETTERS_LIMIT), presence) {
            (Ok(()), Presence::Attached(to)) => {
                self.say(to, ServerMessage::From { from: place.member.clone(), seq, body });
            }
            (Ok(()), Presence::Detached { .. }) => {}
            (Err(LettersFull), presence) => {
                if let Presence::Attached(to) = presence {
                    self.refuse(to, ErrorCode::Overflow, "too much was not acknowledged");
                }
                self.say(conn, ServerMessage::Undeliverable { to: there.member.clone(), seq });
                self.remove(now, there, LeftReason::Gone);
            }
        }
    }

    pub(super) fn acknowledge(&mut self, place: &Place, from: &MemberId, seq: u64) {
        if let Some(member) = self.member_mut(place) {
            member.letters.acknowledge(from, seq);
        }
    }

    /// A member whose socket is gone waits for it to come back.
    pub(super) fn detach(&mut self, now: Instant, place: Place) {
        let until = now + self.config.resume_window;
        if let Some(member) = self.member_mut(&place) {
            member.presence = Presence::Detached { until };
            self.timers.set(until, Timer::Member(place));
        }
    }

    /// A member is gone for good; the others hear of it.
    pub(super) fn remove(&mut self, now: Instant, place: &Place, reason: LeftReason) {
        let Some(room) = self.rooms.get_mut(&place.room) else { return };
        let Some(member) = room.remove(&place.member) else { return };
        if room.is_empty() {
            self.rooms.remove(&place.room);
        } else {
            for other in room.values_mut() {
                other.taken.remove(&place.member);
            }
        }
        self.by_token.remove(&member.token);
        if let Presence::Detached { until } = member.presence {
            self.timers.cancel(until, Timer::Member(place.clone()));
        }
        self.left_rendezvous(now, place);
        self.say_others(place, &ServerMessage::PeerLeft { id: place.member.clone(), reason });
        self.outputs.push_back(Output::Left { member: place.member.clone() });
    }

    pub(super) fn member_mut(&mut self, place: &Place) -> Option<&mut Member> {
        self.rooms.get_mut(&place.room)?.get_mut(&place.member)
    }

    fn others(&self, place: &Place) -> Vec<MemberId> {
        let room = self.rooms.get(&place.room);
        room.into_iter().flatten().map(|(id, _)| id).filter(|id| **id != place.member).cloned().collect()
    }

    fn say_others(&mut self, place: &Place, message: &ServerMessage) {
        let room = self.rooms.get(&place.room);
        for (id, member) in room.into_iter().flatten() {
            match member.presence {
                Presence::Attached(conn) if *id != place.member => {
                    self.outputs.push_back(Output::Send { conn, message: message.clone(), replay: false });
                }
                // Who is detached learns who is there from `welcome.resumed`.
                Presence::Attached(_) | Presence::Detached { .. } => {}
            }
        }
    }
}
