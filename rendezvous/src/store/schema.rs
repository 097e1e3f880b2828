//! The tables, and how they came to be.

use rusqlite::Connection;
use thiserror::Error;

/// Every version of the schema, as the step that leads to it from the one before. Steps are never changed once released.
const MIGRATIONS: [&str; 2] = [include_str!("0001.sql"), include_str!("0002.sql")];

/// Why the database could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// SQLite refused, typically because the file is not a database, is locked, or the disk is full.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A newer Hobnob made it, and this one does not know what is in it.
    #[error("the database has version {found}, this program knows up to {known}: update the program")]
    TooNew {
        /// Version of the database.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
}

/// Brings a database, new or old, to the newest version and sets how it is used.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), OpenError> {
    connection.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -32768;",
    )?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    for (version, step) in (1..).zip(MIGRATIONS).skip(found as usize) {
        let tx = connection.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_gets_the_newest_version_and_an_open_one_keeps_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        for _ in 0..2 {
            prepare(&mut connection).unwrap();
            let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version as usize, MIGRATIONS.len());
        }
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = prepare(&mut connection).unwrap_err();
        let expected = format!(
            "the database has version 99, this program knows up to {}: update the program",
            MIGRATIONS.len()
        );
        assert_eq!(error.to_string(), expected);
    }
}
