//! A server that would like to have the link of a spoken code.

use std::time::Duration;

use eyeline_call::{ClaimState, OfferState};
use eyeline_protocol::{ClientMessage, MemberId, ServerMessage};
use eyeline_seal::{CodeGuest, CodeHost, GuestStep, Kind, Link};

use crate::bench::{body_kind, bytes};
use crate::rig::codes::{CodeDesk, GUEST, HOST, TTL, link, wrong};

fn report(name: &str, desk: &CodeDesk) {
    let guest = desk.claim.as_ref().map(|claim| claim.state());
    let (host, tries) = (desk.offer.state(), desk.offer.wrong_tries());
    println!("{name:<44} host: {host:?}, {tries} wrong; guest: {guest:?}");
}

fn from(peer: &MemberId, seq: u64, body: String) -> ServerMessage {
    ServerMessage::From { from: peer.clone(), seq, body }
}

/// What the host said last in the rendezvous.
fn host_said(desk: &CodeDesk) -> String {
    let mut bodies = desk.said[HOST].iter().rev().filter_map(|message| match message {
        ClientMessage::Send { body, .. } => Some(body.clone()),
        _ => None,
    });
    bodies.next().expect("the host begins")
}

#[test]
fn evil_server_plays_the_guest_and_guesses() {
    let mut desk = CodeDesk::new();
    let peer = MemberId::new("evil").unwrap();
    for guess in 1..=3 {
        let mut guest = CodeGuest::start(&wrong(&desk.code()), [9; 64]);
        let claimed = ServerMessage::CodeClaimed { me: MemberId::new("you").unwrap(), peer: peer.clone() };
        desk.forge(HOST, &claimed);
        let Ok(GuestStep::Reply(proof)) = guest.read(&host_said(&desk)) else { panic!("a proof") };
        desk.forge(HOST, &from(&peer, 1, proof));
        assert_eq!(desk.offer.wrong_tries(), guess, "the host is told of each");
    }
    report("guesses as guest", &desk);
    assert_eq!(*desk.offer.state(), OfferState::Burned);
    let told = desk.said[HOST].iter().filter(|message| match message {
        ClientMessage::Send { body, .. } => eyeline_seal::kind(body) == Some(Kind::CodeLink),
        _ => false,
    });
    assert_eq!(told.count(), 0, "the link was not said");
}

#[test]
fn evil_server_plays_the_host_and_guesses() {
    let mut desk = CodeDesk::new();
    let code = desk.code();
    let evil_link = Link::new("https://evil.example.org", [6; 16]).unwrap();
    let mut fake = None;
    desk.evil = Some(Box::new(move |to, message| match (to, &message) {
        (GUEST, ServerMessage::CodeClaimed { peer, .. }) => {
            let (host, hello) = CodeHost::start(&wrong(&code), [8; 64]);
            fake = Some(host);
            let hello = from(peer, 1, hello);
            vec![(GUEST, message), (GUEST, hello)]
        }
        // What the real host says goes nowhere; what the guest says goes to the fake one.
        (GUEST, ServerMessage::From { .. }) => vec![],
        (HOST, ServerMessage::From { from: guest, body, .. }) => {
            let reply = fake.as_mut().expect("started").read(body, &evil_link);
            assert!(reply.is_err(), "the guest proves its own words, not the guessed ones");
            let junk = from(&guest.clone(), 2, bytes("Bw", |bytes| bytes.resize(353, 0)));
            vec![(GUEST, junk)]
        }
        _ => vec![(to, message)],
    }));
    let state = desk.claim(&code);
    report("guesses as host", &desk);
    assert!(!matches!(state, ClaimState::Done(_)), "{state:?}");
    desk.pass(Duration::from_secs(20));
    report("guesses as host", &desk);
    assert!(matches!(desk.claimed(), ClaimState::Wrong | ClaimState::Unreachable), "{:?}", desk.claimed());
    assert_eq!(desk.offer.wrong_tries(), 1, "the host is told that somebody came and did not know it");
}

