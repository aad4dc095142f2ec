#![no_main]
use eyeline_seal::{Link, Server};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(link) = Link::parse(text) {
        assert_eq!(Link::parse(&link.to_string()), Ok(link.clone()));
        assert_eq!(Link::parse(&link.app_url()), Ok(link));
    }
    if let Ok(server) = Server::parse(text) {
        assert_eq!(Server::parse(&server.to_string()), Ok(server));
    }
});
