#![no_main]
use std::cell::RefCell;

use eyeline_protocol::MemberId;
use eyeline_seal::{Client, Identity, Initiator, LocalCard, PairIds, Responder, RoomKeys, Secret, Session, kind};
use libfuzzer_sys::fuzz_target;

#[path = "../body.rs"]
mod body;

struct Ends {
    initiator: Initiator,
    responder: Responder,
    sessions: (Session, Session),
    seq: u64,
}

fn start() -> (Initiator, Responder, String) {
    let keys = RoomKeys::derive(&Secret([1; 16]));
    let id = |text| MemberId::new(text).expect("an id");
    let ids = PairIds { initiator: id("b"), responder: id("a") };
    let card = LocalCard::new("Ann", Client::Desktop, ["sas"]);
    let (initiator, first) = Initiator::start(&keys, &ids, &Identity::generate([2; 64], 0), &card, [3; 64]);
    let (responder, second) =
        Responder::accept(&keys, &ids, &Identity::generate([4; 64], 0), &card, [5; 64], &first).expect("ours");
    (initiator, responder, second)
}

fn ends() -> Ends {
    let (mut initiator, mut responder, second) = start();
    let (third, a) = initiator.read(&second).expect("ours");
    let b = responder.finish(&third).expect("ours");
    let (initiator, responder, _) = start();
    Ends { initiator, responder, sessions: (a, b), seq: 0 }
}

thread_local!(static ENDS: RefCell<Ends> = RefCell::new(ends()));

fuzz_target!(|bytes: &[u8]| {
    ENDS.with_borrow_mut(|ends| {
        let text = String::from_utf8_lossy(bytes);
        let _ = kind(&text);
        let (a, b) = &mut ends.sessions;
        for body in
            [text.into_owned(), body::shaped(bytes, 2, 96), body::shaped(bytes, 3, 64), body::shaped(bytes, 4, 16)]
        {
            assert!(ends.initiator.read(&body).is_err());
            assert!(ends.responder.finish(&body).is_err());
            assert!(b.open(ends.seq + 1, &body).is_err());
        }
        // And what is sealed comes back, whatever it is.
        ends.seq += 1;
        let body = a.seal(ends.seq, bytes).expect("under 48 KiB: cargo-fuzz gives 4 KiB");
        assert_eq!(b.open(ends.seq, &body).as_deref(), Ok(bytes));
    });
});
