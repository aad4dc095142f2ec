//! Rings on their way through a server that lies.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use eyeline_call::{Refusal, RingOutState};
use eyeline_protocol::{RingRef, ServerMessage};
use eyeline_seal::{RingAnswer, RingError};

use crate::bench::bytes;
use crate::rig::rings::{End, RingDesk, access, ring_offer, ring_to};

fn report(name: &str, desk: &RingDesk) {
    let refusals: Vec<_> = desk.callees.iter().flat_map(|callee| &callee.refusals).collect();
    let outs: Vec<String> = desk
        .outs
        .iter()
        .map(|out| match out.state() {
            RingOutState::Answered(answer, _) => format!("{answer:?}"),
            state => format!("{state:?}"),
        })
        .collect();
    println!("{name:<44} callees: {refusals:?}; callers: {outs:?}");
}

fn ring_ref(text: &str) -> RingRef {
    RingRef::new(text).expect("short")
}

/// Device 1 rings device 2, through this server.
fn attack(
    name: &str,
    evil: impl FnMut(End, ServerMessage) -> Vec<(End, ServerMessage)> + 'static,
    answer: RingAnswer,
) -> RingDesk {
    let mut desk = RingDesk::new();
    desk.evil = Some(Box::new(evil));
    desk.reach(2, access(&[1]));
    desk.ring(1, &ring_to(2), &ring_offer(1));
    if !desk.callees[0].ringing.is_empty() {
        desk.answer(0, answer);
    }
    report(name, &desk);
    desk
}

#[test]
fn evil_server_alters_a_ring() {
    for at in [1, 40, 100, 200] {
        let desk = attack(
            "alters a ring",
            move |to, mut message| {
                if let ServerMessage::Ring { body, .. } = &mut message {
                    *body = bytes(body, |bytes| bytes[at] ^= 1);
                }
                vec![(to, message)]
            },
            RingAnswer::Accepted,
        );
        assert_eq!(desk.callees[0].refusals, [Refusal::Ring(RingError::NotAuthentic)]);
        assert_eq!(*desk.outs[0].state(), RingOutState::Ringing);
    }
}

#[test]
fn evil_server_delivers_a_ring_to_another_inbox() {
    let mut desk = RingDesk::new();
    desk.evil = Some(Box::new(|to, message| {
        // What is for the first callee comes to the second.
        let to = if matches!(message, ServerMessage::Ring { .. }) { End::Callee(1) } else { to };
        vec![(to, message)]
    }));
    desk.reach(2, access(&[1]));
    desk.reach(3, access(&[1]));
    desk.ring(1, &ring_to(2), &ring_offer(1));
    report("a ring to another inbox", &desk);
    assert_eq!(desk.callees[1].refusals, [Refusal::Ring(RingError::NotAuthentic)]);
    assert!(desk.callees.iter().all(|callee| callee.ringing.is_empty()));
}

#[test]
fn evil_server_replays_a_ring() {
    let tape = Rc::new(RefCell::new(None));
    let recording = Rc::clone(&tape);
    let mut desk = attack(
        "(the first time)",
        move |to, message| {
            if let ServerMessage::Ring { body, .. } = &message {
                recording.replace(Some(body.clone()));
            }
            vec![(to, message)]
        },
        RingAnswer::Declined,
    );
    let body = tape.borrow().clone().unwrap();
    for number in 0..3 {
        desk.forge(
            End::Callee(0),
            &ServerMessage::Ring { ring_ref: ring_ref(&format!("x{number}")), body: body.clone() },
        );
    }
    report("replays a ring", &desk);
    assert_eq!(desk.callees[0].refusals, [const { Refusal::Ring(RingError::Replayed) }; 3]);
    desk.pass(Duration::from_secs(300));
    desk.forge(End::Callee(0), &ServerMessage::Ring { ring_ref: ring_ref("late"), body });
    report("replays a ring later", &desk);
    assert_eq!(desk.callees[0].refusals.last(), Some(&Refusal::Ring(RingError::Stale)));
    assert!(desk.callees[0].ringing.is_empty());
}

