//! Rings, being reachable for them, and what follows an accepted one.

mod rig;

use std::time::Duration;

use eyeline_call::{Access, EndReason, Input, Refusal, RingOutState, State};
use eyeline_protocol::ServerMessage;
use eyeline_seal::{RingAnswer, RingError, RingTo};

use crate::rig::rings::{End, RingDesk, access, inbox, ring_offer, ring_to, watched};
use crate::rig::{Who, World, device_id, identity};

const SECOND: Duration = Duration::from_secs(1);

/// Device 1 rings device 2, who knows it.
fn ringing() -> RingDesk {
    let mut desk = RingDesk::new();
    desk.reach(2, access(&[1]));
    desk.ring(1, &ring_to(2), &ring_offer(1));
    assert_eq!(*desk.outs[0].state(), RingOutState::Ringing);
    let (_, caller, offer) = &desk.callees[0].ringing[0];
    assert_eq!((caller.device, caller.name.as_str()), (device_id(1), "Device 1"));
    assert_eq!((offer.call_id, &offer.link), ([1; 16], &ring_offer(1).link));
    desk
}

#[test]
fn a_ring_is_answered() {
    for answer in [RingAnswer::Accepted, RingAnswer::Declined, RingAnswer::Busy] {
        let mut desk = ringing();
        desk.answer(0, answer);
        match desk.outs[0].state() {
            RingOutState::Answered(said, card) => {
                assert_eq!((*said, card.device), (answer, device_id(2)));
            }
            state => panic!("{state:?}"),
        }
        assert_eq!((desk.outs[0].poll_timeout(), desk.outs[0].take_refusal()), (None, None));
        desk.pass(120 * SECOND);
        assert_eq!(desk.callees[0].cancelled, 0);
    }
}

#[test]
fn a_ring_is_taken_back() {
    let mut desk = ringing();
    desk.outs[0].cancel();
    desk.pump();
    assert_eq!((desk.callees[0].cancelled, desk.callees[0].ringing.len()), (1, 0));
}

#[test]
fn nobody_answers() {
    let mut desk = ringing();
    desk.pass(44 * SECOND);
    assert_eq!(*desk.outs[0].state(), RingOutState::Ringing);
    desk.pass(2 * SECOND);
    assert_eq!(*desk.outs[0].state(), RingOutState::NoAnswer);
    assert_eq!(desk.callees[0].cancelled, 1, "it stops ringing there");
}

#[test]
fn an_unknown_or_blocked_caller_never_rings() {
    let mut desk = RingDesk::new();
    desk.reach(2, access(&[1, 3]));
    desk.ring(4, &ring_to(2), &ring_offer(1));
    assert_eq!(desk.callees[0].refusals, [Refusal::NotAContact]);
    desk.ring(3, &ring_to(2), &ring_offer(2));
    assert_eq!(desk.callees[0].ringing.len(), 1);
    // Blocking is taking it off the list.
    desk.callees[0].reach.set_access(access(&[1]));
    desk.pump();
    desk.ring(3, &ring_to(2), &ring_offer(3));
    // The first one waits at the server still, which says so whenever the list changes.
    assert_eq!(desk.callees[0].refusals, [const { Refusal::NotAContact }; 3]);
    assert_eq!(desk.callees[0].ringing.len(), 1);
}

#[test]
fn a_stale_ring_is_refused() {
    for age in [-200_i64, 200] {
        let mut desk = RingDesk::new();
        desk.reach(2, access(&[1]));
        let mut offer = ring_offer(1);
        offer.sent_unix_s = offer.sent_unix_s.saturating_add_signed(age);
        desk.ring(1, &ring_to(2), &offer);
        assert_eq!(desk.callees[0].refusals, [Refusal::Ring(RingError::Stale)]);
    }
}

#[test]
fn another_device_than_the_one_rung_answers() {
    // The ring is sealed to key of device 3, which answers; the caller means device 2.
    let mut desk = RingDesk::new();
    desk.reach(3, access(&[1]));
    let to = RingTo { device: device_id(2), ..ring_to(3) };
    desk.ring(1, &to, &ring_offer(1));
    desk.answer(0, RingAnswer::Accepted);
    assert_eq!(*desk.outs[0].state(), RingOutState::NotReachable);
    assert_eq!(desk.outs[0].take_refusal(), Some(Refusal::Ring(RingError::WrongDevice)));
}

#[test]
fn who_is_not_there_is_not_reachable_and_no_server_is_said() {
    let mut desk = RingDesk::new();
    desk.ring(1, &ring_to(2), &ring_offer(1));
    assert_eq!(*desk.outs[0].state(), RingOutState::NotReachable);
    desk.unreachable = true;
    desk.ring(1, &ring_to(2), &ring_offer(2));
    desk.pass(15 * SECOND);
    assert_eq!(*desk.outs[1].state(), RingOutState::Unreachable);
}

#[test]
fn a_ring_whose_socket_breaks_rings_again() {
    let mut desk = ringing();
    desk.break_socket(End::Out(0));
    assert_eq!(desk.callees[0].ringing.len(), 0);
    desk.pass(SECOND);
    assert_eq!(*desk.outs[0].state(), RingOutState::Ringing);
    assert_eq!(desk.callees[0].refusals, [], "it is not taken for a copy of the first");
    assert_eq!(desk.callees[0].ringing[0].2.link, ring_offer(1).link, "the caller waits in the same room");
    desk.answer(0, RingAnswer::Accepted);
    assert!(matches!(desk.outs[0].state(), RingOutState::Answered(RingAnswer::Accepted, _)));
}

