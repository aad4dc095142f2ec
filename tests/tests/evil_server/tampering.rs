//! Bodies that are not what their sender sealed.

use eyeline_call::{EndReason, Input, Refusal, SocketInput, State};
use eyeline_protocol::{ServerMessage, wire};
use eyeline_seal::{Client, Initiator, Kind, LocalCard, OpenError, PairError, PairIds};

use crate::bench::{
    SECOND, assert_no_media, assert_refused, assert_right, attack, body_kind, bytes, meet, on_body, report,
};
use crate::rig::{self, Delivery, Evil, Who, World};

const FORGED: Refusal = Refusal::Handshake(PairError::NotAuthentic);
const UNSEALED: Refusal = Refusal::Sealed(OpenError::NotAuthentic);
const TAMPERED: State = State::Ended(EndReason::Tampered);
const NO_PATH: State = State::Ended(EndReason::NoPath);

/// Flips one bit, counted from the front or (negative) from the back, in the `nth` body of a kind to a caller.
fn flip(to: usize, kind: Kind, nth: usize, at: isize) -> Evil {
    let mut seen = 0;
    on_body(move |receiver, found, body| {
        if (receiver, found) != (to, kind) {
            return body;
        }
        seen += 1;
        if seen - 1 != nth {
            return body;
        }
        bytes(&body, |bytes| {
            let length = isize::try_from(bytes.len()).expect("small");
            let at = usize::try_from(at.rem_euclid(length)).expect("not negative");
            bytes[at] ^= 0x10;
        })
    })
}

/// Positions of a body: ephemeral key, static key or payload, padding, tag.
const PLACES: [isize; 5] = [1, 32, 60, -40, -1];

#[test]
fn evil_server_alters_message_1() {
    for at in PLACES {
        let world = attack("alters message 1", flip(0, Kind::PairFirst, 0, at));
        assert_no_media(&world);
        assert_refused(&world, 0, &FORGED);
        assert_eq!((world.state(0), world.state(1)), (State::Waiting, NO_PATH));
    }
}

#[test]
fn evil_server_alters_message_2_with_the_card_in_it() {
    for at in PLACES {
        let world = attack("alters message 2", flip(1, Kind::PairSecond, 0, at));
        assert_no_media(&world);
        assert_refused(&world, 1, &FORGED);
        assert_eq!(world.state(1), TAMPERED);
    }
}

#[test]
fn evil_server_alters_message_3_with_the_card_in_it() {
    for at in PLACES {
        let world = attack("alters message 3", flip(0, Kind::PairThird, 0, at));
        assert_no_media(&world);
        assert_refused(&world, 0, &FORGED);
        assert_refused(&world, 0, &Refusal::NoSession);
        assert_eq!(world.state(1), NO_PATH);
    }
}

#[test]
fn evil_server_alters_the_fingerprint_in_the_offer() {
    for at in [1, 150, 500, -1] {
        let world = attack("alters the offer", flip(0, Kind::Sealed, 0, at));
        assert_no_media(&world);
        assert_refused(&world, 0, &UNSEALED);
        assert_eq!(world.state(1), NO_PATH);
    }
}

#[test]
fn evil_server_alters_the_fingerprint_in_the_answer() {
    for at in [1, 150, 500, -1] {
        let world = attack("alters the answer", flip(1, Kind::Sealed, 0, at));
        assert_no_media(&world);
        assert_refused(&world, 1, &UNSEALED);
        assert_eq!(world.state(1), TAMPERED);
    }
}

#[test]
fn evil_server_alters_a_candidate() {
    for (to, nth) in [(0, 1), (1, 1)] {
        let world = attack("alters a candidate", flip(to, Kind::Sealed, nth, 40));
        assert_no_media(&world);
        assert_refused(&world, to, &UNSEALED);
        assert_eq!(world.state(to), TAMPERED);
    }
}

#[test]
fn evil_server_alters_any_single_byte() {
    // Every byte of a whole exchange, a few at a time: none of them gets anybody into a call with an altered message.
    for kind in [Kind::PairFirst, Kind::PairSecond, Kind::PairThird, Kind::Sealed] {
        let to = usize::from(kind == Kind::PairSecond);
        for at in (1..250).step_by(13) {
            let mut world = meet(Some(flip(to, kind, 0, at)));
            world.run(SECOND);
            assert_no_media(&world);
            assert!(!world.callers[to].refusals.is_empty(), "{kind:?} with byte {at} changed");
        }
    }
}

#[test]
fn evil_server_truncates_bodies() {
    for (kind, to) in
        [(Kind::PairFirst, 0), (Kind::PairSecond, 1), (Kind::PairThird, 0), (Kind::Sealed, 0), (Kind::Sealed, 1)]
    {
        for length in [1, 2, 17, 32, 33, 49, 97, 255, 256, 257, 272, 273, 274, 304, 353, 1023, 1040, 4111] {
            let cut = on_body(move |receiver, found, body| {
                if (receiver, found) == (to, kind) { bytes(&body, |bytes| bytes.truncate(length)) } else { body }
            });
            let world = attack("truncates a body", cut);
            let named = |refusal: &Refusal| {
                matches!(
                    refusal,
                    Refusal::Handshake(PairError::Malformed | PairError::NotAuthentic)
                        | Refusal::Sealed(OpenError::Malformed | OpenError::NotAuthentic)
                        | Refusal::NoSession
                        | Refusal::NotABody
                )
            };
            // A cut behind the end of the body changes nothing.
            if world.callers[to].refusals.is_empty() {
                assert_right(&world);
            } else {
                assert_no_media(&world);
                assert!(world.callers[to].refusals.iter().all(named), "{:?}", world.callers[to].refusals);
            }
        }
    }
}

