//! Edits, deletions, reactions and votes: written here, or come from others.

use hobnob_wire::bounded::{List, Text};
use hobnob_wire::letter::{Delete, Edit, LetterBody, LetterRef, Poll, Reaction, Vote, kind};
use hobnob_wire::limits::REACTION_BYTES_MAX;
use hobnob_wire::{Address, LetterId};

use super::change::{Change, Slot, Stamp};
use super::command::NewWords;
use super::content::{find, reference};
use super::say::{known_words, no_letter};
use super::view::LetterChange;
use super::words::{fits, stored, usage};
use super::{Replied, Shown, Talk, list, shown};
use crate::core::command::{CommandError, ErrorKind, Reply};
use crate::core::event::Event;
use crate::core::letters::compose::{self, Draft};
use crate::core::letters::show;
use crate::core::letters::store::StoredLetter;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;
use crate::core::view::LetterState;

type Found<S> = Result<Result<StoredLetter, CommandError>, S>;

pub(super) fn edit<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    id: LetterId,
    new: &NewWords,
) -> Replied<S::Error> {
    let letter = match own_letter(talk, id)? {
        Ok(letter) if letter.kind == kind::TEXT => letter,
        Ok(_) => return Ok(conflict("Only words can be edited. Take the letter back and send another one.")),
        Err(error) => return Ok(Err(error)),
    };
    match known_words(talk, new) {
        Ok(words) => write(talk, &letter, &LetterBody::Edit(Edit { letter: id, words })),
        Err(error) => Ok(Err(error)),
    }
}

pub(super) fn delete<S: Store, E: Entropy>(talk: &mut Talk<'_, '_, S, E>, id: LetterId) -> Replied<S::Error> {
    match own_letter(talk, id)? {
        Ok(letter) => write(talk, &letter, &LetterBody::Delete(Delete { letter: id })),
        Err(error) => Ok(Err(error)),
    }
}

pub(super) fn react<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    id: LetterId,
    reaction: &str,
) -> Replied<S::Error> {
    let letter = match standing(talk, id)? {
        Ok(letter) => letter,
        Err(error) => return Ok(Err(error)),
    };
    if reaction.chars().any(|mark| mark.is_control() || mark.is_whitespace()) {
        return Ok(Err(usage("A reaction is an emoji, or another word without spaces.")));
    }
    match Text::new(reaction) {
        Ok(reaction) => {
            let body = LetterBody::Reaction(Reaction { letter: reference(&letter), reaction });
            write(talk, &letter, &body)
        }
        Err(_) => Ok(Err(usage(format!("A reaction has at most {REACTION_BYTES_MAX} bytes.")))),
    }
}

pub(super) fn vote<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    id: LetterId,
    choices: Vec<u8>,
) -> Replied<S::Error> {
    let letter = match standing(talk, id)? {
        Ok(letter) => letter,
        Err(error) => return Ok(Err(error)),
    };
    let Some(poll) = stored::<Poll>(&letter.body).filter(|_| letter.kind == kind::POLL) else {
        return Ok(conflict("That letter is no poll."));
    };
    let options = poll.options.len();
    if choices.iter().any(|choice| usize::from(*choice) >= options) {
        return Ok(Err(usage(format!("The poll has {options} options, counted from 1."))));
    }
    if choices.len() > 1 && !poll.multiple {
        return Ok(Err(usage("In this poll one chooses one option.")));
    }
    let Ok(choices) = List::new(choices) else {
        return Ok(Err(usage("An option is chosen once.")));
    };
    write(talk, &letter, &LetterBody::Vote(Vote { poll: reference(&letter), choices }))
}

fn conflict(text: &str) -> Result<Reply, CommandError> {
    Err(CommandError::new(ErrorKind::Conflict, text))
}

/// A letter that has not been taken back.
fn standing<S: Store, E>(talk: &mut Talk<'_, '_, S, E>, id: LetterId) -> Found<S::Error> {
    let Some(letter) = find(talk.turn.store, None, id)? else {
        return Ok(Err(no_letter(id)));
    };
    if let Err(error) = talk.contacts.may_write_letters(&talk.keys.identity.address, &letter.chat) {
        return Ok(Err(error));
    }
    if is_deleted(talk.turn.store, &letter.chat, &reference(&letter))? {
        return Ok(Err(CommandError::new(ErrorKind::Conflict, "That letter has been taken back.")));
    }
    Ok(Ok(letter))
}

