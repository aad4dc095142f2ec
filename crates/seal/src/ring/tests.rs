use super::*;
use crate::NOISE_KEY_LIFE_S;
use crate::testing::{NOW, card, damaged, identity};

const INBOX: [u8; 16] = [5; 16];

fn offer() -> RingOffer {
    RingOffer { call_id: [6; 16], link: Link::new("https://example.org:8443", [7; 16]).unwrap(), sent_unix_s: NOW }
}

/// Ann (1) rings Bob (2).
fn ring() -> (RingCaller, String) {
    let bob = identity(2);
    let to = RingTo { device: bob.device.id(), noise_key: bob.noise.public(), inbox_id: INBOX };
    RingCaller::start(&identity(1), &card("Ann"), &to, &offer(), [8; 32])
}

#[test]
fn a_ring_is_opened_and_answered() {
    let (caller, body) = ring();
    let ring = IncomingRing::open(&identity(2), &INBOX, &body).unwrap();
    assert_eq!(ring.offer(), &offer());
    assert_eq!((ring.caller().device, ring.caller().name.as_str()), (identity(1).device.id(), "Ann"));
    for answer in [RingAnswer::Accepted, RingAnswer::Declined, RingAnswer::Busy] {
        let reply = ring.answer(&identity(2), &card("Bob"), answer, [9; 32]);
        let (read, peer) = caller.read(&reply).unwrap();
        assert_eq!((read, peer.device, peer.name.as_str()), (answer, identity(2).device.id(), "Bob"));
    }
}

#[test]
fn the_key_before_still_opens_and_the_one_before_that_does_not() {
    let (caller, body) = ring();
    let mut bob = identity(2);
    bob.rotate_if_due([3; 32], NOW + NOISE_KEY_LIFE_S);
    let reply = IncomingRing::open(&bob, &INBOX, &body).unwrap().answer(&bob, &card("Bob"), RingAnswer::Busy, [9; 32]);
    assert_eq!(caller.read(&reply).unwrap().0, RingAnswer::Busy);
    bob.rotate_if_due([4; 32], NOW + 2 * NOISE_KEY_LIFE_S);
    assert_eq!(IncomingRing::open(&bob, &INBOX, &body).err(), Some(RingError::NotAuthentic));
}

#[test]
fn rings_for_others_and_damaged_ones_do_not_open() {
    let (caller, body) = ring();
    let open = |identity: &Identity, inbox, body: &str| IncomingRing::open(identity, &inbox, body).err();
    assert_eq!(open(&identity(3), INBOX, &body), Some(RingError::NotAuthentic));
    assert_eq!(open(&identity(2), [0; 16], &body), Some(RingError::NotAuthentic));
    for bad in damaged(&body) {
        let refused = open(&identity(2), INBOX, &bad);
        assert!(matches!(refused, Some(RingError::Malformed | RingError::NotAuthentic)), "{refused:?}");
    }
    let ring = IncomingRing::open(&identity(2), &INBOX, &body).unwrap();
    let reply = ring.answer(&identity(2), &card("Bob"), RingAnswer::Accepted, [9; 32]);
    for bad in damaged(&reply) {
        assert!(matches!(caller.read(&bad), Err(RingError::Malformed | RingError::NotAuthentic)));
    }
    assert!(caller.read(&reply).is_ok());
}

#[test]
fn another_device_cannot_answer_nor_ring_in_anothers_name() {
    // Bob's Noise key in the hands of another device, which signs it: the key fits, the device does not.
    let bob = identity(2);
    let mut eve = identity(3);
    eve.noise = NoiseKey::generate(&eve.device, *bob.noise.private(), NOW);
    let (caller, body) = ring();
    let reply =
        IncomingRing::open(&eve, &INBOX, &body).unwrap().answer(&eve, &card("Bob"), RingAnswer::Accepted, [9; 32]);
    assert_eq!(caller.read(&reply).err(), Some(RingError::WrongDevice));
    // Eve's own Noise key under Ann's device key.
    let mut eve = identity(3);
    eve.device = identity(1).device;
    let to = RingTo { device: bob.device.id(), noise_key: bob.noise.public(), inbox_id: INBOX };
    let (_, body) = RingCaller::start(&eve, &card("Ann"), &to, &offer(), [8; 32]);
    assert_eq!(IncomingRing::open(&bob, &INBOX, &body).err(), Some(RingError::BadCard(CardError::NotSigned)));
}

