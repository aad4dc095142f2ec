#![no_main]
use eyeline_seal::sdp::check_candidate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if check_candidate(text).is_ok() {
        assert!(text.len() <= eyeline_protocol::inner::CANDIDATE_BYTES_MAX);
    }
});
