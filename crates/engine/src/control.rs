//! What the two engines say to each other over the connection's data channel: JSON, one message each.
//!
//! A peer that says nothing but its proof (a plain browser page) is taken to send picture and sound.

use eyeline_protocol::inner::Bytes32;
use serde::{Deserialize, Serialize};

/// Longest message we read, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// A message. Times are unix microseconds on the clock of whoever wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Control {
    /// The sender's proof that it means this connection; the first message, before which no other counts.
    Bind {
        /// HMAC-SHA256 over role and fingerprints (`docs/protocol.md`).
        proof: Bytes32,
    },
    /// What the sender shows of itself; sent when the gate opens and on every change.
    State {
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
    /// Ties the sender's RTP timestamps to its clock.
    Timing {
        /// A video RTP timestamp, 90 kHz.
        rtp_timestamp: u32,
        /// When a frame of that timestamp would be captured.
        captured_us: i64,
        /// A sound RTP timestamp, 48 kHz, once sound was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sound_rtp_timestamp: Option<u32>,
        /// When the sound of that timestamp was captured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sound_captured_us: Option<i64>,
    },
    /// The sender hangs up.
    Bye,
}

impl Control {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialise")
    }

    /// Reads a message of the other side; `None` for anything that is none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_bytes_are_refused() {
        for bytes in [&b""[..], b"{}", b"\xff", b"[]", br#"{"type":"nod"}"#] {
            assert_eq!(Control::decode(bytes), None);
        }
        assert_eq!(Control::decode(&vec![b' '; MESSAGE_BYTES_MAX + 1]), None);
        let state = Control::State { microphone_on: true, camera_on: false };
        assert_eq!(Control::decode(&state.encode()), Some(state));
    }
}
