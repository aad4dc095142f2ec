//! A hostile peer: it has the link, its handshake is right, and then it lies.

use std::time::Duration;

use eyeline_call::{EndReason, Fingerprint, Input, Refusal, RtcInput, State};
use eyeline_protocol::MemberId;
use eyeline_protocol::inner::{Bytes32, Inner, InnerError, SessionId};
use eyeline_seal::BindRole;
use eyeline_seal::sdp::{CandidateError, SdpError};

use crate::bench::{SECOND, assert_no_media, assert_refused, assert_right, meet, report};
use crate::rig::{Who, World, describe, device_id, puppet::Puppet};

pub(crate) const MALLORY: Fingerprint = [0x3a; 32];
pub(crate) const TAMPERED: State = State::Ended(EndReason::Tampered);

/// Caller 0 waits; Mallory comes, and is through with the handshake.
pub(crate) fn with_mallory() -> (World, Puppet, MemberId) {
    let mut world = World::new(1);
    world.add(Who::device(1));
    world.run(SECOND);
    let mut mallory = Puppet::join(&mut world, 9, 5);
    settle(&mut world, &mut mallory);
    let victim = world.member_id(0);
    (world, mallory, victim)
}

pub(crate) fn settle(world: &mut World, mallory: &mut Puppet) {
    for _ in 0..5 {
        world.run(Duration::from_millis(100));
        mallory.pump(world);
    }
}

pub(crate) fn session(number: u64) -> SessionId {
    SessionId::from_random(number)
}

pub(crate) fn offer(number: u64, epoch: u32) -> Inner {
    Inner::Offer { session: session(number), epoch, sdp: describe("actpass", "mall0", &MALLORY) }
}

/// Mallory offers and gets an answer; the connection is not there yet. Returns the victim's fingerprint.
pub(crate) fn answered() -> (World, Puppet, MemberId, Fingerprint) {
    let (mut world, mut mallory, victim) = with_mallory();
    mallory.say(&mut world, &victim, &offer(1, 0));
    settle(&mut world, &mut mallory);
    let fingerprint = mallory
        .heard
        .iter()
        .find_map(|(_, inner)| match inner {
            Inner::Answer { sdp, .. } => Some(eyeline_seal::sdp::check(sdp).expect("ours").fingerprint),
            _ => None,
        })
        .expect("an answer");
    (world, mallory, victim, fingerprint)
}

pub(crate) fn connect(world: &mut World, certificate: Option<Fingerprint>) {
    world.rtc_input(0, &session(1), RtcInput::Connected { certificate });
    world.rtc_input(0, &session(1), RtcInput::ControlOpen);
}

/// In a call with Mallory, who did everything right so far.
pub(crate) fn in_call() -> (World, Puppet, MemberId) {
    let (mut world, mallory, victim, fingerprint) = answered();
    connect(&mut world, Some(MALLORY));
    let proof = mallory.sessions[&victim].bind_mac(BindRole::Offerer, &MALLORY, &fingerprint);
    world.rtc_input(0, &session(1), RtcInput::Bind(proof));
    assert!(world.in_call(0));
    (world, mallory, victim)
}

/// Two in a call, and Mallory in the same room.
fn third_party() -> (World, Puppet, SessionId) {
    let mut world = meet(None);
    let mut mallory = Puppet::join(&mut world, 9, 5);
    settle(&mut world, &mut mallory);
    let session = world.callers[0].pcs.keys().next().expect("in a call").clone();
    assert_right(&world);
    (world, mallory, session)
}

#[test]
fn evil_server_peer_speaks_for_a_session_of_others() {
    let (mut world, mut mallory, session) = third_party();
    let heard = [world.callers[0].heard.len(), world.callers[1].heard.len()];
    let sdp = describe("actpass", "mall0", &MALLORY);
    let candidate = r#"{"candidate":"candidate:1 1 udp 1 192.0.2.66 5 typ host"}"#.to_owned();
    for index in [0, 1] {
        let victim = world.member_id(index);
        for inner in [
            Inner::Offer { session: session.clone(), epoch: 9, sdp: sdp.clone() },
            Inner::Answer { session: session.clone(), epoch: 0, sdp: sdp.clone() },
            Inner::Candidate { session: session.clone(), epoch: 0, candidate: candidate.clone() },
            Inner::Restart { session: session.clone() },
            Inner::Busy { session: session.clone() },
            Inner::Bye { session: session.clone() },
            Inner::SasCommit { session: session.clone(), commitment: Bytes32([1; 32]) },
            Inner::SasNonce { session: session.clone(), nonce: Bytes32([1; 32]) },
            Inner::ContactDecline,
        ] {
            mallory.say(&mut world, &victim, &inner);
        }
    }
    settle(&mut world, &mut mallory);
    world.run(10 * SECOND);
    report("speaks for others' session", &world);
    assert_right(&world);
    assert_eq!([world.callers[0].heard.len(), world.callers[1].heard.len()], heard, "nothing of it is used");
    assert_eq!(world.callers[0].call.emoji(), world.callers[1].call.emoji());
    assert!(world.callers.iter().all(|caller| caller.contacts.is_empty() && caller.opened == 1));
}

