use proptest::prelude::*;

use super::*;
use crate::testing::{card, damaged, half, identity, ids, keys, sessions};
use crate::{BindRole, SealError};

#[test]
fn both_ends_learn_who_the_other_is() {
    let (initiator, responder) = sessions();
    assert_eq!(initiator.handshake_hash(), responder.handshake_hash());
    assert_eq!((initiator.peer().name.as_str(), responder.peer().name.as_str()), ("René", "Ines"));
    assert_eq!(initiator.peer().device, identity(2).device.id());
    assert_eq!(responder.peer().device, identity(1).device.id());
    assert_eq!(responder.peer().noise_key, identity(1).noise.public());
    assert!(responder.peer().can("sas") && !responder.peer().can("sa"));
}

#[test]
fn messages_open_once_in_order_and_only_at_the_other_end() {
    let (mut a, mut b) = sessions();
    let (one, two, nine) = (a.seal(1, b"one").unwrap(), a.seal(2, b"two").unwrap(), a.seal(9, b"nine").unwrap());
    assert_eq!(b.open(2, &one), Err(OpenError::NotAuthentic), "under another number");
    assert_eq!(a.open(1, &one), Err(OpenError::NotAuthentic), "reflected");
    assert_eq!(b.open(1, &one).unwrap(), b"one");
    assert_eq!(b.open(1, &one), Err(OpenError::Replayed));
    assert_eq!(b.open(9, &nine).unwrap(), b"nine");
    assert_eq!(b.open(2, &two), Err(OpenError::Replayed), "out of order");
    assert_eq!(b.open(u64::MAX, &nine), Err(OpenError::Malformed));
    let back = b.seal(1, b"back").unwrap();
    assert_ne!(back, one);
    assert_eq!(a.open(1, &back).unwrap(), b"back");
}

#[test]
fn a_number_is_never_used_for_two_messages() {
    let (mut a, _) = sessions();
    assert_eq!(a.seal(0, b""), Err(SealError::SeqUsed));
    a.seal(5, b"x").unwrap();
    for seq in [0, 1, 5, u64::MAX, eyeline_protocol::limits::SEQ_MAX + 1] {
        assert_eq!(a.seal(seq, b"y"), Err(SealError::SeqUsed), "{seq}");
    }
    let over = vec![0; crate::PLAINTEXT_BYTES_MAX + 1];
    assert_eq!(a.seal(6, &over), Err(SealError::TooLarge { bytes: over.len() }));
    assert!(a.seal(6, &over[1..]).is_ok(), "what failed used nothing up");
}

#[test]
fn damaged_messages_are_refused_and_harm_nothing() {
    let (mut initiator, mut responder, second) = half();
    for bad in damaged(&second) {
        assert!(matches!(initiator.read(&bad), Err(PairError::Malformed | PairError::NotAuthentic)), "{bad}");
    }
    let (third, mut a) = initiator.read(&second).unwrap();
    for bad in damaged(&third) {
        assert!(matches!(responder.finish(&bad), Err(PairError::Malformed | PairError::NotAuthentic)), "{bad}");
    }
    let mut b = responder.finish(&third).unwrap();
    let body = a.seal(1, b"offer").unwrap();
    for bad in damaged(&body) {
        assert!(matches!(b.open(1, &bad), Err(OpenError::Malformed | OpenError::NotAuthentic)), "{bad}");
    }
    assert_eq!(b.open(1, &body).unwrap(), b"offer");
    assert_eq!(initiator.read(&second).err(), Some(PairError::Finished));
    assert_eq!(responder.finish(&third).err(), Some(PairError::Finished));
}

#[test]
fn damaged_first_messages_are_refused() {
    let (_, first) = Initiator::start(&keys(1), &ids("new", "old"), &identity(1), &card("Ines"), [3; 64]);
    let accept = |first: &str| {
        Responder::accept(&keys(1), &ids("new", "old"), &identity(2), &card("René"), [4; 64], first).map(|_| ())
    };
    for bad in damaged(&first) {
        assert!(matches!(accept(&bad), Err(PairError::Malformed | PairError::NotAuthentic)), "{bad}");
    }
    assert_eq!(accept(&first), Ok(()));
}

#[test]
fn without_the_link_or_between_other_members_nothing_opens() {
    let (_, first) = Initiator::start(&keys(1), &ids("new", "old"), &identity(1), &card("Ines"), [3; 64]);
    for (secret, initiator, responder) in [(2, "new", "old"), (1, "old", "new"), (1, "new", "ghost"), (1, "newo", "ld")]
    {
        let refused =
            Responder::accept(&keys(secret), &ids(initiator, responder), &identity(2), &card("René"), [4; 64], &first);
        assert_eq!(refused.err(), Some(PairError::NotAuthentic), "{secret} {initiator} {responder}");
    }
}

