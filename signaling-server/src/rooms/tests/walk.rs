//! Clients that say anything at any time: nothing is said to a socket that was closed, and nothing is left in the end.

use eyeline_protocol::RingRef;

use super::reach::{grant, owner, ring_id, token};
use super::*;

/// What has been seen on the way, to be used at the wrong time.
#[derive(Default)]
struct Seen {
    open: Vec<ConnId>,
    tokens: Vec<ResumeToken>,
    members: Vec<MemberId>,
    nameplates: Vec<u32>,
    refs: Vec<RingRef>,
}

impl Seen {
    fn note(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { resume_token, .. } => self.tokens.push(resume_token),
            ServerMessage::CodeClaimed { me, .. } | ServerMessage::Joined { me, .. } => self.members.push(me),
            ServerMessage::Code { nameplate, .. } => self.nameplates.push(nameplate),
            ServerMessage::Ring { ring_ref, .. } => self.refs.push(ring_ref),
            _ => {}
        }
    }
}

fn last<T: Clone>(dice: &mut Dice, seen: &[T]) -> Option<T> {
    let recent = &seen[seen.len().saturating_sub(6)..];
    if recent.is_empty() { None } else { Some(dice.pick(recent).clone()) }
}

fn small(dice: &mut Dice) -> u8 {
    u8::try_from(1 + dice.roll(3)).unwrap()
}

fn any_message(dice: &mut Dice, seen: &Seen) -> ClientMessage {
    let member = || MemberId::new("nobody").unwrap();
    let whose = owner(small(dice));
    let name = ring_id(if dice.roll(2) == 0 { "a" } else { "b" });
    match dice.roll(14) {
        0 => ClientMessage::Join { room_id: ROOM },
        1 => {
            let to = last(dice, &seen.members).unwrap_or_else(member);
            ClientMessage::Send { to, seq: 1 + dice.roll(2), body: "AAAA".into() }
        }
        2 => ClientMessage::Ack { from: last(dice, &seen.members).unwrap_or_else(member), seq: 1 },
        3 => ClientMessage::CodeOpen,
        4 | 5 => ClientMessage::CodeClaim { nameplate: last(dice, &seen.nameplates).unwrap_or(1) },
        6 => ClientMessage::CodeClose { met: dice.roll(2) == 0 },
        7 | 8 => {
            let tokens = (0..small(dice)).map(|nth| grant(token(nth), dice.roll(2) == 0)).collect();
            ClientMessage::InboxOpen { inbox_id: whose.id, proof: whose.secret, tokens }
        }
        9 => ClientMessage::Ring { ring_id: name, inbox_id: whose.id, token: token(small(dice)), body: "cg".into() },
        10 => match last(dice, &seen.refs) {
            Some(ring_ref) => ClientMessage::RingReply { ring_ref, body: "cg".into() },
            None => ClientMessage::RingCancel { ring_id: name },
        },
        11 => ClientMessage::RingCancel { ring_id: name },
        12 => ClientMessage::IceRefresh,
        _ => {
            let watched = |inbox_id| eyeline_protocol::Watched { inbox_id, token: token(1) };
            ClientMessage::Watch { contacts: vec![watched(whose.id), watched(owner(1).id)] }
        }
    }
}

fn step(rig: &mut Rig, dice: &mut Dice, seen: &mut Seen) {
    match (dice.roll(20), last(dice, &seen.open)) {
        (0..3, _) | (_, None) => {
            let conn = rig.open();
            seen.open.push(conn);
            let resume = if dice.roll(2) == 0 { last(dice, &seen.tokens) } else { None };
            rig.say(conn, ClientMessage::Hello { v: 1, resume });
        }
        (3, Some(conn)) => rig.cut(conn),
        (4, Some(conn)) => rig.say(conn, ClientMessage::Bye),
        (5, Some(_)) => rig.pass(Duration::from_secs(dice.roll(40))),
        (_, Some(conn)) => {
            let message = any_message(dice, seen);
            rig.say(conn, message);
        }
    }
    for conn in seen.open.clone() {
        for message in rig.read(conn) {
            seen.note(message);
        }
    }
}

#[test]
fn whatever_is_said_nothing_is_left() {
    let (mut claimed, mut rung) = (0, 0);
    for seed in 1..=60_u64 {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ seed);
        let mut rig = Rig::new();
        let mut seen = Seen::default();
        for _ in 0..600 {
            step(&mut rig, &mut dice, &mut seen);
        }
        claimed += rig.rooms.rendezvous.len();
        rung += seen.refs.len();
        for conn in seen.open {
            rig.cut(conn);
        }
        rig.pass(limits::RESUME_WINDOW);
        let rooms = &rig.rooms;
        assert_eq!((rooms.conns.len(), rooms.room_count(), rooms.member_count()), (0, 0, 0), "seed {seed}");
        assert!(rooms.rendezvous.is_empty() && rooms.inboxes.is_empty(), "seed {seed}");
        assert_eq!(rooms.next_timeout(), None, "seed {seed}");
    }
    assert!(claimed > 20 && rung > 100, "{claimed} {rung}: the walk goes nowhere");
}