fn own_letter<S: Store, E>(talk: &mut Talk<'_, '_, S, E>, id: LetterId) -> Found<S::Error> {
    Ok(standing(talk, id)?.and_then(|letter| {
        if letter.author == talk.keys.identity.address {
            Ok(letter)
        } else {
            let text =
                format!("That letter is {}'s. Only its author can change it or take it back.", letter.author);
            Err(CommandError::new(ErrorKind::Denied, text))
        }
    }))
}

fn is_deleted<S: Store>(store: &mut S, chat: &Address, letter: &LetterRef) -> Result<bool, S::Error> {
    let (chat, by) = (chat.clone(), letter.author.clone());
    let slot = Slot { chat, letter: letter.clone(), kind: kind::DELETE, by };
    Ok(store.change(&slot)?.is_some())
}

/// Writes a change of ours and does it here. It is later than what we said before, whatever the clock says.
fn write<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    letter: &StoredLetter,
    body: &LetterBody,
) -> Replied<S::Error> {
    if let Err(error) = fits(body) {
        return Ok(Err(error));
    }
    let own = talk.keys.identity.address.clone();
    let id = LetterId::new(talk.turn.entropy.array());
    let Some(mut change) = Change::of(&letter.chat, &own, Stamp::new(talk.turn.now.unix_ms, id), body) else {
        return Ok(Ok(Reply::Done));
    };
    if let Some(held) = talk.turn.store.change(&change.slot)? {
        change.stamp.at_unix_ms = change.stamp.at_unix_ms.max(held.stamp.at_unix_ms.saturating_add(1));
    }
    let draft = Draft { to: letter.chat.clone(), device: None, body: body.clone() };
    compose::write_as(talk.turn, talk.keys, change.stamp, &draft)?;
    apply(talk.turn, &own, &change)?;
    Ok(Ok(Reply::Done))
}

/// Does what a change says, wherever it comes from and whenever.
pub(super) fn apply<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    own: &Address,
    change: &Change,
) -> Result<(), S::Error> {
    let Slot { chat, letter, kind, .. } = &change.slot;
    let held = turn.store.change(&change.slot)?;
    if !change.replaces(held.as_ref()) {
        return Ok(());
    }
    let here = turn.store.letter(&letter.author, letter.id)?.filter(|here| here.chat == *chat);
    if here.as_ref().is_some_and(|here| shown(here.kind) == Shown::Not) {
        return Ok(());
    }
    // Of what was taken back nothing is kept.
    if *kind != kind::DELETE && is_deleted(turn.store, chat, letter)? {
        return Ok(());
    }
    turn.store.put_change(change, here.is_none())?;
    if *kind == kind::DELETE {
        turn.store.forget_changes(chat, letter, kind::DELETE)?;
        erase(turn, own, here.as_ref())?;
    }
    let Some(here) = here else {
        return Ok(());
    };
    if *kind == kind::DELETE && here.state == LetterState::Delivered {
        list::tell(turn, chat)?;
    }
    if let (Some(what), Some(now)) = (named(*kind), turn.store.letter(&letter.author, letter.id)?) {
        let letter = Box::new(show::view(turn.store, own, &now)?);
        turn.event(Event::LetterChanged { what, letter });
    }
    Ok(())
}

const fn named(kind: u16) -> Option<LetterChange> {
    match kind {
        kind::EDIT => Some(LetterChange::Edited),
        kind::DELETE => Some(LetterChange::Deleted),
        kind::REACTION => Some(LetterChange::Reaction),
        kind::VOTE => Some(LetterChange::Vote),
        _ => None,
    }
}

/// Erases a letter, and edits of it that are on their way from here.
fn erase<S: Store, E>(
    turn: &mut Turn<'_, S, E>,
    own: &Address,
    letter: Option<&StoredLetter>,
) -> Result<(), S::Error> {
    let Some(letter) = letter else {
        return Ok(());
    };
    turn.store.erase(&reference(letter), true)?;
    if letter.author == *own { erase_edits(turn, letter) } else { Ok(()) }
}

/// Erases edits of a letter of ours that are on their way.
pub(super) fn erase_edits<S: Store, E>(
    turn: &mut Turn<'_, S, E>,
    letter: &StoredLetter,
) -> Result<(), S::Error> {
    for edit in turn.store.on_their_way(&letter.chat, kind::EDIT)? {
        if stored::<Edit>(&edit.body).is_some_and(|body| body.letter == letter.id) {
            turn.store.erase(&reference(&edit), false)?;
        }
    }
    Ok(())
}
