//! Past calls in the database.

use rusqlite::{Row, params};

use crate::open::remove_damaged;
use crate::past::{Direction, Outcome};
use crate::{HISTORY_MAX, History, People, PeopleError};

pub(crate) const SELECT: &str =
    "SELECT id, device, name, direction, kind, outcome, started_at, duration_ms, seen FROM history";

/// A device counts only if it is a contact's.
const ADD: &str = "INSERT INTO history (device, name, direction, kind, outcome, started_at, duration_ms, seen)
    VALUES ((SELECT device FROM contact WHERE device = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const FORGET_OLDEST: &str = "DELETE FROM history WHERE id IN
    (SELECT id FROM history ORDER BY started_at DESC, id DESC LIMIT -1 OFFSET ?1)";

impl People {
    /// Keeps a past call and returns its id; `call.id` does not matter. Beyond [`HISTORY_MAX`] the oldest is forgotten.
    ///
    /// # Errors
    /// SQLite's.
    pub fn add_history(&mut self, call: &History) -> Result<i64, PeopleError> {
        let transaction = self.connection.transaction()?;
        let History { id: _, device, name, direction, kind, outcome, started_at, duration_ms, seen } = call;
        transaction.execute(ADD, params![device, name, direction, kind, outcome, started_at, duration_ms, seen])?;
        let id = transaction.last_insert_rowid();
        transaction.execute(FORGET_OLDEST, [HISTORY_MAX])?;
        transaction.commit()?;
        Ok(id)
    }

    /// The newest `limit` past calls, newest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn history(&self, limit: usize) -> Result<Vec<History>, PeopleError> {
        let select = format!("{SELECT} ORDER BY started_at DESC, id DESC LIMIT ?1");
        let mut statement = self.connection.prepare(&select)?;
        let calls = statement.query_map([limit.min(HISTORY_MAX)], history_of_row)?;
        Ok(calls.collect::<Result<_, _>>()?)
    }

    /// How many calls to us were missed and not looked at.
    ///
    /// # Errors
    /// SQLite's.
    pub fn unseen_missed(&self) -> Result<usize, PeopleError> {
        let count = "SELECT count(*) FROM history WHERE direction = ?1 AND outcome = ?2 AND NOT seen";
        Ok(self.connection.query_row(count, params![Direction::In, Outcome::Missed], |row| row.get(0))?)
    }

    /// The user has looked at all of them.
    ///
    /// # Errors
    /// SQLite's.
    pub fn mark_seen(&mut self) -> Result<(), PeopleError> {
        self.connection.execute("UPDATE history SET seen = 1 WHERE NOT seen", [])?;
        Ok(())
    }

    /// Forgets one past call; whether there was one.
    ///
    /// # Errors
    /// SQLite's.
    pub fn remove_history(&mut self, id: i64) -> Result<bool, PeopleError> {
        let removed = self.connection.execute("DELETE FROM history WHERE id = ?1", [id])? > 0;
        self.empty_journal()?;
        Ok(removed)
    }

    /// Forgets all past calls.
    ///
    /// # Errors
    /// SQLite's.
    pub fn clear_history(&mut self) -> Result<(), PeopleError> {
        self.connection.execute("DELETE FROM history", [])?;
        Ok(self.empty_journal()?)
    }

    /// Forgets everybody and every call, overwrites what was there on the disk, and removes damaged files that were kept
    /// aside. Keys are the caller's to delete.
    ///
    /// # Errors
    /// SQLite's; those of the file system when a damaged file cannot be removed, after all else is done.
    pub fn wipe(&mut self) -> Result<(), PeopleError> {
        let transaction = self.connection.transaction()?;
        transaction.execute_batch("DELETE FROM history; DELETE FROM contact; DELETE FROM sqlite_sequence;")?;
        transaction.commit()?;
        self.empty_journal()?; // zeros reach the file before it is made shorter
        self.connection.execute_batch("VACUUM")?;
        self.empty_journal()?;
        tracing::info!("contacts and history deleted");
        match &self.path {
            Some(path) => Ok(remove_damaged(path)?),
            None => Ok(()),
        }
    }
}

fn history_of_row(row: &Row<'_>) -> rusqlite::Result<History> {
    Ok(History {
        id: row.get("id")?,
        device: row.get("device")?,
        name: row.get("name")?,
        direction: row.get("direction")?,
        kind: row.get("kind")?,
        outcome: row.get("outcome")?,
        started_at: row.get("started_at")?,
        duration_ms: row.get("duration_ms")?,
        seen: row.get("seen")?,
    })
}
