//! Inboxes, rings and presence.

use eyeline_protocol::{Grant, InboxId, InboxSecret, RingId, RingRef, RingToken, TokenHash, Watched};
use sha2::{Digest as _, Sha256};

use super::*;

/// Somebody with an inbox.
pub(super) struct Owner {
    pub(super) secret: InboxSecret,
    pub(super) id: InboxId,
}

pub(super) fn owner(seed: u8) -> Owner {
    let digest = Sha256::new().chain_update("eyeline/1 inbox").chain_update([seed; 32]).finalize();
    Owner { secret: InboxSecret([seed; 32]), id: InboxId(digest[..16].try_into().unwrap()) }
}

pub(super) fn token(seed: u8) -> RingToken {
    RingToken([seed; 16])
}

pub(super) fn grant(token: RingToken, presence: bool) -> Grant {
    Grant { hash: TokenHash(Sha256::digest(token.0).into()), presence }
}

pub(super) fn ring_id(text: &str) -> RingId {
    RingId::new(text).unwrap()
}

fn failed(text: &str) -> ServerMessage {
    ServerMessage::RingFailed { ring_id: ring_id(text) }
}

fn ringing(text: &str) -> ServerMessage {
    ServerMessage::Ringing { ring_id: ring_id(text) }
}

fn reply(text: &str) -> ServerMessage {
    ServerMessage::RingReply { ring_id: ring_id(text), body: "cmVwbHk".into() }
}

fn cancelled(ring_ref: &RingRef) -> ServerMessage {
    ServerMessage::RingCancelled { ring_ref: ring_ref.clone() }
}

fn online(owner: &Owner, online: bool) -> ServerMessage {
    ServerMessage::Presence { inbox_id: owner.id, online }
}

impl Rig {
    fn welcomed(&mut self) -> ConnId {
        let (conn, _) = self.hello(None);
        self.read(conn);
        conn
    }

    fn say_open(&mut self, conn: ConnId, owner: &Owner, tokens: Vec<Grant>) {
        self.say(conn, ClientMessage::InboxOpen { inbox_id: owner.id, proof: owner.secret, tokens });
    }

    /// A socket with an inbox that these may ring.
    fn inbox(&mut self, owner: &Owner, tokens: Vec<Grant>) -> ConnId {
        let conn = self.welcomed();
        self.say_open(conn, owner, tokens);
        assert_eq!(self.read(conn), [ServerMessage::InboxOpened]);
        conn
    }

    fn ring(&mut self, conn: ConnId, name: &str, inbox_id: InboxId, token: RingToken) -> Vec<ServerMessage> {
        self.say(conn, ClientMessage::Ring { ring_id: ring_id(name), inbox_id, token, body: "cmluZw".into() });
        self.read(conn)
    }

