//! Tables, and how older files become newer ones.

use rusqlite::Connection;

use super::StoreError;

/// Steps from one format to the next; the file's `user_version` counts those taken. A step that was
/// released never changes: add another.
const STEPS: &[&str] = &[
    concat!(
        include_str!("schema/keys.sql"),
        include_str!("schema/contacts.sql"),
        include_str!("schema/letters.sql"),
        include_str!("schema/transfers.sql"),
    ),
    include_str!("schema/paths.sql"),
    include_str!("schema/queue.sql"),
    include_str!("schema/updates.sql"),
    include_str!("schema/parts.sql"),
    include_str!("schema/chats.sql"),
    include_str!("schema/again.sql"),
    include_str!("schema/devices.sql"),
    include_str!("schema/history.sql"),
    include_str!("schema/swarms.sql"),
];

/// Brings a file to the newest format.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}
