//! The index of words, kept in step with the letters.

use hobnob_wire::letter::LetterRef;
use hobnob_wire::{Address, LetterId};
use rusqlite::{OptionalExtension, params};

use super::letters::{self, COLUMNS};
use super::{StoreError, Tx};
use crate::core::chat::change::merge;
use crate::core::history::index::{self, Entry};
use crate::core::history::query::{Query, Term};
use crate::core::history::store::Place;
use crate::core::history::words::Phrase;
use crate::core::letters::store::StoredLetter;

const DAY_MS: i64 = 86_400_000;

/// A letter was added.
pub(super) fn added(tx: &Tx<'_>, place: Place, letter: &StoredLetter) -> Result<(), StoreError> {
    let Some(said) = index::spoken(letter, None) else {
        return Ok(());
    };
    tx.transaction
        .prepare_cached(
            "INSERT INTO days (day, first, last) VALUES (?1, ?2, ?2) ON CONFLICT (day) DO UPDATE
             SET first = min(first, excluded.first), last = max(last, excluded.last)",
        )?
        .execute([letter.at_unix_ms.cast_signed() / DAY_MS, place.0])?;
    enter(tx, place, &index::entry(letter, &said))
}

/// A letter is about to be removed.
pub(super) fn removed(tx: &Tx<'_>, place: Place, letter: &StoredLetter) -> Result<(), StoreError> {
    if let Some(said) = said(tx, place, letter)? {
        strike(tx, place, &index::entry(letter, &said))?;
    }
    tx.transaction.prepare_cached("DELETE FROM reworded WHERE place = ?1")?.execute([place.0])?;
    Ok(())
}

/// What came of a letter has changed: it may say something else now, or nothing any more.
pub(super) fn refresh(tx: &Tx<'_>, author: &Address, id: LetterId) -> Result<(), StoreError> {
    let Some((place, letter)) = letters::placed(tx, author, id)? else {
        return Ok(());
    };
    let name = LetterRef { author: author.clone(), id };
    let merged = merge(author, tx.changes_of(&letter.chat, &name)?);
    let edited = merged.edited.map(|(words, _)| words);
    let now = index::spoken(&letter, edited.as_ref()).filter(|_| !merged.deleted);
    reword(tx, place, &letter, now.as_deref())
}

/// A letter is about to be erased.
pub(super) fn erased(tx: &Tx<'_>, author: &Address, id: LetterId) -> Result<(), StoreError> {
    match letters::placed(tx, author, id)? {
        Some((place, letter)) => reword(tx, place, &letter, None),
        None => Ok(()),
    }
}

fn reword(tx: &Tx<'_>, place: Place, letter: &StoredLetter, now: Option<&str>) -> Result<(), StoreError> {
    let before = said(tx, place, letter)?;
    if before.as_deref() == now {
        return Ok(());
    }
    if let Some(said) = before {
        strike(tx, place, &index::entry(letter, &said))?;
    }
    tx.transaction
        .prepare_cached(
            "INSERT INTO reworded (place, said) VALUES (?1, ?2)
             ON CONFLICT (place) DO UPDATE SET said = excluded.said",
        )?
        .execute(params![place.0, now])?;
    now.map_or(Ok(()), |said| enter(tx, place, &index::entry(letter, said)))
}

/// What the index has of a letter.
fn said(tx: &Tx<'_>, place: Place, letter: &StoredLetter) -> Result<Option<String>, StoreError> {
    let sql = "SELECT said FROM reworded WHERE place = ?1";
    let other: Option<Option<String>> =
        tx.transaction.prepare_cached(sql)?.query_row([place.0], |row| row.get(0)).optional()?;
    Ok(other.unwrap_or_else(|| index::spoken(letter, None)))
}

fn enter(tx: &Tx<'_>, place: Place, entry: &Entry) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached("INSERT INTO words (rowid, said, facts) VALUES (?1, ?2, ?3)")?
        .execute(params![place.0, entry.words, entry.facts])?;
    Ok(())
}