#[test]
fn messages_of_another_handshake_do_not_fit() {
    let (mut initiator, mut responder, second) = half();
    let (keys, ids) = (keys(1), ids("new", "old"));
    let (mut other, first) = Initiator::start(&keys, &ids, &identity(1), &card("Ines"), [7; 64]);
    let (_, other_second) = Responder::accept(&keys, &ids, &identity(2), &card("René"), [8; 64], &first).unwrap();
    assert_eq!(initiator.read(&other_second).err(), Some(PairError::NotAuthentic));
    let (other_third, _) = other.read(&other_second).unwrap();
    assert_eq!(responder.finish(&other_third).err(), Some(PairError::NotAuthentic));
    let (third, _) = initiator.read(&second).unwrap();
    assert!(responder.finish(&third).is_ok());
}

#[test]
fn another_devices_signature_is_refused_and_the_true_card_still_comes_through() {
    let (mut initiator, _, true_second) = half();
    let (keys, ids) = (keys(1), ids("new", "old"));
    // Someone with the link, under its own Noise key, shows the device key of another.
    let mut thief = identity(3);
    thief.device = identity(2).device;
    let (_, first) = Initiator::start(&keys, &ids, &identity(1), &card("Ines"), [3; 64]);
    let (_, second) = Responder::accept(&keys, &ids, &thief, &card("René"), [5; 64], &first).unwrap();
    assert_eq!(initiator.read(&second).err(), Some(PairError::BadCard(CardError::NotSigned)));
    assert!(initiator.read(&true_second).is_ok());
}

#[test]
fn every_handshake_body_has_one_size() {
    let names = ["", "A", &"\u{1f600}".repeat(70), &"\"\\".repeat(40)];
    let capabilities = ["abcdefghijklmnopqrstuvwx"; 20];
    let mut sizes = std::collections::BTreeSet::new();
    for name in names {
        let card = LocalCard::new(name, crate::Client::Desktop, capabilities);
        let (keys, ids) = (keys(1), ids("new", "old"));
        let (mut initiator, first) = Initiator::start(&keys, &ids, &identity(1), &card, [3; 64]);
        let (_, second) = Responder::accept(&keys, &ids, &identity(2), &card, [4; 64], &first).unwrap();
        let (third, session) = initiator.read(&second).unwrap();
        assert_eq!(session.peer().capabilities.len(), crate::CAPABILITIES_MAX);
        sizes.insert([first.len(), second.len(), third.len()]);
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn the_bind_proof_is_bound_to_role_certificates_and_session() {
    let (a, b) = sessions();
    let (offerer, answerer) = ([1; 32], [2; 32]);
    let mac = a.bind_mac(BindRole::Offerer, &offerer, &answerer);
    assert!(b.check_bind(BindRole::Offerer, &offerer, &answerer, &mac));
    assert!(!b.check_bind(BindRole::Answerer, &offerer, &answerer, &mac), "reflected");
    assert!(!b.check_bind(BindRole::Offerer, &answerer, &offerer, &mac), "swapped");
    assert!(!b.check_bind(BindRole::Offerer, &[3; 32], &answerer, &mac), "another certificate");
    for bad in [&mac[..31], &[], &[&mac[..], &[0]].concat()] {
        assert!(!b.check_bind(BindRole::Offerer, &offerer, &answerer, bad));
    }
    let (keys, ids) = (keys(1), ids("new", "old"));
    let (mut other, first) = Initiator::start(&keys, &ids, &identity(1), &card("Ines"), [7; 64]);
    let (_, second) = Responder::accept(&keys, &ids, &identity(2), &card("René"), [8; 64], &first).unwrap();
    let (_, other) = other.read(&second).unwrap();
    assert!(!other.check_bind(BindRole::Offerer, &offerer, &answerer, &mac), "another session");
    assert_eq!(BindRole::Offerer.other(), BindRole::Answerer);
}

#[test]
fn debug_shows_nothing() {
    let (initiator, responder, _) = half();
    let (session, _) = sessions();
    let shown = format!("{initiator:?} {responder:?} {session:?} {:?}", session.peer());
    assert_eq!(shown, "Initiator(..) Responder(..) Session(..) PeerCard(Desktop, ..)");
}

proptest! {
    // Each case makes a handshake or two.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn foreign_text_never_opens_and_never_panics(text in "[A-Za-z0-9_-]{0,600}", at in 0usize..3) {
        let (mut initiator, mut responder, _) = half();
        let (mut session, _) = sessions();
        let full: String = text.chars().cycle().take(envelope::chars([1 + 48, 1 + 96, 1 + 64][at] + 256)).collect();
        for body in [&text, &full] {
            prop_assert!(initiator.read(body).is_err());
            prop_assert!(responder.finish(body).is_err());
            prop_assert!(session.open(1, body).is_err());
        }
    }

    #[test]
    fn what_is_sealed_comes_back(plaintext in proptest::collection::vec(any::<u8>(), 0..5000), seq in 1..=(1u64 << 53) - 1) {
        let (mut a, mut b) = sessions();
        let body = a.seal(seq, &plaintext).unwrap();
        prop_assert_eq!(b.open(seq, &body).unwrap(), plaintext);
    }
}
