//! Messages that come late, twice, in another order, or not at all.

use std::cell::Cell;
use std::rc::Rc;

use eyeline_call::{EndReason, Input, Refusal, State};
use eyeline_protocol::inner::SessionId;
use eyeline_protocol::{ErrorCode, MemberId, ServerMessage};
use eyeline_seal::{Kind, OpenError};

use crate::bench::{SECOND, assert_no_media, assert_refused, assert_right, attack, body_kind, meet, report};
use crate::rig::{Delivery, World};

const KINDS: [Kind; 4] = [Kind::PairFirst, Kind::PairSecond, Kind::PairThird, Kind::Sealed];

fn copy(delivery: &Delivery) -> Delivery {
    Delivery { to: delivery.to, after: delivery.after, message: delivery.message.clone() }
}

#[test]
fn evil_server_says_everything_twice() {
    let world = attack("everything twice", |delivery| vec![copy(&delivery), delivery]);
    assert_right(&world);
}

#[test]
fn evil_server_says_everything_again_later() {
    let world = attack("everything again later", |delivery| {
        let mut again = copy(&delivery);
        again.after *= 7;
        vec![delivery, again]
    });
    assert_right(&world);
}

/// After a message of the kind, it comes again as if it were the next one; the numbers of what follows are shifted.
fn again_with_new_number(kind: Kind) -> World {
    let shift = [Cell::new(0), Cell::new(0)];
    attack("replay with a new number", move |mut delivery| {
        let hit = body_kind(&delivery.message) == Some(kind);
        let shift = &shift[delivery.to];
        let ServerMessage::From { seq, .. } = &mut delivery.message else { return vec![delivery] };
        *seq += shift.get();
        if !hit || shift.get() > 0 {
            return vec![delivery];
        }
        shift.set(1);
        let mut again = copy(&delivery);
        if let ServerMessage::From { seq, .. } = &mut again.message {
            *seq += 1;
        }
        vec![delivery, again]
    })
}

#[test]
fn evil_server_replays_handshake_messages_under_new_numbers() {
    for (kind, to) in [(Kind::PairFirst, 0), (Kind::PairSecond, 1), (Kind::PairThird, 0)] {
        let world = again_with_new_number(kind);
        assert_refused(&world, to, &Refusal::HandshakeNotDue);
        // The number is part of what is sealed, so what comes after it is refused too.
        assert_no_media(&world);
        assert!(world.callers.iter().any(|c| c.refusals.contains(&Refusal::Sealed(OpenError::NotAuthentic))));
    }
}

#[test]
fn evil_server_replays_sealed_messages_under_new_numbers() {
    let world = again_with_new_number(Kind::Sealed);
    assert_no_media(&world);
    assert_refused(&world, 0, &Refusal::Sealed(OpenError::NotAuthentic));
    assert_eq!(world.state(0), State::Ended(EndReason::Tampered));
}

#[test]
fn evil_server_numbers_messages_wrongly() {
    for (name, number) in [("numbers + 7", 7_i64), ("numbers - 1", -1), ("numbers from 2^53", 1 << 53)] {
        let world = attack(name, move |mut delivery| {
            if let (true, ServerMessage::From { seq, .. }) =
                (body_kind(&delivery.message) == Some(Kind::Sealed), &mut delivery.message)
            {
                *seq = seq.saturating_add_signed(number);
            }
            vec![delivery]
        });
        assert_no_media(&world);
    }
}

#[test]
fn evil_server_holds_each_message_back() {
    for kind in KINDS {
        for to in [0, 1] {
            let mut held = false;
            let world = attack("held back for 10 s", move |mut delivery| {
                if !held && delivery.to == to && body_kind(&delivery.message) == Some(kind) {
                    held = true;
                    delivery.after = 10 * SECOND;
                }
                vec![delivery]
            });
            let media: usize = world.callers.iter().map(|caller| caller.media_opened).sum();
            assert!(media == 0 || (world.in_call(0) && world.in_call(1)), "{kind:?} to {to}: {media}");
        }
    }
}

#[test]
fn evil_server_turns_the_order_around() {
    for kind in KINDS {
        let held = Rc::new(Cell::new(None));
        let world = attack("order turned around", move |delivery| {
            if let Some(before) = held.take() {
                return vec![delivery, before];
            }
            if body_kind(&delivery.message) == Some(kind) {
                held.set(Some(delivery));
                return vec![];
            }
            vec![delivery]
        });
        let media: usize = world.callers.iter().map(|caller| caller.media_opened).sum();
        assert!(media == 0 || (world.in_call(0) && world.in_call(1)), "{kind:?}");
    }
}