#[test]
fn evil_server_turns_declined_into_accepted() {
    for at in [1, 33, 60, 200] {
        let desk = attack(
            "alters an answer",
            move |to, mut message| {
                if let ServerMessage::RingReply { body, .. } = &mut message {
                    *body = bytes(body, |bytes| bytes[at] ^= 1);
                }
                vec![(to, message)]
            },
            RingAnswer::Declined,
        );
        assert_eq!(*desk.outs[0].state(), RingOutState::NotReachable);
        let mut desk = desk;
        assert_eq!(desk.outs[0].take_refusal(), Some(Refusal::Ring(RingError::NotAuthentic)));
    }
}

#[test]
fn evil_server_answers_with_the_reply_to_another_ring() {
    let mut desk = RingDesk::new();
    let accepted = Rc::new(RefCell::new(None));
    let recording = Rc::clone(&accepted);
    desk.evil = Some(Box::new(move |to, mut message| {
        if let ServerMessage::RingReply { body, .. } = &mut message {
            let mut accepted = recording.borrow_mut();
            *body = accepted.get_or_insert_with(|| body.clone()).clone();
        }
        vec![(to, message)]
    }));
    desk.reach(2, access(&[1]));
    desk.ring(1, &ring_to(2), &ring_offer(1));
    desk.answer(0, RingAnswer::Accepted);
    assert!(matches!(desk.outs[0].state(), RingOutState::Answered(RingAnswer::Accepted, _)));
    desk.ring(1, &ring_to(2), &ring_offer(2));
    desk.answer(0, RingAnswer::Declined);
    report("the reply to another ring", &desk);
    assert_eq!(*desk.outs[1].state(), RingOutState::NotReachable);
    assert_eq!(desk.outs[1].take_refusal(), Some(Refusal::Ring(RingError::NotAuthentic)));
}

#[test]
fn evil_server_answers_a_ring_itself_or_reflects_it() {
    for reflect in [true, false] {
        let desk = attack(
            "answers by itself",
            move |to, message| match message {
                ServerMessage::Ring { body, .. } => {
                    let body = if reflect { body } else { bytes("CQ", |bytes| bytes.resize(353, 9)) };
                    // Under any name: it does not know the caller's; the rig's order makes `ringing` come next.
                    vec![(to, ServerMessage::Ring { ring_ref: RingRef::new("r").unwrap(), body })]
                }
                ServerMessage::Ringing { ring_id } => {
                    let body = bytes("CQ", |bytes| bytes.resize(353, 9));
                    vec![(to, ServerMessage::RingReply { ring_id, body })]
                }
                message => vec![(to, message)],
            },
            RingAnswer::Declined,
        );
        assert_eq!(*desk.outs[0].state(), RingOutState::NotReachable);
    }
}

#[test]
fn evil_server_rings_without_end() {
    // It never says that a ring is over, and lets contacts ring again and again.
    let mut desk = RingDesk::new();
    desk.reach(2, access(&[1]));
    for call in 1..=4 {
        desk.ring(1, &ring_to(2), &ring_offer(call));
    }
    assert!(!desk.callees[0].ringing.is_empty());
    desk.forget();
    desk.pass(Duration::from_secs(61));
    report("never ends a ring", &desk);
    assert!(desk.callees[0].ringing.is_empty(), "it stops ringing by itself");
}

#[test]
fn evil_server_says_presence_of_strangers() {
    let mut desk = RingDesk::new();
    desk.reach(2, access(&[1]));
    desk.forge(End::Callee(0), &ServerMessage::Presence { inbox_id: crate::rig::rings::inbox(9).id, online: true });
    assert!(desk.callees[0].presence.is_empty());
}