#[test]
fn evil_server_empties_bodies_or_fills_them_with_junk() {
    for junk in ["", "A", "====", "ÿ", "AAAA", &"A".repeat(342), &"_".repeat(64_000)] {
        let junk = junk.to_owned();
        let world = attack("junk for bodies", on_body(move |_, _, _| junk.clone()));
        assert_no_media(&world);
        // An empty body is not even a message.
        assert!(world.callers[0].refusals.iter().all(|refusal| *refusal == Refusal::NotABody));
        assert_eq!(world.state(1), NO_PATH);
    }
}

#[test]
fn evil_server_makes_a_body_longer_than_a_frame() {
    let world = attack(
        "oversize",
        on_body(|_, kind, body| if kind == Kind::Sealed { format!("{body}{}", "A".repeat(70_000)) } else { body }),
    );
    assert_no_media(&world);
    // Frames of that size are no messages, so nothing came of it.
    assert_eq!(world.state(1), NO_PATH);
}

#[test]
fn evil_server_appends_to_bodies() {
    let world = attack("appends", on_body(|_, _, body| format!("{body}AAAA")));
    assert_no_media(&world);
    assert_refused(&world, 0, &Refusal::Handshake(PairError::Malformed));
}

#[test]
fn evil_server_swaps_the_kind_of_a_body() {
    for (real, to) in [(Kind::PairFirst, 0), (Kind::PairSecond, 1), (Kind::PairThird, 0), (Kind::Sealed, 0)] {
        for byte in (0..=12).chain([0x7f, 0xff]) {
            let world = attack("swaps the kind", move |mut delivery: Delivery| {
                let hit = delivery.to == to && body_kind(&delivery.message) == Some(real);
                if let ServerMessage::From { body, .. } = &mut delivery.message
                    && hit
                {
                    *body = bytes(body, |bytes| bytes[0] = byte);
                }
                vec![delivery]
            });
            if world.callers[to].refusals.is_empty() {
                // The byte that was there.
                assert_right(&world);
            } else {
                assert_no_media(&world);
            }
        }
    }
}

#[test]
fn evil_server_makes_a_handshake_without_the_link() {
    // As somebody who found the room id, with no key or another one, and without any (the same pattern, no psk).
    for attempt in 0..3 {
        let mut world = World::new(1);
        world.add(Who::device(1));
        world.run(SECOND);
        let mut keys = rig::keys(5);
        keys.psk = if attempt == 0 { [0; 32] } else { rig::keys(6).psk };
        let ids = PairIds { initiator: "ghost".to_owned().try_into().unwrap(), responder: world.member_id(0) };
        let card = LocalCard::new("Ghost", Client::Desktop, ["sas"]);
        let (_, first) = Initiator::start(&keys, &ids, &rig::identity(9), &card, [7; 64]);
        let plain = bytes(&first, |bytes| bytes[33..].fill(0));
        let body = if attempt == 2 { plain } else { first };
        world.forge(0, &ServerMessage::PeerJoined { id: ids.initiator.clone() });
        world.forge(0, &ServerMessage::From { from: ids.initiator, seq: 1, body });
        report("handshake without the link", &world);
        assert_refused(&world, 0, &FORGED);
        assert_eq!(world.state(0), State::Waiting);
    }
}

#[test]
fn evil_server_offers_an_older_version_or_another_suite() {
    let world = attack("downgrade in welcome", |mut delivery| {
        if let ServerMessage::Welcome { features, .. } = &mut delivery.message {
            *features = ["noise_xx", "no_psk", "plain", "v0"].map(str::to_owned).to_vec();
        }
        vec![delivery]
    });
    assert_right(&world);

    // What the server says of versions and suites is not read at all.
    let mut world = meet(None);
    let extra = r#"{"type":"welcome","v":0,"suite":"none","conn":"c","resume_token":"t","heartbeat_s":20}"#;
    assert!(wire::decode_server(extra).is_ok());
    world.input(0, Input::Socket(SocketInput::Frame(extra.to_owned())));
    world.run(5 * SECOND);
    assert_right(&world);
}

#[test]
fn evil_server_says_that_the_version_is_bad() {
    let code = eyeline_protocol::ErrorCode::BadVersion;
    let mut world = World::new(1);
    world.evil = Some(Box::new(move |mut delivery| {
        delivery.message =
            ServerMessage::Error { code: code.clone(), message: "use version 0".to_owned(), retry_after_ms: None };
        vec![delivery]
    }));
    world.add(Who::device(1));
    world.run(5 * SECOND);
    report("bad_version", &world);
    assert_eq!(world.state(0), State::Ended(EndReason::ServerRefused));
}
