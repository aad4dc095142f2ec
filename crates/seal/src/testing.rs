//! What the tests of several modules start from.

use eyeline_protocol::MemberId;

use crate::{Client, Identity, Initiator, LocalCard, PairIds, Responder, RoomKeys, Secret, Session};

pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn keys(secret: u8) -> RoomKeys {
    RoomKeys::derive(&Secret([secret; 16]))
}

pub(crate) fn ids(initiator: &str, responder: &str) -> PairIds {
    let id = |text| MemberId::new(text).unwrap();
    PairIds { initiator: id(initiator), responder: id(responder) }
}

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::generate(std::array::from_fn(|at| seed ^ u8::try_from(at).unwrap()), NOW)
}

pub(crate) fn card(name: &str) -> LocalCard {
    LocalCard::new(name, Client::Desktop, ["sas", "contacts"])
}

/// A handshake up to the second message.
pub(crate) fn half() -> (Initiator, Responder, String) {
    let (keys, ids) = (keys(1), ids("new", "old"));
    let (initiator, first) = Initiator::start(&keys, &ids, &identity(1), &card("Ines"), [3; 64]);
    let (responder, second) = Responder::accept(&keys, &ids, &identity(2), &card("René"), [4; 64], &first).unwrap();
    (initiator, responder, second)
}

/// Both ends of a session: the initiator's, the responder's.
pub(crate) fn sessions() -> (Session, Session) {
    let (mut initiator, mut responder, second) = half();
    let (third, initiator) = initiator.read(&second).unwrap();
    (initiator, responder.finish(&third).unwrap())
}

/// Every body that differs from this one in one character, and every beginning of it (few of them: bodies are long).
pub(crate) fn damaged(body: &str) -> impl Iterator<Item = String> {
    let changed = (0..body.len()).step_by(7).map(|at| {
        let mut bytes = body.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    });
    let cut = (0..body.len()).step_by(13).map(|at| body[..at].to_owned());
    changed.chain(cut)
}
