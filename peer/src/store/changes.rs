//! What changes how letters are shown, and what erases them.

use hobnob_wire::Address;
use hobnob_wire::letter::{LetterRef, kind};
use rusqlite::{OptionalExtension, Row, params};

use super::column::{address, count, letter, read};
use super::{StoreError, Tx, search};
use crate::core::chat::change::{Change, Slot, Stamp};
use crate::core::chat::store::EARLY_CHANGES_MAX;

const COLUMNS: &str = "chat, author, letter, kind, changer, at_unix_ms, id, body";

fn change(row: &Row<'_>) -> Result<Change, StoreError> {
    let letter = LetterRef { author: address(row, 1)?, id: letter(row, 2)? };
    Ok(Change {
        slot: Slot { chat: address(row, 0)?, letter, kind: row.get(3)?, by: address(row, 4)? },
        stamp: stamp(row, 5)?,
        body: row.get(7)?,
    })
}

/// A stamp in two columns.
pub(super) fn stamp(row: &Row<'_>, at: usize) -> Result<Stamp, StoreError> {
    let at_unix_ms = row.get::<_, i64>(at)?.cast_unsigned();
    Ok(Stamp { at_unix_ms, id: read(row, at + 1, |id: [u8; 16]| Some(id))? })
}

impl Tx<'_> {
    pub(super) fn find_change(&self, slot: &Slot) -> Result<Option<Change>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM changes
             WHERE letter = ?1 AND author = ?2 AND chat = ?3 AND kind = ?4 AND changer = ?5"
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let found = statement
            .query_row(
                params![
                    slot.letter.id.as_bytes(),
                    slot.letter.author.as_str(),
                    slot.chat.as_str(),
                    slot.kind,
                    slot.by.as_str()
                ],
                |row| Ok(change(row)),
            )
            .optional()?;
        found.transpose()
    }

    pub(super) fn add_change(&self, change: &Change, early: bool) -> Result<(), StoreError> {
        let Change { slot, stamp, body } = change;
        self.transaction
            .prepare_cached(
                "INSERT INTO changes (chat, author, letter, kind, changer, at_unix_ms, id, body, early)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (letter, author, chat, kind, changer) DO UPDATE SET
                 at_unix_ms = excluded.at_unix_ms, id = excluded.id, body = excluded.body, early = excluded.early",
            )?
            .execute(params![
                slot.chat.as_str(),
                slot.letter.author.as_str(),
                slot.letter.id.as_bytes(),
                slot.kind,
                slot.by.as_str(),
                stamp.at_unix_ms.cast_signed(),
                stamp.id,
                body,
                early,
            ])?;
        if early {
            self.transaction
                .prepare_cached(
                    "DELETE FROM changes WHERE early = 1 AND chat = ?1 AND place <=
                     (SELECT place FROM changes WHERE early = 1 AND chat = ?1
                      ORDER BY place DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![slot.chat.as_str(), count(EARLY_CHANGES_MAX)])?;
        }
        if slot.kind == kind::EDIT {
            search::refresh(self, &slot.letter.author, slot.letter.id)?;
        }
        Ok(())
    }

    pub(super) fn changes_of(&self, chat: &Address, letter: &LetterRef) -> Result<Vec<Change>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM changes WHERE letter = ?1 AND author = ?2 AND chat = ?3 ORDER BY place"
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut rows =
            statement.query(params![letter.id.as_bytes(), letter.author.as_str(), chat.as_str()])?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next()? {
            changes.push(change(row)?);
        }
        Ok(changes)
    }

    pub(super) fn mark_changes_timely(&self, chat: &Address, letter: &LetterRef) -> Result<(), StoreError> {
        let waited = self
            .transaction
            .prepare_cached(
                "UPDATE changes SET early = 0 WHERE letter = ?1 AND author = ?2 AND chat = ?3 AND early = 1",
            )?
            .execute(params![letter.id.as_bytes(), letter.author.as_str(), chat.as_str()])?;
        if waited > 0 { search::refresh(self, &letter.author, letter.id) } else { Ok(()) }
    }

    pub(super) fn remove_changes(
        &mut self,
        chat: &Address,
        letter: &LetterRef,
        but: u16,
    ) -> Result<(), StoreError> {
        self.erased = true;
        self.transaction
            .prepare_cached(
                "DELETE FROM changes WHERE letter = ?1 AND author = ?2 AND chat = ?3 AND kind <> ?4",
            )?
            .execute(params![letter.id.as_bytes(), letter.author.as_str(), chat.as_str(), but])?;
        Ok(())
    }

    pub(super) fn erase_letter(&mut self, letter: &LetterRef, shown: bool) -> Result<(), StoreError> {
        self.erased = true;
        search::erased(self, &letter.author, letter.id)?;
        let sql = if shown {
            "UPDATE letters SET body = x'', expires_after_s = NULL, expires_unix_ms = NULL,
             state = CASE WHEN state = 3 AND author = chat THEN 4 ELSE state END
             WHERE id = ?1 AND author = ?2"
        } else {
            "UPDATE letters SET body = x'', kind = 0, shown = 0, thread = NULL,
             expires_after_s = NULL, expires_unix_ms = NULL WHERE id = ?1 AND author = ?2"
        };
        let name = params![letter.id.as_bytes(), letter.author.as_str()];
        self.transaction.prepare_cached(sql)?.execute(name)?;
        // What has not been sealed need not be sent; nothing could be sealed any more. Only our own letters have copies.
        let own = "SELECT 1 FROM identity WHERE address = ?1";
        if self.transaction.prepare_cached(own)?.exists([letter.author.as_str()])? {
            for sql in [
                "DELETE FROM copies WHERE letter = ?1 AND state = 1 AND session IS NULL",
                "DELETE FROM unaddressed WHERE letter = ?1",
            ] {
                self.transaction.prepare_cached(sql)?.execute([letter.id.as_bytes()])?;
            }
        }
        Ok(())
    }
}
