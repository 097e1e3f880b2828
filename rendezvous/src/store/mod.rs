//! The store of a rendezvous on one machine: an embedded SQLite database.
//!
//! Written ahead (WAL), synchronized fully: what is committed survives a power cut. One process and one thread use it.

mod accounts;
mod contacts;
mod mailboxes;
mod schema;
mod setup;
mod value;

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::core::store::StoreError;

pub use self::schema::OpenError;

/// Prepared statements kept; more than there are.
const STATEMENTS: usize = 64;

/// An open database.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

/// A batch of changes that becomes durable, all or nothing, with [`Tx::commit`]. Dropped without it, nothing happened.
#[derive(Debug)]
pub struct Tx<'a> {
    tx: rusqlite::Transaction<'a>,
}

impl Sqlite {
    /// Opens the database file, making or migrating it as needed. The file must be one that only its owner reads.
    ///
    /// # Errors
    /// [`OpenError`], also when the database was made by a newer version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::on(Connection::open(path)?)
    }

    /// A database that is gone when it is dropped.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::on(Connection::open_in_memory()?)
    }

    /// A database on a connection that the caller has opened, and may have taught to fail, for tests and simulations.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn on(mut connection: Connection) -> Result<Self, OpenError> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        schema::prepare(&mut connection)?;
        Ok(Self { connection })
    }

    /// Begins a batch of changes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        Ok(Tx { tx })
    }

    /// Writes what is in the log into the database proper, so that the next start has nothing to replay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").map_err(failed)
    }
}

impl Tx<'_> {
    /// Makes the changes durable. When this fails, nothing of them may be acknowledged and the process must end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::Failed(Box::new(error))
}