#[test]
fn evil_server_drops_each_kind_of_message() {
    for kind in KINDS {
        let world =
            attack(
                "drops messages",
                move |delivery| {
                    if body_kind(&delivery.message) == Some(kind) { vec![] } else { vec![delivery] }
                },
            );
        assert_no_media(&world);
        assert_eq!(world.state(1), State::Ended(EndReason::NoPath), "the newcomer does not wait for ever");
    }
}

#[test]
fn evil_server_drops_the_answers() {
    let world = attack("drops the answers", |delivery| {
        let answer = delivery.to == 1 && body_kind(&delivery.message) == Some(Kind::Sealed);
        if answer { vec![] } else { vec![delivery] }
    });
    assert_no_media(&world);
    assert_eq!(world.state(1), State::Ended(EndReason::NoPath));
}

#[test]
fn evil_server_forges_welcome_and_resumed_in_a_call() {
    let mut world = meet(None);
    for index in [0, 1] {
        let me = world.member_id(index);
        for me in [me, MemberId::new("you").unwrap()] {
            let resumed = eyeline_protocol::Resumed { me, members: vec![], received: Default::default() };
            let welcome = ServerMessage::Welcome {
                conn: "c".into(),
                resume_token: "stolen".to_owned().try_into().unwrap(),
                resumed: Some(resumed),
                features: vec![],
                heartbeat_s: 20,
                limits: Default::default(),
            };
            world.forge(index, &welcome);
        }
    }
    world.run(10 * SECOND);
    report("forged resumed", &world);
    assert_right(&world);
    assert!(world.callers.iter().all(|caller| caller.call.signaling_online()));
}

#[test]
fn evil_server_resumes_a_caller_and_lies_about_what_it_received() {
    // More than was sent: what was under way is lost. Less: it is sent again.
    for received in [0, 1, 2, 3, 1 << 40] {
        for break_at_ms in [25, 65, 105, 145] {
            let mut world = meet_slowly(received);
            world.run(std::time::Duration::from_millis(break_at_ms));
            world.break_socket(1, true);
            world.run(40 * SECOND);
            report("lies about received", &world);
            let media: usize = world.callers.iter().map(|caller| caller.media_opened).sum();
            assert!(media == 0 || (world.in_call(0) && world.in_call(1)));
        }
    }
}

fn meet_slowly(said: u64) -> World {
    let mut world = World::new(1);
    world.add_caller();
    world.run(SECOND);
    world.evil = Some(Box::new(move |mut delivery| {
        if let ServerMessage::Welcome { resumed: Some(resumed), .. } = &mut delivery.message {
            for member in resumed.members.clone() {
                resumed.received.insert(member, said);
            }
        }
        vec![delivery]
    }));
    world.add_caller();
    world
}

#[test]
fn evil_server_says_errors_and_going_away_in_a_call() {
    let mut world = meet(None);
    for code in [ErrorCode::RoomFull, ErrorCode::ServerFull, ErrorCode::BadVersion, ErrorCode::Replaced] {
        for retry_after_ms in [None, Some(u64::MAX)] {
            world.forge(0, &ServerMessage::Error { code: code.clone(), message: String::new(), retry_after_ms });
        }
    }
    world.forge(0, &ServerMessage::GoingAway { retry_after_ms: u64::MAX });
    world.break_socket(0, true);
    world.run(90 * SECOND);
    report("errors in a call", &world);
    assert_right(&world);
    assert!(
        world.callers[0].call.signaling_online(),
        "it comes back within the longest wait that a server may ask for"
    );
}

#[test]
fn evil_server_wakes_a_call_that_is_over() {
    let tape = Rc::new(std::cell::RefCell::new(Vec::new()));
    let recording = Rc::clone(&tape);
    let mut world = meet(Some(Box::new(move |delivery| {
        recording.borrow_mut().push((delivery.to, delivery.message.clone()));
        vec![delivery]
    })));
    assert_right(&world);
    let sessions: Vec<SessionId> = world.callers[0].pcs.keys().cloned().collect();
    world.input(0, Input::HangUp);
    world.run(SECOND);
    let opened = world.callers[0].opened;
    for (_, message) in tape.borrow().iter().filter(|(to, _)| *to == 0) {
        world.forge(0, message);
    }
    for session in &sessions {
        world.rtc_input(0, session, eyeline_call::RtcInput::Connected { certificate: Some([0; 32]) });
    }
    world.input(0, Input::Accept);
    report("after the end", &world);
    assert_eq!(world.state(0), State::Ended(EndReason::HungUp));
    assert_eq!(world.callers[0].opened, opened);
    assert!(!world.callers[0].call.devices_wanted());
}
