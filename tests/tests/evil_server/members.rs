//! Who is in the room, as the server lies about it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use eyeline_call::{EndReason, Refusal, State};
use eyeline_protocol::{IceConfig, LeftReason, MemberId, ServerMessage};
use eyeline_seal::{Kind, PairError};

use crate::bench::{SECOND, assert_no_media, assert_refused, assert_right, attack, body_kind, bytes, meet, report};
use crate::rig::{Delivery, PUPPETS, Who, World, puppet::Puppet};

const FORGED: Refusal = Refusal::Handshake(PairError::NotAuthentic);

fn id(text: &str) -> MemberId {
    MemberId::new(text).expect("short")
}

/// Changes the list of members that caller 1 is told.
fn in_the_room(
    mut change: impl FnMut(&MemberId, &mut Vec<MemberId>) + 'static,
) -> impl FnMut(Delivery) -> Vec<Delivery> {
    move |mut delivery| {
        if let (1, ServerMessage::Joined { me, members, .. }) = (delivery.to, &mut delivery.message) {
            change(me, members);
        }
        vec![delivery]
    }
}

#[test]
fn evil_server_relabels_a_member() {
    let world = attack("relabels a member", |mut delivery| {
        if let (0, ServerMessage::From { from, .. }) = (delivery.to, &mut delivery.message) {
            *from = id("somebody");
        }
        vec![delivery]
    });
    assert_no_media(&world);
    assert_refused(&world, 0, &FORGED);
}

#[test]
fn evil_server_tells_a_newcomer_another_id_than_the_others() {
    let world = attack("another id of our own", |mut delivery| {
        if let (1, ServerMessage::Joined { me, .. }) = (delivery.to, &mut delivery.message) {
            *me = id("you");
        }
        vec![delivery]
    });
    assert_no_media(&world);
    assert_refused(&world, 0, &FORGED);
}

#[test]
fn evil_server_swaps_two_members_for_a_third() {
    // Three in the room; what the second and third say comes to the first under each other's names.
    let names = Rc::new(RefCell::new(BTreeMap::new()));
    let seen = Rc::clone(&names);
    let mut world = World::new(1);
    world.udp_up = false;
    world.add(Who::device(1));
    world.run(SECOND);
    world.evil = Some(Box::new(move |mut delivery| {
        if let ServerMessage::Joined { me, .. } = &delivery.message {
            seen.borrow_mut().insert(delivery.to, me.clone());
        }
        if let (0, ServerMessage::From { from, .. }) = (delivery.to, &mut delivery.message) {
            let names = seen.borrow();
            let other = if Some(&*from) == names.get(&1) { names.get(&2) } else { names.get(&1) };
            *from = other.unwrap_or(from).clone();
        }
        vec![delivery]
    }));
    world.add(Who::device(2));
    world.add(Who::device(3));
    world.run(SECOND / 5);
    report("swaps two members", &world);
    assert_refused(&world, 0, &FORGED);
    assert_eq!(world.callers[0].opened, 0, "nothing of either reached a peer connection of the first");
}

#[test]
fn evil_server_lists_a_member_twice() {
    let world = attack("a member twice", in_the_room(|_, members| members.extend_from_within(..)));
    assert_refused(&world, 1, &Refusal::HandshakeNotDue);
    assert_right(&world);
}

#[test]
fn evil_server_lists_us_among_the_others() {
    let world = attack("ourselves among the others", in_the_room(|me, members| members.push(me.clone())));
    assert_refused(&world, 1, &Refusal::Ourselves);
    assert_right(&world);
}

#[test]
fn evil_server_reflects_our_messages_as_our_own() {
    let me = RefCell::new(BTreeMap::new());
    let world = attack("reflects, from ourselves", move |delivery: Delivery| {
        if let ServerMessage::Joined { me: id, .. } = &delivery.message {
            me.borrow_mut().insert(delivery.to, id.clone());
        }
        let ServerMessage::From { seq, body, .. } = &delivery.message else { return vec![delivery] };
        let author = 1 - delivery.to;
        let Some(from) = me.borrow().get(&author).cloned() else { return vec![delivery] };
        let message = ServerMessage::From { from, seq: *seq, body: body.clone() };
        vec![Delivery { to: author, after: delivery.after, message }, delivery]
    });
    assert_refused(&world, 1, &Refusal::Ourselves);
    assert_right(&world);
}

#[test]
fn evil_server_reflects_our_messages_as_the_peers() {
    // Instead of what the peer says: each end hears itself under the other's name.
    let peer = RefCell::new(BTreeMap::new());
    let world = attack("reflects, from the peer", move |delivery: Delivery| match &delivery.message {
        ServerMessage::Joined { me, .. } => {
            peer.borrow_mut().insert(1 - delivery.to.min(1), me.clone());
            vec![delivery]
        }
        ServerMessage::From { seq, body, .. } => {
            let author = 1 - delivery.to;
            let Some(from) = peer.borrow().get(&author).cloned() else { return vec![] };
            let message = ServerMessage::From { from, seq: *seq, body: body.clone() };
            vec![Delivery { to: author, after: delivery.after, message }]
        }
        _ => vec![delivery],
    });
    assert_no_media(&world);
    let refusals = &world.callers[1].refusals;
    assert!(refusals.iter().all(|refusal| *refusal == FORGED || *refusal == Refusal::HandshakeNotDue), "{refusals:?}");
    assert!(!refusals.is_empty());
}