    /// The one ring that a socket was told of.
    fn rung(&mut self, conn: ConnId) -> RingRef {
        match self.read(conn).as_slice() {
            [ServerMessage::Ring { ring_ref, body }] if body == "cmluZw" => ring_ref.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, conn: ConnId, ring_ref: &RingRef) {
        self.say(conn, ClientMessage::RingReply { ring_ref: ring_ref.clone(), body: "cmVwbHk".into() });
    }

    fn watch(&mut self, conn: ConnId, contacts: &[(&Owner, RingToken)]) -> Vec<ServerMessage> {
        let contacts = contacts.iter().map(|(owner, token)| Watched { inbox_id: owner.id, token: *token }).collect();
        self.say(conn, ClientMessage::Watch { contacts });
        self.read(conn)
    }
}

#[test]
fn the_id_of_an_inbox_is_as_the_document_says() {
    assert_eq!(owner(7).id.to_string(), "9xb8r8X1iTeyRk12Delo8A");
    assert_eq!(grant(token(9), false).hash.to_string(), "BiMrCNq7Wk_bRmWYF5NJyEWw3DQ2MkeU4nAle04P284");
}

#[test]
fn a_ring_goes_in_and_its_answer_comes_back_once() {
    let mut rig = Rig::new();
    let callee = rig.inbox(&owner(1), vec![grant(token(1), false)]);
    let caller = rig.welcomed();
    assert_eq!(rig.ring(caller, "r1", owner(1).id, token(1)), [ringing("r1")]);
    let ring_ref = rig.rung(callee);
    rig.answer(callee, &ring_ref);
    assert_eq!(rig.read(caller), [reply("r1")]);
    rig.answer(callee, &ring_ref);
    rig.say(caller, ClientMessage::RingCancel { ring_id: ring_id("r1") });
    rig.pass(Duration::from_secs(3600));
    assert_eq!((rig.read(caller), rig.read(callee)), (vec![], vec![]));
    // The name is free again.
    assert_eq!(rig.ring(caller, "r1", owner(1).id, token(1)), [ringing("r1")]);
}

#[test]
fn an_unknown_inbox_a_wrong_token_and_a_closed_inbox_are_one_answer() {
    let mut rig = Rig::new();
    rig.inbox(&owner(1), vec![grant(token(1), true)]);
    let closed = rig.inbox(&owner(2), vec![grant(token(2), true)]);
    rig.say(closed, ClientMessage::Bye);
    let caller = rig.welcomed();
    for (name, inbox, with) in [("a", owner(9), 1), ("b", owner(1), 2), ("c", owner(2), 2)] {
        assert_eq!(rig.ring(caller, name, inbox.id, token(with)), [failed(name)]);
    }
    assert_eq!(rig.watch(caller, &[(&owner(9), token(1)), (&owner(1), token(2)), (&owner(2), token(2))]), []);
}

#[test]
fn an_inbox_opens_with_its_secret_only() {
    let mut rig = Rig::new();
    let (mine, other) = (owner(1), owner(2));
    let thief = rig.welcomed();
    rig.say(thief, ClientMessage::InboxOpen { inbox_id: mine.id, proof: other.secret, tokens: vec![] });
    assert_eq!(rig.codes(thief), [ErrorCode::BadProof]);
    let conn = rig.inbox(&mine, vec![]);
    rig.say_open(conn, &other, vec![]);
    rig.say(conn, ClientMessage::Join { room_id: ROOM });
    rig.say(conn, ClientMessage::CodeOpen);
    assert_eq!(rig.codes(conn), vec![ErrorCode::AlreadyJoined; 3]);
    rig.say(conn, ClientMessage::Ack { from: MemberId::new("a").unwrap(), seq: 1 });
    assert_eq!(rig.codes(conn), [ErrorCode::NotJoined]);
    // The thief's socket was given no place, the owner's has one.
    rig.pass(limits::JOIN_TIMEOUT);
    assert_eq!(rig.codes(thief), [ErrorCode::JoinTimeout]);
    assert_eq!(rig.closed.get(&conn), None);
}

#[test]
fn who_may_ring_changes_with_the_list() {
    let mut rig = Rig::new();
    let callee = rig.inbox(&owner(1), vec![grant(token(1), false), grant(token(2), false)]);
    let caller = rig.welcomed();
    rig.say_open(callee, &owner(1), vec![grant(token(2), false), grant(token(3), false)]);
    assert_eq!(rig.ring(caller, "1", owner(1).id, token(1)), [failed("1")]);
    assert_eq!(rig.ring(caller, "2", owner(1).id, token(2)), [ringing("2")]);
    assert_eq!(rig.ring(caller, "3", owner(1).id, token(3)), [ringing("3")]);
}

#[test]
fn a_ring_ends_when_taken_back_when_late_and_with_either_side() {
    let mut rig = Rig::new();
    let callee = rig.inbox(&owner(1), vec![grant(token(1), false)]);
    let caller = rig.welcomed();
    rig.ring(caller, "a", owner(1).id, token(1));
    let ring_ref = rig.rung(callee);
    rig.say(caller, ClientMessage::RingCancel { ring_id: ring_id("a") });
    assert_eq!((rig.read(callee), rig.read(caller)), (vec![cancelled(&ring_ref)], vec![]));

    rig.ring(caller, "b", owner(1).id, token(1));
    let ring_ref = rig.rung(callee);
    rig.pass(limits::RING_TTL);
    assert_eq!((rig.read(callee), rig.read(caller)), (vec![cancelled(&ring_ref)], vec![failed("b")]));

    rig.ring(caller, "c", owner(1).id, token(1));
    let ring_ref = rig.rung(callee);
    rig.cut(caller);
    assert_eq!(rig.read(callee), [cancelled(&ring_ref)]);

    let caller = rig.welcomed();
    rig.ring(caller, "d", owner(1).id, token(1));
    rig.say(callee, ClientMessage::Bye);
    assert_eq!(rig.read(caller), [failed("d")]);
    assert_eq!(rig.rooms.next_timeout(), None);
}

#[test]
fn an_inbox_is_held_while_its_owner_reconnects_and_nothing_is_lost() {
    let mut rig = Rig::new();
    let list = vec![grant(token(1), true)];
    let old = rig.inbox(&owner(1), list.clone());
    let caller = rig.inbox(&owner(2), vec![]);
    assert_eq!(rig.watch(caller, &[(&owner(1), token(1))]), [online(&owner(1), true)]);
    rig.ring(caller, "before", owner(1).id, token(1));
    let before = rig.rung(old);
    rig.cut(old);
    rig.pass(limits::RESUME_WINDOW / 2);
    assert_eq!(rig.ring(caller, "while", owner(1).id, token(1)), [ringing("while")]);
    let new = rig.welcomed();
    rig.say_open(new, &owner(1), list);
    let told = rig.read(new);
    let [
        ServerMessage::InboxOpened,
        ServerMessage::Ring { ring_ref, .. },
        ServerMessage::Ring { ring_ref: second, .. },
    ] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(*ring_ref, before);

    // The caller's own socket breaks too, and the answers find it again.
    rig.answer(new, ring_ref);
    assert_eq!(rig.read(caller), [reply("before")]);
    rig.cut(caller);
    assert_eq!(rig.read(new), []);
    rig.answer(new, second);
    let caller = rig.welcomed();
    rig.say_open(caller, &owner(2), vec![]);
    assert_eq!(rig.read(caller), [ServerMessage::InboxOpened, reply("while")]);
    rig.pass(Duration::from_secs(3600));
    assert_eq!((rig.read(caller), rig.read(new)), (vec![], vec![]));
}

#[test]
fn an_inbox_whose_owner_stays_away_is_gone() {
    let mut rig = Rig::new();
    let callee = rig.inbox(&owner(1), vec![grant(token(1), true)]);
    let caller = rig.inbox(&owner(2), vec![]);
    rig.watch(caller, &[(&owner(1), token(1))]);
    rig.cut(callee);
    rig.pass(limits::RESUME_WINDOW / 2);
    rig.ring(caller, "r", owner(1).id, token(1));
    rig.pass(limits::RESUME_WINDOW / 2);
    assert_eq!(rig.read(caller), [online(&owner(1), false), failed("r")]);

    // As is a caller: what it rang stops.
    let callee = rig.inbox(&owner(1), vec![grant(token(1), true)]);
    rig.ring(caller, "s", owner(1).id, token(1));
    let ring_ref = rig.rung(callee);
    rig.say(caller, ClientMessage::Bye);
    assert_eq!(rig.read(callee), [cancelled(&ring_ref)]);
}

#[test]
fn a_newer_socket_takes_the_inbox() {
    let mut rig = Rig::new();
    let list = vec![grant(token(1), true)];
    let old = rig.inbox(&owner(1), list.clone());
    let watcher = rig.welcomed();
    rig.watch(watcher, &[(&owner(1), token(1))]);
    let new = rig.inbox(&owner(1), list);
    assert_eq!(rig.read(old), [ServerMessage::InboxTaken]);
    assert_eq!(rig.closed.get(&old), Some(&CloseReason::Policy));
    assert_eq!(rig.read(watcher), [], "it was open all the time");
    rig.cut(old);
    rig.pass(limits::RESUME_WINDOW);
    rig.ring(watcher, "r", owner(1).id, token(1));
    rig.rung(new);
}

#[test]
fn presence_is_told_to_those_who_may_see_it() {
    let mut rig = Rig::new();
    let (shown, hidden) = (token(1), token(2));
    let watcher = rig.welcomed();
    assert_eq!(rig.watch(watcher, &[(&owner(1), shown)]), []);
    let other = rig.welcomed();
    assert_eq!(rig.watch(other, &[(&owner(1), hidden)]), []);
    let inbox = rig.inbox(&owner(1), vec![grant(shown, true), grant(hidden, false)]);
    assert_eq!(rig.read(watcher), [online(&owner(1), true)]);
    rig.say_open(inbox, &owner(1), vec![grant(shown, true), grant(hidden, false)]);
    assert_eq!(rig.read(watcher), [], "nothing changed");
    // Taken from one and given to the other.
    rig.say_open(inbox, &owner(1), vec![grant(shown, false), grant(hidden, true)]);
    assert_eq!(rig.read(watcher), [online(&owner(1), false)]);
    assert_eq!(rig.read(other), [online(&owner(1), true)]);
    // A list replaces the one before; asked anew, it is told anew.
    assert_eq!(rig.watch(other, &[(&owner(1), hidden), (&owner(1), hidden)]), [online(&owner(1), true)]);
    assert_eq!(rig.watch(other, &[]), []);
    rig.say(inbox, ClientMessage::Bye);
    assert_eq!((rig.read(watcher), rig.read(other)), (vec![], vec![]));
}

#[test]
fn a_caller_and_an_inbox_have_a_rate() {
    let mut rig = Rig::new();
    let everyone: Vec<Grant> = (0..20).map(|nth| grant(token(nth), false)).collect();
    let callee = rig.inbox(&owner(1), everyone);
    let quick = rig.welcomed();
    for nth in 0..limits::RINGS_PER_MIN {
        let name = nth.to_string();
        assert_eq!(rig.ring(quick, &name, owner(1).id, token(0)), [ringing(&name)]);
        rig.say(quick, ClientMessage::RingCancel { ring_id: ring_id(&name) });
    }
    assert_eq!(rig.ring(quick, "x", owner(1).id, token(0)), [failed("x")]);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.ring(quick, "y", owner(1).id, token(0)), [ringing("y")]);

