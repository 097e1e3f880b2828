//! The core's storage traits on SQLite.
//!
//! One file per home. Secrets live in it and nowhere else, so the folder is 0700 and the file 0600. One
//! process owns a home: it holds a lock on a file beside the database. `synchronous=FULL`: what was
//! committed survives a power cut.
//!
//! | module | holds |
//! | --- | --- |
//! | `schema` | tables, and how older files become newer ones |
//! | `keys` | identity, Olm account and sessions, pinned device lists |
//! | `devices` | own devices, and what the user should know of them |
//! | `contacts` | roster and settings |
//! | `letters`, `copies`, `inbox` | history, copies on their way, letters that came in |
//! | `changes`, `chats` | what changes letters, drafts, wishes, what is sent later |
//! | `history`, `search` | pages, forgetting, letters that are carried; the index of their words |
//! | [`passphrase`], `key`, `sealed` | a store that a passphrase guards |
//! | `transfers` | files on their way, and those that were |

mod changes;
mod chats;
mod column;
mod contacts;
mod copies;
mod devices;
mod history;
mod inbox;
mod key;
mod keys;
mod letters;
pub mod passphrase;
mod schema;
mod sealed;
mod search;
mod transfers;

use std::cell::Cell;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};
use thiserror::Error;

pub use self::passphrase::Passphrase;
use crate::core::store::Fallible;

/// Name of the database in the home.
const FILE: &str = "hobnob.db";
/// Name of the lock beside it. SQLite's own locks stand on the database, and closing any handle of that
/// file would release them.
const LOCK: &str = "lock";

/// Prepared statements that are kept.
const STATEMENTS: usize = 128;

/// Why the store cannot be opened or used. The process must end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process owns the home.
    #[error("{} is in use by another running hobnob; stop it, or choose another folder with --home", .0.display())]
    InUse(PathBuf),
    /// A newer version of the app wrote the file.
    #[error(
        "the data was written by a newer version of hobnob (format {found}, this one knows {known}); update hobnob"
    )]
    Newer {
        /// Format of the file.
        found: i64,
        /// Newest format known here.
        known: i64,
    },
    /// The folder or a file in it cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The disk is full.
    #[error("the disk is full: nothing more can be kept; free some space and start hobnob again")]
    Full,
    /// The file is damaged or not a database.
    #[error("the data of hobnob is damaged ({0}); restore the folder from a backup")]
    Damaged(&'static str),
    /// A passphrase guards the store.
    #[error("the store in {} is locked with a passphrase; give it on a terminal or with --passphrase-file", .0.display())]
    Locked(PathBuf),
    /// It is not this one.
    #[error("the passphrase is wrong; try again")]
    WrongPassphrase,
    /// There is one already.
    #[error("the store has a passphrase already; change it with `hobnob store passphrase`")]
    AlreadyLocked,
    /// There is none.
    #[error("the store has no passphrase; set one with `hobnob store lock`")]
    NotLocked,
    /// This program was built without encryption of the store.
    #[error("this hobnob was built without encryption of the store; build it with `--features passphrase`")]
    NoPassphrases,
    /// SQLite failed otherwise.
    #[error("the data of hobnob cannot be read or written: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                Self::Damaged("not a database")
            }
            _ => Self::Sqlite(error),
        }
    }
}

/// The database of a home, open and locked.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// Whether the log may hold what was erased.
    erased: Cell<bool>,
    /// Held for its lock; none in memory.
    _lock: Option<File>,
}

/// One transaction. Dropped without [`Tx::commit`], it leaves no trace.
#[derive(Debug)]
pub struct Tx<'a> {
    transaction: Transaction<'a>,
    /// Whether something was erased that no file may hold after the commit.
    erased: bool,
    database: &'a Database,
}

impl Database {
    /// Opens the database in `home`, making folder and file when they are missing.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Locked`] when a passphrase guards it.
    pub fn open(home: &Path) -> Result<Self, StoreError> {
        let lock = Self::own(home)?;
        if passphrase::is_locked(home) {
            return Err(StoreError::Locked(home.to_owned()));
        }
        let path = home.join(FILE);
        // Made by us, so that it is private from its first byte; SQLite gives the same mode to its log.
        private().open(&path).map_err(|error| StoreError::File { path: path.clone(), error })?;
        let connection = Connection::open(&path)?;
        Self::prepare(connection, Some(lock))
    }

