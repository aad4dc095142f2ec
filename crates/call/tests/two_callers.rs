//! Whole calls on a virtual clock: set-up, glare, outages, crashes, server restarts, ends.

mod rig;

use std::time::Duration;

use eyeline_call::{EndReason, Input, State};
use eyeline_protocol::IceConfig;

use crate::rig::{Who, World};

const SECOND: Duration = Duration::from_secs(1);

/// A world with two callers in a call.
fn connected(seed: u64) -> World {
    let mut world = World::new(seed);
    world.add_caller();
    world.run(SECOND);
    assert_eq!(world.state(0), State::Waiting);
    world.add_caller();
    world.run(SECOND);
    assert!(world.in_call(0) && world.in_call(1), "{:?} {:?}", world.state(0), world.state(1));
    world
}

#[test]
fn two_callers_meet_and_either_hang_up_ends_both() {
    for who in [0, 1] {
        let mut world = connected(1);
        world.input(who, Input::HangUp);
        world.run(SECOND);
        assert_eq!(world.state(who), State::Ended(EndReason::HungUp));
        assert_eq!(world.state(1 - who), State::Ended(EndReason::RemoteHungUp));
    }
}

#[test]
fn hang_up_arrives_without_the_server() {
    let mut world = connected(2);
    world.stop_server(true);
    world.run(SECOND);
    world.input(0, Input::HangUp);
    world.run(SECOND);
    assert_eq!(world.state(1), State::Ended(EndReason::RemoteHungUp));
}

#[test]
fn callers_who_join_at_the_same_moment_meet() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.add_caller();
        world.add_caller();
        world.run(5 * SECOND);
        assert!(world.in_call(0) && world.in_call(1), "seed {seed}: {:?} {:?}", world.state(0), world.state(1));
    }
}

#[test]
fn credentials_of_the_relay_are_renewed_in_time_and_used() {
    let mut world = World::new(8);
    let relay = |user: &str| IceConfig {
        urls: vec!["turn:turn.example.org".to_owned()],
        user: user.to_owned(),
        cred: "c".to_owned(),
        ttl_s: 300,
    };
    world.ice = relay("first");
    world.add_caller();
    world.run(199 * SECOND);
    assert_eq!(world.ice_refreshes, []);
    world.ice = relay("second");
    world.run(2 * SECOND);
    assert_eq!(world.ice_refreshes.len(), 1);
    world.add_caller();
    world.run(SECOND);
    assert_eq!(world.opened_with, [(1, "second".to_owned()), (0, "second".to_owned())]);

    assert_eq!(world.renewed_with, []);

    // What became due while the server was away is made up for, once.
    world.stop_server(false);
    world.run(30 * SECOND);
    world.server_up = true;
    world.ice = relay("third");
    world.run(300 * SECOND);
    let of_the_first = |world: &World| world.ice_refreshes.iter().filter(|(who, _)| *who == 0).count();
    assert_eq!(of_the_first(&world), 2);
    assert!(world.renewed_with.contains(&(0, "third".to_owned())), "the connection goes on with new ones");

    // A server that forgot us knows us as somebody else from then on.
    world.ice = relay("fourth");
    world.stop_server(true);
    world.server_up = true;
    world.run(20 * SECOND);
    assert!(world.in_call(0) && world.in_call(1));
    for who in [0, 1] {
        assert!(world.renewed_with.contains(&(who, "fourth".to_owned())), "{:?}", world.renewed_with);
    }
    let before = of_the_first(&world);
    world.input(0, Input::HangUp);
    world.run(600 * SECOND);
    assert_eq!(of_the_first(&world), before, "after the end");
}

#[test]
fn a_third_person_is_told_that_the_call_is_taken() {
    let mut world = connected(3);
    world.add_caller();
    world.run(20 * SECOND);
    assert_eq!(world.state(2), State::Ended(EndReason::RoomFull));
    assert!(world.in_call(0) && world.in_call(1));
}

#[test]
fn an_outage_heals_by_restarting_ice_whoever_notices() {
    for noticing in [&[0][..], &[1], &[0, 1]] {
        let mut world = connected(4);
        world.block_udp(noticing);
        world.run(5 * SECOND);
        world.udp_up = true;
        world.run(5 * SECOND);
        assert!(world.in_call(0) && world.in_call(1), "{noticing:?}: {:?} {:?}", world.state(0), world.state(1));
        assert_eq!(world.callers[0].opened, 1, "the session was kept");
    }
}

#[test]
fn an_outage_without_end_ends_the_call() {
    let mut world = connected(5);
    world.block_udp(&[0, 1]);
    world.run(61 * SECOND);
    assert_eq!(world.state(0), State::Ended(EndReason::RemoteVanished));
}

