//! Opening the file, whatever state it is in.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::schema::{APPLICATION_ID, MIGRATIONS, check_version, migrate};
use crate::{People, PeopleError, contacts, history};

/// How long a change waits for another process that is changing the file.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Damaged files that are kept; with as many there, the last one is replaced.
const DAMAGED_MAX: u32 = 99;

/// What was found on opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was no file, or an empty one.
    New,
    /// A file in order, of this version or brought up to it.
    Existing,
    /// The file was damaged. It was kept aside, and a new one begun.
    Recovered {
        /// Where the damaged file is now.
        kept_as: PathBuf,
    },
}

impl People {
    /// Opens the file at `path`, or makes it and its folder. Only this user may read it. Several processes may have it
    /// open.
    ///
    /// # Errors
    /// [`PeopleError::Newer`] with the file unchanged; otherwise those of the file system and of SQLite. A damaged file
    /// is not an error.
    pub fn open(path: &Path) -> Result<(Self, Opened), PeopleError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // Held until the file is in order: two processes must not both make, migrate or set aside the same file.
        let opening = private_file(&beside(path, ".lock"))?;
        opening.lock()?;
        let is_new = private_file(path)?.metadata()?.len() == 0;
        match connect(path) {
            Ok(connection) => {
                let opened = if is_new { Opened::New } else { Opened::Existing };
                Ok((Self { connection, path: Some(path.to_path_buf()) }, opened))
            }
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, "file of contacts is damaged and kept aside");
                let kept_as = set_aside(path)?;
                private_file(path)?;
                let connection = connect(path)?;
                Ok((Self { connection, path: Some(path.to_path_buf()) }, Opened::Recovered { kept_as }))
            }
            Err(error) => Err(error),
        }
    }

    /// Contacts that are gone when this is dropped.
    ///
    /// # Errors
    /// SQLite's.
    pub fn in_memory() -> Result<Self, PeopleError> {
        Ok(Self { connection: ready(Connection::open_in_memory()?)?, path: None })
    }
}

fn connect(path: &Path) -> Result<Connection, PeopleError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    ready(Connection::open_with_flags(path, flags)?)
}

/// Checks a file, then makes it ready for use. Nothing is written before its version is known to be ours.
fn ready(mut connection: Connection) -> Result<Connection, PeopleError> {
    connection.busy_timeout(BUSY_MAX)?;
    check_version(&connection, MIGRATIONS)?;
    check_whole(&connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    // A reader that becomes a writer cannot wait for another writer, so whoever will write says so first.
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    migrate(&mut connection, MIGRATIONS)?;
    connection.prepare(contacts::SELECT)?;
    connection.prepare(history::SELECT)?;
    Ok(connection)
}

/// Whether every page is where it belongs, and the file is ours.
fn check_whole(connection: &Connection) -> Result<(), PeopleError> {
    let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if verdict == "ok" && (id == APPLICATION_ID || tables == 0) {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some("not a whole file of contacts".into())).into())
}

/// Whether the file itself is at fault: not the disk, not its rights, not another process.
fn is_damage(error: &PeopleError) -> bool {
    let PeopleError::Database(error) = error else { return false };
    match error {
        rusqlite::Error::SqlInputError { .. } => true, // a table or column is not there
        error => matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)),
    }
}

/// Moves the file and its journal to the first free name.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |number| beside(path, &format!(".damaged-{number}"));
    let free = (1..DAMAGED_MAX).find(|number| !named(*number).exists()).unwrap_or(DAMAGED_MAX);
    let kept_as = named(free);
    for journal in ["-wal", "-shm"] {
        match fs::rename(beside(path, journal), beside(&kept_as, journal)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, &kept_as)?;
    Ok(kept_as)
}

/// Removes what [`set_aside`] kept: it holds names as well.
pub(crate) fn remove_damaged(path: &Path) -> io::Result<()> {
    for number in 1..=DAMAGED_MAX {
        for journal in ["-wal", "-shm", ""] {
            match fs::remove_file(beside(path, &format!(".damaged-{number}{journal}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Opens or makes a file for this user only. SQLite gives its journals the same rights.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o600))?; // it may have been made by other hands
    }
    Ok(file)
}