#[test]
fn a_ring_rings_once_while_it_is_fresh() {
    let (_, body) = ring();
    let ring = IncomingRing::open(&identity(2), &INBOX, &body).unwrap();
    let mut cache = ReplayCache::default();
    assert_eq!(cache.check(&ring, NOW + RING_AGE_MAX_S), Err(RingError::Stale));
    assert_eq!(cache.check(&ring, NOW - RING_AGE_MAX_S), Err(RingError::Stale));
    assert_eq!(cache.check(&ring, NOW - 100), Ok(()), "a clock may be wrong by a little");
    for now in [NOW - 119, NOW, NOW + 1, NOW + RING_AGE_MAX_S - 1] {
        assert_eq!(cache.check(&ring, now), Err(RingError::Replayed), "{now}");
    }
    assert_eq!(cache.check(&ring, NOW + RING_AGE_MAX_S), Err(RingError::Stale));
    assert_eq!(format!("{cache:?} {ring:?}"), "ReplayCache(0) IncomingRing(PeerCard(Desktop, ..), ..)");
}

#[test]
fn the_cache_is_bounded_per_caller_and_in_all() {
    let mut cache = ReplayCache::default();
    let device = |seed: u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&seed.to_be_bytes());
        crate::DeviceKey::from_bytes(bytes).id()
    };
    let call = |at: usize| [u8::try_from(at).unwrap(); 16];
    let callers = u16::try_from(RINGS_MAX / RINGS_PER_CALLER_MAX).unwrap();
    for caller in 0..callers {
        for at in 0..RINGS_PER_CALLER_MAX {
            assert_eq!(cache.admit(device(caller), call(at), NOW, NOW), Ok(()));
        }
        let one_more = cache.admit(device(caller), call(RINGS_PER_CALLER_MAX), NOW, NOW);
        assert_eq!(one_more, Err(RingError::TooMany));
    }
    assert_eq!(cache.admit(device(callers), call(0), NOW, NOW), Err(RingError::TooMany));
    let later = NOW + RING_AGE_MAX_S;
    assert_eq!(cache.admit(device(callers), call(0), later, later), Ok(()), "old ones are forgotten");
    assert_eq!(cache.seen.len(), 1);
}

#[test]
fn a_broken_offer_inside_an_authentic_ring_is_refused() {
    let (ann, bob) = (identity(1), identity(2));
    let content = |server: &str, call_id: &str| OfferContent {
        call_id: call_id.to_owned(),
        secret: "AAECAwQFBgcICQoLDA0ODw".to_owned(),
        server: server.to_owned(),
        sent_unix_s: NOW,
        card: card("Ann").signed(&ann, &ann.noise, None),
    };
    let open = |content: &OfferContent| {
        let mut setup = setup(&ann.noise, &INBOX, [8; 32]);
        setup.remote_public = Some(bob.noise.public().0);
        let body = envelope::wrap(Kind::Ring, &noise::write(&mut setup.initiator(), &payload(content)));
        IncomingRing::open(&bob, &INBOX, &body).err()
    };
    assert_eq!(open(&content("https://example.org", "AAECAwQFBgcICQoLDA0ODw")), None);
    assert_eq!(open(&content("file:///etc", "AAECAwQFBgcICQoLDA0ODw")), Some(RingError::Malformed));
    assert_eq!(open(&content("https://example.org", "AAEC")), Some(RingError::Malformed));
}
