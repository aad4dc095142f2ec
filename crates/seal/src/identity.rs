//! Who a device is: an Ed25519 key that stays, and an X25519 key signed by it that changes every month.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keys::{SALT, expand_parts};
use crate::text::{decode, text_form};

/// How long a Noise key is the current one. The one before it still opens rings for as long again.
pub const NOISE_KEY_LIFE_S: u64 = 30 * 24 * 60 * 60;

const SIGNATURE_LABEL: &[u8] = b"eyeline/1 noise key";
const INBOX_LABEL: &[u8] = b"eyeline/1 inbox";
const STORED_VERSION: u8 = 1;
const NOISE_KEY_BYTES: usize = 32 + 8 + 64;

/// Why bytes or text are not the key they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Another length, another alphabet, or another version of the stored form.
    #[error("not a key")]
    Malformed,
    /// Not a point of the curve, or one of the few that every signature fits.
    #[error("not a usable public key")]
    Unusable,
    /// The device's signature over the Noise key is not its own.
    #[error("the key is not signed by its device")]
    NotSigned,
}

/// A device's public key (Ed25519, RFC 8032): what a contact is recognised by. 43 characters of base64url in JSON.
///
/// `Debug` does not show it: it is the same in every call and so names a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId([u8; 32]);

impl DeviceId {
    /// Takes a public key.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] if it is not a point of the curve or of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::Unusable),
        }
    }

    /// Reads 43 characters of base64url without padding.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(decode(text)?)
    }

    /// The public key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

/// A device's private key. It never leaves the device; the system's key store keeps it.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// A new key from 32 random bytes.
    #[must_use]
    pub fn generate(random: [u8; 32]) -> Self {
        Self::from_bytes(random)
    }

    /// The key of these 32 bytes (RFC 8032's private key); every 32 bytes are one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(SigningKey::from_bytes(&bytes))
    }

    /// For the key store.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Its public half.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId(self.0.verifying_key().to_bytes())
    }
}

/// The public half of a [`NoiseKey`] (X25519, RFC 7748). 43 characters of base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoisePublic(pub [u8; 32]);

impl NoisePublic {
    /// Reads 43 characters of base64url without padding.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Ok(Self(decode(text)?))
    }

    /// Checks that `device` vouches for this key from `valid_from_unix_s` on: its signature over
    /// `"eyeline/1 noise key" | key (32 bytes) | valid_from_unix_s (u64, big endian)`.
    ///
    /// # Errors
    /// [`KeyError::NotSigned`].
    pub fn check(&self, device: &DeviceId, valid_from_unix_s: u64, signature: &KeySignature) -> Result<(), KeyError> {
        let signed = device.has_signed(&signed_bytes(self, valid_from_unix_s), &signature.0);
        if signed { Ok(()) } else { Err(KeyError::NotSigned) }
    }
}

/// A device's signature over its Noise key. 86 characters of base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeySignature(pub [u8; 64]);

/// A device's X25519 key pair with its device's signature. Sessions and rings authenticate with it.
#[derive(Clone)]
pub struct NoiseKey {
    private: Zeroizing<[u8; 32]>,
    public: NoisePublic,
    valid_from_unix_s: u64,
    signature: KeySignature,
}

impl NoiseKey {
    /// A new key from 32 random bytes, valid from `now_unix_s` on.
    #[must_use]
    pub fn generate(device: &DeviceKey, random: [u8; 32], now_unix_s: u64) -> Self {
        let private = Zeroizing::new(random);
        let public = NoisePublic(x25519_dalek::x25519(*private, x25519_dalek::X25519_BASEPOINT_BYTES));
        let signature = KeySignature(device.0.sign(&signed_bytes(&public, now_unix_s)).to_bytes());
        Self { private, public, valid_from_unix_s: now_unix_s, signature }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> NoisePublic {
        self.public
    }

    /// Seconds since 1970 from which on it is used.
    #[must_use]
    pub fn valid_from_unix_s(&self) -> u64 {
        self.valid_from_unix_s
    }

    /// The device's signature over it; contacts store it with the key.
    #[must_use]
    pub fn signature(&self) -> KeySignature {
        self.signature
    }

    pub(crate) fn private(&self) -> Zeroizing<[u8; 32]> {
        self.private.clone()
    }

    fn store(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&*self.private);
        bytes.extend_from_slice(&self.valid_from_unix_s.to_be_bytes());
        bytes.extend_from_slice(&self.signature.0);
    }