    /// Opens the database in `home`, which `passphrase` guards.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::NotLocked`] when there is no passphrase.
    pub fn unlock(home: &Path, passphrase: &Passphrase) -> Result<Self, StoreError> {
        let lock = Self::own(home)?;
        let key = passphrase::open_key(home, passphrase)?;
        let connection = sealed::open(&home.join(passphrase::SEALED), &key)?;
        Self::prepare(connection, Some(lock))
    }

    /// Makes the home when it is missing, takes it for this process, and removes what was left behind.
    fn own(home: &Path) -> Result<File, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(home)
            .map_err(|error| StoreError::File { path: home.to_owned(), error })?;
        let lock = lock(home)?;
        passphrase::tidy(home)?;
        Ok(lock)
    }

    /// A database that is gone when it is dropped, for tests and simulations.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::on(Connection::open_in_memory()?)
    }

    /// A database on a connection that the caller has opened, and may have taught to fail, for tests and simulations. It
    /// locks no home.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn on(connection: Connection) -> Result<Self, StoreError> {
        Self::prepare(connection, None)
    }

    fn prepare(mut connection: Connection, lock: Option<File>) -> Result<Self, StoreError> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        schema::migrate(&mut connection)?;
        let database = Self { connection, erased: Cell::new(true), _lock: lock };
        database.scrub()?;
        Ok(database)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        // `&mut self` keeps a second transaction away, as `Connection::transaction` would.
        let transaction = self.connection.unchecked_transaction()?;
        Ok(Tx { transaction, erased: false, database: self })
    }

    /// Moves the log into the database and empties it, when it may hold what was erased; the pages of the database are
    /// overwritten (`secure_delete`). Whoever reads just now holds that up until the next commit.
    fn scrub(&self) -> Result<(), StoreError> {
        if self.erased.get() {
            let busy: i64 =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            self.erased.set(busy != 0);
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Makes everything done in the transaction last. What it erased is in no file afterwards.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit(self) -> Result<(), StoreError> {
        let Self { transaction, erased, database } = self;
        transaction.commit()?;
        database.erased.set(database.erased.get() || erased);
        database.scrub()
    }
}

impl Fallible for Tx<'_> {
    type Error = StoreError;
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

fn lock(home: &Path) -> Result<File, StoreError> {
    let path = home.join(LOCK);
    let file = private().open(&path).map_err(|error| StoreError::File { path: path.clone(), error })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(home.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::File { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::core::store::SettingStore;

    #[test]
    fn what_was_committed_is_there_again_and_the_rest_is_not() {
        let home = tempfile::tempdir().unwrap();
        let mut database = Database::open(home.path()).unwrap();
        let mut tx = database.begin().unwrap();
        tx.set_setting("a", "1").unwrap();
        tx.commit().unwrap();
        let mut tx = database.begin().unwrap();
        tx.set_setting("a", "2").unwrap();
        drop(tx);
        drop(database);
        let mut database = Database::open(home.path()).unwrap();
        assert_eq!(database.begin().unwrap().setting("a").unwrap().as_deref(), Some("1"));
    }

    #[test]
    fn a_home_belongs_to_one_process_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let first = Database::open(home.path()).unwrap();
        assert!(matches!(Database::open(home.path()).unwrap_err(), StoreError::InUse(_)));
        drop(first);
        Database::open(home.path()).unwrap();
    }

    #[test]
    fn folder_and_files_are_private() {
        let outer = tempfile::tempdir().unwrap();
        let home = outer.path().join("home");
        let mut database = Database::open(&home).unwrap();
        let mut tx = database.begin().unwrap();
        tx.set_setting("a", "1").unwrap();
        tx.commit().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home), 0o700);
        for entry in std::fs::read_dir(&home).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        drop(Database::open(home.path()).unwrap());
        let connection = Connection::open(home.path().join(FILE)).unwrap();
        connection.pragma_update(None, "user_version", 1_000).unwrap();
        drop(connection);
        assert!(matches!(Database::open(home.path()).unwrap_err(), StoreError::Newer { found: 1_000, .. }));
    }

    #[test]
    fn a_file_that_is_no_database_is_said_to_be_damaged() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), vec![7; 4_096]).unwrap();
        assert!(matches!(Database::open(home.path()).unwrap_err(), StoreError::Damaged(_)));
    }
}
