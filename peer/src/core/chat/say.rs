//! Writes letters: words, attachments, nudges, what others wrote.

use hobnob_wire::bounded::{List, Text};
use hobnob_wire::letter::{
    ContactCard, Latitude, LetterBody, LetterRef, Location, Longitude, Nudge, Poll, TextBody, Words, kind,
};
use hobnob_wire::limits::POLL_OPTIONS_MAX;
use hobnob_wire::{Address, LetterId};

use super::change::{Stamp, merge};
use super::command::{ChatCommand, Saying};
use super::content::{body as body_of, find, reference};
use super::words::{fits, line, stored, text, usage, words};
use super::{Chat, Replied, Talk, alter, later, list, marks};
use crate::core::command::{CommandError, ErrorKind, Reply};
use crate::core::event::Event;
use crate::core::letters::compose::{self, Draft};
use crate::core::letters::show;
use crate::core::letters::store::{Expires, StoredLetter};
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::view::LetterState;

impl Chat {
    /// Does what a user asks.
    pub(crate) fn command<S: Store, E: Entropy>(
        &mut self,
        talk: &mut Talk<'_, '_, S, E>,
        command: ChatCommand,
    ) -> Replied<S::Error> {
        match command {
            ChatCommand::Write { to, what, due_unix_ms } => self.write(talk, to, what, due_unix_ms),
            ChatCommand::Edit { id, words } => alter::edit(talk, id, &words),
            ChatCommand::Delete { id } => alter::delete(talk, id),
            ChatCommand::React { id, reaction } => alter::react(talk, id, &reaction),
            ChatCommand::Vote { id, choices } => alter::vote(talk, id, choices),
            ChatCommand::Draft { with, text } => self.draft(talk, &with, &text),
            ChatCommand::Mark { with, wish } => marks::mark(talk, &with, &wish),
            ChatCommand::List => list::all(talk),
            ChatCommand::Show { with } => list::one(talk, &with),
            ChatCommand::Thread { id } => list::thread(talk, id),
            ChatCommand::Scheduled => later::scheduled(talk),
            ChatCommand::Reschedule { id, due_unix_ms, text } => {
                let changed = later::reschedule(talk, id, due_unix_ms, text);
                self.clock.changed();
                changed
            }
            ChatCommand::Unschedule { id } => {
                self.clock.changed();
                later::unschedule(talk, id)
            }
        }
    }

    fn write<S: Store, E: Entropy>(
        &mut self,
        talk: &mut Talk<'_, '_, S, E>,
        to: Address,
        what: Saying,
        due_unix_ms: Option<u64>,
    ) -> Replied<S::Error> {
        if let Err(error) = talk.contacts.may_write_letters(&talk.keys.identity.address, &to) {
            return Ok(Err(error));
        }
        let is_draft = matches!(what, Saying::Draft);
        let body = match compose(talk, &to, what)? {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = fits(&body) {
            return Ok(Err(error));
        }
        if matches!(body, LetterBody::Nudge(_))
            && let Err(error) = self.nudges.send(&to, due_unix_ms, talk.turn.now.monotonic)
        {
            return Ok(Err(error));
        }
        if is_draft {
            drop(self.draft(talk, &to, "")?);
        }
        if let Some(due_unix_ms) = due_unix_ms {
            self.clock.changed();
            return later::schedule(talk, to, due_unix_ms, &body);
        }
        let id = LetterId::new(talk.turn.entropy.array());
        let letter = say(talk, id, to, body)?;
        if letter.as_ref().is_some_and(|letter| matches!(letter.expires, Some(Expires::At { .. }))) {
            self.clock.changed();
        }
        Ok(Ok(Reply::Sent { id, state: letter.map_or(LetterState::Failed, |letter| letter.state) }))
    }
}

/// Writes a letter that is shown, and tells. `None` when it does not fit, which was checked.
pub(super) fn say<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    id: LetterId,
    to: Address,
    body: LetterBody,
) -> Result<Option<StoredLetter>, S::Error> {
    let stamp = Stamp::new(talk.turn.now.unix_ms, id);
    let letter = compose::write_as(talk.turn, talk.keys, stamp, &Draft { to, device: None, body })?;
    if let Some(letter) = &letter {
        let view = show::view(talk.turn.store, &talk.keys.identity.address, letter)?;
        talk.turn.event(Event::Letter(Box::new(view)));
    }
    Ok(letter)
}

type Composed<S> = Result<Result<LetterBody, CommandError>, S>;

fn compose<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    to: &Address,
    what: Saying,
) -> Composed<S::Error> {
    match what {
        Saying::Words { words: new, thread, reply_to, expires_after_s } => {
            let said = match known_words(talk, &new) {
                Ok(said) => said,
                Err(error) => return Ok(Err(error)),
            };
            if expires_after_s == Some(0) {
                return Ok(Err(usage("A letter may disappear after a second at the earliest.")));
            }
            place(
                talk,
                to,
                TextBody { words: said, expires_after_s, ..TextBody::default() },
                (thread, reply_to),
            )
        }
        Saying::Draft => {
            let text = talk.turn.store.chat(to)?.draft.text;
            if text.is_empty() {
                let text = format!("There is no draft for {to}. Write one with `hobnob draft {to} TEXT`.");
                return Ok(Err(CommandError::new(ErrorKind::NotFound, text)));
            }
            let new = super::command::NewWords { text, ..Default::default() };
            Ok(known_words(talk, &new)
                .map(|words| LetterBody::Text(TextBody { words, ..TextBody::default() })))
        }
        Saying::Forward(id) => forward(talk, id),
        Saying::Nudge => Ok(Ok(LetterBody::Nudge(Nudge {}))),
        Saying::Card { address, name, note } => Ok(card(address, &name, &note)),
        Saying::Location { latitude, longitude, accuracy_m, place } => {
            Ok(location((latitude, longitude), accuracy_m, &place))
        }
        Saying::Poll { question, options, multiple } => Ok(poll(&question, &options, multiple)),
    }
}

