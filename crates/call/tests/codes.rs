//! Spoken codes from the first word to the link, on a virtual clock.

mod rig;

use std::time::Duration;

use eyeline_call::{ClaimState, CodeClaim, OfferState, SocketCommand, SocketInput};
use eyeline_protocol::{ClientMessage, ServerMessage};
use eyeline_seal::{Kind, SpokenCode};

use crate::rig::codes::{CodeDesk, GUEST, HOST, TTL, link, wrong};

const SECOND: Duration = Duration::from_secs(1);

/// The guest is in the rendezvous, but hears nothing there.
fn deaf_guest(to: usize, message: ServerMessage) -> Vec<(usize, ServerMessage)> {
    let deaf = to == GUEST && matches!(message, ServerMessage::From { .. });
    if deaf { vec![] } else { vec![(to, message)] }
}

#[test]
fn the_right_code_gives_the_link_and_says_that_it_met() {
    let mut desk = CodeDesk::new();
    let code = desk.code();
    assert_eq!(desk.claim(&code), ClaimState::Done(link()));
    assert_eq!((desk.offer.state(), desk.offer.wrong_tries()), (&OfferState::Taken, 0));
    assert!(desk.said[HOST].contains(&ClientMessage::CodeClose { met: true }));
    assert_eq!(desk.said[GUEST].last(), Some(&ClientMessage::Bye));
    assert_eq!((desk.offer.poll_timeout(), desk.claim.as_ref().and_then(CodeClaim::poll_timeout)), (None, None));
}

#[test]
fn a_wrong_guess_burns_the_code_and_the_host_is_told() {
    let mut desk = CodeDesk::new();
    let code = desk.code();
    assert_eq!(desk.claim(&wrong(&code)), ClaimState::Wrong);
    assert_eq!(desk.offer.wrong_tries(), 1);
    let next = desk.code();
    assert_ne!(next.nameplate, code.nameplate, "a new code");
    assert!(desk.said[HOST].contains(&ClientMessage::CodeClose { met: false }));
    assert_eq!(desk.claim(&code), ClaimState::Unknown, "the old one is gone, even with the right words");
    assert_eq!(desk.claim(&next), ClaimState::Done(link()));
}

#[test]
fn three_wrong_guesses_end_it() {
    let mut desk = CodeDesk::new();
    for guess in 1..=3 {
        let code = desk.code();
        assert_eq!(desk.claim(&wrong(&code)), ClaimState::Wrong);
        assert_eq!(desk.offer.wrong_tries(), guess);
    }
    assert_eq!(*desk.offer.state(), OfferState::Burned);
    let said = desk.said[HOST].len();
    desk.pass(TTL * 2);
    assert_eq!((desk.offer.state(), desk.said[HOST].len()), (&OfferState::Burned, said));
}

#[test]
fn a_guest_who_goes_without_a_try_burns_the_code_too() {
    // Or somebody could claim every code as soon as it is shown, and never be noticed.
    let mut desk = CodeDesk::new();
    let code = desk.code();
    desk.evil = Some(Box::new(deaf_guest));
    desk.claim(&code);
    desk.evil = None;
    desk.pass(16 * SECOND);
    assert_eq!(desk.offer.wrong_tries(), 1);
    assert_ne!(desk.code().nameplate, code.nameplate);
}

#[test]
fn nobody_comes_in_time() {
    let mut desk = CodeDesk::new();
    desk.pass(TTL - SECOND);
    let code = desk.code();
    desk.pass(2 * SECOND);
    assert_eq!(*desk.offer.state(), OfferState::Expired);
    assert_eq!(desk.claim(&code), ClaimState::Unknown);

    // The server's clock may be ahead of ours.
    let mut desk = CodeDesk::new();
    desk.forge(HOST, &ServerMessage::CodeFailed);
    assert_eq!(*desk.offer.state(), OfferState::Expired);
}

