//! History: pages, counts, forgetting, and letters that are carried.

use hobnob_wire::{Address, LetterId};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::letters::{self, COLUMNS};
use super::search::{self, signed};
use super::{StoreError, Tx};
use crate::core::history::query::Query;
use crate::core::history::store::{Forgetting, HistoryStore, Page, Place};
use crate::core::letters::store::StoredLetter;

/// Letters that say something for good: neither taken back nor to disappear.
const LASTS: &str = "expires_after_s IS NULL AND expires_unix_ms IS NULL AND NOT EXISTS
    (SELECT 1 FROM changes WHERE changes.letter = letters.id AND changes.author = letters.author
     AND changes.chat = letters.chat AND changes.kind = 6)";
/// Letters of ours that have not left this device.
const HERE_ONLY: &str = "(EXISTS (SELECT 1 FROM copies WHERE copies.letter = letters.id AND copies.state = 1)
    OR id IN (SELECT letter FROM unaddressed))";

impl Tx<'_> {
    fn place_in(&self, chat: &Address, id: LetterId) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(place) FROM letters WHERE id = ?1 AND chat = ?2";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(statement.query_row(params![id.as_bytes(), chat.as_str()], |row| row.get(0))?)
    }

    /// Shown letters of a chat from `first` to `last`, as many as `limit` from either end; oldest first.
    fn shown(
        &self,
        chat: &Address,
        (first, last): (i64, i64),
        (from_end, limit): (bool, u32),
    ) -> Result<Vec<StoredLetter>, StoreError> {
        let order = if from_end { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT {COLUMNS} FROM letters WHERE chat = ?1 AND place BETWEEN ?2 AND ?3 AND shown > 0
             ORDER BY place {order} LIMIT ?4"
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut rows = statement.query(params![chat.as_str(), first, last, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(letters::letter(row)?);
        }
        if from_end {
            found.reverse();
        }
        Ok(found)
    }

    /// The first letter of a chat that is as young as `at`.
    fn since(&self, chat: &Address, at: u64) -> Result<Option<i64>, StoreError> {
        let at = signed(at);
        let Some((first, last)) = search::places(self, at, i64::MAX)? else {
            return Ok(None);
        };
        let sql = "SELECT place FROM letters WHERE chat = ?1 AND place BETWEEN ?2 AND ?3 AND shown > 0 AND at_unix_ms >= ?4
             ORDER BY place LIMIT 1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        Ok(statement.query_row(params![chat.as_str(), first, last, at], |row| row.get(0)).optional()?)
    }
}

/// A number of rows.
fn counted(count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|_| StoreError::Damaged("a count below zero"))
}

/// The condition for what is to be forgotten, and its values.
fn forgettable(what: &Forgetting) -> (String, Vec<Value>) {
    let mut condition = format!("shown > 0 AND NOT {HERE_ONLY}");
    let mut values = Vec::new();
    if let Some(chat) = &what.chat {
        condition.push_str(" AND chat = ?");
        values.push(Value::Text(chat.as_str().to_owned()));
    }
    if let Some(before) = what.before {
        condition.push_str(" AND at_unix_ms < ?");
        values.push(Value::Integer(signed(before)));
    }
    (condition, values)
}

impl HistoryStore for Tx<'_> {
    fn search(
        &mut self,
        query: &Query,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<(Place, StoredLetter)>, StoreError> {
        search::search(self, query, before, limit)
    }

    fn page(
        &mut self,
        chat: &Address,
        page: Page,
        limit: u32,
    ) -> Result<Option<Vec<StoredLetter>>, StoreError> {
        const ALL: (i64, i64) = (i64::MIN, i64::MAX);
        let place = match page {
            Page::Newest => return self.shown(chat, ALL, (true, limit)).map(Some),
            Page::Since(at) => Some(self.since(chat, at)?.unwrap_or(i64::MAX)),
            Page::Before(id) | Page::After(id) | Page::Around(id) => self.place_in(chat, id)?,
        };
        let Some(place) = place else {
            return Ok(None);
        };
        let (before, after) = (place.saturating_sub(1), place.saturating_add(1));
        match page {
            Page::Newest | Page::Since(_) => self.shown(chat, (place, ALL.1), (false, limit)),
            Page::Before(_) => self.shown(chat, (ALL.0, before), (true, limit)),
            Page::After(_) => self.shown(chat, (after, ALL.1), (false, limit)),
            Page::Around(_) => {
                let mut found = self.shown(chat, (ALL.0, before), (true, limit / 2))?;
                found.extend(self.shown(chat, (place, ALL.1), (false, limit - limit / 2))?);
                Ok(found)
            }
        }
        .map(Some)
    }

    fn holdings(&mut self) -> Result<Vec<(Address, u64)>, StoreError> {
        let sql = "SELECT chat, count(*) FROM letters WHERE shown > 0 GROUP BY chat";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut chats = Vec::new();
        while let Some(row) = rows.next()? {
            chats.push((super::column::address(row, 0)?, counted(row.get(1)?)?));
        }
        Ok(chats)
    }

    fn forget(&mut self, what: &Forgetting, limit: u32) -> Result<u32, StoreError> {
        let (condition, values) = forgettable(what);
        // By age the index leads to what is old, else the order in which letters stand.
        let order = if what.chat.is_none() && what.before.is_some() { "at_unix_ms" } else { "place" };
        let sql =
            format!("SELECT {COLUMNS}, place FROM letters WHERE {condition} ORDER BY {order} LIMIT {limit}");
        let mut found = Vec::new();
        {
            let mut statement = self.transaction.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                found.push((letters::place(row)?, letters::letter(row)?));
            }
        }
        for (place, letter) in &found {
            self.erased = true;
            letters::remove(self, *place, letter)?;
        }
        Ok(u32::try_from(found.len()).unwrap_or(limit))
    }

    fn forgettable(&mut self, what: &Forgetting) -> Result<u64, StoreError> {
        let (condition, values) = forgettable(what);
        let sql = format!("SELECT count(*) FROM letters WHERE {condition}");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        counted(statement.query_row(params_from_iter(values), |row| row.get(0))?)
    }

    fn records(
        &mut self,
        chat: Option<&Address>,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<(Place, StoredLetter)>, StoreError> {
        let of_chat = if chat.is_some() { "AND chat = ?3" } else { "AND ?3 IS NULL" };
        let sql = format!(
            "SELECT {COLUMNS}, place FROM letters WHERE place < ?1 AND shown > 0 AND {LASTS} {of_chat} ORDER BY place DESC LIMIT ?2"
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let before = before.map_or(i64::MAX, |before| before.0);
        let mut rows = statement.query(params![before, limit, chat.map(Address::as_str)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((letters::place(row)?, letters::letter(row)?));
        }
        Ok(found)
    }

    fn put_first(&mut self, letter: &StoredLetter) -> Result<bool, StoreError> {
        let sql = "SELECT coalesce(min(place), 1) - 1 FROM letters";
        let place: i64 = self.transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        letters::add(self, letter, Some(Place(place)))
    }
}

#[cfg(test)]
mod tests;