    // Strangers use up nothing of the inbox's own rate.
    for _ in 0..20 {
        let stranger = rig.welcomed();
        for nth in 0..limits::RINGS_PER_MIN {
            let name = nth.to_string();
            assert_eq!(rig.ring(stranger, &name, owner(1).id, token(99)), [failed(&name)]);
        }
    }
    rig.read(callee);
    let mut taken = 0;
    for nth in 0..20 {
        let conn = rig.welcomed();
        for _ in 0..limits::RINGS_PER_MIN {
            let told = rig.ring(conn, "r", owner(1).id, token(nth));
            taken += u32::from(told == [ringing("r")]);
            rig.say(conn, ClientMessage::RingCancel { ring_id: ring_id("r") });
        }
    }
    assert!((20..=limits::INBOX_RINGS_PER_MIN).contains(&taken), "{taken}");
}

#[test]
fn only_so_many_rings_wait_at_an_inbox() {
    let mut rig = Rig::new();
    rig.inbox(&owner(1), vec![grant(token(1), false)]);
    let callers: Vec<ConnId> = (0..=limits::INBOX_RINGS_OPEN_MAX).map(|_| rig.welcomed()).collect();
    let told: Vec<_> = callers.iter().map(|conn| rig.ring(*conn, "r", owner(1).id, token(1))).collect();
    let (last, others) = told.split_last().unwrap();
    assert!(others.iter().all(|told| *told == [ringing("r")]));
    assert_eq!(*last, [failed("r")]);
    // The same name twice at a time is no second ring.
    rig.say(callers[1], ClientMessage::RingCancel { ring_id: ring_id("r") });
    assert_eq!(rig.ring(callers[0], "r", owner(1).id, token(1)), [failed("r")]);
    assert_eq!(rig.ring(callers[8], "r", owner(1).id, token(1)), [ringing("r")]);
}

#[test]
fn nothing_is_left_when_everyone_is_gone() {
    let mut rig = Rig::new();
    let conns: Vec<ConnId> = (1..4).map(|seed| rig.inbox(&owner(seed), vec![grant(token(1), true)])).collect();
    for conn in &conns {
        rig.watch(*conn, &[(&owner(1), token(1)), (&owner(2), token(1)), (&owner(3), token(1))]);
        rig.ring(*conn, "r", owner(1).id, token(1));
    }
    for conn in conns {
        rig.cut(conn);
    }
    rig.pass(limits::RESUME_WINDOW);
    assert!(rig.rooms.inboxes.is_empty());
    assert_eq!(rig.rooms.next_timeout(), None);
}
