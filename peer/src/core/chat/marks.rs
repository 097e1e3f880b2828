//! What follows the user to the other own devices: drafts, what has been read, what is wanted of chats.

use std::time::Duration;

use hobnob_wire::bounded::{List, Text};
use hobnob_wire::letter::{LetterBody, LetterRef, OwnSync, Reached, Receipt, kind};
use hobnob_wire::limits::{LETTER_TEXT_BYTES_MAX, RECEIPT_LETTERS_MAX};
use hobnob_wire::{Address, LetterId};

use super::change::{Change, Slot, Stamp};
use super::command::{ChatReply, Wish};
use super::store::Draft;
use super::words::text;
use super::{Chat, Replied, Talk, list};
use crate::core::command::{CommandError, Reply};
use crate::core::contact::not_a_contact;
use crate::core::letters::compose;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;

/// How long a draft changes before the other own devices are told: long enough that a sentence is one letter.
const TELL_WAIT: Duration = Duration::from_secs(3);

/// A stamp that is later than what is known, whatever the clock says.
fn later<S, E: Entropy>(turn: &mut Turn<'_, S, E>, than: Stamp) -> Stamp {
    let at_unix_ms = turn.now.unix_ms.max(than.at_unix_ms.saturating_add(1));
    Stamp { at_unix_ms, id: turn.entropy.array() }
}

impl Chat {
    pub(super) fn draft<S: Store, E: Entropy>(
        &mut self,
        talk: &mut Talk<'_, '_, S, E>,
        with: &Address,
        words: &str,
    ) -> Replied<S::Error> {
        if let Err(error) = may_keep(talk, with) {
            return Ok(Err(error));
        }
        let words: Text<LETTER_TEXT_BYTES_MAX> = match text("The draft", words) {
            Ok(words) => words,
            Err(error) => return Ok(Err(error)),
        };
        let mut record = talk.turn.store.chat(with)?;
        if record.draft.text == words.as_str() {
            return Ok(Ok(Reply::Done));
        }
        let stamp = later(talk.turn, record.draft.stamp);
        record.draft = Draft { text: words.to_string(), stamp, untold: true };
        talk.turn.store.put_chat(with, &record)?;
        self.tell_at.get_or_insert(talk.turn.now.monotonic + TELL_WAIT);
        list::tell(talk.turn, with)?;
        Ok(Ok(Reply::Done))
    }

    /// The user has read a chat: its letters are marked, their author and the other own devices are told.
    pub(crate) fn mark_read<S: Store, E: Entropy>(
        &mut self,
        talk: &mut Talk<'_, '_, S, E>,
        chat: &Address,
    ) -> Result<(), S::Error> {
        let mut any = false;
        loop {
            let letters = talk.turn.store.unread(chat, RECEIPT_LETTERS_MAX)?;
            if letters.is_empty() {
                break;
            }
            any = true;
            for id in &letters {
                let letter = LetterRef { author: chat.clone(), id: *id };
                talk.turn.store.read(&letter, talk.turn.now.unix_ms)?;
            }
            let Ok(letters) = List::new(letters) else { break };
            if talk.contacts.accepted(chat) {
                let body = LetterBody::Receipt(Receipt { reached: Reached::Read, letters: letters.clone() });
                compose::write(
                    talk.turn,
                    talk.keys,
                    &compose::Draft { to: chat.clone(), device: None, body },
                )?;
            }
            let id = LetterId::new(talk.turn.entropy.array());
            let stamp = Stamp::new(talk.turn.now.unix_ms, id);
            tell(talk, stamp, OwnSync::Read { chat: chat.clone(), letters })?;
        }
        if talk.turn.store.chat(chat)?.marks.unread {
            let wish = Wish { unread: Some(false), ..Wish::default() };
            drop(mark(talk, chat, &wish)?);
        } else if any {
            list::tell(talk.turn, chat)?;
        }
        if any {
            self.clock.changed();
        }
        Ok(())
    }
}

fn may_keep<S, E>(talk: &Talk<'_, '_, S, E>, with: &Address) -> Result<(), CommandError> {
    let known = *with == talk.keys.identity.address || talk.contacts.knows(with);
    if known { Ok(()) } else { Err(not_a_contact(with)) }
}

