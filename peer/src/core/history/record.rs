//! Letters as they are carried to another file or device: one JSON object each.
//!
//! A record holds a letter as it was written, with its kind and its encoded body, so that nothing is lost on
//! the way, not even of kinds that this version does not know. Records travel **newest first**: each is put
//! before all that is there already, so the newest letters can be read first, and whoever is interrupted
//! begins again without harm.

use data_encoding::BASE64_NOPAD;
use hobnob_wire::codec::Frame as _;
use hobnob_wire::letter::{Letter, LetterBody, LetterRef};
use hobnob_wire::limits::LETTER_BODY_BYTES_MAX;
use hobnob_wire::{Address, LetterId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::chat::change::{Change, Stamp};
use crate::core::chat::{Shown, shown};
use crate::core::letters::compose;
use crate::core::letters::store::StoredLetter;
use crate::core::view::{LetterState, as_text};

/// Longest line that can be a record: the longest body as words, every character escaped, and encoded, and as much again
/// for an edit, with room for a thousand reactions.
pub const RECORD_BYTES_MAX: usize = 16 * Letter::BYTES_MAX;

/// A letter on its way to another history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The letter.
    #[serde(with = "as_text")]
    pub id: LetterId,
    /// Who wrote it.
    pub from: Address,
    /// To whom.
    pub to: Address,
    /// Whom the chat is with.
    pub chat: Address,
    /// When it was written, by the author's clock, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// When it came, by the clock of the device that it came to.
    pub received_unix_ms: u64,
    /// Number of its kind.
    pub kind: u16,
    /// Its encoded body, in base64 (RFC 4648 §4, without padding).
    pub body: String,
    /// How far it had come.
    pub state: LetterState,
    /// Why it had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of it: edits, reactions, votes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeRecord>,
    /// What it says, for readers; not read again, because the body says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Changes of one record: more than people there are to react.
pub const CHANGES_MAX: usize = 1_000;

/// Something that came of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// The letter that brought it.
    #[serde(with = "as_text")]
    pub id: LetterId,
    /// Who wrote that.
    pub from: Address,
    /// When, by the author's clock, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// Number of its kind.
    pub kind: u16,
    /// Its encoded body, in base64.
    pub body: String,
}

/// Why a record is not taken. The fault of whoever wrote the file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// It is no JSON object of this form.
    #[error("it is not a record of a letter")]
    Malformed,
    /// It is longer than a letter can be.
    #[error("it is longer than a letter can be")]
    TooLong,
    /// The body is not what its kind says.
    #[error("its body is damaged")]
    Body,
    /// The account has no part in it, or it stands in a chat to which it does not belong.
    #[error("it is not a letter of this account")]
    Foreign,
}

impl Record {
    /// A letter as a record, with what came of it; `text` is what it says.
    #[must_use]
    pub fn new(letter: &StoredLetter, changes: &[Change], text: Option<String>) -> Self {
        Self {
            id: letter.id,
            from: letter.author.clone(),
            to: letter.to.clone(),
            chat: letter.chat.clone(),
            at_unix_ms: letter.at_unix_ms,
            received_unix_ms: letter.received_unix_ms,
            kind: letter.kind,
            body: BASE64_NOPAD.encode(&letter.body),
            state: letter.state,
            error: letter.error.clone(),
            changes: changes.iter().map(ChangeRecord::new).collect(),
            text,
        }
    }

    /// Reads a record of the history of `own` from a line.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(line: &str, own: &Address) -> Result<(StoredLetter, Vec<Change>), RecordError> {
        if line.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let record: Self = serde_json::from_str(line).map_err(|_| RecordError::Malformed)?;
        record.letter(own)
    }

    /// The letter and what came of it, if it can be one of `own`'s.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn letter(self, own: &Address) -> Result<(StoredLetter, Vec<Change>), RecordError> {
        let (content, bytes) = decoded(self.kind, &self.body)?;
        if shown(self.kind) == Shown::Not || self.changes.len() > CHANGES_MAX {
            return Err(RecordError::Body);
        }
        let is_own = self.from == *own && self.chat == self.to;
        let is_theirs = self.to == *own && self.chat == self.from;
        if !is_own && !is_theirs {
            return Err(RecordError::Foreign);
        }
        // Nothing is on its way in a history that was carried here.
        let (state, error) = if self.state == LetterState::Queued {
            (LetterState::Failed, Some("it had not been sent where it comes from".to_owned()))
        } else {
            (self.state, self.error)
        };
        let letter = StoredLetter {
            id: self.id,
            author: self.from,
            to: self.to,
            chat: self.chat,
            at_unix_ms: self.at_unix_ms,
            received_unix_ms: self.received_unix_ms,
            kind: self.kind,
            body: bytes,
            thread: compose::thread(&content),
            expires: None,
            state,
            error,
        };
        let name = LetterRef { author: letter.author.clone(), id: letter.id };
        let changes = self.changes.into_iter().map(|change| change.change(&letter.chat, &name, own));
        let changes = changes.collect::<Result<_, _>>()?;
        Ok((letter, changes))
    }
}

impl ChangeRecord {
    fn new(change: &Change) -> Self {
        Self {
            id: LetterId::new(change.stamp.id),
            from: change.slot.by.clone(),
            at_unix_ms: change.stamp.at_unix_ms,
            kind: change.slot.kind,
            body: BASE64_NOPAD.encode(&change.body),
        }
    }