#[test]
fn evil_server_adds_ghosts_that_never_answer() {
    let world = attack(
        "silent ghosts",
        in_the_room(|_, members| members.extend((0..5).map(|number| id(&format!("ghost{number}"))))),
    );
    assert_right(&world);
}

#[test]
fn evil_server_adds_ghosts_that_answer_with_garbage() {
    for first in [false, true] {
        let world = attack("garbage of ghosts", move |mut delivery| {
            let to = delivery.to;
            let (1, ServerMessage::Joined { members, .. }) = (to, &mut delivery.message) else { return vec![delivery] };
            let at = if first { 0 } else { members.len() };
            members.insert(at, id("ghost"));
            let junk = |seq, body: String| Delivery {
                to,
                after: delivery.after * 2,
                message: ServerMessage::From { from: id("ghost"), seq, body },
            };
            let second = bytes("Ag", |bytes| bytes.resize(353, 7));
            let bodies = [second, "AwAA".into(), "BAAA".into(), "!".into(), String::new()];
            let mut all: Vec<Delivery> = (1..).zip(bodies).map(|(seq, body)| junk(seq, body)).collect();
            all.push(delivery);
            all
        });
        // Whoever is real answers all the same.
        assert!(!world.callers[1].refusals.is_empty());
        assert_right(&world);
    }
}

#[test]
fn evil_server_adds_a_ghost_alone_that_answers_with_garbage() {
    let mut world = World::new(1);
    world.evil = Some(Box::new(|mut delivery| {
        let to = delivery.to;
        let ServerMessage::Joined { members, .. } = &mut delivery.message else { return vec![delivery] };
        members.push(id("ghost"));
        let body = bytes("Ag", |bytes| bytes.resize(353, 7));
        let message = ServerMessage::From { from: id("ghost"), seq: 1, body };
        let after = delivery.after * 2;
        vec![delivery, Delivery { to, after, message }]
    }));
    world.add(Who::device(1));
    world.run(SECOND);
    report("garbage of a ghost alone", &world);
    assert_no_media(&world);
    assert!(matches!(world.callers[0].refusals[0], Refusal::Handshake(_)), "{:?}", world.callers[0].refusals);
}

#[test]
fn evil_server_adds_more_ghosts_than_a_room_can_have() {
    for real_first in [true, false] {
        let world = attack(
            "two hundred ghosts",
            in_the_room(move |_, members| {
                let ghosts = (0..200).map(|number| id(&format!("ghost{number}")));
                let at = if real_first { members.len() } else { 0 };
                members.splice(at..at, ghosts);
            }),
        );
        assert_refused(&world, 1, &Refusal::TooManyMembers);
        if real_first {
            assert_right(&world);
        } else {
            assert_no_media(&world);
        }
    }
}

#[test]
fn evil_server_replays_an_old_room_to_a_fresh_caller() {
    // Everything that each caller of an earlier call was told comes again, to fresh calls on the same devices.
    let tape: Rc<RefCell<Vec<(usize, ServerMessage)>>> = Rc::default();
    let recording = Rc::clone(&tape);
    let world = attack("(the old call)", move |delivery| {
        recording.borrow_mut().push((delivery.to, delivery.message.clone()));
        vec![delivery]
    });
    assert_right(&world);
    for who in [0, 1] {
        let mut world = World::new(99);
        world.evil = Some(Box::new(|_| vec![]));
        let fresh = world.add(Who::device(u8::try_from(who + 1).unwrap()));
        world.run(SECOND / 5);
        for (_, message) in tape.borrow().iter().filter(|(to, _)| *to == who) {
            world.forge(fresh, message);
        }
        world.run(30 * SECOND);
        report("an old room again", &world);
        assert_no_media(&world);
        assert_refused(&world, fresh, &FORGED);
        if who == 0 {
            assert_refused(&world, fresh, &Refusal::NoSession);
        } else {
            assert_eq!(world.state(fresh), State::Ended(EndReason::Tampered));
        }
        assert_eq!(world.callers[fresh].heard.len(), 0, "nothing of the old call is used");
    }
}