#[test]
fn evil_server_peer_says_that_it_moved_but_is_another_device() {
    let (mut world, mut mallory, session) = third_party();
    for index in [0, 1] {
        let victim = world.member_id(index);
        for reply in [false, true] {
            mallory.say(&mut world, &victim, &Inner::Moved { session: session.clone(), reply });
        }
    }
    settle(&mut world, &mut mallory);
    report("moved from another device", &world);
    for index in [0, 1] {
        assert_refused(&world, index, &Refusal::WrongDevice);
    }
    // The session's messages still go to the right one.
    world.block_udp(&[0, 1]);
    world.run(SECOND);
    world.udp_up = true;
    world.run(5 * SECOND);
    assert_right(&world);
    assert!(mallory.heard.iter().all(|(_, inner)| !matches!(inner, Inner::Offer { .. } | Inner::Moved { .. })));
}

#[test]
fn evil_server_peer_offers_to_people_in_a_call() {
    let (mut world, mut mallory, _) = third_party();
    for index in [0, 1] {
        let victim = world.member_id(index);
        mallory.say(&mut world, &victim, &offer(77, 0));
    }
    settle(&mut world, &mut mallory);
    report("offers into a call", &world);
    assert_right(&world);
    let busy = mallory.heard.iter().filter(|(_, inner)| matches!(inner, Inner::Busy { .. })).count();
    assert_eq!(busy, 2);
}

#[test]
fn evil_server_peer_sends_descriptions_that_are_not_allowed() {
    let good = describe("actpass", "mall0", &MALLORY);
    let last = good.lines().last().expect("the fingerprint");
    let with = |from: &str, to: &str| good.replace(from, to);
    for (sdp, error) in [
        (with("a=mid:0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"), SdpError::Crypto),
        (with("UDP/TLS/RTP/SAVPF", "RTP/AVP"), SdpError::Profile),
        (with("a=fingerprint", "a=mid"), SdpError::NoFingerprint),
        (good.clone() + &last.replace("3A", "3B"), SdpError::TwoFingerprints),
        (with("sha-256", "sha-1"), SdpError::Fingerprint),
        (with("opus", "evil"), SdpError::Codec),
        ("x".repeat(30_000), SdpError::TooLong),
        (String::new(), SdpError::Media),
        (with("m=audio", "m=text"), SdpError::Media),
    ] {
        let (mut world, mut mallory, victim) = with_mallory();
        mallory.say(&mut world, &victim, &Inner::Offer { session: session(1), epoch: 0, sdp });
        settle(&mut world, &mut mallory);
        report("bad description", &world);
        let refused = &world.callers[0].refusals;
        assert!(matches!(refused[..], [Refusal::Sdp(_)]), "{error:?}: {refused:?}");
        if error != SdpError::Media {
            assert_eq!(*refused, [Refusal::Sdp(error)]);
        }
        assert_eq!((world.state(0), world.callers[0].opened), (State::Waiting, 0));
    }
}

#[test]
fn evil_server_peer_changes_its_fingerprint_in_a_restart() {
    let (mut world, mut mallory, victim) = in_call();
    let heard = world.callers[0].heard.len();
    let sdp = describe("actpass", "mall1", &[0x66; 32]);
    mallory.say(&mut world, &victim, &Inner::Offer { session: session(1), epoch: 1, sdp });
    settle(&mut world, &mut mallory);
    report("another fingerprint in a restart", &world);
    assert_refused(&world, 0, &Refusal::FingerprintChanged);
    assert_eq!(world.callers[0].heard.len(), heard);
    // While it is set up, the same ends the attempt.
    let (mut world, mut mallory, victim, _) = answered();
    let sdp = describe("actpass", "mall1", &[0x66; 32]);
    mallory.say(&mut world, &victim, &Inner::Offer { session: session(1), epoch: 1, sdp });
    settle(&mut world, &mut mallory);
    assert_eq!(world.state(0), TAMPERED);
    assert_no_media(&world);
}

#[test]
fn evil_server_peer_floods_candidates() {
    let (mut world, mut mallory, victim, _) = answered();
    let candidate = |line: &str| serde_json::json!({ "candidate": line, "sdpMid": "0" }).to_string();
    for number in 0..2000_u32 {
        // For sessions that are not there; and ones that are no candidates.
        let line = format!("candidate:{number} 1 udp 1 192.0.2.66 5 typ host");
        let inner = Inner::Candidate { session: session(u64::from(number)), epoch: 3, candidate: candidate(&line) };
        mallory.say(&mut world, &victim, &inner);
    }
    for line in ["candidate:1 1 udp 1 example.org 5 typ host", "candidate:1 1 udp 1 224.0.0.1 5 typ host"] {
        let inner = Inner::Candidate { session: session(1), epoch: 0, candidate: candidate(line) };
        mallory.say(&mut world, &victim, &inner);
    }
    let mdns = candidate("candidate:1 1 udp 1 5c1.local 5 typ host");
    mallory.say(&mut world, &victim, &Inner::Candidate { session: session(1), epoch: 0, candidate: mdns });
    settle(&mut world, &mut mallory);
    report("candidate flood", &world);
    assert_refused(&world, 0, &Refusal::Candidate(CandidateError::Address));
    assert_eq!(world.callers[0].heard.len(), 1, "the offer, and not one of these candidates");
    assert_eq!(world.state(0), State::Connecting);
}

