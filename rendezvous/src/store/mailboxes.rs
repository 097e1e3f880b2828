//! Mailboxes and prekeys in SQLite.

use hobnob_wire::mailbox::{Delivery, Prekey, Sealed};
use hobnob_wire::{DeviceId, LetterId};
use rusqlite::OptionalExtension;

use super::value::{StoredPrekey, count, damaged, decode, encode, int};
use super::{Tx, failed};
use crate::core::store::{MailboxSize, MailboxStore, NewLetter, Page, Stored};

impl MailboxStore for Tx<'_> {
    fn mailbox_size(&mut self, device: DeviceId) -> Stored<MailboxSize> {
        let mut statement =
            self.tx.prepare_cached("SELECT letters, bytes FROM device WHERE id = ?").map_err(failed)?;
        statement
            .query_row([device.as_bytes()], |row| {
                Ok(MailboxSize { letters: count(row.get(0)?), bytes: count(row.get(1)?) })
            })
            .map_err(failed)
    }

    fn holds_letter(&mut self, device: DeviceId, letter: LetterId, from_device: DeviceId) -> Stored<bool> {
        let mut statement = self
            .tx
            .prepare_cached("SELECT 1 FROM letter WHERE device = ? AND letter = ? AND sender_device = ?")
            .map_err(failed)?;
        statement.exists((device.as_bytes(), letter.as_bytes(), from_device.as_bytes())).map_err(failed)
    }

    fn append_letter(&mut self, device: DeviceId, new: &NewLetter<'_>) -> Stored<u64> {
        let mut place = self
            .tx
            .prepare_cached(
                "UPDATE device SET last_seq = last_seq + 1, letters = letters + 1, bytes = bytes + ?
                 WHERE id = ? RETURNING last_seq",
            )
            .map_err(failed)?;
        let seq: i64 = place
            .query_row((int(new.sealed.len() as u64), device.as_bytes()), |row| row.get(0))
            .map_err(failed)?;
        let mut statement = self
            .tx
            .prepare_cached(
                "INSERT INTO letter (device, seq, letter, sender, sender_device, sealed, deposited_at_unix_s)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .map_err(failed)?;
        statement
            .execute((
                device.as_bytes(),
                seq,
                new.letter.as_bytes(),
                new.from.as_str(),
                new.from_device.as_bytes(),
                new.sealed,
                int(new.deposited_at_unix_s),
            ))
            .map_err(failed)?;
        Ok(count(seq))
    }

    fn letters_after(&mut self, device: DeviceId, seq: u64, page: Page) -> Stored<Vec<Delivery>> {
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT seq, sender, sender_device, letter, sealed FROM letter
                 WHERE device = ? AND seq > ? ORDER BY seq LIMIT ?",
            )
            .map_err(failed)?;
        let mut rows =
            statement.query((device.as_bytes(), int(seq), int(page.letters as u64))).map_err(failed)?;
        let (mut letters, mut bytes) = (Vec::new(), 0);
        while bytes < page.bytes
            && let Some(row) = rows.next().map_err(failed)?
        {
            let sender: String = row.get(1).map_err(failed)?;
            let sealed: Vec<u8> = row.get(4).map_err(failed)?;
            bytes += sealed.len();
            letters.push(Delivery {
                seq: count(row.get(0).map_err(failed)?),
                from: sender.parse().map_err(|_| damaged("letter.sender"))?,
                device: DeviceId::new(row.get(2).map_err(failed)?),
                letter: LetterId::new(row.get(3).map_err(failed)?),
                sealed: Sealed::new(sealed).map_err(|_| damaged("letter.sealed"))?,
            });
        }
        Ok(letters)
    }

    fn delete_letters(&mut self, device: DeviceId, up_to: u64) -> Stored<()> {
        let mut sum = self
            .tx
            .prepare_cached(
                "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM letter WHERE device = ? AND seq <= ?",
            )
            .map_err(failed)?;
        let (letters, bytes): (i64, i64) = sum
            .query_row((device.as_bytes(), int(up_to)), |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        if letters == 0 {
            return Ok(());
        }
        let mut delete =
            self.tx.prepare_cached("DELETE FROM letter WHERE device = ? AND seq <= ?").map_err(failed)?;
        delete.execute((device.as_bytes(), int(up_to))).map_err(failed)?;
        let mut update = self
            .tx
            .prepare_cached("UPDATE device SET letters = letters - ?, bytes = bytes - ? WHERE id = ?")
            .map_err(failed)?;
        update.execute((letters, bytes, device.as_bytes())).map_err(failed)?;
        Ok(())
    }

    fn add_prekeys(
        &mut self,
        device: DeviceId,
        fallback: &Prekey,
        one_time: &[Prekey],
        keep: u16,
    ) -> Stored<()> {
        let mut replace =
            self.tx.prepare_cached("UPDATE device SET fallback_prekey = ? WHERE id = ?").map_err(failed)?;
        replace.execute((encode(&StoredPrekey(fallback.clone()))?, device.as_bytes())).map_err(failed)?;
        let mut insert = self
            .tx
            .prepare_cached("INSERT OR IGNORE INTO prekey (device, prekey) VALUES (?, ?)")
            .map_err(failed)?;
        for prekey in one_time {
            insert.execute((device.as_bytes(), encode(&StoredPrekey(prekey.clone()))?)).map_err(failed)?;
        }
        let mut trim = self
            .tx
            .prepare_cached(
                "DELETE FROM prekey WHERE device = ?1 AND id <= (
                     SELECT id FROM prekey WHERE device = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )
            .map_err(failed)?;
        trim.execute((device.as_bytes(), keep)).map_err(failed)?;
        Ok(())
    }

    fn claim_prekey(&mut self, device: DeviceId) -> Stored<Option<Prekey>> {
        let mut take = self
            .tx
            .prepare_cached(
                "DELETE FROM prekey WHERE id = (SELECT min(id) FROM prekey WHERE device = ?) RETURNING prekey",
            )
            .map_err(failed)?;
        let taken: Option<Vec<u8>> =
            take.query_row([device.as_bytes()], |row| row.get(0)).optional().map_err(failed)?;
        let bytes = match taken {
            Some(bytes) => Some(bytes),
            None => {
                let mut fallback = self
                    .tx
                    .prepare_cached("SELECT fallback_prekey FROM device WHERE id = ?")
                    .map_err(failed)?;
                fallback.query_row([device.as_bytes()], |row| row.get(0)).map_err(failed)?
            }
        };
        bytes.map(|bytes| decode::<StoredPrekey>(&bytes).map(|prekey| prekey.0)).transpose()
    }

    fn prekeys_left(&mut self, device: DeviceId) -> Stored<u16> {
        let mut statement =
            self.tx.prepare_cached("SELECT count(*) FROM prekey WHERE device = ?").map_err(failed)?;
        statement.query_row([device.as_bytes()], |row| row.get(0)).map_err(failed)
    }
}
