//! Whom we know: the store, what the server is told about it, and what the user sees of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use eyeline_call::{Access, Inbox};
use eyeline_people::{CallKind, Contact, Direction, History, Outcome, People, PeopleError, Reach};
use eyeline_protocol::inner::ContactCard;
use eyeline_protocol::{Grant, InboxId, InboxSecret, RingToken, TokenHash, Watched};
use eyeline_seal::{DeviceId, Identity, PeerCard, Server, inbox_id, inbox_owner_secret};
use sha2::{Digest as _, Sha256};

use crate::command::ContactChange;
use crate::view;

/// Past calls shown.
const HISTORY_SHOWN: usize = 100;

/// Where an inbox is: base address of the server, and its name there.
pub(crate) type InboxAt = (String, InboxId);

/// The people we know.
pub(crate) struct Contacts {
    store: People,
    pub(crate) identity: Arc<Identity>,
    /// Our own server, where others reach us.
    pub(crate) home: Option<Server>,
    list: Vec<Contact>,
    history: Vec<History>,
    unseen_missed: usize,
    online: BTreeSet<InboxAt>,
}

/// A call that is over, as it is remembered.
pub(crate) struct Past {
    pub(crate) device: Option<DeviceId>,
    pub(crate) name: String,
    pub(crate) direction: Direction,
    pub(crate) kind: CallKind,
    pub(crate) outcome: Outcome,
    pub(crate) started_ms: i64,
    pub(crate) duration_ms: i64,
}

impl Contacts {
    pub(crate) fn new(store: People, identity: Arc<Identity>) -> Self {
        let mut contacts = Self {
            store,
            identity,
            home: None,
            list: Vec::new(),
            history: Vec::new(),
            unseen_missed: 0,
            online: BTreeSet::new(),
        };
        contacts.reload();
        contacts
    }

    fn reload(&mut self) {
        self.list = self.store.contacts().unwrap_or_else(|error| failed(&error, Vec::new()));
        self.history = self.store.history(HISTORY_SHOWN).unwrap_or_else(|error| failed(&error, Vec::new()));
        self.unseen_missed = self.store.unseen_missed().unwrap_or_else(|error| failed(&error, 0));
    }

    /// Changes the store and reads it again.
    fn change(&mut self, change: impl FnOnce(&mut People) -> Result<(), PeopleError>) {
        if let Err(error) = change(&mut self.store) {
            failed(&error, ());
        }
        self.reload();
    }

    // ---- who

    pub(crate) fn by_id(&self, id: &str) -> Option<&Contact> {
        let device = DeviceId::parse(id).ok()?;
        self.by_device(&device)
    }

    pub(crate) fn by_device(&self, device: &DeviceId) -> Option<&Contact> {
        self.list.iter().find(|contact| contact.device == *device.as_bytes())
    }

    /// What is known of the device at the other end.
    pub(crate) fn trust(&self, peer: &PeerCard) -> view::Trust {
        if let Some(contact) = self.by_device(&peer.device) {
            return if contact.verified_at.is_some() { view::Trust::Verified } else { view::Trust::Invited };
        }
        let namesake = self.list.iter().any(|contact| contact.is_called(&peer.name));
        if peer.name.is_empty() || !namesake { view::Trust::Invited } else { view::Trust::Changed }
    }

    // ---- being reached

    /// Our inbox at our own server.
    pub(crate) fn inbox(&self) -> Option<Inbox> {
        let secret = inbox_owner_secret(&self.identity.device, &self.home.as_ref()?.authority());
        Some(Inbox { id: InboxId(inbox_id(&secret)), secret: InboxSecret(*secret) })
    }

    /// What a server is told: who may ring us if it is ours, and whom of its users we watch.
    pub(crate) fn access(&self, server: &Server) -> Access {
        let ours = self.home.as_ref() == Some(server);
        let friends = || self.list.iter().filter(|contact| !contact.blocked);
        let grant = |contact: &Contact| Grant {
            hash: TokenHash(Sha256::digest(contact.our_token).into()),
            presence: contact.presence_allowed,
        };
        let base = server.to_string();
        let watched = friends().filter_map(|contact| contact.their.as_ref()).filter(|their| their.server == base);
        Access {
            grants: if ours { friends().map(grant).collect() } else { Vec::new() },
            callers: friends().filter_map(|contact| DeviceId::from_bytes(contact.device).ok()).collect(),
            watched: watched
                .map(|their| Watched { inbox_id: InboxId(their.inbox_id), token: RingToken(their.ring_token) })
                .collect(),
        }
    }

