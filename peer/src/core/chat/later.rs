//! Letters that are sent later, and letters that disappear.

use std::time::Duration;

use hobnob_wire::letter::{LetterBody, TextBody, kind};
use hobnob_wire::{Address, LetterId};

use super::alter::erase_edits;
use super::command::{ChatReply, NewWords};
use super::content::{self, reference, said};
use super::say::{known_words, say};
use super::store::{SCHEDULED_MAX, Scheduled};
use super::view::ScheduledView;
use super::words::{fits, stored, usage};
use super::{GONE, Replied, Talk};
use crate::core::command::{CommandError, ErrorKind, Reply};
use crate::core::event::Event;
use crate::core::letters::show;
use crate::core::letters::store::StoredLetter;
use crate::core::store::Store;
use crate::core::time::{Entropy, rfc3339};
use crate::core::turn::Turn;
use crate::core::view::LetterState;

/// Letters that one turn sends or lets disappear; the others follow at once.
const AT_ONCE_MAX: usize = 64;

/// How long the clock on the wall is trusted to go like ours: it may be set, and machines sleep.
const WALL_TRUST: Duration = Duration::from_secs(60);

/// When the next letter is due, by the clock that the engine's deadlines go by.
#[derive(Debug)]
pub(super) struct Clock {
    due: Option<Duration>,
    /// Whether the store must be asked again.
    stale: bool,
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self { due: None, stale: true }
    }

    /// Something may be due at another time than before.
    pub(super) const fn changed(&mut self) {
        self.stale = true;
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.stale || self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn settle<S: Store, E>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<(), S::Error> {
        if std::mem::take(&mut self.stale) {
            let next = turn.store.next_due()?;
            self.due = next.map(|due_unix_ms| {
                let wait = Duration::from_millis(due_unix_ms.saturating_sub(turn.now.unix_ms));
                turn.now.monotonic + wait.min(WALL_TRUST)
            });
        }
        Ok(())
    }

    pub(super) const fn deadline(&self) -> Option<Duration> {
        if self.stale { Some(Duration::ZERO) } else { self.due }
    }
}

/// Keeps a letter for later.
pub(super) fn schedule<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    to: Address,
    due_unix_ms: u64,
    body: &LetterBody,
) -> Replied<S::Error> {
    if due_unix_ms <= talk.turn.now.unix_ms {
        return Ok(Err(usage("That time is over. Name one that is to come, or leave it out to send now.")));
    }
    if talk.turn.store.scheduled()?.len() >= SCHEDULED_MAX {
        let text =
            format!("{SCHEDULED_MAX} letters wait already. Cancel one with `hobnob scheduled cancel ID`.");
        return Ok(Err(CommandError::new(ErrorKind::Conflict, text)));
    }
    let Ok((kind, bytes)) = body.encode() else {
        return Ok(Err(usage("It does not fit a letter.")));
    };
    let id = LetterId::new(talk.turn.entropy.array());
    let letter = Scheduled { id, to, due_unix_ms, kind, body: bytes };
    talk.turn.store.put_scheduled(&letter)?;
    Ok(Ok(Reply::Chat(ChatReply::Scheduled(vec![view(&letter)]))))
}

fn view(letter: &Scheduled) -> ScheduledView {
    let body = LetterBody::decode(letter.kind, &letter.body).ok();
    ScheduledView {
        id: letter.id,
        to: letter.to.clone(),
        due: rfc3339(letter.due_unix_ms),
        kind: content::kind(letter.kind),
        text: body.as_ref().map(said).unwrap_or_default(),
    }
}

pub(super) fn scheduled<S: Store, E>(talk: &mut Talk<'_, '_, S, E>) -> Replied<S::Error> {
    let letters = talk.turn.store.scheduled()?;
    Ok(Ok(Reply::Chat(ChatReply::Scheduled(letters.iter().map(view).collect()))))
}

fn not_scheduled(id: LetterId) -> CommandError {
    let text = format!("No letter {id} waits to be sent. See those that do with `hobnob scheduled list`.");
    CommandError::new(ErrorKind::NotFound, text)
}

