//! One ICE candidate (RFC 8839 section 5.1).

use std::fmt;
use std::net::IpAddr;

use eyeline_protocol::inner::CANDIDATE_BYTES_MAX;
use serde::Deserialize;
use thiserror::Error;

/// The most `name value` pairs after the type. Chromium writes five.
const EXTENSIONS_MAX: usize = 16;

/// Why a candidate was refused. A call goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CandidateError {
    /// More than [`CANDIDATE_BYTES_MAX`] bytes.
    #[error("the candidate is too long")]
    TooLong,
    /// Not an `RTCIceCandidateInit`, or its candidate is not of the grammar.
    #[error("the candidate is malformed")]
    Malformed,
    /// A host name other than `….local` (looking it up would tell a name server about the call), or an address that
    /// nobody can have: unspecified, multicast, broadcast.
    #[error("the candidate's address is not one")]
    Address,
}

/// How its author came by a candidate (RFC 8445 section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of its own.
    Host,
    /// What a STUN server saw.
    ServerReflexive,
    /// What the other end saw.
    PeerReflexive,
    /// Of a TURN server.
    Relay,
    /// None: there are no more (RFC 8838 section 14).
    End,
}

/// What is worth knowing of a candidate that passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// How its author came by it.
    pub kind: CandidateKind,
    /// Its address is a `….local` name, to be asked for by multicast (draft-ietf-mmusic-mdns-ice-candidates).
    pub mdns: bool,
    /// Over TCP (RFC 6544).
    pub tcp: bool,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tcp, mdns) = (if self.tcp { ", tcp" } else { "" }, if self.mdns { ", mdns" } else { "" });
        write!(f, "Candidate({:?}{tcp}{mdns})", self.kind)
    }
}

/// The dictionary of the WebRTC specification (section 4.8.1.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Init {
    candidate: String,
    #[serde(default)]
    sdp_mid: Option<String>,
    #[serde(default, rename = "sdpMLineIndex")]
    _sdp_m_line_index: Option<u16>,
    #[serde(default)]
    username_fragment: Option<String>,
}

/// Checks a candidate another member sent (`RTCIceCandidateInit` as JSON), before it is added.
///
/// # Errors
/// [`CandidateError`]; arbitrary text never panics.
pub fn check_candidate(json: &str) -> Result<Candidate, CandidateError> {
    if json.len() > CANDIDATE_BYTES_MAX {
        return Err(CandidateError::TooLong);
    }
    let init: Init = serde_json::from_str(json).map_err(|_| CandidateError::Malformed)?;
    let token =
        |text: &Option<String>| text.as_deref().is_none_or(|text| text.len() <= 256 && text.bytes().all(visible));
    if !token(&init.sdp_mid) || !token(&init.username_fragment) {
        return Err(CandidateError::Malformed);
    }
    if init.candidate.is_empty() {
        return Ok(Candidate { kind: CandidateKind::End, mdns: false, tcp: false });
    }
    parse(init.candidate.strip_prefix("candidate:").ok_or(CandidateError::Malformed)?)
}

/// Reads `foundation component transport priority address port typ type [name value]*`.
pub(super) fn parse(text: &str) -> Result<Candidate, CandidateError> {
    let (address, kind, tcp) = fields(text).ok_or(CandidateError::Malformed)?;
    let mdns = match address.parse() {
        Ok(address) if is_usable(address) => false,
        Err(_) if is_local_name(address) => true,
        _ => return Err(CandidateError::Address),
    };
    Ok(Candidate { kind, mdns, tcp })
}

/// Address, kind, and if it is over TCP; `None` where the grammar is broken.
fn fields(text: &str) -> Option<(&str, CandidateKind, bool)> {
    // Tokens are visible ASCII with one blank between them, so no line end can hide in one.
    if !text.split(' ').all(|part| !part.is_empty() && part.bytes().all(visible)) {
        return None;
    }
    let mut parts = text.split(' ');
    let mut next = || parts.next();
    let foundation = next()?;
    let component: u16 = number(next()?)?;
    let transport = next()?;
    let _priority: u32 = number(next()?)?;
    let address = next()?;
    let port: u16 = number(next()?)?;
    let kind = match (next()?, next()?) {
        ("typ", "host") => CandidateKind::Host,
        ("typ", "srflx") => CandidateKind::ServerReflexive,
        ("typ", "prflx") => CandidateKind::PeerReflexive,
        ("typ", "relay") => CandidateKind::Relay,
        _ => return None,
    };
    let tcp = transport.eq_ignore_ascii_case("tcp");
    // The grammar has 32 characters; some stacks write more.
    let good = foundation.len() <= 64
        && (1..=256).contains(&component)
        && (tcp || transport.eq_ignore_ascii_case("udp"))
        && port != 0
        && extensions(parts)?;
    good.then_some((address, kind, tcp))
}

