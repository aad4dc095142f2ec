#![no_main]
use eyeline_seal::sdp::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(described) = check(text) {
        assert!(text.len() <= eyeline_protocol::inner::SDP_BYTES_MAX);
        assert!((1..=4).contains(&described.media_count));
        assert!(!text.contains("a=crypto"));
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\r' || byte == b'\n'));
    }
});
