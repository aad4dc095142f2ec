//! Somebody this device knows.

use std::fmt;

/// What a contact is told apart by: the Ed25519 public key of their device.
pub type DeviceKey = [u8; 32];

/// Somebody both sides agreed to keep. `Debug` shows neither names nor keys nor addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their device.
    pub device: DeviceKey,
    /// As they call themselves; cleaned by whoever read it off the wire.
    pub name: String,
    /// As we call them.
    pub alias: Option<String>,
    /// When both compared the emoji and said that they match, unix milliseconds.
    pub verified_at: Option<i64>,
    /// Never rings, and never learns why.
    pub blocked: bool,
    /// Where they can be rung; `None` when they use no server that stays.
    pub their: Option<Reach>,
    /// Their Noise static key (X25519), which rings are sealed to.
    pub noise_key: [u8; 32],
    /// From when that key counts, unix seconds.
    pub noise_valid_from_s: u64,
    /// Signature of that key by `device` (Ed25519).
    pub noise_signature: [u8; 64],
    /// Secret by which they ring us.
    pub our_token: [u8; 16],
    /// They may see whether we are online.
    pub presence_allowed: bool,
    /// Calls with them go through a relay only, so that they never learn our address.
    pub relay_only: bool,
    /// When they became a contact, unix milliseconds.
    pub added_at: i64,
}

/// Where and by which secret a contact is rung.
#[derive(Clone, PartialEq, Eq)]
pub struct Reach {
    /// Base address of their signaling server.
    pub server: String,
    /// Their inbox there.
    pub inbox_id: [u8; 16],
    /// The secret by which we ring them.
    pub ring_token: [u8; 16],
}

impl Contact {
    /// The name to show: ours for them, or else their own.
    pub fn shown_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// Whether `name` is one of their two names, blanks around it and case aside.
    pub fn is_called(&self, name: &str) -> bool {
        let wanted = folded(name);
        folded(&self.name) == wanted || self.alias.as_deref().is_some_and(|alias| folded(alias) == wanted)
    }
}

/// A name as compared.
pub(crate) fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("verified", &self.verified_at.is_some())
            .field("blocked", &self.blocked)
            .field("their", &self.their)
            .field("presence_allowed", &self.presence_allowed)
            .field("relay_only", &self.relay_only)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reach(..)")
    }
}