#[test]
fn evil_server_peer_says_what_nobody_understands() {
    let (mut world, mut mallory, victim) = in_call();
    let long = format!(r#"{{"type":"candidate","session":"a","epoch":0,"candidate":"{}"}}"#, "x".repeat(2000));
    for bytes in [&b""[..], b"{}", b"\xff\xfe", br#"{"type":"dance"}"#, br#"{"type":"bye"}"#, &[b'['; 10_000]] {
        mallory.say_bytes(&mut world, &victim, bytes);
    }
    mallory.say_bytes(&mut world, &victim, long.as_bytes());
    settle(&mut world, &mut mallory);
    report("junk inside the seal", &world);
    assert_refused(&world, 0, &Refusal::Inner(InnerError::Malformed));
    assert_refused(&world, 0, &Refusal::Inner(InnerError::TooLong));
    assert!(world.in_call(0));
}

#[test]
fn evil_server_peer_turns_epochs_and_answers_around() {
    let (mut world, mut mallory, victim) = in_call();
    let heard = world.callers[0].heard.len();
    for epoch in [0, 0, u32::MAX, 1, u32::MAX] {
        mallory.say(&mut world, &victim, &offer(1, epoch));
        let sdp = describe("active", "mall1", &MALLORY);
        mallory.say(&mut world, &victim, &Inner::Answer { session: session(1), epoch, sdp });
        mallory.say(&mut world, &victim, &Inner::Restart { session: session(1) });
    }
    settle(&mut world, &mut mallory);
    report("epochs and answers", &world);
    assert_eq!(world.callers[0].heard.len(), heard + 1, "one newer offer, and no answer");
    world.input(0, Input::NetworkChanged);
    assert!(world.in_call(0));
}

#[test]
fn evil_server_peer_takes_over_while_the_call_is_being_set_up() {
    // Mallory offers while the two are at it: whoever gets into a call knows with whom.
    let mut world = World::new(1);
    world.udp_up = false;
    world.add(Who::device(1));
    world.run(SECOND);
    world.add(Who::device(2));
    world.run(SECOND / 5);
    let mut mallory = Puppet::join(&mut world, 9, 5);
    settle(&mut world, &mut mallory);
    let victim = world.member_id(0);
    mallory.say(&mut world, &victim, &offer(1, 0));
    settle(&mut world, &mut mallory);
    report("offers during the set-up", &world);
    let peer = world.callers[0].call.peer().map(|card| card.device);
    assert_eq!(peer, Some(device_id(9)), "the name on the screen is the one at the other end");
    assert_no_media(&world);
}

#[test]
fn evil_server_peer_learns_no_address_in_relay_only_mode() {
    for mallory_first in [false, true] {
        let mut world = World::new(1);
        world.ice.urls = vec!["turn:turn.example.org:3478".to_owned()];
        let who = Who { relay_only: true, ..Who::device(1) };
        let (mut mallory, index) = if mallory_first {
            let mallory = Puppet::join(&mut world, 9, 5);
            (mallory, world.add(who))
        } else {
            let index = world.add(who);
            world.run(SECOND);
            (Puppet::join(&mut world, 9, 5), index)
        };
        settle(&mut world, &mut mallory);
        let victim = world.member_id(index);
        if !mallory_first {
            mallory.say(&mut world, &victim, &offer(1, 0));
            settle(&mut world, &mut mallory);
        }
        let told: Vec<&str> = mallory
            .heard
            .iter()
            .filter_map(|(_, inner)| match inner {
                Inner::Offer { sdp, .. } | Inner::Answer { sdp, .. } => Some(sdp.as_str()),
                Inner::Candidate { candidate, .. } => Some(candidate.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(told.len(), 2, "a description and the relayed candidate");
        for text in told {
            assert!(!text.contains("192.0.2.") && !text.contains("203.0.113."), "an address in {text}");
            assert!(!text.contains("host") && !text.contains("srflx"), "{text}");
        }
    }
}

#[test]
fn evil_server_gives_no_relay_to_a_relay_only_call() {
    for urls in [vec![], vec!["stun:stun.example.org".to_owned()], vec![" turn:x".to_owned(), "http://turn".to_owned()]]
    {
        for waits in [false, true] {
            let mut world = World::new(1);
            world.ice.urls = urls.clone();
            let first = Who { relay_only: waits, ..Who::device(1) };
            let second = Who { relay_only: !waits, ..Who::device(2) };
            world.add(first);
            world.run(SECOND);
            world.add(second);
            world.run(2 * SECOND);
            report("no relay", &world);
            let index = usize::from(!waits);
            assert_eq!(world.state(index), State::Ended(EndReason::NoRelay));
            assert_eq!(world.callers[index].opened, 0);
            assert_no_media(&world);
        }
    }
}
