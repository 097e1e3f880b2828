//! Accounts and devices in SQLite.

use hobnob_wire::account::WrappedKey;
use hobnob_wire::device::{DeviceList, ListHead};
use hobnob_wire::keys::VerifyKey;
use hobnob_wire::presence::{Presence, PresenceSet, StatusText};
use hobnob_wire::{DeviceId, Name};
use rusqlite::OptionalExtension;

use super::value::{availability, count, damaged, decode, encode, int, to_availability};
use super::{Tx, failed};
use crate::core::store::{AccountId, AccountStore, Credentials, KnownDevice, NewAccount, Stored};

impl AccountStore for Tx<'_> {
    fn account(&mut self, name: &Name) -> Stored<Option<AccountId>> {
        let mut statement =
            self.tx.prepare_cached("SELECT id FROM account WHERE name = ?").map_err(failed)?;
        let id = statement.query_row([name.as_str()], |row| row.get(0)).optional().map_err(failed)?;
        Ok(id.map(AccountId))
    }

    fn account_count(&mut self) -> Stored<u64> {
        // Accounts are numbered from 1 without gaps but those of deleted ones: the last number bounds their count.
        let mut statement =
            self.tx.prepare_cached("SELECT coalesce(max(id), 0) FROM account").map_err(failed)?;
        statement.query_row([], |row| row.get(0)).map(count).map_err(failed)
    }

    fn create_account(&mut self, new: &NewAccount<'_>) -> Stored<AccountId> {
        let mut statement = self
            .tx
            .prepare_cached(
                "INSERT INTO account (name, registration, wrapped, devices, head_seq, head_hash, created_at_unix_s)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .map_err(failed)?;
        let id = statement
            .insert((
                new.name.as_str(),
                new.registration,
                new.wrapped.as_slice(),
                encode(new.list)?,
                new.head.seq,
                new.head.hash,
                int(new.created_at_unix_s),
            ))
            .map_err(failed)?;
        Ok(AccountId(id))
    }

    fn credentials(&mut self, name: &Name) -> Stored<Option<Credentials>> {
        let mut statement = self
            .tx
            .prepare_cached("SELECT id, registration, wrapped FROM account WHERE name = ?")
            .map_err(failed)?;
        let row = statement
            .query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
            .optional()
            .map_err(failed)?;
        let Some((id, registration, wrapped)) = row else {
            return Ok(None);
        };
        let wrapped = WrappedKey::new(wrapped).map_err(|_| damaged("account.wrapped"))?;
        Ok(Some(Credentials { account: AccountId(id), registration, wrapped }))
    }

    fn device_list(&mut self, account: AccountId) -> Stored<DeviceList> {
        let mut statement =
            self.tx.prepare_cached("SELECT devices FROM account WHERE id = ?").map_err(failed)?;
        let bytes: Vec<u8> = statement.query_row([account.0], |row| row.get(0)).map_err(failed)?;
        decode(&bytes)
    }

    fn set_device_list(&mut self, account: AccountId, list: &DeviceList, head: ListHead) -> Stored<()> {
        let mut statement = self
            .tx
            .prepare_cached("UPDATE account SET devices = ?, head_seq = ?, head_hash = ? WHERE id = ?")
            .map_err(failed)?;
        statement.execute((encode(list)?, head.seq, head.hash, account.0)).map_err(failed)?;
        Ok(())
    }

    fn device(&mut self, device: DeviceId) -> Stored<Option<KnownDevice>> {
        let mut statement =
            self.tx.prepare_cached("SELECT account, signing FROM device WHERE id = ?").map_err(failed)?;
        let row = statement
            .query_row([device.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(failed)?;
        Ok(row.map(|(account, signing)| KnownDevice {
            account: AccountId(account),
            signing: VerifyKey::new(signing),
        }))
    }

    fn add_device(&mut self, device: DeviceId, known: KnownDevice) -> Stored<()> {
        let mut statement = self
            .tx
            .prepare_cached("INSERT INTO device (id, account, signing) VALUES (?, ?, ?)")
            .map_err(failed)?;
        statement.execute((device.as_bytes(), known.account.0, known.signing.as_bytes())).map_err(failed)?;
        Ok(())
    }

    fn note_seen(&mut self, device: DeviceId, at_unix_s: u64) -> Stored<()> {
        let mut statement =
            self.tx.prepare_cached("UPDATE device SET seen_at_unix_s = ? WHERE id = ?").map_err(failed)?;
        statement.execute((int(at_unix_s), device.as_bytes())).map_err(failed)?;
        Ok(())
    }

    fn seen(&mut self, account: AccountId) -> Stored<Vec<(DeviceId, u64)>> {
        let mut statement = self
            .tx
            .prepare_cached("SELECT id, seen_at_unix_s FROM device WHERE account = ?")
            .map_err(failed)?;
        let rows =
            statement.query_map([account.0], |row| Ok((DeviceId::new(row.get(0)?), count(row.get(1)?))));
        rows.and_then(Iterator::collect).map_err(failed)
    }

    fn set_credentials(
        &mut self,
        account: AccountId,
        registration: &[u8],
        wrapped: &WrappedKey,
    ) -> Stored<()> {
        let mut statement = self
            .tx
            .prepare_cached("UPDATE account SET registration = ?, wrapped = ? WHERE id = ?")
            .map_err(failed)?;
        statement.execute((registration, wrapped.as_slice(), account.0)).map_err(failed)?;
        Ok(())
    }

    fn remove_device(&mut self, device: DeviceId) -> Stored<()> {
        let mut statement = self.tx.prepare_cached("DELETE FROM device WHERE id = ?").map_err(failed)?;
        statement.execute([device.as_bytes()]).map_err(failed)?;
        Ok(())
    }

    fn presence(&mut self, account: AccountId) -> Stored<PresenceSet> {
        let mut statement = self
            .tx
            .prepare_cached("SELECT availability, status_text, hidden FROM account WHERE id = ?")
            .map_err(failed)?;
        let (number, text, hidden): (i64, String, bool) = statement
            .query_row([account.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(failed)?;
        let text = StatusText::new(text).map_err(|_| damaged("account.status_text"))?;
        Ok(PresenceSet { presence: Presence { availability: to_availability(number)?, text }, hidden })
    }

    fn set_presence(&mut self, account: AccountId, set: &PresenceSet) -> Stored<()> {
        let mut statement = self
            .tx
            .prepare_cached("UPDATE account SET availability = ?, status_text = ?, hidden = ? WHERE id = ?")
            .map_err(failed)?;
        let PresenceSet { presence, hidden } = set;
        statement
            .execute((availability(presence.availability), presence.text.as_str(), hidden, account.0))
            .map_err(failed)?;
        Ok(())
    }
}
