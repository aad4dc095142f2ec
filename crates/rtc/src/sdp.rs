//! The few facts we need from a session description (RFC 8866): which payload type means which codec.
//!
//! Descriptions are parsed and applied by the `rtc` crate; this only looks.

use eyeline_media::frame::VideoCodec;

/// Encoding name of our parity packets. No browser knows it, so none takes them.
pub(crate) const PARITY: &str = "x-eyeline-parity";

/// Payload types of a description's first audio and first video section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    /// Opus, if the description has it.
    pub(crate) opus: Option<u8>,
    /// Sound with copies (RFC 2198), if the description has it.
    pub(crate) red: Option<u8>,
    /// Video codecs we know, in the description's order.
    pub(crate) video: Vec<(u8, VideoCodec)>,
    /// Retransmission payload types and the payload type each repairs (RFC 4588 section 8).
    pub(crate) rtx: Vec<(u8, u8)>,
    /// Our own parity packets ([`fec`](crate::fec)).
    pub(crate) parity: Option<u8>,
}

impl PayloadTypes {
    /// Reads `sdp`; lines it does not understand are skipped.
    pub(crate) fn read(sdp: &str) -> Self {
        let mut found = Self::default();
        let mut sections = sdp.split("\nm=").skip(1);
        for section in sections.by_ref() {
            if section.starts_with("audio ") && found.opus.is_none() {
                found.opus = rtpmaps(section).find(|(_, name)| name.eq_ignore_ascii_case("opus/48000/2")).map(|m| m.0);
                found.red = rtpmaps(section).find(|(_, name)| name.eq_ignore_ascii_case("red/48000/2")).map(|m| m.0);
            } else if section.starts_with("video ") && found.video.is_empty() {
                found.read_video(section);
            }
        }
        found
    }

    fn read_video(&mut self, section: &str) {
        for (payload_type, name) in rtpmaps(section) {
            let name = name.split('/').next().unwrap_or_default();
            let fmtp = fmtp(section, payload_type).unwrap_or_default();
            if name.eq_ignore_ascii_case(PARITY) {
                self.parity = Some(payload_type);
            } else if name.eq_ignore_ascii_case("VP8") {
                self.video.push((payload_type, VideoCodec::Vp8));
            } else if name.eq_ignore_ascii_case("VP9") && parameter(fmtp, "profile-id").is_none_or(|id| id == "0") {
                self.video.push((payload_type, VideoCodec::Vp9));
            } else if name.eq_ignore_ascii_case("rtx")
                && let Some(apt) = parameter(fmtp, "apt").and_then(|apt| apt.parse().ok())
            {
                self.rtx.push((payload_type, apt));
            }
        }
    }

    /// The payload type of `codec`.
    pub(crate) fn of(&self, codec: VideoCodec) -> Option<u8> {
        self.video.iter().find(|(_, known)| *known == codec).map(|(payload_type, _)| *payload_type)
    }

    /// The codec of `payload_type`.
    pub(crate) fn codec(&self, payload_type: u8) -> Option<VideoCodec> {
        self.video.iter().find(|(known, _)| *known == payload_type).map(|(_, codec)| *codec)
    }

    /// What the retransmission payload type `payload_type` repairs.
    pub(crate) fn repaired_by(&self, payload_type: u8) -> Option<u8> {
        self.rtx.iter().find(|(rtx, _)| *rtx == payload_type).map(|(_, apt)| *apt)
    }

    /// The payload type of retransmissions of `payload_type`.
    pub(crate) fn repair_of(&self, payload_type: u8) -> Option<u8> {
        self.rtx.iter().find(|(_, apt)| *apt == payload_type).map(|(rtx, _)| *rtx)
    }

    /// The first of `preferred` that the description has too.
    pub(crate) fn choose(&self, preferred: &[VideoCodec]) -> Option<VideoCodec> {
        preferred.iter().copied().find(|codec| self.of(*codec).is_some())
    }
}

fn attributes<'a>(section: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    section.lines().filter_map(move |line| line.trim_end().strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

fn rtpmaps(section: &str) -> impl Iterator<Item = (u8, &str)> {
    attributes(section, "rtpmap").filter_map(|value| {
        let (payload_type, name) = value.split_once(' ')?;
        Some((payload_type.parse().ok()?, name))
    })
}

fn fmtp(section: &str, payload_type: u8) -> Option<&str> {
    attributes(section, "fmtp").find_map(|value| {
        let (number, parameters) = value.split_once(' ')?;
        (number.parse() == Ok(payload_type)).then_some(parameters)
    })
}

fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|item| item.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 120\r\na=rtpmap:120 x-eyeline-parity/90000\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
        a=fmtp:97 apt=96\r\na=rtpmap:100 VP9/90000\r\na=fmtp:100 profile-id=2\r\na=rtpmap:98 VP9/90000\r\n\
        a=fmtp:98 profile-id=0\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98;rtx-time=3000\r\n";

    #[test]
    fn reads_codecs_and_repair() {
        let types = PayloadTypes::read(OFFER);
        assert_eq!((types.opus, types.red), (Some(111), Some(63)));
        assert_eq!(types.video, [(96, VideoCodec::Vp8), (98, VideoCodec::Vp9)]);
        assert_eq!(types.rtx, [(97, 96), (99, 98)]);
        assert_eq!(types.parity, Some(120));
        assert_eq!(types.choose(&[VideoCodec::Vp9, VideoCodec::Vp8]), Some(VideoCodec::Vp9));
        assert_eq!(types.codec(96), Some(VideoCodec::Vp8));
        assert_eq!(types.repaired_by(99), Some(98));
        assert_eq!((types.repair_of(98), types.repair_of(111)), (Some(99), None));
    }

    #[test]
    fn junk_reads_as_nothing() {
        for junk in ["", "m=", "\nm=video \na=rtpmap:\na=rtpmap:300 VP8/90000\na=fmtp:x", "\nm=audio \na=rtpmap:1"] {
            assert_eq!(PayloadTypes::read(junk), PayloadTypes::default());
        }
    }
}
