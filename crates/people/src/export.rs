//! What a person can take along.

use serde_json::{Value, json};

use crate::{Contact, HISTORY_MAX, History, People, PeopleError};

/// Version of the exported document.
const FORMAT: u32 = 1;

impl People {
    /// All contacts and past calls as one document. Times are unix milliseconds. It holds no secret: neither ring tokens nor
    /// inboxes; of keys, only the public one that tells a device apart.
    ///
    /// # Errors
    /// SQLite's.
    pub fn export(&self) -> Result<Value, PeopleError> {
        let contacts: Vec<Value> = self.contacts()?.iter().map(exported_contact).collect();
        let history: Vec<Value> = self.history(HISTORY_MAX)?.iter().map(exported_call).collect();
        Ok(json!({ "format": FORMAT, "contacts": contacts, "history": history }))
    }
}

fn exported_contact(contact: &Contact) -> Value {
    json!({
        "device": hex(&contact.device),
        "name": contact.name,
        "alias": contact.alias,
        "verified_at": contact.verified_at,
        "blocked": contact.blocked,
        "server": contact.their.as_ref().map(|reach| &reach.server),
        "presence_allowed": contact.presence_allowed,
        "relay_only": contact.relay_only,
        "added_at": contact.added_at,
    })
}

fn exported_call(call: &History) -> Value {
    json!({
        "device": call.device.as_ref().map(|device| hex(device)),
        "name": call.name,
        "direction": call.direction.word(),
        "kind": call.kind.word(),
        "outcome": call.outcome.word(),
        "started_at": call.started_at,
        "duration_ms": call.duration_ms,
        "seen": call.seen,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
