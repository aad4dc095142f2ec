//! What the two engines say to each other over the connection's data channel: JSON, one message each.
//!
//! A peer without the channel (a plain browser page) is taken to send picture and sound and to have no name.

use serde::{Deserialize, Serialize};

/// Longest message we read, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Longest name we show, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A message. Times are unix microseconds on the clock of whoever wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Control {
    /// What the sender shows of itself; sent when the channel opens and on every change.
    State {
        /// The name it gives itself.
        name: String,
        /// It wants to be heard.
        microphone_on: bool,
        /// It sends a picture.
        camera_on: bool,
    },
    /// Asks for a `pong` at once, to compare clocks.
    Ping {
        /// When it was sent.
        sent_us: i64,
    },
    /// Answers a `ping`.
    Pong {
        /// As in the ping.
        ping_sent_us: i64,
        /// When the ping arrived.
        received_us: i64,
        /// When this was sent.
        sent_us: i64,
    },
    /// Ties the sender's video RTP timestamps to its clock.
    Timing {
        /// A video RTP timestamp, 90 kHz.
        rtp_timestamp: u32,
        /// When a frame of that timestamp would be captured.
        captured_us: i64,
    },
    /// The sender hangs up.
    Bye,
}

impl Control {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialise")
    }

    /// Reads a message of the other side; `None` for anything that is none. Names are cut to what can be shown.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        match serde_json::from_slice(bytes).ok()? {
            Self::State { name, microphone_on, camera_on } => {
                Some(Self::State { name: shown_name(&name), microphone_on, camera_on })
            }
            other @ (Self::Ping { .. } | Self::Pong { .. } | Self::Timing { .. } | Self::Bye) => Some(other),
        }
    }
}

/// A name without control or direction-changing characters, blanks around it or undue length.
pub(crate) fn shown_name(name: &str) -> String {
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().filter(|c| !odd(*c)).collect::<String>().trim().chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_bytes_are_refused_and_names_tamed() {
        for bytes in [&b""[..], b"{}", b"\xff", b"[]", br#"{"type":"nod"}"#] {
            assert_eq!(Control::decode(bytes), None);
        }
        assert_eq!(Control::decode(&vec![b' '; MESSAGE_BYTES_MAX + 1]), None);
        let state = |name: &str| Control::State { name: name.into(), microphone_on: true, camera_on: false };
        let long = "x".repeat(200);
        assert_eq!(Control::decode(&state(" A\u{202e}d\na ").encode()), Some(state("Ada")));
        assert_eq!(Control::decode(&state(&long).encode()), Some(state(&long[..NAME_CHARS_MAX])));
    }
}