#[test]
fn a_withdrawn_code_stays_withdrawn() {
    for claimed in [false, true] {
        let mut desk = CodeDesk::new();
        let code = desk.code();
        if claimed {
            desk.evil = Some(Box::new(deaf_guest));
            desk.claim(&code);
            assert_eq!(*desk.offer.state(), OfferState::Checking);
        }
        desk.offer.withdraw();
        let said = desk.said[HOST].len();
        desk.pass(TTL * 2);
        let new = desk.said[HOST][said..].iter().filter(|message| **message != ClientMessage::Bye).count();
        assert_eq!(new, 0, "no new code: {:?}", &desk.said[HOST][said..]);
    }
}

#[test]
fn the_hosts_socket_breaks_and_the_words_stay() {
    let mut desk = CodeDesk::new();
    let code = desk.code();
    desk.break_socket(HOST);
    desk.pass(SECOND);
    assert_eq!(desk.code(), code);
    let opens = desk.said[HOST].iter().filter(|message| matches!(message, ClientMessage::CodeOpen)).count();
    assert_eq!(opens, 1, "a resumed socket is at its nameplate already");
    assert_eq!(desk.claim(&code), ClaimState::Done(link()));
}

#[test]
fn a_code_claimed_while_the_host_was_away_is_honoured() {
    let mut desk = CodeDesk::new();
    let code = desk.code();
    desk.unreachable[HOST] = true;
    desk.break_socket(HOST);
    desk.evil = Some(Box::new(|to, message| if to == HOST { vec![] } else { vec![(to, message)] }));
    assert_eq!(desk.claim(&code), ClaimState::Claiming);
    desk.evil = None;
    desk.unreachable[HOST] = false;
    desk.pass(3 * SECOND);
    assert_eq!(desk.claimed(), ClaimState::Done(link()));
}

#[test]
fn a_socket_that_breaks_during_the_exchange_harms_nothing() {
    // What was not acknowledged comes again; a message that comes twice is no second try.
    for end in [HOST, GUEST] {
        for kind in [Kind::CodeHello, Kind::CodeProof, Kind::CodeLink] {
            let mut desk = CodeDesk::new();
            let code = desk.code();
            let mut broken = false;
            let ack_lost = move |to: usize, message: ServerMessage| {
                let body = match &message {
                    ServerMessage::From { body, .. } => eyeline_seal::kind(body),
                    _ => None,
                };
                if body == Some(kind) && !broken {
                    broken = true;
                    return vec![(to, message.clone()), (to, message)];
                }
                vec![(to, message)]
            };
            desk.evil = Some(Box::new(ack_lost));
            desk.claim(&code);
            desk.break_socket(end);
            desk.pass(3 * SECOND);
            assert_eq!(desk.claimed(), ClaimState::Done(link()), "{kind:?}");
            assert_eq!((desk.offer.state(), desk.offer.wrong_tries()), (&OfferState::Taken, 0));
        }
    }
}

#[test]
fn a_server_that_forgot_the_code_gives_another_one_that_works() {
    for claimed in [false, true] {
        let mut desk = CodeDesk::new();
        let code = desk.code();
        if claimed {
            desk.evil = Some(Box::new(deaf_guest));
            desk.claim(&code);
            desk.evil = None;
        }
        desk.forget();
        desk.break_socket(HOST);
        desk.pass(SECOND);
        let next = desk.code();
        assert_ne!(next.nameplate, code.nameplate);
        assert_eq!(desk.claim(&next), ClaimState::Done(link()));
    }
}

#[test]
fn a_stale_nameplate_and_no_server_are_said() {
    let mut desk = CodeDesk::new();
    let other = SpokenCode::new(desk.code().nameplate + 1, [0; 4]);
    assert_eq!(desk.claim(&other), ClaimState::Unknown);

    let mut desk = CodeDesk::new();
    let code = desk.code();
    desk.unreachable = [true, true];
    desk.claim(&code);
    desk.pass(20 * SECOND);
    assert_eq!(desk.claimed(), ClaimState::Unreachable);

    let mut claim = CodeClaim::new(desk.now, &code, [1; 32]);
    claim.cancel();
    claim.handle_socket(desk.now, SocketInput::Opened);
    let commands: Vec<_> = std::iter::from_fn(|| claim.poll_command()).collect();
    assert!(matches!(commands[..], [SocketCommand::Connect, SocketCommand::Close]), "{commands:?}");
}