#[test]
fn the_call_goes_on_while_the_server_is_away_and_ice_restarts_when_it_is_back() {
    for forget in [false, true] {
        let mut world = connected(6);
        world.stop_server(forget);
        world.run(20 * SECOND);
        assert!(world.in_call(0) && world.in_call(1), "no server is needed to talk");
        assert!(!world.callers[0].call.signaling_online());
        world.server_up = true;
        world.run(10 * SECOND);
        assert!(world.callers.iter().all(|caller| caller.call.signaling_online()));
        // Signaling works again only if a restart of ICE finds the other end.
        world.block_udp(&[0, 1]);
        world.run(SECOND);
        world.udp_up = true;
        world.run(5 * SECOND);
        assert!(world.in_call(0) && world.in_call(1), "forget {forget}: {:?} {:?}", world.state(0), world.state(1));
        assert_eq!(world.callers[1].opened, 1, "the session was kept");
    }
}

#[test]
fn a_broken_socket_loses_no_message() {
    for break_at_ms in (0..400).step_by(5) {
        for who in [0, 1] {
            let mut world = World::new(7);
            world.add_caller();
            world.run(SECOND);
            world.add_caller();
            world.run(Duration::from_millis(break_at_ms));
            world.break_socket(who, true);
            world.run(5 * SECOND);
            assert!(
                world.in_call(0) && world.in_call(1),
                "socket of {who} broken at {break_at_ms} ms: {:?} {:?}",
                world.state(0),
                world.state(1)
            );
        }
    }
}

#[test]
fn a_crashed_caller_comes_back_by_the_link() {
    let mut world = connected(8);
    world.crash(1);
    world.run(SECOND);
    world.add(Who::device(2));
    world.run(2 * SECOND);
    world.block_udp(&[0]);
    world.udp_up = true;
    world.run(8 * SECOND);
    assert!(world.in_call(0) && world.in_call(2), "{:?} {:?}", world.state(0), world.state(2));
}

#[test]
fn a_caller_who_never_comes_back_counts_as_vanished() {
    let mut world = connected(9);
    world.crash(1);
    world.block_udp(&[0]);
    world.run(61 * SECOND);
    assert_eq!(world.state(0), State::Ended(EndReason::RemoteVanished));
}

#[test]
fn a_guest_who_leaves_before_the_connection_leaves_the_host_waiting() {
    let mut world = World::new(10);
    world.udp_up = false;
    world.add_caller();
    world.run(SECOND);
    world.add_caller();
    world.run(SECOND);
    assert_eq!(world.state(0), State::Connecting);
    world.input(1, Input::HangUp);
    world.run(SECOND);
    assert!(matches!(world.state(0), State::Ended(EndReason::RemoteHungUp) | State::Waiting), "{:?}", world.state(0));
}

#[test]
fn an_offer_that_cannot_be_used_leaves_us_waiting() {
    let mut world = World::new(13);
    world.add_caller();
    world.run(SECOND);
    world.refuse_offers = true;
    world.add_caller();
    world.run(SECOND);
    assert_eq!(world.state(0), State::Waiting);
    world.input(1, Input::HangUp);
    world.refuse_offers = false;
    world.add_caller();
    world.run(SECOND);
    assert!(world.in_call(0) && world.in_call(2), "{:?} {:?}", world.state(0), world.state(2));
}

#[test]
fn no_path_and_no_server_are_said() {
    let mut world = World::new(11);
    world.udp_up = false;
    world.add_caller();
    world.run(SECOND);
    world.add_caller();
    world.run(30 * SECOND);
    assert_eq!(world.state(1), State::Ended(EndReason::NoPath));

    let mut world = World::new(12);
    world.server_up = false;
    world.add_caller();
    world.run(15 * SECOND);
    assert_eq!(world.state(0), State::Ended(EndReason::ServerUnreachable));
}

#[test]
fn random_trouble_never_leaves_two_callers_apart_for_good() {
    for seed in 0..300 {
        let mut world = connected(seed);
        let mut state = seed;
        for _ in 0..6 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (state >> 33) % 5 {
                0 => world.break_socket(usize::from(state >> 40 & 1 == 1), true),
                1 => world.stop_server(state >> 41 & 1 == 1),
                2 => world.server_up = true,
                3 if world.udp_up => world.block_udp(&[0, 1]),
                _ => world.udp_up = true,
            }
            // Six times at most 8 s: no outage is long enough to end the call.
            world.run(Duration::from_millis(state >> 51));
        }
        world.server_up = true;
        world.udp_up = true;
        world.run(30 * SECOND);
        assert!(world.in_call(0) && world.in_call(1), "seed {seed}: {:?} {:?}", world.state(0), world.state(1));
    }
}
