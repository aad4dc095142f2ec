//! Which session descriptions (RFC 8866) and candidates of another member may reach the WebRTC stack: an allow-list, so that
//! a member of the room cannot feed it what we never use.
//!
//! Everything our own peer and the browsers write passes (`testdata/*.sdp` has real ones). The one fact it reads is the
//! certificate's fingerprint, which the media gate compares with what DTLS saw.

mod candidate;

use std::fmt;
use std::net::IpAddr;

use eyeline_protocol::inner::SDP_BYTES_MAX;
use thiserror::Error;

pub use candidate::{Candidate, CandidateError, CandidateKind, check_candidate};

/// The most lines of a description. Chromium's have about 200.
const LINES_MAX: usize = 400;
/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 512;
/// The most `m=` sections.
const MEDIA_MAX: usize = 4;
/// The most payload types of one section.
const PAYLOADS_MAX: usize = 64;
/// The most candidates in a description.
const CANDIDATES_MAX: usize = 64;

/// Attributes that may stand in a description. What is not here is not needed, and refused.
const ATTRIBUTES: [&str; 33] = [
    "bundle-only",
    "candidate",
    "end-of-candidates",
    "extmap",
    "extmap-allow-mixed",
    "fingerprint",
    "fmtp",
    "group",
    "ice-lite",
    "ice-options",
    "ice-pwd",
    "ice-ufrag",
    "inactive",
    "max-message-size",
    "maxptime",
    "mid",
    "msid",
    "msid-semantic",
    "ptime",
    "recvonly",
    "rid",
    "rtcp",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-mux-only",
    "rtcp-rsize",
    "rtcp-xr",
    "rtpmap",
    "sctp-port",
    "sendonly",
    "sendrecv",
    "setup",
    "simulcast",
];
/// And these, which name streams.
const SOURCE_ATTRIBUTES: [&str; 2] = ["ssrc", "ssrc-group"];

/// Names of `a=rtpmap`, in lower case: what browsers list, and our own parity packets. We use few of
/// them; the others are harmless.
const CODECS: [&str; 16] = [
    "av1",
    "cn",
    "flexfec-03",
    "g722",
    "h264",
    "h265",
    "opus",
    "pcma",
    "pcmu",
    "red",
    "rtx",
    "telephone-event",
    "ulpfec",
    "vp8",
    "vp9",
    "x-eyeline-parity",
];
/// Payload types that need no `a=rtpmap` (RFC 3551 section 6): PCMU, PCMA, G722, CN.
const STATIC_PAYLOADS: [u8; 4] = [0, 8, 9, 13];

/// Why a description was refused. Nothing of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Larger than [`SDP_BYTES_MAX`], more than 400 lines, or a line of more than 512 bytes.
    #[error("the description is too long")]
    TooLong,
    /// A line that is not `letter=printable ASCII`, or whose value has not the form it must have.
    #[error("the description is malformed")]
    Malformed,
    /// A kind of line or an attribute that is not on the list.
    #[error("the description has a line that is not allowed")]
    NotAllowed,
    /// Keys in the clear (`a=crypto`, `k=`): we only speak DTLS-SRTP.
    #[error("the description carries media keys")]
    Crypto,
    /// None or more than four sections, or of another kind than audio, video, application.
    #[error("the description has too many or unknown sections")]
    Media,
    /// Not DTLS-SRTP with feedback, or not SCTP over DTLS.
    #[error("the description has a transport without encryption")]
    Profile,
    /// A payload type of an unknown codec, or of none.
    #[error("the description has an unknown codec")]
    Codec,
    /// No fingerprint at all.
    #[error("the description has no fingerprint")]
    NoFingerprint,
    /// Another hash than SHA-256, or not 32 bytes.
    #[error("the description has a fingerprint that is not sha-256")]
    Fingerprint,
    /// Two fingerprints that are not the same.
    #[error("the description has two fingerprints")]
    TwoFingerprints,
    /// No `a=setup`, an unknown one, or two that differ.
    #[error("the description does not say who starts DTLS")]
    Setup,
    /// A candidate that [`check_candidate`] would refuse, or more than 64.
    #[error("the description has a bad candidate")]
    Candidate,
}

/// Who starts DTLS (RFC 8842, RFC 4145).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// Either; in an offer.
    Actpass,
    /// The one that says this starts.
    Active,
    /// The other one starts.
    Passive,
}

/// What is worth knowing of a description that passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// SHA-256 of the certificate its author will show in DTLS.
    pub fingerprint: [u8; 32],
    /// Who starts DTLS.
    pub setup: Setup,
    /// How many sections it has.
    pub media_count: usize,
    /// How many candidates are in it, in all sections.
    pub candidate_count: usize,
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Described({:?}, {} sections, {} candidates, ..)", self.setup, self.media_count, self.candidate_count)
    }
}

