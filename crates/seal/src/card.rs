//! What two ends tell each other inside a handshake: who they are, signed, and what they can do.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::identity::{DeviceId, Identity, KeyError, KeySignature, NoiseKey, NoisePublic};
use crate::text::{decode, text_form};

/// The version of the card we write.
const CARD_VERSION: u32 = 1;
/// The longest display name, in characters; what is longer is cut.
pub const NAME_CHARS_MAX: usize = 64;
/// The most capabilities a card lists; more are dropped.
pub const CAPABILITIES_MAX: usize = 8;
/// The longest name of a capability, in bytes; longer ones are dropped.
pub const CAPABILITY_BYTES_MAX: usize = 24;

/// What kind of program is at the other end. Said by itself, so good for display only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Client {
    /// The desktop app.
    Desktop,
    /// The program without a window.
    Peer,
    /// A page in a browser.
    Web,
    /// One we do not know.
    #[serde(other)]
    Other,
}

/// What this device says about itself beyond its keys.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalCard {
    name: String,
    client: Client,
    capabilities: Vec<String>,
}

impl LocalCard {
    /// A card; the name is cleaned as [`clean_name`] does, capabilities beyond the limits are dropped.
    #[must_use]
    pub fn new(name: &str, client: Client, capabilities: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let capabilities = bounded(capabilities.into_iter().map(Into::into));
        Self { name: clean_name(name), client, capabilities }
    }

    /// The cleaned name; may be empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The card as it goes into a handshake made with `key`.
    pub(crate) fn signed(&self, identity: &Identity, key: &NoiseKey, bind: Option<[u8; 32]>) -> Card {
        Card {
            v: CARD_VERSION,
            device: identity.device.id(),
            noise_key_signature: key.signature(),
            valid_from_unix_s: key.valid_from_unix_s(),
            name: self.name.clone(),
            client: self.client,
            capabilities: self.capabilities.clone(),
            bind: bind.map(Bind),
        }
    }
}

/// Who is at the other end: the keys are checked, the rest is what it says about itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCard {
    /// The device, by its public key.
    pub device: DeviceId,
    /// The key its handshake authenticated with, which the device has signed.
    pub noise_key: NoisePublic,
    /// Seconds since 1970 from which on it is used.
    pub valid_from_unix_s: u64,
    /// The device's signature over both.
    pub signature: KeySignature,
    /// A display name, cleaned, at most [`NAME_CHARS_MAX`] characters; may be empty.
    pub name: String,
    /// What kind of program.
    pub client: Client,
    /// What it can do; unknown names mean nothing to us.
    pub capabilities: Vec<String>,
}

impl PeerCard {
    /// If the other end can do this.
    #[must_use]
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// Takes a card if its device has signed `authenticated`, the static key the handshake proved.
    pub(crate) fn check(card: Card, authenticated: NoisePublic) -> Result<Self, CardError> {
        if card.v < CARD_VERSION {
            return Err(CardError::Malformed);
        }
        authenticated.check(&card.device, card.valid_from_unix_s, &card.noise_key_signature)?;
        Ok(Self {
            device: card.device,
            noise_key: authenticated,
            valid_from_unix_s: card.valid_from_unix_s,
            signature: card.noise_key_signature,
            name: clean_name(&card.name),
            client: card.client,
            capabilities: bounded(card.capabilities.into_iter()),
        })
    }
}

/// Why a card inside an authentic handshake message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CardError {
    /// Not a card: its sender is broken, or of another version.
    #[error("not a card")]
    Malformed,
    /// The handshake's key is not signed by the device the card names: somebody uses another's name.
    #[error("the card is not signed by its device")]
    NotSigned,
}

impl From<KeyError> for CardError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Malformed | KeyError::Unusable => Self::Malformed,
            KeyError::NotSigned => Self::NotSigned,
        }
    }
}

/// The wire form. Unknown fields are ignored.
#[derive(Serialize, Deserialize)]
pub(crate) struct Card {
    v: u32,
    device: DeviceId,
    noise_key_signature: KeySignature,
    valid_from_unix_s: u64,
    #[serde(default)]
    name: String,
    client: Client,
    #[serde(default)]
    capabilities: Vec<String>,
    /// Only in pair handshakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bind: Option<Bind>,
}

impl Card {
    /// What this end adds to the bind key.
    pub(crate) fn bind(&self) -> Option<[u8; 32]> {
        self.bind.map(|bind| bind.0)
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self, CardError> {
        serde_json::from_slice(json).map_err(|_| CardError::Malformed)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialise")
    }
}

/// 32 random bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Bind([u8; 32]);

text_form!(Bind, |text: &str| Ok(Bind(decode(text)?)));

/// A name fit for display: no control characters, no marks that turn the direction of writing or show nothing, every run
/// of blanks one space, at most [`NAME_CHARS_MAX`] characters.
#[must_use]
pub fn clean_name(name: &str) -> String {
    let shown: String =
        name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_shown(*c)).collect();
    let words = shown.split(' ').filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join(" ");
    let cut: String = joined.chars().take(NAME_CHARS_MAX).collect();
    cut.trim_end().to_owned()
}

/// Characters that change how others are drawn, or are drawn as nothing, have no place in a name. The zero-width joiner
/// (U+200D) stays: it holds emoji and some scripts together.
fn is_shown(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hidden
}

fn bounded(capabilities: impl Iterator<Item = String>) -> Vec<String> {
    let fits = |name: &String| {
        (1..=CAPABILITY_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    capabilities.filter(fits).take(CAPABILITIES_MAX).collect()
}

impl fmt::Debug for LocalCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalCard(..)")
    }
}

impl fmt::Debug for PeerCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerCard({:?}, ..)", self.client)
    }
}

#[cfg(test)]
mod tests;