/// Pairs of name and value; `raddr` and `rport` are looked at, others only counted.
fn extensions<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<bool> {
    let mut count = 0;
    while let Some(name) = parts.next() {
        let value = parts.next()?;
        count += 1;
        match name {
            "raddr" if value.parse::<IpAddr>().is_err() && !is_local_name(value) => return Some(false),
            "rport" => drop(number::<u16>(value)?),
            _ => {}
        }
    }
    Some(count <= EXTENSIONS_MAX)
}

/// An address somebody can have.
fn is_usable(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// One label and `.local`.
fn is_local_name(text: &str) -> bool {
    text.strip_suffix(".local").is_some_and(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Digits only: `parse` alone would take a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(candidate: &str) -> String {
        serde_json::json!({ "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "V6zu" })
            .to_string()
    }

    #[test]
    fn what_browsers_and_we_write_passes() {
        use CandidateKind::{Host, Relay, ServerReflexive};
        for (text, kind, mdns, tcp) in [
            (
                "1025785638 1 udp 2122194687 192.0.2.2 40877 typ host generation 0 ufrag V6zu network-id 1",
                Host,
                false,
                false,
            ),
            (
                "978736022 1 udp 2122265343 fd00::2 56914 typ host generation 0 ufrag V6zu network-id 2",
                Host,
                false,
                false,
            ),
            ("1139531198 1 tcp 1518214911 192.0.2.2 9 typ host tcptype active generation 0", Host, false, true),
            ("0 1 UDP 2122252543 6f5c1a6e-2d0c-4d0c-9a51-6b9f6f5d6d0a.local 51000 typ host", Host, true, false),
            ("3 1 udp 1686052607 198.51.100.7 3478 typ srflx raddr 0.0.0.0 rport 0", ServerReflexive, false, false),
            ("4 1 udp 41885439 203.0.113.9 50000 typ relay raddr 198.51.100.7 rport 3478", Relay, false, false),
        ] {
            let read = check_candidate(&init(&format!("candidate:{text}")));
            assert_eq!(read, Ok(Candidate { kind, mdns, tcp }), "{text}");
        }
        let end = check_candidate(r#"{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"unknown":1}"#);
        assert_eq!(end.map(|end| end.kind), Ok(CandidateKind::End));
    }

    #[test]
    fn what_is_not_of_the_grammar_does_not() {
        for text in [
            "",
            "1 1 udp 1 192.0.2.2 5000",
            "1 1 udp 1 192.0.2.2 5000 typ",
            "1 1 udp 1 192.0.2.2 5000 typ other",
            "1 1 sctp 1 192.0.2.2 5000 typ host",
            "1 0 udp 1 192.0.2.2 5000 typ host",
            "1 257 udp 1 192.0.2.2 5000 typ host",
            "1 1 udp 4294967296 192.0.2.2 5000 typ host",
            "1 1 udp -1 192.0.2.2 5000 typ host",
            "1 1 udp +1 192.0.2.2 5000 typ host",
            "1 1 udp 1 192.0.2.2 0 typ host",
            "1 1 udp 1 192.0.2.2 65536 typ host",
            "1 1 udp 1  192.0.2.2 5000 typ host",
            "1 1 udp 1 192.0.2.2 5000 typ host ",
            "1 1 udp 1 192.0.2.2 5000 typ host generation",
            "1 1 udp 1 192.0.2.2 5000 typ host raddr example.org",
            "1 1 udp 1 192.0.2.2 5000 typ host rport 70000",
            "1 1 udp 1 192.0.2.2 5000 typ host\r\na=crypto:1 x",
            "1\t1 udp 1 192.0.2.2 5000 typ host",
            "ä 1 udp 1 192.0.2.2 5000 typ host",
        ] {
            assert_eq!(check_candidate(&init(&format!("candidate:{text}"))), Err(CandidateError::Malformed), "{text}");
        }
        assert_eq!(check_candidate(&init("1 1 udp 1 192.0.2.2 5000 typ host")), Err(CandidateError::Malformed));
        for json in ["", "null", "{}", "[]", r#"{"candidate":1}"#, r#"{"candidate":"","sdpMid":"a\nb"}"#] {
            assert_eq!(check_candidate(json), Err(CandidateError::Malformed), "{json}");
        }
        let long = init(&format!("candidate:1 1 udp 1 192.0.2.2 5000 typ host x {}", "y".repeat(1024)));
        assert_eq!(check_candidate(&long), Err(CandidateError::TooLong));
        let many = init(&format!("candidate:1 1 udp 1 192.0.2.2 5000 typ host{}", " a b".repeat(EXTENSIONS_MAX + 1)));
        assert_eq!(check_candidate(&many), Err(CandidateError::Malformed));
    }

    #[test]
    fn names_are_not_looked_up_and_nobody_is_flooded() {
        for address in [
            "example.org",
            "a.b.local",
            "exa_mple.local",
            ".local",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            let text = init(&format!("candidate:1 1 udp 1 {address} 5000 typ host"));
            let refused = check_candidate(&text);
            assert!(refused == Err(CandidateError::Address), "{address}: {refused:?}");
        }
    }
}
