//! Nonces that nobody has to remember: each carries the minute it was made in and a proof that it was made here, for this
//! client. Whoever forges a sender's address never sees the nonce, and so never gets past the first answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::client::ClientId;
use crate::dice::Seed;

/// How long one is good (RFC 8656 section 5 asks for less than an hour).
const MINUTES: u16 = 55;
const TIME_BYTES: usize = 2;
/// Short, because an answer to a stranger must not be much larger than the question. 48 bits that can only be guessed by
/// asking are enough.
const PROOF_BYTES: usize = 6;

pub(super) struct Nonces {
    seed: Seed,
}

impl Nonces {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed }
    }

    /// One for this client, made now.
    pub(super) fn make(&self, unix_s: u64, client: &ClientId) -> String {
        let minute = minute(unix_s);
        let mut bytes = [0; TIME_BYTES + PROOF_BYTES];
        bytes[..TIME_BYTES].copy_from_slice(&minute.to_be_bytes());
        bytes[TIME_BYTES..].copy_from_slice(&self.proof(minute, client).finalize().into_bytes()[..PROOF_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether this is one of ours for this client, and young enough.
    pub(super) fn is_good(&self, unix_s: u64, client: &ClientId, nonce: &str) -> bool {
        let mut bytes = [0; TIME_BYTES + PROOF_BYTES];
        if !matches!(URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes), Ok(len) if len == bytes.len()) {
            return false;
        }
        let [high, low, proof @ ..] = bytes;
        let made = u16::from_be_bytes([high, low]);
        minute(unix_s).wrapping_sub(made) <= MINUTES && self.proof(made, client).verify_truncated_left(&proof).is_ok()
    }

    fn proof(&self, minute: u16, client: &ClientId) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.seed).expect("HMAC takes keys of any length");
        mac.update(b"relay nonce");
        mac.update(&minute.to_be_bytes());
        client.feed(|bytes| mac.update(bytes));
        mac
    }
}

/// Minutes, which come again after 45 days.
fn minute(unix_s: u64) -> u16 {
    u16::try_from(unix_s / 60 % (1 << 16)).expect("a remainder is smaller than its divisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(port: u16) -> ClientId {
        ClientId::Datagram { socket: 0, from: ([192, 0, 2, 7], port).into() }
    }

    #[test]
    fn it_is_good_for_its_client_and_its_time_only() {
        let nonces = Nonces::new([3; 32]);
        let now = 1_767_225_600;
        let nonce = nonces.make(now, &client(1));
        assert!(nonce.len() <= 12, "answers to strangers are to be small");
        assert!(nonces.is_good(now, &client(1), &nonce));
        assert!(nonces.is_good(now + 54 * 60, &client(1), &nonce));
        assert!(!nonces.is_good(now + 57 * 60, &client(1), &nonce));
        assert!(!nonces.is_good(now - 120, &client(1), &nonce), "made in the future");
        assert!(!nonces.is_good(now, &client(2), &nonce));
        assert!(!nonces.is_good(now, &ClientId::Stream(1), &nonce));
        assert!(!Nonces::new([4; 32]).is_good(now, &client(1), &nonce));
        for bad in ["", "AAAA", "AAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA", "not base64!"] {
            assert!(!nonces.is_good(now, &client(1), bad), "{bad}");
        }
    }
}