    /// Servers to be connected to: ours, and those of contacts.
    pub(crate) fn servers(&self) -> Vec<Server> {
        let theirs = self.list.iter().filter(|contact| !contact.blocked).filter_map(|contact| contact.their.as_ref());
        let mut servers: Vec<Server> = self.home.iter().cloned().collect();
        for server in theirs.filter_map(|their| Server::parse(&their.server).ok()) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        servers
    }

    pub(crate) fn set_online(&mut self, at: InboxAt, online: bool) {
        if online {
            self.online.insert(at);
        } else {
            self.online.remove(&at);
        }
    }

    /// A server is out of reach, so nothing is known of who is there.
    pub(crate) fn forget_online(&mut self, server: &str) {
        self.online.retain(|(at, _)| at != server);
    }

    /// What a new contact is given. `token` is 16 fresh random bytes; a contact keeps what it was given before.
    pub(crate) fn our_card(&self, device: &DeviceId, token: [u8; 16]) -> ContactCard {
        let ring_token = RingToken(self.by_device(device).map_or(token, |contact| contact.our_token));
        let server = self.home.as_ref().map(ToString::to_string).unwrap_or_default();
        let inbox_id = self.inbox().map_or(InboxId([0; 16]), |inbox| inbox.id);
        ContactCard { server, inbox_id, ring_token }
    }

    // ---- changes

    /// Both sides agreed.
    pub(crate) fn add(
        &mut self,
        peer: &PeerCard,
        theirs: &ContactCard,
        ours: &ContactCard,
        verified: bool,
        now_ms: i64,
    ) {
        let known = self.by_device(&peer.device).cloned();
        let their = Server::parse(&theirs.server).ok().map(|server| Reach {
            server: server.to_string(),
            inbox_id: theirs.inbox_id.0,
            ring_token: theirs.ring_token.0,
        });
        let contact = Contact {
            device: *peer.device.as_bytes(),
            name: peer.name.clone(),
            alias: known.as_ref().and_then(|known| known.alias.clone()),
            verified_at: known.as_ref().and_then(|known| known.verified_at).or(verified.then_some(now_ms)),
            blocked: false,
            their,
            noise_key: peer.noise_key.0,
            noise_valid_from_s: peer.valid_from_unix_s,
            noise_signature: peer.signature.0,
            our_token: ours.ring_token.0,
            presence_allowed: known.as_ref().is_none_or(|known| known.presence_allowed),
            relay_only: known.as_ref().is_some_and(|known| known.relay_only),
            added_at: known.as_ref().map_or(now_ms, |known| known.added_at),
        };
        self.change(|store| store.put_contact(&contact));
    }

    /// A contact showed its newest card: its name and key may have changed.
    pub(crate) fn refresh(&mut self, peer: &PeerCard) {
        let device = peer.device.as_bytes();
        let Some(known) = self.by_device(&peer.device) else { return };
        if known.name == peer.name && known.noise_key == peer.noise_key.0 {
            return;
        }
        let newer = peer.valid_from_unix_s >= known.noise_valid_from_s;
        self.change(|store| {
            store.set_name(device, &peer.name)?;
            if newer {
                store.set_noise_key(device, &peer.noise_key.0, peer.valid_from_unix_s, &peer.signature.0)?;
            }
            Ok(())
        });
    }

    pub(crate) fn set_verified(&mut self, device: &DeviceId, at_ms: Option<i64>) {
        if self.by_device(device).is_some() {
            self.change(|store| store.set_verified(device.as_bytes(), at_ms));
        }
    }