/// Words that mention contacts and the user only.
pub(super) fn known_words<S, E>(
    talk: &Talk<'_, '_, S, E>,
    new: &super::command::NewWords,
) -> Result<Words, CommandError> {
    let own = &talk.keys.identity.address;
    words(new, own, |address| address == own || talk.contacts.knows(address))
}

/// Puts words where they belong: into a thread, under the letter that they answer.
fn place<S: Store, E: Entropy>(
    talk: &mut Talk<'_, '_, S, E>,
    to: &Address,
    mut text: TextBody,
    (thread, reply_to): (Option<LetterId>, Option<LetterId>),
) -> Composed<S::Error> {
    for (id, is_reply) in [(reply_to, true), (thread, false)] {
        let Some(id) = id else { continue };
        let Some(letter) = find(talk.turn.store, Some(to), id)? else {
            let words = format!(
                "There is no letter {id} in the chat with {to}. See them with `hobnob history {to} --json`."
            );
            return Ok(Err(CommandError::new(ErrorKind::NotFound, words)));
        };
        let above = stored::<TextBody>(&letter.body).filter(|_| letter.kind == kind::TEXT);
        let above = above.and_then(|above| above.thread);
        if is_reply {
            text.reply_to = Some(reference(&letter));
            text.thread = above;
        } else {
            text.thread = Some(above.unwrap_or_else(|| reference(&letter)));
        }
    }
    Ok(Ok(LetterBody::Text(text)))
}

fn forward<S: Store, E: Entropy>(talk: &mut Talk<'_, '_, S, E>, id: LetterId) -> Composed<S::Error> {
    let refused = |kind, text: &str| Ok(Err(CommandError::new(kind, text)));
    let Some(letter) = find(talk.turn.store, None, id)? else {
        return Ok(Err(no_letter(id)));
    };
    let LetterRef { author, .. } = reference(&letter);
    let merged = merge(&author, talk.turn.store.changes(&letter.chat, &reference(&letter))?);
    if letter.expires.is_some() {
        return refused(ErrorKind::Denied, "That letter disappears after a while, so it is not passed on.");
    }
    match body_of(&letter) {
        Some(LetterBody::Text(text)) if !merged.deleted => {
            let words = merged.edited.map_or(text.words, |(words, _)| words);
            let words = Words { mentions: List::default(), ..words };
            let forwarded_from = Some(text.forwarded_from.unwrap_or(author));
            Ok(Ok(LetterBody::Text(TextBody { words, forwarded_from, ..TextBody::default() })))
        }
        Some(body @ (LetterBody::ContactCard(_) | LetterBody::Location(_))) if !merged.deleted => {
            Ok(Ok(body))
        }
        Some(_) | None => refused(
            ErrorKind::Conflict,
            "Only words, contact cards and places that still stand can be passed on.",
        ),
    }
}

/// There is no such letter.
pub(super) fn no_letter(id: LetterId) -> CommandError {
    let text = format!("There is no letter {id}. See the letters with `hobnob history ADDRESS --json`.");
    CommandError::new(ErrorKind::NotFound, text)
}

fn card(address: Address, name: &str, note: &str) -> Result<LetterBody, CommandError> {
    let name = if name.is_empty() { Text::default() } else { line("The name", name)? };
    Ok(LetterBody::ContactCard(ContactCard { address, name, note: text("The note", note)? }))
}

fn location(
    (latitude, longitude): (i64, i64),
    accuracy_m: Option<u32>,
    place: &str,
) -> Result<LetterBody, CommandError> {
    let north = i32::try_from(latitude).ok().and_then(|degrees| Latitude::try_from(degrees).ok());
    let east = i32::try_from(longitude).ok().and_then(|degrees| Longitude::try_from(degrees).ok());
    let (Some(latitude), Some(longitude)) = (north, east) else {
        return Err(usage("A place is a latitude from -90 to 90 and a longitude from -180 to 180."));
    };
    let place = if place.is_empty() { Text::default() } else { line("The name of the place", place)? };
    Ok(LetterBody::Location(Location { latitude, longitude, accuracy_m, place }))
}

fn poll(question: &str, options: &[String], multiple: bool) -> Result<LetterBody, CommandError> {
    let question = line("The question", question)?;
    if options.len() < 2 || options.len() > POLL_OPTIONS_MAX {
        return Err(usage(format!(
            "A poll has 2 to {POLL_OPTIONS_MAX} options; these are {}.",
            options.len()
        )));
    }
    let options: Result<Vec<_>, _> = options.iter().map(|option| line("An option", option)).collect();
    let options = List::new(options?).unwrap_or_default();
    Ok(LetterBody::Poll(Poll { question, options, multiple }))
}
