//! Copies of letters on their way.

use hobnob_wire::mailbox::Sealed;
use hobnob_wire::{Address, DeviceId, LetterId};
use rusqlite::{OptionalExtension, Row, params};

use super::column::{address, count, device, letter, read, state, state_number};
use super::{StoreError, Tx};
use crate::core::letters::store::{Copy, OutboxStore};
use crate::core::view::LetterState;

const COLUMNS: &str = "letter, address, device, state, session";

fn copy(row: &Row<'_>) -> Result<Copy, StoreError> {
    Ok(Copy {
        letter: letter(row, 0)?,
        address: address(row, 1)?,
        device: device(row, 2)?,
        state: state(row, 3)?,
        session: row.get(4)?,
    })
}

impl OutboxStore for Tx<'_> {
    fn add_copies(
        &mut self,
        letter: LetterId,
        address: &Address,
        devices: &[DeviceId],
    ) -> Result<(), StoreError> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO copies (letter, address, device, state) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (letter, device) DO NOTHING",
        )?;
        for device in devices {
            statement.execute(params![letter.as_bytes(), address.as_str(), device.as_bytes()])?;
        }
        Ok(())
    }

    fn add_unaddressed(&mut self, letter: LetterId, address: &Address) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO unaddressed (letter, address) VALUES (?1, ?2)
                 ON CONFLICT (address, letter) DO NOTHING",
            )?
            .execute(params![letter.as_bytes(), address.as_str()])?;
        Ok(())
    }

    fn take_unaddressed(&mut self, address: &Address) -> Result<Vec<LetterId>, StoreError> {
        let sql = "SELECT letter FROM unaddressed WHERE address = ?1 ORDER BY place";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([address.as_str()])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(letter(row, 0)?);
        }
        self.transaction
            .prepare_cached("DELETE FROM unaddressed WHERE address = ?1")?
            .execute([address.as_str()])?;
        Ok(letters)
    }

    fn unaddressed(&mut self) -> Result<Vec<Address>, StoreError> {
        let mut statement = self.transaction.prepare_cached("SELECT DISTINCT address FROM unaddressed")?;
        let mut rows = statement.query([])?;
        let mut addresses = Vec::new();
        while let Some(row) = rows.next()? {
            addresses.push(address(row, 0)?);
        }
        Ok(addresses)
    }

    fn unsealed_devices(&mut self) -> Result<Vec<(Address, DeviceId)>, StoreError> {
        let sql = "SELECT address, device FROM copies WHERE state = 1 AND session IS NULL
                   GROUP BY device ORDER BY min(place)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut devices = Vec::new();
        while let Some(row) = rows.next()? {
            devices.push((address(row, 0)?, device(row, 1)?));
        }
        Ok(devices)
    }

    fn unsealed(&mut self, device: DeviceId, limit: usize) -> Result<Vec<LetterId>, StoreError> {
        let sql = "SELECT letter FROM copies WHERE device = ?1 AND state = 1 AND session IS NULL
                   ORDER BY place LIMIT ?2";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params![device.as_bytes(), count(limit)])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(letter(row, 0)?);
        }
        Ok(letters)
    }

    fn unacknowledged(&mut self, device: DeviceId, session: &str) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM copies WHERE device = ?1 AND session = ?2 AND state IN (1, 2)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let out: i64 = statement.query_row(params![device.as_bytes(), session], |row| row.get(0))?;
        Ok(usize::try_from(out).unwrap_or(usize::MAX))
    }

    fn seal_copy(
        &mut self,
        letter: LetterId,
        device: DeviceId,
        session: &str,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE copies SET session = ?3, sealed = ?4 WHERE letter = ?1 AND device = ?2")?
            .execute(params![letter.as_bytes(), device.as_bytes(), session, sealed.as_slice()])?;
        Ok(())
    }

    fn waiting_for(&mut self, device: DeviceId) -> Result<Vec<LetterId>, StoreError> {
        // Two questions, each of which has an index.
        let sql = "SELECT place, letter FROM copies WHERE device = ?1 AND state = 1 AND session IS NULL
                   UNION ALL
                   SELECT place, letter FROM copies
                   WHERE device = ?1 AND state IN (1, 2) AND session IS NOT NULL
                   ORDER BY place";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([device.as_bytes()])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(letter(row, 1)?);
        }
        Ok(letters)
    }

    fn unsent(&mut self) -> Result<Vec<Copy>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM copies WHERE state = 1 AND session IS NOT NULL ORDER BY place");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut copies = Vec::new();
        while let Some(row) = rows.next()? {
            copies.push(copy(row)?);
        }
        Ok(copies)
    }

    fn sealed(&mut self, letter: LetterId, device: DeviceId) -> Result<Option<Sealed>, StoreError> {
        let sql = "SELECT sealed FROM copies WHERE letter = ?1 AND device = ?2 AND sealed IS NOT NULL";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params![letter.as_bytes(), device.as_bytes()])?;
        let row = rows.next()?;
        row.map(|row| read(row, 0, |bytes: Vec<u8>| Sealed::new(bytes).ok())).transpose()
    }

    fn copy(&mut self, letter: LetterId, device: DeviceId) -> Result<Option<Copy>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM copies WHERE letter = ?1 AND device = ?2");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let found = statement
            .query_row(params![letter.as_bytes(), device.as_bytes()], |row| Ok(copy(row)))
            .optional()?;
        found.transpose()
    }

    fn copies(&mut self, letter: LetterId) -> Result<Vec<Copy>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM copies WHERE letter = ?1 ORDER BY place");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut rows = statement.query([letter.as_bytes()])?;
        let mut copies = Vec::new();
        while let Some(row) = rows.next()? {
            copies.push(copy(row)?);
        }
        Ok(copies)
    }

    fn set_copy_state(
        &mut self,
        letter: LetterId,
        device: DeviceId,
        state: LetterState,
    ) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE copies SET state = ?3, sealed = NULL WHERE letter = ?1 AND device = ?2")?
            .execute(params![letter.as_bytes(), device.as_bytes(), state_number(state)])?;
        Ok(())
    }
}