    /// The change, if it can be one of this letter.
    fn change(self, chat: &Address, letter: &LetterRef, own: &Address) -> Result<Change, RecordError> {
        let (content, _) = decoded(self.kind, &self.body)?;
        if self.from != *own && self.from != *chat {
            return Err(RecordError::Foreign);
        }
        Change::of(chat, &self.from, Stamp::new(self.at_unix_ms, self.id), &content)
            .filter(|change| change.slot.letter == *letter)
            .ok_or(RecordError::Body)
    }
}

/// A body, and its bytes.
fn decoded(kind: u16, body: &str) -> Result<(LetterBody, Vec<u8>), RecordError> {
    let bytes = BASE64_NOPAD.decode(body.as_bytes()).map_err(|_| RecordError::Body)?;
    if bytes.len() > LETTER_BODY_BYTES_MAX {
        return Err(RecordError::Body);
    }
    Ok((LetterBody::decode(kind, &bytes).map_err(|_| RecordError::Body)?, bytes))
}

#[cfg(test)]
mod tests {
    use hobnob_wire::bounded::Text;
    use hobnob_wire::letter::{Edit, Reaction, TextBody, Words};

    use super::*;

    fn own() -> Address {
        "alice@a".parse().unwrap()
    }

    fn said(text: &str) -> Words {
        Words { text: Text::new(text).unwrap(), ..Words::default() }
    }

    fn letter(from: &str, to: &str, chat: &str) -> StoredLetter {
        let body = LetterBody::Text(TextBody { words: said("Grüße"), ..TextBody::default() });
        let (kind, body) = body.encode().unwrap();
        StoredLetter {
            id: LetterId::new([1; 16]),
            author: from.parse().unwrap(),
            to: to.parse().unwrap(),
            chat: chat.parse().unwrap(),
            at_unix_ms: 5,
            received_unix_ms: 6,
            kind,
            body,
            thread: None,
            expires: None,
            state: LetterState::Read,
            error: None,
        }
    }

    fn change(by: &str, id: u8, body: &LetterBody) -> Change {
        let stamp = Stamp::new(7, LetterId::new([id; 16]));
        Change::of(&"bob@b".parse().unwrap(), &by.parse().unwrap(), stamp, body).unwrap()
    }

    fn carried(
        letter: &StoredLetter,
        changes: &[Change],
    ) -> Result<(StoredLetter, Vec<Change>), RecordError> {
        let record = Record::new(letter, changes, Some("Grüße".into()));
        Record::read(&serde_json::to_string(&record).unwrap(), &own())
    }

    #[test]
    fn a_letter_comes_out_as_it_went_in() {
        for letter in [
            letter("alice@a", "bob@b", "bob@b"),
            letter("bob@b", "alice@a", "bob@b"),
            letter("alice@a", "alice@a", "alice@a"),
        ] {
            assert_eq!(carried(&letter, &[]), Ok((letter, vec![])));
        }
        let unknown =
            StoredLetter { kind: 60_000, body: vec![1, 2, 3], ..letter("bob@b", "alice@a", "bob@b") };
        assert_eq!(carried(&unknown, &[]), Ok((unknown, vec![])));
    }

    #[test]
    fn what_came_of_a_letter_goes_with_it_and_nothing_that_is_about_another() {
        let letter = letter("bob@b", "alice@a", "bob@b");
        let name = LetterRef { author: letter.author.clone(), id: letter.id };
        let edit = change("bob@b", 2, &LetterBody::Edit(Edit { letter: letter.id, words: said("Hallo") }));
        let reaction = LetterBody::Reaction(Reaction { letter: name, reaction: Text::new("👍").unwrap() });
        let changes = [edit, change("alice@a", 3, &reaction)];
        assert_eq!(carried(&letter, &changes), Ok((letter.clone(), changes.to_vec())));

        let other = LetterBody::Edit(Edit { letter: LetterId::new([9; 16]), words: said("x") });
        assert_eq!(carried(&letter, &[change("bob@b", 2, &other)]), Err(RecordError::Body));
        assert_eq!(carried(&letter, &[change("carol@c", 3, &reaction)]), Err(RecordError::Foreign));
    }

    #[test]
    fn what_was_not_sent_there_is_not_on_its_way_here() {
        let queued = StoredLetter { state: LetterState::Queued, ..letter("alice@a", "bob@b", "bob@b") };
        assert_eq!(carried(&queued, &[]).unwrap().0.state, LetterState::Failed);
    }

    #[test]
    fn letters_of_others_and_damaged_ones_are_refused() {
        for (from, to, chat) in
            [("bob@b", "carol@c", "bob@b"), ("bob@b", "alice@a", "carol@c"), ("alice@a", "bob@b", "carol@c")]
        {
            assert_eq!(carried(&letter(from, to, chat), &[]), Err(RecordError::Foreign));
        }
        let damaged = StoredLetter { body: vec![0xff; 3], ..letter("bob@b", "alice@a", "bob@b") };
        assert_eq!(carried(&damaged, &[]), Err(RecordError::Body));
        assert_eq!(Record::read("{}", &own()), Err(RecordError::Malformed));
        assert_eq!(Record::read(&" ".repeat(RECORD_BYTES_MAX + 1), &own()), Err(RecordError::TooLong));
    }
}
