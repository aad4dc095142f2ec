#![no_main]
use std::sync::OnceLock;

use eyeline_seal::{Client, Identity, IncomingRing, Link, LocalCard, RingCaller, RingOffer, RingTo};
use libfuzzer_sys::fuzz_target;

#[path = "../body.rs"]
mod body;

fn ends() -> &'static (RingCaller, Identity) {
    static ENDS: OnceLock<(RingCaller, Identity)> = OnceLock::new();
    ENDS.get_or_init(|| {
        let (ann, bob) = (Identity::generate([1; 64], 0), Identity::generate([2; 64], 0));
        let card = LocalCard::new("Ann", Client::Desktop, ["sas"]);
        let to = RingTo { device: bob.device.id(), noise_key: bob.noise.public(), inbox_id: [3; 16] };
        let link = Link::new("example.org", [4; 16]).expect("a link");
        let offer = RingOffer { call_id: [5; 16], link, sent_unix_s: 0 };
        (RingCaller::start(&ann, &card, &to, &offer, [6; 32]).0, bob)
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (caller, bob) = ends();
    let text = String::from_utf8_lossy(bytes);
    for body in [text.as_ref(), &body::shaped(bytes, 8, 96), &body::shaped(bytes, 9, 48)] {
        assert!(caller.read(body).is_err());
        // The very ring of this caller is a seed, and opens.
        if let Ok(ring) = IncomingRing::open(bob, &[3; 16], body) {
            assert_eq!(ring.offer().call_id, [5; 16]);
        }
    }
});