#[test]
fn a_callee_whose_socket_breaks_still_answers() {
    for answer_offline in [false, true] {
        let mut desk = ringing();
        desk.unreachable = true;
        desk.break_socket(End::Callee(0));
        if answer_offline {
            desk.answer(0, RingAnswer::Declined);
        }
        desk.unreachable = false;
        desk.pass(10 * SECOND);
        assert_eq!(desk.callees[0].changes, ["online", "offline", "online"]);
        if !answer_offline {
            assert_eq!(desk.callees[0].ringing.len(), 1, "it does not ring twice");
            desk.answer(0, RingAnswer::Declined);
        }
        assert!(matches!(desk.outs[0].state(), RingOutState::Answered(RingAnswer::Declined, _)));
    }
}

#[test]
fn a_ring_that_nobody_ends_ends_by_itself() {
    let mut desk = ringing();
    for call in 2..=10 {
        desk.ring(1, &ring_to(2), &ring_offer(call));
    }
    desk.forget();
    desk.pass(61 * SECOND);
    assert_eq!(desk.callees[0].ringing.len(), 0);
    desk.ring(1, &ring_to(2), &{
        let mut offer = ring_offer(20);
        offer.sent_unix_s = desk.unix_s();
        offer
    });
    assert!(desk.callees[0].ringing.len() <= 1);
    let last = desk.callees[0].refusals.last();
    assert!(desk.callees[0].ringing.len() == 1 || last == Some(&Refusal::Ring(RingError::TooMany)), "{last:?}");
}

#[test]
fn an_inbox_is_taken_over_by_a_newer_program() {
    let mut desk = ringing();
    desk.reach(2, access(&[1]));
    assert_eq!(desk.callees[0].changes, ["online", "taken over"]);
    assert!(!desk.callees[0].reach.online() && desk.callees[1].reach.online());
    desk.pass(120 * SECOND);
    assert_eq!(desk.callees[0].reach.poll_timeout(), None, "the older one does not come back by itself");
    assert!(desk.callees[1].reach.online());
}

#[test]
fn presence_is_told_of_those_we_watch() {
    let mut desk = RingDesk::new();
    desk.reach(2, access(&[1]));
    let watching = Access { watched: vec![watched(2), watched(3)], ..access(&[2]) };
    desk.reach(1, watching);
    assert_eq!(desk.callees[1].presence, [(inbox(2).id, true)]);
    desk.forge(End::Callee(1), &ServerMessage::Presence { inbox_id: inbox(2).id, online: false });
    desk.forge(End::Callee(1), &ServerMessage::Presence { inbox_id: inbox(9).id, online: true });
    assert_eq!(desk.callees[1].presence, [(inbox(2).id, true), (inbox(2).id, false)]);
    desk.break_socket(End::Callee(1));
    desk.pass(SECOND);
    assert_eq!(desk.callees[1].presence.len(), 3, "asked again after the socket broke");
}

#[test]
fn a_closed_reach_is_quiet() {
    let mut desk = ringing();
    desk.callees[0].reach.close();
    desk.pump();
    desk.ring(1, &ring_to(2), &ring_offer(2));
    assert_eq!(*desk.outs[1].state(), RingOutState::NotReachable);
    desk.forge(End::Callee(0), &ServerMessage::InboxOpened);
    assert!(desk.callees[0].changes.len() == 1);
}

/// What the two programs do after a ring: the caller waits in the ring's room, the callee joins it when the user accepts;
/// each takes nobody but the other's device.
fn room_of_a_ring(caller: u8, callee: u8, joins: u8) -> World {
    let mut world = World::new(1);
    world.add(Who { pinned: Some(callee), ..Who::device(caller) });
    world.add(Who { pinned: Some(caller), accepted: false, ..Who::device(joins) });
    world.run(10 * SECOND);
    assert_eq!((world.state(0), world.state(1)), (State::Waiting, State::Ringing));
    world
}

#[test]
fn an_accepted_ring_leads_to_a_call_between_the_pinned_devices() {
    let mut world = room_of_a_ring(1, 2, 2);
    assert!(!world.callers[1].call.devices_wanted());
    world.input(1, Input::Accept);
    assert!(world.callers[1].call.devices_wanted());
    world.run(SECOND);
    assert!(world.in_call(0) && world.in_call(1));
    assert_eq!(world.callers[0].call.peer().map(|card| card.device), Some(identity(2).device.id()));
}

#[test]
fn a_declined_ring_does_nothing_at_all() {
    let mut world = room_of_a_ring(1, 2, 2);
    world.input(1, Input::HangUp);
    world.input(1, Input::Accept);
    world.run(30 * SECOND);
    assert_eq!((world.state(0), world.state(1)), (State::Waiting, State::Ended(EndReason::HungUp)));
    assert_eq!(world.callers[1].opened, 0);
}

#[test]
fn another_device_in_the_room_of_a_ring_is_a_changed_key() {
    let mut world = room_of_a_ring(1, 2, 3);
    world.input(1, Input::Accept);
    world.run(SECOND);
    assert_eq!(world.state(0), State::Ended(EndReason::KeyChanged));
    assert!(world.callers[0].refusals.contains(&Refusal::WrongDevice));
    assert_eq!(world.callers[0].media_opened + world.callers[1].media_opened, 0);
}