/// Takes an entry out. It must be the one that was entered, or parts of it stay.
fn strike(tx: &Tx<'_>, place: Place, entry: &Entry) -> Result<(), StoreError> {
    tx.transaction
        .prepare_cached("INSERT INTO words (words, rowid, said, facts) VALUES ('delete', ?1, ?2, ?3)")?
        .execute(params![place.0, entry.words, entry.facts])?;
    Ok(())
}

/// Letters that a query finds, newest first.
pub(super) fn search(
    tx: &Tx<'_>,
    query: &Query,
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<(Place, StoredLetter)>, StoreError> {
    let from = query.after.map_or(i64::MIN, signed);
    let until = query.before.map_or(i64::MAX, signed);
    let Some((first, last)) = places(tx, from, until)? else {
        return Ok(Vec::new());
    };
    let last = before.map_or(last, |before| last.min(before.0.saturating_sub(1)));
    // The index decides which letters are looked at.
    let sql = format!(
        "SELECT {COLUMNS}, place FROM words CROSS JOIN letters ON letters.place = words.rowid
         WHERE words MATCH ?1 AND words.rowid BETWEEN ?2 AND ?3 AND at_unix_ms >= ?4 AND at_unix_ms < ?5
         ORDER BY words.rowid DESC LIMIT ?6"
    );
    let mut statement = tx.transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(params![expression(query), first, last, from, until, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((letters::place(row)?, letters::letter(row)?));
    }
    Ok(found)
}

/// Between which places letters of a time stand; `None` when there are none.
pub(super) fn places(tx: &Tx<'_>, from: i64, until: i64) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT min(first), max(last) FROM days WHERE day BETWEEN ?1 AND ?2";
    let mut statement = tx.transaction.prepare_cached(sql)?;
    let (first, last): (Option<i64>, Option<i64>) =
        statement.query_row([from / DAY_MS, until / DAY_MS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}

/// A time as the column has it. Times that no clock shows are as good as the last.
pub(super) fn signed(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

/// A query in the language of FTS5 (<https://sqlite.org/fts5.html#full_text_query_syntax>). All that stands in it
/// beside operators are quoted words of letters, digits and marks.
fn expression(query: &Query) -> String {
    let all = |terms: &[Term], by: &str| terms.iter().map(term).collect::<Vec<_>>().join(by);
    let wanted = if query.wanted.is_empty() { fact(index::ANY) } else { all(&query.wanted, " AND ") };
    if query.unwanted.is_empty() {
        wanted
    } else {
        format!("({wanted}) NOT ({})", all(&query.unwanted, " OR "))
    }
}

fn term(term: &Term) -> String {
    match term {
        Term::Words(phrase) => words(phrase),
        Term::From(author) => fact(&index::from(author)),
        Term::In(chat) => fact(&index::within(chat)),
        Term::Has(what) => fact(what.fact()),
    }
}

fn words(phrase: &Phrase) -> String {
    let open = if phrase.is_open() { "*" } else { "" };
    format!("said : {}{open}", quoted(&phrase.words().join(" ")))
}

fn fact(fact: &str) -> String {
    format!("facts : {}", quoted(fact))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::history::query::parse;

    #[test]
    fn a_query_becomes_quoted_words_and_operators() {
        let own = "alice@a".parse().unwrap();
        let read = |text: &str| expression(&parse(text, &own, 0).unwrap());
        assert_eq!(read("Grüße"), "said : \"grusse\"");
        assert_eq!(
            read("a AND \"b OR c\" NEAR(d) wor* -x -from:me"),
            "(said : \"a\" AND said : \"and\" AND said : \"b or c\" AND said : \"near d\" AND said : \"wor\"*) \
             NOT (said : \"x\" OR facts : \"f616c6963654061\")"
        );
        assert_eq!(read("before:2026"), "facts : \"any\"");
        assert_eq!(read("東"), "said : \"東\"*");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
