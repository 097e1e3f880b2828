//! Rosters in SQLite.

use hobnob_wire::Name;
use hobnob_wire::contact::ContactText;
use hobnob_wire::device::ListHead;
use rusqlite::{OptionalExtension, Row};

use super::value::{count, damaged, int, pending, subscription, to_pending, to_subscription};
use super::{Tx, failed};
use crate::core::contact::Standing;
use crate::core::store::{AccountId, ChangedContact, Circle, Contact, ContactStore, RosterSize, Stored};

/// Ends of relations that a roster remembers, so that devices which were away learn of them.
const TOMBSTONES_MAX: i64 = 1_000;

/// Columns of a [`Contact`].
type Columns = (i64, i64, String, String);

fn columns(row: &Row<'_>, from: usize) -> rusqlite::Result<Columns> {
    Ok((row.get(from)?, row.get(from + 1)?, row.get(from + 2)?, row.get(from + 3)?))
}

fn contact((subscription, pending, heard, said): Columns) -> Stored<Contact> {
    let text = |text: String| ContactText::new(text).map_err(|_| damaged("contact.text"));
    let standing = Standing { subscription: to_subscription(subscription)?, pending: to_pending(pending)? };
    Ok(Contact { standing, heard: text(heard)?, said: text(said)? })
}

fn name(text: &str) -> Stored<Name> {
    text.parse().map_err(|_| damaged("account.name"))
}

impl Tx<'_> {
    fn bump_roster(&self, owner: AccountId) -> Stored<u64> {
        let mut statement = self
            .tx
            .prepare_cached(
                "UPDATE account SET roster_version = roster_version + 1 WHERE id = ? RETURNING roster_version",
            )
            .map_err(failed)?;
        statement.query_row([owner.0], |row| row.get(0)).map(count).map_err(failed)
    }

    fn forget_old_tombstones(&self, owner: AccountId) -> Stored<()> {
        let mut statement = self
            .tx
            .prepare_cached(
                "DELETE FROM contact WHERE owner = ?1 AND subscription = 0 AND pending = 0 AND version <= (
                     SELECT version FROM contact WHERE owner = ?1 AND subscription = 0 AND pending = 0
                     ORDER BY version DESC LIMIT 1 OFFSET ?2)",
            )
            .map_err(failed)?;
        statement.execute((owner.0, TOMBSTONES_MAX)).map_err(failed)?;
        Ok(())
    }
}