pub(super) fn reschedule<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    id: LetterId,
    due_unix_ms: Option<u64>,
    text: Option<String>,
) -> Replied<S::Error> {
    let waiting = talk.turn.store.scheduled()?;
    let Some(mut letter) = waiting.into_iter().find(|letter| letter.id == id) else {
        return Ok(Err(not_scheduled(id)));
    };
    if let Some(due_unix_ms) = due_unix_ms {
        if due_unix_ms <= talk.turn.now.unix_ms {
            return Ok(Err(usage("That time is over. Name one that is to come.")));
        }
        letter.due_unix_ms = due_unix_ms;
    }
    if let Some(text) = text {
        let Some(before) = stored::<TextBody>(&letter.body).filter(|_| letter.kind == kind::TEXT) else {
            let text = "Only words can be changed. Cancel it and schedule another letter.";
            return Ok(Err(CommandError::new(ErrorKind::Conflict, text)));
        };
        let words = match known_words(talk, &NewWords { text, ..NewWords::default() }) {
            Ok(words) => words,
            Err(error) => return Ok(Err(error)),
        };
        let (text, mentions) = (words.text, words.mentions);
        let body = LetterBody::Text(TextBody {
            words: hobnob_wire::letter::Words { text, mentions, ..before.words },
            ..before
        });
        if let Err(error) = fits(&body) {
            return Ok(Err(error));
        }
        letter.body = body.encode().map_or(letter.body, |(_, bytes)| bytes);
    }
    talk.turn.store.put_scheduled(&letter)?;
    Ok(Ok(Reply::Chat(ChatReply::Scheduled(vec![view(&letter)]))))
}

pub(super) fn unschedule<S: Store, E>(talk: &mut Talk<'_, '_, S, E>, id: LetterId) -> Replied<S::Error> {
    let known = talk.turn.store.remove_scheduled(id)?;
    Ok(if known { Ok(Reply::Done) } else { Err(not_scheduled(id)) })
}

/// Sends what is due. The letter has the identifier that it was promised, in the transaction that ends its waiting, so
/// that it is sent once whatever happens.
pub(super) fn send_due<S: Store, E: Entropy>(talk: &mut Talk<'_, '_, S, E>) -> Result<(), S::Error> {
    let now = talk.turn.now.unix_ms;
    let due = talk.turn.store.scheduled()?.into_iter().take_while(|letter| letter.due_unix_ms <= now);
    let due: Vec<Scheduled> = due.take(AT_ONCE_MAX).collect();
    for Scheduled { id, to, kind, body, .. } in due {
        talk.turn.store.remove_scheduled(id)?;
        let own = talk.keys.identity.address.clone();
        match talk.contacts.may_write_letters(&own, &to) {
            Ok(()) => {
                if let Ok(body) = LetterBody::decode(kind, &body) {
                    say(talk, id, to, body)?;
                }
            }
            Err(error) => fail(
                talk,
                &StoredLetter {
                    id,
                    author: own,
                    chat: to.clone(),
                    to,
                    at_unix_ms: now,
                    received_unix_ms: now,
                    kind,
                    body,
                    thread: None,
                    expires: None,
                    state: LetterState::Failed,
                    error: Some(error.text),
                },
            )?,
        }
    }
    Ok(())
}

/// Keeps a letter that can no longer be sent where its author sees it.
fn fail<S: Store, E>(talk: &mut Talk<'_, '_, S, E>, letter: &StoredLetter) -> Result<(), S::Error> {
    talk.turn.store.add_letter(letter)?;
    let view = show::view(talk.turn.store, &letter.author, letter)?;
    talk.turn.event(Event::Letter(Box::new(view)));
    Ok(())
}

/// Erases letters whose time is over, with everything that was said about them.
pub(super) fn expire<S: Store, E>(talk: &mut Talk<'_, '_, S, E>) -> Result<(), S::Error> {
    for letter in talk.turn.store.expired(talk.turn.now.unix_ms, AT_ONCE_MAX)? {
        let name = reference(&letter);
        talk.turn.store.forget_changes(&letter.chat, &name, GONE)?;
        talk.turn.store.erase(&name, false)?;
        if letter.author == talk.keys.identity.address {
            erase_edits(talk.turn, &letter)?;
        }
        let (id, from, chat) = (letter.id, letter.author, letter.chat);
        talk.turn.event(Event::LetterGone { id, from, chat });
    }
    Ok(())
}
