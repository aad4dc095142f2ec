//! What a hostile peer, or one between the two connections, tries at the media gate and at the emoji.

use std::time::Duration;

use eyeline_call::{EndReason, GateViolation, Refusal, RtcInput, State};
use eyeline_protocol::MemberId;
use eyeline_protocol::inner::{Bytes32, Inner};
use eyeline_seal::{BindRole, sas};

use crate::bench::{SECOND, assert_no_media, assert_refused, report};
use crate::peer::{MALLORY, TAMPERED, answered, connect, in_call, session, settle};
use crate::rig::{Who, World, puppet::Puppet};

#[test]
fn evil_server_in_the_middle_of_dtls_shows_its_own_certificate() {
    for certificate in [Some([0x66; 32]), None] {
        let (mut world, _, _, _) = answered();
        connect(&mut world, certificate);
        report("own certificate", &world);
        assert_no_media(&world);
        assert_refused(&world, 0, &Refusal::Gate(GateViolation::Fingerprint));
        assert_eq!(world.state(0), TAMPERED);
    }
}

#[test]
fn evil_server_swaps_the_certificate_in_a_running_call() {
    let (mut world, _, _) = in_call();
    connect(&mut world, Some([0x66; 32]));
    report("certificate swapped in the call", &world);
    assert_refused(&world, 0, &Refusal::Gate(GateViolation::Fingerprint));
    assert_eq!(world.state(0), TAMPERED);
}

#[test]
fn evil_server_peer_forges_the_bind_proof() {
    for proof in [[0; 32], [0xff; 32], MALLORY] {
        let (mut world, _, _, _) = answered();
        connect(&mut world, Some(MALLORY));
        world.rtc_input(0, &session(1), RtcInput::Bind(proof));
        report("forged bind", &world);
        assert_no_media(&world);
        assert_refused(&world, 0, &Refusal::Gate(GateViolation::Bind));
        assert_eq!(world.state(0), TAMPERED);
    }
}

#[test]
fn evil_server_peer_reflects_the_bind_proof() {
    let (mut world, _, _, _) = answered();
    connect(&mut world, Some(MALLORY));
    let said = world.callers[0].pcs[&session(1)].bind_said.expect("our proof");
    world.rtc_input(0, &session(1), RtcInput::Bind(said));
    report("reflected bind", &world);
    assert_no_media(&world);
    assert_refused(&world, 0, &Refusal::Gate(GateViolation::Bind));
    assert_eq!(world.state(0), TAMPERED);
}

#[test]
fn evil_server_peer_sends_the_bind_proof_before_the_connection() {
    // It may come first; it does not open anything by itself, and a wrong one stays wrong.
    let (mut world, mallory, victim, fingerprint) = answered();
    let proof = mallory.sessions[&victim].bind_mac(BindRole::Offerer, &MALLORY, &fingerprint);
    world.rtc_input(0, &session(1), RtcInput::Bind([1; 32]));
    world.rtc_input(0, &session(1), RtcInput::Bind(proof));
    assert_no_media(&world);
    connect(&mut world, Some(MALLORY));
    report("bind before the connection", &world);
    assert_no_media(&world);
    assert_refused(&world, 0, &Refusal::Gate(GateViolation::Bind));
}

#[test]
fn evil_server_peer_never_binds() {
    let (mut world, _, _, _) = answered();
    connect(&mut world, Some(MALLORY));
    world.run(Duration::from_millis(4900));
    assert_eq!(world.state(0), State::Connecting);
    world.run(SECOND);
    report("no bind", &world);
    assert_no_media(&world);
    assert_refused(&world, 0, &Refusal::BindTimeout);
    assert_eq!(world.state(0), State::Ended(EndReason::NoPath));
}

#[test]
fn evil_server_peer_says_goodbye_for_others_before_the_gate() {
    // Whoever speaks over a connection that is not bound is nobody.
    let (mut world, _, _, _) = answered();
    connect(&mut world, Some(MALLORY));
    world.rtc_input(0, &session(1), RtcInput::RemoteBye);
    assert_eq!(world.state(0), State::Connecting);
}