#[test]
fn evil_server_alters_the_messages_of_a_code() {
    for (to, kind) in [(GUEST, Kind::CodeHello), (HOST, Kind::CodeProof), (GUEST, Kind::CodeLink)] {
        for at in [0, 1, 20, 33, -1] {
            let mut desk = CodeDesk::new();
            let code = desk.code();
            desk.evil = Some(Box::new(move |receiver, mut message| {
                let hit = receiver == to && body_kind(&message) == Some(kind);
                if let (true, ServerMessage::From { body, .. }) = (hit, &mut message) {
                    *body = bytes(body, |bytes| {
                        let length = isize::try_from(bytes.len()).unwrap();
                        let at: isize = at;
                        bytes[usize::try_from(at.rem_euclid(length)).unwrap()] ^= 0x10;
                    });
                }
                vec![(receiver, message)]
            }));
            desk.claim(&code);
            desk.pass(Duration::from_secs(20));
            report("alters a code's messages", &desk);
            // Padding is not a secret: a change there may do no harm. Nobody gets another link, though.
            match desk.claimed() {
                ClaimState::Done(got) => assert_eq!(got, link()),
                ClaimState::Wrong | ClaimState::Unreachable => {}
                state => panic!("{state:?}"),
            }
        }
    }
}

#[test]
fn evil_server_swaps_the_messages_of_two_codes() {
    // Two hosts with the same nameplate and other words: the guest of one gets the other's message under its host's name.
    let peer = MemberId::new("evil").unwrap();
    let mut other = CodeDesk::with_words(4);
    other.forge(HOST, &ServerMessage::CodeClaimed { me: MemberId::new("you").unwrap(), peer });
    let hello = host_said(&other);
    let mut desk = CodeDesk::new();
    let code = desk.code();
    desk.evil = Some(Box::new(move |to, mut message| {
        let swap = to == GUEST && body_kind(&message) == Some(Kind::CodeHello);
        if let (true, ServerMessage::From { body, .. }) = (swap, &mut message) {
            *body = hello.clone();
        }
        vec![(to, message)]
    }));
    let state = desk.claim(&code);
    report("swaps two codes", &desk);
    assert!(!matches!(state, ClaimState::Done(_)));
    assert_eq!(desk.offer.wrong_tries(), 1);
}

#[test]
fn evil_server_joins_two_guests_or_two_hosts() {
    // Two hosts: each hears the other's first message. A host takes a proof alone, so nothing comes of it.
    let mut first = CodeDesk::new();
    let mut second = CodeDesk::new();
    let peer = MemberId::new("evil").unwrap();
    let claimed = ServerMessage::CodeClaimed { me: MemberId::new("you").unwrap(), peer: peer.clone() };
    first.forge(HOST, &claimed);
    second.forge(HOST, &claimed);
    let (a, b) = (host_said(&first), host_said(&second));
    first.forge(HOST, &from(&peer, 1, b));
    second.forge(HOST, &from(&peer, 1, a.clone()));
    // And its own message back (SPAKE2 in its symmetric form would take it).
    first.forge(HOST, &from(&peer, 2, a));
    report("two hosts", &first);
    assert_eq!(*first.offer.state(), OfferState::Checking);
    first.pass(Duration::from_secs(20));
    assert_eq!(first.offer.wrong_tries(), 1, "a claim without a proof counts as a try");
    // Two guests: each waits for a host to begin.
    let mut desk = CodeDesk::new();
    let code = desk.code();
    desk.evil = Some(Box::new(|to, message| if to == HOST { vec![] } else { vec![(to, message)] }));
    desk.claim(&code);
    let said = desk.said[GUEST].iter().filter(|message| matches!(message, ClientMessage::Send { .. })).count();
    assert_eq!(said, 0, "a guest does not begin");
    desk.pass(Duration::from_secs(20));
    report("two guests", &desk);
    assert_eq!(desk.claimed(), ClaimState::Unreachable);
}

#[test]
fn evil_server_replays_a_code() {
    // Everything the host was told when the code was taken comes again to a host with a new code.
    let tape = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let recording = std::rc::Rc::clone(&tape);
    let mut desk = CodeDesk::new();
    desk.evil = Some(Box::new(move |to, message| {
        recording.borrow_mut().push((to, message.clone()));
        vec![(to, message)]
    }));
    let code = desk.code();
    assert_eq!(desk.claim(&code), ClaimState::Done(link()));
    assert_eq!(*desk.offer.state(), OfferState::Taken);
    // Whatever comes now changes nothing.
    let said = desk.said[HOST].len();
    for (_, message) in tape.borrow().iter().filter(|(to, _)| *to == HOST) {
        desk.socket_again(message);
    }
    desk.pass(TTL * 2);
    report("replays a code", &desk);
    assert_eq!(*desk.offer.state(), OfferState::Taken);
    assert_eq!(desk.said[HOST].len(), said, "nothing is said after the end");
}
