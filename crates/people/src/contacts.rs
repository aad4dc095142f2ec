//! Contacts in the database.

use rusqlite::{OptionalExtension, Params, Row, named_params, params};

use crate::{CONTACTS_MAX, Contact, DeviceKey, People, PeopleError, Reach};

pub(crate) const SELECT: &str = "SELECT device, name, alias, verified_at, blocked, server, inbox_id, ring_token,
    noise_key, noise_valid_from_s, noise_signature, our_token, presence_allowed, relay_only, added_at FROM contact";

/// Not `INSERT OR REPLACE`: that would remove the row first, and unlink its history.
const PUT: &str = "INSERT INTO contact VALUES (:device, :name, :alias, :verified_at, :blocked, :server, :inbox_id,
        :ring_token, :noise_key, :noise_valid_from_s, :noise_signature, :our_token, :presence_allowed, :relay_only,
        :added_at)
    ON CONFLICT (device) DO UPDATE SET name = :name, alias = :alias, verified_at = :verified_at, blocked = :blocked,
        server = :server, inbox_id = :inbox_id, ring_token = :ring_token, noise_key = :noise_key,
        noise_valid_from_s = :noise_valid_from_s, noise_signature = :noise_signature, our_token = :our_token,
        presence_allowed = :presence_allowed, relay_only = :relay_only, added_at = :added_at";

impl People {
    /// All contacts by shown name, case aside.
    ///
    /// # Errors
    /// SQLite's.
    pub fn contacts(&self) -> Result<Vec<Contact>, PeopleError> {
        let mut statement = self.connection.prepare(SELECT)?;
        let mut contacts = statement.query_map([], contact_of_row)?.collect::<Result<Vec<_>, _>>()?;
        contacts.sort_by_cached_key(|contact| (contact.shown_name().to_lowercase(), contact.device));
        Ok(contacts)
    }

    /// The contact with this device.
    ///
    /// # Errors
    /// SQLite's.
    pub fn contact(&self, device: &DeviceKey) -> Result<Option<Contact>, PeopleError> {
        let select = format!("{SELECT} WHERE device = ?1");
        Ok(self.connection.query_row(&select, [device], contact_of_row).optional()?)
    }

    /// Adds a contact, or puts all of this in place of what is known of their device.
    ///
    /// # Errors
    /// [`PeopleError::Full`]; SQLite's.
    pub fn put_contact(&mut self, contact: &Contact) -> Result<(), PeopleError> {
        let transaction = self.connection.transaction()?;
        let others: usize =
            transaction
                .query_row("SELECT count(*) FROM contact WHERE device <> ?1", [contact.device], |row| row.get(0))?;
        if others >= CONTACTS_MAX {
            return Err(PeopleError::Full);
        }
        let their = contact.their.as_ref();
        transaction.execute(
            PUT,
            named_params! {
                ":device": contact.device, ":name": contact.name, ":alias": contact.alias,
                ":verified_at": contact.verified_at, ":blocked": contact.blocked,
                ":server": their.map(|reach| reach.server.as_str()), ":inbox_id": their.map(|reach| reach.inbox_id),
                ":ring_token": their.map(|reach| reach.ring_token), ":noise_key": contact.noise_key,
                ":noise_valid_from_s": kept_seconds(contact.noise_valid_from_s),
                ":noise_signature": contact.noise_signature, ":our_token": contact.our_token,
                ":presence_allowed": contact.presence_allowed, ":relay_only": contact.relay_only,
                ":added_at": contact.added_at,
            },
        )?;
        Ok(transaction.commit()?)
    }

    /// Removes a contact; whether there was one. Their past calls stay, under their name alone.
    ///
    /// # Errors
    /// SQLite's.
    pub fn remove_contact(&mut self, device: &DeviceKey) -> Result<bool, PeopleError> {
        let removed = self.connection.execute("DELETE FROM contact WHERE device = ?1", [device])? > 0;
        self.empty_journal()?;
        Ok(removed)
    }

