#![no_main]
use eyeline_seal::{CodeGuest, CodeHost, GuestStep, Link, SpokenCode, complete};
use libfuzzer_sys::fuzz_target;

#[path = "../body.rs"]
mod body;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(code) = SpokenCode::parse(&text) {
        assert_eq!(SpokenCode::parse(&code.to_string()), Ok(code));
    }
    complete(&text).count();

    let code = SpokenCode::parse("7-amber-violin").expect("a code");
    let link = Link::new("example.org", [7; 16]).expect("a link");
    let (mut host, hello) = CodeHost::start(&code, [1; 64]);
    let mut guest = CodeGuest::start(&code, [2; 64]);
    for body in [text.into_owned(), body::shaped(bytes, 6, 0)] {
        assert!(host.read(&body, &link).is_err(), "nobody forges a proof");
    }
    let _ = guest.read(&body::shaped(bytes, 5, 0));
    let mut guest = CodeGuest::start(&code, [2; 64]);
    assert!(matches!(guest.read(&hello), Ok(GuestStep::Reply(_))));
    assert!(guest.read(&body::shaped(bytes, 7, 48)).is_err(), "nobody forges a link");
});
