//! The outside of a body: what kind it is, and the few sizes it may have.
//!
//! ```text
//! body    = base64url( kind (u8) | payload )
//! padded  = length of the content (u32, big endian) | content | zeros, up to the next size class
//! ```
//! `payload` is `padded` plus what its kind adds in clear or as authentication: a fixed number of bytes, so the length of
//! a body says which kind and size class it is and no more.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

/// What `send`, `ring` and `ring_reply` carry: base64url without padding, at most
/// [`eyeline_protocol::limits::BODY_CHARS_MAX`] characters.
pub type Body = String;

/// Sizes of `padded`. The largest is what still fits a 64 KiB frame as base64 with the message around it.
pub(crate) const SIZE_CLASSES: [usize; 5] = [256, 1024, 4096, 16_384, 48_128];
const LENGTH_BYTES: usize = 4;
/// The most a kind adds to its padded content: Noise's second message (ephemeral, sealed static, two tags).
const OVERHEAD_BYTES_MAX: usize = 32 + 48 + 16;

/// The most bytes one body carries.
pub const PLAINTEXT_BYTES_MAX: usize = SIZE_CLASSES[SIZE_CLASSES.len() - 1] - LENGTH_BYTES;

/// Which conversation a body belongs to, and where in it. Not authenticated by itself: only for routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Opens a pair session: [`crate::Responder::accept`].
    PairFirst,
    /// The answer to it: [`crate::Initiator::read`].
    PairSecond,
    /// Completes it: [`crate::Responder::finish`].
    PairThird,
    /// A message of a running session: [`crate::Session::open`].
    Sealed,
    /// A code's host begins: [`crate::CodeGuest::read`].
    CodeHello,
    /// A code's guest answers and proves the words: [`crate::CodeHost::read`].
    CodeProof,
    /// A code's host proves the words and hands over the link: [`crate::CodeGuest::read`].
    CodeLink,
    /// A ring: [`crate::IncomingRing::open`].
    Ring,
    /// The answer to one: [`crate::RingCaller::read`].
    RingReply,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::PairFirst,
        Self::PairSecond,
        Self::PairThird,
        Self::Sealed,
        Self::CodeHello,
        Self::CodeProof,
        Self::CodeLink,
        Self::Ring,
        Self::RingReply,
    ];

    fn byte(self) -> u8 {
        match self {
            Self::PairFirst => 1,
            Self::PairSecond => 2,
            Self::PairThird => 3,
            Self::Sealed => 4,
            Self::CodeHello => 5,
            Self::CodeProof => 6,
            Self::CodeLink => 7,
            Self::Ring => 8,
            Self::RingReply => 9,
        }
    }
}

/// The kind a body says it is; `None` for one we do not know or that is no body at all.
#[must_use]
pub fn kind(body: &str) -> Option<Kind> {
    let start = URL_SAFE_NO_PAD.decode(body.get(..4)?).ok()?;
    Kind::ALL.into_iter().find(|kind| Some(&kind.byte()) == start.first())
}

/// Why a plaintext was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// More than [`PLAINTEXT_BYTES_MAX`].
    #[error("{bytes} bytes do not fit a body, at most {PLAINTEXT_BYTES_MAX} do")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not above every `seq` sealed before, or above [`eyeline_protocol::limits::SEQ_MAX`]: sealing two messages under
    /// one number would give both away.
    #[error("the message number was used before or is too high")]
    SeqUsed,
}

/// Why a body was not opened. Nothing of it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Not base64url, of another kind, or not one of the sizes a sealed body has.
    #[error("not a sealed body")]
    Malformed,
    /// Sealed with another secret, for another pair or number, or altered on the way.
    #[error("the body is not authentic")]
    NotAuthentic,
    /// Authentic, but the length inside does not fit: its sender is broken.
    #[error("the body's padding is wrong")]
    BadPadding,
    /// Its `seq` is not above the last one opened: a copy, or out of order.
    #[error("the body came before")]
    Replayed,
}

