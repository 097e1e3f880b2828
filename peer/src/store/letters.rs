//! History.

use hobnob_wire::{Address, LetterId};
use rusqlite::{OptionalExtension, Row, params};

use super::column::{self, address, count, state, state_number};
use super::{StoreError, Tx, search};
use crate::core::chat::{Shown, shown};
use crate::core::history::store::Place;
use crate::core::letters::store::{Expires, LetterStore, StoredLetter};
use crate::core::view::LetterState;

/// What [`letter`] reads.
pub(super) const COLUMNS: &str =
    "id, author, addressee, chat, at_unix_ms, kind, body, state, error, received_unix_ms,
 thread, expires_after_s, expires_unix_ms";
/// Where [`place`] is read when it stands behind [`COLUMNS`].
const PLACE: usize = 13;

/// Where a letter stands.
pub(super) fn place(row: &Row<'_>) -> Result<Place, StoreError> {
    Ok(Place(row.get(PLACE)?))
}

pub(super) fn letter(row: &Row<'_>) -> Result<StoredLetter, StoreError> {
    let after_s = row.get::<_, Option<u32>>(11)?;
    let at = row.get::<_, Option<i64>>(12)?;
    Ok(StoredLetter {
        id: column::letter(row, 0)?,
        author: address(row, 1)?,
        to: address(row, 2)?,
        chat: address(row, 3)?,
        // Kept with the same bits: the author's clock may say anything.
        at_unix_ms: row.get::<_, i64>(4)?.cast_unsigned(),
        kind: row.get(5)?,
        body: row.get(6)?,
        state: state(row, 7)?,
        error: row.get(8)?,
        received_unix_ms: row.get::<_, i64>(9)?.cast_unsigned(),
        thread: row.get::<_, Option<[u8; 16]>>(10)?.map(LetterId::new),
        expires: match (at, after_s) {
            (Some(unix_ms), _) => Some(Expires::At { unix_ms: unix_ms.cast_unsigned() }),
            (None, Some(seconds)) => Some(Expires::AfterReading { seconds }),
            (None, None) => None,
        },
    })
}

/// How a letter is shown, as the column has it.
const fn shown_number(kind: u16) -> i64 {
    match shown(kind) {
        Shown::Not => 0,
        Shown::Known => 1,
        Shown::Unknown => 2,
    }
}

/// Adds a letter, at the end unless a place is given; `false` when it is there already.
pub(super) fn add(tx: &Tx<'_>, letter: &StoredLetter, place: Option<Place>) -> Result<bool, StoreError> {
    let sql = format!(
        "INSERT INTO letters ({COLUMNS}, shown, place)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (id, author) DO NOTHING"
    );
    let (after_s, at) = match letter.expires {
        Some(Expires::AfterReading { seconds }) => (Some(seconds), None),
        Some(Expires::At { unix_ms }) => (None, Some(i64::try_from(unix_ms).unwrap_or(i64::MAX))),
        None => (None, None),
    };
    let added = tx.transaction.prepare_cached(&sql)?.execute(params![
        letter.id.as_bytes(),
        letter.author.as_str(),
        letter.to.as_str(),
        letter.chat.as_str(),
        letter.at_unix_ms.cast_signed(),
        letter.kind,
        letter.body,
        state_number(letter.state),
        letter.error,
        letter.received_unix_ms.cast_signed(),
        letter.thread.as_ref().map(LetterId::as_bytes),
        after_s,
        at,
        shown_number(letter.kind),
        place.map(|place| place.0),
    ])?;
    if added > 0 {
        search::added(tx, Place(tx.transaction.last_insert_rowid()), letter)?;
    }
    Ok(added > 0)
}

/// A letter and where it stands.
pub(super) fn placed(
    tx: &Tx<'_>,
    author: &Address,
    id: LetterId,
) -> Result<Option<(Place, StoredLetter)>, StoreError> {
    let sql = format!("SELECT {COLUMNS}, place FROM letters WHERE id = ?1 AND author = ?2");
    let mut statement = tx.transaction.prepare_cached(&sql)?;
    let found = statement
        .query_row(params![id.as_bytes(), author.as_str()], |row| {
            Ok(place(row).and_then(|at| Ok((at, letter(row)?))))
        })
        .optional()?;
    found.transpose()
}

/// Removes a letter with its copies, and its words from the index.
pub(super) fn remove(tx: &Tx<'_>, place: Place, letter: &StoredLetter) -> Result<(), StoreError> {
    search::removed(tx, place, letter)?;
    tx.transaction.prepare_cached("DELETE FROM letters WHERE place = ?1")?.execute([place.0])?;
    tx.transaction
        .prepare_cached(
            "DELETE FROM copies WHERE letter = ?1 AND NOT EXISTS (SELECT 1 FROM letters WHERE id = ?1)",
        )?
        .execute([letter.id.as_bytes()])?;
    Ok(())
}

impl LetterStore for Tx<'_> {
    fn add_letter(&mut self, letter: &StoredLetter) -> Result<(), StoreError> {
        add(self, letter, None).map(drop)
    }

    fn letter(&mut self, author: &Address, id: LetterId) -> Result<Option<StoredLetter>, StoreError> {
        Ok(placed(self, author, id)?.map(|(_, letter)| letter))
    }

    fn any_letter(&mut self, id: LetterId) -> Result<Option<StoredLetter>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM letters WHERE id = ?1 ORDER BY place LIMIT 1");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let found = statement.query_row([id.as_bytes()], |row| Ok(letter(row))).optional()?;
        found.transpose()
    }

    fn unread(&mut self, chat: &Address, limit: usize) -> Result<Vec<LetterId>, StoreError> {
        let sql = "SELECT id FROM letters WHERE chat = ?1 AND state = 3 AND author = chat AND shown > 0
                   ORDER BY place LIMIT ?2";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params![chat.as_str(), count(limit)])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(column::letter(row, 0)?);
        }
        Ok(letters)
    }

    fn set_letter_state(
        &mut self,
        author: &Address,
        id: LetterId,
        state: LetterState,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE letters SET state = ?3, error = ?4 WHERE id = ?1 AND author = ?2")?
            .execute(params![id.as_bytes(), author.as_str(), state_number(state), error])?;
        Ok(())
    }

    fn remove_letter(&mut self, author: &Address, id: LetterId) -> Result<(), StoreError> {
        match placed(self, author, id)? {
            Some((place, letter)) => remove(self, place, &letter),
            None => Ok(()),
        }
    }
}
