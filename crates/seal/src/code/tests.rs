use super::*;
use crate::testing::damaged;

fn spoken(text: &str) -> SpokenCode {
    text.parse().unwrap()
}

fn link() -> Link {
    Link::new(&format!("https://{}example.org:8443", "long.".repeat(40)), [9; 16]).unwrap()
}

fn reply(step: Result<GuestStep, CodeError>) -> String {
    match step.unwrap() {
        GuestStep::Reply(body) => body,
        GuestStep::Done(_) => panic!("too early"),
    }
}

/// Host and guest after the guest's proof.
fn proved(host: &str, guest: &str) -> (CodeHost, CodeGuest, String) {
    let (host, hello) = CodeHost::start(&spoken(host), [1; 64]);
    let mut guest = CodeGuest::start(&spoken(guest), [2; 64]);
    let proof = reply(guest.read(&hello));
    (host, guest, proof)
}

#[test]
fn the_same_words_hand_over_the_link() {
    let (mut host, mut guest, proof) = proved("7-amber-violin", "7 Amber Violin");
    let sealed = host.read(&proof, &link()).unwrap();
    assert_eq!(guest.read(&sealed), Ok(GuestStep::Done(link())));
    assert_eq!(guest.read(&sealed), Err(CodeError::Used));
    assert_eq!(host.read(&proof, &link()), Err(CodeError::Used));
}

#[test]
fn other_words_or_another_nameplate_burn_the_code() {
    for guess in ["7-violin-amber", "7-amber-amber", "7-amber-zoo", "8-amber-violin"] {
        let (mut host, _, proof) = proved("7-amber-violin", guess);
        assert_eq!(host.read(&proof, &link()), Err(CodeError::WrongGuess), "{guess}");
        let (_, _, true_proof) = proved("7-amber-violin", "7-amber-violin");
        assert_eq!(host.read(&true_proof, &link()), Err(CodeError::Used), "one guess");
    }
}

#[test]
fn a_guesser_that_tries_every_answer_gets_one() {
    let (mut host, hello) = CodeHost::start(&spoken("7-amber-violin"), [1; 64]);
    let mut wrong = 0;
    let mut used = 0;
    for word in crate::words().iter().take(64) {
        let mut guest = CodeGuest::start(&spoken(&format!("7-{word}-violin")), [2; 64]);
        match host.read(&reply(guest.read(&hello)), &link()) {
            Err(CodeError::WrongGuess) => wrong += 1,
            Err(CodeError::Used) => used += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((wrong, used), (1, 63));
}

#[test]
fn a_server_gets_one_answer_of_the_guest() {
    let mut guest = CodeGuest::start(&spoken("7-amber-violin"), [2; 64]);
    let (_, guess) = CodeHost::start(&spoken("7-amber-zoo"), [1; 64]);
    let (mut liar, _) = CodeHost::start(&spoken("7-amber-zoo"), [1; 64]);
    let proof = reply(guest.read(&guess));
    assert_eq!(liar.read(&proof, &link()), Err(CodeError::WrongGuess));
    let (_, second) = CodeHost::start(&spoken("7-amber-violin"), [3; 64]);
    assert_eq!(guest.read(&second), Err(CodeError::Used));
}

#[test]
fn reflected_messages_are_not_the_ones_that_are_due() {
    let (mut host, hello) = CodeHost::start(&spoken("7-amber-violin"), [1; 64]);
    assert_eq!(host.read(&hello, &link()), Err(CodeError::Malformed));
    let mut guest = CodeGuest::start(&spoken("7-amber-violin"), [2; 64]);
    let proof = reply(guest.read(&hello));
    assert_eq!(guest.read(&proof), Err(CodeError::Malformed));
    // The host's own point under the guest's kind.
    let point = envelope::unpad(&envelope::unwrap(Kind::CodeHello, 0, &hello).unwrap()).unwrap().to_vec();
    let relabelled = envelope::wrap(Kind::CodeProof, &padded(&[&point[..], &[0; 32]].concat()));
    assert_eq!(host.read(&relabelled, &link()), Err(CodeError::Malformed));
    let mut turned = point;
    turned[0] = b'B';
    let turned = envelope::wrap(Kind::CodeProof, &padded(&[&turned[..], &[0; 32]].concat()));
    assert_eq!(host.read(&turned, &link()), Err(CodeError::WrongGuess));
}

#[test]
fn a_damaged_link_is_not_taken_and_the_true_one_still_is() {
    let (mut host, mut guest, proof) = proved("7-amber-violin", "7-amber-violin");
    let sealed = host.read(&proof, &link()).unwrap();
    for bad in damaged(&sealed) {
        assert!(matches!(guest.read(&bad), Err(CodeError::Malformed | CodeError::WrongGuess)), "{bad}");
    }
    assert_eq!(guest.read(&sealed), Ok(GuestStep::Done(link())));
}

#[test]
fn bodies_have_one_size_and_debug_shows_nothing() {
    let (mut host, guest, proof) = proved("7-amber-violin", "7-amber-violin");
    let (_, _, other) = proved("4000000000-zebra-zoo", "4000000000-zebra-zoo");
    assert_eq!(proof.len(), other.len());
    assert_eq!(format!("{host:?} {guest:?}"), "CodeHost(..) CodeGuest(..)");
    assert!(!host.read(&proof, &link()).unwrap().contains("example"));
}