/// RFC 8844: Mallory is in one room with Ann and in another with Bob, and tells each of them the other's fingerprint as
/// its own. DTLS comes up between Ann and Bob, who both believe to talk to Mallory.
#[test]
fn evil_server_peer_relays_the_fingerprints_of_a_third_party() {
    let mut world = World::new(1);
    let mut to_ann = Puppet::join(&mut world, 9, 5);
    world.add(Who::device(1));
    world.add(Who { link: 6, ..Who::device(2) });
    world.run(SECOND / 2);
    let mut to_bob = Puppet::join(&mut world, 9, 6);
    let (ann, bob) = (world.member_id(0), world.member_id(1));
    for _ in 0..20 {
        world.run(Duration::from_millis(50));
        to_ann.pump(&mut world);
        to_bob.pump(&mut world);
        relay(&mut world, &mut to_ann, &mut to_bob, &bob);
        relay(&mut world, &mut to_bob, &mut to_ann, &ann);
    }
    world.run(10 * SECOND);
    report("unknown key share", &world);
    for caller in [0, 1] {
        assert!(!world.callers[caller].heard.is_empty(), "the descriptions were passed on");
        assert_refused(&world, caller, &Refusal::Gate(GateViolation::Bind));
        assert_eq!(world.state(caller), TAMPERED);
    }
    assert_no_media(&world);
}

fn relay(world: &mut World, from: &mut Puppet, to: &mut Puppet, receiver: &MemberId) {
    if !to.sessions.contains_key(receiver) {
        return;
    }
    for (_, inner) in std::mem::take(&mut from.heard) {
        to.say(world, receiver, &inner);
    }
}

#[test]
fn evil_server_peer_reveals_without_a_commitment() {
    let (mut world, mut mallory, victim) = in_call();
    mallory.say(&mut world, &victim, &Inner::SasReveal { session: session(1), nonce: Bytes32([1; 32]) });
    settle(&mut world, &mut mallory);
    report("SAS without commitment", &world);
    assert_refused(&world, 0, &Refusal::SasNotDue);
    assert_eq!(world.callers[0].call.emoji(), None);
    assert!(world.in_call(0));
}

#[test]
fn evil_server_peer_reveals_another_value_than_it_committed_to() {
    let (mut world, mut mallory, victim) = in_call();
    let commitment = Bytes32(sas::commit(&[1; 32]));
    mallory.say(&mut world, &victim, &Inner::SasCommit { session: session(1), commitment });
    settle(&mut world, &mut mallory);
    assert!(mallory.heard.iter().any(|(_, inner)| matches!(inner, Inner::SasNonce { .. })));
    mallory.say(&mut world, &victim, &Inner::SasReveal { session: session(1), nonce: Bytes32([2; 32]) });
    // Nor can it try again: with another value, or from the beginning.
    mallory.say(&mut world, &victim, &Inner::SasReveal { session: session(1), nonce: Bytes32([1; 32]) });
    mallory.say(&mut world, &victim, &Inner::SasCommit { session: session(1), commitment });
    settle(&mut world, &mut mallory);
    report("SAS with another value", &world);
    let named = [Refusal::SasCommitment, Refusal::SasNotDue, Refusal::SasNotDue];
    assert_eq!(world.callers[0].refusals, named);
    assert_eq!(world.callers[0].call.emoji(), None);
}

#[test]
fn evil_server_peer_commits_again_after_seeing_the_answer() {
    let (mut world, mut mallory, victim) = in_call();
    for nonce in [[1; 32], [2; 32]] {
        let commitment = Bytes32(sas::commit(&nonce));
        mallory.say(&mut world, &victim, &Inner::SasCommit { session: session(1), commitment });
        settle(&mut world, &mut mallory);
    }
    let nonces = mallory.heard.iter().filter(|(_, inner)| matches!(inner, Inner::SasNonce { .. })).count();
    report("SAS commitment twice", &world);
    assert_eq!(nonces, 1, "one nonce for one commitment");
    assert_refused(&world, 0, &Refusal::SasNotDue);
}

#[test]
fn evil_server_peer_swaps_roles_in_the_verification() {
    // The answerer's part, said to the answerer.
    let (mut world, mut mallory, victim) = in_call();
    mallory.say(&mut world, &victim, &Inner::SasNonce { session: session(1), nonce: Bytes32([1; 32]) });
    settle(&mut world, &mut mallory);
    report("SAS roles swapped", &world);
    assert_refused(&world, 0, &Refusal::SasNotDue);
}