impl ContactStore for Tx<'_> {
    fn contact(&mut self, owner: AccountId, peer: &Name) -> Stored<Option<Contact>> {
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT subscription, pending, heard, said FROM contact WHERE owner = ? AND peer = ?",
            )
            .map_err(failed)?;
        let row = statement
            .query_row((owner.0, peer.as_str()), |row| columns(row, 0))
            .optional()
            .map_err(failed)?;
        row.map(contact).transpose()
    }

    fn put_contact(&mut self, owner: AccountId, peer: &Name, contact: &Contact) -> Stored<u64> {
        let version = self.bump_roster(owner)?;
        let mut statement = self
            .tx
            .prepare_cached(
                "INSERT INTO contact (owner, peer, subscription, pending, heard, said, version)
                 VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (owner, peer) DO UPDATE SET subscription = excluded.subscription,
                     pending = excluded.pending, heard = excluded.heard, said = excluded.said,
                     version = excluded.version",
            )
            .map_err(failed)?;
        let Standing { subscription: sees, pending: waits } = contact.standing;
        statement
            .execute((
                owner.0,
                peer.as_str(),
                subscription(sees),
                pending(waits),
                contact.heard.as_str(),
                contact.said.as_str(),
                int(version),
            ))
            .map_err(failed)?;
        drop(statement);
        if contact.standing == Standing::NONE {
            self.forget_old_tombstones(owner)?;
        }
        Ok(version)
    }

    fn contacts_since(&mut self, owner: AccountId, version: u64) -> Stored<Vec<ChangedContact>> {
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT peer, version, subscription, pending, heard, said FROM contact
                 WHERE owner = ?1 AND version > ?2 AND (?2 > 0 OR subscription <> 0 OR pending <> 0)
                 ORDER BY version",
            )
            .map_err(failed)?;
        let rows = statement
            .query_map((owner.0, int(version)), |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, columns(row, 2)?))
            })
            .map_err(failed)?;
        rows.map(|row| {
            let (peer, version, columns) = row.map_err(failed)?;
            Ok(ChangedContact { peer: name(&peer)?, contact: contact(columns)?, version: count(version) })
        })
        .collect()
    }

    fn roster_version(&mut self, owner: AccountId) -> Stored<u64> {
        let mut statement =
            self.tx.prepare_cached("SELECT roster_version FROM account WHERE id = ?").map_err(failed)?;
        statement.query_row([owner.0], |row| row.get(0)).map(count).map_err(failed)
    }

    fn roster_size(&mut self, owner: AccountId) -> Stored<RosterSize> {
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT count(*), count(*) FILTER (WHERE pending = 2) FROM contact
                 WHERE owner = ? AND (subscription <> 0 OR pending <> 0)",
            )
            .map_err(failed)?;
        statement
            .query_row([owner.0], |row| Ok(RosterSize { contacts: row.get(0)?, requests_in: row.get(1)? }))
            .map_err(failed)
    }

    fn circle(&mut self, owner: AccountId, circle: Circle) -> Stored<Vec<(AccountId, Name)>> {
        let (first, second) = match circle {
            Circle::Watchers => (2, 3),
            Circle::Watched => (1, 3),
            Circle::Contacts => (1, 2),
        };
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT account.id, account.name FROM contact JOIN account ON account.name = contact.peer
                 WHERE owner = ? AND subscription IN (?, ?, 3) ORDER BY account.id",
            )
            .map_err(failed)?;
        let rows = statement
            .query_map((owner.0, first, second), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .map_err(failed)?;
        rows.map(|row| {
            let (id, peer) = row.map_err(failed)?;
            Ok((AccountId(id), name(&peer)?))
        })
        .collect()
    }

    fn askers(&mut self, peer: &Name, limit: u32) -> Stored<Vec<(Name, ContactText)>> {
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT account.name, said FROM contact JOIN account ON account.id = contact.owner
                 WHERE peer = ? AND pending = 1 ORDER BY account.id LIMIT ?",
            )
            .map_err(failed)?;
        let rows = statement
            .query_map((peer.as_str(), limit), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .map_err(failed)?;
        rows.map(|row| {
            let (asker, said) = row.map_err(failed)?;
            let said = ContactText::new(said).map_err(|_| damaged("contact.said"))?;
            Ok((name(&asker)?, said))
        })
        .collect()
    }

    fn note_devices_changed(&mut self, peer: &Name) -> Stored<()> {
        let mut owners = self
            .tx
            .prepare_cached("SELECT owner FROM contact WHERE peer = ? AND subscription <> 0")
            .map_err(failed)?;
        let owners: Vec<i64> = owners
            .query_map([peer.as_str()], |row| row.get(0))
            .and_then(Iterator::collect)
            .map_err(failed)?;
        let mut statement = self
            .tx
            .prepare_cached("UPDATE contact SET devices_version = ? WHERE owner = ? AND peer = ?")
            .map_err(failed)?;
        for owner in owners {
            let version = self.bump_roster(AccountId(owner))?;
            statement.execute((int(version), owner, peer.as_str())).map_err(failed)?;
        }
        Ok(())
    }

    fn devices_changed_since(&mut self, owner: AccountId, version: u64) -> Stored<Vec<(Name, ListHead)>> {
        let mut statement = self
            .tx
            .prepare_cached(
                "SELECT account.name, head_seq, head_hash FROM contact
                 JOIN account ON account.name = contact.peer
                 WHERE owner = ? AND devices_version > ? AND subscription <> 0 ORDER BY devices_version",
            )
            .map_err(failed)?;
        let rows = statement
            .query_map((owner.0, int(version)), |row| {
                Ok((row.get::<_, String>(0)?, ListHead { seq: row.get(1)?, hash: row.get(2)? }))
            })
            .map_err(failed)?;
        rows.map(|row| {
            let (peer, head) = row.map_err(failed)?;
            Ok((name(&peer)?, head))
        })
        .collect()
    }
}
