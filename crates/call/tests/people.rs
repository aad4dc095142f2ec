//! What two people in a call learn of each other: emoji, contacts, no addresses.

mod rig;

use std::time::Duration;

use eyeline_call::{ContactMessage, EndReason, Input, State};
use eyeline_protocol::inner::ContactCard;
use eyeline_protocol::{InboxId, RingToken};

use crate::rig::{Who, World, device_id};

const SECOND: Duration = Duration::from_secs(1);

fn connected(seed: u64) -> World {
    let mut world = World::new(seed);
    world.add(Who::device(1));
    world.run(SECOND);
    world.add(Who::device(2));
    world.run(SECOND);
    assert!(world.in_call(0) && world.in_call(1), "{:?} {:?}", world.state(0), world.state(1));
    world
}

#[test]
fn both_see_the_same_emoji_and_every_call_other_ones() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let world = connected(seed);
        let emoji = world.callers[0].call.emoji().expect("agreed");
        assert_eq!(world.callers[1].call.emoji(), Some(emoji));
        seen.insert(emoji);
        let peers = [0, 1].map(|index| world.callers[index].call.peer().map(|card| (card.device, card.name.clone())));
        assert_eq!(peers[0], Some((device_id(2), "Device 2".to_owned())));
        assert_eq!(peers[1], Some((device_id(1), "Device 1".to_owned())));
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn the_emoji_stay_when_ice_restarts_and_the_server_forgets() {
    let mut world = connected(1);
    let emoji = world.callers[0].call.emoji();
    world.stop_server(true);
    world.run(5 * SECOND);
    world.server_up = true;
    world.run(10 * SECOND);
    world.block_udp(&[0, 1]);
    world.run(SECOND);
    world.udp_up = true;
    world.run(5 * SECOND);
    assert!(world.in_call(0) && world.in_call(1));
    assert_eq!([world.callers[0].call.emoji(), world.callers[1].call.emoji()], [emoji, emoji]);
}

#[test]
fn people_become_contacts_by_asking_and_agreeing() {
    let card = |n| ContactCard { server: String::new(), inbox_id: InboxId([n; 16]), ring_token: RingToken([n; 16]) };
    let mut world = connected(2);
    world.input(0, Input::Contact(ContactMessage::Request(card(1))));
    world.run(SECOND);
    world.input(1, Input::Contact(ContactMessage::Accept(card(2))));
    world.input(1, Input::Contact(ContactMessage::Decline));
    world.run(SECOND);
    assert_eq!(world.callers[1].contacts, [ContactMessage::Request(card(1))]);
    assert_eq!(world.callers[0].contacts, [ContactMessage::Accept(card(2)), ContactMessage::Decline]);
    // Before and after a call there is nobody to ask.
    let mut world = World::new(3);
    world.add(Who::device(1));
    world.run(SECOND);
    world.input(0, Input::Contact(ContactMessage::Request(card(1))));
    world.add(Who::device(2));
    world.run(SECOND);
    assert!(world.callers[1].contacts.is_empty());
}

#[test]
fn a_relay_only_call_tells_no_address_but_the_relays() {
    for who in [0, 1] {
        let mut world = World::new(4);
        world.ice.urls = vec!["turn:turn.example.org:3478?transport=udp".to_owned()];
        world.add(Who { relay_only: who == 0, ..Who::device(1) });
        world.run(SECOND);
        world.add(Who { relay_only: who == 1, ..Who::device(2) });
        world.run(SECOND);
        assert!(world.in_call(0) && world.in_call(1));
        // Restarts, on which all is gathered again.
        world.block_udp(&[0, 1]);
        world.run(SECOND);
        world.udp_up = true;
        world.run(5 * SECOND);
        let heard = &world.callers[1 - who].heard;
        assert!(heard.iter().any(|text| text.contains("typ relay raddr 0.0.0.0 rport 0")), "{heard:?}");
        for text in heard {
            let told = ["192.0.2.", "203.0.113.", "typ host", "srflx", "4242"].map(|secret| text.contains(secret));
            assert_eq!(told, [false; 5], "{text}");
        }
        let theirs = &world.callers[who].heard;
        assert!(theirs.iter().any(|text| text.contains("typ host")), "the other end did not ask for it");
    }
}

#[test]
fn a_relay_only_call_without_a_relay_is_none() {
    let mut world = World::new(5);
    world.ice.urls = vec!["stun:stun.example.org".to_owned()];
    world.add(Who { relay_only: true, ..Who::device(1) });
    world.run(SECOND);
    assert_eq!(world.state(0), State::Waiting);
    world.add(Who::device(2));
    world.run(SECOND);
    assert_eq!(world.state(0), State::Ended(EndReason::NoRelay));
    assert!(world.callers[1].heard.is_empty());
}

#[test]
fn debug_output_shows_no_secret() {
    let world = connected(6);
    for caller in &world.callers {
        let shown = format!("{:?}", caller.call);
        for secret in ["nonce", "ours", "theirs", "192.0.2", "Device 1", "candidate:"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
