//! Chats: what is unread, what came last, threads.

use hobnob_wire::letter::{TextBody, kind};
use hobnob_wire::{Address, LetterId};

use super::command::ChatReply;
use super::content::find;
use super::say::no_letter;
use super::view::{ChatView, UNREAD_COUNT_MAX};
use super::words::stored;
use super::{Replied, Talk};
use crate::core::command::Reply;
use crate::core::event::Event;
use crate::core::letters::show;
use crate::core::store::Store;
use crate::core::turn::Turn;

/// Letters of a thread that are shown.
const THREAD_LETTERS_MAX: u32 = 1_000;

/// A chat without its letters.
pub(super) fn view<S: Store>(store: &mut S, chat: &Address) -> Result<ChatView, S::Error> {
    let record = store.chat(chat)?;
    let first_unread = store.unread(chat, 1)?.first().map(ToString::to_string);
    let unread = if first_unread.is_some() { store.unread_count(chat, UNREAD_COUNT_MAX)? } else { 0 };
    Ok(ChatView {
        address: chat.clone(),
        unread,
        first_unread,
        draft: record.draft.text,
        marked_unread: record.marks.unread,
        typing: !record.marks.hides_typing,
        nudges: !record.marks.mutes_nudges,
        sound: record.marks.sound.to_string(),
        last: None,
    })
}

/// Tells users that a chat is other than before.
pub(super) fn tell<S: Store, E>(turn: &mut Turn<'_, S, E>, chat: &Address) -> Result<(), S::Error> {
    let view = view(turn.store, chat)?;
    turn.event(Event::Chat(view));
    Ok(())
}

pub(super) fn one<S: Store, E>(talk: &mut Talk<'_, '_, S, E>, chat: &Address) -> Replied<S::Error> {
    let (view, _) = with_last(talk, chat)?;
    Ok(Ok(Reply::Chat(ChatReply::Chats(vec![view]))))
}

/// All chats, that with the newest letter first; those without letters come last.
pub(super) fn all<S: Store, E>(talk: &mut Talk<'_, '_, S, E>) -> Replied<S::Error> {
    let chats = talk.turn.store.chats()?;
    let views: Result<Vec<_>, _> = chats.iter().map(|chat| with_last(talk, chat)).collect();
    let mut views = views?;
    views.sort_by(|(one, newest), (other, newer)| {
        newer.cmp(newest).then_with(|| one.address.cmp(&other.address))
    });
    Ok(Ok(Reply::Chat(ChatReply::Chats(views.into_iter().map(|(view, _)| view).collect()))))
}

/// A chat with its newest letter, and when that came.
fn with_last<S: Store, E>(
    talk: &mut Talk<'_, '_, S, E>,
    chat: &Address,
) -> Result<(ChatView, Option<u64>), S::Error> {
    let mut view = view(talk.turn.store, chat)?;
    let last = talk.turn.store.last_letter(chat)?;
    let came = last.as_ref().map(|letter| letter.received_unix_ms);
    let own = &talk.keys.identity.address;
    view.last = last.map(|letter| show::view(talk.turn.store, own, &letter)).transpose()?.map(Box::new);
    Ok((view, came))
}

pub(super) fn thread<S: Store, E>(talk: &mut Talk<'_, '_, S, E>, id: LetterId) -> Replied<S::Error> {
    let Some(letter) = find(talk.turn.store, None, id)? else {
        return Ok(Err(no_letter(id)));
    };
    let text = stored::<TextBody>(&letter.body).filter(|_| letter.kind == kind::TEXT);
    let first = text.and_then(|text| text.thread).map_or(letter.id, |thread| thread.id);
    let letters = talk.turn.store.thread(&letter.chat, first, THREAD_LETTERS_MAX)?;
    let own = &talk.keys.identity.address;
    let views: Result<Vec<_>, _> =
        letters.iter().map(|letter| show::view(talk.turn.store, own, letter)).collect();
    Ok(Ok(Reply::Letters(views?)))
}