    /// Keeps the name they call themselves.
    ///
    /// # Errors
    /// [`PeopleError::NoSuchContact`]; SQLite's. So for every `set_` below.
    pub fn set_name(&mut self, device: &DeviceKey, name: &str) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET name = ?2 WHERE device = ?1", params![device, name])
    }

    /// Keeps the name we call them, or none.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_alias(&mut self, device: &DeviceKey, alias: Option<&str>) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET alias = ?2 WHERE device = ?1", params![device, alias])
    }

    /// Keeps when they were verified, unix milliseconds; `None` takes it back.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_verified(&mut self, device: &DeviceKey, at: Option<i64>) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET verified_at = ?2 WHERE device = ?1", params![device, at])
    }

    /// Keeps whether they are blocked.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_blocked(&mut self, device: &DeviceKey, blocked: bool) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET blocked = ?2 WHERE device = ?1", params![device, blocked])
    }

    /// Keeps whether calls with them go through a relay only.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_relay_only(&mut self, device: &DeviceKey, relay_only: bool) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET relay_only = ?2 WHERE device = ?1", params![device, relay_only])
    }

    /// Keeps whether they may see that we are online.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_presence_allowed(&mut self, device: &DeviceKey, allowed: bool) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET presence_allowed = ?2 WHERE device = ?1", params![device, allowed])
    }

    /// Keeps where they can be rung.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_reach(&mut self, device: &DeviceKey, their: Option<&Reach>) -> Result<(), PeopleError> {
        let (server, inbox_id) = (their.map(|reach| reach.server.as_str()), their.map(|reach| reach.inbox_id));
        self.change(
            "UPDATE contact SET server = ?2, inbox_id = ?3, ring_token = ?4 WHERE device = ?1",
            params![device, server, inbox_id, their.map(|reach| reach.ring_token)],
        )
    }

    /// Keeps the Noise key that rings to them are sealed to, and its signature; `valid_from_s` in unix seconds.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_noise_key(
        &mut self,
        device: &DeviceKey,
        key: &[u8; 32],
        valid_from_s: u64,
        signature: &[u8; 64],
    ) -> Result<(), PeopleError> {
        self.change(
            "UPDATE contact SET noise_key = ?2, noise_valid_from_s = ?3, noise_signature = ?4 WHERE device = ?1",
            params![device, key, kept_seconds(valid_from_s), signature],
        )
    }

    /// Keeps the secret by which they ring us: a new one takes the old one's power.
    ///
    /// # Errors
    /// See [`set_name`](Self::set_name).
    pub fn set_our_token(&mut self, device: &DeviceKey, token: &[u8; 16]) -> Result<(), PeopleError> {
        self.change("UPDATE contact SET our_token = ?2 WHERE device = ?1", params![device, token])
    }

    /// Devices of the contacts who call themselves `name`, or whom we call so; blanks around it and case aside. Somebody
    /// of that name with another device has another key, or is another person.
    ///
    /// # Errors
    /// SQLite's.
    pub fn known_under_name(&self, name: &str) -> Result<Vec<DeviceKey>, PeopleError> {
        let contacts = self.contacts()?;
        Ok(contacts.iter().filter(|contact| contact.is_called(name)).map(|contact| contact.device).collect())
    }

    fn change(&mut self, update: &str, values: impl Params) -> Result<(), PeopleError> {
        match self.connection.execute(update, values)? {
            0 => Err(PeopleError::NoSuchContact),
            _ => Ok(()),
        }
    }

    /// Writes the journal back into the file and cuts it, so that what was removed is not left in it. While another
    /// process reads, this is left to a later time.
    pub(crate) fn empty_journal(&self) -> rusqlite::Result<()> {
        let busy: bool = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            tracing::debug!("journal of contacts is in use");
        }
        Ok(())
    }
}

/// SQLite's integers are signed; a date beyond them is as good as the last one.
fn kept_seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn contact_of_row(row: &Row<'_>) -> rusqlite::Result<Contact> {
    let their = match row.get::<_, Option<String>>("server")? {
        Some(server) => Some(Reach { server, inbox_id: row.get("inbox_id")?, ring_token: row.get("ring_token")? }),
        None => None,
    };
    Ok(Contact {
        device: row.get("device")?,
        name: row.get("name")?,
        alias: row.get("alias")?,
        verified_at: row.get("verified_at")?,
        blocked: row.get("blocked")?,
        their,
        noise_key: row.get("noise_key")?,
        noise_valid_from_s: row.get::<_, i64>("noise_valid_from_s")?.unsigned_abs(), // the schema: never negative
        noise_signature: row.get("noise_signature")?,
        our_token: row.get("our_token")?,
        presence_allowed: row.get("presence_allowed")?,
        relay_only: row.get("relay_only")?,
        added_at: row.get("added_at")?,
    })
}