    /// Does what the user wants with a contact.
    pub(crate) fn change_contact(&mut self, id: &str, change: ContactChange) {
        let Some(device) = self.by_id(id).map(|contact| contact.device) else { return };
        self.change(|store| match change {
            ContactChange::Rename(name) => {
                let name = eyeline_seal::clean_name(&name);
                store.set_alias(&device, Some(name.as_str()).filter(|name| !name.is_empty()))
            }
            ContactChange::Block(blocked) => store.set_blocked(&device, blocked),
            ContactChange::RelayOnly(on) => store.set_relay_only(&device, on),
            ContactChange::Presence(on) => store.set_presence_allowed(&device, on),
            ContactChange::Remove => store.remove_contact(&device).map(drop),
        });
    }

    pub(crate) fn remember(&mut self, past: Past) {
        let device = past.device.filter(|device| self.by_device(device).is_some());
        let seen = past.outcome != Outcome::Missed;
        let history = History {
            id: 0,
            device: device.map(|device| *device.as_bytes()),
            name: past.name,
            direction: past.direction,
            kind: past.kind,
            outcome: past.outcome,
            started_at: past.started_ms,
            duration_ms: past.duration_ms,
            seen,
        };
        self.change(|store| store.add_history(&history).map(drop));
    }

    pub(crate) fn missed_seen(&mut self) {
        self.change(People::mark_seen);
    }

    pub(crate) fn forget_past(&mut self, id: i64) {
        self.change(|store| store.remove_history(id).map(drop));
    }

    pub(crate) fn clear_history(&mut self) {
        self.change(People::clear_history);
    }

    /// Forgets everybody, and is somebody new.
    pub(crate) fn wipe(&mut self, identity: Arc<Identity>) {
        self.identity = identity;
        self.online.clear();
        self.change(People::wipe);
    }

    pub(crate) fn export(&self) -> serde_json::Value {
        self.store.export().unwrap_or_else(|error| failed(&error, serde_json::Value::Null))
    }

    // ---- shown

    pub(crate) fn shown_contacts(&self) -> Vec<view::Contact> {
        self.list.iter().filter_map(|contact| self.shown(contact)).collect()
    }

    fn shown(&self, contact: &Contact) -> Option<view::Contact> {
        let online = |their: &Reach| self.online.contains(&(their.server.clone(), InboxId(their.inbox_id)));
        Some(view::Contact {
            id: DeviceId::from_bytes(contact.device).ok()?.to_string(),
            name: contact.shown_name().to_owned(),
            own_name: contact.name.clone(),
            verified: contact.verified_at.is_some(),
            blocked: contact.blocked,
            online: contact.their.as_ref().is_some_and(online),
            can_ring: contact.their.is_some() && !contact.blocked,
            presence_allowed: contact.presence_allowed,
            relay_only: contact.relay_only,
        })
    }

    pub(crate) fn shown_history(&self) -> Vec<view::PastCall> {
        let shown = |past: &History| view::PastCall {
            id: past.id,
            contact: past.device.and_then(|device| Some(DeviceId::from_bytes(device).ok()?.to_string())),
            name: self.name_of(past),
            incoming: past.direction == Direction::In,
            outcome: match past.outcome {
                Outcome::Answered => view::Outcome::Answered,
                Outcome::Missed => view::Outcome::Missed,
                Outcome::Declined => view::Outcome::Declined,
                Outcome::Busy => view::Outcome::Busy,
                Outcome::Cancelled => view::Outcome::Cancelled,
                Outcome::Failed => view::Outcome::Failed,
            },
            at_unix_ms: past.started_at,
            duration_ms: past.duration_ms,
            unseen: !past.seen,
        };
        self.history.iter().map(shown).collect()
    }

    /// A contact's name of today, else the one of then.
    fn name_of(&self, past: &History) -> String {
        let contact = past.device.and_then(|device| self.list.iter().find(|contact| contact.device == device));
        contact.map_or_else(|| past.name.clone(), |contact| contact.shown_name().to_owned())
    }

    pub(crate) fn unseen_missed(&self) -> u32 {
        u32::try_from(self.unseen_missed).unwrap_or(u32::MAX)
    }
}

/// The store is a file that can fail; calls work without it.
fn failed<T>(error: &PeopleError, instead: T) -> T {
    tracing::warn!(%error, "the store of contacts and calls");
    instead
}
