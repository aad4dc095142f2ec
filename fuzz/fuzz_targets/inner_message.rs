#![no_main]
use eyeline_protocol::inner::Inner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inner) = Inner::decode(bytes) {
        assert_eq!(Inner::decode(&inner.encode()), Ok(inner));
    }
});