#[test]
fn evil_server_delivers_bodies_of_another_room() {
    // The same ids in both rooms: all that differs is the link.
    let bodies = Rc::new(RefCell::new(Vec::new()));
    let recording = Rc::clone(&bodies);
    let mut other = World::new(1);
    other.evil = Some(Box::new(move |delivery| {
        if let (0, ServerMessage::From { body, .. }) = (delivery.to, &delivery.message) {
            recording.borrow_mut().push(body.clone());
        }
        vec![delivery]
    }));
    other.add(Who { link: 6, ..Who::device(1) });
    other.run(SECOND);
    other.add(Who { link: 6, ..Who::device(2) });
    other.run(SECOND);
    assert_right(&other);
    let world = attack("bodies of another room", move |mut delivery| {
        if let (0, ServerMessage::From { seq, body, .. }) = (delivery.to, &mut delivery.message)
            && let Some(foreign) = usize::try_from(*seq - 1).ok().and_then(|at| bodies.borrow().get(at).cloned())
        {
            *body = foreign;
        }
        vec![delivery]
    });
    assert_no_media(&world);
    assert_refused(&world, 0, &FORGED);
}

#[test]
fn evil_server_brings_another_device_to_a_pinned_call() {
    // Both know the link, as a ring's link is known to two; the third device is not the one that was rung.
    for rung_first in [true, false] {
        let mut world = World::new(1);
        let rung = Who { pinned: Some(2), ..Who::device(1) };
        let (first, second) = if rung_first { (rung, Who::device(9)) } else { (Who::device(9), rung) };
        world.add(first);
        world.run(SECOND);
        world.add(second);
        world.run(30 * SECOND);
        report("another device than rung", &world);
        let index = usize::from(!rung_first);
        assert_refused(&world, index, &Refusal::WrongDevice);
        assert_eq!(world.state(index), State::Ended(EndReason::KeyChanged));
        assert_no_media(&world);
    }
}

#[test]
fn evil_server_forges_joined_in_a_call() {
    let mut world = meet(None);
    for members in [vec![], vec![id("ghost")], vec![id("you")]] {
        for index in [0, 1] {
            world.forge(
                index,
                &ServerMessage::Joined { me: id("you"), members: members.clone(), ice: IceConfig::default() },
            );
        }
    }
    world.run(10 * SECOND);
    report("forged joined", &world);
    assert_right(&world);
}

#[test]
fn evil_server_forges_peer_left_in_a_call() {
    let mut world = meet(None);
    for index in [0, 1] {
        let peer = world.member_id(1 - index);
        world.forge(index, &ServerMessage::PeerLeft { id: peer.clone(), reason: LeftReason::Bye });
        world.forge(index, &ServerMessage::Undeliverable { to: peer, seq: 1 });
    }
    world.run(120 * SECOND);
    report("forged peer_left", &world);
    // The connection says whether somebody is there, not the server.
    assert_right(&world);
}

#[test]
fn evil_server_forges_peer_left_during_the_handshake() {
    for kind in [Kind::PairFirst, Kind::PairSecond, Kind::PairThird, Kind::Sealed] {
        let world = attack("peer_left in the handshake", move |delivery| {
            let ServerMessage::From { from, .. } = &delivery.message else { return vec![delivery] };
            if body_kind(&delivery.message) != Some(kind) {
                return vec![delivery];
            }
            let left = ServerMessage::PeerLeft { id: from.clone(), reason: LeftReason::Gone };
            vec![Delivery { to: delivery.to, after: delivery.after, message: left }, delivery]
        });
        assert!(world.callers.iter().all(|caller| caller.media_opened == 0) || world.in_call(0));
        let media: usize = world.callers.iter().map(|caller| caller.media_opened).sum();
        assert!(media == 0 || media == 2, "media on one side alone");
    }
}

#[test]
fn evil_server_sends_what_belongs_to_other_places() {
    // Into a room: nameplates, inboxes, rings. At any time, also before `joined`.
    let world = attack("messages of other places", |delivery| {
        let foreign = [
            ServerMessage::Code { nameplate: 7, ttl_s: 600 },
            ServerMessage::CodeClaimed { me: id("you"), peer: id("ghost") },
            ServerMessage::CodeFailed,
            ServerMessage::InboxOpened,
            ServerMessage::InboxTaken,
        ];
        let (to, after) = (delivery.to, delivery.after);
        let mut all: Vec<Delivery> = foreign.into_iter().map(|message| Delivery { to, after, message }).collect();
        all.push(delivery);
        all
    });
    assert_right(&world);
}

#[test]
fn evil_server_puts_a_stranger_with_the_link_into_a_pinned_call_that_runs() {
    let mut world = World::new(1);
    world.add(Who { pinned: Some(2), ..Who::device(1) });
    world.run(SECOND);
    world.add(Who { pinned: Some(1), ..Who::device(2) });
    world.run(SECOND);
    assert_right(&world);
    let mallory = Puppet::join(&mut world, 9, 5);
    world.run(SECOND);
    let mut mallory = mallory;
    mallory.pump(&mut world);
    world.run(SECOND);
    report("a stranger in a pinned call", &world);
    assert!(world.callers[0].refusals.contains(&Refusal::WrongDevice));
    assert!(mallory.heard.is_empty(), "nothing is said to it");
    assert_eq!(world.puppets.len() + PUPPETS, PUPPETS + 1);
    assert_right(&world);
}
