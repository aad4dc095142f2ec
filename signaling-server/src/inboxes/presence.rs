//! Who may ring an inbox, and who is told that it is open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use eyeline_protocol::{Grant, InboxId, ServerMessage, TokenHash, Watched};

use super::{ConnId, Full, Inboxes, Ticket};

impl Inboxes {
    /// Replaces what a socket watches, and tells it what of that is open.
    pub(crate) fn watch(&mut self, now: Instant, conn: ConnId, contacts: &[Watched]) -> Result<(), Full> {
        let new: BTreeSet<Ticket> =
            contacts.iter().map(|contact| Ticket::new(contact.inbox_id, &contact.token)).collect();
        let old = std::mem::take(&mut self.conn_mut(now, conn).watching);
        if self.watched - old.len() + new.len() > self.config.watched_max {
            self.conn_mut(now, conn).watching = old;
            return Err(Full);
        }
        self.unwatch(conn, &old);
        self.watched += new.len();
        for ticket in &new {
            self.watchers.entry(*ticket).or_default().insert(conn);
            if self.shows(*ticket) {
                self.say(conn, ServerMessage::Presence { inbox_id: ticket.inbox, online: true });
            }
        }
        self.conn_mut(now, conn).watching = new;
        Ok(())
    }

    pub(super) fn unwatch(&mut self, conn: ConnId, tickets: &BTreeSet<Ticket>) {
        self.watched -= tickets.len();
        for ticket in tickets {
            if let Some(watchers) = self.watchers.get_mut(ticket) {
                watchers.remove(&conn);
                if watchers.is_empty() {
                    self.watchers.remove(ticket);
                }
            }
        }
    }

    /// Replaces an inbox's list. To a watcher, losing the permission looks as if the owner had gone offline.
    pub(super) fn set_grants(&mut self, id: InboxId, tokens: &[Grant]) {
        let new: BTreeMap<TokenHash, bool> = tokens.iter().map(|grant| (grant.hash, grant.presence)).collect();
        let Some(inbox) = self.inboxes.get_mut(&id) else { return };
        let old = std::mem::replace(&mut inbox.hashes, new.keys().copied().collect());
        for hash in old.iter().filter(|hash| !new.contains_key(hash)) {
            self.set_grant(Ticket { inbox: id, hash: *hash }, None);
        }
        for (hash, presence) in new {
            self.set_grant(Ticket { inbox: id, hash }, Some(presence));
        }
    }

    fn set_grant(&mut self, ticket: Ticket, grant: Option<bool>) {
        let before = self.shows(ticket);
        match grant {
            Some(presence) => self.grants.insert(ticket, presence),
            None => self.grants.remove(&ticket),
        };
        let online = self.shows(ticket);
        if online == before {
            return;
        }
        let watchers: Vec<ConnId> = self.watchers.get(&ticket).into_iter().flatten().copied().collect();
        for conn in watchers {
            self.say(conn, ServerMessage::Presence { inbox_id: ticket.inbox, online });
        }
    }

    /// Whether a watcher with this token sees the inbox open.
    fn shows(&self, ticket: Ticket) -> bool {
        self.grants.get(&ticket).copied().unwrap_or(false)
    }
}
