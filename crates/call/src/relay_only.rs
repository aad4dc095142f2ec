//! What leaves this machine when its addresses are to stay unknown.

use serde_json::Value;

/// A local candidate as it may be told: only relayed ones, and without the address that the relay sees us at
/// (`raddr`/`rport`, RFC 8839 section 5.1). `None` for one that must not leave.
pub(crate) fn candidate(json: &str) -> Option<String> {
    let mut init: Value = serde_json::from_str(json).ok()?;
    let line = hidden(init.get("candidate")?.as_str()?)?;
    init["candidate"] = Value::String(line);
    Some(init.to_string())
}

/// A local description as it may be told: without addresses but those of relays.
pub(crate) fn description(sdp: &str) -> String {
    let mut told = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        let line = match line.split_once('=') {
            Some(("a", attribute)) if attribute.starts_with("candidate:") => match hidden(attribute) {
                Some(attribute) => format!("a={attribute}"),
                None => continue,
            },
            // All real addresses are in candidates (RFC 8840 section 4.3.2), so these say nothing that is needed.
            Some(("a", attribute)) if attribute.starts_with("rtcp:") => "a=rtcp:9 IN IP4 0.0.0.0".to_owned(),
            Some(("c", _)) => "c=IN IP4 0.0.0.0".to_owned(),
            Some(("o", origin)) => format!("o={}", unnamed(origin)),
            Some(_) | None => line.to_owned(),
        };
        told.push_str(&line);
        told.push_str("\r\n");
    }
    told
}

/// An origin (RFC 8866 section 5.2) without the machine's address.
fn unnamed(origin: &str) -> String {
    let words: Vec<&str> = origin.split(' ').take(3).chain(["IN", "IP4", "0.0.0.0"]).collect();
    words.join(" ")
}

/// A `candidate-attribute` of type relay with its related address blanked.
fn hidden(attribute: &str) -> Option<String> {
    let mut words: Vec<&str> = attribute.split(' ').collect();
    let typ = words.iter().position(|word| *word == "typ")?;
    if words.get(typ + 1) != Some(&"relay") {
        return None;
    }
    for (name, blank) in [("raddr", "0.0.0.0"), ("rport", "0")] {
        if let Some(value) = words.iter().position(|word| *word == name).and_then(|at| words.get_mut(at + 1)) {
            *value = blank;
        }
    }
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relayed_candidates_leave_and_without_our_address() {
        let init = |line: &str| serde_json::json!({ "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0 }).to_string();
        let relay = "candidate:3 1 udp 1 198.51.100.9 50000 typ relay raddr 203.0.113.5 rport 4242 generation 0";
        let told = candidate(&init(relay)).unwrap();
        assert!(told.contains("198.51.100.9 50000 typ relay raddr 0.0.0.0 rport 0 generation 0"), "{told}");
        assert!(!told.contains("203.0.113.5"));
        for other in [
            "candidate:1 1 udp 2 192.0.2.7 50000 typ host",
            "candidate:2 1 udp 2 203.0.113.5 4242 typ srflx raddr 192.0.2.7 rport 50000",
            "candidate:2 1 udp 2 5c1.local 50000 typ host",
            "candidate:2 1 udp 2 203.0.113.5 4242",
            "",
        ] {
            assert_eq!(candidate(&init(other)), None, "{other}");
        }
        assert_eq!(candidate("no json"), None);
    }

    #[test]
    fn a_description_loses_all_other_addresses() {
        let sdp = "v=0\r\no=- 1 2 IN IP4 192.0.2.7\r\nm=audio 50000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 192.0.2.7\r\n\
                   a=rtcp:50000 IN IP4 192.0.2.7\r\na=candidate:1 1 udp 2 192.0.2.7 50000 typ host\r\n\
                   a=candidate:3 1 udp 1 198.51.100.9 5 typ relay raddr 203.0.113.5 rport 4\r\na=mid:0\r\n";
        let told = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\nm=audio 50000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n\
                    a=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:3 1 udp 1 198.51.100.9 5 typ relay raddr 0.0.0.0 rport 0\r\n\
                    a=mid:0\r\n";
        assert_eq!(description(sdp), told);
        assert_eq!(description(&sdp.replace("\r\n", "\n")), told, "whatever its lines end with");
    }
}
