//! Databases that SQLCipher encrypts, page by page, with their logs and indexes.
//!
//! It takes the place of plain SQLite in a build with the feature `passphrase`; without it nothing can be sealed.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use super::key::StoreKey;

/// Opens a sealed database.
#[cfg(feature = "passphrase")]
pub(super) fn open(path: &Path, key: &StoreKey) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    let hex = key.hex();
    connection.pragma_update(None, "key", format!("x'{}'", hex.as_str()))?;
    Ok(connection)
}

/// Copies a plain database to a sealed one, which must be empty.
#[cfg(feature = "passphrase")]
pub(super) fn copy_to_sealed(from: &Connection, to: &Path, key: &StoreKey) -> Result<(), StoreError> {
    let hex = key.hex();
    copy(from, to, &zeroize::Zeroizing::new(format!("x'{}'", hex.as_str())))
}

/// Copies a sealed database to a plain one, which must be empty.
#[cfg(feature = "passphrase")]
pub(super) fn copy_to_plain(from: &Connection, to: &Path) -> Result<(), StoreError> {
    copy(from, to, "")
}

#[cfg(feature = "passphrase")]
fn copy(from: &Connection, to: &Path, key: &str) -> Result<(), StoreError> {
    let to = to.to_str().ok_or(StoreError::Damaged("the folder has a name that is not UTF-8"))?;
    from.execute("ATTACH DATABASE ?1 AS copy KEY ?2", [to, key])?;
    from.query_row("SELECT sqlcipher_export('copy')", [], |_| Ok(()))?;
    let format: i64 = from.pragma_query_value(None, "user_version", |row| row.get(0))?;
    from.pragma_update(Some("copy"), "user_version", format)?;
    from.execute("DETACH DATABASE copy", [])?;
    Ok(())
}

/// Opens a sealed database.
#[cfg(not(feature = "passphrase"))]
pub(super) fn open(_: &Path, _: &StoreKey) -> Result<Connection, StoreError> {
    Err(StoreError::NoPassphrases)
}

/// Copies a plain database to a sealed one, which must be empty.
#[cfg(not(feature = "passphrase"))]
pub(super) fn copy_to_sealed(_: &Connection, _: &Path, _: &StoreKey) -> Result<(), StoreError> {
    Err(StoreError::NoPassphrases)
}

/// Copies a sealed database to a plain one, which must be empty.
#[cfg(not(feature = "passphrase"))]
pub(super) fn copy_to_plain(_: &Connection, _: &Path) -> Result<(), StoreError> {
    Err(StoreError::NoPassphrases)
}
