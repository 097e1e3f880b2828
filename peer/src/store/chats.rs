//! Chats: drafts, wishes, what is unread, what is sent later.

use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{ChatMarks, LetterRef};
use hobnob_wire::{Address, LetterId};
use rusqlite::{OptionalExtension, Row, params};

use super::changes::stamp;
use super::column::{self, address, count, read};
use super::letters::{COLUMNS, letter};
use super::{StoreError, Tx};
use crate::core::chat::change::{Change, Slot};
use crate::core::chat::store::{ChatRecord, ChatStore, Draft, Scheduled, UNKNOWN_LETTERS_MAX};
use crate::core::letters::store::StoredLetter;

fn record(row: &Row<'_>) -> Result<ChatRecord, StoreError> {
    let draft = Draft { text: row.get(0)?, stamp: stamp(row, 1)?, untold: row.get(3)? };
    let marks = ChatMarks {
        unread: row.get(4)?,
        hides_typing: row.get(5)?,
        mutes_nudges: row.get(6)?,
        sound: read(row, 7, |text: String| Text::new(text).ok())?,
    };
    Ok(ChatRecord { draft, marks, marked: stamp(row, 8)? })
}

fn scheduled(row: &Row<'_>) -> Result<Scheduled, StoreError> {
    Ok(Scheduled {
        id: column::letter(row, 0)?,
        to: address(row, 1)?,
        due_unix_ms: row.get::<_, i64>(2)?.cast_unsigned(),
        kind: row.get(3)?,
        body: row.get(4)?,
    })
}

/// A time as SQLite compares it; what is later than all that it knows is as late as that.
fn time(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

impl Tx<'_> {
    fn letters_of(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<StoredLetter>, StoreError> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(letter(row)?);
        }
        Ok(letters)
    }

    fn addresses_of(&self, sql: &str) -> Result<Vec<Address>, StoreError> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut addresses = Vec::new();
        while let Some(row) = rows.next()? {
            addresses.push(address(row, 0)?);
        }
        Ok(addresses)
    }
}

