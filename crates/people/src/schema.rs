//! The schema and its versions. A version that was released never changes: what follows is a new entry.

use rusqlite::Connection;

use crate::PeopleError;

/// Marks a file as ours (SQLite's `application_id`): "EyeP".
pub(crate) const APPLICATION_ID: i32 = 0x4579_6550;

/// What leads from one version to the next; the first makes version 1 of nothing.
pub(crate) const MIGRATIONS: &[&str] = &[V1];

const V1: &str = "
    CREATE TABLE contact (
        device BLOB NOT NULL PRIMARY KEY CHECK (length(device) = 32),
        name TEXT NOT NULL,
        alias TEXT,
        verified_at INTEGER,
        blocked INTEGER NOT NULL,
        server TEXT,
        inbox_id BLOB CHECK (length(inbox_id) = 16),
        ring_token BLOB CHECK (length(ring_token) = 16),
        noise_key BLOB NOT NULL CHECK (length(noise_key) = 32),
        noise_valid_from_s INTEGER NOT NULL CHECK (noise_valid_from_s >= 0),
        noise_signature BLOB NOT NULL CHECK (length(noise_signature) = 64),
        our_token BLOB NOT NULL CHECK (length(our_token) = 16),
        presence_allowed INTEGER NOT NULL,
        relay_only INTEGER NOT NULL,
        added_at INTEGER NOT NULL,
        CHECK ((server IS NULL) = (inbox_id IS NULL) AND (server IS NULL) = (ring_token IS NULL))
    ) STRICT;
    CREATE TABLE history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        device BLOB REFERENCES contact (device) ON DELETE SET NULL,
        name TEXT NOT NULL,
        direction TEXT NOT NULL,
        kind TEXT NOT NULL,
        outcome TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        seen INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX history_by_time ON history (started_at, id);
    CREATE INDEX history_by_device ON history (device);
";

/// The file's schema version; 0 when nothing is in it yet.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the file to the newest of `migrations`; all of them count or none. Wants a connection whose transactions are
/// immediate.
///
/// # Errors
/// [`PeopleError::Newer`] without a change; SQLite's errors, the file then being as before.
pub(crate) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), PeopleError> {
    let transaction = connection.transaction()?;
    let found = check_version(&transaction, migrations)?;
    let pending = migrations.iter().zip(1_i64..).skip_while(|(_, number)| *number <= found);
    for (migration, number) in pending {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        tracing::info!(schema = number, "contacts migrated");
    }
    transaction.commit()?;
    Ok(())
}

/// The file's version, if it is one that `migrations` know.
///
/// # Errors
/// [`PeopleError::Newer`].
pub(crate) fn check_version(connection: &Connection, migrations: &[&str]) -> Result<i64, PeopleError> {
    let found = version(connection)?;
    let known = i64::try_from(migrations.len()).expect("a handful of versions");
    if found > known { Err(PeopleError::Newer { found, known }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_FILE: &[u8] = include_bytes!("../tests/fixtures/people-v1.sqlite");

    fn version_1() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.sqlite");
        std::fs::write(&path, V1_FILE).unwrap();
        (folder, Connection::open(path).unwrap())
    }

    fn count(connection: &Connection, table: &str) -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_later_version_keeps_what_an_older_one_wrote() {
        let (_folder, mut connection) = version_1();
        assert_eq!(version(&connection).unwrap(), 1);
        let (contacts, calls) = (count(&connection, "contact"), count(&connection, "history"));
        assert!(contacts > 0 && calls > 0);
        let v2 = "ALTER TABLE contact ADD COLUMN note TEXT NOT NULL DEFAULT 'none'; CREATE TABLE later (x) STRICT";
        assert!(migrate(&mut connection, &[V1, v2]).is_err(), "STRICT wants a type: nothing of the step stays");
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT note FROM contact").is_err());

        let v2 = "ALTER TABLE contact ADD COLUMN note TEXT NOT NULL DEFAULT 'none'";
        let v3 = "CREATE INDEX contact_by_note ON contact (note)";
        migrate(&mut connection, &[V1, v2, v3]).unwrap();
        assert_eq!(version(&connection).unwrap(), 3);
        assert_eq!((count(&connection, "contact"), count(&connection, "history")), (contacts, calls));
        let noted: i64 =
            connection.query_row("SELECT count(*) FROM contact WHERE note = 'none'", [], |row| row.get(0)).unwrap();
        assert_eq!(noted, contacts);
        let newer = migrate(&mut connection, &[V1, v2]).unwrap_err();
        assert!(matches!(newer, PeopleError::Newer { found: 3, known: 2 }), "{newer:?}");
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let (_folder, mut connection) = version_1();
        migrate(&mut connection, MIGRATIONS).unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        assert_eq!(usize::try_from(version(&connection).unwrap()).unwrap(), MIGRATIONS.len());
    }
}
