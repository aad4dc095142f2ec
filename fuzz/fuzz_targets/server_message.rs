#![no_main]
use eyeline_protocol::wire;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(message) = wire::decode_client(text) {
        assert_eq!(wire::decode_client(&wire::encode(&message)).as_ref(), Ok(&message));
    }
    if let Ok(message) = wire::decode_server(text) {
        assert_eq!(wire::decode_server(&wire::encode(&message)).as_ref(), Ok(&message));
    }
});
