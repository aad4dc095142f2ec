use super::*;

const CHROMIUM_OFFER: &str = include_str!("../../testdata/chromium-offer.sdp");
const CHROMIUM_ANSWER: &str = include_str!("../../testdata/chromium-answer.sdp");
const CHROMIUM_FULL: &str = include_str!("../../testdata/chromium-offer-with-candidates.sdp");
const OURS: &str = include_str!("../../testdata/eyeline-offer.sdp");

/// A small one that passes, for changing one thing at a time.
const SMALL: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=setup:active\r\na=mid:0\r\na=sendrecv\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f\r\n";

#[test]
fn real_descriptions_pass() {
    for (sdp, setup, media_count, candidate_count) in [
        (CHROMIUM_OFFER, Setup::Actpass, 3, 0),
        (CHROMIUM_ANSWER, Setup::Active, 3, 0),
        (CHROMIUM_FULL, Setup::Actpass, 3, 12),
        (OURS, Setup::Actpass, 3, 0),
    ] {
        let described = check(sdp).unwrap();
        assert_eq!((described.setup, described.media_count), (setup, media_count));
        assert_eq!(described.candidate_count, candidate_count);
    }
    let fingerprint = check(CHROMIUM_FULL).unwrap().fingerprint;
    assert_eq!(fingerprint[..4], [0x7f, 0x00, 0xe6, 0x16]);
    assert_eq!(check(SMALL).unwrap().fingerprint, std::array::from_fn(|at| u8::try_from(at).unwrap()));
    assert_eq!(check(&SMALL.replace("\r\n", "\n")), check(SMALL));
}

#[test]
fn our_parity_packets_pass_and_no_other_invention() {
    let with = |name: &str| {
        let offered = SMALL.replace("SAVPF 111 0", "SAVPF 111 0 120");
        offered.replace("a=rtpmap:111", &format!("a=rtpmap:120 {name}/90000\r\na=rtpmap:111"))
    };
    assert_eq!(check(&with("x-eyeline-parity")), check(SMALL));
    assert_eq!(check(&with("x-eyeline-other")), Err(SdpError::Codec));
}

#[test]
fn one_thing_wrong_is_refused_by_its_name() {
    let long = format!("a=mid:{}\r\n", "x".repeat(LINE_BYTES_MAX));
    for (from, to, error) in [
        ("v=0\r\n", "", SdpError::Malformed),
        ("v=0", "v=1", SdpError::Malformed),
        ("s=-\r\n", "s=-\r\nv=0\r\n", SdpError::Malformed),
        ("s=-\r\n", "s=-\r\n\r\n", SdpError::Malformed),
        ("s=-", "s=\u{7f}", SdpError::Malformed),
        ("s=-", "s=ä", SdpError::Malformed),
        ("a=mid:0", "a=mid:0\rb", SdpError::Malformed),
        ("s=-\r\n", "s=-\r\nk=clear:x\r\n", SdpError::Crypto),
        ("a=mid:0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", SdpError::Crypto),
        ("s=-\r\n", "s=-\r\nu=http://example.org\r\n", SdpError::NotAllowed),
        ("a=mid:0", "a=x-google-flag:conference", SdpError::NotAllowed),
        ("a=mid:0", "a=Mid:0", SdpError::NotAllowed),
        ("a=mid:0", "a=remote-candidates:1 192.0.2.1 5", SdpError::NotAllowed),
        ("a=mid:0\r\n", &long, SdpError::TooLong),
        ("m=audio", "m=text", SdpError::Media),
        ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF", SdpError::Profile),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", SdpError::Profile),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "m=audio 9", SdpError::Malformed),
        ("m=audio 9", "m=audio 65536", SdpError::Malformed),
        ("SAVPF 111 0", "SAVPF", SdpError::Malformed),
        ("SAVPF 111 0", "SAVPF 111 128", SdpError::Malformed),
        ("SAVPF 111 0", "SAVPF 111 112", SdpError::Codec),
        ("opus/48000/2", "evil/48000/2", SdpError::Codec),
        ("opus/48000/2", "opus/x", SdpError::Malformed),
        ("a=rtpmap:111", "a=rtpmap:x", SdpError::Malformed),
        ("c=IN IP4 0.0.0.0", "c=IN IP4 example.org", SdpError::Malformed),
        ("a=fingerprint", "a=mid", SdpError::NoFingerprint),
        ("sha-256 ", "sha-1 ", SdpError::Fingerprint),
        ("sha-256 ", "sha-512 ", SdpError::Fingerprint),
        (":1d:1e:1f", ":1d:1e", SdpError::Fingerprint),
        (":1e:1f", ":1e:+f", SdpError::Fingerprint),
        ("a=setup:active\r\n", "", SdpError::Setup),
        ("a=setup:active", "a=setup:holdconn", SdpError::Setup),
        ("a=setup:active", "a=setup:active\r\na=setup:passive", SdpError::Setup),
        ("a=mid:0", "a=candidate:1 1 udp 1 example.org 5000 typ host", SdpError::Candidate),
    ] {
        assert!(SMALL.contains(from), "{from}");
        assert_eq!(check(&SMALL.replace(from, to)), Err(error), "{from} -> {to}");
    }
}

#[test]
fn a_second_fingerprint_may_only_repeat_the_first() {
    let line = SMALL.lines().last().unwrap();
    assert_eq!(
        check(&format!("{SMALL}{}\r\n", line.to_uppercase().replace("A=FINGERPRINT:", "a=fingerprint:"))),
        check(SMALL)
    );
    let other = line.replace("sha-256 00", "sha-256 01");
    assert_eq!(check(&format!("{SMALL}{other}\r\n")), Err(SdpError::TwoFingerprints));
    let weak = "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13";
    assert_eq!(check(&format!("{SMALL}{weak}\r\n")), Err(SdpError::Fingerprint));
}

#[test]
fn everything_is_bounded() {
    assert_eq!(check(""), Err(SdpError::Media));
    assert_eq!(check(&format!("{SMALL}{}", "a=rtcp-mux\r\n".repeat(LINES_MAX))), Err(SdpError::TooLong));
    assert_eq!(check(&"v".repeat(SDP_BYTES_MAX + 1)), Err(SdpError::TooLong));
    let section = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
    assert!(check(&format!("{SMALL}{}", section.repeat(MEDIA_MAX - 1))).is_ok());
    assert_eq!(check(&format!("{SMALL}{}", section.repeat(MEDIA_MAX))), Err(SdpError::Media));
    let candidate = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n";
    assert!(check(&format!("{SMALL}{}", candidate.repeat(CANDIDATES_MAX))).is_ok());
    assert_eq!(check(&format!("{SMALL}{}", candidate.repeat(CANDIDATES_MAX + 1))), Err(SdpError::Candidate));
    let payloads = SMALL.replace("SAVPF 111 0", &format!("SAVPF 111{}", " 0".repeat(PAYLOADS_MAX)));
    assert_eq!(check(&payloads), Err(SdpError::Malformed));
}

#[test]
fn debug_shows_neither_fingerprint_nor_address() {
    assert_eq!(format!("{:?}", check(CHROMIUM_FULL)), "Ok(Described(Actpass, 3 sections, 12 candidates, ..))");
}