/// Changes what the user wants of a chat.
pub(super) fn mark<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    with: &Address,
    wish: &Wish,
) -> Replied<S::Error> {
    if let Err(error) = may_keep(talk, with) {
        return Ok(Err(error));
    }
    let mut record = talk.turn.store.chat(with)?;
    let mut marks = record.marks.clone();
    marks.unread = wish.unread.unwrap_or(marks.unread);
    marks.hides_typing = wish.typing.map_or(marks.hides_typing, |typing| !typing);
    marks.mutes_nudges = wish.nudges.map_or(marks.mutes_nudges, |nudges| !nudges);
    if let Some(sound) = &wish.sound {
        match text("The name of the sound", sound) {
            Ok(sound) => marks.sound = sound,
            Err(error) => return Ok(Err(error)),
        }
    }
    if marks != record.marks {
        record.marks = marks.clone();
        record.marked = later(talk.turn, record.marked);
        talk.turn.store.put_chat(with, &record)?;
        tell(talk, record.marked, OwnSync::Marks { chat: with.clone(), marks })?;
        list::tell(talk.turn, with)?;
    }
    let view = list::view(talk.turn.store, with)?;
    Ok(Ok(Reply::Chat(ChatReply::Chats(vec![view]))))
}

/// Tells the other own devices, if there are any.
fn tell<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    stamp: Stamp,
    sync: OwnSync,
) -> Result<(), S::Error> {
    let to = talk.keys.identity.address.clone();
    let draft = compose::Draft { to, device: None, body: LetterBody::OwnSync(sync) };
    compose::write_as(talk.turn, talk.keys, stamp, &draft)?;
    Ok(())
}

/// Tells the other own devices of drafts that they do not know.
pub(super) fn tell_drafts<S: Store, E: Entropy>(talk: &mut Talk<'_, '_, S, E>) -> Result<(), S::Error> {
    for chat in talk.turn.store.untold_drafts()? {
        let mut record = talk.turn.store.chat(&chat)?;
        record.draft.untold = false;
        talk.turn.store.put_chat(&chat, &record)?;
        if let Ok(text) = Text::new(record.draft.text) {
            tell(talk, record.draft.stamp, OwnSync::Draft { chat, text })?;
        }
    }
    Ok(())
}

/// Another own device says what the user did there. Whether letters were read.
pub(super) fn told<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    stamp: Stamp,
    sync: OwnSync,
) -> Result<bool, S::Error> {
    match sync {
        OwnSync::Draft { chat, text } => {
            let mut record = turn.store.chat(&chat)?;
            if stamp > record.draft.stamp {
                record.draft = Draft { text: text.to_string(), stamp, untold: false };
                turn.store.put_chat(&chat, &record)?;
                list::tell(turn, &chat)?;
            }
            Ok(false)
        }
        OwnSync::Marks { chat, marks } => {
            let mut record = turn.store.chat(&chat)?;
            if stamp > record.marked {
                (record.marks, record.marked) = (marks, stamp);
                turn.store.put_chat(&chat, &record)?;
                list::tell(turn, &chat)?;
            }
            Ok(false)
        }
        OwnSync::Read { chat, letters } => {
            let mut any = false;
            for id in letters.iter() {
                any |= read_elsewhere(turn, &chat, *id, stamp)?;
            }
            if any {
                list::tell(turn, &chat)?;
            }
            Ok(any)
        }
    }
}

/// A letter was read on another own device; it may not have come to this one yet. Whether it was unread here.
fn read_elsewhere<S: Store, E>(
    turn: &mut Turn<'_, S, E>,
    chat: &Address,
    id: LetterId,
    stamp: Stamp,
) -> Result<bool, S::Error> {
    let letter = LetterRef { author: chat.clone(), id };
    if turn.store.letter(chat, id)?.is_some() {
        return turn.store.read(&letter, turn.now.unix_ms);
    }
    let slot = Slot { chat: chat.clone(), letter, kind: kind::OWN_SYNC, by: chat.clone() };
    turn.store.put_change(&Change { slot, stamp, body: Vec::new() }, true)?;
    Ok(false)
}