impl ChatStore for Tx<'_> {
    fn change(&mut self, slot: &Slot) -> Result<Option<Change>, StoreError> {
        self.find_change(slot)
    }

    fn put_change(&mut self, change: &Change, early: bool) -> Result<(), StoreError> {
        self.add_change(change, early)
    }

    fn changes(&mut self, chat: &Address, letter: &LetterRef) -> Result<Vec<Change>, StoreError> {
        self.changes_of(chat, letter)
    }

    fn settle_changes(&mut self, chat: &Address, letter: &LetterRef) -> Result<(), StoreError> {
        self.mark_changes_timely(chat, letter)
    }

    fn forget_changes(&mut self, chat: &Address, letter: &LetterRef, but: u16) -> Result<(), StoreError> {
        self.remove_changes(chat, letter, but)
    }

    fn erase(&mut self, letter: &LetterRef, shown: bool) -> Result<(), StoreError> {
        self.erase_letter(letter, shown)
    }

    fn on_their_way(&mut self, chat: &Address, kind: u16) -> Result<Vec<StoredLetter>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM letters WHERE chat = ?1 AND kind = ?2 AND shown = 0 AND kind > 0 ORDER BY place"
        );
        self.letters_of(&sql, params![chat.as_str(), kind])
    }

    fn prune_unknown(&mut self, chat: &Address) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "DELETE FROM letters WHERE shown = 2 AND chat = ?1 AND place <=
                 (SELECT place FROM letters WHERE shown = 2 AND chat = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![chat.as_str(), count(UNKNOWN_LETTERS_MAX)])?;
        Ok(())
    }

    fn read(&mut self, letter: &LetterRef, now_unix_ms: u64) -> Result<bool, StoreError> {
        let changed = self
            .transaction
            .prepare_cached(
                "UPDATE letters SET state = 4,
                 expires_unix_ms = coalesce(expires_unix_ms, ?3 + expires_after_s * 1000), expires_after_s = NULL
                 WHERE id = ?1 AND author = ?2 AND author = chat AND state = 3",
            )?
            .execute(params![letter.id.as_bytes(), letter.author.as_str(), time(now_unix_ms)])?;
        Ok(changed > 0)
    }

    fn unread_count(&mut self, chat: &Address, limit: u32) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM letters
                   WHERE chat = ?1 AND state = 3 AND author = chat AND shown > 0 LIMIT ?2)";
        Ok(self
            .transaction
            .prepare_cached(sql)?
            .query_row(params![chat.as_str(), limit], |row| row.get(0))?)
    }

    fn last_letter(&mut self, chat: &Address) -> Result<Option<StoredLetter>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM letters WHERE chat = ?1 AND shown > 0 ORDER BY place DESC LIMIT 1"
        );
        Ok(self.letters_of(&sql, [chat.as_str()])?.pop())
    }

    fn thread(
        &mut self,
        chat: &Address,
        first: LetterId,
        limit: u32,
    ) -> Result<Vec<StoredLetter>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM letters WHERE chat = ?1 AND thread = ?2 AND shown > 0
             UNION SELECT * FROM letters WHERE chat = ?1 AND id = ?2 AND shown > 0)
             ORDER BY place DESC LIMIT ?3"
        );
        let mut letters = self.letters_of(&sql, params![chat.as_str(), first.as_bytes(), limit])?;
        letters.reverse();
        Ok(letters)
    }

    fn chats(&mut self) -> Result<Vec<Address>, StoreError> {
        // A loose scan: the next chat after each, so that a long history costs nothing.
        self.addresses_of(
            "WITH RECURSIVE known (chat) AS (
                 SELECT min(chat) FROM letters WHERE shown > 0
                 UNION ALL
                 SELECT (SELECT min(chat) FROM letters WHERE shown > 0 AND chat > known.chat)
                 FROM known WHERE known.chat IS NOT NULL
             )
             SELECT chat FROM known WHERE chat IS NOT NULL
             UNION SELECT chat FROM chats WHERE draft <> '' OR unread = 1 ORDER BY chat",
        )
    }

    fn chat(&mut self, chat: &Address) -> Result<ChatRecord, StoreError> {
        let sql =
            "SELECT draft, draft_at_unix_ms, draft_id, draft_untold, unread, hides_typing, mutes_nudges,
                   sound, marked_at_unix_ms, marked_id FROM chats WHERE chat = ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let found = statement.query_row([chat.as_str()], |row| Ok(record(row))).optional()?;
        Ok(found.transpose()?.unwrap_or_default())
    }

    fn put_chat(&mut self, chat: &Address, record: &ChatRecord) -> Result<(), StoreError> {
        let ChatRecord { draft, marks, marked } = record;
        self.transaction
            .prepare_cached(
                "INSERT INTO chats (chat, draft, draft_at_unix_ms, draft_id, draft_untold, unread, hides_typing,
                 mutes_nudges, sound, marked_at_unix_ms, marked_id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (chat) DO UPDATE SET draft = excluded.draft,
                 draft_at_unix_ms = excluded.draft_at_unix_ms, draft_id = excluded.draft_id,
                 draft_untold = excluded.draft_untold, unread = excluded.unread,
                 hides_typing = excluded.hides_typing, mutes_nudges = excluded.mutes_nudges,
                 sound = excluded.sound, marked_at_unix_ms = excluded.marked_at_unix_ms,
                 marked_id = excluded.marked_id",
            )?
            .execute(params![
                chat.as_str(),
                draft.text,
                draft.stamp.at_unix_ms.cast_signed(),
                draft.stamp.id,
                draft.untold,
                marks.unread,
                marks.hides_typing,
                marks.mutes_nudges,
                marks.sound.as_str(),
                marked.at_unix_ms.cast_signed(),
                marked.id,
            ])?;
        Ok(())
    }

    fn untold_drafts(&mut self) -> Result<Vec<Address>, StoreError> {
        self.addresses_of("SELECT chat FROM chats WHERE draft_untold = 1 ORDER BY chat")
    }

    fn put_scheduled(&mut self, letter: &Scheduled) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO scheduled (id, addressee, due_unix_ms, kind, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET due_unix_ms = excluded.due_unix_ms, body = excluded.body",
            )?
            .execute(params![
                letter.id.as_bytes(),
                letter.to.as_str(),
                time(letter.due_unix_ms),
                letter.kind,
                letter.body
            ])?;
        Ok(())
    }

    fn scheduled(&mut self) -> Result<Vec<Scheduled>, StoreError> {
        let sql = "SELECT id, addressee, due_unix_ms, kind, body FROM scheduled ORDER BY due_unix_ms, id";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            letters.push(scheduled(row)?);
        }
        Ok(letters)
    }

    fn remove_scheduled(&mut self, id: LetterId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM scheduled WHERE id = ?1";
        Ok(self.transaction.prepare_cached(sql)?.execute([id.as_bytes()])? > 0)
    }

    fn expired(&mut self, now_unix_ms: u64, limit: usize) -> Result<Vec<StoredLetter>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM letters WHERE expires_unix_ms IS NOT NULL AND expires_unix_ms <= ?1
             ORDER BY expires_unix_ms LIMIT ?2"
        );
        self.letters_of(&sql, params![time(now_unix_ms), count(limit)])
    }

    fn next_due(&mut self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(due) FROM (
                   SELECT min(expires_unix_ms) AS due FROM letters WHERE expires_unix_ms IS NOT NULL
                   UNION ALL SELECT min(due_unix_ms) FROM scheduled)";
        let due: Option<i64> = self.transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(due.map(i64::cast_unsigned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chat::change::Stamp;
    use crate::core::chat::store::EARLY_CHANGES_MAX;
    use crate::core::letters::store::LetterStore;
    use crate::core::view::LetterState;
    use crate::store::Database;

    fn bob() -> Address {
        "bob@localhost".parse().unwrap()
    }

    fn id(number: usize) -> LetterId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        LetterId::new(bytes)
    }

    fn name(number: usize) -> LetterRef {
        LetterRef { author: bob(), id: id(number) }
    }

    fn letter(number: usize, kind: u16) -> StoredLetter {
        StoredLetter {
            id: id(number),
            author: bob(),
            to: "alice@localhost".parse().unwrap(),
            chat: bob(),
            at_unix_ms: 0,
            received_unix_ms: 0,
            kind,
            body: vec![1],
            thread: None,
            expires: None,
            state: LetterState::Delivered,
            error: None,
        }
    }

    fn change(number: usize) -> Change {
        let slot = Slot { chat: bob(), letter: name(number), kind: 6, by: bob() };
        Change { slot, stamp: Stamp::default(), body: Vec::new() }
    }

    #[test]
    fn of_changes_without_letters_and_of_unknown_letters_the_oldest_go() {
        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        for number in 0..EARLY_CHANGES_MAX + 5 {
            tx.put_change(&change(number), true).unwrap();
        }
        let held = |tx: &mut Tx<'_>, number| tx.change(&change(number).slot).unwrap().is_some();
        assert_eq!([4, 5, EARLY_CHANGES_MAX + 4].map(|number| held(&mut tx, number)), [false, true, true]);
        for number in 0..UNKNOWN_LETTERS_MAX + 5 {
            tx.add_letter(&letter(number, 999)).unwrap();
            tx.prune_unknown(&bob()).unwrap();
        }
        let kept = |tx: &mut Tx<'_>, number| tx.letter(&bob(), id(number)).unwrap().is_some();
        assert_eq!([4, 5, UNKNOWN_LETTERS_MAX + 4].map(|number| kept(&mut tx, number)), [false, true, true]);
    }

    #[test]
    fn what_is_said_about_a_letter_goes_with_it() {
        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        tx.add_letter(&letter(1, 1)).unwrap();
        tx.put_change(&change(1), false).unwrap();
        tx.put_change(&change(2), true).unwrap();
        tx.remove_letter(&bob(), id(1)).unwrap();
        assert_eq!(tx.change(&change(1).slot).unwrap(), None);
        assert_eq!(tx.change(&change(2).slot).unwrap(), Some(change(2)));
    }

    #[test]
    fn chats_are_found_without_reading_their_letters() {
        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        for (number, chat) in ["carol@localhost", "bob@localhost", "carol@localhost"].iter().enumerate() {
            let chat: Address = chat.parse().unwrap();
            tx.add_letter(&StoredLetter { chat, ..letter(number, 1) }).unwrap();
        }
        // What is on its way and not shown makes no chat.
        let chat: Address = "dave@localhost".parse().unwrap();
        tx.add_letter(&StoredLetter { chat, ..letter(9, 2) }).unwrap();
        let mut record = ChatRecord::default();
        record.draft.text = "Dear Eve".to_owned();
        tx.put_chat(&"eve@localhost".parse().unwrap(), &record).unwrap();
        let chats: Vec<String> = tx.chats().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(chats, ["bob@localhost", "carol@localhost", "eve@localhost"]);
    }

    #[test]
    fn reading_begins_the_time_of_a_letter_that_disappears() {
        use crate::core::letters::store::Expires;

        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        let expires = Some(Expires::AfterReading { seconds: 60 });
        tx.add_letter(&StoredLetter { expires, ..letter(1, 1) }).unwrap();
        assert_eq!(tx.next_due().unwrap(), None);
        assert!(tx.read(&name(1), 5_000).unwrap());
        assert!(!tx.read(&name(1), 9_000).unwrap(), "it was read already");
        assert_eq!(tx.next_due().unwrap(), Some(65_000));
        assert_eq!(tx.expired(64_999, 9).unwrap().len(), 0);
        assert_eq!(tx.expired(65_000, 9).unwrap().len(), 1);
        tx.erase(&name(1), false).unwrap();
        assert_eq!((tx.next_due().unwrap(), tx.letter(&bob(), id(1)).unwrap().unwrap().body), (None, vec![]));
    }
}
