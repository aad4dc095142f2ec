//! Whom this device knows: contacts and past calls in one local database, and the device's secrets in the system's
//! keychain or in a file that only this user may read.
//!
//! Everything here is synchronous and short; a database of this size answers in well under a millisecond. The clock is
//! the caller's: times come in as unix milliseconds.

mod contact;
mod contacts;
mod export;
mod history;
mod open;
mod past;
mod schema;
mod secrets;

use std::path::PathBuf;

use rusqlite::Connection;

pub use crate::contact::{Contact, DeviceKey, Reach};
pub use crate::open::Opened;
pub use crate::past::{CallKind, Direction, History, Outcome};
pub use crate::secrets::{Kind, SECRET_BYTES_MAX, SecretError, SecretStore};

/// Contacts that are kept; as many as the server watches for one device. One more is refused.
pub const CONTACTS_MAX: usize = 256;

/// Past calls that are kept; the oldest give way.
pub const HISTORY_MAX: usize = 2_000;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// A later version of Eyeline wrote the file. It is left as it was.
    #[error("contacts were written by a newer version of Eyeline (schema {found}, this one knows {known})")]
    Newer {
        /// Schema version of the file.
        found: i64,
        /// The newest schema version known here.
        known: i64,
    },
    /// There are [`CONTACTS_MAX`] contacts already.
    #[error("there is no room for another contact")]
    Full,
    /// The contact to change is not there.
    #[error("no such contact")]
    NoSuchContact,
    /// The file or its folder cannot be used.
    #[error("cannot use the file of contacts: {0}")]
    File(#[from] std::io::Error),
    /// SQLite refuses.
    #[error("contacts: {0}")]
    Database(#[from] rusqlite::Error),
}

/// Contacts and past calls. Each change is on disk when the call returns.
pub struct People {
    connection: Connection,
    /// `None` in memory.
    path: Option<PathBuf>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").field("in_memory", &self.path.is_none()).finish_non_exhaustive()
    }
}