/// `content` with its length in front, zeros behind, up to the smallest size class that holds it.
pub(crate) fn pad(content: &[u8]) -> Result<Vec<u8>, SealError> {
    let too_large = SealError::TooLarge { bytes: content.len() };
    let class = SIZE_CLASSES.into_iter().find(|class| content.len() + LENGTH_BYTES <= *class).ok_or(too_large)?;
    let length = u32::try_from(content.len()).map_err(|_| too_large)?;
    let mut padded = Vec::with_capacity(class);
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(content);
    padded.resize(class, 0);
    Ok(padded)
}

/// Undoes [`pad`]. Anything but zeros behind the content is refused: nobody honest writes there.
pub(crate) fn unpad(padded: &[u8]) -> Result<&[u8], OpenError> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(OpenError::BadPadding)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| OpenError::BadPadding)?;
    let (content, zeros) = rest.split_at_checked(length).ok_or(OpenError::BadPadding)?;
    if zeros.iter().all(|byte| *byte == 0) { Ok(content) } else { Err(OpenError::BadPadding) }
}

/// `kind | payload` as text.
pub(crate) fn wrap(kind: Kind, payload: &[u8]) -> Body {
    let mut bytes = Vec::with_capacity(1 + payload.len());
    bytes.push(kind.byte());
    bytes.extend_from_slice(payload);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The payload of a body of this kind, whose payload is `overhead` bytes longer than a size class.
pub(crate) fn unwrap(kind: Kind, overhead: usize, body: &str) -> Option<Vec<u8>> {
    if !SIZE_CLASSES.iter().any(|class| body.len() == chars(1 + overhead + class)) {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
    if bytes.first() != Some(&kind.byte()) {
        return None;
    }
    bytes.remove(0);
    Some(bytes)
}

/// Characters of base64 without padding.
pub(crate) const fn chars(bytes: usize) -> usize {
    (4 * bytes).div_ceil(3)
}

const _: () = assert!(
    chars(1 + OVERHEAD_BYTES_MAX + SIZE_CLASSES[SIZE_CLASSES.len() - 1]) <= eyeline_protocol::limits::BODY_CHARS_MAX,
    "the largest body fits a message"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_its_kind_and_opens_as_no_other() {
        for kind_in in Kind::ALL {
            let body = wrap(kind_in, &[7; 256 + 16]);
            assert_eq!(kind(&body), Some(kind_in));
            for other in Kind::ALL {
                assert_eq!(unwrap(other, 16, &body).is_some(), other == kind_in);
            }
            assert_eq!(unwrap(kind_in, 32, &body), None, "another overhead");
        }
        for none in ["", "A", "AAA", "AAAA", "Cg==", "____", "ääää", "\u{1f600}"] {
            assert_eq!(kind(none), None, "{none}");
        }
    }

    #[test]
    fn content_comes_back_at_every_size_and_has_few_sizes() {
        let mut sizes = std::collections::BTreeSet::new();
        for length in [0, 1, 252, 253, 1020, 1021, 4092, 4093, 16_380, 16_381, PLAINTEXT_BYTES_MAX] {
            let content = vec![0xa5; length];
            let padded = pad(&content).unwrap();
            sizes.insert(padded.len());
            assert_eq!(unpad(&padded).unwrap(), content);
        }
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), SIZE_CLASSES);
        let over = PLAINTEXT_BYTES_MAX + 1;
        assert_eq!(pad(&vec![0; over]), Err(SealError::TooLarge { bytes: over }));
    }

    #[test]
    fn a_length_that_does_not_fit_or_a_note_in_the_padding_is_refused() {
        for bad in [&[0, 0, 1][..], &[0, 0, 0, 2, 9], &[0xff, 0xff, 0xff, 0xff, 9], &[0, 0, 0, 1, 9, 1]] {
            assert_eq!(unpad(bad), Err(OpenError::BadPadding), "{bad:?}");
        }
    }
}