    fn restore(device: &DeviceId, bytes: &[u8]) -> Result<Self, KeyError> {
        let (private, rest) = bytes.split_first_chunk::<32>().ok_or(KeyError::Malformed)?;
        let (valid_from, rest) = rest.split_first_chunk::<8>().ok_or(KeyError::Malformed)?;
        let signature = KeySignature(rest.try_into().map_err(|_| KeyError::Malformed)?);
        let public = NoisePublic(x25519_dalek::x25519(*private, x25519_dalek::X25519_BASEPOINT_BYTES));
        let valid_from_unix_s = u64::from_be_bytes(*valid_from);
        public.check(device, valid_from_unix_s, &signature)?;
        Ok(Self { private: Zeroizing::new(*private), public, valid_from_unix_s, signature })
    }
}

/// A device's keys, as the key store keeps them.
#[derive(Clone)]
pub struct Identity {
    /// Stays for the life of the installation.
    pub device: DeviceKey,
    /// Used for everything new.
    pub noise: NoiseKey,
    /// The one before; rings of contacts that have not heard of the new one still open with it.
    pub previous: Option<NoiseKey>,
}

impl Identity {
    /// A new identity from 64 random bytes.
    #[must_use]
    pub fn generate(random: [u8; 64], now_unix_s: u64) -> Self {
        let (device, noise) = random.split_at(32);
        let device = DeviceKey::generate(device.try_into().expect("half of 64"));
        let noise = NoiseKey::generate(&device, noise.try_into().expect("half of 64"), now_unix_s);
        Self { device, noise, previous: None }
    }

    /// Makes a new Noise key of 32 random bytes if the current one is [`NOISE_KEY_LIFE_S`] old (or from so far in the
    /// future that the clock was wrong when it was made). True if it did: then store the identity again.
    pub fn rotate_if_due(&mut self, random: [u8; 32], now_unix_s: u64) -> bool {
        if now_unix_s.abs_diff(self.noise.valid_from_unix_s) < NOISE_KEY_LIFE_S {
            return false;
        }
        let new = NoiseKey::generate(&self.device, random, now_unix_s);
        self.previous = Some(std::mem::replace(&mut self.noise, new));
        true
    }

    /// For the key store: `version 1 | device key (32) | Noise key (104) | previous Noise key (104, if any)`, a Noise key
    /// being `private (32) | valid_from_unix_s (u64, big endian) | signature (64)`.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + 32 + 2 * NOISE_KEY_BYTES));
        bytes.push(STORED_VERSION);
        bytes.extend_from_slice(&*self.device.to_bytes());
        self.noise.store(&mut bytes);
        if let Some(previous) = &self.previous {
            previous.store(&mut bytes);
        }
        bytes
    }

    /// Reads what [`Identity::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], or [`KeyError::NotSigned`] if a Noise key is not this device's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let (&STORED_VERSION, rest) = bytes.split_first().ok_or(KeyError::Malformed)? else {
            return Err(KeyError::Malformed);
        };
        let (device, rest) = rest.split_first_chunk::<32>().ok_or(KeyError::Malformed)?;
        let device = DeviceKey::from_bytes(*device);
        let (noise, previous) = rest.split_at_checked(NOISE_KEY_BYTES).ok_or(KeyError::Malformed)?;
        let noise = NoiseKey::restore(&device.id(), noise)?;
        let previous = if previous.is_empty() { None } else { Some(NoiseKey::restore(&device.id(), previous)?) };
        Ok(Self { device, noise, previous })
    }
}

/// The secret with which this device owns its inbox at a server (`authority` as [`crate::Server::authority`]). Another
/// server gets another one, so that two servers cannot tell that it is the same device.
#[must_use]
pub fn inbox_owner_secret(device: &DeviceKey, authority: &str) -> Zeroizing<[u8; 32]> {
    let hkdf = Hkdf::<Sha256>::new(Some(SALT), &*device.to_bytes());
    Zeroizing::new(expand_parts(&hkdf, &[b"inbox", authority.as_bytes()]))
}

/// What the server and our contacts know the inbox by: the first 16 bytes of SHA-256("eyeline/1 inbox" | owner secret).
#[must_use]
pub fn inbox_id(owner_secret: &[u8; 32]) -> [u8; 16] {
    let digest = Sha256::new().chain_update(INBOX_LABEL).chain_update(owner_secret).finalize();
    digest[..16].try_into().expect("SHA-256 gives 32 bytes")
}

fn signed_bytes(public: &NoisePublic, valid_from_unix_s: u64) -> Vec<u8> {
    [SIGNATURE_LABEL, &public.0, &valid_from_unix_s.to_be_bytes()].concat()
}

text_form!(DeviceId, DeviceId::parse);
text_form!(NoisePublic, NoisePublic::parse);
text_form!(KeySignature, |text: &str| Ok(KeySignature(decode(text)?)));

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(..)")
    }
}

impl fmt::Debug for NoiseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoiseKey(..)")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

#[cfg(test)]
mod tests;
