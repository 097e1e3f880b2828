//! Roster and settings.

use hobnob_wire::Address;
use hobnob_wire::contact::{Pending, Subscription};
use rusqlite::{OptionalExtension, Row, params};

use super::column::{address, read};
use super::keys::verification;
use super::{StoreError, Tx};
use crate::core::contact::Contact;
use crate::core::link::{policy_name, policy_named};
use crate::core::store::{ContactStore, SettingStore};

fn contact(row: &Row<'_>) -> Result<(Address, Contact), StoreError> {
    let subscription = read(row, 1, |number: i64| match number {
        0 => Some(Subscription::None),
        1 => Some(Subscription::To),
        2 => Some(Subscription::From),
        3 => Some(Subscription::Both),
        _ => None,
    })?;
    let pending = read(row, 2, |number: i64| match number {
        0 => Some(Pending::None),
        1 => Some(Pending::Out),
        2 => Some(Pending::In),
        _ => None,
    })?;
    let paths = read(row, 5, |name: Option<String>| match name {
        Some(name) => policy_named(&name).map(Some),
        None => Some(None),
    })?;
    let (text, warning, verification) = (row.get(3)?, row.get(4)?, verification(row, 6)?);
    Ok((address(row, 0)?, Contact { subscription, pending, text, warning, verification, paths }))
}

impl ContactStore for Tx<'_> {
    fn contacts(&mut self) -> Result<Vec<(Address, Contact)>, StoreError> {
        let sql = "SELECT address, subscription, pending, text, warning, paths, root_key, verified_root,
                   offered IS NOT NULL FROM contacts LEFT JOIN pins USING (address)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut contacts = Vec::new();
        while let Some(row) = rows.next()? {
            contacts.push(contact(row)?);
        }
        Ok(contacts)
    }

    fn put_contact(&mut self, address: &Address, contact: &Contact) -> Result<(), StoreError> {
        let subscription = match contact.subscription {
            Subscription::None => 0,
            Subscription::To => 1,
            Subscription::From => 2,
            Subscription::Both => 3,
        };
        let pending = match contact.pending {
            Pending::None => 0,
            Pending::Out => 1,
            Pending::In => 2,
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO contacts (address, subscription, pending, text, paths) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (address) DO UPDATE SET subscription = excluded.subscription,
                 pending = excluded.pending, text = excluded.text, paths = excluded.paths",
            )?
            .execute(params![
                address.as_str(),
                subscription,
                pending,
                contact.text,
                contact.paths.map(policy_name)
            ])?;
        Ok(())
    }

    fn remove_contact(&mut self, address: &Address) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("DELETE FROM contacts WHERE address = ?1")?
            .execute([address.as_str()])?;
        Ok(())
    }
}

impl SettingStore for Tx<'_> {
    fn setting(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self.transaction.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    fn set_setting(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO settings (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute([key, value])?;
        Ok(())
    }
}
