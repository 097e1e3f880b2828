//! Letters that came in.

use hobnob_wire::mailbox::Sealed;
use hobnob_wire::{Address, LetterId};
use rusqlite::{OptionalExtension, Row, params};

use super::column::{address, count, device, letter, read};
use super::{StoreError, Tx};
use crate::core::letters::store::{InboxStore, Incoming, PARKED_LETTERS_MAX, Parked, SEEN_LETTERS_MAX};

/// Notes of seen letters are pruned once in so many.
const PRUNE_EVERY: i64 = 64;

fn incoming(row: &Row<'_>) -> Result<Incoming, StoreError> {
    Ok(Incoming {
        from: address(row, 0)?,
        device: device(row, 1)?,
        letter: letter(row, 2)?,
        sealed: read(row, 3, |bytes: Vec<u8>| Sealed::new(bytes).ok())?,
        by_mailbox: row.get(4)?,
    })
}

const fn reason(parked: Parked) -> i64 {
    match parked {
        Parked::ForDevices => 0,
        Parked::Unopened => 1,
    }
}

impl InboxStore for Tx<'_> {
    fn seen(&mut self, author: &Address, id: LetterId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM seen WHERE author = ?1 AND letter = ?2
                   UNION ALL SELECT 1 FROM letters WHERE id = ?2 AND author = ?1 LIMIT 1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(statement.exists(params![author.as_str(), id.as_bytes()])?)
    }

    fn mark_seen(&mut self, author: &Address, id: LetterId) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("INSERT INTO seen (author, letter) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![author.as_str(), id.as_bytes()])?;
        // Counting thousands of rows for each letter would cost more than keeping a few too many.
        if self.transaction.last_insert_rowid() % PRUNE_EVERY != 0 {
            return Ok(());
        }
        self.transaction
            .prepare_cached(
                "DELETE FROM seen WHERE author = ?1 AND place <=
                 (SELECT place FROM seen WHERE author = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![author.as_str(), count(SEEN_LETTERS_MAX)])?;
        Ok(())
    }

    fn park(&mut self, incoming: &Incoming, parked: Parked) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO parked (author, device, letter, sealed, by_mailbox, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                incoming.from.as_str(),
                incoming.device.as_bytes(),
                incoming.letter.as_bytes(),
                incoming.sealed.as_slice(),
                incoming.by_mailbox,
                reason(parked),
            ])?;
        self.transaction
            .prepare_cached(
                "DELETE FROM parked WHERE author = ?1 AND place <=
                 (SELECT place FROM parked WHERE author = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![incoming.from.as_str(), count(PARKED_LETTERS_MAX)])?;
        Ok(())
    }

    fn take_parked(&mut self, author: &Address) -> Result<Vec<Incoming>, StoreError> {
        let sql = "SELECT author, device, letter, sealed, by_mailbox FROM parked
                   WHERE author = ?1 AND reason = 0 ORDER BY place";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([author.as_str()])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(incoming(row)?);
        }
        self.transaction
            .prepare_cached("DELETE FROM parked WHERE author = ?1 AND reason = 0")?
            .execute([author.as_str()])?;
        Ok(letters)
    }

    fn parked(&mut self) -> Result<Vec<Address>, StoreError> {
        let sql = "SELECT DISTINCT author FROM parked WHERE reason = 0";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut addresses = Vec::new();
        while let Some(row) = rows.next()? {
            addresses.push(address(row, 0)?);
        }
        Ok(addresses)
    }

    fn owe_receipt(&mut self, author: &Address, letter: LetterId) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("INSERT INTO owed (author, letter) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![author.as_str(), letter.as_bytes()])?;
        Ok(())
    }

    fn take_owed(&mut self, limit: usize) -> Result<Option<(Address, Vec<LetterId>)>, StoreError> {
        let oldest = "SELECT author FROM owed ORDER BY place LIMIT 1";
        let mut statement = self.transaction.prepare_cached(oldest)?;
        let Some(author) = statement.query_row([], |row| Ok(address(row, 0))).optional()?.transpose()? else {
            return Ok(None);
        };
        let sql = "DELETE FROM owed WHERE place IN
                   (SELECT place FROM owed WHERE author = ?1 ORDER BY place LIMIT ?2) RETURNING letter";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params![author.as_str(), count(limit)])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(letter(row, 0)?);
        }
        Ok(Some((author, letters)))
    }
}