/// Checks a description another member sent, before it is applied.
///
/// # Errors
/// [`SdpError`]; arbitrary text never panics.
pub fn check(sdp: &str) -> Result<Described, SdpError> {
    if sdp.len() > SDP_BYTES_MAX {
        return Err(SdpError::TooLong);
    }
    let mut reading = Reading::default();
    for (at, line) in sdp.lines().enumerate() {
        if at == LINES_MAX || line.len() > LINE_BYTES_MAX {
            return Err(SdpError::TooLong);
        }
        reading.line(at, line)?;
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    fingerprint: Option<[u8; 32]>,
    setup: Option<Setup>,
    media_count: usize,
    candidate_count: usize,
    /// Payload types of the current section that still need an `a=rtpmap`.
    unmapped: Vec<u8>,
}

impl Reading {
    fn line(&mut self, at: usize, line: &str) -> Result<(), SdpError> {
        // No control characters, so that no other parser sees other lines than we do; blanks only inside.
        let printable = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let (kind, value) = line.split_once('=').filter(|_| printable).ok_or(SdpError::Malformed)?;
        if (at == 0) != (kind == "v") {
            return Err(SdpError::Malformed);
        }
        match kind {
            "v" if value == "0" => Ok(()),
            "o" if value.split(' ').count() == 6 => Ok(()),
            "s" => Ok(()),
            "t" if value.split(' ').all(is_number) => Ok(()),
            "b" if value.split_once(':').is_some_and(|(_, rate)| is_number(rate)) => Ok(()),
            "c" => connection(value),
            "m" => self.media(value),
            "a" => match value.split_once(':') {
                Some((name, value)) => self.attribute(name, value),
                None => self.attribute(value, ""),
            },
            "v" | "o" | "t" | "b" => Err(SdpError::Malformed),
            "k" => Err(SdpError::Crypto),
            _ => Err(SdpError::NotAllowed),
        }
    }

    fn media(&mut self, value: &str) -> Result<(), SdpError> {
        self.end_section()?;
        self.media_count += 1;
        let mut parts = value.split(' ');
        let (Some(kind), Some(port), Some(profile)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SdpError::Malformed);
        };
        port.parse::<u16>().map_err(|_| SdpError::Malformed)?;
        if self.media_count > MEDIA_MAX {
            return Err(SdpError::Media);
        }
        match (kind, profile) {
            ("audio" | "video", "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF") => {
                self.unmapped = parts.map(payload_type).collect::<Result<_, _>>()?;
                let fits = (1..=PAYLOADS_MAX).contains(&self.unmapped.len());
                self.unmapped.retain(|payload| !STATIC_PAYLOADS.contains(payload));
                if fits { Ok(()) } else { Err(SdpError::Malformed) }
            }
            ("application", "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP") => {
                if parts.eq(["webrtc-datachannel"]) {
                    Ok(())
                } else {
                    Err(SdpError::Malformed)
                }
            }
            ("audio" | "video" | "application", _) => Err(SdpError::Profile),
            _ => Err(SdpError::Media),
        }
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), SdpError> {
        match name {
            "fingerprint" => self.fingerprint(value),
            "setup" => self.setup(value),
            "rtpmap" => self.rtpmap(value),
            "candidate" => {
                self.candidate_count += 1;
                let good = candidate::parse(value).is_ok() && self.candidate_count <= CANDIDATES_MAX;
                if good { Ok(()) } else { Err(SdpError::Candidate) }
            }
            "crypto" => Err(SdpError::Crypto),
            known if ATTRIBUTES.contains(&known) || SOURCE_ATTRIBUTES.contains(&known) => Ok(()),
            _ => Err(SdpError::NotAllowed),
        }
    }

    /// `sha-256 AB:CD:…` (RFC 8122 section 5).
    fn fingerprint(&mut self, value: &str) -> Result<(), SdpError> {
        let (hash, hex) = value.split_once(' ').ok_or(SdpError::Fingerprint)?;
        let bytes: Option<Vec<u8>> = hex.split(':').map(hex_byte).collect();
        let fingerprint: [u8; 32] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(SdpError::Fingerprint)?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return Err(SdpError::Fingerprint);
        }
        let first = *self.fingerprint.get_or_insert(fingerprint);
        if first == fingerprint { Ok(()) } else { Err(SdpError::TwoFingerprints) }
    }

    fn setup(&mut self, value: &str) -> Result<(), SdpError> {
        let setup = match value {
            "actpass" => Setup::Actpass,
            "active" => Setup::Active,
            "passive" => Setup::Passive,
            _ => return Err(SdpError::Setup),
        };
        let first = *self.setup.get_or_insert(setup);
        if first == setup { Ok(()) } else { Err(SdpError::Setup) }
    }

    /// `111 opus/48000/2`.
    fn rtpmap(&mut self, value: &str) -> Result<(), SdpError> {
        let (payload, encoding) = value.split_once(' ').ok_or(SdpError::Malformed)?;
        let payload = payload_type(payload)?;
        let mut parts = encoding.split('/');
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !CODECS.contains(&name.as_str()) {
            return Err(SdpError::Codec);
        }
        if !parts.all(is_number) {
            return Err(SdpError::Malformed);
        }
        self.unmapped.retain(|unmapped| *unmapped != payload);
        Ok(())
    }

    fn end_section(&self) -> Result<(), SdpError> {
        if self.unmapped.is_empty() { Ok(()) } else { Err(SdpError::Codec) }
    }

    fn finish(self) -> Result<Described, SdpError> {
        self.end_section()?;
        if self.media_count == 0 {
            return Err(SdpError::Media);
        }
        Ok(Described {
            fingerprint: self.fingerprint.ok_or(SdpError::NoFingerprint)?,
            setup: self.setup.ok_or(SdpError::Setup)?,
            media_count: self.media_count,
            candidate_count: self.candidate_count,
        })
    }
}

/// `IN IP4 0.0.0.0`: an address, never a name that somebody would look up.
fn connection(value: &str) -> Result<(), SdpError> {
    let address = value.strip_prefix("IN IP4 ").or_else(|| value.strip_prefix("IN IP6 ")).ok_or(SdpError::Malformed)?;
    address.parse::<IpAddr>().map(|_| ()).map_err(|_| SdpError::Malformed)
}

/// Payload types are seven bits (RFC 3550 section 5.1).
fn payload_type(text: &str) -> Result<u8, SdpError> {
    text.parse().ok().filter(|payload| *payload < 128 && is_number(text)).ok_or(SdpError::Malformed)
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn hex_byte(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits { u8::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests;
